//! What is sent where: CodeBuild's names for groups, streams and archives (API reference, `LogsConfig`).

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Links, StreamName};
use crate::bucket::Object;
use crate::fault::Fault;

/// The log of one action on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shipment {
    /// The run.
    pub run: String,
    /// The action, whose log it is.
    pub action: String,
    /// The log file.
    pub file: PathBuf,
    /// The stream that it is sent to while it grows.
    pub stream: Option<StreamName>,
    /// The object that it becomes when it is whole.
    pub archive: Option<Object>,
    /// When it was opened.
    pub opened: Timestamp,
}

/// Where logs go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LogTargets {
    /// To CloudWatch Logs.
    pub stream: Option<StreamTarget>,
    /// To S3.
    pub archive: Option<ArchiveTarget>,
}

/// Where logs go in CloudWatch Logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StreamTarget {
    /// The group, `/aws/codebuild/PROJECT` when `None`.
    pub group: Option<String>,
    /// What stands before the UUID in the stream's name, with a slash between them.
    pub prefix: Option<String>,
}

/// Where logs go in S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArchiveTarget {
    /// The bucket.
    pub bucket: String,
    /// What stands before `UUID.gz` in the key, with a slash between them.
    pub prefix: Option<String>,
}

impl ArchiveTarget {
    /// A place as CodeBuild's `s3Logs.location` writes it: `bucket`, `bucket/prefix`, or the ARN of either.
    ///
    /// # Errors
    /// A `Configuration` fault when it names no bucket.
    pub fn parse(location: &str) -> Result<Self, Fault> {
        // `arn:PARTITION:s3:::BUCKET/PREFIX`
        let path =
            if location.starts_with("arn:") { location.rsplit(':').next().unwrap_or_default() } else { location };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let is_bucket = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if bucket.is_empty() || !bucket.chars().all(is_bucket) {
            return Err(Fault::configuration(format!("`{location}` is no place for logs in S3"))
                .hint("write `bucket/prefix`, or the bucket's ARN with a prefix"));
        }
        let prefix = prefix.trim_matches('/');
        Ok(Self { bucket: bucket.to_owned(), prefix: Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()) })
    }
}

impl LogTargets {
    /// Whether logs go anywhere.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.stream.is_some() || self.archive.is_some()
    }

    /// Where the logs of a run go that was begun with `earlier`: there, so that they are in one place, unless whoever goes
    /// on with it sends none there.
    #[must_use]
    pub fn going_on(&self, earlier: &Self) -> Self {
        Self {
            stream: self.stream.as_ref().map(|own| earlier.stream.as_ref().unwrap_or(own).clone()),
            archive: self.archive.as_ref().map(|own| earlier.archive.as_ref().unwrap_or(own).clone()),
        }
    }

    /// Whether the names can be those of a group and of streams (API reference, `CreateLogGroup`, `CreateLogStream`).
    ///
    /// # Errors
    /// A `Configuration` fault that names the one that cannot.
    pub fn check(&self) -> Result<(), Fault> {
        let Some(StreamTarget { group, prefix }) = &self.stream else { return Ok(()) };
        if let Some(group) = group
            && (group.is_empty() || group.len() > 512 || !group.chars().all(is_of_a_group) || group.starts_with("aws/"))
        {
            return Err(Fault::configuration(format!("`{group}` cannot be the name of a log group")).hint(
                "a name has at most 512 letters, digits and `.-_/#`, and does not start with `aws/` (`/aws/` is fine)",
            ));
        }
        // A slash and a UUID come behind it.
        if let Some(prefix) = prefix
            && (prefix.is_empty() || prefix.chars().count() > 512 - 37 || prefix.contains([':', '*']))
        {
            return Err(Fault::configuration(format!("`{prefix}` cannot begin the name of a log stream"))
                .hint("it has at most 475 characters, and no `:` or `*`"));
        }
        Ok(())
    }

    /// The shipment of an action's log. `id` is `PROJECT:UUID`; a stream's name has no colon, so it is the UUID alone.
    #[must_use]
    pub fn shipment(&self, run: &str, action: &str, id: &str, file: PathBuf, opened: Timestamp) -> Shipment {
        let (stream, archive) = (self.stream_of(id), self.archive_of(id));
        Shipment { run: run.to_owned(), action: action.to_owned(), file, stream, archive, opened }
    }

    /// Where people look at the log with that id, in the console of that Region.
    #[must_use]
    pub fn links(&self, id: &str, region: &str) -> Links {
        Links::of(region, self.stream_of(id).as_ref(), self.archive_of(id).as_ref())
    }

    /// The stream of the log with that id.
    #[must_use]
    pub fn stream_of(&self, id: &str) -> Option<StreamName> {
        let (target, (project, uuid)) = (self.stream.as_ref()?, parts(id));
        let group = target.group.clone().unwrap_or_else(|| group_of(project));
        Some(StreamName { group, stream: behind(target.prefix.as_deref(), uuid) })
    }

    /// The archive of the log with that id.
    #[must_use]
    pub fn archive_of(&self, id: &str) -> Option<Object> {
        let (target, (_, uuid)) = (self.archive.as_ref()?, parts(id));
        let key = behind(target.prefix.as_deref(), &format!("{uuid}.gz"));
        Some(Object { bucket: target.bucket.clone(), key })
    }
}

