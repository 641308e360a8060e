//! What subcommands print. A reader that has gone away (`| head`) is no error.

use std::io::Write;

use crate::fault::Fault;

/// A text on standard output, with a newline at its end.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}").and_then(|()| out.flush());
}

/// A text on standard error, with a newline at its end.
pub(super) fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(out, "{text}{newline}");
}

/// A fault and its hint.
pub(super) fn fault(fault: &Fault) {
    note(&format!("error: {}", fault.message));
    if let Some(hint) = &fault.hint {
        note(&format!("  hint: {hint}"));
    }
}
