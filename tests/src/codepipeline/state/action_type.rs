//! Action types: those that a test creates, and the few that are built in.

use serde_json::{Value, json};

use super::State;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{flag, list, required, text};

/// Custom action types that an account may have in a Region.
const MOST: usize = 50;
/// The categories that custom action types may have.
const CATEGORIES: &[&str] = &["Build", "Deploy", "Test", "Invoke"];

/// What names an action type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeId {
    /// `Build`, `Test`, …
    pub category: String,
    /// `AWS` or `Custom`
    pub owner: String,
    /// Its name.
    pub provider: String,
    /// Its version.
    pub version: String,
}

impl TypeId {
    /// Reads one.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self {
            category: required(value, "category"),
            owner: text(value, "owner").unwrap_or("Custom").to_owned(),
            provider: required(value, "provider"),
            version: required(value, "version"),
        }
    }

    /// As a member of an answer.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "category": self.category, "owner": self.owner, "provider": self.provider, "version": self.version })
    }

    /// As error texts name it.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}/{}/{}/{}", self.category, self.owner, self.provider, self.version)
    }
}

/// A key of an action's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Whether an action must have it.
    pub required: bool,
    /// Whether its value is shown to job workers only.
    pub secret: bool,
    /// Whether jobs are polled for by it.
    pub queryable: bool,
    /// `String`, `Number` or `Boolean`
    pub kind: String,
}

/// An action type.
#[derive(Clone, Debug)]
pub struct ActionType {
    /// Its name.
    pub id: TypeId,
    /// As it was asked for, to be shown, and to be compared with when it comes back after its deletion.
    pub declared: Value,
    /// The configuration; `None` takes everything.
    pub properties: Option<Vec<Property>>,
    /// The least and the most input artifacts.
    pub inputs: (u64, u64),
    /// The same of output artifacts.
    pub outputs: (u64, u64),
    /// Whether it has been deleted. Its version is taken for ever.
    pub deleted: bool,
}

impl ActionType {
    fn of(id: TypeId, input: &Value) -> Self {
        let count = |details: &str, member: &str| input[details][member].as_u64().unwrap_or(0);
        let both = |details| (count(details, "minimumCount"), count(details, "maximumCount"));
        let properties = list(input, "configurationProperties").iter().map(|property| Property {
            name: required(property, "name"),
            required: flag(property, "required"),
            secret: flag(property, "secret"),
            queryable: flag(property, "queryable"),
            kind: text(property, "type").unwrap_or("String").to_owned(),
        });
        let properties = Some(properties.collect());
        let (inputs, outputs) = (both("inputArtifactDetails"), both("outputArtifactDetails"));
        Self { id, declared: input.clone(), properties, inputs, outputs, deleted: false }
    }

    /// The property that jobs are polled for by.
    #[must_use]
    pub fn queryable(&self) -> Option<&str> {
        self.properties.iter().flatten().find(|property| property.queryable).map(|property| property.name.as_str())
    }

    /// Whether a key of the configuration is secret.
    #[must_use]
    pub fn hides(&self, key: &str) -> bool {
        self.properties.iter().flatten().any(|property| property.secret && property.name == key)
    }

