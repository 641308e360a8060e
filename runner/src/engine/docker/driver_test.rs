//! The driver on every shell that this machine has, without an engine: programs in, records out.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::sync::mpsc;

use super::super::{Expansion, NextSection, Program, Retry, Section, ShellKind, Step, What};
use super::program::{Frame, compile, handed_over};
use super::reader::Reader;

const NONCE: &str = "0123456789abcdef0123456789abcdef";

fn step(text: &str) -> Step {
    Step { text: text.to_owned(), retry_statuses: Vec::new() }
}

fn section(texts: &[&str]) -> Section {
    Section {
        name: "BUILD".to_owned(),
        user: None,
        steps: texts.iter().map(|text| step(text)).collect(),
        finally: Vec::new(),
        retry: None,
        on_failure: NextSection::End,
    }
}

fn program(sections: Vec<Section>) -> Program {
    Program {
        shell: ShellKind::Sh,
        carries_state: true,
        directory: "/".to_owned(),
        sections,
        exported: Vec::new(),
        expansions: Vec::new(),
    }
}

/// Runs the program under one shell as `sh`, and tells what happened, a line each.
fn drive(sh: &Path, program: &Program) -> String {
    let (status, folder) = drive_with(sh, program, &secrets());
    assert_eq!(status, Some(0));
    told(&folder.path().join("records"))
}

/// What a driver is given that has a secret.
fn secrets() -> String {
    let secrets = [("SECRET", "it's $HOME \"quoted\"\nin lines")];
    handed_over(secrets.into_iter(), NONCE)
}

/// Runs the program under one shell with that as its input: its status, and the folder that has its records.
fn drive_with(sh: &Path, program: &Program, given: &str) -> (Option<i32>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (records, tmp, sh_path) = (path("records"), path("tmp"), path("sh"));
    std::fs::create_dir_all(path("records/values")).unwrap();
    std::fs::create_dir(&tmp).unwrap();
    symlink(sh, &sh_path).unwrap();
    let frame = Frame {
        records: &records,
        tmp: &tmp,
        sh: &sh_path,
        nonce: NONCE,
        boot: "",
        epoch: "",
        secrets: true,
        owner: None,
        owned: &[],
    };
    let driver = path("driver.sh");
    std::fs::write(&driver, compile(program, &frame)).unwrap();
    let mut child = (Command::new(&sh_path).arg(&driver).current_dir("/").env_clear())
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("GIVEN", "from outside")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), given.as_bytes()).unwrap();
    (child.wait().unwrap().code(), folder)
}

/// The records as text: output as it is, the rest in angle brackets.
fn told(records: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (tell, mut records_told) = mpsc::channel(10_000);
        let mut reader = Reader::new(records);
        reader.drain(&tell).await.unwrap();
        assert!(reader.ended());
        drop(tell);
        let mut text = String::new();
        while let Some(record) = records_told.recv().await {
            text.push_str(&match record.what {
                What::Output(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                What::SectionStarted { section, attempt } => format!("<S{section} {attempt}>"),
                What::SectionFinished { section, succeeded } => format!("<E{section} {succeeded}>"),
                What::StepStarted { step, finally, .. } => format!("<{step}{}>", if finally { "f" } else { "" }),
                What::StepFinished { status, .. } => format!("<={status}>"),
                What::Exported { name, value } => format!("<{name}={}>", String::from_utf8_lossy(&value)),
                What::Expanded { name, value } => format!("<{name}:{}>", String::from_utf8_lossy(&value)),
            });
        }
        text
    })
}

/// The POSIX shells that are here.
fn shells() -> Vec<&'static Path> {
    let shells = ["/bin/dash", "/bin/bash", "/bin/busybox"].map(Path::new);
    let present: Vec<&Path> = shells.into_iter().filter(|shell| shell.exists()).collect();
    assert!(!present.is_empty(), "no POSIX shell that is known here");
    present
}

/// Runs it under every one of them; all must tell the same.
fn check(program: &Program, expected: &str) {
    for shell in shells() {
        assert_eq!(drive(shell, program), expected, "under {}", shell.display());
    }
}

