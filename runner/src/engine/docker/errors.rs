//! What the engine's errors mean. Engines answer in text, and differ (Podman says 500 where Docker says 409), so this is
//! the one place that reads it.

use std::error::Error as _;
use std::fmt::Display;
use std::io::ErrorKind;

use bollard::errors::Error;

use crate::fault::{Fault, chain};

/// The kinds of trouble that are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No engine answers.
    Unreachable,
    /// The engine's socket may not be opened.
    Forbidden,
    /// No such container, network or exec.
    NotFound,
    /// No such image here, or in the registry.
    NoImage,
    /// The registry wants other credentials.
    Auth,
    /// The name is taken.
    Conflict,
    /// The container does not run.
    NotRunning,
    /// Somebody else is at it, or something still hangs on it: again, a little later.
    Busy,
    /// The subnet is taken.
    Overlap,
    /// What an engine left that died while it started this very container.
    Torn,
    /// The image has no `/bin/sh`.
    NoShell,
    /// The disk is full.
    NoSpace,
    /// The registry or the way to it has a bad moment.
    Transient,
    /// Anything else.
    Other,
}

/// Parts of messages, in lower case, and what they mean; the first that fits counts.
const MESSAGES: &[(&str, Trouble)] = &[
    ("no space left on device", Trouble::NoSpace),
    ("failed to start shim", Trouble::Torn),
    ("container with given id already exists", Trouble::Torn),
    ("task already exists", Trouble::Torn),
    ("already in use by container", Trouble::Conflict),
    ("name is already in use", Trouble::Conflict),
    ("already exists", Trouble::Conflict),
    ("already in progress", Trouble::Busy),
    ("has active endpoints", Trouble::Busy),
    ("is being used by", Trouble::Busy),
    ("volume is in use", Trouble::Busy),
    ("is not running", Trouble::NotRunning),
    ("not running", Trouble::NotRunning),
    ("can only create exec sessions on running containers", Trouble::NotRunning),
    ("overlaps with other one", Trouble::Overlap),
    ("is already used on the host", Trouble::Overlap),
    ("subnet already in use", Trouble::Overlap),
    ("/bin/sh\": stat", Trouble::NoShell),
    ("/bin/sh: no such file or directory", Trouble::NoShell),
    ("/bin/sh\": executable file not found", Trouble::NoShell),
    ("no such image", Trouble::NoImage),
    ("manifest unknown", Trouble::NoImage),
    ("not found: manifest", Trouble::NoImage),
    ("name unknown", Trouble::NoImage),
    ("name invalid", Trouble::NoImage),
    ("invalid reference format", Trouble::NoImage),
    ("no matching manifest", Trouble::NoImage),
    ("pull access denied", Trouble::Auth),
    ("no basic auth credentials", Trouble::Auth),
    ("authentication required", Trouble::Auth),
    ("authorization token has expired", Trouble::Auth),
    ("unauthorized", Trouble::Auth),
    ("requested access to the resource is denied", Trouble::Auth),
    ("no such container", Trouble::NotFound),
    ("no such network", Trouble::NotFound),
    ("no such exec", Trouble::NotFound),
    ("could not find the file", Trouble::NotFound),
    ("toomanyrequests", Trouble::Transient),
    ("timeout", Trouble::Transient),
    ("connection refused", Trouble::Transient),
    ("connection reset", Trouble::Transient),
    ("unexpected eof", Trouble::Transient),
    ("no such host", Trouble::Transient),
    ("temporary failure", Trouble::Transient),
    ("received unexpected http status: 5", Trouble::Transient),
    ("internal server error", Trouble::Transient),
    ("service unavailable", Trouble::Transient),
];

/// What an error means.
pub(super) fn trouble(error: &Error) -> Trouble {
    match error {
        Error::DockerResponseServerError { status_code, message } => of_message(message).unwrap_or(match status_code {
            404 => Trouble::NotFound,
            401 | 403 => Trouble::Auth,
            409 => Trouble::Conflict,
            502..=504 => Trouble::Transient,
            _ => Trouble::Other,
        }),
        Error::DockerStreamError { error } => of_message(error).unwrap_or(Trouble::Other),
        Error::RequestTimeoutError => Trouble::Transient,
        Error::SocketNotFoundError(_) => Trouble::Unreachable,
        other => of_connection(other),
    }
}

