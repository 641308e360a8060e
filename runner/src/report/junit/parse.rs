//! One JUnit XML file, event by event.

use std::io::BufRead;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{CASES_KEPT, FailedTest, TestReport};

/// CodeBuild's limits, in characters.
const LONGEST_NAME: usize = 1000;
const LONGEST_MESSAGE: usize = 5000;

/// Reads a file; the error is a sentence that goes after its name.
pub(super) fn parse(xml: impl BufRead) -> Result<TestReport, String> {
    let mut reader = Reader::from_reader(xml);
    let mut buffer = Vec::new();
    let mut parsing = Parsing::default();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let at = reader.error_position();
        let event = event.map_err(|error| format!("is not well-formed XML at byte {at}: {error}"))?;
        match event {
            Event::Start(element) => parsing.open(&element)?,
            Event::Empty(element) => {
                parsing.open(&element)?;
                parsing.close();
            }
            Event::End(_) => parsing.close(),
            Event::Text(text) => parsing.text(&text.xml10_content()),
            Event::CData(text) => parsing.text(&text.xml10_content()),
            Event::GeneralRef(reference) => parsing.text(&resolved(&reference)),
            Event::DocType(doctype) if doctype.contains("<!ENTITY") => {
                return Err("declares XML entities of its own, which are not read".into());
            }
            Event::Eof => return parsing.finish(),
            _ => {}
        }
    }
}

/// `&amp;` and its like, and characters by number; anything else stays as it is written.
fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(char)) = reference.resolve_char_ref() {
        return char.into();
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_predefined_entity(&name).map_or_else(|| format!("&{name};"), str::to_owned)
}

/// Where the parser stands.
#[derive(Default)]
struct Parsing {
    report: TestReport,
    open: Vec<Element>,
    /// Names of the suites around.
    suites: Vec<String>,
    case: Option<Case>,
    /// Seconds of the outermost suites, for files whose cases have no times.
    suite_seconds: f64,
    has_root: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Suite,
    Case,
    /// The verdict on a case; its text is the message.
    Verdict,
    /// The verdict on a suite that broke by itself, which counts as a case.
    SuiteVerdict,
    Other,
}

/// A case until its end.
#[derive(Default)]
struct Case {
    verdict: Verdict,
    seconds: f64,
    failed: FailedTest,
    text: String,
}

/// From the mildest; the worst one counts.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    #[default]
    Passed,
    Skipped,
    Failed,
    Broke,
}