/// Output of the steps alone, one section.
fn check_output(texts: &[&str], expected: &str) {
    let mut whole = "<S0 1>".to_owned();
    for (index, output) in expected.split('|').enumerate() {
        whole.push_str(&format!("<{index}>{output}<=0>"));
    }
    whole.push_str("<E0 true>");
    check(&program(vec![section(texts)]), &whole);
}

#[test]
fn secrets_that_arrive_in_part_end_it_before_anything_is_told() {
    let whole = secrets();
    for shell in shells() {
        let (status, folder) = drive_with(shell, &program(vec![section(&["echo one"])]), &whole[..whole.len() - 3]);
        let output = std::fs::read_to_string(folder.path().join("records/output")).unwrap();
        assert_eq!((status, output.as_str()), (Some(75), ""), "under {}", shell.display());
    }
}

#[test]
fn variables_and_directory_carry_over_with_any_value() {
    check_output(
        &[
            "FOO=\"it's\n\\\"two\\\" lines é\"; export BAR='  $x `y` '; cd /usr; unset GIVEN",
            "printf '%s,%s,%s,%s,' \"$FOO\" \"$BAR\" \"${GIVEN-unset}\" \"$SECRET\"; pwd",
        ],
        "|it's\n\"two\" lines é,  $x `y` ,unset,it's $HOME \"quoted\"\nin lines,/usr\n",
    );
}

#[test]
fn what_is_not_state_does_not_carry_over() {
    check_output(
        &[
            "set -e; set -u; set -C; f() { :; }; trap 'echo bye' EXIT",
            "false; printf '%s' \"$-$NOTHING\" | tr -cd 'euC'; f 2>/dev/null || echo none",
        ],
        "bye\n|none\n",
    );
}

#[test]
fn an_exit_in_the_middle_keeps_the_state() {
    check_output(&["A=1; cd /usr; exit 0; A=2", "echo $A $PWD"], "|1 /usr\n");
    check_output(&["trap 'echo own' EXIT; A=1", "echo $A"], "own\n|1\n");
}

#[test]
fn texts_that_end_oddly_hurt_only_themselves() {
    check_output(&["echo a \\", "echo b # no newline", "if true; then\necho c\nfi\n", ":"], "a\n|b\n|c\n|");
    let mut broken = section(&["A=1", "echo before; if", "echo never"]);
    broken.on_failure = NextSection::Next;
    let mut program = program(vec![broken, section(&["echo $A $CODEBUILD_BUILD_SUCCEEDING"])]);
    let text = drive(Path::new("/bin/sh"), &program);
    assert!(text.contains("<1>before\n") || text.contains("<1>"), "{text}");
    assert!(text.contains("script.sh: ") && text.ends_with("<E0 false><S1 1><0>1 0\n<=0><E1 true>"), "{text}");
    program.sections[0].steps[1].text = "x='unclosed".to_owned();
    let text = drive(Path::new("/bin/sh"), &program);
    assert!(text.ends_with("<E0 false><S1 1><0>1 0\n<=0><E1 true>"), "{text}");
}

#[test]
fn errors_name_the_line_that_codebuild_names() {
    let mut program = program(vec![section(&["no-such-command"])]);
    let text = drive(Path::new("/bin/dash"), &program);
    assert!(text.contains("script.sh: 4: no-such-command: not found") && text.contains("<=127>"), "{text}");
    program.shell = ShellKind::Bash;
    let text = drive(Path::new("/bin/dash"), &program);
    assert!(text.contains("script.sh: line 4: no-such-command: command not found"), "{text}");
}

