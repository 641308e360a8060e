//! A request for a run, as a message says it. Pure.

use std::collections::BTreeMap;

use pipeline_spec::plan::Source;
use serde::{Deserialize, Serialize};

use crate::bucket::Object;
use crate::queue::codepipeline::action_type::is_pool;
use crate::queue::codepipeline::configuration;
use crate::queue::codepipeline::options::EnvironmentVariable;
use crate::queue::{JobOrder, Order, Place, Spec, Turn, Work};

/// The version of the format; a message of another one is not understood.
pub const VERSION: u32 = 1;

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunRequest {
    /// The format's version, by which the message is known for what it is.
    pub sluice: u32,
    /// The pipeline that it is a run of; else the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// What it works on.
    pub source: RequestSource,
    /// The spec's path in the revision, or its text when it has more than one line; else `pipeline.yml` or
    /// `buildspec.yml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The project: it names builds and their numbers; else the pipeline, else the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Values of the pipeline's own variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Variables of every build, as CodeBuild's API writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<EnvironmentVariable>,
    /// The build image where the spec names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The pool of machines that it is for; else any that takes from the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What it does about other runs of its group.
    #[serde(default)]
    pub mode: ExecutionMode,
    /// The group; else its pipeline and branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A revision: one of `codecommit`, `git` and `s3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RequestSource {
    /// The name of a CodeCommit repository, or its URL as in git-remote-codecommit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codecommit: Option<String>,
    /// The URL of any other Git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// An archive, `s3://bucket/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<String>,
    /// Branch, tag or commit of a repository; else its HEAD.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// CodePipeline's execution modes (API reference, `executionMode`), with its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionMode {
    /// One at a time; of those that wait only the newest is run.
    #[default]
    Superseded,
    /// One at a time, in the order in which they were sent.
    Queued,
    /// Beside all others.
    Parallel,
}

impl RunRequest {
    /// From a message's text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let request: Self = serde_json::from_str(text).map_err(|error| format!("no request for a run: {error}"))?;
        request.order("").map(|_| request)
    }

    /// Whose turn it waits for: its group, or its pipeline and branch.
    #[must_use]
    pub fn group(&self) -> String {
        let branch = self.source.reference.as_deref().unwrap_or_default();
        self.group.clone().unwrap_or_else(|| format!("{}/{branch}", self.pipeline()))
    }

    /// What it asks for; its key is whatever names the message. `sent` says when, as text that sorts.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn order(&self, sent: &str) -> Result<JobOrder, String> {
        if self.sluice != VERSION {
            return Err(format!("`sluice` must be {VERSION}, and is {}", self.sluice));
        }
        if let Some(pool) = self.pool.as_ref().filter(|pool| !is_pool(pool)) {
            return Err(format!("`pool` cannot be {pool:?}: a pool has 1 to 20 letters, digits, - and _"));
        }
        let (path, inline) = match &self.spec {
            Some(text) if text.contains('\n') => (None, Some(text.clone())),
            path => (path.clone(), None),
        };
        let spec = Spec {
            path,
            inline,
            image: self.image.clone(),
            environment: configuration::variables(&self.environment)?,
            variables: self.variables.clone(),
            timeout_seconds: None,
        };
        let pipeline = self.pipeline();
        Ok(JobOrder {
            key: String::new(),
            pool: self.pool.clone().unwrap_or_default(),
            project: self.project.clone().unwrap_or_else(|| pipeline.clone()),
            place: Place { pipeline, branch: self.source.reference.clone(), ..Place::default() },
            source: self.source.source()?,
            inputs: Vec::new(),
            work: Work::Spec(Box::new(spec)),
            outputs: Vec::new(),
            encryption_key: None,
            turn: self.mode.order().map(|order| Turn {
                group: self.group(),
                order,
                sent: sent.to_owned(),
                begun: false,
            }),
        })
    }

    fn pipeline(&self) -> String {
        self.pipeline.clone().or_else(|| self.project.clone()).unwrap_or_else(|| self.source.name())
    }
}

impl ExecutionMode {
    fn order(self) -> Option<Order> {
        match self {
            Self::Superseded => Some(Order::Superseded),
            Self::Queued => Some(Order::Queued),
            Self::Parallel => None,
        }
    }
}

