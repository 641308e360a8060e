//! The cron expression and the time zone of a deployment window.
//!
//! Five fields are cron's own. Six or seven are CodePipeline's form: seconds in front, which must be `*`, days of the
//! week that count from 1 = Sunday, and perhaps a year behind.

use std::sync::LazyLock;

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZoneDatabase;

use super::reader::Mapping;
use crate::diagnostic::{Diagnostics, nearest};
use crate::fields::Written;

/// The time zones that come with the program: a file is as valid on one machine as on another.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The fields of the window; whatever is wrong is reported.
pub(super) fn cron(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<Written<String>> {
    map.require("cron", "such as `cron: \"* 9-17 * * MON-FRI\"`: open in each minute that matches", d);
    let written = map.plain("cron", d)?;
    let fields = written.value.split_whitespace().collect::<Vec<_>>();
    match check(&fields) {
        Ok(()) => Some(Written { value: fields.join(" "), span: written.span }),
        Err((reason, hint)) => {
            let message = format!("`{}` is not a cron expression: {reason}", written.value);
            d.error("bad-value", written.span, message).hint(hint);
            None
        }
    }
}

/// The time zone's name; whatever is wrong is reported.
pub(super) fn time_zone(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<Written<String>> {
    let written = map.plain("time-zone", d)?;
    let zones = &*ZONES;
    if zones.get(written.value).is_ok() {
        return Some(Written { value: written.value.to_owned(), span: written.span });
    }
    let names: Vec<String> = zones.available().map(|name| name.as_str().to_owned()).collect();
    let hint = match nearest(written.value, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write the name of a city's zone, such as `Asia/Seoul`, or `UTC`".to_owned(),
    };
    d.error("bad-value", written.span, format!("there is no time zone `{}`", written.value)).hint(hint);
    None
}

const FIELDS: &str = "write minute, hour, day of the month, month, day of the week";

/// Whether the fields are a window; otherwise what is wrong and what to do.
fn check(fields: &[&str]) -> Result<(), (String, &'static str)> {
    let minutes = match fields {
        [_, _, _, _, _] => fields,
        ["*", minutes @ ..] if matches!(minutes.len(), 5 | 6) => minutes,
        [_, rest @ ..] if matches!(rest.len(), 5 | 6) => {
            return Err(("the seconds are not `*`".to_owned(), "of six fields the first are the seconds: write `*`"));
        }
        _ => return Err((format!("five fields are needed, not {}", fields.len()), FIELDS)),
    };
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Optional)
        .alternative_weekdays(fields.len() > 5)
        .build();
    match parser.parse(&format!("0 {}", minutes.join(" "))) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.to_string();
            // The library's words for where it was looking.
            let reason = reason.strip_prefix("Component error: ").unwrap_or(&reason);
            Err((lower_first(reason.trim_end_matches('.')), FIELDS))
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(written: &str) -> String {
        check(&written.split_whitespace().collect::<Vec<_>>()).map_or_else(|(reason, _)| reason, |()| "good".to_owned())
    }

    #[test]
    fn the_form_of_cron_and_the_form_of_codepipeline_are_understood() {
        for good in [
            "* 9-17 * * MON-FRI",
            "*/5 9-17 ? * 1-5",
            "* * 9-17 ? * MON-FRI",
            "* * 9-17 ? * 2-6 *",
            "* */5 9 ? * 1,7 2027",
            "* 0 9 ? * 6#3",
        ] {
            assert_eq!(checked(good), "good", "{good}");
        }
    }

    #[test]
    fn what_a_window_cannot_have_is_told() {
        assert_eq!(checked("0 * 9-17 ? * MON-FRI"), "the seconds are not `*`");
        assert_eq!(checked("9-17"), "five fields are needed, not 1");
        assert_eq!(checked(""), "five fields are needed, not 0");
        assert_ne!(checked("* 25 * * *"), "good");
        assert_ne!(checked("* * * * FUN"), "good");
    }
}