#[test]
fn the_last_status_counts_and_is_live_for_the_next_step() {
    let mut first =
        section(&["false; true", "echo $CODEBUILD_LAST_EXIT $CODEBUILD_BUILD_SUCCEEDING; exit 42", "echo never"]);
    first.finally =
        vec![step("echo $CODEBUILD_LAST_EXIT $CODEBUILD_BUILD_SUCCEEDING"), step("exit 3"), step("echo never")];
    first.on_failure = NextSection::Next;
    let last = section(&["echo $CODEBUILD_BUILD_SUCCEEDING"]);
    check(
        &program(vec![first.clone(), last.clone()]),
        "<S0 1><0><=0><1>0 1\n<=42><0f>42 0\n<=0><1f><=3><E0 false><S1 1><0>0\n<=0><E1 true>",
    );
    first.on_failure = NextSection::End;
    check(&program(vec![first, last]), "<S0 1><0><=0><1>0 1\n<=42><0f>42 0\n<=0><1f><=3><E0 false>");
}

#[test]
fn a_retry_runs_the_section_again_as_often_as_allowed() {
    let mut flaky = section(&["N=$((${N:-0} + 1)); [ $N = 3 ] || exit 7"]);
    flaky.retry = Some(Retry { count: 5 });
    flaky.steps[0].retry_statuses = vec![3, 7];
    check(&program(vec![flaky.clone()]), "<S0 1><0><=7><E0 false><S0 2><0><=7><E0 false><S0 3><0><=0><E0 true>");
    flaky.retry = Some(Retry { count: 1 });
    check(&program(vec![flaky.clone()]), "<S0 1><0><=7><E0 false><S0 2><0><=7><E0 false>");
    flaky.steps[0].retry_statuses = vec![3];
    check(&program(vec![flaky]), "<S0 1><0><=7><E0 false>");
}

#[test]
fn nothing_carries_over_in_version_0_1() {
    let mut stateless =
        program(vec![section(&["A=1; export B=1; cd /usr; unset GIVEN", "echo ${A-no} ${B-no} $PWD $GIVEN"])]);
    stateless.carries_state = false;
    check(&stateless, "<S0 1><0><=0><1>no no / from outside\n<=0><E0 true>");
}

#[test]
fn values_are_told_in_the_state_that_the_last_step_left() {
    let mut with_values = program(vec![section(&["A='a\nb'; E=; cd /usr; N='\"x\"'"])]);
    with_values.exported = ["A", "E", "UNSET", "not a name"].map(str::to_owned).to_vec();
    with_values.expansions =
        [("path", "$PWD/\"$N\"\\"), ("run", "$(echo one; echo two)"), ("broken", "$(if)"), ("plain", "x")]
            .map(|(name, text)| Expansion { name: name.to_owned(), text: text.to_owned() })
            .to_vec();
    for shell in [ShellKind::Sh, ShellKind::Bash] {
        with_values.shell = shell;
        let text = drive(Path::new("/bin/dash"), &with_values);
        assert!(text.contains("<A=a\nb><E=><path:/usr/\"\"x\"\"\\><run:one\ntwo>"), "{text}");
        assert!(text.ends_with("<plain:x>") && !text.contains("UNSET"), "{text}");
    }
}

#[test]
fn bash_arrays_work_in_bash_and_strings_carry_over() {
    let mut bash =
        program(vec![section(&["a=(1 2); S=\"${a[1]}\"; set -o pipefail", "echo \"${a[1]-none} $S\"; false | true"])]);
    bash.shell = ShellKind::Bash;
    assert_eq!(drive(Path::new("/bin/dash"), &bash), "<S0 1><0><=0><1>none 2\n<=0><E0 true>");
}

#[test]
fn bashs_constants_do_no_harm() {
    for shell in [ShellKind::Sh, ShellKind::Bash] {
        let mut exporting = program(vec![section(&["export UID PPID; A=1", "echo $A"])]);
        exporting.shell = shell;
        assert_eq!(drive(Path::new("/bin/bash"), &exporting), "<S0 1><0><=0><1>1\n<=0><E0 true>");
    }
}

#[test]
fn a_user_that_does_not_exist_is_a_step_that_fails() {
    let mut other = section(&["id -un"]);
    other.user = Some("no-such-user".to_owned());
    check(
        &program(vec![other]),
        "<S0 1><0>sluice: cannot run as 'no-such-user': the image has no such user, or neither setpriv nor su\n<=126><E0 false>",
    );
}
