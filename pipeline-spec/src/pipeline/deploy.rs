//! `deploy`: a hand-off to a deployment target.

use super::Text;
use super::reader::{Mapping, text, wrong_type};
use crate::diagnostic::Diagnostics;
use crate::yaml::Node;

/// The keys of a deployment.
pub(crate) const KEYS: [&str; 6] = ["role", "region", "timeout", "ecs", "codedeploy", "cloudformation"];
/// The targets that are still to come.
pub(crate) const LATER_TARGETS: [&str; 2] = ["codedeploy", "cloudformation"];
/// The keys of an ECS service.
pub(crate) const ECS_KEYS: [&str; 5] = ["cluster", "service", "images", "environment", "desired-count"];

/// A deployment as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// A role to assume.
    pub role: Option<Text>,
    /// The Region.
    pub region: Option<Text>,
    /// Seconds.
    pub timeout: Option<u64>,
    /// The ECS service.
    pub ecs: Option<Ecs>,
}

/// A rolling deployment of an ECS service as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// Name or ARN.
    pub cluster: Option<Text>,
    /// Name.
    pub service: Option<Text>,
    /// Container to image.
    pub images: Vec<(String, Text)>,
    /// Container to variables.
    pub environment: Vec<(String, Vec<(String, Text)>)>,
    /// The desired count.
    pub desired_count: Option<u32>,
}

impl Deploy {
    /// Calls `visit` with every text.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        self.role.iter().chain(&self.region).for_each(&mut *visit);
        if let Some(ecs) = &self.ecs {
            ecs.cluster.iter().chain(&ecs.service).for_each(&mut *visit);
            let environment = ecs.environment.iter().flat_map(|(_, variables)| variables);
            ecs.images.iter().chain(environment).for_each(|(_, text)| visit(text));
        }
    }
}

pub(super) fn read(node: &Node, d: &mut Diagnostics) -> Option<Deploy> {
    let map = Mapping::open(node, "a deployment", &KEYS, d)?;
    let example = "such as `ecs: { cluster: dev, service: billing, images: { app: \"${image.uri}\" } }`";
    map.exactly_one_of(&["ecs", "codedeploy", "cloudformation"], example, d);
    for target in LATER_TARGETS {
        if let Some(entry) = map.entry(target) {
            d.error("unsupported", entry.key_span, format!("not supported yet: deployments with `{target}`"))
                .hint("`ecs` rolls an Amazon ECS service over to new images");
        }
    }
    Some(Deploy {
        role: map.text("role", d),
        region: map.early_text("region", d),
        timeout: map.duration("timeout", d),
        ecs: map.entry("ecs").and_then(|entry| ecs(&entry.value, d)),
    })
}

fn ecs(node: &Node, d: &mut Diagnostics) -> Option<Ecs> {
    let map = Mapping::open(node, "an ECS deployment", &ECS_KEYS, d)?;
    map.require("cluster", "the cluster's name or ARN", d);
    map.require("service", "the service's name", d);
    if !["images", "environment", "desired-count"].iter().any(|key| map.has(key)) {
        d.error("missing-key", map.span, "the deployment changes nothing")
            .hint("name an image for each container that is to change: `images: { app: \"${image.uri}\" }`");
    }
    let mut environment = Vec::new();
    for container in map.entries("environment", d) {
        let Some(entries) = container.value.as_map() else {
            wrong_type(&container.value, &container.key, "a mapping from variable to value", d);
            continue;
        };
        let variables =
            entries.iter().filter_map(|entry| Some((entry.key.clone(), text(&entry.value, &entry.key, d)?)));
        environment.push((container.key.clone(), variables.collect()));
    }
    Some(Ecs {
        cluster: map.text("cluster", d),
        service: map.text("service", d),
        images: map.texts("images", d),
        environment,
        desired_count: map.number("desired-count", 0..=10_000, d),
    })
}
