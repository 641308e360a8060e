//! Addresses of Git repositories: the forms that Git, git-remote-codecommit and the AWS CLI take. Pure; it knows no
//! network, no credentials and no Region but those that are written in the address.

use std::fmt;
use std::path::PathBuf;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use regex::Regex;

use crate::fault::Fault;

/// Where a repository is, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `codecommit://[profile@]repository` and `codecommit::region://[profile@]repository` of git-remote-codecommit.
    CodeCommit {
        /// The Region; `None` is the profile's.
        region: Option<String>,
        /// The profile of the AWS configuration; `None` is the caller's own identity.
        profile: Option<String>,
        /// The repository's name.
        repository: String,
    },
    /// An HTTPS URL of CodeCommit without a login in it: its password is a signature.
    CodeCommitHttps {
        /// The Region that the host names.
        region: String,
        /// Host, without port.
        host: String,
        /// Path, as in `/v1/repos/name`.
        path: String,
    },
    /// Any other URL that Git takes, its login taken out of it.
    Url {
        /// The URL without user and password (an SSH user stays, it is no secret).
        url: String,
        /// The user and password that stood in it.
        login: Option<(String, String)>,
    },
    /// A repository on this machine.
    Path(PathBuf),
}

/// The form in which it may be written, without a login.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeCommit { region, profile, repository } => {
                let region = region.iter().map(|region| format!("::{region}"));
                let profile = profile.iter().map(|profile| format!("{profile}@"));
                write!(f, "codecommit{}://{}{repository}", region.collect::<String>(), profile.collect::<String>())
            }
            Self::CodeCommitHttps { host, path, .. } => write!(f, "https://{host}{path}"),
            Self::Url { url, .. } => f.write_str(url),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

static CODECOMMIT_HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // The AWS CLI's credential helper, which also takes China's hosts by their prefix.
    Regex::new(r"^(?:vpce-.+\.)?git-codecommit(?:-fips)?\.([^.]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$").ok()
});

impl Address {
    /// Takes an address apart; a bad one is a configuration fault that says which form was meant.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |why: &str| Fault::configuration(format!("source url `{}`: {why}", without_login(text)));
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(bad("is empty or has a space in it").hint(FORMS));
        }
        if let Some(rest) = text.strip_prefix("codecommit::") {
            let (region, rest) = rest.split_once("://").ok_or_else(|| bad("has no `://`").hint(FORMS))?;
            return codecommit(Some(region), rest).map_err(|why| bad(why).hint(FORMS));
        }
        if let Some(rest) = text.strip_prefix("codecommit://") {
            return codecommit(None, rest).map_err(|why| bad(why).hint(FORMS));
        }
        match text.split_once("://") {
            Some(("file", path)) => Ok(Self::Path(PathBuf::from(decoded(path)))),
            Some((scheme @ ("https" | "http" | "ssh" | "git+ssh" | "ssh+git" | "git"), rest)) => {
                url(scheme, rest).map_err(|why| bad(why).hint(FORMS))
            }
            Some((scheme, _)) => Err(bad(&format!("scheme `{scheme}` is not known")).hint(FORMS)),
            None if scp_like(text) => Ok(Self::Url { url: text.to_owned(), login: None }),
            None => Ok(Self::Path(PathBuf::from(text))),
        }
    }

    /// The address of a submodule, whose URL may be relative to this one (`../other.git`).
    pub(super) fn join(&self, url: &str) -> Result<Self, Fault> {
        if !(url.starts_with("./") || url.starts_with("../")) {
            return Self::parse(url);
        }
        let joined = |base: &str| {
            joined(base, url).ok_or_else(|| {
                Fault::configuration(format!("`{url}` goes up further than {base} has a path"))
                    .hint("a relative URL stays on its parent's host: write a whole URL for another one")
            })
        };
        Ok(match self {
            Self::CodeCommit { region, profile, .. } => Self::CodeCommit {
                region: region.clone(),
                profile: profile.clone(),
                repository: url.rsplit('/').next().unwrap_or_default().to_owned(),
            },
            Self::CodeCommitHttps { region, host, path } => {
                Self::CodeCommitHttps { region: region.clone(), host: host.clone(), path: joined(path)? }
            }
            Self::Url { url: base, login } => Self::Url { url: joined(base)?, login: login.clone() },
            Self::Path(base) => Self::Path(PathBuf::from(joined(&base.to_string_lossy())?)),
        })
    }
}

