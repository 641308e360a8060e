//! What can go wrong between a remote, a mirror and a folder, sorted by what to do about it.

use git2::{ErrorClass, ErrorCode};

use crate::fault::Fault;

/// A fault with its remedy.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing to be done.
    Final(Fault),
    /// The network or the server failed in a way that may pass.
    Passing(Fault),
    /// What the mirror holds is damaged; a new one may help.
    Damaged(Fault),
}

impl Trouble {
    /// The fault, when there is no remedy left.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Final(fault) => fault,
            Self::Passing(fault) => fault.away(),
            Self::Damaged(fault) => fault.hint("the repository's objects are damaged: check the disk and the remote"),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Final(fault)
    }
}

/// Sorts an error from talking to a remote.
pub(super) fn of_remote(url: &str, login: &str, error: &git2::Error) -> Trouble {
    let said = error.message();
    let text = format!("{url}: {said}");
    if is_full(said) {
        return full(text);
    }
    match (error.code(), error.class()) {
        (ErrorCode::User, _) => Fault::stopped(format!("{url}: fetch stopped")).into(),
        (ErrorCode::Auth, _) => refused(url, login, said),
        (ErrorCode::Certificate, _) | (_, ErrorClass::Ssl) if said.contains("certificate") => Fault::system(text)
            .hint("the server's certificate is not trusted: install its authority in the system's store")
            .into(),
        (ErrorCode::Owner, _) => {
            Fault::permission(text).hint("git config --global --add safe.directory PATH allows it").into()
        }
        (_, ErrorClass::Http) => of_http(url, login, said),
        (_, ErrorClass::Net) if said.starts_with("remote error:") => absent(&text),
        (_, ErrorClass::Ssh) if said.contains("authenticat") || said.contains("publickey") => refused(url, login, said),
        (_, ErrorClass::Ssh) if said.contains("known_hosts") || said.contains("hostkey") => Fault::permission(text)
            .hint("add the server's key to ~/.ssh/known_hosts after checking its fingerprint")
            .into(),
        (ErrorCode::NotFound, ErrorClass::Repository | ErrorClass::Os) => absent(&text),
        (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl | ErrorClass::Ssh | ErrorClass::Indexer) => {
            Trouble::Passing(Fault::system(text).hint("check the network, the URL's host, and the proxy settings"))
        }
        _ => Trouble::Damaged(Fault::system(text)),
    }
}

/// Sorts an error from a mirror or from what was linked out of it.
pub(super) fn of_objects(what: &str, error: &git2::Error) -> Trouble {
    let text = format!("{what}: {}", error.message());
    if is_full(error.message()) { full(text) } else { Trouble::Damaged(Fault::system(text)) }
}

/// Whether the disk takes no more. libgit2 has no code for it, only the words of the system.
fn is_full(said: &str) -> bool {
    ["No space left on device", "Disk quota exceeded"].iter().any(|words| said.contains(words))
}

/// Neither another try nor a new mirror helps.
fn full(text: String) -> Trouble {
    Fault::system(text)
        .hint("free some disk space (`sluice clean` removes mirrors), or move the state directory")
        .into()
}

fn of_http(url: &str, login: &str, said: &str) -> Trouble {
    let status = said.strip_prefix("unexpected http status code: ").and_then(|code| code.parse::<u16>().ok());
    match status {
        Some(401 | 403) => refused(url, login, said),
        Some(404 | 410) => absent(&format!("{url}: the repository does not exist")),
        Some(408 | 429 | 500..) | None if !said.contains("redirect") => Trouble::Passing(
            Fault::system(format!("{url}: {said}")).hint("the server failed; it may help to try again later"),
        ),
        _ => Fault::configuration(format!("{url}: {said}")).hint("check that the URL is a Git repository's").into(),
    }
}

fn refused(url: &str, login: &str, said: &str) -> Trouble {
    Fault::permission(format!("{url}: access refused ({said})")).hint(login.to_owned()).into()
}

fn absent(text: &str) -> Trouble {
    Fault::configuration(text)
        .hint("check the repository's name, Region and account, and that the caller may read it")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn check(code: ErrorCode, class: ErrorClass, said: &str, kind: FaultKind, passing: bool) {
        let trouble = of_remote("https://h/r", "log in", &git2::Error::new(code, class, said));
        assert_eq!(matches!(trouble, Trouble::Passing(_)), passing, "{said}");
        let fault = trouble.into_fault();
        assert_eq!((fault.kind, fault.away), (kind, passing), "{said}: what may pass is waited for");
    }

    #[test]
    fn errors_of_a_remote_are_sorted_by_whose_turn_it_is() {
        use ErrorClass::{Http, Net, Os};
        use ErrorCode::{Auth, GenericError, NotFound, User};
        check(Auth, Http, "too many redirects or authentication replays", FaultKind::Permission, false);
        check(GenericError, Http, "unexpected http status code: 403", FaultKind::Permission, false);
        check(GenericError, Http, "unexpected http status code: 404", FaultKind::Configuration, false);
        check(GenericError, Http, "unexpected http status code: 503", FaultKind::System, true);
        check(GenericError, Http, "unexpected EOF", FaultKind::System, true);
        check(GenericError, Net, "failed to resolve address for h", FaultKind::System, true);
        check(GenericError, Os, "failed to connect to h: Connection refused", FaultKind::System, true);
        check(GenericError, Net, "remote error: no such repository", FaultKind::Configuration, false);
        check(NotFound, ErrorClass::Repository, "could not find repository at '/x'", FaultKind::Configuration, false);
        check(User, Net, "cancelled", FaultKind::Stopped, false);
    }

    #[test]
    fn a_full_disk_is_no_trouble_of_the_network_and_no_damage() {
        for said in ["failed to write to pack: No space left on device", "cannot write x: Disk quota exceeded"] {
            let error = git2::Error::new(ErrorCode::GenericError, ErrorClass::Os, said);
            for trouble in [of_remote("https://h/r", "log in", &error), of_objects("/m", &error)] {
                assert!(matches!(trouble, Trouble::Final(_)), "{said}");
                assert!(trouble.into_fault().hint.is_some_and(|hint| hint.contains("disk space")), "{said}");
            }
        }
    }
}
