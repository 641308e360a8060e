//! What builds may use of a machine, taken together.
//!
//! A seat counts builds; their limits say how large they are. Builds whose limits do not fit beside those that run wait
//! in line, so that a machine promises each of them no more than it has. A build without limits takes no room: what it
//! will need is not known.

use std::sync::Arc;

use pipeline_spec::plan::Limits;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::memory;

/// Memory is counted in mebibytes: a semaphore counts to four thousand million.
const MEBIBYTE: u64 = 1 << 20;

/// The processors and the memory of a machine.
#[derive(Debug)]
pub struct Room {
    /// Whoever waits at its head. Large builds are not passed by small ones for ever.
    line: Mutex<()>,
    processors: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// Thousandths of a processor, mebibytes.
    all: (u32, u32),
}

/// A build's part of it, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _processors: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Room {
    /// That of this machine. What cannot be found out does not bind.
    #[must_use]
    pub fn of_machine() -> Self {
        let processors = std::thread::available_parallelism().map_or(u64::MAX, |count| count.get() as u64 * 1000);
        Self::new(processors, memory::total().unwrap_or(u64::MAX))
    }

    /// One of so many thousandths of a processor, and so many bytes.
    #[must_use]
    pub fn new(cpu_millis: u64, memory_bytes: u64) -> Self {
        let all = (counted(cpu_millis), counted(memory_bytes / MEBIBYTE));
        let semaphore = |count: u32| Arc::new(Semaphore::new(count as usize));
        Self { line: Mutex::new(()), processors: semaphore(all.0), memory: semaphore(all.1), all }
    }

    /// Waits until a build of these limits fits. One that is larger than the machine has it for itself.
    pub async fn take(&self, limits: &Limits) -> Place {
        let (processors, memory) = self.wanted(limits);
        let _first = self.line.lock().await;
        Place { _processors: acquire(&self.processors, processors).await, _memory: acquire(&self.memory, memory).await }
    }

    /// What is left of that at once: for a build that runs already.
    #[must_use]
    pub fn take_at_once(&self, limits: &Limits) -> Place {
        let (processors, memory) = self.wanted(limits);
        Place { _processors: rest(&self.processors, processors), _memory: rest(&self.memory, memory) }
    }

    fn wanted(&self, limits: &Limits) -> (u32, u32) {
        let processors = counted(limits.cpu_millis.unwrap_or(0)).min(self.all.0);
        let memory = counted(limits.memory_bytes.unwrap_or(0).div_ceil(MEBIBYTE)).min(self.all.1);
        (processors, memory)
    }
}

/// A count for a semaphore, which takes no more than an eighth of what a `usize` holds.
fn counted(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX).min(u32::MAX >> 3)
}

async fn acquire(semaphore: &Arc<Semaphore>, count: u32) -> OwnedSemaphorePermit {
    match Arc::clone(semaphore).acquire_many_owned(count).await {
        Ok(permit) => permit,
        // Nobody ever closes it.
        Err(_) => std::future::pending().await,
    }
}

fn rest(semaphore: &Arc<Semaphore>, count: u32) -> OwnedSemaphorePermit {
    let mut wanted = count;
    loop {
        match Arc::clone(semaphore).try_acquire_many_owned(wanted) {
            Ok(permit) => return permit,
            Err(_) => wanted = wanted.saturating_sub(1).min(u32::try_from(semaphore.available_permits()).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GIBIBYTE: u64 = 1 << 30;

    fn limits(cpu_millis: u64, gibibytes: u64) -> Limits {
        Limits { cpu_millis: Some(cpu_millis), memory_bytes: Some(gibibytes * GIBIBYTE), pids: None }
    }

    async fn fits(room: &Room, limits: &Limits) -> Option<Place> {
        tokio::time::timeout(Duration::from_millis(1), room.take(limits)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn builds_wait_for_the_processors_and_the_memory_that_their_limits_name() {
        let room = Room::new(4000, 8 * GIBIBYTE);
        let first = fits(&room, &limits(1000, 6)).await.unwrap();
        assert!(fits(&room, &limits(1000, 4)).await.is_none(), "ten of eight gibibytes");
        let second = fits(&room, &limits(3000, 2)).await.unwrap();
        assert!(fits(&room, &limits(1, 0)).await.is_none(), "all processors are taken");
        let free = Limits { cpu_millis: None, memory_bytes: None, pids: None };
        assert!(fits(&room, &free).await.is_some(), "one without limits takes no room");
        drop(first);
        assert!(fits(&room, &limits(1000, 6)).await.is_some());
        drop(second);
        assert!(fits(&room, &limits(64_000, 640)).await.is_some(), "one that is too large has the machine for itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_build_is_not_passed_by_small_ones() {
        let room = Arc::new(Room::new(2000, GIBIBYTE));
        let small = room.take(&limits(1000, 0)).await;
        let (waiting, order) = (Arc::clone(&room), limits(2000, 0));
        let large = tokio::spawn(async move { waiting.take(&order).await });
        tokio::task::yield_now().await;
        assert!(fits(&room, &limits(1000, 0)).await.is_none(), "the large one came before it");
        drop(small);
        drop(large.await.unwrap());
        assert!(fits(&room, &limits(1000, 0)).await.is_some());
    }

    #[tokio::test]
    async fn what_runs_already_waits_for_nobody() {
        let room = Room::new(2000, GIBIBYTE);
        let new = room.take(&limits(1500, 1)).await;
        let adopted = room.take_at_once(&limits(1000, 1));
        drop(new);
        drop(adopted);
        assert!(fits(&room, &limits(2000, 1)).await.is_some(), "all of it was given back");
    }
}
