//! Cancellation with an ordered reason. A stronger reason may follow a weaker one, never the other way round.
//!
//! Clean-up never runs under the token that stopped the work.

use tokio::sync::watch;

/// Why work is to stop, from the mildest. `Ord` is strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A sibling failed and the rest is pointless.
    Sibling,
    /// A time-out of the plan ran out.
    TimedOut,
    /// The user or the pipeline stopped the run: commands get SIGTERM, a grace, and their `finally`.
    Stopped,
    /// Stop at once, without grace or `finally`.
    Killed,
    /// The same, because another worker has the work, or soon will: what comes of the stop is nobody's result, and is
    /// not recorded.
    Lost,
}

/// A place to ask for a stop, and to hear of it. Clones share it; children also hear their parents.
#[derive(Clone, Debug)]
pub struct Cancel {
    own: watch::Sender<Option<Reason>>,
    parents: Vec<watch::Receiver<Option<Reason>>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// One that nobody has asked anything of.
    #[must_use]
    pub fn new() -> Self {
        Self { own: watch::Sender::new(None), parents: Vec::new() }
    }

    /// One that hears of its parents' stops, and whose own stop they do not hear of.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut parents = self.parents.clone();
        parents.push(self.own.subscribe());
        Self { own: watch::Sender::new(None), parents }
    }

    /// Asks for a stop; a weaker reason than the present one changes nothing.
    pub fn request(&self, reason: Reason) {
        self.own.send_if_modified(|present| {
            let stronger = present.is_none_or(|present| reason > present);
            if stronger {
                *present = Some(reason);
            }
            stronger
        });
    }

    /// The strongest reason so far.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let own = *self.own.borrow();
        self.parents.iter().map(|parent| *parent.borrow()).fold(own, Ord::max)
    }

    /// Waits for any reason.
    pub async fn requested(&self) -> Reason {
        self.at_least(Reason::Sibling).await
    }

    /// Waits for a reason at least that strong.
    pub async fn at_least(&self, floor: Reason) -> Reason {
        let waits = std::iter::once(self.own.subscribe()).chain(self.parents.iter().cloned()).map(|mut receiver| {
            Box::pin(async move {
                // The guard that `wait_for` lends must not be held over an await.
                let heard = receiver.wait_for(|reason| reason.is_some_and(|reason| reason >= floor)).await;
                match heard.map(|reason| *reason) {
                    Ok(reason) => reason.unwrap_or(floor),
                    Err(_) => std::future::pending().await,
                }
            })
        });
        futures_util::future::select_all(waits).await.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stronger_reason_replaces_a_weaker_one_and_never_the_other_way_round() {
        let cancel = Cancel::new();
        let child = cancel.child();
        child.request(Reason::TimedOut);
        assert_eq!((cancel.reason(), child.reason()), (None, Some(Reason::TimedOut)));
        cancel.request(Reason::Killed);
        cancel.request(Reason::Stopped);
        assert_eq!(child.at_least(Reason::Stopped).await, Reason::Killed);
        assert_eq!(child.reason(), Some(Reason::Killed));
    }
}
