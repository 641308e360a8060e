//! A run's place among those that a machine works on at the same time. A run that waits for people gives it up.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place that can be left and taken again.
#[derive(Debug)]
pub struct Seat {
    all: Arc<Semaphore>,
    own: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Seat {
    /// One that is taken already.
    #[must_use]
    pub fn taken(all: Arc<Semaphore>, own: OwnedSemaphorePermit) -> Self {
        Self { all, own: Mutex::new(Some(own)) }
    }

    /// Leaves it to others.
    pub fn leave(&self) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).take();
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
    }
}
