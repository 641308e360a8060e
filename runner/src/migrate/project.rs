//! What a CodeBuild project says about its builds, and what of it an action of ours can say.

use serde::Deserialize;

use super::finding::Finding;
use crate::queue::codepipeline::options::{EnvironmentVariable, Options};

/// A project, as BatchGetProjects tells it: the parts that an action depends on. In a pipeline the project's own source
/// and artifacts count for nothing but the buildspec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Project {
    /// Its name.
    pub name: String,
    source: Source,
    environment: Environment,
    timeout_in_minutes: Option<u32>,
    queued_timeout_in_minutes: Option<u32>,
    service_role: Option<String>,
    vpc_config: Option<Vpc>,
    file_system_locations: Vec<FileSystem>,
    cache: Kind,
    logs_config: Option<Logs>,
    concurrent_build_limit: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    buildspec: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Environment {
    #[serde(rename = "type")]
    kind: String,
    image: String,
    compute_type: Option<String>,
    environment_variables: Vec<EnvironmentVariable>,
    privileged_mode: Option<bool>,
    certificate: Option<String>,
    registry_credential: Option<RegistryCredential>,
    fleet: Option<Fleet>,
    docker_server: Option<Kind>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RegistryCredential {
    credential: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fleet {
    fleet_arn: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Vpc {
    vpc_id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileSystem {
    location: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Logs {
    cloud_watch_logs: Option<Group>,
    s3_logs: Option<Place>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Group {
    status: String,
    group_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    status: String,
    location: String,
}

/// What an action says in its project's place.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) buildspec: String,
    pub(super) image: Option<String>,
    pub(super) options: Options,
    pub(super) findings: Vec<Finding>,
}

/// The file that CodeBuild takes where a project names none. An action of ours that names none may be a pipeline.yml,
/// so it is written down.
const DEFAULT_BUILDSPEC: &str = "buildspec.yml";

/// What CodeBuild waits for a build to start when nothing else is said, in minutes.
const QUEUED: u32 = 480;

impl Project {
    /// What an action of ours says instead; `image` takes the place of the project's.
    pub(super) fn carried(&self, image: Option<&str>) -> Carried {
        let environment = &self.environment;
        let variables = environment.environment_variables.iter().cloned().map(|mut variable| {
            variable.kind = variable.kind.filter(|kind| kind != "PLAINTEXT");
            variable
        });
        let options = Options {
            timeout_in_minutes: self.timeout_in_minutes,
            compute_type: environment.compute_type.clone(),
            // Somebody has accepted to do without: a worker refuses a job that insists.
            privileged_mode: false,
            service_role: self.service_role.clone().filter(|role| !role.is_empty()),
            environment_variables: variables.collect(),
            was: None,
        };
        let own = Some(environment.image.clone());
        let mut findings = self.of_the_machine();
        findings.extend(self.of_the_image(image.is_some()));
        findings.extend(self.of_the_surroundings());
        if let Some(arn) = self.source.buildspec.as_ref().filter(|buildspec| buildspec.starts_with("arn:")) {
            findings.push(
                Finding::refused("buildspec", format!("the buildspec is {arn}, and Sluice reads it from the source"))
                    .hint("put it into the repository and name it by its path"),
            );
        }
        let written = self.source.buildspec.clone().filter(|buildspec| !buildspec.trim().is_empty());
        Carried {
            buildspec: written.unwrap_or_else(|| DEFAULT_BUILDSPEC.to_owned()),
            image: image.map(str::to_owned).or(own).filter(|image| !image.is_empty()),
            options,
            findings,
        }
    }

    /// What the build ran on.
    fn of_the_machine(&self) -> Vec<Finding> {
        let environment = &self.environment;
        let kind = environment.kind.as_str();
        let mut found = Vec::new();
        if kind.starts_with("WINDOWS") || kind.starts_with("MAC") {
            found.push(Finding::refused(
                "operating-system",
                format!("the project's builds run on {kind}, and Sluice's on Linux"),
            ));
        } else if kind.contains("LAMBDA") {
            found.push(Finding::ask(
                "lambda",
                format!("the project's builds run on {kind}, whose images are made for Lambda"),
            ));
        } else if kind.contains("GPU") {
            found.push(Finding::ask("gpu", "the project's builds have a GPU, and Sluice gives none to a container"));
        } else if kind.starts_with("ARM") {
            found.push(Finding::note("arm", "the project's builds run on ARM: so must the machines of the pool"));
        }
        if environment.privileged_mode == Some(true) {
            found.push(
                Finding::ask(
                    "privileged",
                    "the project's builds are privileged, and Sluice's are not: a Docker engine cannot run inside",
                )
                .hint("build images with an image action of pipeline.yml"),
            );
        }
        if let Some(fleet) = &environment.fleet {
            found.push(Finding::note(
                "fleet",
                format!(
                    "the project's builds run on the fleet {}, and Sluice's on the pool's machines",
                    fleet.fleet_arn
                ),
            ));
        }
        if environment.docker_server.is_some() {
            found.push(Finding::note(
                "docker-server",
                "the project's builds have a Docker server of their own, and Sluice's have none",
            ));
        }
        found
    }

    /// What the build ran in.
    fn of_the_image(&self, replaced: bool) -> Vec<Finding> {
        let environment = &self.environment;
        let mut found = Vec::new();
        if replaced {
            return found;
        }
        if environment.image.starts_with("aws/codebuild/") {
            found.push(
                Finding::ask(
                    "codebuild-image",
                    format!("the image {} is CodeBuild's own, and no registry has it by that name", environment.image),
                )
                .hint("name an image with --image, or accept this when the pool's machines have it under this name"),
            );
        }
        if let Some(registry) = &environment.registry_credential {
            found.push(
                Finding::ask(
                    "registry-credential",
                    format!("the image is pulled with the secret {}", registry.credential),
                )
                .hint("log the workers' Docker client in to that registry, then accept this"),
            );
        }
        found
    }

    /// What the build had around it.
    fn of_the_surroundings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(vpc) = self.vpc_config.as_ref().filter(|vpc| !vpc.vpc_id.is_empty()) {
            found.push(Finding::note(
                "vpc",
                format!(
                    "the project's builds run in {}, and Sluice's in the network of the pool's machines",
                    vpc.vpc_id
                ),
            ));
        }
        if let Some(file_system) = self.file_system_locations.first() {
            found.push(Finding::ask(
                "file-systems",
                format!("the project's builds mount {}, and Sluice mounts no file system", file_system.location),
            ));
        }
        if let Some(certificate) = &self.environment.certificate {
            found.push(Finding::ask(
                "certificate",
                format!("the project's builds trust the certificate {certificate}: put it into the image"),
            ));
        }
        if let Some(role) = self.service_role.as_ref().filter(|role| !role.is_empty()) {
            // CodeBuild makes no project without a role, so whether a build calls AWS stands in its commands alone, and
            // what they call in turn. Somebody who knows them has to say.
            found.push(
                Finding::ask(
                    "service-role",
                    format!(
                        "the project's builds act as {role}, and Sluice's get no AWS credentials: \
                         a command that calls AWS fails (`aws s3 cp`, `aws ecr get-login-password`, an SDK)"
                    ),
                )
                .hint("accept this when no command calls AWS; images, deployments and secrets have actions and keys of their own"),
            );
        }
        if !matches!(self.cache.kind.as_str(), "" | "NO_CACHE") {
            found.push(Finding::note("cache", "caches are kept on the pool's machines and start empty"));
        }
        if let Some(place) = self.logs_config.as_ref().and_then(Logs::elsewhere) {
            found.push(Finding::note("logs", format!("logs go to the workers' log group, and not to {place}")));
        }
        if let Some(limit) = self.concurrent_build_limit {
            found.push(Finding::note(
                "concurrent-builds",
                format!(
                    "the project's concurrentBuildLimit is {limit}; Sluice runs as many builds as the pool has room for"
                ),
            ));
        }
        if let Some(minutes) = self.queued_timeout_in_minutes.filter(|minutes| *minutes != QUEUED) {
            found.push(Finding::note("queued-timeout", format!("a build waits {minutes} minutes at most; with Sluice it waits as long as CodePipeline lets an action wait")));
        }
        found
    }
}

impl Logs {
    /// The places with names of their own that logs went to.
    fn elsewhere(&self) -> Option<String> {
        let group =
            self.cloud_watch_logs.as_ref().filter(|group| group.status != "DISABLED").map(|group| &group.group_name);
        let bucket = self.s3_logs.as_ref().filter(|place| place.status == "ENABLED").map(|place| &place.location);
        let places: Vec<&str> =
            group.into_iter().chain(bucket).map(String::as_str).filter(|name| !name.is_empty()).collect();
        (!places.is_empty()).then(|| places.join(" and "))
    }
}
