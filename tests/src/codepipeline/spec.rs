//! Action types and pipelines as tests write them: short, and still the requests that the API takes.

use serde_json::{Value, json};

/// A custom action type.
#[derive(Clone, Debug)]
pub struct ActionTypeSpec(Value);

impl ActionTypeSpec {
    /// One of a category, a provider and version 1, with up to five artifacts each way.
    #[must_use]
    pub fn new(category: &str, provider: &str) -> Self {
        Self(json!({
            "category": category,
            "provider": provider,
            "version": "1",
            "configurationProperties": [],
            "inputArtifactDetails": { "minimumCount": 0, "maximumCount": 5 },
            "outputArtifactDetails": { "minimumCount": 0, "maximumCount": 5 },
        }))
    }

    /// With a property that an action may have.
    #[must_use]
    pub fn property(self, name: &str) -> Self {
        self.with(json!({ "name": name, "required": false, "key": false, "secret": false }))
    }

    /// With a property that only job workers see.
    #[must_use]
    pub fn secret(self, name: &str) -> Self {
        self.with(json!({ "name": name, "required": false, "key": false, "secret": true }))
    }

    /// With the property that jobs are polled for by.
    #[must_use]
    pub fn queryable(self, name: &str) -> Self {
        self.with(json!({ "name": name, "required": true, "key": true, "secret": false, "queryable": true }))
    }

    /// With a property as the API has it.
    #[must_use]
    pub fn with(mut self, property: Value) -> Self {
        if let Some(properties) = self.0["configurationProperties"].as_array_mut() {
            properties.push(property);
        }
        self
    }

    pub(super) fn into_request(self) -> Value {
        self.0
    }
}

/// An action.
#[derive(Clone, Debug)]
pub struct ActionSpec(Value);

impl ActionSpec {
    /// One of a custom action type, version 1.
    #[must_use]
    pub fn custom(name: &str, category: &str, provider: &str) -> Self {
        Self::new(name, category, "Custom", provider)
    }

    /// A source whose revisions the test gives.
    #[must_use]
    pub fn source(name: &str, output: &str) -> Self {
        Self::new(name, "Source", "AWS", "CodeCommit").output(output)
    }

    /// A source that takes an object of S3.
    #[must_use]
    pub fn s3_source(name: &str, output: &str, bucket: &str, key: &str) -> Self {
        let source = Self::new(name, "Source", "AWS", "S3").output(output);
        source.config("S3Bucket", bucket).config("S3ObjectKey", key)
    }

    /// An action of AWS's own, which reads its inputs (they must be zips), copies the first to its outputs, and
    /// succeeds; with `Outcome` `Failed` in its configuration it fails at once.
    #[must_use]
    pub fn stand_in(name: &str) -> Self {
        Self::new(name, "Invoke", "AWS", "StandIn")
    }

    /// A build of CodeBuild, which is there to be declared: it runs as a stand-in.
    #[must_use]
    pub fn codebuild(name: &str, project: &str) -> Self {
        Self::new(name, "Build", "AWS", "CodeBuild").config("ProjectName", project)
    }

    fn new(name: &str, category: &str, owner: &str, provider: &str) -> Self {
        Self(json!({
            "name": name,
            "actionTypeId": { "category": category, "owner": owner, "provider": provider, "version": "1" },
            "runOrder": 1,
            "configuration": {},
            "inputArtifacts": [],
            "outputArtifacts": [],
        }))
    }

    /// With a value in its configuration.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.0["configuration"][key] = value.into();
        self
    }

    /// With an input artifact.
    #[must_use]
    pub fn input(self, name: &str) -> Self {
        self.push("inputArtifacts", name)
    }

    /// With an output artifact.
    #[must_use]
    pub fn output(self, name: &str) -> Self {
        self.push("outputArtifacts", name)
    }

    /// With a namespace for its output variables.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.0["namespace"] = name.into();
        self
    }

    /// With a place in its stage.
    #[must_use]
    pub fn order(mut self, order: u32) -> Self {
        self.0["runOrder"] = order.into();
        self
    }

    fn push(mut self, member: &str, name: &str) -> Self {
        if let Some(artifacts) = self.0[member].as_array_mut() {
            artifacts.push(json!({ "name": name }));
        }
        self
    }
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct PipelineSpec(Value);

impl PipelineSpec {
    /// One without stages, whose artifacts are in [`super::BUCKET`].
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(json!({
            "name": name,
            "roleArn": "arn:aws:iam::111111111111:role/pipeline",
            "artifactStore": { "type": "S3", "location": super::BUCKET },
            "stages": [],
        }))
    }

    /// With another artifact bucket.
    #[must_use]
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.0["artifactStore"]["location"] = bucket.into();
        self
    }

    /// With a key of KMS for its artifacts.
    #[must_use]
    pub fn encryption_key(mut self, id: &str) -> Self {
        self.0["artifactStore"]["encryptionKey"] = json!({ "id": id, "type": "KMS" });
        self
    }

    /// With one stage more.
    #[must_use]
    pub fn stage(mut self, name: &str, actions: impl IntoIterator<Item = ActionSpec>) -> Self {
        let actions: Value = actions.into_iter().map(|action| action.0).collect();
        if let Some(stages) = self.0["stages"].as_array_mut() {
            stages.push(json!({ "name": name, "actions": actions }));
        }
        self
    }

    pub(super) fn into_request(self) -> Value {
        json!({ "pipeline": self.0 })
    }
}
