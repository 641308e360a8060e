//! Asking registries what tags mean by now: a team that moves `build:2` expects its builds to follow.
//!
//! Engines pull what is missing and nothing else. A worker lives for months, so it asks again now and then. A registry
//! that does not answer holds nobody up: what is here is used, and the log of the worker says so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use tokio::time::{Instant, timeout};

use super::pull::{Pulls, registry};
use crate::progress::Progress;

/// How long a registry may take to answer. What is pulled meanwhile is not lost: the engine keeps whole layers.
const LONGEST: Duration = Duration::from_secs(300);

/// When which image was asked for last.
#[derive(Debug)]
pub(super) struct Refresh {
    /// `None`: what is here is as good as any.
    every: Option<Duration>,
    asked: Mutex<HashMap<String, Instant>>,
}

impl Refresh {
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self { every, asked: Mutex::default() }
    }

    /// Pulls what a tag means by now, unless that was asked lately. A missing image is left to the build itself, which
    /// tells the user what is wrong with it.
    pub(super) async fn refresh(&self, pulls: &Pulls, client: &Docker, image: &str, progress: &Progress) {
        if !self.is_due(image) || client.inspect_image(image).await.is_err() {
            return;
        }
        match timeout(LONGEST, pulls.renew(client, image, progress)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::warn!(image, %fault, "what is here is used: the registry was asked in vain"),
            Err(_) => tracing::warn!(image, "what is here is used: the registry did not answer in time"),
        }
    }

    /// Whether the registry is to be asked now. A digest means the same for ever, and an image that names no registry may
    /// have been made on this machine.
    fn is_due(&self, image: &str) -> bool {
        let Some(every) = self.every.filter(|_| !image.contains('@') && registry(image) != "docker.io") else {
            return false;
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.get(image).is_none_or(|last| last.elapsed() >= every);
        if is_due {
            asked.insert(image.to_owned(), Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tag_of_a_named_registry_is_asked_for_now_and_then() {
        let refresh = Refresh::new(Some(Duration::from_secs(300)));
        let image = "1.dkr.ecr.eu-west-1.amazonaws.com/build:2";
        assert!(refresh.is_due(image) && !refresh.is_due(image));
        tokio::time::advance(Duration::from_secs(299)).await;
        assert!(!refresh.is_due(image));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(refresh.is_due(image));
        for never in ["build:2", "team/build", "1.dkr.ecr.eu-west-1.amazonaws.com/build@sha256:0"] {
            assert!(!refresh.is_due(never), "{never}");
        }
        assert!(!Refresh::new(None).is_due(image));
    }
}
