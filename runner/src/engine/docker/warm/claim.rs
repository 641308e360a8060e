//! Who has the last word on a warm sandbox: the one of two that makes this file. A sandbox makes it before it begins its
//! program, and its maker, or who comes after that one, before it gives it up; so a program is never killed that has
//! begun, and never begins in a sandbox that was given up, however slow the machine is.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// The file, in the records' folder; `wait.sh` knows it too.
const CLAIM: &str = "claim";
/// What stands in it when a sandbox was given up; one that has begun leaves it empty.
const GIVEN_UP: &[u8] = b"given up";

/// Gives a sandbox up: whether its program can never begin from now on. Any doubt is a no.
pub(super) fn give_up(records: &Path) -> bool {
    let claim = records.join(CLAIM);
    let made = tempfile::NamedTempFile::new_in(records).and_then(|mut file| {
        file.write_all(GIVEN_UP)?;
        file.persist_noclobber(&claim).map_err(|error| error.error)
    });
    match made {
        Ok(_) => true,
        // Nothing was moved in, so it has no program to begin.
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(_) => fs::read(&claim).is_ok_and(|text| text == GIVEN_UP),
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
        assert!(give_up(records.path()));
        assert!(is_taken(records.path()) && give_up(records.path()), "it stays given up");
        let begun = tempfile::tempdir().unwrap();
        fs::write(begun.path().join(CLAIM), "").unwrap();
        assert!(!give_up(begun.path()), "it has begun");
        assert_eq!(fs::read_dir(begun.path()).unwrap().count(), 1);
        assert!(give_up(&begun.path().join("absent")), "nothing can begin where nothing is");
    }
}
