//! The scan gate: waits for ECR's findings on an image and says whether they let it pass.
//!
//! Basic scanning ends as `COMPLETE`; enhanced scanning (Inspector) stays `ACTIVE` and has a time of completion when its
//! first findings are in. States: ECR API reference, `ImageScanStatus`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::describe_image_scan_findings::{
    DescribeImageScanFindingsError, DescribeImageScanFindingsOutput,
};
use aws_sdk_ecr::operation::start_image_scan::StartImageScanError;
use aws_sdk_ecr::types::{FindingSeverity, ImageIdentifier};
use pipeline_spec::plan::{Scan, Severity};
use tokio::time::Instant;

use super::ecr::Account;
use crate::aws::fault;
use crate::fault::Fault;
use crate::progress::Progress;

/// The image that is scanned.
pub(super) struct Image<'a> {
    pub(super) account: &'a Account,
    pub(super) repository: &'a str,
    /// `sha256:…`
    pub(super) digest: &'a str,
}

/// What ECR says of a scan at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// `ImageScanStatus.status`; `None` when there is no scan yet.
    status: Option<String>,
    description: String,
    /// Whether findings have been reported.
    completed: bool,
    /// How many of each severity.
    counts: BTreeMap<Severity, i64>,
    /// The worst by name, worst first.
    worst: Vec<String>,
}

/// What to make of it.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    Pass(String),
    Fail(String),
    /// There will be no findings.
    Unscanned(String),
}

/// Waits for the scan. The text is why the image may not pass.
pub(super) async fn gate(
    client: &Client,
    image: &Image<'_>,
    scan: &Scan,
    progress: &Progress,
) -> Result<Option<String>, Fault> {
    let deadline = Instant::now() + Duration::from_secs(scan.timeout_seconds);
    let mut pause = Duration::from_millis(500);
    let mut asked_for = false;
    loop {
        let seen = look(client, image).await?;
        let mut verdict = judge(&seen, scan.fail_on);
        if seen.status.is_none() && !asked_for {
            asked_for = true;
            if let Some(why) = start(client, image).await {
                verdict = Verdict::Unscanned(why);
            }
        }
        if verdict == Verdict::Wait && Instant::now() + pause > deadline {
            let state = seen.status.as_deref().unwrap_or("no scan");
            verdict = Verdict::Unscanned(format!("no findings within {} s ({state})", scan.timeout_seconds));
        }
        match verdict {
            Verdict::Wait => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            Verdict::Pass(text) => {
                progress.output(format!("scan: {text}\n"));
                return Ok(None);
            }
            Verdict::Fail(text) => return Ok(Some(text)),
            Verdict::Unscanned(text) if scan.allow_unscanned => {
                progress.output(format!("scan: {text}; `allow-unscanned` lets the image pass\n"));
                return Ok(None);
            }
            Verdict::Unscanned(text) => {
                return Ok(Some(format!(
                    "the image was not scanned: {text} (`allow-unscanned: true` would let it pass)"
                )));
            }
        }
    }
}

