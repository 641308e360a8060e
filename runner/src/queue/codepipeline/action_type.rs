//! The custom action types as data: their names, their words, their artifacts and their links. Whoever makes the types,
//! swaps actions to them or takes jobs of them reads this one table. It does not know how jobs are polled.
//!
//! A type that exists cannot be changed, and the version of a deleted one is never free again: a word that changes
//! means a new [`VERSION`].

/// Who owns the types, in CodePipeline's words.
pub const OWNER: &str = "Custom";
/// Who provides them.
pub const PROVIDER: &str = "Sluice";
/// Their version.
pub const VERSION: &str = "1";

/// How many words a type may have (CreateCustomActionType).
pub const MOST_WORDS: usize = 10;
/// How many characters the value of a word may have (ActionConfigurationValue).
pub const MOST_CHARACTERS: usize = 1000;
/// How many characters the value of the word that jobs are polled by may have. The API's model allows 50, the text of
/// the reference 20.
pub const MOST_POOL_CHARACTERS: usize = 20;

/// The pool of machines that a job is for. Jobs are polled by it.
pub const POOL: &str = "Pool";
/// The project: it names builds, build numbers and logs.
pub const PROJECT_NAME: &str = "ProjectName";
/// The input artifact that the buildspec is in, where there are several.
pub const PRIMARY_SOURCE: &str = "PrimarySource";
/// The buildspec, inline or by path.
pub const BUILDSPEC: &str = "Buildspec";
/// The build's image.
pub const IMAGE: &str = "Image";
/// Environment variables, as the CodeBuild action has them.
pub const ENVIRONMENT_VARIABLES: &str = "EnvironmentVariables";
/// Whether the build is a batch, as the CodeBuild action has it.
pub const BATCH_ENABLED: &str = "BatchEnabled";
/// Whether a batch leaves one artifact, as the CodeBuild action has it.
pub const COMBINE_ARTIFACTS: &str = "CombineArtifacts";
/// What has no word of its own: see [`super::options::Options`].
pub const OPTIONS: &str = "Options";
/// The commit, for a job whose source artifact does not tell it.
pub const COMMIT_ID: &str = "CommitId";

/// The stage of a pipeline's life that a type is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Makes something of a source.
    Build,
    /// Tries something out.
    Test,
    /// Brings something to where it runs.
    Deploy,
}

/// What CodePipeline does with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Required, and jobs are polled by it.
    Query,
    /// Required, and part of what tells one action from another.
    Key,
    /// Required, and nothing more.
    Required,
    /// May be left out.
    Optional,
}

/// A word of an action's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// The word.
    pub name: &'static str,
    /// What CodePipeline does with it.
    pub role: Role,
    /// What CodePipeline's console says of it, in at most 160 characters.
    pub description: &'static str,
}

const fn property(name: &'static str, role: Role, description: &'static str) -> Property {
    Property { name, role, description }
}

/// The words of a build or a test.
const BUILD: [Property; MOST_WORDS] = [
    property(POOL, Role::Query, "The pool of machines that does the work; up to 20 letters, digits, - and _"),
    property(PROJECT_NAME, Role::Key, "The project: it names builds, their numbers and their logs"),
    property(PRIMARY_SOURCE, Role::Optional, "The input artifact that holds the buildspec, where there are several"),
    property(
        BUILDSPEC,
        Role::Optional,
        "The buildspec, inline or as a path in the primary source; else pipeline.yml or buildspec.yml",
    ),
    property(IMAGE, Role::Optional, "The image that the build runs in; else the worker's own"),
    property(
        ENVIRONMENT_VARIABLES,
        Role::Optional,
        "A JSON array of name, value and type, as the CodeBuild action has it",
    ),
    property(BATCH_ENABLED, Role::Optional, "true or false: whether the build is a batch"),
    property(COMBINE_ARTIFACTS, Role::Optional, "true or false: whether a batch leaves one artifact"),
    property(OPTIONS, Role::Optional, "A JSON object of everything else, such as timeoutInMinutes"),
    property(COMMIT_ID, Role::Optional, "The commit, such as #{SourceVariables.CommitId}"),
];

