//! Templates and units as they are printed, and what must hold for any of them.

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
fn full() -> Stack {
    Stack {
        name: "ci".to_owned(),
        pools: texts(["default", "arm-64"]),
        types: Category::ALL.to_vec(),
        buckets: texts(["team-builds", "arn:aws:s3:::shared"]),
        images: texts(["billing", "team/*", "arn:aws:ecr:eu-west-1:222222222222:repository/base"]),
        repositories: texts(["billing"]),
        on_push: true,
        deploy_roles: texts(["arn:aws:iam::333333333333:role/sluice-deploy"]),
        secrets: texts(["/ci/"]),
        keys: texts(["arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"]),
        autoscaling: true,
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
    assert_eq!(purposes(full()).len(), 17);
}

#[test]
fn a_statement_for_everything_is_made_only_where_iam_knows_no_resource() {
    let everything: Vec<_> =
        statements(&full()).into_iter().filter(|statement| statement["Resource"] == serde_json::json!(["*"])).collect();
    let purposes: Vec<_> = everything.iter().map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["AnswerForJobs", "LogInToRegistries"]);
    let calls = statements(&full()).iter().flat_map(|s| s["Action"].as_array().unwrap().clone()).collect::<Vec<_>>();
    assert!(calls.iter().all(|call| !call.as_str().unwrap().contains('*')), "{calls:?}");
}

#[test]
fn a_text_for_a_machine_fits_and_holds_no_reference_but_those_that_are_meant() {
    let template = template(&full()).unwrap();
    for pool in ["Default", "Arm64"] {
        let data = &template["Resources"][format!("{pool}Template")]["Properties"]["LaunchTemplateData"]["UserData"];
        let text = data["Fn::Base64"]["Fn::Sub"].as_str().unwrap();
        assert!(text.len() < 12_000, "EC2 takes 16 KiB of user data after encoding, this has {}", text.len());
        assert!(!["@ENV", "@DRAIN", "@UNIT", "@STOP"].iter().any(|left| text.contains(left)), "{text}");
        let mut names: Vec<_> = text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
        names.sort_unstable();
        names.dedup();
        let queues = ["Jobs", "Events"].map(|queue| format!("{pool}{queue}"));
        let known = [
            "AWS::Region",
            "AWS::StackName",
            "BinaryLocation",
            "BinarySha256",
            "Logs",
            "Records",
            &queues[0],
            &queues[1],
        ];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    }
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

/// A machine's programs that write down how they were called, and metadata that says `Terminated` at the third look.
const PROGRAMS: [(&str, &str); 4] = [
    ("sleep", "echo sleep $1 >>calls; [ $1 != 300 ] || until [ -e done ]; do /bin/sleep 0.05; done"),
    ("systemctl", "echo systemctl $* >>calls"),
    ("aws", "echo aws $* >>calls; case $* in *complete-lifecycle-action*) : >done ;; esac"),
    (
        "curl",
        "for last; do :; done
case $last in
*/api/token) echo token ;;
*/instance-id) echo i-1 ;;
*/target-lifecycle-state) echo look >>looks; [ $(wc -l <looks) -lt 3 ] && echo InService || echo Terminated ;;
*) exit 22 ;;
esac",
    ),
];

#[test]
fn a_machine_that_the_group_takes_away_drains_first_and_then_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let programs = PROGRAMS.map(|(name, text)| (name, format!("#!/bin/sh\n{text}\n")));
    for (name, text) in programs.iter().map(|(name, text)| (*name, text.as_str())).chain([("drain", systemd::DRAIN)]) {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut drain = Command::new(folder.path().join("drain"));
    let ended = drain.current_dir(folder.path()).env("PATH", path).env("SLUICE_GROUP", "ci-default").output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    let calls: Vec<&str> = calls.lines().filter(|call| *call != "sleep 300").collect();
    let done = "aws autoscaling complete-lifecycle-action --auto-scaling-group-name ci-default \
                --lifecycle-hook-name drain --instance-id i-1 --lifecycle-action-result CONTINUE";
    assert_eq!(calls, ["sleep 5", "sleep 5", "systemctl stop sluice.service", done]);
}
