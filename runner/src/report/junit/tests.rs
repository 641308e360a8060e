//! JUnit XML as tools really write it, and as nobody should.

use super::*;

fn parsed(xml: &str) -> Result<TestReport, String> {
    parse::parse(xml.as_bytes())
}

/// Totals (passed, failed, errors, skipped, seconds) and failures, in lines.
#[track_caller]
fn check(xml: &str, expected: &str) {
    let report = parsed(xml).unwrap();
    let TestReport { total, passed, failed, errors, skipped, duration, failures, .. } = report;
    assert_eq!(total, passed + failed + errors + skipped);
    let mut text = format!("{passed} {failed} {errors} {skipped} {duration}\n");
    for FailedTest { suite, name, message, file } in failures {
        let file = file.map(|file| format!(" ({file})")).unwrap_or_default();
        text.push_str(&format!("{suite} / {name}{file}: {}\n", message.replace('\n', "|")));
    }
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert_eq!(text, expected.lines().map(str::trim).collect::<Vec<_>>().join("\n"));
}

#[test]
fn pytest() {
    check(
        r#"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.045">
        <testcase classname="tests.test_a" name="test_ok" time="0.001" />
        <testcase classname="tests.test_a" name="test_bad[1&amp;2]" file="tests/test_a.py" line="7" time="0.002">
          <failure message="assert 1 == 2">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2</failure></testcase>
        <testcase classname="tests.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no">a.py:1: no</skipped></testcase>
        <testcase classname="" name="tests.test_b" time="0.000"><error message="collection failure">ImportError: &#x27;x&#39;</error></testcase>
        </testsuite></testsuites>"#,
        "1 1 1 1 0.003
        tests.test_a / test_bad[1&2] (tests/test_a.py:7): def test_bad():|>       assert 1 == 2|E       assert 1 == 2
        pytest / tests.test_b: collection failure|ImportError: 'x'",
    );
}

#[test]
fn a_suite_as_the_root_with_cdata_and_system_out() {
    check(
        r#"<testsuite name="com.example.AppTest" time="1,234.5" tests="2">
        <properties><property name="java.version" value="21"/></properties>
        <testcase name="works" classname="com.example.AppTest"><system-out><![CDATA[<failure message="no"/>]]></system-out></testcase>
        <testcase name="breaks" classname="com.example.AppTest">
          <error type="java.lang.NullPointerException"><![CDATA[java.lang.NullPointerException: x < y
	at com.example.App.main(App.java:3)]]></error>
          <failure message="later and milder"/></testcase>
        </testsuite>"#,
        "1 0 1 0 1234.5
        com.example.AppTest / breaks: java.lang.NullPointerException: x < y|	at com.example.App.main(App.java:3)",
    );
}

#[test]
fn nested_suites_and_missing_attributes() {
    check(
        r#"<testsuites time="9"><testsuite name="outer" time="2"><testsuite><testcase/><testcase name="a"><failure/></testcase></testsuite>
        <testsuite name="inner"><testcase name="b" time="x"><failure>why</failure></testcase></testsuite><testcase name="c"><error/></testcase></testsuite></testsuites>"#,
        "1 2 1 0 2
        / a:
        inner / b: why
        outer / c:",
    );
}

#[test]
fn cases_that_did_not_run_are_skipped_and_flaky_ones_that_passed_passed() {
    check(
        r#"<testsuites><testsuite name="g"><testcase name="a" status="notrun" time="0"/><testcase name="b" status="run" result="suppressed"/>
        <testcase name="c"><flakyFailure message="once"/></testcase><testcase name="d"><rerunFailure/><failure message="always"/></testcase></testsuite></testsuites>"#,
        "1 1 0 2 0\ng / d: always",
    );
}

#[test]
fn a_suite_that_broke_by_itself_counts() {
    check(
        r#"<testsuite name="set-up"><error message="cannot start">no port</error><testcase name="a"/></testsuite>"#,
        "1 0 1 0 0\nset-up / set-up: cannot start|no port",
    );
}

#[test]
fn an_empty_report_is_a_report() {
    check("\u{feff}<?xml version='1.0'?><!DOCTYPE testsuites><testsuites/>", "0 0 0 0 0");
}