    /// As the API shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut shown = json!({ "id": self.id.json() });
        for (member, from) in [("settings", "settings"), ("actionConfigurationProperties", "configurationProperties")] {
            if let Some(value) = self.declared.get(from) {
                shown[member] = value.clone();
            }
        }
        for (member, (least, most)) in [("inputArtifactDetails", self.inputs), ("outputArtifactDetails", self.outputs)]
        {
            shown[member] = json!({ "minimumCount": least, "maximumCount": most });
        }
        shown
    }

    fn check(&self) -> Result<(), ApiError> {
        let properties = self.properties.as_deref().unwrap_or_default();
        let refused = |text: String| Err(ApiError::validation(text));
        if !CATEGORIES.contains(&self.id.category.as_str()) {
            return refused(format!("Custom action types of category {} cannot be created", self.id.category));
        }
        if let Some(twice) =
            properties.iter().enumerate().find(|(at, one)| properties[..*at].iter().any(|two| two.name == one.name))
        {
            return refused(format!("Configuration property {} is declared twice", twice.1.name));
        }
        let queryable: Vec<&Property> = properties.iter().filter(|property| property.queryable).collect();
        if queryable.len() > 1 {
            return refused("Only one configuration property can be queryable".to_owned());
        }
        if queryable.iter().any(|property| !property.required || property.secret) {
            return refused("A queryable configuration property must be required and must not be secret".to_owned());
        }
        if self.inputs.0 > self.inputs.1 || self.outputs.0 > self.outputs.1 {
            return refused("The minimum count of artifacts is larger than the maximum count".to_owned());
        }
        self.check_templates(properties)
    }

    /// A placeholder in a URL is the external id, or a property that is always there and may be seen.
    fn check_templates(&self, properties: &[Property]) -> Result<(), ApiError> {
        let templates = ["entityUrlTemplate", "executionUrlTemplate", "revisionUrlTemplate"];
        for template in templates.iter().filter_map(|member| text(&self.declared["settings"], member)) {
            for placeholder in template.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let name = placeholder.strip_prefix("Config:");
                let fits =
                    |property: &Property| Some(property.name.as_str()) == name && property.required && !property.secret;
                if placeholder != "ExternalExecutionId" && !properties.iter().any(fits) {
                    let text =
                        format!("{{{placeholder}}} in a URL template is not a required property without secrets");
                    return Err(ApiError::validation(text));
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Creates a custom action type.
    ///
    /// # Errors
    /// `ValidationException` and `LimitExceededException`.
    pub fn create_action_type(&mut self, input: &Value) -> Result<Value, ApiError> {
        let id = TypeId { owner: "Custom".to_owned(), ..TypeId::of(input) };
        let new = ActionType::of(id, input);
        new.check()?;
        if let Some(known) = self.types.iter_mut().find(|known| known.id == new.id) {
            if !known.deleted {
                return Err(ApiError::validation(format!("Action type {} already exists", new.id.shown())));
            }
            if known.declared != new.declared {
                let text = format!("Version {} of a deleted action type cannot be used again", new.id.version);
                return Err(ApiError::validation(text));
            }
            known.deleted = false;
            return Ok(known.json());
        }
        if self.types.iter().filter(|known| known.id.owner == "Custom" && !known.deleted).count() >= MOST {
            return Err(ApiError::new("LimitExceededException", "There are too many custom action types"));
        }
        let shown = new.json();
        self.types.push(new);
        Ok(shown)
    }

    /// Deletes a custom action type; one that there is not is no error, as in AWS.
    pub fn delete_action_type(&mut self, id: &TypeId) {
        for known in self.types.iter_mut().filter(|known| known.id == *id && known.id.owner == "Custom") {
            known.deleted = true;
        }
    }

    /// An action type that has not been deleted.
    #[must_use]
    pub fn action_type(&self, id: &TypeId) -> Option<&ActionType> {
        self.types.iter().find(|known| known.id == *id && !known.deleted)
    }

    /// All of them.
    pub fn action_types(&self) -> impl Iterator<Item = &ActionType> {
        self.types.iter().filter(|known| !known.deleted)
    }
}

/// Two sources as AWS has them, and one type that stands for everything else that AWS would do.
pub(super) fn built_in() -> Vec<ActionType> {
    let one = |category: &str, provider: &str, inputs, outputs| ActionType {
        id: TypeId {
            category: category.to_owned(),
            owner: "AWS".to_owned(),
            provider: provider.to_owned(),
            version: "1".to_owned(),
        },
        declared: json!({}),
        properties: None,
        inputs,
        outputs,
        deleted: false,
    };
    vec![
        one("Source", "S3", (0, 0), (1, 1)),
        one("Source", "CodeCommit", (0, 0), (1, 1)),
        one("Build", "CodeBuild", (1, 5), (0, 5)),
        one("Test", "CodeBuild", (1, 5), (0, 5)),
        one("Invoke", "StandIn", (0, 5), (0, 5)),
    ]
}
