//! The state with its surroundings: a clock that tests can put forward, the emulator that has buckets and queues, and
//! whoever waits for a change. It knows no HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::disturbance::Disturbances;
use super::model::Model;
use super::state::{Settings, State};
use super::{queue, work};

/// The service behind the door.
pub(super) struct Service {
    pub(super) model: Model,
    pub(super) disturbances: Disturbances,
    /// The emulator's `host:port`.
    pub(super) upstream: String,
    pub(super) s3: aws_sdk_s3::Client,
    state: Mutex<State>,
    ahead: Mutex<SignedDuration>,
    changes: watch::Sender<()>,
    events: Option<mpsc::UnboundedSender<String>>,
}

impl Service {
    /// One before an emulator, `http://host:port`.
    pub(super) async fn open(upstream: &str, settings: Settings) -> Arc<Self> {
        let config = crate::aws::config_of(upstream, &settings.region, &settings.account).await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let events = settings.queue_url.clone().map(|url| queue::open(aws_sdk_sqs::Client::new(&config), url));
        Arc::new(Self {
            model: Model::of_botocore(),
            disturbances: Disturbances::default(),
            upstream: upstream.trim_start_matches("http://").to_owned(),
            s3: aws_sdk_s3::Client::from_conf(s3),
            state: Mutex::new(State::new(settings)),
            ahead: Mutex::new(SignedDuration::ZERO),
            changes: watch::Sender::new(()),
            events,
        })
    }

    /// The time of this service.
    pub(super) fn now(&self) -> Timestamp {
        runner::clock::now() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the service's clock forward.
    pub(super) fn advance(self: &Arc<Self>, by: SignedDuration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
        self.apply(|_, _| ());
    }

    /// Looks at the state.
    pub(super) fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and sees to what follows from it: orders are carried out, events sent, waiters woken.
    pub(super) fn apply<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.now();
        let mut state = self.look();
        state.tick(now);
        let result = change(&mut state, now);
        let (orders, events) = (state.take_orders(), state.take_events());
        // Sent while the state is held, so that events leave in their order.
        for event in events {
            if let Some(sender) = &self.events {
                sender.send(event.to_string()).ok();
            }
        }
        drop(state);
        for order in orders {
            tokio::spawn(work::carry_out(Arc::clone(self), order));
        }
        self.changes.send_replace(());
        result
    }

    /// Waits until a look at the state finds something.
    pub(super) async fn until<R>(&self, find: impl Fn(&State) -> Option<R>) -> R {
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(found) = find(&self.look()) {
                return found;
            }
            // The sender lives as long as the service does.
            changes.changed().await.ok();
        }
    }
}
