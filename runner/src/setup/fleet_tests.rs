//! What a machine of a pool does at its first start and at its end: its scripts, run with programs that write down how
//! they were called.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::tests::full;
use super::*;

#[test]
fn a_text_for_a_machine_fits_and_holds_no_reference_but_those_that_are_meant() {
    let template = template(&full()).unwrap();
    for pool in ["Default", "Arm64"] {
        let data = &template["Resources"][format!("{pool}Template")]["Properties"]["LaunchTemplateData"]["UserData"];
        let text = data["Fn::Base64"]["Fn::Sub"].as_str().unwrap();
        assert!(text.len() < 12_000, "EC2 takes 16 KiB of user data after encoding, this has {}", text.len());
        assert!(
            !["@ENV", "@DRAIN", "@UNIT", "@STOP", "@POOL", "@GROUP"].iter().any(|left| text.contains(left)),
            "{text}"
        );
        let mut names: Vec<_> = text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
        names.sort_unstable();
        names.dedup();
        let own = ["Jobs", "Events", "BinaryLocation", "BinarySha256", "WorkerOptions"];
        let own = own.map(|name| format!("{pool}{name}"));
        let known = ["AWS::Region", "AWS::StackName", "Records"];
        assert!(names.iter().all(|name| known.contains(name) || own.iter().any(|own| own == name)), "{names:?}");
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

/// Writes programs into a folder.
fn put(folder: &Path, programs: &[(&str, &str)]) {
    for (name, text) in programs {
        let file = folder.join(name);
        let text = if text.starts_with("#!") { (*text).to_owned() } else { format!("#!/bin/sh\n{text}\n") };
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_machine_that_the_group_takes_away_drains_first_and_then_says_so() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &PROGRAMS);
    put(folder.path(), &[("drain", systemd::DRAIN)]);
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

/// What stands for `${…}` in the user data of the pool `default`.
const VALUES: [(&str, &str); 8] = [
    ("AWS::Region", "eu-west-1"),
    ("AWS::StackName", "ci"),
    ("Records", "ci-Records"),
    ("DefaultJobs", "https://sqs/jobs"),
    ("DefaultEvents", "https://sqs/events"),
    ("DefaultBinaryLocation", "s3://builds/sluice"),
    ("DefaultBinarySha256", "3f15"),
    ("DefaultWorkerOptions", "--seats 2 --image rust:1.95"),
];

/// Runs the user data of the pool `default` in a folder that stands for the machine's root; the calls, and the exit code.
fn first_start(root: &Path, systemctl: &str) -> (Vec<String>, Option<i32>) {
    let template = template(&full()).unwrap();
    let data = &template["Resources"]["DefaultTemplate"]["Properties"]["LaunchTemplateData"]["UserData"];
    let mut text = data["Fn::Base64"]["Fn::Sub"].as_str().unwrap().to_owned();
    for (name, value) in VALUES {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    for folder in ["/tmp/", "/etc/", "/usr/local/", "/opt/aws/"] {
        // The paths that are written to; what the units say of them is only text here. The root may be in /tmp itself.
        text = text.replace(&format!(" {folder}"), &format!(" {}{folder}", root.display()));
        text = text.replace(&format!(">{folder}"), &format!(">{}{folder}", root.display()));
        text = text.replace(&format!("'{folder}"), &format!("'{}{folder}", root.display()));
        std::fs::create_dir_all(root.join(&folder[1..])).unwrap();
    }
    std::fs::create_dir_all(root.join("opt/aws/bin")).unwrap();
    std::fs::create_dir_all(root.join("usr/local/bin")).unwrap();
    std::fs::create_dir_all(root.join("etc/systemd/system")).unwrap();
    let calls = root.join("calls").display().to_string();
    let note = |name: &str| format!("echo {name} $* >>{calls}");
    let download =
        format!("{}; for path; do case $path in */tmp/sluice) echo sluice >$path ;; esac; done", note("aws"));
    put(&root.join("opt/aws/bin"), &[("cfn-signal", &note("cfn-signal"))]);
    let (dnf, useradd, systemctl) = (note("dnf"), note("useradd"), format!("{}; {systemctl}", note("systemctl")));
    put(
        root,
        &[
            ("dnf", &dnf),
            ("id", "exit 1"),
            ("useradd", &useradd),
            ("aws", &download),
            ("sha256sum", "cat >/dev/null"),
            ("systemctl", &systemctl),
            ("start", &text),
        ],
    );
    let path = format!("{}:/usr/bin:/bin", root.display());
    let ended = Command::new(root.join("start")).current_dir(root).env("PATH", path).output().unwrap();
    let calls = std::fs::read_to_string(root.join("calls")).unwrap();
    (calls.lines().map(str::to_owned).collect(), ended.status.code())
}

#[test]
fn a_machine_installs_its_worker_with_the_pools_options_and_tells_the_stack() {
    let root = tempfile::tempdir().unwrap();
    let (calls, code) = first_start(root.path(), "exit 0");
    assert_eq!(code, Some(0), "{calls:?}");
    assert_eq!(calls.last().unwrap(), "cfn-signal --exit-code 0 --stack ci --resource DefaultGroup --region eu-west-1");
    assert!(calls.contains(&"systemctl enable --now sluice sluice-drain".to_owned()), "{calls:?}");
    let read = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
    let environment = read("etc/sluice/worker.env");
    let options = "SLUICE_OPTIONS=--log-group sluice-builds --seats 2 --image rust:1.95";
    assert!(environment.lines().any(|line| line == options), "{environment}");
    assert!(environment.lines().any(|line| line == "SLUICE_GROUP=ci-default"), "{environment}");
    assert!(read("etc/systemd/system/sluice.service").contains("\nTimeoutStopSec=3600\n"));
    assert!(read("etc/systemd/system/sluice.service.d/console.conf").contains("StandardError=journal+console"));
    assert_eq!(read("usr/local/bin/sluice"), "sluice\n");
}

#[test]
fn a_machine_whose_worker_does_not_start_tells_the_stack_that() {
    let root = tempfile::tempdir().unwrap();
    let (calls, code) = first_start(root.path(), "case $* in *sluice*) exit 4 ;; esac");
    assert_eq!(code, Some(4), "{calls:?}");
    assert_eq!(calls.last().unwrap(), "cfn-signal --exit-code 4 --stack ci --resource DefaultGroup --region eu-west-1");
}

#[test]
fn a_group_waits_for_its_machines_and_is_as_large_as_one_number_says() {
    let template = template(&full()).unwrap();
    for pool in ["Default", "Arm64"] {
        let group = &template["Resources"][format!("{pool}Group")];
        let size = serde_json::json!({ "Ref": format!("{pool}Machines") });
        assert_eq!(group["CreationPolicy"]["ResourceSignal"]["Count"], size);
        assert_eq!((&group["Properties"]["MinSize"], &group["Properties"]["MaxSize"]), (&size, &size));
        assert_eq!(group["UpdatePolicy"]["AutoScalingRollingUpdate"]["WaitOnResourceSignals"], true);
        for parameter in ["InstanceType", "MachineImage", "BinaryLocation", "BinarySha256", "WorkerOptions", "Market"] {
            assert!(template["Parameters"][format!("{pool}{parameter}")].is_object(), "{pool}{parameter}");
        }
    }
}
