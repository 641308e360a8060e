//! `cases/NN_name.json` is an order, a pipeline and its projects; `NN_name.txt` beside it what is shown of the change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::pipeline::actions;
use super::*;

struct Case {
    described: Described,
    projects: BTreeMap<String, Project>,
    orders: Orders,
}

impl Case {
    fn read(file: &Path) -> Self {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let texts = |key: &str| -> Vec<String> {
            serde_json::from_value(case["orders"].get(key).cloned().unwrap_or_else(|| json!([]))).unwrap()
        };
        let text = |key: &str| case["orders"][key].as_str().map(str::to_owned);
        let projects: Vec<Project> = serde_json::from_value(case["projects"].clone()).unwrap();
        Self {
            described: Described::of(&case["pipeline"]).unwrap(),
            projects: projects.into_iter().map(|project| (project.name.clone(), project)).collect(),
            orders: Orders {
                pool: text("pool").unwrap_or_else(|| "default".to_owned()),
                actions: texts("actions"),
                image: text("image"),
                accepted: texts("accepted"),
            },
        }
    }

    fn named(name: &str) -> Self {
        Self::read(&folder().join(format!("{name}.json")))
    }

    fn swapped(&self) -> Change {
        swap(&self.described, &self.projects, &self.orders).unwrap()
    }

    /// The pipeline after the change.
    fn after(&self, change: &Change) -> Described {
        Described { pipeline: change.pipeline.clone(), arn: self.described.arn.clone() }
    }
}

/// The order to swap these actions back.
fn back(actions: Vec<String>, accepted: &[String]) -> Orders {
    Orders { actions, accepted: accepted.to_vec(), ..Orders::default() }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrate/cases")
}

fn cases() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(files.len() >= 8, "only {} cases", files.len());
    files
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is told by its caller to write its files anew")]
fn every_change_is_shown_as_written_beside_its_case() {
    let mut wrong = Vec::new();
    for file in cases() {
        let case = Case::read(&file);
        let actual = shown(&case.described, &case.swapped());
        let beside = file.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&beside, &actual).unwrap();
        }
        if std::fs::read_to_string(&beside).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", beside.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 writes the files anew", wrong.join("\n"));
}

#[test]
fn what_was_swapped_is_swapped_back_exactly_from_the_pipeline_alone() {
    for file in cases() {
        let case = Case::read(&file);
        let swapped = case.swapped();
        let named: Vec<String> =
            swapped.actions.iter().filter(|a| a.after.is_some()).map(|a| a.place.to_string()).collect();
        if named.is_empty() {
            assert_eq!(swapped.pipeline, case.described.pipeline, "{}", file.display());
            continue;
        }
        let reverted = revert(&case.after(&swapped), &[], &back(named, &case.orders.accepted)).unwrap();
        assert_eq!(reverted.pipeline, case.described.pipeline, "{}", file.display());
    }
}

#[test]
fn every_swapped_action_keeps_the_limits_of_a_custom_action() {
    for file in cases() {
        for action in Case::read(&file).swapped().actions.into_iter().filter_map(|action| action.after) {
            let words = action["configuration"].as_object().unwrap();
            assert!(words.len() <= 10, "{words:?}");
            let fits = |value: &Value| (1..=1000).contains(&value.as_str().unwrap().chars().count());
            assert!(words.values().all(fits), "{words:?}");
        }
    }
}

#[test]
fn an_edit_of_a_swapped_action_outlives_the_way_back() {
    let case = Case::named("01_one_build");
    let mut now = case.after(&case.swapped());
    now.pipeline["stages"][1]["actions"][0]["inputArtifacts"] = json!([{ "name": "Source" }, { "name": "Other" }]);
    now.pipeline["stages"][1]["actions"][0]["configuration"]["PrimarySource"] = "Other".into();
    let back = revert(&now, &[case.described.pipeline], &Orders::default()).unwrap();
    let action = &back.pipeline["stages"][1]["actions"][0];
    assert_eq!(action["inputArtifacts"][1]["name"], "Other");
    assert_eq!(action["configuration"]["PrimarySource"], "Other");
    assert_eq!(action["actionTypeId"]["provider"], "CodeBuild");
    assert_eq!(back.actions[0].findings[0].name, "edited");
}

