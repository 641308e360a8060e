//! What CodePipeline knows: action types, pipelines, executions, jobs. It does no I/O and reads no clock: a call brings
//! its time along, and what has to be done outside (fetch a source, tell an event) is handed out as a value.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub mod action_type;
pub mod event;
pub mod execution;
pub mod job;
pub mod key;
pub mod ledger;
pub mod pipeline;
pub mod progress;
pub mod result;
pub mod start;
pub mod stop;
pub mod variables;

use action_type::ActionType;
use execution::{Artifact, Execution};
use job::Job;
use key::TemporaryKey;
use ledger::Ledger;
use pipeline::Pipeline;

/// How this CodePipeline behaves where tests want it otherwise, or AWS does not say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Region that it says it is in.
    pub region: String,
    /// The account that it says it belongs to.
    pub account: String,
    /// How long after a poll a job that nobody acknowledged stays hidden from the next one. At zero, the default,
    /// every poll hands it out again, each time with a new nonce.
    pub redelivery: SignedDuration,
    /// How long the credentials of a job are good. AWS's own plugin counts on 15 minutes.
    pub credentials: SignedDuration,
    /// How long an action of a custom type may take; AWS says 24 hours.
    pub action_timeout: SignedDuration,
    /// How long after its execution was abandoned a worker may go on without having done wrong: it is told by no call.
    pub abandon_grace: SignedDuration,
    /// Whether an acknowledgement that is made a second time, with the same nonce, is answered with the job's status.
    /// Otherwise it is an `InvalidNonceException`. AWS does not say.
    pub repeatable_acknowledgement: bool,
    /// The queue of the emulator that events are sent to.
    pub queue_url: Option<String>,
    /// The share of events that are sent twice: delivery is at least once.
    pub repeated_events: f64,
    /// What ids, nonces and keys come from; by default something that no other has.
    pub seed: Option<u64>,
}

impl Settings {
    /// The ordinary ones, for a Region and an account.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Self {
        Self {
            region: region.to_owned(),
            account: account.to_owned(),
            redelivery: SignedDuration::ZERO,
            credentials: SignedDuration::from_mins(15),
            action_timeout: SignedDuration::from_hours(24),
            abandon_grace: SignedDuration::from_mins(1),
            repeatable_acknowledgement: true,
            queue_url: None,
            repeated_events: 0.0,
            seed: None,
        }
    }
}

/// What a source action finds, given by a test instead of a repository.
#[derive(Clone, Debug)]
pub struct Given {
    /// The revision: a commit id, or a version of an object.
    pub revision: String,
    /// What is said of it.
    pub summary: String,
    /// The artifact's bytes.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// The action's output variables.
    pub variables: BTreeMap<String, String>,
}

/// Work of an action that the service does by itself, and that needs the outside.
#[derive(Clone, Debug)]
pub struct Order {
    /// The execution's id.
    pub execution: String,
    /// The action execution's id.
    pub run: String,
    /// What to do.
    pub work: Work,
}

/// See [`Order`].
#[derive(Clone, Debug)]
pub enum Work {
    /// Put what a test has given into the artifact bucket.
    Put(Given, Artifact),
    /// Copy an object of (bucket, key) into the artifact bucket.
    Copy(String, String, Artifact),
    /// What the action type `StandIn` does: read each input, which must be a zip, and copy the first to all outputs.
    StandIn(Vec<Artifact>, Vec<Artifact>),
}

/// Everything that the service knows.
pub struct State {
    /// How it behaves.
    pub settings: Settings,
    /// Every call, and every crime.
    pub ledger: Ledger,
    pub(super) types: Vec<ActionType>,
    pub(super) pipelines: BTreeMap<String, Pipeline>,
    pub(super) executions: Vec<Execution>,
    pub(super) jobs: Vec<Job>,
    pub(super) keys: Vec<TemporaryKey>,
    pub(super) given: BTreeMap<(String, String), Given>,
    /// Every event so far, in its order.
    pub events: Vec<Value>,
    told: usize,
    orders: Vec<Order>,
    random: fastrand::Rng,
}

impl State {
    /// One that knows the built-in action types and nothing else.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let random = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            settings,
            ledger: Ledger::default(),
            types: action_type::built_in(),
            pipelines: BTreeMap::new(),
            executions: Vec::new(),
            jobs: Vec::new(),
            keys: Vec::new(),
            given: BTreeMap::new(),
            events: Vec::new(),
            told: 0,
            orders: Vec::new(),
            random,
        }
    }

    /// Says what a source action finds from now on.
    pub fn give(&mut self, pipeline: &str, action: &str, given: Given) {
        self.given.insert((pipeline.to_owned(), action.to_owned()), given);
    }

    /// The work that has come up since the last call.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// The events that nobody has been sent yet. Some come twice, when that is asked for.
    pub fn take_events(&mut self) -> Vec<Value> {
        let mut taken = Vec::new();
        for at in self.told..self.events.len() {
            let times = if self.chance(self.settings.repeated_events) { 2 } else { 1 };
            taken.extend(std::iter::repeat_n(self.events[at].clone(), times));
        }
        self.told = self.events.len();
        taken
    }

    /// Lets time pass: an action that has taken too long fails.
    pub fn tick(&mut self, now: Timestamp) {
        let limit = self.settings.action_timeout;
        let late = self.jobs.iter().enumerate().filter(|(_, job)| !job.status.is_over());
        let late = late.filter(|(_, job)| {
            self.run(&job.execution, &job.run).is_some_and(|run| now.duration_since(run.started) >= limit)
        });
        for at in late.map(|(at, _)| at).collect::<Vec<_>>() {
            self.time_out(at, now);
        }
    }

    /// A new id, a UUID of version 4.
    pub(super) fn id(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid().to_string()
    }

    /// Letters and digits.
    pub(super) fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| self.random.alphanumeric()).collect()
    }

    /// Whether something of this probability happens now.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.random.f64() < probability
    }

    /// The ARN of a pipeline.
    #[must_use]
    pub fn arn(&self, pipeline: &str) -> String {
        format!("arn:aws:codepipeline:{}:{}:{pipeline}", self.settings.region, self.settings.account)
    }
}
