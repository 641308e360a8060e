//! What a worker costs: `load IMAGE JOBS SEATS FOLDER`. Measures the worker that was built beside this program, with a
//! CodePipeline and an emulator of AWS on this machine, and prints one JSON object. For tests/bench/bench.py.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "whoever measures reads this, and it ends where it fails"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use runner::clock;
use runner::event::What;
use runner::store::Record;
use serde_json::json;
use sluice_tests::aws::{ACCOUNT, AwsEmulator};
use sluice_tests::codepipeline::{ActionSpec, ActionTypeSpec, CodePipeline, Given, PipelineSpec, Status};
use sluice_tests::worker::{WorkerProcess, WorkerSpec, eventually};

/// How often the time to the first command is taken.
const TIMES: usize = 9;
/// How long an idle worker is watched.
const IDLE: Duration = Duration::from_secs(15);
const SPEC: &str = "version: 0.2\nphases:\n  build:\n    commands:\n      - 'true'\n";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, jobs, seats, folder] = arguments.as_slice() else { panic!("load IMAGE JOBS SEATS FOLDER") };
    let emulator = AwsEmulator::start().await;
    let service = CodePipeline::start(&emulator).await;
    service.action_type(ActionTypeSpec::new("Build", "Sluice").queryable("Pool").property("ProjectName"));
    let bench = Bench { service, image: image.clone(), seats: seats.clone(), folder: PathBuf::from(folder) };
    bench.pipeline("app");
    let (cold, warm) = (bench.first_commands("cold", "0").await, bench.first_commands("warm", "4").await);
    let (idle, busy) = (bench.idle().await, bench.busy(jobs.parse().unwrap()).await);
    println!("{}", json!({ "cold": cold, "warm": warm, "idle": idle, "busy": busy }));
}

struct Bench {
    service: CodePipeline,
    image: String,
    seats: String,
    folder: PathBuf,
}

impl Bench {
    /// A pipeline with one build that does nothing.
    fn pipeline(&self, name: &str) {
        let action = ActionSpec::custom("build", "Build", "Sluice").input("Source").config("Pool", "linux");
        let stages = PipelineSpec::new(name).stage("Source", [ActionSpec::source("checkout", "Source")]);
        self.service.pipeline(stages.stage("Build", [action.config("ProjectName", name)]));
        self.service.give(name, "checkout", Given::zip("1", &[("buildspec.yml", SPEC)]));
    }

    fn worker(&self, name: &str, arguments: &[&str]) -> WorkerProcess {
        let mut spec = WorkerSpec::new(&self.service.endpoint(), ACCOUNT, &self.image);
        spec.arguments = vec!["--seats".to_owned(), self.seats.clone(), "--type".to_owned(), "build".to_owned()];
        WorkerProcess::start(&spec.with(arguments), &self.folder.join(name))
    }

    /// Milliseconds from an execution's start to the first command of its build, for a worker that has nothing else to do
    /// and asks ten times a second.
    async fn first_commands(&self, name: &str, warm: &str) -> Vec<f64> {
        let mut worker = self.worker(name, &["--poll", "0.1", "--warm", warm]);
        let mut taken = Vec::new();
        for _ in 0..=TIMES {
            let begun = clock::now();
            let execution = self.service.start_execution("app");
            self.service.wait_for(&execution, Status::Succeeded).await;
            let first = first_command(&worker.state, begun).await;
            taken.push(first.duration_since(begun).as_secs_f64() * 1000.0);
            // The next container is made ready beside the end of this build.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        worker.signal(Signal::SIGTERM);
        worker.ended().await;
        taken.split_off(1)
    }

    /// What a worker takes that waits for work as it would by default.
    async fn idle(&self) -> serde_json::Value {
        let mut worker = self.worker("idle", &[]);
        eventually("worker", || worker.log().contains("the worker begins").then_some(())).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = cpu_ms(worker.id());
        tokio::time::sleep(IDLE).await;
        let cpu = (cpu_ms(worker.id()) - before) / IDLE.as_secs_f64();
        let (memory, own) = (memory_mib(worker.id(), "VmRSS"), memory_mib(worker.id(), "RssAnon"));
        worker.signal(Signal::SIGTERM);
        worker.ended().await;
        json!({ "cpu_ms_per_second": cpu, "memory_mib": memory, "own_mib": own })
    }

    /// Many jobs that are all there at once.
    async fn busy(&self, jobs: u32) -> serde_json::Value {
        // One execution of a pipeline at a time is in a stage.
        let pipelines: Vec<String> = (0..jobs).map(|number| format!("app-{number}")).collect();
        pipelines.iter().for_each(|name| self.pipeline(name));
        let executions: Vec<String> = pipelines.iter().map(|name| self.service.start_execution(name)).collect();
        let mut worker = self.worker("busy", &[]);
        let (begun, before) = (Instant::now(), cpu_ms(worker.id()));
        for execution in &executions {
            let over = || self.service.status(execution).filter(|status| status.is_over());
            while over().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(over(), Some(Status::Succeeded));
        }
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = cpu_ms(worker.id()) - before;
        let peak = memory_mib(worker.id(), "VmHWM");
        worker.signal(Signal::SIGTERM);
        worker.ended().await;
        json!({ "jobs": jobs, "seconds": seconds, "cpu_ms_per_job": cpu / f64::from(jobs), "peak_mib": peak })
    }
}

/// When the newest run's first command began.
async fn first_command(state: &Path, after: Timestamp) -> Timestamp {
    let record = Record::open(state).unwrap();
    eventually("first command", || {
        let run = record.runs(1).unwrap().pop().filter(|run| run.started >= after)?;
        let events = record.events(&run.id, 0).unwrap();
        events.iter().find(|event| matches!(event.what, What::CommandStarted { .. })).map(|event| event.at)
    })
    .await
}

/// Processor time so far.
fn cpu_ms(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before may have spaces; utime and stime are the 14th and 15th field, in hundredths of a second.
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() * 10.0).sum()
}

fn memory_mib(process: u32, what: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
