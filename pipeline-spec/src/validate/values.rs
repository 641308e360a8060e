//! What a text must look like once the variables are in it. A text that only the run can complete is left alone.

use super::{Known, Members};
use crate::buildspec::secret_reference;
use crate::diagnostic::{Diagnostics, shortened};
use crate::interpolate;
use crate::pipeline::{Action, Build, Deploy, Image, Origin, Pipeline, Source, Text, Work};

/// A kind of text: what it is called, whether a text is one, and what to write.
struct Form {
    what: &'static str,
    holds: fn(&str) -> bool,
    hint: &'static str,
}

const TAG: Form = Form {
    what: "an image tag",
    holds: is_tag,
    hint: "a tag has letters, digits, `_`, `.` and `-`, at most 128, and does not start with `.` or `-`",
};
const REPOSITORY: Form = Form {
    what: "the name of a repository",
    holds: is_repository,
    hint: "such a name has lower-case letters and digits, parted by `/`, `-`, `_` or `.`; the registry's host has a \
           key of its own, and the tag too",
};
const REGISTRY: Form =
    Form { what: "the host of a registry", holds: is_host, hint: "write `host` or `host:port`, without `https://`" };
const ROLE: Form = Form { what: "the ARN of a role", holds: is_role, hint: "write `arn:aws:iam::ACCOUNT:role/NAME`" };
const REGION: Form = Form { what: "a Region", holds: is_region, hint: "such as `eu-west-1`" };
const PLATFORM: Form = Form { what: "a platform", holds: is_platform, hint: "such as `linux/amd64` or `linux/arm64`" };
const IMAGE: Form = Form { what: "an image", holds: is_image, hint: "such as `rust:1.95`" };
const PROJECT: Form = Form {
    what: "the name of a project",
    holds: is_project,
    hint: "such a name has letters, digits, `_` and `-`, from 2 to 150 of them",
};

/// Reports texts that cannot be what they must be.
pub(super) fn check(pipeline: &Pipeline, members: &Members<'_>, known: &Known<'_>, d: &mut Diagnostics) {
    if let Some(source) = &pipeline.source {
        of_source(source, known, d);
    }
    let mut last: Option<&Action> = None;
    for member in members.iter() {
        let known = Known { matrix: &member.combination.values, ..*known };
        let again = last.is_some_and(|last| std::ptr::eq(last, member.action));
        last = Some(member.action);
        match &member.action.work {
            Some(Work::Build(build)) => of_build(build, &known, again, d),
            Some(Work::Image(image)) => of_image(image, &known, d),
            Some(Work::Deploy(deploy)) => of_deploy(deploy, &known, d),
            None => {}
        }
    }
}

fn of_source(source: &Source, known: &Known<'_>, d: &mut Diagnostics) {
    let Some(written) = &source.region else { return };
    REGION.check(written, known, d);
    let repository = source.codecommit.as_ref().and_then(|repository| known.text(repository)).unwrap_or_default();
    let of_url =
        repository.strip_prefix("codecommit::").and_then(|rest| rest.split_once("://")).map(|(region, _)| region);
    if let (Some(of_url), Some(region)) = (of_url, known.text(written))
        && of_url != region
    {
        d.error("bad-value", written.span, format!("the URL of the repository names the Region {of_url}"))
            .hint("keep one of the two");
    }
}

/// `again`: another combination of the matrix was checked, so that only texts with values of it can differ.
fn of_build(build: &Build, known: &Known<'_>, again: bool, d: &mut Diagnostics) {
    let differs =
        |text: &&Text| !again || text.template.references().any(|reference| reference.path[..1] == ["matrix"]);
    let services = build.services.iter().filter_map(|service| service.image.as_ref());
    build.image.iter().chain(services).filter(differs).for_each(|image| IMAGE.check(image, known, d));
    build.project.iter().filter(differs).for_each(|project| PROJECT.check(project, known, d));
    for variable in build.environment.iter().filter(|variable| differs(&variable.origin.text())) {
        secret(&variable.origin, known, d);
    }
}

fn of_image(image: &Image, known: &Known<'_>, d: &mut Diagnostics) {
    image.tags.iter().for_each(|tag| TAG.check(tag, known, d));
    image.repository.iter().for_each(|name| repository(name, image.registry.is_some(), known, d));
    image.registry.iter().for_each(|host| REGISTRY.check(host, known, d));
    image.platform.iter().for_each(|platform| PLATFORM.check(platform, known, d));
    image.role.iter().for_each(|role| ROLE.check(role, known, d));
    image.region.iter().for_each(|region| REGION.check(region, known, d));
    image.secrets.iter().for_each(|written| secret(&written.origin, known, d));
}