/// A name behind its prefix, when there is one.
#[must_use]
pub fn behind(prefix: Option<&str>, name: &str) -> String {
    prefix.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}/{name}"))
}

fn parts(id: &str) -> (&str, &str) {
    id.rsplit_once(':').unwrap_or(("", id))
}

/// The group of a project. A project here may have a name that CodeBuild would not take; a group may not.
fn group_of(project: &str) -> String {
    let plain: String = project.chars().map(|c| if is_of_a_group(c) { c } else { '-' }).take(480).collect();
    format!("/aws/codebuild/{plain}")
}

fn is_of_a_group(character: char) -> bool {
    character.is_ascii_alphanumeric() || ".-_/#".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: &str = "billing api:0b1c2d3e-0000-4000-8000-000000000000";
    const UUID: &str = "0b1c2d3e-0000-4000-8000-000000000000";

    fn shipment(targets: &LogTargets) -> (Option<String>, Option<String>) {
        let shipment = targets.shipment("run", "test", BUILD, PathBuf::from("/l"), Timestamp::UNIX_EPOCH);
        let stream = shipment.stream.map(|stream| format!("{} {}", stream.group, stream.stream));
        (stream, shipment.archive.map(|place| format!("{} {}", place.bucket, place.key)))
    }

    #[test]
    fn names_are_codebuilds_unless_others_are_set() {
        let archive = |location| Some(ArchiveTarget::parse(location).unwrap());
        let own = LogTargets { stream: Some(StreamTarget::default()), archive: archive("logs") };
        let expected = (Some(format!("/aws/codebuild/billing-api {UUID}")), Some(format!("logs {UUID}.gz")));
        assert_eq!(shipment(&own), expected);
        let custom = StreamTarget { group: Some("builds".into()), prefix: Some("log-stream".into()) };
        let custom = LogTargets { stream: Some(custom), archive: archive("arn:aws:s3:::logs/ci/billing/") };
        let expected = (Some(format!("builds log-stream/{UUID}")), Some(format!("logs ci/billing/{UUID}.gz")));
        assert_eq!(shipment(&custom), expected);
        assert_eq!(shipment(&LogTargets::default()), (None, None));
    }

    #[test]
    fn who_goes_on_with_a_run_sends_its_logs_to_where_they_are_or_nowhere() {
        let stream = |group: &str| Some(StreamTarget { group: Some(group.into()), prefix: None });
        let archive = |place: &str| Some(ArchiveTarget::parse(place).unwrap());
        let earlier = LogTargets { stream: stream("first"), archive: None };
        let own = LogTargets { stream: stream("second"), archive: archive("logs") };
        let both = LogTargets { stream: stream("first"), archive: archive("logs") };
        assert_eq!(own.going_on(&earlier), both);
        assert_eq!(own.going_on(&LogTargets::default()), own);
        assert_eq!(LogTargets::default().going_on(&earlier), LogTargets::default());
    }

    #[test]
    fn names_that_the_services_refuse_are_refused_before_any_build() {
        let group = |group: &str| StreamTarget { group: Some(group.into()), prefix: None };
        let prefix = |prefix: &str| StreamTarget { group: None, prefix: Some(prefix.into()) };
        let check = |stream| LogTargets { stream: Some(stream), archive: None }.check();
        for good in [group("/aws/codebuild/x"), group("a.b-c_d/e#f"), prefix("team/one")] {
            check(good).unwrap();
        }
        for bad in [group(""), group("aws/x"), group("a b"), group(&"x".repeat(513)), prefix("a:b"), prefix("")] {
            assert!(check(bad.clone()).unwrap_err().hint.is_some(), "{bad:?}");
        }
        for bad in ["", "/prefix", "s3://bucket", "arn:aws:s3:::"] {
            assert!(ArchiveTarget::parse(bad).is_err(), "{bad}");
        }
    }
}
