//! A long fault run, see `sluice_tests::faults`: `faults [JOBS] [WORKERS] [SEED] [engine]`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use sluice_tests::faults::FaultRun;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let engine_too = arguments.iter().any(|argument| argument == "engine");
    let (jobs, workers, seed) = (number(0, 20), number(1, 3), number(2, 1));
    let run = FaultRun { jobs, workers, seed, cuts_too: true, engine_too };
    let suffered = run.run(|line| println!("{line}")).await;
    println!("{run:?}, {suffered:?}: each job reported once, each log whole, nothing left");
}
