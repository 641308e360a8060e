use super::*;

fn check(text: &str, expected: &str) {
    let found = match Address::parse(text) {
        Ok(address) => format!("{address:?}"),
        Err(fault) => format!("{:?}: {fault}", fault.kind),
    };
    assert!(found.contains(expected), "{text}\n   is {found}\n  not {expected}");
}

#[test]
fn every_form_of_codecommit_is_read() {
    check("codecommit://repo", r#"CodeCommit { region: None, profile: None, repository: "repo" }"#);
    check("codecommit://dev@my.repo", r#"profile: Some("dev"), repository: "my.repo" }"#);
    check("codecommit::eu-west-1://repo", r#"CodeCommit { region: Some("eu-west-1"), profile: None"#);
    check("codecommit::eu-west-1://a@b-c", r#"region: Some("eu-west-1"), profile: Some("a"), repository: "b-c""#);
    for (host, region) in [
        ("git-codecommit.us-east-1.amazonaws.com", "us-east-1"),
        ("git-codecommit-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("git-codecommit.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a1-b2.git-codecommit.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
    ] {
        let expected = format!(r#"CodeCommitHttps {{ region: "{region}", host: "{host}", path: "/v1/repos/r" }}"#);
        check(&format!("https://{host}/v1/repos/r"), &expected);
        check(&format!("https://{host}:443/v1/repos/r/"), &expected);
    }
}

#[test]
fn a_login_is_taken_out_of_the_url() {
    check(
        "https://me:p%40ss@git-codecommit.us-east-1.amazonaws.com/v1/repos/r",
        r#"Url { url: "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", login: Some(("me", "p@ss")) }"#,
    );
    check("http://localhost:1/x.git", r#"Url { url: "http://localhost:1/x.git", login: None }"#);
    check("https://me:secret@/x", "Configuration: source url `https:///x`: has no host or no path");
}

#[test]
fn an_address_is_told_as_it_is_written_without_its_login() {
    for (written, told) in [
        ("codecommit://repo", "codecommit://repo"),
        ("codecommit::eu-west-1://p@r", "codecommit::eu-west-1://p@r"),
        ("https://me:pw@h/a", "https://h/a"),
        (
            "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r",
            "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r",
        ),
        ("git@h:a/b", "git@h:a/b"),
        ("/srv/a", "/srv/a"),
    ] {
        assert_eq!(Address::parse(written).unwrap().to_string(), told);
    }
}

#[test]
fn ssh_and_paths_are_read() {
    check("ssh://APKA@git-codecommit.us-east-1.amazonaws.com/v1/repos/X", "Url { url: \"ssh://APKA@git-code");
    check("git@example.org:team/x.git", r#"Url { url: "git@example.org:team/x.git", login: None }"#);
    check("file:///srv/my%20x.git", r#"Path("/srv/my x.git")"#);
    check("../x", r#"Path("../x")"#);
}

#[test]
fn bad_addresses_are_configuration_faults_with_a_hint() {
    for bad in ["", "a b", "codecommit://", "codecommit://a/b", "codecommit::x://a", "codecommit://@a", "s3://b/k"] {
        let fault = Address::parse(bad).expect_err(bad);
        assert!(fault.kind == crate::fault::FaultKind::Configuration && fault.hint.is_some(), "{bad}: {fault:?}");
    }
}

#[test]
fn relative_addresses_follow_git() {
    let join = |base: &str, to: &str| format!("{:?}", Address::parse(base).and_then(|a| a.join(to)));
    assert!(join("https://h/a/b.git", "../c.git").contains("https://h/a/c.git"));
    assert!(join("https://h/a/b.git/", "../../c").contains("https://h/c"));
    assert!(join("git@h:a/b", "../c").contains("git@h:a/c"));
    assert!(join("git@h:b", "../c").contains("git@h:c"));
    assert!(join("/srv/a", "./b").contains("/srv/a/b"));
    assert!(join("codecommit::eu-west-1://p@a", "../b").contains(r#"profile: Some("p"), repository: "b""#));
    assert!(join("/srv/a", "https://h/x").contains("https://h/x"));
    assert!(join("srv/a", "../b").contains(r#"Path("srv/b")"#));
    assert!(join("git@h:/a/b", "../../c").contains("git@h:/c"));
    assert!(join("https://me:pw@h/a/b", "../c").contains(r#"url: "https://h/a/c", login: Some(("me", "pw"))"#));
}

#[test]
fn a_relative_address_stays_on_its_host() {
    for (base, to) in [
        ("https://me:pw@h/a/b", "../../../evil.com/x"),
        ("https://me:pw@h/a/b", "../../../../evil.com/x"),
        ("https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", "../../../../x"),
        ("ssh://git@h/a", "../../evil.com/x"),
        ("git@h:a/b", "../../../evil.com:x"),
    ] {
        let fault = Address::parse(base).unwrap().join(to).unwrap_err();
        assert_eq!(fault.kind, crate::fault::FaultKind::Configuration, "{base} {to}");
        assert!(!fault.message.contains("pw"), "{fault}");
    }
}
