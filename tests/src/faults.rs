//! A fault run: many jobs, several workers of one fleet that are killed again and again or cut off from everything but
//! their engine, calls that are throttled, fail, or lose their answer, and an engine that goes away if need be. At the end each job was reported once and with the right
//! result, each log is whole, and nothing is left in the engine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::aws::{ACCOUNT, AwsEmulator, REGION};
use crate::codepipeline::{
    ActionSpec, ActionTypeSpec, CodePipeline, Crime, Disturbance, Given, PipelineSpec, Settings, Status,
};
use crate::engine::PrivateEngine;
use crate::images;
use crate::line::Line;
use crate::table::{TABLE, table};
use crate::worker::{WorkerProcess, WorkerSpec, eventually};

/// Every fifth job fails, as it should. What a job does it does once, in a folder of the run's.
const SPEC: &str = "version: 0.2
phases:
  build:
    commands:
      - echo first
      - sleep 1
      - test $(( $NUMBER % 5 )) -ne 4
  post_build:
    commands:
      - echo last
artifacts:
  files: [made]
";

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct FaultRun {
    /// Pipelines with one job each, all there from the start.
    pub jobs: u64,
    /// Workers, of three seats each.
    pub workers: u64,
    /// What happens when.
    pub seed: u64,
    /// Whether workers are also cut off for a while, shorter or longer than their lease.
    pub cuts_too: bool,
    /// Whether the engine is one of the run's own, and is killed and started again too.
    pub engine_too: bool,
}

/// What was done to them.
#[derive(Debug)]
pub struct Suffered {
    /// Workers killed.
    pub kills: u32,
    /// Workers cut off for a while.
    pub cuts: u32,
    /// Restarts of the engine.
    pub restarts: u32,
}

impl FaultRun {
    /// Does it all. The state directories of the workers stay when something was wrong.
    ///
    /// # Panics
    /// When anything is not as it must be at the end.
    pub async fn run(self, say: impl Fn(String)) -> Suffered {
        fastrand::seed(self.seed);
        let (emulator, image) = tokio::join!(AwsEmulator::start(), images::busybox());
        table(&emulator).await;
        let service = CodePipeline::start_with(&emulator, Settings::new(REGION, ACCOUNT)).await;
        self.pipelines(&service);
        let folder = tempfile::Builder::new().prefix("faults-").tempdir().unwrap_or_else(|error| panic!("{error}"));
        let folder = folder.keep();
        say(format!("the workers' state directories are in {}", folder.display()));
        let mut fleet = Fleet::start(self, &service, image, folder).await;
        let executions: Vec<String> =
            (0..self.jobs).map(|number| service.start_execution(&format!("app-{number}"))).collect();
        let suffered = fleet.suffer(&service, &executions, &say).await;
        service.faults().clear();
        for Member { worker, .. } in &mut fleet.members {
            eventually("worker that listens", || worker.has_begun().then_some(())).await;
            worker.signal(Signal::SIGTERM);
            assert_eq!(worker.ended().await, 0, "{}", worker.log());
        }
        fleet.check(&service, &executions).await;
        fleet.remove();
        suffered
    }

    fn pipelines(self, service: &CodePipeline) {
        let build = ActionTypeSpec::new("Build", "Sluice").queryable("Pool").property("ProjectName");
        service.action_type(build.property("EnvironmentVariables"));
        for number in 0..self.jobs {
            let name = format!("app-{number}");
            let variables = format!(r#"[{{"name":"NUMBER","value":"{number}"}}]"#);
            let action = ActionSpec::custom("build", "Build", "Sluice").input("Source").output("Output");
            let action = action.config("Pool", "linux").config("ProjectName", &name);
            let action = action.config("EnvironmentVariables", &variables);
            let sources = [ActionSpec::source("checkout", "Source")];
            service.pipeline(PipelineSpec::new(&name).stage("Source", sources).stage("Build", [action]));
            service.give(&name, "checkout", Given::zip("1", &[("buildspec.yml", SPEC), ("made", "made")]));
        }
        service.faults().share(None, 0.05, self.seed, Disturbance::Throttle);
        service.faults().share(None, 0.02, self.seed + 1, Disturbance::InternalError);
        service.faults().share(None, 0.02, self.seed + 2, Disturbance::CloseAfter);
    }
}

struct Fleet {
    run: FaultRun,
    folder: PathBuf,
    members: Vec<Member>,
    engine: Option<PrivateEngine>,
}

/// A worker, and its line to everything.
struct Member {
    line: Line,
    spec: WorkerSpec,
    worker: WorkerProcess,
}

impl Fleet {
    async fn start(run: FaultRun, service: &CodePipeline, image: &str, folder: PathBuf) -> Self {
        let engine = match run.engine_too {
            true => Some(PrivateEngine::start(&folder.join("engine"), image).await),
            false => None,
        };
        let mut members = Vec::new();
        for number in 0..run.workers {
            let line = Line::to(service.endpoint().trim_start_matches("http://").to_owned()).await;
            let mut spec = WorkerSpec::new(&format!("http://{}", line.host), ACCOUNT, image);
            spec = spec.with(&["--table", TABLE, "--seats", "3", "--type", "build"]);
            spec.environment.extend(engine.iter().map(|engine| ("DOCKER_HOST".to_owned(), engine.host())));
            let worker = WorkerProcess::start(&spec, &folder.join(format!("worker-{number}")));
            members.push(Member { line, spec, worker });
        }
        Self { run, folder, members, engine }
    }

