//! The variables that CodeBuild gives a build (user guide, "Environment variables in build environments"), from what
//! is known of the run. Those that belong to CodePipeline or webhooks alone are left unset.

use crate::logs::behind;
use crate::source::Revision;

/// What the variables tell.
pub(super) struct Facts<'a> {
    /// The build's UUID.
    pub(super) uuid: &'a str,
    /// What stands before that in the name of its log stream.
    pub(super) log_prefix: Option<&'a str>,
    /// Its project.
    pub(super) project: &'a str,
    /// Its number in the project.
    pub(super) number: u64,
    /// Its image.
    pub(super) image: &'a str,
    /// Where its source is in the container.
    pub(super) source_directory: &'a str,
    /// Who started it.
    pub(super) initiator: &'a str,
    /// The Region, when there is one.
    pub(super) region: Option<&'a str>,
    /// The account, when there is one.
    pub(super) account: Option<&'a str>,
    /// When it started, in milliseconds since 1970.
    pub(super) start: i64,
    /// What is built.
    pub(super) revision: &'a Revision,
}

/// `CODEBUILD_…`, `AWS_REGION` and the like, in a fixed order.
pub(super) fn variables(facts: &Facts<'_>) -> Vec<(String, String)> {
    let Facts { uuid, project, revision, .. } = facts;
    let region = facts.region.unwrap_or("local");
    let arn = format!("arn:aws:codebuild:{region}:{}", facts.account.unwrap_or("000000000000"));
    let mut all = vec![
        ("CODEBUILD_BUILD_ARN", format!("{arn}:build/{project}:{uuid}")),
        ("CODEBUILD_BUILD_ID", format!("{project}:{uuid}")),
        ("CODEBUILD_BUILD_IMAGE", facts.image.to_owned()),
        ("CODEBUILD_BUILD_NUMBER", facts.number.to_string()),
        ("CODEBUILD_BUILD_SUCCEEDING", "1".to_owned()),
        ("CODEBUILD_CI", "true".to_owned()),
        ("CODEBUILD_INITIATOR", facts.initiator.to_owned()),
        ("CODEBUILD_KMS_KEY_ID", kms_key(region, facts.account)),
        ("CODEBUILD_LAST_EXIT", "0".to_owned()),
        ("CODEBUILD_LOG_PATH", behind(facts.log_prefix, uuid)),
        ("CODEBUILD_PROJECT_ARN", format!("{arn}:project/{project}")),
        ("CODEBUILD_SOURCE_REPO_URL", revision.repository.clone()),
        ("CODEBUILD_SRC_DIR", facts.source_directory.to_owned()),
        ("CODEBUILD_START_TIME", facts.start.to_string()),
        ("HOME", "/root".to_owned()),
    ];
    if let Some(commit) = &revision.commit {
        all.push(("CODEBUILD_RESOLVED_SOURCE_VERSION", commit.clone()));
    }
    let object = revision.repository.strip_prefix("s3://").map(|object| format!("arn:aws:s3:::{object}"));
    if let Some(version) = object.or_else(|| revision.branch.clone()).or_else(|| revision.commit.clone()) {
        all.push(("CODEBUILD_SOURCE_VERSION", version));
    }
    // A push has triggered what no pipeline has.
    let is_of_pipeline = facts.initiator.starts_with("codepipeline/");
    if let Some(branch) = revision.branch.as_ref().filter(|_| !is_of_pipeline) {
        all.push(("CODEBUILD_WEBHOOK_HEAD_REF", format!("refs/heads/{branch}")));
        all.push(("CODEBUILD_WEBHOOK_TRIGGER", format!("branch/{branch}")));
    }
    if let Some(region) = facts.region {
        all.push(("AWS_DEFAULT_REGION", region.to_owned()));
        all.push(("AWS_REGION", region.to_owned()));
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn kms_key(region: &str, account: Option<&str>) -> String {
    format!("arn:aws:kms:{region}:{}:alias/aws/s3", account.unwrap_or("000000000000"))
}

/// Where the source is in the container: `/codebuild/output/src<digits>/src`, and below that the repository's host
/// and path when it was cloned.
pub(super) fn source_directory(uuid: &str, revision: &Revision) -> String {
    let digits = digits(uuid);
    let root = format!("/codebuild/output/src{digits}/src");
    match clone_path(&revision.repository) {
        Some(path) => format!("{root}/{path}"),
        None => root,
    }
}

/// Where a further input is in the container of a build, which is named `project:uuid`: beside the source.
pub(super) fn input_directory(build: &str, index: usize) -> String {
    let uuid = build.rsplit(':').next().unwrap_or_default();
    format!("/codebuild/output/src{}{}/src", digits(uuid), index + 1)
}

fn digits(uuid: &str) -> String {
    uuid.bytes().filter(u8::is_ascii_hexdigit).map(|byte| char::from(b'0' + byte % 10)).take(9).collect()
}

/// `host/path` of a clone URL; `None` for a folder of this machine and for an object in a bucket.
fn clone_path(repository: &str) -> Option<String> {
    let (scheme, rest) = repository.split_once("://")?;
    if scheme == "file" || scheme == "s3" {
        return None;
    }
    let path = rest.rsplit_once('@').map_or(rest, |(_, after)| after).trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let clean = path.chars().all(safe) && path.split('/').all(|part| part != "..");
    clean.then(|| path.replace(':', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_lies_under_its_host_and_path_and_a_folder_does_not() {
        let directory = |repository: &str| {
            let revision = Revision { repository: repository.to_owned(), ..Revision::default() };
            source_directory("1f0e", &revision)
        };
        let codecommit = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/billing";
        let expected = "/codebuild/output/src9281/src/git-codecommit.eu-west-1.amazonaws.com/v1/repos/billing";
        assert_eq!(directory(codecommit), expected);
        assert_eq!(directory("https://github.com/org/repo.git"), "/codebuild/output/src9281/src/github.com/org/repo");
        assert_eq!(directory("/home/me/repo"), "/codebuild/output/src9281/src");
        assert_eq!(directory("file:///home/me/repo"), "/codebuild/output/src9281/src");
        assert_eq!(directory("https://host/../../etc"), "/codebuild/output/src9281/src");
    }
}
