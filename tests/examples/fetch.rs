//! Fetches a repository as a run does: `fetch CACHE URL REFERENCE FOLDER`. For tests/bench/clone.sh.

use std::path::Path;
use std::sync::Arc;

use pipeline_spec::plan::Source;
use runner::cancel::Cancel;
use runner::fault::Fault;
use runner::progress::Progress;
use runner::source::{Config, Revisions, Sources as _};

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or_else(|| Fault::configuration("fetch CACHE URL REFERENCE FOLDER"));
    let config = Config { cache: next()?.into(), ..Config::default() };
    let (url, reference) = (next()?, Some(next()?));
    let source = Source::Git { url, reference, depth: None, submodules: false };
    let nobody = Arc::new(|_| Box::pin(async { Err(Fault::permission("no identity")) }) as _);
    let folder = next()?;
    Revisions::new(config, nobody)
        .fetch(&source, Path::new(&folder), &Progress::silent(), &Cancel::new())
        .await
        .map(|_| ())
}
