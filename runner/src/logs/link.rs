//! Where people look at a log in the AWS console.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::StreamName;
use crate::bucket::Object;

/// What stands for itself in a part of a link.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// The same for a key, whose slashes are the link's too.
const KEY: &AsciiSet = &PLAIN.remove(b'/');

/// The deep links of a build's log, as `logs.deepLink` and `logs.s3DeepLink` of CodeBuild's `BatchGetBuilds`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Of its stream.
    pub stream: Option<String>,
    /// Of its archive, which is there some moments after the build's end.
    pub archive: Option<String>,
}

impl Links {
    /// The links in the console of that Region.
    #[must_use]
    pub fn of(region: &str, stream: Option<&StreamName>, archive: Option<&Object>) -> Self {
        Self {
            stream: stream.map(|stream| of_stream(region, stream)),
            archive: archive.map(|place| of_object(region, place)),
        }
    }
}

fn of_stream(region: &str, StreamName { group, stream }: &StreamName) -> String {
    let (group, stream) = (in_fragment(group), in_fragment(stream));
    let host = format!("console.{}", domain(region));
    format!("https://{host}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}")
}

fn of_object(region: &str, Object { bucket, key }: &Object) -> String {
    let key = utf8_percent_encode(key, KEY);
    format!("https://s3.console.{}/s3/object/{bucket}/{key}?region={region}", domain(region))
}

/// The console's fragment has names encoded twice, and `$` for the outer `%`.
fn in_fragment(name: &str) -> String {
    let once = utf8_percent_encode(name, PLAIN).to_string();
    utf8_percent_encode(&once, PLAIN).to_string().replace('%', "$")
}

/// The domain of the console, by the partition that the Region is of.
fn domain(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "amazonaws.cn",
        ["us", "gov", ..] => "amazonaws-us-gov.com",
        _ => "aws.amazon.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_console_of_the_regions_partition() {
        let stream = StreamName { group: "/aws/codebuild/billing".into(), stream: "team/0b1c".into() };
        let place = Object { bucket: "logs".into(), key: "a b/0b1c.gz".into() };
        let links = Links::of("eu-west-1", Some(&stream), Some(&place));
        assert_eq!(
            links.stream.as_deref(),
            Some(
                "https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/\
                 $252Faws$252Fcodebuild$252Fbilling/log-events/team$252F0b1c"
            )
        );
        assert_eq!(
            links.archive.as_deref(),
            Some("https://s3.console.aws.amazon.com/s3/object/logs/a%20b/0b1c.gz?region=eu-west-1")
        );
        let china = Links::of("cn-north-1", Some(&stream), None);
        assert!(china.stream.unwrap().starts_with("https://console.amazonaws.cn/cloudwatch/"));
        assert_eq!(china.archive, None);
        let government = Links::of("us-gov-west-1", None, Some(&place)).archive.unwrap();
        assert!(government.starts_with("https://s3.console.amazonaws-us-gov.com/s3/object/logs/"), "{government}");
    }
}