#[test]
fn an_action_that_lost_its_options_is_taken_from_the_newest_structure_that_has_it() {
    let case = Case::named("01_one_build");
    let mut now = case.after(&case.swapped());
    now.pipeline["stages"][1]["actions"][0]["configuration"]["Options"] = "{}".into();
    let without = revert(&now, &[], &Orders::default()).unwrap();
    assert!(!without.changes() && without.leaves());
    assert_eq!(without.actions[0].findings[0].name, "unknown");
    let saved = [case.swapped().pipeline, case.described.pipeline.clone()];
    let with = revert(&now, &saved, &Orders::default()).unwrap();
    assert_eq!(with.pipeline, case.described.pipeline);
    assert_eq!(with.actions[0].findings[0].name, "saved");
}

#[test]
fn a_hidden_secret_holds_the_way_back_too() {
    let case = Case::named("07_a_hidden_secret");
    let back = revert(&case.after(&case.swapped()), &[], &Orders::default()).unwrap();
    assert!(back.changes());
    assert_eq!(
        back.findings.iter().map(|finding| (finding.name, finding.holds())).collect::<Vec<_>>(),
        [("masked-secret", true)]
    );
}

#[test]
fn an_order_that_cannot_be_meant_is_refused_with_what_there_is() {
    let mut case = Case::named("01_one_build");
    case.orders.actions = vec!["Build/compiles".to_owned()];
    let fault = swap(&case.described, &case.projects, &case.orders).unwrap_err();
    assert_eq!(fault.message, "the pipeline billing has no action Build/compiles");
    assert_eq!(fault.hint.as_deref(), Some("actions of CodeBuild: Build/compile"));
    case.orders.actions = vec!["Production/roll-out".to_owned()];
    let fault = swap(&case.described, &case.projects, &case.orders).unwrap_err();
    assert_eq!(fault.message, "Production/roll-out is an action AWS/Deploy/ECS/1, and not one of CodeBuild");
}

#[test]
fn only_findings_that_can_be_accepted_ask() {
    let asked = cases().into_iter().flat_map(|file| {
        let change = Case::read(&file).swapped();
        change.findings.into_iter().chain(change.actions.into_iter().flat_map(|action| action.findings))
    });
    for finding in asked.filter(|finding| finding.weight == Weight::Ask) {
        assert!(ACCEPTABLE.contains(&finding.name), "{}", finding.name);
    }
}

#[test]
fn a_structure_is_kept_for_its_user_alone_and_found_again_newest_first() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let saved = Saved::new(folder.path().join("migrations"));
    let mut described = Case::named("01_one_build").described;
    assert!(saved.of(&described).is_empty());
    for version in [9, 10] {
        described.pipeline["version"] = version.into();
        let file = saved.keep(&described).unwrap();
        assert!(file.ends_with(format!("eu-west-1-111111111111/billing/{version}.json")), "{}", file.display());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let versions: Vec<_> = saved.of(&described).iter().map(|pipeline| pipeline["version"].clone()).collect();
    assert_eq!(versions, [json!(10), json!(9)]);
    assert_eq!(actions(&saved.of(&described)[0]).len(), 3);
}

#[test]
fn codebuilds_default_is_written_where_the_project_names_no_buildspec() {
    let mut case = Case::named("01_one_build");
    let project = json!([{ "name": "billing-build", "environment": { "image": "python:3.11" } }]);
    let projects: Vec<Project> = serde_json::from_value(project).unwrap();
    case.projects = projects.into_iter().map(|project| (project.name.clone(), project)).collect();
    let after = case.swapped().actions[0].after.clone().unwrap();
    assert_eq!(after["configuration"]["Buildspec"], "buildspec.yml", "and not a pipeline.yml that is there too");
}
