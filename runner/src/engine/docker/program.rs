//! A program compiled for the driver: [`Program`] in, the text of a POSIX shell script out. Pure.

use super::super::check::is_variable;
use super::super::{NextSection, Program, Section, ShellKind, Step};

/// The driver's unchanging part.
const PRELUDE: &str = include_str!("driver.sh");

/// Where a driver finds its things, and the values that are its sandbox's own.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    /// The folder that it writes its records in, as the driver sees it.
    pub records: &'a str,
    /// A folder in memory for the state between steps, as the driver sees it.
    pub tmp: &'a str,
    /// The shell of the driver itself and of [`ShellKind::Sh`].
    pub sh: &'a str,
    /// What marks begin with: letters and digits that nobody can guess.
    pub nonce: &'a str,
    /// The kernel's boot id on this machine; the same in the sandbox means that it shares our clock.
    pub boot: &'a str,
    /// When that kernel booted, in seconds since 1970, with a fraction.
    pub epoch: &'a str,
    /// Whether secrets come by standard input.
    pub secrets: bool,
    /// The owner that `owned` is given to at the end.
    pub owner: Option<(u32, u32)>,
    /// Folders, as the driver sees them.
    pub owned: &'a [&'a str],
}

/// The script of the program.
pub(super) fn compile(program: &Program, frame: &Frame<'_>) -> String {
    let mut script = String::with_capacity(PRELUDE.len() + 4096);
    values_of(program, frame, &mut script);
    script.push_str(PRELUDE);
    for (index, section) in program.sections.iter().enumerate() {
        function(&mut script, "steps", "step", index, &section.steps);
        function(&mut script, "finally", "final", index, &section.finally);
    }
    values(&mut script, program, frame);
    restore(&mut script, frame);
    for (index, section) in program.sections.iter().enumerate() {
        script.push_str(&call(index, section));
    }
    script.push_str("finish\n");
    script
}

/// A text as one word of a shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The lines that secrets come in: assignments that the driver evaluates, and a last line that says they are whole.
pub(super) fn handed_over<'a>(secrets: impl Iterator<Item = (&'a str, &'a str)>, nonce: &str) -> String {
    let mut text = String::new();
    for (name, value) in secrets {
        text.push_str(&format!("export {name}={}\n", quote(value)));
    }
    text.push_str(nonce);
    text.push('\n');
    text
}

/// The assignments before the prelude.
fn values_of(program: &Program, frame: &Frame<'_>, script: &mut String) {
    let tmp = frame.tmp;
    // Bash's own constants must not come back from the environment: assigning one ends a POSIX shell.
    let hide = "[ -z \"${BASH_VERSION-}\" ] || export -n UID EUID PPID BASHOPTS SHELLOPTS";
    let keep = format!(
        "{{ set -- \"$?\"; set +x; {hide}; export -p >|{tmp}/env.sh; pwd >|{tmp}/dir; }} 2>/dev/null; exit \"$1\""
    );
    let (carry, after) = match program.carries_state {
        true => (format!("trap {} EXIT; set -a", quote(&keep)), keep.as_str()),
        false => (String::new(), ""),
    };
    let unless_stopped = format!("[ ! -e {}/stop ] || exit 143; {carry}", frame.records);
    let assignments = [
        ("records", frame.records),
        ("tmp", tmp),
        ("nonce", frame.nonce),
        ("boot", frame.boot),
        ("epoch", frame.epoch),
        ("secrets", if frame.secrets { "1" } else { "" }),
        ("sh", frame.sh),
        ("shell", if program.shell == ShellKind::Bash { "bash" } else { frame.sh }),
        ("directory", &program.directory),
        // The carried environment has a PWD of its own, so the directory comes after it.
        ("line_1", &format!("exec 2>&4 4>&-; . {tmp}/env.sh")),
        ("line_2", &format!("IFS= read -r PWD <{tmp}/dir; cd \"$PWD\" || exit 1")),
        ("line_3", &unless_stopped),
        ("line_3_finally", &carry),
        ("after", after),
    ];
    for (name, value) in assignments {
        script.push_str(&format!("sluice_{name}={}\n", quote(value)));
    }
}

/// `steps_0() { … }`
fn function(script: &mut String, name: &str, verb: &str, section: usize, steps: &[Step]) {
    script.push_str(&format!("{name}_{section}() {{\n"));
    for (index, step) in steps.iter().enumerate() {
        let statuses: Vec<String> = step.retry_statuses.iter().map(u8::to_string).collect();
        let text = quote(&step.text);
        script.push_str(&format!("{verb} {section} {index} {text} '{}' || return 1\n", statuses.join(" ")));
    }
    script.push_str(":\n}\n");
}