/// The words of a deployment to an ECS service, where they exist those of the Amazon ECS action.
const DEPLOY: [Property; MOST_WORDS] = [
    property(POOL, Role::Query, "The pool of machines that does the work; up to 20 letters, digits, - and _"),
    property(PROJECT_NAME, Role::Key, "The project: it names deployments and their logs"),
    property("ClusterName", Role::Required, "The ECS cluster"),
    property("ServiceName", Role::Required, "The ECS service"),
    property(
        "FileName",
        Role::Optional,
        "The file of container names and images in the input; else imagedefinitions.json",
    ),
    property("DeploymentTimeout", Role::Optional, "Minutes until the deployment counts as failed"),
    property("RoleArn", Role::Optional, "The role of the environment's account that deploys; else the worker's own"),
    property("Region", Role::Optional, "The Region of the service; else the pipeline's"),
    property(OPTIONS, Role::Optional, "A JSON object of everything else"),
    property(COMMIT_ID, Role::Optional, "The commit, such as #{SourceVariables.CommitId}"),
];

impl Category {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Build, Self::Test, Self::Deploy];

    /// CodePipeline's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Build => "Build",
            Self::Test => "Test",
            Self::Deploy => "Deploy",
        }
    }

    /// The words of its configuration.
    #[must_use]
    pub const fn properties(self) -> &'static [Property; MOST_WORDS] {
        match self {
            Self::Build | Self::Test => &BUILD,
            Self::Deploy => &DEPLOY,
        }
    }

    /// How few and how many input artifacts an action has. For a build and a test these are the CodeBuild action's, and a
    /// deployment has one, as the Amazon ECS action: it has no word that could say which of several is meant.
    #[must_use]
    pub const fn inputs(self) -> (u8, u8) {
        match self {
            Self::Build | Self::Test => (1, 5),
            Self::Deploy => (1, 1),
        }
    }

    /// How few and how many output artifacts an action has.
    #[must_use]
    pub const fn outputs(self) -> (u8, u8) {
        match self {
            Self::Build | Self::Test => (0, 5),
            Self::Deploy => (0, 0),
        }
    }

    /// The type's ARN without what stands before `actiontype:`, as IAM writes it.
    #[must_use]
    pub fn resource(self) -> String {
        format!("actiontype:{OWNER}/{}/{PROVIDER}/{VERSION}", self.name())
    }
}

/// Whether jobs can be polled by that value of [`POOL`].
#[must_use]
pub fn is_pool(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    (1..=MOST_POOL_CHARACTERS).contains(&name.len()) && name.chars().all(allowed)
}

/// The log group that the types' links lead to. A type that comes back after its deletion must be what it was to the
/// letter, so no name that CloudFormation makes up may be in its links. Types and group are there once in an account and
/// Region.
pub const LOG_GROUP: &str = "sluice-builds";

/// The stream of a log in [`LOG_GROUP`], after CodePipeline's own substitution. The external execution id that a worker
/// reports must therefore be the `uuid` of the id `project:uuid` of a build or a log, and streams have no prefix.
pub const LOG_STREAM: &str = "{ExternalExecutionId}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_stays_within_the_limits_of_the_api() {
        for category in Category::ALL {
            let properties = category.properties();
            assert_eq!(properties.iter().filter(|property| property.role == Role::Query).count(), 1, "{category:?}");
            for (at, property) in properties.iter().enumerate() {
                assert!((1..=50).contains(&property.name.len()), "{property:?}");
                assert!((1..=160).contains(&property.description.len()), "{property:?}");
                assert!(properties[..at].iter().all(|earlier| earlier.name != property.name), "{property:?}");
            }
        }
    }

    #[test]
    fn a_pool_has_up_to_twenty_letters_digits_dashes_and_underscores() {
        for good in ["default", "arm-64", "A_1", "12345678901234567890"] {
            assert!(is_pool(good), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "123456789012345678901"] {
            assert!(!is_pool(bad), "{bad}");
        }
    }
}