/// A host at the beginning would be taken for a part of the name, and the image be pushed to ECR.
fn repository(name: &Text, has_registry: bool, known: &Known<'_>, d: &mut Diagnostics) {
    let value = interpolate::literal(&known.fill(name)).unwrap_or_default();
    match value.split_once('/').filter(|(host, _)| host.contains(':') || !has_registry && host.contains('.')) {
        Some((host, rest)) if is_host(host) => {
            let message = format!("`{}` names a registry besides the repository", shortened(&value));
            d.error("bad-value", name.span, message)
                .hint(format!("write `registry: \"{host}\"` and `repository: {rest}`"));
        }
        _ => REPOSITORY.check(name, known, d),
    }
}

fn of_deploy(deploy: &Deploy, known: &Known<'_>, d: &mut Diagnostics) {
    deploy.role.iter().for_each(|role| ROLE.check(role, known, d));
    deploy.region.iter().for_each(|region| REGION.check(region, known, d));
    let images = deploy.ecs.iter().flat_map(|ecs| &ecs.images);
    images.for_each(|(_, image)| IMAGE.check(image, known, d));
}

/// The name of a secret, whichever store it is in.
fn secret(origin: &Origin, known: &Known<'_>, d: &mut Diagnostics) {
    let text = origin.text();
    let Some(name) = known.text(text) else { return };
    let bad = match origin {
        Origin::Plain(_) => None,
        Origin::ParameterStore(_) if name.trim().is_empty() => Some("the name of the parameter is empty".to_owned()),
        Origin::ParameterStore(_) => None,
        Origin::SecretsManager(_) => secret_reference(&name).err(),
    };
    if let Some(message) = bad {
        d.error("bad-value", text.span, message).hint(
            "`parameter-store` takes a name, `secrets-manager` takes `secret-id:json-key:version-stage:version-id`",
        );
    }
}

impl Form {
    fn check(&self, text: &Text, known: &Known<'_>, d: &mut Diagnostics) {
        let Some(value) = interpolate::literal(&known.fill(text)) else { return };
        if !(self.holds)(&value) {
            d.error("bad-value", text.span, format!("`{}` is not {}", shortened(&value), self.what)).hint(self.hint);
        }
    }
}

fn is_tag(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    starts && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(ends)
            && part.ends_with(ends)
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b))
    };
    (2..=256).contains(&text.len()) && text.split('/').all(is_part)
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        && port.parse::<u16>().is_ok()
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam", "", account, resource]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] => {
            words.len() >= 2
                && words.iter().all(letters)
                && number.bytes().all(|b| b.is_ascii_digit())
                && !number.is_empty()
        }
        [] => false,
    }
}

fn is_platform(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    (2..=3).contains(&parts.len())
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_image(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace) && !text.contains("://")
}

fn is_project(text: &str) -> bool {
    (2..=150).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all(form: &Form, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!((form.holds)(text), "{text} is {}", form.what);
        }
        for text in bad {
            assert!(!(form.holds)(text), "{text} is not {}", form.what);
        }
    }

    #[test]
    fn a_tag_is_what_a_registry_takes() {
        all(&TAG, &["latest", "1.2.3", "_x", &"a".repeat(128)], &["", ".a", "-a", "a b", "a:b", &"a".repeat(129)]);
    }

    #[test]
    fn a_repository_is_lower_case() {
        all(
            &REPOSITORY,
            &["billing-api", "team/billing_api", "my.team/app"],
            &["", "a", "127.0.0.1:5000/app", "Billing", "a//b", "/a", "a/", "app:latest", "-app", "https://x/y"],
        );
    }

    #[test]
    fn a_role_is_named_by_its_arn() {
        let good = "arn:aws:iam::333333333333:role/deploy";
        all(&ROLE, &[good, "arn:aws-cn:iam::333333333333:role/a/b"], &["deploy", "arn:aws:iam::3:role/a", &good[..31]]);
    }

    #[test]
    fn regions_platforms_hosts_and_images_have_their_forms() {
        all(&REGION, &["eu-west-1", "us-gov-west-1"], &["", "eu", "eu-west", "EU-west-1", "eu west 1"]);
        all(&PLATFORM, &["linux/arm64", "linux/arm/v7"], &["", "arm64", "linux/", "a/b/c/d"]);
        all(&REGISTRY, &["ghcr.io", "127.0.0.1:5000"], &["", "https://ghcr.io", "a:b", "a/b"]);
        all(&IMAGE, &["rust:1.95", "a@sha256:00"], &["", "a b", "docker://a"]);
        all(&PROJECT, &["billing-api-test", &"a".repeat(150)], &["", "a", "-ab", "a.b", &"a".repeat(151)]);
    }
}
