//! The plan as a tree for people.

use std::collections::BTreeMap;

use super::describe::{self, count};
use super::in_order;
use crate::plan::{
    Action, Artifacts, Build, Deploy, DeployTarget, EnvironmentVariable, Image, OnFailure, Plan, Stage, Template,
    ValueSource, Work,
};
use crate::quantity::{cores_text, duration_text, size_text};

/// The plan as a tree: stages in order, gates, actions each after all that it needs, and what each will do. Of secrets
/// it shows the names.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut root = Branch::new(format!("pipeline {}", plan.name));
    root.leaf("source", describe::source(&plan.source));
    for (name, value) in &plan.variables {
        root.leaf("variable", format!("{name} = {}", one_line(value)));
    }
    root.branches.extend(plan.stages.iter().map(stage));
    let mut text = root.line.clone();
    text.push('\n');
    root.draw("", &mut text);
    text
}

/// A line and the lines that hang on it.
struct Branch {
    line: String,
    branches: Vec<Branch>,
}

impl Branch {
    fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), branches: Vec::new() }
    }

    /// Hangs a word and a value on it.
    fn leaf(&mut self, word: &str, value: impl AsRef<str>) {
        self.branches.push(Self::new(format!("{word} {}", one_line(value.as_ref()))));
    }

    /// Hangs a word and a list on it, unless the list is empty.
    fn list(&mut self, word: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.leaf(word, values.join(", "));
        }
    }

    fn draw(&self, indent: &str, text: &mut String) {
        for (place, branch) in self.branches.iter().enumerate() {
            let (fork, bar) = if place + 1 == self.branches.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.push_str(&format!("{indent}{fork}{}\n", branch.line));
            branch.draw(&format!("{indent}{bar}"), text);
        }
    }
}

fn stage(stage: &Stage) -> Branch {
    let mut branch = Branch::new(format!("stage {}", stage.name));
    for rule in &stage.before_entry {
        branch.leaf("before-entry", describe::rule(rule));
    }
    branch.branches.extend(in_order(stage).into_iter().map(action));
    for rule in &stage.on_success {
        branch.leaf("on-success", describe::rule(rule));
    }
    if stage.on_failure != OnFailure::Fail {
        branch.leaf("on-failure", describe::on_failure(stage.on_failure));
    }
    branch
}

fn action(action: &Action) -> Branch {
    let needs = match action.needs.as_slice() {
        [] => String::new(),
        needs => format!(", needs {}", needs.join(", ")),
    };
    let mut branch = Branch::new(format!("{} {}{needs}", describe::work_key(&action.work), action.name));
    match &action.work {
        Work::Build(work) => build(work, &mut branch),
        Work::Image(work) => image(work, &mut branch),
        Work::Deploy(work) => deploy(work, &mut branch),
    }
    branch
}

fn build(build: &Build, branch: &mut Branch) {
    branch.leaf("image", build.image.as_ref().map_or("of the caller".to_owned(), Template::to_string));
    branch.leaf("buildspec", &build.buildspec);
    let phases = build.phases.iter().filter(|phase| phase.written).map(|phase| {
        let finally =
            if phase.finally.is_empty() { String::new() } else { format!(" and {} finally", phase.finally.len()) };
        format!("{} {}{finally}", phase.name, count(phase.commands.len(), "command"))
    });
    branch.list("phases", phases.collect());
    for service in &build.services {
        branch.leaf("service", format!("{} {}", service.name, service.image));
    }
    for variable in in_force(&build.environment) {
        match (&variable.value, describe::secret(&variable.value)) {
            (_, Some(secret)) => branch.leaf("secret", format!("{} from {secret}", variable.name)),
            (ValueSource::Plain(value), None) => {
                branch.leaf("variable", format!("{} = {value}", variable.name));
            }
            _ => {}
        }
    }
    branch.list("exports", build.exported_variables.clone());
    branch.list("reports", build.reports.iter().map(|group| group.name.clone()).collect());
    if let Some(primary) = &build.artifacts {
        branch.leaf("artifact", artifact(primary));
    }
    for secondary in &build.secondary_artifacts {
        branch.leaf("artifact", format!("{} {}", secondary.identifier, artifact(&secondary.artifacts)));
    }
    branch.list("cache", build.cache.iter().flat_map(|cache| cache.paths.clone()).collect());
    let limits = [
        build.limits.cpu_millis.map(|millis| format!("cpu {}", cores_text(millis))),
        build.limits.memory_bytes.map(|bytes| format!("memory {}", size_text(bytes))),
        build.limits.pids.map(|pids| format!("pids {pids}")),
    ];
    branch.list("limits", limits.into_iter().flatten().collect());
    branch.leaf("timeout", duration_text(build.timeouts.build_seconds));
}

