//! The forms in which tools print a value: escaped, encoded, quoted, wrapped. Values in, byte strings out.

use super::SHORTEST;

mod encode;

/// One thing to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: Kind,
}

/// When finding a form counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Always.
    Anywhere,
    /// With no letter, digit or underscore on either side.
    WholeWord,
    /// With the rest of an access key id behind it.
    AccessKey,
}

/// How long an access key id is, its first four letters included.
pub(super) const ACCESS_KEY: usize = 20;

/// Lines of a multi-line value are looked for by themselves from this many characters on.
const SHORTEST_LINE: usize = 8;

/// Longer forms are looked for in pieces of this length, so that the text held back stays bounded.
pub(super) const PIECE: usize = 1024;

/// AWS access key ids: of users (`AKIA`) and of sessions (`ASIA`), IAM user guide "Unique identifiers".
pub(super) fn access_keys() -> Vec<Form> {
    ["AKIA", "ASIA"].map(|head| Form { bytes: head.into(), kind: Kind::AccessKey }).into()
}

/// All forms of a value. White space around it is no secret, and is not looked for.
pub(super) fn of_value(value: &str) -> Vec<Form> {
    let value = value.trim().replace("\r\n", "\n");
    let mut texts = Vec::new();
    let kind = match value.chars().count() {
        0 => return Vec::new(),
        1..SHORTEST => {
            encode::as_a_whole(&value, &mut texts);
            Kind::WholeWord
        }
        _ => {
            of_long(&value, &mut texts);
            for leaf in secret_leaves(&value) {
                of_long(&leaf, &mut texts);
            }
            Kind::Anywhere
        }
    };
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().flat_map(|text| pieces(text.into_bytes())).map(|bytes| Form { bytes, kind }).collect()
}

/// A value long enough to be looked for anywhere.
fn of_long(value: &str, texts: &mut Vec<String>) {
    encode::as_a_whole(value, texts);
    encode::as_a_part(value, texts);
    encode::wrapped(value, texts);
    if value.contains('\n') {
        texts.push(value.replace('\n', "\r\n"));
        texts.extend(value.lines().map(str::trim).filter(|line| is_telling(line)).map(str::to_owned));
    }
}

/// Whether a line by itself gives something away: brackets, rules and indents do not.
fn is_telling(line: &str) -> bool {
    line.chars().count() >= SHORTEST_LINE && line.chars().any(char::is_alphanumeric)
}

/// The values in a JSON secret that a build takes out of it, judged by their keys: a password is one, the name of the
/// database engine beside it is not.
fn secret_leaves(value: &str) -> Vec<String> {
    fn visit(key: &str, value: &serde_json::Value, leaves: &mut Vec<String>) {
        const TELLING: [&str; 7] = ["pass", "pwd", "secret", "token", "key", "credential", "auth"];
        match value {
            serde_json::Value::Object(members) => members.iter().for_each(|(key, value)| visit(key, value, leaves)),
            serde_json::Value::Array(items) => items.iter().for_each(|item| visit(key, item, leaves)),
            serde_json::Value::String(text) => {
                let key = key.to_ascii_lowercase();
                if TELLING.iter().any(|word| key.contains(word)) && text.trim().chars().count() >= SHORTEST {
                    leaves.push(text.trim().to_owned());
                }
            }
            _ => {}
        }
    }
    let mut leaves = Vec::new();
    if value.starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str(value)
    {
        visit("", &json, &mut leaves);
    }
    leaves
}

/// Pieces that cover the whole form; found side by side they become one mask.
fn pieces(form: Vec<u8>) -> Vec<Vec<u8>> {
    if form.len() <= PIECE {
        return vec![form];
    }
    let last = form.len() - PIECE;
    (0..last).step_by(PIECE).chain([last]).map(|start| form[start..start + PIECE].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: &str) -> Vec<String> {
        of_value(value).into_iter().map(|form| String::from_utf8(form.bytes).unwrap()).collect()
    }

    #[track_caller]
    fn check(value: &str, expected: &[&str]) {
        let texts = texts(value);
        for form in expected {
            assert!(texts.iter().any(|text| text == form), "{form:?} is not among {texts:#?}");
        }
    }

    #[test]
    fn a_plain_value_has_its_encodings() {
        check(" hunter2!\n", &["hunter2!", "68756e7465723221", "68756E7465723221", "aHVudGVyMiE=", "hunter2%21"]);
    }

    #[test]
    fn base64_is_found_wherever_the_value_stands_in_the_encoded_text() {
        use base64::Engine as _;
        let value = "s3cr3t/ü>?";
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "z", "zz", "\n"] {
                let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{before}{value}{after}"));
                let found = texts(value).iter().any(|form| encoded.contains(form.as_str()) && form.len() >= 14);
                assert!(found, "{encoded}");
            }
        }
    }

    #[test]
    fn quoted_and_escaped_forms_are_those_of_the_usual_tools() {
        check(
            r#"a'b"c $d&e/é"#,
            &[
                r#"a'b\"c $d&e/é"#,
                r#"a'b\"c $d&e/\u00e9"#,
                r#"a'b\"c $d\u0026e/é"#,
                r#"a'\''b"c $d&e/é"#,
                r#"a'"'"'b"c $d&e/é"#,
                r#"a'b\"c \$d&e/é"#,
                r#"a\'b\"c\ \$d\&e/é"#,
                "a&apos;b&quot;c $d&amp;e/é",
                "a%27b%22c%20%24d%26e%2F%C3%A9",
                "a%27b%22c%20%24d%26e%2f%c3%a9",
                "a%27b%22c+%24d%26e%2F%C3%A9",
                "a'b%22c%20%24d%26e%2F%C3%A9",
            ],
        );
    }

    #[test]
    fn lines_of_a_json_secret_are_looked_for_and_its_brackets_are_not() {
        let forms = texts("{\n  \"engine\": \"postgres\",\n  \"password\": \"hunter2-extra\"\n}\n----------\n[");
        assert!(forms.iter().any(|form| form == "\"password\": \"hunter2-extra\""));
        assert!(!forms.iter().any(|form| form.len() < 6 || form == "----------" || form == "postgres"));
        check(r#"{"password":"hunter2-extra","engine":"postgres"}"#, &["hunter2-extra"]);
        assert!(!texts(r#"{"password":"hunter2-extra","engine":"postgres"}"#).contains(&"postgres".to_owned()));
    }

    #[test]
    fn short_values_are_whole_words_and_empty_ones_are_nothing() {
        assert!(of_value("12345").iter().all(|form| form.kind == Kind::WholeWord));
        assert!(of_value("123456").iter().all(|form| form.kind == Kind::Anywhere));
        assert_eq!(of_value(" \n"), []);
    }

    #[test]
    fn a_huge_value_is_looked_for_in_pieces_that_cover_it() {
        let value: String = (0..5000).map(|n| char::from(b'!' + (n * 7 % 90) as u8)).collect();
        let forms = of_value(&value);
        assert!(forms.iter().all(|form| form.bytes.len() <= PIECE));
        assert!(forms.iter().any(|form| value.ends_with(std::str::from_utf8(&form.bytes).unwrap())));
    }
}
