//! A build's records, read while there is no engine.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::*;

const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// Writes as a driver does.
fn write(records: &Path, mark: &str) {
    let mut output = File::options().create(true).append(true).open(records.join("output")).unwrap();
    writeln!(output, "\x1e{NONCE} {mark}").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_build_that_goes_on_without_its_engine_is_read_to_its_end() {
    let records = tempfile::tempdir().unwrap();
    let host = format!("unix://{}", records.path().join("no.sock").display());
    let config = DockerConfig { host, expected: true, ..DockerConfig::default() };
    let engine = DockerEngine::new(config, Arc::new(NoLogins));
    write(records.path(), "1 0.00 B -");
    let (tell, mut told) = mpsc::channel(16);
    let key = SandboxKey { run: "run".to_owned(), name: "a".to_owned() };
    let ends = async {
        tokio::time::sleep(patience::PATIENCE * 10).await;
        write(records.path(), "2 0.00 Z");
    };
    let heard = async { while told.recv().await.is_some() {} };
    let (ending, (), ()) = tokio::join!(engine.follow(&key, records.path(), tell), ends, heard);
    assert_eq!(ending.unwrap(), Ending::Completed);
}
