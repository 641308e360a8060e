//! News of pipelines heard: a worker that hears of a job polls at once, and one that hears that an execution was stopped
//! asks at once whether its jobs are wanted. Without any news it does both too, only later.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Mode, Worker, rhythm};
use crate::clock;
use crate::queue::{Events, LetGo, News, Says};

/// How long news are passed on for. After that whoever they are for has found out without them.
const PASSED_ON: SignedDuration = SignedDuration::from_mins(2);
/// How long news that are for another worker rest before the next one hears them.
const REST: Duration = Duration::from_secs(2);

/// Listens for as long as it is polled.
pub(super) async fn hear(worker: &Worker, events: &dyn Events) {
    loop {
        match events.listen().await {
            Ok(all) => {
                for news in all {
                    if let Err(fault) = events.answer(&news, heard(worker, &news)).await {
                        tracing::debug!(%fault, "news will be heard twice");
                    }
                }
            }
            Err(fault) => {
                tracing::warn!(%fault, hint = fault.hint, "no events are heard; jobs are polled for without them");
                tokio::time::sleep(rhythm::jittered(worker.config.rhythm.poll)).await;
            }
        }
    }
}

fn heard(worker: &Worker, news: &News) -> LetGo {
    match &news.says {
        Says::Job { at } => {
            // One that cannot take the job leaves the news to one that can.
            if worker.standing.mode() != Mode::Working || worker.seats.available_permits() == 0 {
                return passed_on(*at);
            }
            worker.nudge.notify_one();
        }
        Says::Stopped { execution, at } => {
            if !worker.standing.executes(execution) {
                return passed_on(*at);
            }
            worker.standing.ask_again();
        }
    }
    LetGo::ForGood
}

fn passed_on(at: Timestamp) -> LetGo {
    if clock::now().duration_since(at) > PASSED_ON { LetGo::ForGood } else { LetGo::For(REST) }
}