/// The variables that no later one of the same name replaces.
fn in_force(environment: &[EnvironmentVariable]) -> impl Iterator<Item = &EnvironmentVariable> {
    let last: BTreeMap<&str, usize> =
        environment.iter().enumerate().map(|(place, variable)| (variable.name.as_str(), place)).collect();
    environment
        .iter()
        .enumerate()
        .filter_map(move |(place, variable)| (last.get(variable.name.as_str()) == Some(&place)).then_some(variable))
}

fn artifact(artifacts: &Artifacts) -> String {
    let from = artifacts.base_directory.as_ref().map_or_else(String::new, |base| format!(" from {base}"));
    format!("{}{from}", artifacts.files.join(", "))
}

fn image(image: &Image, branch: &mut Branch) {
    branch.leaf("context", format!("{} with {}", image.context, image.dockerfile));
    let registry = image.registry.as_ref().map_or_else(String::new, |registry| format!("{registry}/"));
    for tag in &image.tags {
        branch.leaf("push", format!("{registry}{}:{tag}", image.repository));
    }
    for (word, value) in [("target", &image.target), ("platform", &image.platform), ("region", &image.region)] {
        if let Some(value) = value {
            branch.leaf(word, value);
        }
    }
    for (name, value) in &image.build_args {
        branch.leaf("build-arg", format!("{name} = {value}"));
    }
    for secret in &image.secrets {
        let parameter = secret.parameter_store.as_ref().map(|name| format!("parameter-store {name}"));
        let managed = secret.secrets_manager.as_ref().map(describe::secret_reference);
        let origin = parameter.or(managed.map(|secret| format!("secrets-manager {secret}"))).unwrap_or_default();
        branch.leaf("secret", format!("{} from {origin}", secret.id));
    }
    if let Some(scan) = &image.scan {
        let severity = format!("{:?}", scan.fail_on).to_lowercase();
        branch.leaf("scan", format!("fails on {severity}, waits {}", duration_text(scan.timeout_seconds)));
    }
    if let Some(role) = &image.role {
        branch.leaf("role", role.to_string());
    }
    branch.leaf("timeout", duration_text(image.timeout_seconds));
}

fn deploy(deploy: &Deploy, branch: &mut Branch) {
    match &deploy.target {
        DeployTarget::Ecs(ecs) => {
            branch.leaf("ecs", format!("service {} in cluster {}", ecs.service, ecs.cluster));
            for (container, image) in &ecs.images {
                branch.leaf("container", format!("{container} runs {image}"));
            }
            for (container, variables) in &ecs.environment {
                for (name, value) in variables {
                    branch.leaf("variable", format!("{name} = {value} in {container}"));
                }
            }
            if let Some(count) = ecs.desired_count {
                branch.leaf("desired-count", count.to_string());
            }
        }
    }
    if let Some(role) = &deploy.role {
        branch.leaf("role", role.to_string());
    }
    if let Some(region) = &deploy.region {
        branch.leaf("region", region);
    }
    branch.leaf("timeout", duration_text(deploy.timeout_seconds));
}

/// The first line of a text; more of it is hinted at.
fn one_line(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if !rest.is_empty() => format!("{first} …"),
        Some((first, _)) => first.to_owned(),
        None => text.to_owned(),
    }
}