impl Parsing {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.local_name().into_inner();
        if self.open.is_empty() && !matches!(name, "testsuites" | "testsuite") {
            return Err(format!("is no JUnit report: its root is <{}>", cut(name, 80)));
        }
        self.has_root = true;
        let kind = match name {
            "testsuite" => self.open_suite(element),
            "testcase" if self.case.is_none() => {
                self.case = Some(case(element, self.suites.last()));
                Element::Case
            }
            "skipped" => self.judge(Verdict::Skipped, element),
            "failure" => self.judge(Verdict::Failed, element),
            "error" => self.judge(Verdict::Broke, element),
            _ => Element::Other,
        };
        self.open.push(kind);
        Ok(())
    }

    fn open_suite(&mut self, element: &BytesStart<'_>) -> Element {
        if self.suites.is_empty() {
            self.suite_seconds += seconds(element);
        }
        self.suites.push(cut(&attribute(element, "name").unwrap_or_default(), LONGEST_NAME).to_owned());
        Element::Suite
    }

    /// A verdict on the case that is open, or on the suite itself.
    fn judge(&mut self, verdict: Verdict, element: &BytesStart<'_>) -> Element {
        let (kind, case) = match (self.open.last(), &mut self.case) {
            (Some(Element::Case), Some(case)) => (Element::Verdict, case),
            (Some(Element::Suite), none) => {
                let suite = self.suites.last().cloned().unwrap_or_default();
                let failed = FailedTest { name: suite.clone(), suite, ..FailedTest::default() };
                (Element::SuiteVerdict, none.insert(Case { failed, ..Case::default() }))
            }
            _ => return Element::Other,
        };
        if verdict <= case.verdict {
            return Element::Other;
        }
        let message = attribute(element, "message").or_else(|| attribute(element, "type")).unwrap_or_default();
        case.failed.message = cut(message.trim(), LONGEST_MESSAGE).to_owned();
        case.text.clear();
        case.verdict = verdict;
        kind
    }

    fn text(&mut self, text: &str) {
        let listens = matches!(self.open.last(), Some(Element::Verdict | Element::SuiteVerdict));
        if listens && let Some(case) = &mut self.case {
            let room = LONGEST_MESSAGE.saturating_sub(case.text.chars().count());
            case.text.push_str(cut(text, room));
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Case | Element::SuiteVerdict) => {
                if let Some(case) = self.case.take() {
                    self.count(case);
                }
            }
            Some(Element::Suite) => {
                self.suites.pop();
            }
            _ => {}
        }
    }

    fn count(&mut self, case: Case) {
        let Case { verdict, seconds, mut failed, text } = case;
        self.report.total += 1;
        self.report.duration += seconds;
        match verdict {
            Verdict::Passed => self.report.passed += 1,
            Verdict::Skipped => self.report.skipped += 1,
            Verdict::Failed => self.report.failed += 1,
            Verdict::Broke => self.report.errors += 1,
        }
        if verdict > Verdict::Skipped && self.report.failures.len() < CASES_KEPT {
            failed.message = message(&failed.message, text.trim());
            self.report.failures.push(failed);
        }
    }

    fn finish(mut self) -> Result<TestReport, String> {
        if !self.has_root {
            return Err("is empty".into());
        }
        if !self.open.is_empty() {
            return Err("ends in the middle".into());
        }
        if self.report.duration == 0.0 {
            self.report.duration = self.suite_seconds;
        }
        Ok(self.report)
    }
}

/// A case as its attributes tell it. GoogleTest marks cases that did not run by `status` or `result`.
fn case(element: &BytesStart<'_>, suite: Option<&String>) -> Case {
    let text = |name| attribute(element, name).filter(|value| !value.trim().is_empty());
    let left_out = |name| text(name).is_some_and(|value| matches!(value.as_str(), "notrun" | "skipped" | "suppressed"));
    let file = text("file").map(|file| match text("line") {
        Some(line) => format!("{file}:{line}"),
        None => file,
    });
    let failed = FailedTest {
        suite: text("classname")
            .or_else(|| suite.cloned())
            .map(|suite| cut(&suite, LONGEST_NAME).to_owned())
            .unwrap_or_default(),
        name: text("name").map(|name| cut(&name, LONGEST_NAME).to_owned()).unwrap_or_default(),
        file: file.map(|file| cut(&file, LONGEST_NAME).to_owned()),
        message: String::new(),
    };
    let verdict = if left_out("status") || left_out("result") { Verdict::Skipped } else { Verdict::Passed };
    Case { verdict, seconds: seconds(element), failed, text: String::new() }
}

/// An attribute's value; one that is broken counts as absent.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::default());
    Some(value.map_or_else(|_| attribute.value.clone().into_owned(), std::borrow::Cow::into_owned))
}

/// `time`, which some tools write with thousands separators; nonsense counts as nothing.
fn seconds(element: &BytesStart<'_>) -> f64 {
    let time = attribute(element, "time").and_then(|time| time.trim().replace(',', "").parse::<f64>().ok());
    time.filter(|time| time.is_finite() && *time >= 0.0).unwrap_or_default()
}

/// The attribute's message and the element's text, each said once.
fn message(attribute: &str, text: &str) -> String {
    let whole = match (attribute, text) {
        (one, "") | ("", one) => one.to_owned(),
        (attribute, text) if text.contains(attribute) => text.to_owned(),
        (attribute, text) => format!("{attribute}\n{text}"),
    };
    cut(&whole, LONGEST_MESSAGE).to_owned()
}

/// At most so many characters.
fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}