/// The rule: what a state of a scan means for an image that must have nothing of `fail_on` or worse.
fn judge(seen: &Seen, fail_on: Severity) -> Verdict {
    match seen.status.as_deref() {
        Some("COMPLETE") => {}
        Some("ACTIVE") if seen.completed => {}
        Some(
            state @ ("FAILED"
            | "UNSUPPORTED_IMAGE"
            | "SCAN_ELIGIBILITY_EXPIRED"
            | "FINDINGS_UNAVAILABLE"
            | "LIMIT_EXCEEDED"
            | "IMAGE_ARCHIVED"),
        ) => return Verdict::Unscanned(format!("{state} {}", seen.description).trim_end().to_owned()),
        // PENDING, IN_PROGRESS, ACTIVE without findings, no scan yet, and states that are not known here.
        _ => return Verdict::Wait,
    }
    let counted = |(severity, count): (&Severity, &i64)| format!("{count} {}", word(*severity));
    let all: Vec<String> = seen.counts.iter().rev().map(counted).collect();
    let all = if all.is_empty() { "no findings".to_owned() } else { all.join(", ") };
    if seen.counts.range(fail_on..).any(|(_, count)| *count > 0) {
        let worst = if seen.worst.is_empty() { String::new() } else { format!(": {}", seen.worst.join(", ")) };
        Verdict::Fail(format!("the scan found {all}, and {} or worse fails{worst}", word(fail_on)))
    } else {
        Verdict::Pass(all)
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

async fn look(client: &Client, image: &Image<'_>) -> Result<Seen, Fault> {
    let asked = client
        .describe_image_scan_findings()
        .set_registry_id(image.account.id.clone())
        .repository_name(image.repository)
        .image_id(ImageIdentifier::builder().image_digest(image.digest).build())
        .send()
        .await;
    match asked {
        Ok(answer) => Ok(seen(&answer)),
        // Right after a push neither the scan nor, for a moment, the image need be known.
        Err(SdkError::ServiceError(error))
            if matches!(
                error.err(),
                DescribeImageScanFindingsError::ScanNotFoundException(_)
                    | DescribeImageScanFindingsError::ImageNotFoundException(_)
            ) =>
        {
            Ok(Seen::default())
        }
        Err(error) => Err(fault(format_args!("ecr:DescribeImageScanFindings {}", image.repository), &error)),
    }
}

/// Asks for a scan, for a repository that does not scan on push. The text is why there will never be one; that it runs
/// already, or that Inspector scans instead, is no reason to give up.
async fn start(client: &Client, image: &Image<'_>) -> Option<String> {
    let asked = client
        .start_image_scan()
        .set_registry_id(image.account.id.clone())
        .repository_name(image.repository)
        .image_id(ImageIdentifier::builder().image_digest(image.digest).build())
        .send()
        .await;
    match asked {
        Err(SdkError::ServiceError(error))
            if matches!(error.err(), StartImageScanError::UnsupportedImageTypeException(_)) =>
        {
            Some("UNSUPPORTED_IMAGE".to_owned())
        }
        Err(error) => {
            tracing::debug!(error = %fault("ecr:StartImageScan", &error), "no scan was started");
            None
        }
        Ok(_) => None,
    }
}

/// The parts of ECR's answer that decide.
fn seen(answer: &DescribeImageScanFindingsOutput) -> Seen {
    let status = answer.image_scan_status();
    let found = answer.image_scan_findings();
    let counts = found.and_then(|found| found.finding_severity_counts()).into_iter().flatten();
    let mut named: Vec<(Severity, String)> = Vec::new();
    for finding in found.map(|found| found.findings()).unwrap_or_default() {
        named.extend(finding.severity().and_then(known).zip(finding.name().map(str::to_owned)));
    }
    for finding in found.map(|found| found.enhanced_findings()).unwrap_or_default() {
        let severity = finding.severity().map(FindingSeverity::from);
        named.extend(severity.as_ref().and_then(known).zip(finding.title().map(str::to_owned)));
    }
    named.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    Seen {
        status: status.and_then(|status| status.status()).map(|status| status.as_str().to_owned()),
        description: status.and_then(|status| status.description()).unwrap_or_default().to_owned(),
        completed: found.is_some_and(|found| found.image_scan_completed_at().is_some()),
        counts: counts.filter_map(|(severity, count)| Some((known(severity)?, i64::from(*count)))).collect(),
        worst: named.into_iter().take(5).map(|(severity, name)| format!("{name} ({})", word(severity))).collect(),
    }
}

/// A severity that counts; `UNDEFINED` and `UNTRIAGED` do not.
fn known(severity: &FindingSeverity) -> Option<Severity> {
    match severity {
        FindingSeverity::Critical => Some(Severity::Critical),
        FindingSeverity::High => Some(Severity::High),
        FindingSeverity::Medium => Some(Severity::Medium),
        FindingSeverity::Low => Some(Severity::Low),
        FindingSeverity::Informational => Some(Severity::Informational),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(status: &str, completed: bool, counts: &[(Severity, i64)]) -> Seen {
        let counts = counts.iter().copied().collect();
        Seen { status: Some(status.to_owned()), completed, counts, ..Seen::default() }
    }

    #[test]
    fn a_state_without_findings_waits_or_never_will_have_any() {
        assert_eq!(judge(&Seen::default(), Severity::High), Verdict::Wait);
        for status in ["PENDING", "IN_PROGRESS", "ACTIVE", "A_STATE_OF_TOMORROW"] {
            assert_eq!(judge(&state(status, false, &[]), Severity::High), Verdict::Wait, "{status}");
        }
        for status in [
            "FAILED",
            "UNSUPPORTED_IMAGE",
            "SCAN_ELIGIBILITY_EXPIRED",
            "FINDINGS_UNAVAILABLE",
            "LIMIT_EXCEEDED",
            "IMAGE_ARCHIVED",
        ] {
            let verdict = judge(&state(status, false, &[]), Severity::High);
            assert_eq!(verdict, Verdict::Unscanned(status.to_owned()));
        }
    }

    #[test]
    fn findings_fail_from_the_threshold_up() {
        use Severity::{Critical, High, Low, Medium};
        let pass = |text: &str| Verdict::Pass(text.to_owned());
        assert_eq!(judge(&state("COMPLETE", true, &[]), Low), pass("no findings"));
        assert_eq!(judge(&state("COMPLETE", true, &[(Medium, 3), (Low, 1)]), High), pass("3 medium, 1 low"));
        assert_eq!(judge(&state("ACTIVE", true, &[(High, 0)]), High), pass("0 high"));
        for counts in [&[(High, 1)][..], &[(Critical, 2), (Low, 9)]] {
            for status in ["COMPLETE", "ACTIVE"] {
                assert!(matches!(judge(&state(status, true, counts), High), Verdict::Fail(_)), "{status} {counts:?}");
            }
        }
        let seen = Seen { worst: vec!["CVE-1 (high)".into()], ..state("COMPLETE", true, &[(High, 1), (Medium, 2)]) };
        let text = "the scan found 1 high, 2 medium, and medium or worse fails: CVE-1 (high)";
        assert_eq!(judge(&seen, Medium), Verdict::Fail(text.to_owned()));
    }
}