/// `section 0 'user' 0 end`
fn call(index: usize, section: &Section) -> String {
    let user = quote(section.user.as_deref().unwrap_or_default());
    let retries = section.retry.map_or(0, |retry| retry.count);
    let next = match section.on_failure {
        NextSection::End => "end",
        NextSection::Next => "next",
    };
    format!("section {index} {user} {retries} {next}\n")
}

/// The function that writes down values. A file's name tells the order, the kind and the name.
fn values(script: &mut String, program: &Program, frame: &Frame<'_>) {
    script.push_str("values() {\n:\n");
    let folder = format!("{}/values", frame.records);
    let exported: String = (program.exported.iter().enumerate())
        .filter(|(_, name)| is_variable(name))
        .map(|(index, name)| {
            format!("[ -z \"${{{name}+x}}\" ] || printf %s \"${name}\" >|{folder}/{index:04}-exported-{name}\n")
        })
        .collect();
    if !exported.is_empty() {
        script.push_str(&format!("run {} ''\n", quote(&exported)));
    }
    for (index, expansion) in program.expansions.iter().enumerate() {
        let (name, text) = (&expansion.name, without_joint(&expansion.text));
        let document = format!("cat <<{nonce}\n{text}\n{nonce}", nonce = frame.nonce);
        script.push_str(&format!("value {index:04}-expanded-{name} {}\n", quote(&document)));
    }
    script.push_str("}\n");
}

/// A text that does not join its last line to the next: a lone backslash at its end is doubled.
fn without_joint(text: &str) -> String {
    let backslashes = text.bytes().rev().take_while(|byte| *byte == b'\\').count();
    format!("{text}{}", if backslashes % 2 == 1 { "\\" } else { "" })
}

/// The function that gives the folders back to their owner.
fn restore(script: &mut String, frame: &Frame<'_>) {
    script.push_str("restore() {\n:\n");
    if let Some((user, group)) = frame.owner.filter(|(user, _)| *user != 0) {
        let folders: Vec<String> = frame.owned.iter().map(|folder| quote(folder)).collect();
        script.push_str(&format!("give {user}:{group} {}\n", folders.join(" ")));
    }
    script.push_str("}\n");
}

#[cfg(test)]
mod tests {
    use super::super::super::{Expansion, Retry};
    use super::*;

    #[test]
    fn a_program_becomes_functions_and_calls() {
        let step =
            |text: &str, retry_statuses: &[u8]| Step { text: text.to_owned(), retry_statuses: retry_statuses.to_vec() };
        let program = Program {
            shell: ShellKind::Bash,
            carries_state: true,
            directory: "/it's".to_owned(),
            sections: vec![Section {
                name: "BUILD".to_owned(),
                user: Some("builder".to_owned()),
                steps: vec![step("echo 'a'\necho b", &[1, 2])],
                finally: vec![step("true", &[])],
                retry: Some(Retry { count: 3 }),
                on_failure: NextSection::Next,
            }],
            exported: vec!["VERSION".to_owned(), "no name".to_owned()],
            expansions: vec![Expansion { name: "name".to_owned(), text: "a\\".to_owned() }],
        };
        let frame = Frame {
            records: "/r",
            tmp: "/t",
            sh: "/bin/sh",
            nonce: "N",
            boot: "b",
            epoch: "1.5",
            secrets: false,
            owner: Some((7, 8)),
            owned: &["/r", "/a b"],
        };
        let script = compile(&program, &frame);
        let (values, rest) = script.split_once(PRELUDE).unwrap();
        assert!(values.contains("sluice_shell='bash'\nsluice_directory='/it'\\''s'\n"), "{values}");
        let expected = r#"steps_0() {
step 0 0 'echo '\''a'\''
echo b' '1 2' || return 1
:
}
finally_0() {
final 0 0 'true' '' || return 1
:
}
values() {
:
run '[ -z "${VERSION+x}" ] || printf %s "$VERSION" >|/r/values/0000-exported-VERSION
' ''
value 0000-expanded-name 'cat <<N
a\\
N'
}
restore() {
:
give 7:8 '/r' '/a b'
}
section 0 'builder' 3 next
finish
"#;
        assert_eq!(rest, expected);
    }
}
