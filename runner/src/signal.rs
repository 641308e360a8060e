//! Signals, in the order in which they come.

use tokio::signal::unix::{SignalKind, signal};

use crate::cancel::{Cancel, Reason};

/// Listens for SIGINT and SIGTERM for the rest of the process's life: the first stops, the second kills.
pub fn listen(cancel: Cancel) {
    each(move |count| cancel.request(if count > 1 { Reason::Killed } else { Reason::Stopped }));
}

/// Does something for each SIGINT and SIGTERM; they are counted from 1.
pub fn each(mut heard: impl FnMut(u32) + Send + 'static) {
    tokio::spawn(async move {
        let (Ok(mut interrupts), Ok(mut terminations)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::warn!("signals cannot be listened for; a stop will not be graceful");
            return;
        };
        let mut count = 0_u32;
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
            count = count.saturating_add(1);
            heard(count);
        }
    });
}
