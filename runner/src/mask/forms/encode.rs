//! Encodings of a value, one function a family.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

/// The value by itself: plain, escaped, quoted, encoded from its first byte to its last.
pub(super) fn as_a_whole(value: &str, texts: &mut Vec<String>) {
    texts.push(value.to_owned());
    json(value, texts);
    markup(value, texts);
    shell(value, texts);
    url(value, texts);
    texts.extend([hex::encode(value), hex::encode_upper(value)]);
    for text in [value.to_owned(), format!("{value}\n")] {
        texts.extend([STANDARD.encode(&text), URL_SAFE.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
    }
}

/// The value inside of a longer encoded text: base64 at each of the three places that a byte can have in a group,
/// without the characters at the edges that also depend on the neighbours.
pub(super) fn as_a_part(value: &str, texts: &mut Vec<String>) {
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value.as_bytes());
        let own = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for encoded in [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)] {
            texts.push(encoded[own.clone()].to_owned());
        }
    }
}

/// The lines of encoders that wrap: `base64` at 76 columns, PEM at 64, `xxd -p` at 60.
pub(super) fn wrapped(value: &str, texts: &mut Vec<String>) {
    for text in [value.to_owned(), format!("{value}\n")] {
        let encoded = STANDARD.encode(&text);
        for (encoded, columns) in [(&encoded, 76), (&encoded, 64), (&hex::encode(&text), 60)] {
            let lines = encoded.as_bytes().chunks(columns).filter(|line| encoded.len() > columns && line.len() >= 8);
            texts.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        }
    }
}

/// JSON strings as most tools write them, in ASCII only (Python), with markup escaped (Go), with slashes (PHP).
fn json(value: &str, texts: &mut Vec<String>) {
    let quoted = serde_json::Value::from(value).to_string();
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::new();
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(byte.into()),
            _ => {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    texts.push(plain.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"));
    texts.extend([plain.replace('/', "\\/"), ascii.replace('/', "\\/"), plain, ascii]);
}

/// XML and HTML.
fn markup(value: &str, texts: &mut Vec<String>) {
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let attribute = text.replace('"', "&quot;");
    texts.extend([attribute.replace('\'', "&apos;"), attribute.replace('\'', "&#39;"), attribute, text]);
}

/// Shells: single quotes both ways, double quotes, backslashes, `$'…'`. Without the outer quotes.
fn shell(value: &str, texts: &mut Vec<String>) {
    let backslashed = |special: fn(char) -> bool| {
        value.chars().fold(String::new(), |mut text, char| {
            if special(char) {
                text.push('\\');
            }
            text.push(char);
            text
        })
    };
    texts.extend([
        value.replace('\'', r"'\''"),
        value.replace('\'', r#"'"'"'"#),
        backslashed(|char| matches!(char, '"' | '\\' | '$' | '`')),
        backslashed(|char| char.is_ascii() && !char.is_ascii_alphanumeric() && !"_-./:=@%+,\n".contains(char)),
        backslashed(|char| matches!(char, '\'' | '\\')).replace('\n', "\\n").replace('\t', "\\t"),
    ]);
}

/// Percent encoding with the characters that different libraries leave alone (RFC 3986; `encodeURIComponent`;
/// `urllib.parse.quote`; forms, where a space is a plus), in both cases of hexadecimal.
fn url(value: &str, texts: &mut Vec<String>) {
    for (kept, space) in [("-._~", "%20"), ("-._~!*'()", "%20"), ("-._~/", "%20"), ("-._*", "+"), ("-._~", "+")] {
        let encode = |upper: bool| {
            value.bytes().fold(String::new(), |mut text, byte| {
                let _ = match char::from(byte) {
                    char if char.is_ascii_alphanumeric() || kept.contains(char) => write!(text, "{char}"),
                    ' ' => write!(text, "{space}"),
                    _ if upper => write!(text, "%{byte:02X}"),
                    _ => write!(text, "%{byte:02x}"),
                };
                text
            })
        };
        texts.extend([encode(true), encode(false)]);
    }
}