/// Turns an error into a fault: `doing` names the act and its object, `image` the image in question.
pub(super) fn fault(doing: impl Display, image: &str, error: &Error) -> Fault {
    let said = match error {
        Error::DockerResponseServerError { message, .. } => message.trim().trim_end_matches('.').to_owned(),
        Error::DockerStreamError { error } => error.trim().trim_end_matches('.').to_owned(),
        other => chain(other),
    };
    let message = format!("{doing}: {said}");
    match trouble(error) {
        Trouble::Unreachable => Fault::system(format!("no Docker engine answers ({message})")).away().hint(
            "start it (`systemctl start docker`), install it (Debian: `apt-get install docker.io`), or set DOCKER_HOST; \
             `sluice doctor` checks it",
        ),
        Trouble::Forbidden => Fault::system(format!("the Docker engine's socket may not be opened ({message})"))
            .hint("add the user to the docker group (`usermod -aG docker USER`, then log in again), or run as root"),
        Trouble::NoImage => Fault::configuration(format!("the image {image} does not exist ({message})"))
            .hint("check the image's name and tag; an image made on this machine must be built before"),
        Trouble::Auth => Fault::configuration(format!("the image {image} cannot be pulled ({message})"))
            .hint("check that it exists, and that the registry's credentials may read it"),
        Trouble::NoShell => Fault::configuration(format!("the image {image} has no /bin/sh"))
            .hint("a build needs an image with a POSIX shell, in CodeBuild too"),
        Trouble::NoSpace => Fault::system(message)
            .hint("the engine's disk is full: `docker system df` shows by what, `docker system prune` frees some"),
        Trouble::Transient if !image.is_empty() => Fault::system(message)
            .hint("check the way to the registry, and the image's name: one made on this machine must be built before"),
        _ => Fault::system(message),
    }
}

fn of_message(message: &str) -> Option<Trouble> {
    let message = message.to_lowercase();
    MESSAGES.iter().find(|(part, _)| message.contains(part)).map(|(_, trouble)| *trouble)
}

/// An error on the way to the engine.
fn of_connection(error: &Error) -> Trouble {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                ErrorKind::PermissionDenied => Trouble::Forbidden,
                _ => Trouble::Unreachable,
            };
        }
        cause = inner.source();
    }
    match error {
        Error::IOError { err } if err.kind() == ErrorKind::PermissionDenied => Trouble::Forbidden,
        Error::IOError { .. } | Error::HyperResponseError { .. } | Error::HyperLegacyError { .. } => {
            Trouble::Unreachable
        }
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn engines_words_are_understood() {
        let table = [
            (server(404, "No such image: x:1"), Trouble::NoImage),
            (server(404, "manifest for x:9 not found: manifest unknown: manifest unknown"), Trouble::NoImage),
            (
                server(404, "pull access denied for x, repository does not exist or may require 'docker login'"),
                Trouble::Auth,
            ),
            (server(500, "Get \"https://r/v2/x/manifests/1\": no basic auth credentials"), Trouble::Auth),
            (
                server(409, "Conflict. The container name \"/a\" is already in use by container \"1f\"."),
                Trouble::Conflict,
            ),
            (
                server(
                    500,
                    "creating container storage: the container name \"a\" is already in use by 1f: that name is already in use",
                ),
                Trouble::Conflict,
            ),
            (server(409, "removal of container a is already in progress"), Trouble::Busy),
            (server(403, "error while removing network: network n id 1 has active endpoints"), Trouble::Busy),
            (server(409, "Container 1f is not running"), Trouble::NotRunning),
            (server(403, "Pool overlaps with other one on this address space"), Trouble::Overlap),
            (
                server(
                    400,
                    "OCI runtime create failed: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown",
                ),
                Trouble::NoShell,
            ),
            (server(404, "No such container: a"), Trouble::NotFound),
            (server(500, "write /var/lib/docker/x: no space left on device"), Trouble::NoSpace),
            (server(500, "Get \"https://r/v2/\": net/http: TLS handshake timeout"), Trouble::Transient),
            (server(500, "received unexpected HTTP status: 503 Service Unavailable"), Trouble::Transient),
            (server(500, "what?"), Trouble::Other),
            (Error::SocketNotFoundError("/s".into()), Trouble::Unreachable),
            (Error::IOError { err: ErrorKind::PermissionDenied.into() }, Trouble::Forbidden),
            (Error::DockerStreamError { error: "unauthorized: authentication required".into() }, Trouble::Auth),
        ];
        for (error, expected) in table {
            assert_eq!(trouble(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_missing_image_is_the_users_to_mend_and_is_named() {
        let fault = fault("pulling x:1", "x:1", &server(404, "manifest unknown"));
        assert_eq!(fault.kind, FaultKind::Configuration);
        assert_eq!(fault.message, "the image x:1 does not exist (pulling x:1: manifest unknown)");
    }
}
