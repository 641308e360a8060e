//! Who has the last word on a warm sandbox: the one of two that makes this file. A sandbox makes it before it begins its
//! program, and its maker before it gives it up; so a program is never killed that has begun, and never begins in a
//! sandbox that was given up, however slow the machine is.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// The file, in the records' folder; `wait.sh` knows it too.
const CLAIM: &str = "claim";

/// Claims a sandbox for its maker: whether its program can never begin from now on. Any doubt is a no.
pub(super) fn take(records: &Path) -> bool {
    match File::create_new(records.join(CLAIM)) {
        Ok(_) => true,
        // Nothing was moved in, so it has no program to begin.
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Whether somebody has claimed it.
pub(super) fn is_taken(records: &Path) -> bool {
    records.join(CLAIM).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_has_the_last_word() {
        let records = tempfile::tempdir().unwrap();
        assert!(!is_taken(records.path()));
        assert!(take(records.path()));
        assert!(is_taken(records.path()) && !take(records.path()), "a second one comes too late");
        assert!(take(&records.path().join("absent")), "nothing can begin where nothing is");
    }
}
