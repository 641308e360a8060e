//! What holds for every pipeline: nothing panics, every place lies in the text, and what validates plans.

use std::collections::BTreeMap;

use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::Plan;
use pipeline_spec::{Purpose, ReadOptions, read, view};
use proptest::prelude::*;

fn check(text: &str) {
    let options = ReadOptions {
        project: "p",
        variables: BTreeMap::new(),
        purpose: Purpose::Run,
        buildspec: &|path| match path {
            "b.yml" => Ok("version: 0.2\nenv: {exported-variables: [V]}\nphases: {build: {commands: x}}".to_owned()),
            _ => Err("there is no such file".to_owned()),
        },
    };
    let reading = read("pipeline.yml", text, &options);
    assert_eq!(reading.value.is_none(), reading.diagnostics.has_errors(), "{text:?}: {:?}", reading.diagnostics);
    let lines = text.split(['\n', '\r']).count() + 1;
    for found in reading.diagnostics.iter().filter(|found| found.file == "pipeline.yml") {
        assert!((1..=lines).contains(&(found.span.line as usize)), "{text:?}: {found:?}");
    }
    let _ = reading.diagnostics.render(|_| Some(text), Colours::Off);
    if let Some(plan) = reading.value {
        let read_back: Plan = serde_json::from_str(&view::json(&plan)).unwrap();
        assert_eq!(read_back, plan, "{text:?}");
        assert_eq!(read_back.hash(), plan.hash());
        let shown = view::text(&plan);
        for action in plan.stages.iter().flat_map(|stage| &stage.actions) {
            assert!(shown.contains(&action.name), "{shown}");
        }
        let _ = (view::mermaid(&plan), view::dot(&plan));
    }
}

/// Values that stand somewhere, right or wrong.
fn value() -> impl Strategy<Value = String> {
    let values = [
        "x",
        "a",
        "b",
        "c",
        "[a]",
        "[b, c]",
        "{}",
        "[]",
        "~",
        "yes",
        "1",
        "2GiB",
        "30m",
        "500m",
        "\"\"",
        "b.yml",
        "${a.uri}",
        "${b.uri}",
        "${a.variables.V}",
        "${variables.v}",
        "${variables.w}",
        "${matrix.m}",
        "${source.commit}",
        "$${x}",
        "\"a ${source.branch} $${b} ${run.id}\"",
        "{parameter-store: x}",
        "{secrets-manager: \"a:b\"}",
        "{commands: x}",
        "{m: [1, 2]}",
        "[approval]",
        "{default: x}",
        "high",
        "${",
        "\"${a b}\"",
        "'* * * * *'",
        "UTC",
        "rollback",
        "arn:aws:iam::111111111111:role/x",
        "é",
        "[{variable-check: {variable: '${a.uri}', value: x}}]",
    ];
    prop::sample::select(values.to_vec()).prop_map(str::to_owned)
}

/// An action with one key of its work filled at random.
fn action() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec!["a", "b", "c", "t", "t-1", "source"]);
    let works = prop::sample::select(vec![
        "build: {commands: x}",
        "build: {buildspec: b.yml}",
        "build: {buildspec: HOLE}",
        "build: {commands: x, environment: {A: HOLE, B: HOLE}}",
        "build: {commands: x, matrix: HOLE, image: HOLE}",
        "build: {commands: x, matrix: {m: [1, 2, x y]}, environment: {A: '${matrix.m}', S: {secrets-manager: HOLE}}}",
        "build: {commands: x, limits: {cpu: HOLE, memory: HOLE}, timeout: HOLE, project: HOLE}",
        "build: {commands: x, services: {s: HOLE}}",
        "image: {repository: app, tags: latest}",
        "image: {repository: app, tags: HOLE, scan: HOLE}",
        "image: {repository: HOLE, tags: [x], build-args: {A: HOLE}, secrets: {s: HOLE}, region: HOLE}",
        "deploy: {ecs: {cluster: x, service: y, images: {app: HOLE}}}",
        "deploy: {role: HOLE, region: HOLE, ecs: {cluster: HOLE, service: y, desired-count: HOLE}}",
        "HOLE: HOLE",
    ]);
    let needs = prop::sample::select(vec!["", "", "needs: a, ", "needs: [a, b], ", "needs: t, ", "needs: HOLE, "]);
    (names, needs, works, prop::collection::vec(value(), 6))
        .prop_map(|(name, needs, work, values)| filled(&format!("      - {{name: {name}, {needs}{work}}}\n"), &values))
}

fn filled(text: &str, values: &[String]) -> String {
    values.iter().fold(text.to_owned(), |text, value| text.replacen("HOLE", value, 1)).replace("HOLE", "x")
}

fn stage() -> impl Strategy<Value = String> {
    let gates = prop::sample::select(vec![
        "",
        "    before-entry: HOLE\n",
        "    before-entry: [{approval: {message: HOLE, approvers: HOLE, timeout: HOLE}}]\n",
        "    before-entry: [{deployment-window: {cron: HOLE, time-zone: HOLE}}]\n",
        "    on-success: [{variable-check: {variable: HOLE, value: HOLE, operator: HOLE}}]\n",
        "    on-failure: HOLE\n",
    ]);
    let names = prop::sample::select(vec!["S", "T", "HOLE"]);
    let actions = prop::collection::vec(action(), 1..5);
    (names, gates, actions, prop::collection::vec(value(), 4)).prop_map(|(name, gates, actions, values)| {
        filled(&format!("  - name: {name}\n{gates}"), &values) + "    actions:\n" + &actions.concat()
    })
}

fn pipeline() -> impl Strategy<Value = String> {
    let tops = prop::sample::select(vec![
        "",
        "variables: {v: x, w: HOLE}\n",
        "source: {git: HOLE, branch: HOLE}\nvariables: {v: x}\n",
        "source: HOLE\nname: HOLE\n",
    ]);
    let values = prop::collection::vec(value(), 3);
    (tops, values, prop::collection::vec(stage(), 1..4))
        .prop_map(|(top, values, stages)| format!("version: 1\n{}stages:\n{}", filled(top, &values), stages.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_validates_plans(text in pipeline()) {
        check(&text);
    }
}
