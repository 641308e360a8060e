//! The next revision of a task definition: everything of the current one, with images and variables swapped. Pure.
//!
//! Fields that the SDK does not know cannot be copied: a new ECS feature needs a new SDK first. Inference accelerators
//! are left out, because ECS takes them no more.

use std::collections::BTreeMap;

use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionInputBuilder;
use aws_sdk_ecs::types::{ContainerDefinition, KeyValuePair, Tag, TaskDefinition};

use crate::fault::Fault;

/// The tag that says which deployment a revision was registered for.
pub(super) const TOKEN: &str = "sluice:token";
/// The tag that says what the service ran before.
pub(super) const PREVIOUS: &str = "sluice:previous";
/// The tag that says which desired count the service had before, when the deployment sets another one.
pub(super) const PREVIOUS_COUNT: &str = "sluice:previous-count";

/// What a revision tells whoever comes later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'a> {
    /// The order's token.
    pub(super) token: &'a str,
    /// The desired count before, when the deployment sets another one.
    pub(super) previous_count: Option<u32>,
}

/// What is to be different in the next revision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    /// Container name to image.
    pub(super) images: &'a BTreeMap<String, String>,
    /// Container name to variable to value.
    pub(super) environment: &'a BTreeMap<String, BTreeMap<String, String>>,
}

/// The request that registers the next revision, with the tags of the current one and ours.
///
/// # Errors
/// A `Configuration` fault that names a container which the task definition does not have, and those that it has.
pub(super) fn next(
    current: &TaskDefinition,
    tags: &[Tag],
    change: Change<'_>,
    marks: Marks<'_>,
) -> Result<RegisterTaskDefinitionInputBuilder, Fault> {
    let mut containers = current.container_definitions().to_vec();
    check_names(current, change)?;
    for container in &mut containers {
        apply(container, change);
    }
    let text = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(RegisterTaskDefinitionInputBuilder::default()
        .set_family(current.family.clone())
        .set_container_definitions(Some(containers))
        .set_task_role_arn(text(current.task_role_arn()))
        .set_execution_role_arn(text(current.execution_role_arn()))
        .set_network_mode(current.network_mode.clone())
        .set_volumes(current.volumes.clone())
        .set_placement_constraints(current.placement_constraints.clone())
        .set_requires_compatibilities(current.requires_compatibilities.clone())
        .set_cpu(text(current.cpu()))
        .set_memory(text(current.memory()))
        .set_pid_mode(current.pid_mode.clone().filter(|mode| !mode.as_str().is_empty()))
        .set_ipc_mode(current.ipc_mode.clone().filter(|mode| !mode.as_str().is_empty()))
        .set_proxy_configuration(current.proxy_configuration.clone())
        .set_ephemeral_storage(current.ephemeral_storage.clone())
        .set_runtime_platform(current.runtime_platform.clone())
        .set_enable_fault_injection(current.enable_fault_injection)
        .set_tags(Some(next_tags(current, tags, marks))))
}

/// Whether the task definition has all of the change already.
pub(super) fn has_all(current: &TaskDefinition, change: Change<'_>) -> Result<bool, Fault> {
    check_names(current, change)?;
    Ok(current.container_definitions().iter().all(|container| {
        let mut changed = container.clone();
        apply(&mut changed, change);
        changed == *container
    }))
}

/// The value of one of our tags.
pub(super) fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}

/// `web:7` of an ARN, as people know it.
pub(super) fn short(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

fn check_names(current: &TaskDefinition, change: Change<'_>) -> Result<(), Fault> {
    let known: Vec<&str> = current.container_definitions().iter().filter_map(ContainerDefinition::name).collect();
    match change.images.keys().chain(change.environment.keys()).find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            Err(super::no_such_container(name, short(current.task_definition_arn().unwrap_or_default()), &known))
        }
    }
}

fn apply(container: &mut ContainerDefinition, change: Change<'_>) {
    let name = container.name.clone().unwrap_or_default();
    if let Some(image) = change.images.get(&name) {
        container.image = Some(image.clone());
    }
    for (variable, value) in change.environment.get(&name).into_iter().flatten() {
        let pair = KeyValuePair::builder().name(variable).value(value).build();
        let environment = container.environment.get_or_insert_default();
        match environment.iter_mut().find(|known| known.name() == Some(variable)) {
            Some(known) => *known = pair,
            None => environment.push(pair),
        }
    }
}

