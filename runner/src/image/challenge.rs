//! A registry's `WWW-Authenticate: Bearer …`: where a token is to be had, and how.

use reqwest::Client;
use reqwest::header::AUTHORIZATION;

/// The parts of a Bearer challenge that matter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

impl Challenge {
    /// Reads the header's value; `None` for other schemes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        while let Some((key, after)) = rest.split_once('=') {
            let (value, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.find(',').map_or((after, ""), |end| after.split_at(end)),
            };
            match key.trim_matches([' ', ',']) {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                "scope" => scope = Some(value.to_owned()),
                _ => {}
            }
            rest = next;
        }
        Some(Self { realm: realm?, service, scope })
    }

    /// Asks for a token; `None` when there is none to be had.
    pub(super) async fn token(
        &self,
        http: &Client,
        scope: &str,
        authorization: Option<String>,
    ) -> reqwest::Result<Option<String>> {
        let Ok(mut url) = reqwest::Url::parse(&self.realm) else { return Ok(None) };
        url.query_pairs_mut().append_pair("scope", self.scope.as_deref().unwrap_or(scope));
        if let Some(service) = &self.service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let request = http.get(url);
        let request = match authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let document: serde_json::Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        let token = document["token"].as_str().or_else(|| document["access_token"].as_str());
        Ok(token.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_is_read_and_others_are_not() {
        let text =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.realm, "https://auth.example/token");
        assert_eq!(challenge.service.as_deref(), Some("registry.example"));
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(Challenge::parse("bearer realm=https://a, service=b").unwrap().service.as_deref(), Some("b"));
        assert_eq!(Challenge::parse(r#"Basic realm="x""#), None);
        assert_eq!(Challenge::parse("Bearer"), None);
    }
}
