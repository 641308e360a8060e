//! BuildKit's status messages as plain lines, and what to say of a build that failed. Pure: no engine, no clock.

use std::collections::HashMap;
use std::fmt::Write as _;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex};

/// How many of a failed step's last lines its failure repeats.
const LAST_LINES: usize = 10;

/// Turns status messages into text, and remembers what a failure needs.
#[derive(Default)]
pub(super) struct Transcript {
    /// By digest.
    steps: HashMap<String, Step>,
    failed: Option<String>,
}

#[derive(Default)]
struct Step {
    number: usize,
    name: String,
    /// Output without a newline yet.
    partial: Vec<u8>,
    last_lines: Vec<String>,
    said_start: bool,
    said_end: bool,
}

impl Transcript {
    /// The lines that a message adds, each with its newline: `#4 [2/3] RUN make`, then `#4 …` for its output.
    pub(super) fn add(&mut self, status: &StatusResponse) -> String {
        let mut out = String::new();
        for vertex in &status.vertexes {
            self.announce(vertex, &mut out);
        }
        for log in &status.logs {
            if let Some(step) = self.steps.get_mut(&log.vertex) {
                step.output(&log.msg, &mut out);
            }
        }
        for vertex in &status.vertexes {
            self.conclude(vertex, &mut out);
        }
        out
    }

    /// What to tell the user when the engine says that the build failed with `error`.
    pub(super) fn failure(&self, error: &str) -> String {
        let Some(step) = self.failed.as_ref().and_then(|digest| self.steps.get(digest)) else {
            return format!("the image build failed: {}", error.trim());
        };
        let how = exit_code(error).map_or_else(|| error.trim().to_owned(), |code| format!("exit code {code}"));
        let mut text = format!("the image build failed at {}: {how}", step.name);
        if !step.last_lines.is_empty() {
            write!(text, "; its last lines:\n{}", step.last_lines.join("\n")).ok();
        }
        text
    }

    fn announce(&mut self, vertex: &Vertex, out: &mut String) {
        let number = self.steps.len() + 1;
        let step = self.steps.entry(vertex.digest.clone()).or_insert_with(|| Step { number, ..Step::default() });
        step.name.clone_from(&vertex.name);
        if !step.said_start && (vertex.started.is_some() || vertex.cached || !vertex.error.is_empty()) {
            step.said_start = true;
            writeln!(out, "#{} {}", step.number, vertex.name).ok();
        }
    }

    fn conclude(&mut self, vertex: &Vertex, out: &mut String) {
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        if step.said_end || (vertex.completed.is_none() && !vertex.cached && vertex.error.is_empty()) {
            return;
        }
        step.said_end = true;
        step.end_line(out);
        if vertex.error.is_empty() {
            writeln!(out, "#{} {}", step.number, if vertex.cached { "CACHED" } else { "DONE" }).ok();
            return;
        }
        writeln!(out, "#{} ERROR: {}", step.number, vertex.error).ok();
        // The step that broke comes first; those that a cancelled context took down with it come after.
        if self.failed.is_none() && !vertex.error.contains("context canceled") {
            self.failed = Some(vertex.digest.clone());
        }
    }
}

impl Step {
    fn output(&mut self, bytes: &[u8], out: &mut String) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = memchr::memchr(b'\n', &self.partial) {
            let rest = self.partial.split_off(end + 1);
            let line = std::mem::replace(&mut self.partial, rest);
            self.line(&line, out);
        }
        // A line that never ends is shown in pieces rather than kept.
        if self.partial.len() > 64 * 1024 {
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut String) {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.line(&line, out);
        }
    }

    fn line(&mut self, line: &[u8], out: &mut String) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        writeln!(out, "#{} {text}", self.number).ok();
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.remove(0);
        }
        self.last_lines.push(text.to_owned());
    }
}

/// The number after `exit code: `.
fn exit_code(error: &str) -> Option<&str> {
    let (_, rest) = error.rsplit_once("exit code: ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::moby::buildkit::v1::VertexLog;

    fn vertex(digest: &str, name: &str) -> Vertex {
        let started = Some(Default::default());
        Vertex { digest: digest.into(), name: name.into(), started, ..Vertex::default() }
    }

    fn done(vertex: Vertex) -> Vertex {
        Vertex { completed: Some(Default::default()), ..vertex }
    }

    fn vertexes(vertexes: Vec<Vertex>) -> StatusResponse {
        StatusResponse { vertexes, ..StatusResponse::default() }
    }

    fn log(digest: &str, text: &str) -> StatusResponse {
        let log = VertexLog { vertex: digest.into(), msg: text.into(), ..VertexLog::default() };
        StatusResponse { logs: vec![log], ..StatusResponse::default() }
    }

    #[test]
    fn steps_are_numbered_as_they_come_and_output_follows_in_whole_lines() {
        let mut transcript = Transcript::default();
        let mut text = transcript.add(&vertexes(vec![vertex("a", "[1/2] FROM base"), vertex("b", "[2/2] RUN make")]));
        text += &transcript.add(&log("b", "one\ntw"));
        text += &transcript.add(&log("b", "o\r\nrest"));
        let cached = Vertex { cached: true, ..done(vertex("a", "[1/2] FROM base")) };
        text += &transcript.add(&vertexes(vec![cached, done(vertex("b", "[2/2] RUN make"))]));
        assert_eq!(text, "#1 [1/2] FROM base\n#2 [2/2] RUN make\n#2 one\n#2 two\n#1 CACHED\n#2 rest\n#2 DONE\n");
    }

    #[test]
    fn a_failure_names_the_step_its_exit_code_and_its_last_lines() {
        let mut transcript = Transcript::default();
        transcript.add(&vertexes(vec![vertex("b", "[2/2] RUN make"), vertex("c", "[other 1/1] RUN x")]));
        for line in 1..=12 {
            transcript.add(&log("b", &format!("line {line}\n")));
        }
        let other = Vertex { error: "context canceled".into(), ..done(vertex("c", "[other 1/1] RUN x")) };
        let error = "executor failed running [/bin/sh -c make]: exit code: 42";
        let broken = Vertex { error: error.into(), ..done(vertex("b", "[2/2] RUN make")) };
        transcript.add(&vertexes(vec![other, broken]));
        let failure = transcript.failure(error);
        assert!(
            failure.starts_with("the image build failed at [2/2] RUN make: exit code 42; its last lines:\nline 3\n")
        );
        assert!(failure.ends_with("\nline 12"));
    }

    #[test]
    fn an_error_outside_of_every_step_is_told_as_the_engine_says_it() {
        let failure = Transcript::default().failure("dockerfile parse error line 1: unknown instruction: FORM");
        assert_eq!(failure, "the image build failed: dockerfile parse error line 1: unknown instruction: FORM");
    }
}
