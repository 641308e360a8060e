//! Templates and units as they are printed, and what must hold for any of them. What machines do with them is in
//! `fleet_tests.rs`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::*;

/// Compares with a file beside this one; `UPDATE_EXPECT=1` writes it anew.
#[expect(clippy::disallowed_methods, reason = "a test is told by its caller to write its files anew")]
fn check(name: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/setup/golden").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == actual, "{} differs; UPDATE_EXPECT=1 writes it anew\n{actual}", file.display());
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A stack with everything.
pub(super) fn full() -> Stack {
    Stack {
        name: "ci".to_owned(),
        pools: texts(["default", "arm-64"]),
        types: Category::ALL.to_vec(),
        buckets: texts(["team-builds", "arn:aws:s3:::shared"]),
        images: texts(["billing", "team/*"]),
        creates_repositories: true,
        base_images: texts(["arn:aws:ecr:eu-west-1:222222222222:repository/base"]),
        repositories: texts(["billing"]),
        on_push: true,
        deploy_roles: texts(["arn:aws:iam::333333333333:role/sluice-deploy"]),
        services: texts(["production/billing", "staging/*"]),
        task_roles: texts(["arn:aws:iam::111111111111:role/billing-execution"]),
        secrets: texts(["/ci/"]),
        keys: texts(["arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"]),
        autoscaling: true,
        stop: Duration::from_secs(3600),
    }
}

fn refused(stack: Stack) -> String {
    template(&stack).unwrap_err().message
}

#[test]
fn a_small_template_is_written_as_expected() {
    check("small.yaml", &yaml(&template(&Stack::default()).unwrap()));
}

#[test]
fn a_full_template_is_written_as_expected() {
    check("full.yaml", &yaml(&template(&full()).unwrap()));
}

#[test]
fn the_unit_of_the_worker_is_written_as_expected() {
    check("sluice.service", &unit(UnitOrder::default()));
}

#[test]
fn names_that_cannot_be_are_refused_by_name() {
    let pools = |pools: Vec<String>| Stack { pools, ..Stack::default() };
    assert_eq!(refused(pools(texts(["a b"]))), "`a b` is no name of a pool");
    assert_eq!(refused(pools(texts(["--"]))), "`--` is no name of a pool");
    assert_eq!(refused(pools(texts(["a-b", "a_b"]))), "the pools `a-b` and `a_b` differ in no letter or digit");
    let roles = Stack { deploy_roles: texts(["sluice-deploy"]), ..Stack::default() };
    assert_eq!(refused(roles), "`sluice-deploy` is no ARN of iam");
    let images = Stack { images: texts(["arn:aws:s3:::bucket"]), ..Stack::default() };
    assert_eq!(refused(images), "`arn:aws:s3:::bucket` is no ARN of ecr");
    for name in ["*", "", "a${AWS::X}", "a\"b", "a b"] {
        let images = Stack { images: texts([name]), ..Stack::default() };
        assert_eq!(refused(images), format!("`{name}` is no name of a resource"));
    }
    for name in ["billing", "a/b/c", "/billing"] {
        let services = Stack { services: texts([name]), ..Stack::default() };
        assert!(refused(services).starts_with(&format!("`{}` is no", if name == "/billing" { "" } else { name })));
    }
    let several = Stack { repositories: texts(["team-*"]), on_push: true, ..Stack::default() };
    assert_eq!(refused(several), "`team-*` names several repositories, and an event names one");
    let none = Stack { on_push: true, ..Stack::default() };
    assert_eq!(refused(none), "no repository is named whose pushes could be told");
}

/// All statements of a template's role, by what they are for.
fn statements(stack: &Stack) -> Vec<Value> {
    let template = template(stack).unwrap();
    let role = &template["Resources"]["WorkerRole"]["Properties"];
    role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone()
}

#[test]
fn nothing_is_allowed_that_was_not_asked_for() {
    let purposes = |stack| -> Vec<String> {
        statements(&stack).iter().map(|statement| statement["Sid"].as_str().unwrap().to_owned()).collect()
    };
    let least = ["PollForJobs", "AnswerForJobs", "LookAtPipelines", "Hear", "KeepRecords", "WriteLogs"];
    assert_eq!(purposes(Stack::default()), least);
    assert_eq!(purposes(full()).len(), 25);
}

/// The calls that a statement of the full stack allows.
fn calls_of(purpose: &str) -> Vec<String> {
    let all = statements(&full());
    let statement = all.iter().find(|statement| statement["Sid"] == purpose).unwrap();
    statement["Action"].as_array().unwrap().iter().map(|call| call.as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_pushed_to_a_repository_that_is_only_pulled_from() {
    let pulls = calls_of("PullImages");
    assert!(pulls.iter().all(|call| call.contains("Get") || call.contains("Check")), "{pulls:?}");
    let base = "arn:aws:ecr:eu-west-1:222222222222:repository/base";
    for statement in statements(&full()).iter().filter(|statement| statement["Sid"] != "PullImages") {
        assert!(!statement.to_string().contains(base), "{statement}");
    }
    let alone = Stack { base_images: texts([base]), ..Stack::default() };
    assert!(statements(&alone).iter().any(|statement| statement["Sid"] == "LogInToRegistries"));
}

#[test]
fn repositories_are_made_only_where_that_was_asked_for() {
    let without = Stack { creates_repositories: false, ..full() };
    assert!(!statements(&without).iter().any(|statement| statement.to_string().contains("CreateRepository")));
    assert_eq!(calls_of("MakeRepositories"), ["ecr:CreateRepository"]);
}

#[test]
fn a_worker_may_make_every_call_of_a_deployment_to_a_service_that_is_named() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/deploy/ecs/service.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let called = source.split("self.client.").skip(1).filter_map(|rest| rest.split('(').next());
    let mut called: Vec<String> = called.map(|call| format!("ecs:{}", events::camel(call))).collect();
    // These are not written as methods of the client: the request is built elsewhere, and its tags are a call to IAM.
    called.extend(texts(["ecs:RegisterTaskDefinition", "ecs:TagResource", "iam:PassRole"]));
    assert!(called.len() > 8, "{called:?}");
    let purposes = [
        "RollOutServices",
        "ListTasks",
        "LookAtTaskDefinitions",
        "RegisterTaskDefinitions",
        "TagTaskDefinitions",
        "PassTaskRoles",
    ];
    let allowed: Vec<String> = purposes.into_iter().flat_map(calls_of).collect();
    assert!(called.iter().all(|call| allowed.contains(call)), "{called:?}");
    assert!(allowed.iter().all(|call| called.contains(call)), "nothing calls some of {allowed:?}");
}

#[test]
fn the_action_types_are_kept_and_come_when_all_else_is_there() {
    let template = template(&full()).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let is_type = |name: &&String| name.ends_with("ActionType");
    for (name, resource) in resources.iter().filter(|(name, _)| is_type(name)) {
        assert_eq!(
            (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
            (&"Retain".into(), &"Retain".into())
        );
        assert!(!resource["DependsOn"].as_array().unwrap().is_empty(), "{name}");
    }
    let first: Vec<&str> =
        resources["BuildActionType"]["DependsOn"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let others: Vec<&String> = resources.keys().filter(|name| !is_type(name)).collect();
    assert_eq!(first, others);
}

#[test]
fn a_worker_polls_for_the_types_that_its_role_may_poll_for() {
    let environment = |types: &[Category]| {
        let template = template(&Stack { types: types.to_vec(), ..Stack::default() }).unwrap();
        template["Outputs"]["DefaultEnvironment"]["Value"]["Fn::Sub"].as_str().unwrap().to_owned()
    };
    assert!(environment(&Category::ALL).ends_with("\nSLUICE_OPTIONS=--log-group sluice-builds"));
    assert!(environment(&[Category::Build, Category::Test]).ends_with(" --type build --type test"));
}

#[test]
fn a_worker_that_has_drained_is_not_started_again() {
    let unit = unit(UnitOrder::default());
    assert!(unit.contains("\nRestart=on-failure\n"), "a drain ends with the exit code 0");
}

#[test]
fn a_statement_for_everything_is_made_only_where_iam_knows_no_resource() {
    let everything: Vec<_> =
        statements(&full()).into_iter().filter(|statement| statement["Resource"] == serde_json::json!(["*"])).collect();
    let purposes: Vec<_> = everything.iter().map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["AnswerForJobs", "LogInToRegistries", "ListTasks", "LookAtTaskDefinitions"]);
    let calls = statements(&full()).iter().flat_map(|s| s["Action"].as_array().unwrap().clone()).collect::<Vec<_>>();
    assert!(calls.iter().all(|call| !call.as_str().unwrap().contains('*')), "{calls:?}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return; // A machine without systemd has nobody to ask.
    }
    let folder = tempfile::tempdir().unwrap();
    let (program, unit) = (folder.path().join("sluice"), unit(UnitOrder::default()));
    std::fs::copy("/bin/true", &program).unwrap();
    let program = program.display().to_string();
    for (name, text) in [("sluice.service", unit.as_str()), ("sluice-drain.service", systemd::DRAIN_UNIT)] {
        let own = text.replace("/usr/local/bin/sluice", &program).replace("/usr/local/libexec/sluice-drain", &program);
        let file = folder.path().join(name);
        std::fs::write(&file, own).unwrap();
        let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&verify.stderr);
        let own: Vec<_> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(own.is_empty() && verify.status.success(), "{name}: {said}");
    }
}