/// AWS's own tags cannot be given; ours are new with each revision.
fn next_tags(current: &TaskDefinition, tags: &[Tag], marks: Marks<'_>) -> Vec<Tag> {
    const OURS: [&str; 3] = [TOKEN, PREVIOUS, PREVIOUS_COUNT];
    let kept = |tag: &&Tag| !tag.key().is_some_and(|key| key.starts_with("aws:") || OURS.contains(&key));
    let previous = current.task_definition_arn().unwrap_or_default().to_owned();
    let own = [(TOKEN, marks.token.to_owned()), (PREVIOUS, previous)].into_iter();
    let own = own.chain(marks.previous_count.map(|count| (PREVIOUS_COUNT, count.to_string())));
    let own = own.map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.iter().filter(kept).cloned().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{Compatibility, EphemeralStorage, NetworkMode, PidMode, PortMapping, Volume};

    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-west-1:111111111111:task-definition/web:7";

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn variable(name: &str, value: &str) -> KeyValuePair {
        KeyValuePair::builder().name(name).value(value).build()
    }

    fn current() -> TaskDefinition {
        let app = ContainerDefinition::builder()
            .name("app")
            .image("old")
            .environment(variable("LEVEL", "info"))
            .environment(variable("COMMIT", "1"))
            .port_mappings(PortMapping::builder().container_port(80).build())
            .build();
        TaskDefinition::builder()
            .task_definition_arn(ARN)
            .family("web")
            .revision(7)
            .container_definitions(app)
            .container_definitions(ContainerDefinition::builder().name("log").image("logger").build())
            .execution_role_arn("arn:aws:iam::111111111111:role/execution")
            .task_role_arn("")
            .network_mode(NetworkMode::Awsvpc)
            .requires_compatibilities(Compatibility::Fargate)
            .cpu("256")
            .memory("512")
            .pid_mode(PidMode::Task)
            .volumes(Volume::builder().name("scratch").build())
            .ephemeral_storage(EphemeralStorage::builder().size_in_gib(30).build())
            .enable_fault_injection(true)
            .build()
    }

    #[test]
    fn only_what_was_asked_for_differs_in_the_next_revision() {
        let images = map(&[("app", "repo@sha256:2")]);
        let environment = BTreeMap::from([("app".to_owned(), map(&[("COMMIT", "2"), ("NEW", "yes")]))]);
        let tags =
            [("team", "billing"), ("aws:cloudformation:stack-name", "x"), (TOKEN, "earlier"), (PREVIOUS_COUNT, "9")];
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let change = Change { images: &images, environment: &environment };
        let marks = Marks { token: "run-1-web", previous_count: Some(2) };
        let next = next(&current(), &tags, change, marks).unwrap().build().unwrap();

        let app = &next.container_definitions()[0];
        assert_eq!(app.image(), Some("repo@sha256:2"));
        assert_eq!(app.environment(), [variable("LEVEL", "info"), variable("COMMIT", "2"), variable("NEW", "yes")]);
        assert_eq!(app.port_mappings(), current().container_definitions()[0].port_mappings());
        assert_eq!(next.container_definitions()[1], current().container_definitions()[1]);
        assert_eq!((next.family(), next.cpu(), next.memory()), (Some("web"), Some("256"), Some("512")));
        assert_eq!(next.network_mode(), Some(&NetworkMode::Awsvpc));
        assert_eq!(next.requires_compatibilities(), [Compatibility::Fargate]);
        assert_eq!(next.execution_role_arn(), Some("arn:aws:iam::111111111111:role/execution"));
        assert_eq!((next.task_role_arn(), next.pid_mode()), (None, Some(&PidMode::Task)));
        assert_eq!(next.volumes(), current().volumes());
        assert_eq!(next.ephemeral_storage(), current().ephemeral_storage());
        assert_eq!(next.enable_fault_injection(), Some(true));
        let tags: Vec<_> = next.tags().iter().map(|tag| (tag.key().unwrap(), tag.value().unwrap())).collect();
        assert_eq!(tags, [("team", "billing"), (TOKEN, "run-1-web"), (PREVIOUS, ARN), (PREVIOUS_COUNT, "2")]);
    }

    #[test]
    fn a_container_that_is_not_there_is_named_with_those_that_are() {
        let images = map(&[("ap", "repo@sha256:2")]);
        let change = Change { images: &images, environment: &BTreeMap::new() };
        let fault = next(&current(), &[], change, Marks { token: "token", previous_count: None }).unwrap_err();
        assert_eq!(fault.message, "container `ap` is not in the task definition web:7");
        assert_eq!(fault.hint.as_deref(), Some("its containers are `app`, `log`"));
        assert!(has_all(&current(), change).is_err());
    }

    #[test]
    fn a_change_that_is_there_already_is_seen() {
        let none = BTreeMap::new();
        let environment = |value| BTreeMap::from([("app".to_owned(), map(&[("COMMIT", value)]))]);
        for (image, commit, there) in [("old", "1", true), ("new", "1", false), ("old", "2", false)] {
            let (images, environment) = (map(&[("app", image)]), environment(commit));
            let change = Change { images: &images, environment: &environment };
            assert_eq!(has_all(&current(), change).unwrap(), there, "{image} {commit}");
        }
        assert!(has_all(&current(), Change { images: &map(&[("log", "logger")]), environment: &none }).unwrap());
    }
}