#[test]
fn what_is_no_report_is_told() {
    for (xml, expected) in [
        ("", "is empty"),
        ("just text", "is empty"),
        ("<html><body/></html>", "is no JUnit report: its root is <html>"),
        ("<testsuite><testcase name='a'>", "ends in the middle"),
        ("<testsuite><testcase name='a'></testsuite>", "is not well-formed XML at byte 30"),
        ("<testsuite", "is not well-formed XML at byte 0"),
        (
            "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><testsuite name='&b;'/>",
            "declares XML entities of its own, which are not read",
        ),
    ] {
        let error = parsed(xml).unwrap_err();
        assert!(error.starts_with(expected), "{xml:?}: {error}");
    }
    assert!(parse::parse(&b"<testsuite name='\xff'/>"[..]).unwrap_err().starts_with("is not well-formed XML"));
    assert_eq!(
        parsed("<testsuite><testcase><failure>&unknown;</failure></testcase></testsuite>").unwrap().failures[0].message,
        "&unknown;"
    );
}

#[test]
fn limits_cut_texts_between_characters_and_never_the_totals() {
    let case = format!(
        "<testcase name='{}'><failure message='{}'>{}</failure></testcase>",
        "ü".repeat(2000),
        "é".repeat(6000),
        "x".repeat(9000)
    );
    let report = parsed(&format!("<testsuite>{}</testsuite>", case.repeat(600))).unwrap();
    assert_eq!((report.total, report.failed, report.failures.len()), (600, 600, 500));
    assert_eq!(report.failures[0].name, "ü".repeat(1000));
    assert_eq!(report.failures[0].message, "é".repeat(5000));
}

#[test]
fn a_group_of_files_is_one_report_and_bad_files_are_named() {
    let root = tempfile::tempdir().unwrap();
    let suite = "<testsuite><testcase name='a' time='1.5'/><testcase name='b'><failure/></testcase></testsuite>";
    for (name, text) in
        [("out/TEST-a.xml", suite), ("out/b/TEST-b.xml", suite), ("out/TEST-c.xml", "<nope/>"), ("out/d.txt", "")]
    {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let base = Base::within(root.path().to_owned(), "out", "out");
    let (report, problems) = read("unit", &["**/TEST-*.xml".into()], &base);
    assert_eq!(
        (report.group.as_str(), report.files, report.total, report.failed, report.duration),
        ("unit", 2, 4, 2, 3.0)
    );
    assert_eq!(problems, ["`TEST-c.xml` is no JUnit report: its root is <nope>"]);
    let many = format!("<testsuite>{}</testsuite>", "<testcase><failure/></testcase>".repeat(300));
    std::fs::write(root.path().join("out/many-1.xml"), &many).unwrap();
    std::fs::write(root.path().join("out/many-2.xml"), &many).unwrap();
    let (report, problems) = read("unit", &["many-*.xml".into()], &base);
    assert_eq!((report.failed, report.failures.len()), (600, CASES_KEPT));
    assert_eq!(problems, ["the messages of 500 of 600 failed tests are kept: the rest is too much"]);
    let long = format!("<testcase><failure>{}</failure></testcase>", "\u{9}é&quot;".repeat(1600));
    std::fs::write(root.path().join("out/long.xml"), format!("<testsuite>{}</testsuite>", long.repeat(300))).unwrap();
    let (report, _) = read("unit", &["long.xml".into(), "TEST-a.xml".into()], &base);
    let bytes = serde_json::to_string(&report).unwrap().len();
    assert_eq!((report.total, report.failed), (302, 301));
    assert!((TEXT_KEPT / 2..TEXT_KEPT + 1000).contains(&bytes), "{bytes} bytes");
    let (report, problems) = read("unit", &["none/*".into()], &base);
    assert_eq!((report.files, problems), (0, vec!["no matching report paths found".to_owned()]));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(parts in proptest::collection::vec(proptest::sample::select(vec![
        "<testsuites>", "</testsuites>", "<testsuite name='a'>", "</testsuite>", "<testcase time='1'>", "</testcase>", "<testcase/>",
        "<failure message='x'>", "</failure>", "<error/>", "<skipped/>", "text", "&amp;", "&", "<", "<![CDATA[x]]>", "<!--", "-->", "<?x?>",
    ]), 0..20)) {
        if let Ok(report) = parsed(&parts.concat()) {
            proptest::prop_assert_eq!(report.total, report.passed + report.failed + report.errors + report.skipped);
        }
    }
}
