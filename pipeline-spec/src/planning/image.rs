//! Image actions, with their defaults.

use super::{optional, templates};
use crate::buildspec::secret_reference;
use crate::pipeline::{Image as Written, Origin, Secret};
use crate::plan::{Image, ImageSecret, Scan, Template};
use crate::validate::Known;

/// An image build takes an hour at the most unless it says otherwise, as a build does.
const TIMEOUT: u64 = 3600;

/// How long findings of a scan are waited for unless it says otherwise.
const SCAN_TIMEOUT: u64 = 300;

pub(super) fn image(written: &Written, known: &Known<'_>) -> Option<Image> {
    let text = |text: &Option<crate::pipeline::Text>| text.as_ref().map(|text| known.fill(text));
    Some(Image {
        context: text(&written.context).unwrap_or_else(|| Template::literal(".")),
        dockerfile: optional(&written.dockerfile, known)?.unwrap_or_else(|| "Dockerfile".to_owned()),
        target: optional(&written.target, known)?,
        build_args: templates(&written.build_args, known),
        secrets: written.secrets.iter().map(|written| secret(written, known)).collect::<Option<_>>()?,
        labels: templates(&written.labels, known),
        platform: optional(&written.platform, known)?,
        repository: text(&written.repository)?,
        registry: text(&written.registry),
        tags: written.tags.iter().map(|tag| known.fill(tag)).collect(),
        create_repository: written.create_repository.unwrap_or(false),
        scan: written.fail_on.map(|fail_on| Scan {
            fail_on,
            timeout_seconds: written.scan_timeout.unwrap_or(SCAN_TIMEOUT),
            allow_unscanned: written.allow_unscanned.unwrap_or(false),
        }),
        role: text(&written.role),
        region: optional(&written.region, known)?,
        timeout_seconds: written.timeout.unwrap_or(TIMEOUT),
    })
}

fn secret(written: &Secret, known: &Known<'_>) -> Option<ImageSecret> {
    let name = known.text(written.origin.text())?;
    let (parameter_store, secrets_manager) = match &written.origin {
        Origin::SecretsManager(_) => (None, Some(secret_reference(&name).ok()?)),
        Origin::ParameterStore(_) | Origin::Plain(_) => (Some(name), None),
    };
    Some(ImageSecret { id: written.id.value.clone(), parameter_store, secrets_manager })
}