    /// Disturbs until all is over.
    async fn suffer(&mut self, service: &CodePipeline, executions: &[String], say: &impl Fn(String)) -> Suffered {
        let (mut suffered, begun) = (Suffered { kills: 0, cuts: 0, restarts: 0 }, Instant::now());
        let is_over = |execution: &&String| service.status(execution).is_some_and(Status::is_over);
        loop {
            let over = executions.iter().filter(is_over).count();
            if over == executions.len() {
                return suffered;
            }
            let longest = Duration::from_secs(60 + self.run.jobs * 10);
            let late = executions.iter().find(|one| !is_over(one)).map(|one| service.report(one));
            assert!(begun.elapsed() < longest, "{over} are over: {late:?}");
            tokio::time::sleep(Duration::from_millis(500 + fastrand::u64(..2500))).await;
            let member = &mut self.members[fastrand::usize(..self.run.workers as usize)];
            match (fastrand::u8(..4), &mut self.engine) {
                (0, Some(engine)) => {
                    engine.restart().await;
                    suffered.restarts += 1;
                }
                (1, _) if self.run.cuts_too => {
                    member.line.cut(true);
                    // Shorter than a lease, or longer.
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(..8000))).await;
                    member.line.cut(false);
                    suffered.cuts += 1;
                }
                _ => {
                    member.worker.kill();
                    member.worker = WorkerProcess::start(&member.spec, &member.worker.state.clone());
                    suffered.kills += 1;
                }
            }
            say(format!("{:>4}s  {over} of {} over, {suffered:?}", begun.elapsed().as_secs(), executions.len()));
        }
    }

    /// What must be true at the end.
    async fn check(&self, service: &CodePipeline, executions: &[String]) {
        for (number, execution) in executions.iter().enumerate() {
            let expected = if number % 5 == 4 { Status::Failed } else { Status::Succeeded };
            assert_eq!(service.status(execution), Some(expected), "{}", service.report(execution));
        }
        assert!(service.jobs().iter().all(|job| job.result.is_some()), "a job has no result");
        // A worker that dies between a result and its own note of it tells the result again, and is refused.
        service.assert_no_crimes_but(&[Crime::ResultTwice]);
        let logs: Vec<String> = self.members.iter().flat_map(|member| member.worker.build_logs()).collect();
        let whole = logs.iter().filter(|log| log.lines().any(|line| line == "last")).count();
        assert!(whole >= executions.len(), "{whole} of {} logs are whole", executions.len());
        for log in logs {
            let times = |text: &str| log.lines().filter(|line| *line == text).count();
            assert!(times("first") <= 1 && times("last") <= 1, "a command ran twice:\n{log}");
        }
        for Member { worker, .. } in &self.members {
            let left = (worker.left_in_engine().await, worker.waiting_in_engine());
            assert_eq!(left, (Vec::new(), Vec::new()), "{}", worker.log());
            // One that was cut off for longer than a lease loses it, and must say so.
            let is_wrong = |line: &&str| line.contains(" ERROR ") && !line.contains("the lease ran out");
            assert_eq!(worker.log().lines().find(is_wrong), None, "{}", worker.log());
        }
    }

    /// Ends what is there, and leaves nothing behind.
    fn remove(self) {
        let Self { folder, members, engine, .. } = self;
        drop(members);
        drop(engine);
        std::fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
}
