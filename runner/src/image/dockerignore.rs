//! `.dockerignore`: which paths of a context are left out. Pure text in, answers out.
//!
//! The rules are Docker's: patterns are cleaned paths from the context's root, `**` is any number of folders, a match
//! of a folder is a match of all within, `!` takes back, and the last pattern that matches decides.

use regex::Regex;

/// The patterns of a `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct DockerIgnore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// The cleaned text, without `!`.
    text: String,
    regex: Regex,
    takes_back: bool,
}

impl DockerIgnore {
    /// Reads the text of the file. The error is the line that is no pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty());
        Ok(Self { patterns: lines.map(Pattern::parse).collect::<Result<_, _>>()? })
    }

    /// Whether the path (relative, with `/`) is left out.
    pub(super) fn excludes(&self, path: &str) -> bool {
        let ancestors: Vec<&str> =
            path.match_indices('/').map(|(at, _)| &path[..at]).chain(std::iter::once(path)).collect();
        let last = self.patterns.iter().rev().find(|pattern| ancestors.iter().any(|at| pattern.regex.is_match(at)));
        last.is_some_and(|pattern| !pattern.takes_back)
    }

    /// Whether something below an excluded folder may be taken back.
    pub(super) fn may_take_back_below(&self, folder: &str) -> bool {
        self.patterns.iter().filter(|pattern| pattern.takes_back).any(|pattern| {
            let fixed = pattern.fixed_start();
            let below = |long: &str, short: &str| {
                long == short || long.strip_prefix(short).is_some_and(|rest| short.is_empty() || rest.starts_with('/'))
            };
            below(fixed, folder) || below(folder, fixed)
        })
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, String> {
        let (takes_back, body) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if body.is_empty() {
            return Err(format!("illegal exclusion pattern `{line}`"));
        }
        let text = clean(body);
        let regex = translate(&text).ok_or_else(|| format!("illegal pattern `{line}`"))?;
        Ok(Self { text, regex, takes_back })
    }

    /// The leading folders that hold no wildcard.
    fn fixed_start(&self) -> &str {
        match self.text.find(['*', '?', '[', '\\']) {
            None => &self.text,
            Some(at) => self.text[..at].rfind('/').map_or("", |slash| &self.text[..slash]),
        }
    }
}

/// A path without `.`, without `..` where a folder stands before it, without double or outer slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// A pattern as a regular expression for whole paths; `None` when it is malformed.
fn translate(pattern: &str) -> Option<Regex> {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                if chars.next_if_eq(&'/').is_some() {
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => class(&mut chars, &mut out)?,
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    out.push('$');
    Regex::new(&out).ok()
}

/// A character class, `[a-z]` or `[^a-z]`, up to its bracket.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    loop {
        match chars.next()? {
            ']' => break,
            '-' => out.push('-'),
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            other if other.is_alphanumeric() => out.push(other),
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out.push(']');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_decide_as_dockers_do() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("", &[], &["a", "a/b"]),
            ("target", &["target", "target/debug/x"], &["targets", "sub/target"]),
            ("/target/", &["target", "target/x"], &["sub/target"]),
            ("./a/../b", &["b"], &["a"]),
            ("*.log", &["x.log"], &["sub/x.log", "log"]),
            ("**/*.log", &["x.log", "sub/deep/x.log"], &["x.logs"]),
            ("**/node_modules", &["node_modules/a", "web/node_modules/a/b"], &["node_modules2"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("a/**/z", &["a/z", "a/b/c/z"], &["a/b"]),
            ("fil?.tx[a-t]", &["file.txt"], &["file.txz", "fi/e.txt"]),
            ("x[^0-9]", &["xa"], &["x1"]),
            ("# note\n  spaced  \n", &["spaced"], &["# note"]),
            ("*\n!src\n!Cargo.*", &["docs/a", "README"], &["src/main.rs", "Cargo.toml"]),
            ("src\n!src/keep\nsrc/keep/not", &["src/a", "src/keep/not"], &["src/keep", "src/keep/yes"]),
            ("!a\na", &["a"], &[]),
            ("**", &["a", "a/b"], &[]),
            ("*\n!**/*.rs", &["a/b.txt"], &["a/b.rs", "c.rs"]),
            (r"\!bang", &["!bang"], &["bang"]),
            ("caf\u{e9}.*", &["caf\u{e9}.txt"], &["cafe.txt"]),
        ];
        for (text, out, kept) in table {
            let ignore = DockerIgnore::parse(text).unwrap();
            for path in *out {
                assert!(ignore.excludes(path), "{text:?} leaves out {path}");
            }
            for path in *kept {
                assert!(!ignore.excludes(path), "{text:?} keeps {path}");
            }
        }
    }

    #[test]
    fn a_lone_exclamation_mark_and_an_open_bracket_are_no_patterns() {
        assert!(DockerIgnore::parse("a\n!\n").unwrap_err().contains("`!`"));
        assert!(DockerIgnore::parse("[a").unwrap_err().contains("`[a`"));
    }

    #[test]
    fn only_folders_that_something_is_taken_back_from_are_walked() {
        let ignore = DockerIgnore::parse("*\n!src/deep/x\n!web/*.js").unwrap();
        for (folder, walked) in [("src", true), ("src/deep", true), ("web", true), ("target", false), ("srcs", false)] {
            assert_eq!(ignore.may_take_back_below(folder), walked, "{folder}");
        }
        assert!(DockerIgnore::parse("*\n!**/*.rs").unwrap().may_take_back_below("anything"));
    }
}
