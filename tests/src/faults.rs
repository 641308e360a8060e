//! A fault run: many jobs, several workers of one fleet that are killed again and again or cut off from everything but
//! their engine, calls that are throttled, fail, or lose their answer, and an engine that goes away if need be. What the
//! jobs do is in `work`, and what must be true at the end in `check`.

mod check;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use nix::sys::signal::Signal;

use crate::aws::{ACCOUNT, AwsEmulator, REGION};
use crate::codepipeline::{CodePipeline, Disturbance, Settings, Status};
use crate::engine::PrivateEngine;
use crate::images;
use crate::line::Line;
use crate::table::{TABLE, table};
use crate::worker::{WorkerProcess, WorkerSpec, eventually};
use work::{Kind, Work, name};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct FaultRun {
    /// Jobs, all there from the start.
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
#[derive(Debug, Default)]
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
        sources(&emulator).await;
        let service = CodePipeline::start_with(&emulator, Settings::new(REGION, ACCOUNT)).await;
        service.types_of_sluice();
        let work = Work::prepare(emulator, image).await;
        for number in 0..self.jobs {
            work.make(&service, number).await;
        }
        let folder = tempfile::Builder::new().prefix("faults-").tempdir().unwrap_or_else(|error| panic!("{error}"));
        let folder = folder.keep();
        say(format!("the workers' state directories are in {}", folder.display()));
        let mut fleet = Fleet::start(self, &service, &work, image, folder).await;
        self.disturb(&service);
        let asked = (0..self.jobs).filter(|number| Kind::of(*number) != Kind::Message);
        let executions = asked.map(|number| (number, service.start_execution(&name(number)))).collect();
        let suffered = fleet.suffer(&service, &work, &executions, &say).await;
        service.faults().clear();
        fleet.end().await;
        fleet.check(&service, &work, &executions).await;
        work.end(self.jobs).await;
        fleet.remove();
        suffered
    }

    fn disturb(self, service: &CodePipeline) {
        service.faults().share(None, 0.05, self.seed, Disturbance::Throttle);
        service.faults().share(None, 0.02, self.seed + 1, Disturbance::InternalError);
        service.faults().share(None, 0.02, self.seed + 2, Disturbance::CloseAfter);
    }
}

async fn sources(emulator: &AwsEmulator) {
    let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
    let bucket = aws_sdk_s3::Client::new(&emulator.config(ACCOUNT).await).create_bucket().bucket(work::SOURCES);
    let made = bucket.create_bucket_configuration(place.build()).send().await;
    made.unwrap_or_else(|error| panic!("no bucket: {error:?}"));
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
    async fn start(run: FaultRun, service: &CodePipeline, work: &Work, image: &str, folder: PathBuf) -> Self {
        let engine = match run.engine_too {
            true => Some(PrivateEngine::start(&folder.join("engine"), image).await),
            false => None,
        };
        let mut members = Vec::new();
        for number in 0..run.workers {
            let line = Line::to(service.endpoint().trim_start_matches("http://").to_owned()).await;
            let mut spec = WorkerSpec::new(&format!("http://{}", line.host), ACCOUNT, image);
            spec = spec.with(&["--table", TABLE, "--seats", "3", "--queue", &work.queue]);
            spec.environment.extend(engine.iter().map(|engine| ("DOCKER_HOST".to_owned(), engine.host())));
            let worker = WorkerProcess::start(&spec, &folder.join(format!("worker-{number}")));
            members.push(Member { line, spec, worker });
        }
        Self { run, folder, members, engine }
    }

    /// Disturbs until all is over.
    async fn suffer(
        &mut self,
        service: &CodePipeline,
        work: &Work,
        executions: &BTreeMap<u64, String>,
        say: &impl Fn(String),
    ) -> Suffered {
        let (mut suffered, begun) = (Suffered::default(), Instant::now());
        let is_open = |execution: &&String| !service.status(execution).is_some_and(Status::is_over);
        loop {
            let open: Vec<&String> = executions.values().filter(is_open).collect();
            let (messages, _) = work.messages().await;
            if open.is_empty() && messages == 0 {
                return suffered;
            }
            let longest = Duration::from_secs(90 + self.run.jobs * 10);
            let late = open.first().map(|one| service.report(one));
            assert!(begun.elapsed() < longest, "{} and {messages} messages are open: {late:?}", open.len());
            tokio::time::sleep(Duration::from_millis(500 + fastrand::u64(..2500))).await;
            self.strike(&mut suffered).await;
            let (seconds, open, jobs) = (begun.elapsed().as_secs(), open.len(), executions.len());
            say(format!("{seconds:>4}s  {open} of {jobs} and {messages} messages are open, {suffered:?}"));
        }
    }

    async fn strike(&mut self, suffered: &mut Suffered) {
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
    }

    /// Drains the workers.
    async fn end(&mut self) {
        for Member { worker, .. } in &mut self.members {
            eventually("worker that listens", || worker.has_begun().then_some(())).await;
            worker.signal(Signal::SIGTERM);
            assert_eq!(worker.ended().await, 0, "{}", worker.log());
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
