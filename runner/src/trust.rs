//! What a worker does for others: the images, registries, repositories and roles that its jobs may name. Everything
//! else is refused before anything is pulled or asked for. Policy only; it knows neither engine nor AWS.
//!
//! A list that is empty allows everything. Where there is a list, a name that only the run itself can know (a template
//! with references) is refused, since nobody can say beforehand what it will be.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pipeline_spec::plan::{Build, DeployTarget, Image, Plan, Source, Template, Work};

use crate::fault::Fault;
use crate::source::without_login;

/// Patterns in which `*` stands for any text, slashes included.
#[derive(Clone, Debug, Default)]
pub struct Names(Option<(GlobSet, Vec<String>)>);

impl Names {
    /// Those that one of the patterns fits; without patterns all.
    ///
    /// # Errors
    /// A `Configuration` fault for a pattern that is none.
    pub fn new(patterns: &[String]) -> Result<Self, Fault> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(false).build();
            set.add(glob.map_err(|error| Fault::configuration(format!("{pattern:?} is no pattern: {error}")))?);
        }
        let set = set.build().map_err(|error| Fault::configuration(error.to_string()))?;
        Ok(Self(Some((set, patterns.to_vec()))))
    }

    /// Refuses a name that is not among them.
    ///
    /// # Errors
    /// A `Permission` fault that says what is allowed, without the login that the name of a repository may have in it.
    pub fn check(&self, what: &str, name: &str) -> Result<(), Fault> {
        match &self.0 {
            Some((set, patterns)) if !set.is_match(name) => {
                Err(Fault::permission(format!("this worker may not use the {what} {}", without_login(name)))
                    .hint(format!("it allows {}", patterns.join(", "))))
            }
            _ => Ok(()),
        }
    }

    fn check_template(&self, what: &str, template: &Template) -> Result<(), Fault> {
        if self.0.is_none() {
            return Ok(());
        }
        let text = template.render(|_| None).map_err(|reference| {
            Fault::permission(format!("this worker may not use a {what} that only the run knows: it names {reference}"))
        })?;
        self.check(what, &text)
    }
}

/// What the jobs of a worker may name.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The images of builds and services. What a Dockerfile builds on is not known beforehand.
    pub images: Names,
    /// The registries that images are pushed to: the host, or `ecr` for the account's own.
    pub registries: Names,
    /// The repositories of sources.
    pub repositories: Names,
    /// The roles that actions assume.
    pub roles: Names,
}

impl Trust {
    /// Looks through everything that a plan names; `image` is the one of builds that name none.
    ///
    /// # Errors
    /// A `Permission` fault for the first name that is not allowed.
    pub fn check(&self, plan: &Plan, image: Option<&str>) -> Result<(), Fault> {
        self.check_source(&plan.source)?;
        for action in plan.stages.iter().flat_map(|stage| &stage.actions) {
            let checked = match &action.work {
                Work::Build(build) => self.check_build(build, image),
                Work::Image(image) => self.check_image(image),
                Work::Deploy(deploy) => {
                    let DeployTarget::Ecs(_) = &deploy.target;
                    deploy.role.iter().try_for_each(|role| self.roles.check_template("role", role))
                }
            };
            checked.map_err(|fault| fault.doing(&action.name))?;
        }
        Ok(())
    }

    /// Looks at where a revision comes from. An artifact is its pipeline's, and needs the job's own credentials.
    ///
    /// # Errors
    /// A `Permission` fault for a repository that is not allowed.
    pub fn check_source(&self, source: &Source) -> Result<(), Fault> {
        match source {
            Source::Git { url, .. } => self.repositories.check("repository", url),
            Source::Folder { .. } | Source::Artifact { .. } => Ok(()),
        }
    }

    fn check_build(&self, build: &Build, default: Option<&str>) -> Result<(), Fault> {
        match (&build.image, default) {
            (Some(image), _) => self.images.check_template("image", image)?,
            (None, Some(image)) => self.images.check("image", image)?,
            (None, None) => {}
        }
        build.services.iter().try_for_each(|service| self.images.check_template("image", &service.image))
    }

    fn check_image(&self, image: &Image) -> Result<(), Fault> {
        match &image.registry {
            Some(registry) => self.registries.check_template("registry", registry)?,
            None => self.registries.check("registry", "ecr")?,
        }
        image.role.iter().try_for_each(|role| self.roles.check_template("role", role))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pipeline_spec::{Purpose, ReadOptions};

    use super::*;

    const PLAN: &str = "
version: 1
name: billing
source: { git: 'https://git.example/team/billing' }
stages:
  - name: All
    actions:
      - name: test
        build: { image: 'rust:1.95', commands: [make], services: { db: { image: 'postgres:16' } } }
      - name: image
        needs: [test]
        image: { repository: billing, tags: [a] }
      - name: roll-out
        needs: [image]
        deploy: { role: 'arn:aws:iam::333333333333:role/deploy', ecs: { cluster: c, service: s, images: { app: '${image.uri}' } } }
";

    fn refused(trust: &Trust) -> Option<String> {
        let options = ReadOptions {
            project: "billing",
            variables: BTreeMap::new(),
            purpose: Purpose::Run,
            buildspec: &|_| Err("none".to_owned()),
        };
        let reading = pipeline_spec::read("pipeline.yml", PLAN, &options);
        let plan = reading.value.unwrap_or_else(|| panic!("{:?}", reading.diagnostics));
        trust.check(&plan, None).err().map(|fault| fault.message)
    }

    fn names(patterns: &[&str]) -> Names {
        Names::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_that_is_not_allowed_is_refused_by_its_action() {
        let all = |images: &[&str], registries: &[&str], repositories: &[&str], roles: &[&str]| Trust {
            images: names(images),
            registries: names(registries),
            repositories: names(repositories),
            roles: names(roles),
        };
        assert_eq!(refused(&Trust::default()), None);
        assert_eq!(
            refused(&all(&["rust:*", "postgres:*"], &["ecr"], &["https://git.example/*"], &["*:role/deploy"])),
            None
        );
        for (trust, told) in [
            (all(&["rust:*"], &[], &[], &[]), "test: this worker may not use the image postgres:16"),
            (all(&[], &["ghcr.io"], &[], &[]), "image: this worker may not use the registry ecr"),
            (
                all(&[], &[], &["codecommit://*"], &[]),
                "this worker may not use the repository https://git.example/team/billing",
            ),
            (
                all(&[], &[], &[], &["*:role/test"]),
                "roll-out: this worker may not use the role arn:aws:iam::333333333333:role/deploy",
            ),
        ] {
            assert_eq!(refused(&trust).as_deref(), Some(told));
        }
    }

    #[test]
    fn a_refusal_tells_no_login() {
        let names = Names::new(&["https://git.example/*".to_owned()]).unwrap();
        let fault = names.check("repository", "https://ann:hunter2@git.other/billing").unwrap_err();
        assert_eq!(fault.message, "this worker may not use the repository https://git.other/billing");
    }
}
