//! A run's place among those that a machine works on at the same time. A run that waits for people gives it up.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// A place that can be left and taken again.
#[derive(Debug)]
pub struct Seat {
    all: Arc<Semaphore>,
    own: Mutex<Option<OwnedSemaphorePermit>>,
    left: watch::Sender<bool>,
}

impl Seat {
    /// One that is taken already.
    #[must_use]
    pub fn taken(all: Arc<Semaphore>, own: OwnedSemaphorePermit) -> Self {
        Self { all, own: Mutex::new(Some(own)), left: watch::Sender::new(false) }
    }

    /// Leaves it to others.
    pub fn leave(&self) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.left.send_replace(true);
    }

    /// Goes on without one: what is left to do is little, and must not be dropped in the middle.
    pub fn do_without(&self) {
        self.left.send_replace(false);
    }

    /// Waits until it is left: the run does nothing but wait.
    pub async fn is_left(&self) {
        // The sender lives as long as this.
        let _ = self.left.subscribe().wait_for(|left| *left).await;
    }

    /// Whether it is taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes one again, when one is free.
    pub async fn sit(&self) {
        if self.is_taken() {
            return;
        }
        // The semaphore is never closed; without a permit the work would still be done, only with more beside it.
        if let Ok(permit) = Arc::clone(&self.all).acquire_owned().await {
            *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        }
        self.left.send_replace(false);
    }
}
