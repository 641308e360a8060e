//! Runs builds in warm sandboxes, one for each pair of lines on standard input: `warm IMAGE FOLDER`. After the first
//! line one is made ready, after the second the build runs; lines say when a sandbox is ready, when its build is done, and
//! when it is removed. For tests/bench/bench.py.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_spec::plan::Limits;
use runner::cancel::Cancel;
use runner::engine::docker::{DockerConfig, DockerEngine, NoLogins, WarmConfig};
use runner::engine::{
    Ending, Engine as _, Mount, NextSection, Program, SandboxKey, SandboxSpec, Sandboxes as _, Section, ShellKind, Step,
};
use runner::fault::Fault;
use runner::progress::Progress;
use tokio::sync::mpsc;

const DIRECTORY: &str = "/codebuild/output/src123456789/src";

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or_else(|| Fault::configuration("warm IMAGE FOLDER"));
    let (image, folder) = (next()?, PathBuf::from(next()?));
    let warm = WarmConfig { after: std::time::Duration::from_secs(600), ..WarmConfig::at(folder.join("warm")) };
    let config = DockerConfig { warm: Some(warm), ..DockerConfig::default() };
    let engine = DockerEngine::new(config, Arc::new(NoLogins));
    let run = format!("bench-{}", std::process::id());
    for number in 0.. {
        if !has_line() {
            break;
        }
        let spec = spec(&run, number, &image, &folder)?;
        engine.warm(&image, &Limits::default(), None).await?;
        say("ready");
        if !has_line() {
            break;
        }
        let done = build(&engine, &spec).await?;
        say(if done == Ending::Completed { "done" } else { "failed" });
        engine.destroy(&run, Some(&spec.key.name)).await?;
        say("removed");
    }
    engine.destroy(&run, None).await?;
    engine.drain().await;
    Ok(())
}

/// Waits on the thread of `main`, which the runtime does not need.
fn has_line() -> bool {
    std::io::stdin().read_line(&mut String::new()).is_ok_and(|read| read > 0)
}

#[expect(clippy::print_stdout, reason = "whoever measures reads this")]
fn say(word: &str) {
    println!("{word}");
    let _ = std::io::stdout().flush();
}

/// One command, in a workspace, with about as many variables as a build has.
fn spec(run: &str, number: u32, image: &str, folder: &Path) -> Result<SandboxSpec, Fault> {
    let own = folder.join(number.to_string());
    let host = own.join("source");
    std::fs::create_dir_all(&host).map_err(|error| Fault::system(format!("{}: {error}", host.display())))?;
    let step = Step { text: "true".to_owned(), retry_statuses: Vec::new() };
    let section = Section {
        name: "BUILD".to_owned(),
        user: None,
        steps: vec![step],
        finally: Vec::new(),
        retry: None,
        on_failure: NextSection::End,
    };
    Ok(SandboxSpec {
        key: SandboxKey { run: run.to_owned(), name: format!("b{number}") },
        image: image.to_owned(),
        program: Program {
            shell: ShellKind::Sh,
            carries_state: true,
            directory: DIRECTORY.to_owned(),
            sections: vec![section],
            exported: Vec::new(),
            expansions: Vec::new(),
        },
        environment: (0..20).map(|n| (format!("VARIABLE_{n}"), format!("the value of variable {n}"))).collect(),
        secrets: Vec::new(),
        mounts: vec![Mount { host, container: DIRECTORY.to_owned(), read_only: false, seeded: false }],
        records: own.join("records"),
        services: Vec::new(),
        limits: Limits::default(),
        owner: None,
    })
}

async fn build(engine: &DockerEngine, spec: &SandboxSpec) -> Result<Ending, Fault> {
    engine.start(spec, &Progress::silent(), &Cancel::new()).await?;
    let (tell, mut told) = mpsc::channel(64);
    let (ending, ()) =
        tokio::join!(engine.follow(&spec.key, &spec.records, tell), async { while told.recv().await.is_some() {} });
    ending
}
