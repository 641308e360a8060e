//! Pulls from real registries, an open one and one that asks who somebody is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{PushImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder};
use futures_util::StreamExt;
use runner::cancel::Cancel;
use runner::engine::Ending;
use runner::engine::docker::{DockerConfig, DockerEngine, RegistryLogin, RegistryLogins};
use runner::fault::{Fault, FaultKind};
use runner::progress::Progress;
use runner::secret::SecretText;
use sluice_tests::images;
use sluice_tests::registry::{PASSWORD, Registry, USER};

use super::bench::{Bench, program, section};

/// Knows one login, for every registry.
struct Knows(Option<(&'static str, &'static str)>);

#[async_trait]
impl RegistryLogins for Knows {
    async fn login(&self, _host: &str) -> Result<Option<RegistryLogin>, Fault> {
        Ok(self.0.map(|(user, password)| RegistryLogin { user: user.to_owned(), password: SecretText::new(password) }))
    }
}

/// Pushes an image to a registry, and removes it here; its reference.
async fn pushed(registry: &Registry) -> String {
    push(registry, images::busybox().await).await
}

/// The same with that image.
async fn push(registry: &Registry, image: &str) -> String {
    let (docker, repository) = (images::engine(), format!("{}/team/tool", registry.host()));
    let tag = TagImageOptionsBuilder::default().repo(&repository).tag("1").build();
    docker.tag_image(image, Some(tag)).await.unwrap();
    let push = PushImageOptionsBuilder::default().tag("1").build();
    let (username, password) = (Some(USER.to_owned()), Some(PASSWORD.to_owned()));
    let known = DockerCredentials { username, password, ..DockerCredentials::default() };
    let login = if registry.is_guarded() { known } else { DockerCredentials::default() };
    let mut told = docker.push_image(&repository, Some(push), Some(login));
    while let Some(info) = told.next().await {
        info.unwrap();
    }
    let image = format!("{repository}:1");
    forget(&image).await;
    image
}

async fn forget(image: &str) {
    images::engine().remove_image(image, None::<RemoveImageOptions>, None).await.unwrap();
}

#[tokio::test]
async fn an_image_behind_a_login_is_pulled_with_it_and_not_without() {
    let registry = Registry::guarded().await;
    let image = pushed(&registry).await;
    let pull = async |login| {
        let engine = DockerEngine::new(DockerConfig::default(), Arc::new(Knows(login)));
        engine.pull(&image, &Progress::silent(), &Cancel::new()).await
    };
    for login in [None, Some((USER, "wrong horse"))] {
        let fault = pull(login).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Configuration, "{fault}");
        assert!(fault.message.starts_with(&format!("the image {image} cannot be pulled")), "{fault}");
        assert_eq!(
            fault.hint.as_deref(),
            Some("check that it exists, and that the registry's credentials may read it")
        );
    }
    pull(Some((USER, PASSWORD))).await.unwrap();
    forget(&image).await;
}

#[tokio::test]
async fn a_missing_image_is_pulled_and_one_that_does_not_exist_is_named() {
    let bench = Bench::in_docker().await;
    let registry = Registry::start().await;
    let image = pushed(&registry).await;
    let specs = ["a", "b"].map(|name| {
        let mut spec = bench.spec(name, program(vec![section(&["echo one"])]));
        spec.image.clone_from(&image);
        spec
    });
    let (first, second) = tokio::join!(bench.transcript(&specs[0]), bench.transcript(&specs[1]));
    assert_eq!((first.1, second.1), (Ending::Completed, Ending::Completed));
    let absent = [image.replace("tool:1", "tool:none"), image.replace("tool:1", "nothing:1")];
    for (name, absent) in ["c", "d"].into_iter().zip(absent) {
        let mut spec = bench.spec(name, program(vec![section(&["echo one"])]));
        spec.image.clone_from(&absent);
        let fault = bench.start(&spec, &Cancel::new()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Configuration);
        assert!(fault.message.starts_with(&format!("the image {absent} does not exist")), "{fault}");
        assert!(fault.hint.is_some_and(|hint| hint.starts_with("check the image's name and tag")), "{absent}");
    }
    bench.finish().await;
    forget(&image).await;
}

#[tokio::test]
async fn a_tag_that_was_moved_is_followed_by_an_engine_that_asks_for_it() {
    let registry = Registry::start().await;
    let image = pushed(&registry).await;
    let id = async || images::engine().inspect_image(&image).await.unwrap().id.unwrap();
    let config = DockerConfig { refresh: Some(Duration::ZERO), ..DockerConfig::default() };
    let (asks, does_not) = (Bench::in_docker_with(config).await, Bench::in_docker().await);
    let build = async |bench: &Bench, name: &str| {
        let mut spec = bench.spec(name, program(vec![section(&["echo one"])]));
        spec.image.clone_from(&image);
        assert_eq!(bench.transcript(&spec).await.1, Ending::Completed);
    };
    build(&asks, "a").await;
    let first = id().await;
    // Somebody moves the tag, elsewhere.
    let moved = push(&registry, images::built("sluice-test/moved:1", "LABEL moved=1\n").await).await;
    assert_eq!(moved, image);
    let tag = TagImageOptionsBuilder::default().repo(image.trim_end_matches(":1")).tag("1").build();
    images::engine().tag_image(&first, Some(tag)).await.unwrap();
    build(&does_not, "b").await;
    assert_eq!(id().await, first, "what is here is used");
    build(&asks, "c").await;
    assert_ne!(id().await, first, "the tag means another image by now");
    drop(registry);
    build(&asks, "d").await;
    asks.finish().await;
    does_not.finish().await;
    forget(&image).await;
}
