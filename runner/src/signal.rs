//! Signals: the first asks for a stop, the second for a stop at once.

use tokio::signal::unix::{SignalKind, signal};

use crate::cancel::{Cancel, Reason};

/// Listens for SIGINT and SIGTERM for the rest of the process's life.
pub fn listen(cancel: Cancel) {
    tokio::spawn(async move {
        let (Ok(mut interrupts), Ok(mut terminations)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::warn!("signals cannot be listened for; a stop will not be graceful");
            return;
        };
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
            cancel.request(if asked { Reason::Killed } else { Reason::Stopped });
            asked = true;
        }
    });
}