const FORMS: &str = "give codecommit://[profile@]repository, codecommit::region://[profile@]repository, an https or \
                     ssh URL, user@host:path, or a path";

fn codecommit(region: Option<&str>, rest: &str) -> Result<Address, &'static str> {
    let (profile, repository) = match rest.rsplit_once('@') {
        Some((profile, repository)) => (Some(profile), repository),
        None => (None, rest),
    };
    let repository = repository.trim_end_matches('/');
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if repository.is_empty() || repository.len() > 100 || !repository.chars().all(fits) {
        return Err("a repository's name has 1 to 100 letters, digits, `.`, `_` or `-`");
    }
    if region.is_some_and(|region| !region.contains('-')) {
        return Err("the Region is not one");
    }
    if profile == Some("") {
        return Err("the profile before `@` is empty");
    }
    let own = |text: &str| text.to_owned();
    Ok(Address::CodeCommit { region: region.map(own), profile: profile.map(own), repository: own(repository) })
}

fn url(scheme: &str, rest: &str) -> Result<Address, &'static str> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    if host.is_empty() || path.is_empty() {
        return Err("has no host or no path");
    }
    if !scheme.starts_with("http") {
        return Ok(Address::Url { url: format!("{scheme}://{rest}"), login: None });
    }
    if let (None, "https", Some(region)) = (userinfo, scheme, region_of(host)) {
        let host = host.split(':').next().unwrap_or(host).to_owned();
        return Ok(Address::CodeCommitHttps { region, host, path: format!("/{}", path.trim_end_matches('/')) });
    }
    let login = userinfo.map(|userinfo| {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        (decoded(user), decoded(password))
    });
    Ok(Address::Url { url: format!("{scheme}://{host}/{path}"), login })
}

/// The Region that a host of CodeCommit names (public, FIPS or interface endpoint).
fn region_of(host: &str) -> Option<String> {
    let host = host.split(':').next()?;
    Some(CODECOMMIT_HOST.as_ref()?.captures(host)?[1].to_owned())
}

/// `user@host:path` of SSH; a slash before the colon makes it a path.
fn scp_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, path)| !host.is_empty() && !host.contains('/') && !path.is_empty())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// An address with whatever may be a password taken out, for people to read.
#[must_use]
pub fn without_login(text: &str) -> String {
    match (text.split_once("://"), text.rfind('@')) {
        (Some((scheme, rest)), Some(_)) if scheme.starts_with("http") => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
        }
        _ => text.to_owned(),
    }
}

/// Git's rule for relative URLs: each `../` takes one part of the base's path away. `None` when it has none left: what
/// comes before is the host, and its login is for no other.
fn joined(base: &str, relative: &str) -> Option<String> {
    let (authority, mut path, mut separator) = apart(base.trim_end_matches('/'));
    let mut rest = relative;
    loop {
        if let Some(more) = rest.strip_prefix("../") {
            rest = more;
            match path.rfind('/') {
                _ if path.is_empty() || path.ends_with("..") => return None,
                Some(at) => path = &path[..at],
                None => path = "",
            }
        } else if let Some(more) = rest.strip_prefix("./") {
            rest = more;
        } else {
            break;
        }
    }
    let mut joined = authority.to_owned();
    for part in [path, rest].into_iter().filter(|part| !part.is_empty()) {
        joined.push_str(std::mem::replace(&mut separator, "/"));
        joined.push_str(part);
    }
    Some(joined)
}

/// The host of an address, its path, and what stands between them.
fn apart(base: &str) -> (&str, &str, &'static str) {
    if let Some(start) = base.find("://").map(|at| at + 3) {
        let end = base[start..].find('/').map_or(base.len(), |at| start + at);
        return (&base[..end], base[end..].trim_start_matches('/'), "/");
    }
    match base.split_once(':').filter(|_| scp_like(base)) {
        Some((host, path)) => match path.strip_prefix('/') {
            Some(path) => (host, path, ":/"),
            None => (host, path, ":"),
        },
        None => match base.strip_prefix('/') {
            Some(path) => ("", path, "/"),
            None => ("", base, ""),
        },
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
