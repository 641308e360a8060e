//! Signature Version 4, worked out from what AWS publishes, and sharing no code with the SDK or the runner: what the
//! servers of tests check their callers with.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};

/// What an `Authorization` header says.
pub struct Signed {
    /// The access key's id.
    pub key: String,
    /// The day, `20260102`.
    pub date: String,
    /// The Region.
    pub region: String,
    /// The service.
    pub service: String,
    headers: Vec<String>,
    signature: String,
}

impl Signed {
    /// Takes the header of a request apart; `None` when it has none, or one of another kind.
    #[must_use]
    pub fn of(parts: &Parts) -> Option<Self> {
        let header = header(parts, "authorization")?;
        let fields =
            header.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',').filter_map(|field| field.trim().split_once('='));
        let fields: BTreeMap<&str, &str> = fields.collect();
        let mut scope = fields.get("Credential")?.split('/').map(str::to_owned);
        let (key, date, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let headers = fields.get("SignedHeaders")?.split(';').map(str::to_owned).collect();
        let signature = (*fields.get("Signature")?).to_owned();
        Some(Self { key, date, region, service, headers, signature })
    }

    /// Whether the signature is the one that this secret makes. The payload counts as its header says; whether that is
    /// true of the body is another question.
    #[must_use]
    pub fn is_by(&self, secret: &str, parts: &Parts) -> bool {
        let payload = header(parts, "x-amz-content-sha256").unwrap_or_default();
        let host = self.headers.iter().any(|name| name == "host");
        let values: Option<String> =
            self.headers.iter().map(|name| Some(format!("{name}:{}\n", value(parts, name)?))).collect();
        let (Some(values), true) = (values, host) else { return false };
        let canonical = format!(
            "{}\n{}\n{}\n{values}\n{}\n{payload}",
            parts.method,
            parts.uri.path(),
            query(parts.uri.query().unwrap_or_default()),
            self.headers.join(";"),
        );
        let time = header(parts, "x-amz-date").unwrap_or_default();
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let key = signing_key(secret, &self.date, &self.region, &self.service);
        time.starts_with(&self.date) && self.signature == hex::encode(hmac(&key, text.as_bytes()))
    }
}

/// A header as text.
#[must_use]
pub fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The key that a day, a Region and a service sign with.
#[must_use]
pub fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    let first = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    [region, service, "aws4_request"].iter().fold(first, |key, part| hmac(&key, part.as_bytes()))
}

/// Whether a time, `20260102T030405` with or without a `Z`, is at most a quarter of an hour away.
#[must_use]
pub fn fresh(time: &str) -> bool {
    let now = runner::clock::now();
    let time = time.strip_suffix('Z').unwrap_or(time);
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", time).and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    at.is_ok_and(|at| at.timestamp().duration_since(now).abs() <= jiff::SignedDuration::from_mins(15))
}

/// HMAC (RFC 2104) with SHA-256, for keys of at most one block.
#[must_use]
pub fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The canonical form of a query: what it has, in order, and each name with an equals sign.
fn query(text: &str) -> String {
    let parts = text.split('&').filter(|part| !part.is_empty());
    let mut parts: Vec<(&str, &str)> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
    parts.sort_unstable();
    parts.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The canonical value of a header: all of its lines, without spaces around and with single ones inside.
fn value(parts: &Parts, name: &str) -> Option<String> {
    let lines = parts.headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let lines: Vec<String> = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of the S3 documentation's example "GET Object".
    fn example(range: &str) -> Parts {
        let request = axum::http::Request::get("/test.txt")
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("range", range)
            .header("x-amz-content-sha256", hex::encode(Sha256::digest("")))
            .header("x-amz-date", "20130524T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            );
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_published_example_has_the_published_signature_and_a_changed_one_has_not() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let parts = example("bytes=0-9");
        let signed = Signed::of(&parts).unwrap();
        assert_eq!((signed.key.as_str(), signed.service.as_str()), ("AKIAIOSFODNN7EXAMPLE", "s3"));
        assert!(signed.is_by(secret, &parts));
        assert!(!signed.is_by("another", &parts));
        assert!(!signed.is_by(secret, &example("bytes=0-10")));
    }

    #[test]
    fn a_query_is_put_in_order() {
        assert_eq!(query("uploads&a=2&a=1"), "a=1&a=2&uploads=");
    }
}
