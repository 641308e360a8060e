//! Transcripts of examples: what a command prints, as far as it is the same each time.
//!
//! ```text
//! $ sluice run            the command; what stands before it is for people
//! Run … of hello          lines of its output in this order, others between them; `…` is any text within a line
//! ~ [lint] no complaints   a line that stands somewhere in it, wherever that is
//! ! panicked              a text that stands nowhere in it
//! ? 0                     its exit code
//! ```

/// A transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The command's words.
    pub command: Vec<String>,
    lines: Vec<String>,
    anywhere: Vec<String>,
    never: Vec<String>,
    status: i32,
}

impl Transcript {
    /// Reads one.
    ///
    /// # Panics
    /// When it has no command or no exit code.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut rest = text.lines().skip_while(|line| !line.starts_with("$ "));
        let command = rest.next().unwrap_or_else(|| panic!("no line `$ command`"));
        let command = words(&command[2..]);
        let mut transcript = Self { command, lines: vec![], anywhere: vec![], never: vec![], status: -1 };
        for line in rest.filter(|line| !line.trim().is_empty()) {
            if let Some(status) = line.strip_prefix("? ") {
                transcript.status = status.trim().parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            } else if let Some(text) = line.strip_prefix("~ ") {
                transcript.anywhere.push(text.trim_end().to_owned());
            } else if let Some(text) = line.strip_prefix("! ") {
                transcript.never.push(text.to_owned());
            } else {
                transcript.lines.push(line.trim_end().to_owned());
            }
        }
        assert!(transcript.status >= 0, "no line `? exit code`");
        transcript
    }

    /// What is different in the output, if anything is.
    #[must_use]
    pub fn difference(&self, output: &str, status: i32) -> Option<String> {
        let mut printed = output.lines();
        for expected in &self.lines {
            if !printed.any(|line| matches(expected, line.trim_end())) {
                return Some(format!("this line is missing, or comes too early: {expected}"));
            }
        }
        let there = |expected: &&String| output.lines().any(|line| matches(expected, line.trim_end()));
        if let Some(missing) = self.anywhere.iter().find(|expected| !there(expected)) {
            return Some(format!("this line is missing: {missing}"));
        }
        if let Some(found) = self.never.iter().find(|never| output.contains(never.as_str())) {
            return Some(format!("this should not be there: {found}"));
        }
        (status != self.status).then(|| format!("it ended with {status}, not {}", self.status))
    }
}

/// The words of a command; blanks in single quotes part nothing.
fn words(command: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = command.split(|character: char| {
        quoted ^= character == '\'';
        character == ' ' && !quoted
    });
    parts.filter(|word| !word.is_empty()).map(|word| word.replace('\'', "")).collect()
}

/// Whether the line is the pattern, `…` in it being any text.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return pattern == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match line.find(part) {
            Some(at) => line = &line[at + part.len()..],
            None => return false,
        }
    }
    line.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "For people.\n$ sluice run --var 'a=b c'\nRun … of x (…)\nhello\n~ Run …\n! secret\n? 1\n";

    fn difference(output: &str, status: i32) -> Option<String> {
        Transcript::parse(TEXT).difference(output, status)
    }

    #[test]
    fn lines_come_in_order_with_others_between_them() {
        assert_eq!(Transcript::parse(TEXT).command, ["sluice", "run", "--var", "a=b c"]);
        assert_eq!(difference("Run 01 of x (2)\nother\nhello\nmore\n", 1), None);
        assert!(difference("hello\nRun 01 of x (2)\n", 1).unwrap().ends_with("too early: hello"));
        let anywhere = Transcript::parse("$ x\nb\n~ a…\n? 0");
        assert_eq!(anywhere.difference("a1\nb\n", 0), None);
        assert_eq!(anywhere.difference("b\n", 0).unwrap(), "this line is missing: a…");
    }

    #[test]
    fn what_should_not_be_there_and_another_exit_code_are_differences() {
        assert!(difference("Run 1 of x (2)\nhello\nsecret\n", 1).unwrap().contains("secret"));
        assert_eq!(difference("Run 1 of x (2)\nhello\n", 0).unwrap(), "it ended with 0, not 1");
    }

    #[test]
    fn a_gap_is_any_text_and_nothing_else_is() {
        let all = [("a…c", "abc"), ("a…c", "ac"), ("…", ""), ("a…b…", "a1b2"), ("a…aa", "aaa")];
        assert!(all.iter().all(|(pattern, line)| matches(pattern, line)));
        assert!(!["abcd", "ab", "xabc"].iter().any(|line| matches("a…c", line)));
    }
}
