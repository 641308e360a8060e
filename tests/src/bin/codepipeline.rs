//! The tests' CodePipeline as a process, for the AWS CLI and for examples. Its first line is its address.
//!
//! `codepipeline --s3 URL [--listen HOST:PORT] [--region REGION] [--account ID] [--queue-url URL]`

use std::io::Write as _;
use std::process::ExitCode;

use sluice_tests::codepipeline::{CodePipeline, Settings};

const USAGE: &str =
    "usage: codepipeline --s3 URL [--listen HOST:PORT] [--region REGION] [--account ID] [--queue-url URL]\n";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            std::io::stderr().write_all(format!("error: {text}\n{USAGE}").as_bytes()).ok();
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), String> {
    let (mut listen, mut upstream) = ("127.0.0.1:0".to_owned(), None);
    let mut settings = Settings::new("us-east-1", "000000000000");
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => listen = value,
            "--s3" => upstream = Some(value.trim_end_matches('/').to_owned()),
            "--region" => settings.region = value,
            "--account" => settings.account = value,
            "--queue-url" => settings.queue_url = Some(value),
            other => return Err(format!("unknown option {other}")),
        }
    }
    let upstream = upstream.ok_or("--s3 is needed")?;
    let service = CodePipeline::open(&listen, &upstream, settings).await;
    let service = service.map_err(|error| format!("{listen}: {error}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", service.endpoint()).and_then(|()| out.flush()).map_err(|error| format!("stdout: {error}"))?;
    // Ends with a signal, as every server does.
    std::future::pending::<()>().await;
    Ok(())
}
