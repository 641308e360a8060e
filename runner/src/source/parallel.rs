//! Many small pieces of file work on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cancel::Cancel;
use crate::fault::Fault;

/// Threads take runs of items, so that two are seldom in one folder, where the kernel would make them wait.
const RUN: usize = 32;

/// Does `work` on every item; `start` makes what a thread needs for itself. Results come in no order. The first fault
/// ends it, and a stop is heeded between runs.
pub(super) fn each<I, T, S, E>(
    items: &[I],
    cancel: &Cancel,
    start: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, &I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E>
where
    I: Sync,
    T: Send,
    E: Send + From<Fault>,
{
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4).min(items.len() / RUN + 1);
    let next = AtomicUsize::new(0);
    let work_off = || -> Result<Vec<T>, E> {
        let mut own = start()?;
        let mut done = Vec::new();
        while let Some(run) = items.chunks(RUN).nth(next.fetch_add(1, Ordering::Relaxed)) {
            if cancel.reason().is_some() {
                return Err(Fault::stopped("writing the source stopped").into());
            }
            for item in run {
                done.push(work(&mut own, item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?);
            }
        }
        Ok(done)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work_off)).collect();
        let mut done = work_off()?;
        for other in others {
            done.extend(other.join().map_err(|_| Fault::system("a thread that writes files broke down"))??);
        }
        Ok(done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_done_once_and_a_fault_ends_it() {
        let items: Vec<usize> = (0..1000).collect();
        let double = |(): &mut (), item: &usize| Ok::<_, Fault>(item * 2);
        let mut done = each(&items, &Cancel::new(), || Ok(()), double).unwrap();
        done.sort_unstable();
        assert_eq!(done, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        let fail = |(): &mut (), item: &usize| if *item == 700 { Err(Fault::system("x")) } else { Ok(()) };
        assert!(each(&items, &Cancel::new(), || Ok(()), fail).is_err());
    }
}
