//! The calls of AWS. The structure of a pipeline passes as the JSON that AWS wrote and not through the SDK's own types,
//! which would lose whatever they do not have yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_codepipeline::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_codepipeline::config::retry::RetryConfig;
use aws_sdk_codepipeline::config::{Config, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_codepipeline::error::ProvideErrorMetadata as _;
use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::pipeline::Described;
use super::project::Project;
use crate::aws::fault;
use crate::fault::{Fault, FaultKind};

/// How many projects one call takes (BatchGetProjects).
const MOST_PROJECTS: usize = 100;

/// CodePipeline and CodeBuild of one account and Region.
#[derive(Clone, Debug)]
pub struct Calls {
    pipelines: aws_sdk_codepipeline::Client,
    builds: aws_sdk_codebuild::Client,
}

impl Calls {
    /// With that configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { pipelines: aws_sdk_codepipeline::Client::new(config), builds: aws_sdk_codebuild::Client::new(config) }
    }

    /// A pipeline as it is now.
    ///
    /// # Errors
    /// A `Configuration` fault when there is none of that name, and those of any call.
    pub async fn pipeline(&self, name: &str) -> Result<Described, Fault> {
        let heard = Heard::default();
        let call = self.pipelines.get_pipeline().name(name).customize().interceptor(heard.clone());
        if let Err(error) = call.send().await {
            let missing = error.as_service_error().is_some_and(|error| error.is_pipeline_not_found_exception());
            let fault = fault(format_args!("codepipeline:GetPipeline {name}"), &error);
            return Err(if missing { fault.hint("check the name and the Region (--region)") } else { fault });
        }
        Described::of(&heard.answer())
    }

    /// The projects of those names, by name. One that does not exist is not among them.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn projects(&self, names: &[String]) -> Result<BTreeMap<String, Project>, Fault> {
        let mut found = BTreeMap::new();
        for names in names.chunks(MOST_PROJECTS) {
            let heard = Heard::default();
            let call = self.builds.batch_get_projects().set_names(Some(names.to_vec()));
            let sent = call.customize().interceptor(heard.clone()).send().await;
            sent.map_err(|error| fault("codebuild:BatchGetProjects", &error))?;
            for project in heard.answer()["projects"].as_array().into_iter().flatten() {
                let project: Project = serde_json::from_value(project.clone()).map_err(|error| {
                    Fault::system(format!("codebuild:BatchGetProjects answered with a project that is none: {error}"))
                })?;
                found.insert(project.name.clone(), project);
            }
        }
        Ok(found)
    }

    /// Gives a pipeline a new structure, and tells the version that it has become. The call is made once: made again after
    /// its answer was lost, it would look as if somebody else had updated the pipeline.
    ///
    /// # Errors
    /// A `Configuration` fault when CodePipeline refuses the structure, and those of any call. After a `System` fault
    /// nobody knows whether it was done.
    pub async fn update(&self, pipeline: &Value) -> Result<i64, Fault> {
        let (heard, body) = (Heard::default(), json!({ "pipeline": pipeline }).to_string());
        let length = body.len().to_string();
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let call = self.pipelines.update_pipeline().customize().config_override(once).interceptor(heard.clone());
        let sent = call.mutate_request(move |request| {
            *request.body_mut() = body.clone().into();
            request.headers_mut().insert("content-length", length.clone());
        });
        sent.send().await.map_err(|error| {
            let code = error.code().unwrap_or_default().to_owned();
            let mut fault = fault("codepipeline:UpdatePipeline", &error);
            if code.starts_with("Invalid") {
                fault.kind = FaultKind::Configuration;
                fault =
                    fault.hint("the action types must exist in this account and Region: `sluice setup codepipeline`");
            }
            fault
        })?;
        Ok(heard.answer()["pipeline"]["version"].as_i64().unwrap_or_default())
    }
}

/// Keeps the answer of a call as it was written.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Value>>);

impl Heard {
    fn answer(&self) -> Value {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Heard {
    fn name(&self) -> &'static str {
        "Heard"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let bytes = context.response().body().bytes().unwrap_or_default();
        let answer = serde_json::from_slice(bytes).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        Ok(())
    }
}