impl RequestSource {
    fn source(&self) -> Result<Source, String> {
        let git = |url: String| Source::Git { url, reference: self.reference.clone(), depth: None, submodules: false };
        match (&self.codecommit, &self.git, &self.s3) {
            (Some(name), None, None) if name.contains("://") => Ok(git(name.clone())),
            (Some(name), None, None) => Ok(git(format!("codecommit://{name}"))),
            (None, Some(url), None) => Ok(git(url.clone())),
            (None, None, Some(url)) => {
                if let Some(reference) = &self.reference {
                    return Err(format!("`source`: an archive in S3 has no `ref`, and {reference:?} is given"));
                }
                let object = url.strip_prefix("s3://").and_then(|place| place.split_once('/'));
                let object = object.map(|(bucket, key)| Object { bucket: bucket.to_owned(), key: key.to_owned() });
                let object = object.filter(|object| !object.bucket.is_empty() && !object.key.is_empty());
                let Object { bucket, key } =
                    object.ok_or_else(|| format!("`source`: `s3` must be s3://bucket/key, and is {url:?}"))?;
                Ok(Source::Artifact { bucket, key, revision: None })
            }
            _ => Err("`source` must have one of `codecommit`, `git` and `s3`".to_owned()),
        }
    }

    /// The last part of its address.
    fn name(&self) -> String {
        let url = self.codecommit.as_deref().or(self.git.as_deref()).or(self.s3.as_deref()).unwrap_or_default();
        let last = url.trim_end_matches('/').rsplit(['/', ':', '@']).next().unwrap_or_default();
        last.trim_end_matches(".git").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> JobOrder {
        RunRequest::parse(text).unwrap().order("7").unwrap()
    }

    #[test]
    fn the_least_that_a_request_says_is_its_version_and_its_source() {
        let order = order(r#"{"sluice": 1, "source": {"codecommit": "billing", "ref": "main"}}"#);
        assert_eq!((order.project.as_str(), order.place.pipeline.as_str()), ("billing", "billing"));
        let turn = order.turn.unwrap();
        assert_eq!((turn.group.as_str(), turn.order, turn.sent.as_str()), ("billing/main", Order::Superseded, "7"));
        let url = "codecommit://billing".to_owned();
        let reference = Some("main".to_owned());
        assert_eq!(order.source, Source::Git { url, reference, depth: None, submodules: false });
    }

    #[test]
    fn everything_that_a_request_says_reaches_the_order() {
        let order = order(
            r#"{"sluice": 1, "pipeline": "p", "project": "x", "source": {"s3": "s3://b/k/e.zip"}, "spec": "ci/b.yml",
                "variables": {"a": "1"}, "environment": [{"name": "B", "value": "2"}], "image": "rust:1",
                "pool": "arm", "mode": "parallel"}"#,
        );
        assert_eq!((order.pool.as_str(), order.project.as_str(), &order.turn), ("arm", "x", &None));
        assert!(matches!(order.source, Source::Artifact { bucket, key, .. } if bucket == "b" && key == "k/e.zip"));
        let Work::Spec(spec) = order.work else { panic!() };
        assert_eq!((spec.path.as_deref(), spec.image.as_deref()), (Some("ci/b.yml"), Some("rust:1")));
        assert_eq!((spec.variables["a"].as_str(), spec.environment[0].name.as_str()), ("1", "B"));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told_by_its_field() {
        for (text, told) in [
            (r#"{"sluice": 2, "source": {"git": "x"}}"#, "`sluice` must be 1, and is 2"),
            (r#"{"sluice": 1, "source": {"ref": "x"}}"#, "`source` must have one of"),
            (r#"{"sluice": 1, "source": {"git": "x", "s3": "y"}}"#, "`source` must have one of"),
            (r#"{"sluice": 1, "source": {"s3": "bucket/key"}}"#, "`s3` must be s3://bucket/key"),
            (r#"{"sluice": 1, "source": {"git": "x"}, "pool": "a b"}"#, "`pool` cannot be \"a b\""),
            (r#"{"sluice": 1, "source": {"git": "x"}, "brnach": "y"}"#, "unknown field `brnach`"),
        ] {
            let wrong = RunRequest::parse(text).unwrap_err();
            assert!(wrong.contains(told), "{wrong}");
        }
    }
}
