//! CodeCommit's signature, against a server that works it out by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_tests::git_server::Guard;

use super::*;

async fn guarded(token: Option<&str>) -> GitServer {
    let guard = Guard {
        access_key: "key".to_owned(),
        secret: "secret".to_owned(),
        token: token.map(str::to_owned),
        region: "eu-west-1".to_owned(),
    };
    let server = GitServer::start(Some(guard)).await;
    let work = WorkTree::of(&server.repository("app"));
    work.write("a", "1").commit("First");
    work.push();
    server
}

fn place_for(server: &GitServer) -> Place {
    let mut place = Place::new();
    place.config.codecommit_endpoint = Some(server.endpoint());
    place
}

#[tokio::test]
async fn a_signed_clone_leaves_nothing_of_the_login_on_the_disk() {
    let token = "FwoGZXIvYXdzEXAMPLE/TOKEN+x==";
    let server = guarded(Some(token)).await;
    let mut place = place_for(&server);
    place.identities = identities("key", "secret", Some(token));
    for (into, url) in [
        ("short", "codecommit://app"),
        ("region", "codecommit::eu-west-1://app"),
        ("https", "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app"),
    ] {
        let revision = place.fetch_clean(&source(url, Some("main")), into).await;
        assert_eq!(revision.repository, server.url("app"), "{into}");
    }
    let found = std::process::Command::new("grep")
        .args(["-r", "-a", "-l", "-e", "FwoGZXIv", "-e", "Basic ", "-e", "key%", "."])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn a_wrong_signature_an_expired_token_and_a_wrong_region_are_permission_faults() {
    let server = guarded(Some("token")).await;
    let mut place = place_for(&server);
    for (into, key, secret, token, url) in [
        ("secret", "key", "mistaken", Some("token"), "codecommit://app"),
        ("expired", "key", "secret", Some("expired"), "codecommit://app"),
        ("no-token", "key", "secret", None, "codecommit://app"),
        ("region", "key", "secret", Some("token"), "codecommit::us-east-1://app"),
    ] {
        place.identities = identities(key, secret, token);
        let said = said(place.fetch(&source(url, None), into).await);
        assert!(said.starts_with("Permission: ") && said.contains("codecommit:GitPull"), "{into}: {said}");
        assert!(!said.contains("mistaken") && !said.contains("token"), "{into}: {said}");
    }
    assert!(server.take_counts().0 < 20, "a refused login is not tried again and again");
}

#[tokio::test]
async fn the_profile_in_the_address_is_the_one_that_is_asked() {
    let server = guarded(None).await;
    let mut place = place_for(&server);
    let asked = Arc::new(AtomicUsize::new(0));
    let (good, count) = (identities("key", "secret", None), Arc::clone(&asked));
    place.identities = Arc::new(move |profile| {
        assert_eq!(profile.as_deref(), Some("dev"));
        count.fetch_add(1, Ordering::SeqCst);
        good(profile)
    });
    place.fetch_clean(&source("codecommit://dev@app", None), "a").await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn credentials_that_cannot_be_had_and_a_missing_region_are_told() {
    let server = guarded(None).await;
    let mut place = place_for(&server);
    place.identities = Arc::new(|_| Box::pin(async { Err(Fault::permission("the session has expired")) }));
    assert!(said(place.fetch(&source("codecommit://app", None), "a").await).starts_with("Permission"));
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let identity = Identity { credentials, region: None };
    place.identities = Arc::new(move |_| {
        let identity = identity.clone();
        Box::pin(async move { Ok(identity) })
    });
    let said = said(place.fetch(&source("codecommit://app", None), "b").await);
    assert!(said.starts_with("Configuration: no Region"), "{said}");
}

#[tokio::test]
async fn a_submodule_in_codecommit_is_signed_too() {
    let server = guarded(None).await;
    let work = WorkTree::of(&server.repository("outer"));
    work.commit("Start");
    let inner = server.repository("app").display().to_string();
    work.git(&["submodule", "--quiet", "add", "--name", "inner", &inner, "inner"]);
    work.git(&["config", "-f", ".gitmodules", "submodule.inner.url", "../app"]);
    work.commit("Outer");
    work.push();
    let place = place_for(&server);
    let url = "codecommit://outer".to_owned();
    let source = Source::Git { url, reference: None, depth: None, submodules: true };
    place.fetch_clean(&source, "outer").await;
    assert_eq!(fs::read_to_string(place.path("outer/inner/a")).unwrap(), "1");
}

#[tokio::test]
async fn a_login_in_a_url_is_used_and_not_kept() {
    // A static Git login of CodeCommit is not what this server takes, so what counts is that it was sent and refused.
    let server = guarded(None).await;
    let place = Place::new();
    let url = server.url("app").replace("http://", "http://me:hunter2@");
    let said = said(place.fetch(&source(&url, None), "a").await);
    assert!(said.starts_with("Permission") && said.contains("in the URL") && !said.contains("hunter2"), "{said}");
}
