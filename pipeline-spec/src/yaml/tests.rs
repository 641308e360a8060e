//! Text in, a one-line picture of the tree or the diagnostics out.

use super::*;
use crate::diagnostic::Colours;

fn check(text: &str, expected: &str) {
    let reading = parse("f.yml", text);
    let shown = match &reading.value {
        Some(node) => show(node),
        None => String::new(),
    };
    let findings: Vec<String> = reading
        .diagnostics
        .iter()
        .map(|found| format!("{}:{} {}: {}", found.span.line, found.span.column, found.code, found.message))
        .collect();
    assert_eq!(format!("{shown}{}", findings.join("; ")), expected, "{}", rendered(text));
}

fn rendered(text: &str) -> String {
    parse("f.yml", text).diagnostics.render(|_| Some(text), Colours::Off)
}

fn show(node: &Node) -> String {
    let Span { line, column, end_line, end_column } = node.span;
    let place = format!("@{line}:{column}-{end_line}:{end_column}");
    match &node.value {
        Value::Scalar(scalar) if scalar.plain => format!("{}{place}", scalar.text),
        Value::Scalar(scalar) => format!("{:?}{place}", scalar.text),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let shown: Vec<String> = entries.iter().map(|e| format!("{}: {}", e.key, show(&e.value))).collect();
            format!("{{{}}}", shown.join(", "))
        }
    }
}

#[test]
fn scalars_keep_their_source_text_and_place() {
    check("python: 3.10\nquoted: \"3.10\"\n", "{python: 3.10@1:9-1:13, quoted: \"3.10\"@2:9-2:15}");
    check("- |\n  a\n  b\n- yes\n", "[\"a\\nb\\n\"@2:3-4:1, yes@4:3-4:6]");
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_move_places() {
    check("\u{feff}a: b\r\nc: d\r\n", "{a: b@1:4-1:5, c: d@2:4-2:5}");
}

#[test]
fn booleans_are_read_as_yaml_1_1_and_1_2_write_them() {
    for (text, expected) in [("yes", Some(true)), ("'No'", Some(false)), ("TRUE", Some(true)), ("2", None)] {
        let node = parse("f.yml", text).value.unwrap();
        assert_eq!(node.as_bool(), expected, "{text}");
    }
}

#[test]
fn aliases_and_merge_keys_are_filled_in() {
    check("a: &x {k: 1}\nb: *x\n", "{a: {k: 1@1:11-1:12}, b: {k: 1@1:11-1:12}}");
    check(
        "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\n",
        "{a: {k: 1@1:11-1:12, l: 2@1:17-1:18}, b: {l: 3@2:16-2:17, k: 1@1:11-1:12}}",
    );
    check("a: {<<: 3}\n", "1:9 merge: `<<` takes a mapping or a list of mappings");
}

#[test]
fn a_key_written_twice_is_told_with_both_places() {
    let text = "a: 1\nb: 2\na: 3\n";
    check(text, "3:1 duplicate-key: the key `a` is written twice");
    assert!(rendered(text).contains("first written here"), "{}", rendered(text));
}

#[test]
fn a_key_written_twice_is_found_in_a_large_mapping_too() {
    let mut text: String = (0..100).map(|number| format!("k{number}: v\n")).collect();
    text.push_str("k7: v\n<<: {k8: v, new: v}\n");
    let reading = parse("f.yml", &text);
    assert_eq!(reading.diagnostics.errors(), 1);
    check(&text, "101:1 duplicate-key: the key `k7` is written twice");
    let merged = parse("f.yml", &text.replace("k7: v\n<<", "<<")).value.unwrap();
    assert_eq!(merged.as_map().unwrap().len(), 101, "k8 is not there twice");
}

#[test]
fn the_first_of_several_documents_counts() {
    check(
        "---\na: 1\n---\nb: [\n",
        "{a: 1@2:4-2:5}3:1 second-document: only the first YAML document of the file is read",
    );
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    check("a: b: c\n", "1:5 yaml: this is not YAML: mapping values are not allowed in this context");
    check("", "1:1 empty: the file is empty");
    check("a: *nowhere\n", "1:4 yaml: this is not YAML: while parsing node, found unknown anchor");
    check("&a [*a]\n", "1:5 alias: an alias stands inside the value that it refers to");
    check("? [a]\n: b\n", "1:3 key: a key is a text, not a list or a mapping");
}

#[test]
fn hostile_files_are_refused_without_much_work() {
    let large = "a".repeat(10 << 20);
    check(&large, "1:1 too-large: the file has 10485760 bytes, more than the 4194304 that are read");
    let deep = "[".repeat(200) + &"]".repeat(200);
    check(&deep, "1:65 too-deep: lists and mappings nest deeper than 64 levels");
    let mut laughs = String::from("a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (name, before) in ('b'..='z').zip('a'..='y') {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        laughs.push_str(&format!("{name}: &{name} [{aliases}]\n"));
    }
    check(&laughs, "6:8 too-large: the aliases of the file expand to more than 8388608 bytes");
}

#[test]
fn aliases_nest_no_deeper_than_what_is_written_out() {
    let nested = |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
    let anchor = format!("a: &a {}\n", nested(30, "x"));
    let deep = |levels: usize| parse("f.yml", &format!("{anchor}b: {}\n", nested(levels, "*a"))).value.is_some();
    // The mapping around them is a level too.
    assert!(deep(33) && !deep(34));
    let chain: String =
        (1..9).map(|place| format!("a{place}: &a{place} {}\n", nested(10, &format!("*a{}", place - 1)))).collect();
    let text = format!("a0: &a0 [x]\n{chain}");
    let found = parse("f.yml", &text).diagnostics;
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["too-deep"]);
}
