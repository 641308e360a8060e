//! JSON values as YAML that people read: CloudFormation's `!Ref`, `!GetAtt` and `!Sub` in their short form, texts of
//! several lines as blocks. Only what templates hold is written; nothing is read.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A template as YAML. Its sections stand apart.
#[must_use]
pub fn yaml(template: &Value) -> String {
    let Value::Object(sections) = template else { return inline(template) + "\n" };
    let mut out = String::new();
    for (name, section) in sections {
        if section.is_object() && !out.is_empty() {
            out.push('\n');
        }
        entry(&mut out, name, section, 0);
    }
    out
}

/// `name: value`, with what is below it on lines of its own.
fn entry(out: &mut String, name: &str, value: &Value, depth: usize) {
    let _ = write!(out, "{:1$}{2}:", "", depth * 2, text(name));
    after_colon(out, value, depth);
}

fn after_colon(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(entries) if short(entries).is_none() && !entries.is_empty() => {
            out.push('\n');
            for (name, value) in entries {
                entry(out, name, value, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                let _ = write!(out, "{:1$}-", "", depth * 2 + 2);
                in_list(out, item, depth + 1);
            }
        }
        value => {
            out.push(' ');
            leaf(out, value, depth + 1);
        }
    }
}

/// An item behind its dash; the first entry of a mapping stands on the same line.
fn in_list(out: &mut String, item: &Value, depth: usize) {
    match item {
        Value::Object(entries) if short(entries).is_none() && !entries.is_empty() => {
            for (at, (name, value)) in entries.iter().enumerate() {
                if at == 0 {
                    let _ = write!(out, " {}:", text(name));
                    after_colon(out, value, depth + 1);
                } else {
                    entry(out, name, value, depth + 1);
                }
            }
        }
        item => after_colon(out, item, depth),
    }
}

/// A value that fits on the line, or a block of lines.
fn leaf(out: &mut String, value: &Value, depth: usize) {
    let (tag, value) = match value {
        Value::Object(entries) => match short(entries) {
            Some((tag, text)) => (tag, Value::String(text)),
            None => ("", value.clone()),
        },
        value => ("", value.clone()),
    };
    out.push_str(tag);
    match &value {
        Value::String(lines) if is_block(lines) => {
            out.push_str(if lines.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in lines.lines() {
                if !line.is_empty() {
                    let _ = write!(out, "{:1$}{line}", "", depth * 2);
                }
                out.push('\n');
            }
        }
        value => {
            let _ = writeln!(out, "{}", inline(value));
        }
    }
}

/// Whether a text can stand as a block: it has lines, and neither its beginning nor its end would be read otherwise.
fn is_block(lines: &str) -> bool {
    lines.contains('\n') && !lines.starts_with([' ', '\n']) && !lines.ends_with("\n\n") && !lines.contains('\r')
}

/// The short form of an intrinsic function that has one argument.
fn short(entries: &Map<String, Value>) -> Option<(&'static str, String)> {
    let (name, value) = entries.iter().next().filter(|_| entries.len() == 1)?;
    match (name.as_str(), value) {
        ("Ref", Value::String(name)) => Some(("!Ref ", name.clone())),
        ("Fn::Sub", Value::String(text)) => Some(("!Sub ", text.clone())),
        ("Fn::GetAtt", Value::Array(parts)) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            Some(("!GetAtt ", parts?.join(".")))
        }
        _ => None,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// A text as a plain scalar where no reader of YAML 1.1 or 1.2 could take it for anything else, and else in quotes.
fn text(string: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./ ()$;=".contains(c);
    let inner = |(at, c): (usize, char)| {
        plain(c) || (c == ':' && !string[at + 1..].starts_with(' ') && at + 1 < string.len()) || (c == ',' && at > 0)
    };
    let starts = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    if starts && !string.ends_with(' ') && string.char_indices().all(inner) && !words.contains(&&*string.to_lowercase())
    {
        return string.to_owned();
    }
    Value::from(string).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_template_holds_is_written_as_people_write_it() {
        let value = json!({
            "Version": "2012-10-17", "One": 1, "Yes": true, "Word": "yes", "Empty": [], "Nothing": {}, "Glob": "*",
            "Resources": {
                "A": { "Ref": "B" },
                "Arn": { "Fn::GetAtt": ["B", "Arn"] },
                "Name": { "Fn::Sub": "${AWS::StackName}-x" },
                "List": [{ "Sid": "x", "On": ["a: b", "c:d"], "Deep": { "x": [[1], []] } }, { "Ref": "C" }, "text # not a comment"],
                "Select": { "Fn::Select": [0, { "Ref": "L" }] },
                "Data": { "Fn::Base64": { "Fn::Sub": "#!/bin/sh\n\n  echo ${A}\n" } },
            },
        });
        let expected = r##"Version: "2012-10-17"
One: 1
"Yes": true
Word: "yes"
Empty: []

Nothing: {}
Glob: "*"

Resources:
  A: !Ref B
  Arn: !GetAtt B.Arn
  Name: !Sub "${AWS::StackName}-x"
  List:
    - Sid: x
      "On":
        - "a: b"
        - c:d
      Deep:
        x:
          -
            - 1
          - []
    - !Ref C
    - "text # not a comment"
  Select:
    Fn::Select:
      - 0
      - !Ref L
  Data:
    Fn::Base64: !Sub |
      #!/bin/sh

        echo ${A}
"##;
        assert_eq!(yaml(&value), expected);
    }
}
