//! The deployment window rule: open in every minute that its cron expression matches.
//!
//! Two ways to write one are known: the five fields of cron (minute, hour, day of month, month, day of week; Sunday is
//! 0 or 7), and CodePipeline's own six with a year (second, which must be `*`, minute, hour, day of month, month, day
//! of week with Sunday as 1, year).

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{Verdict, shown};

/// Whether a window can be understood, and opens at some time after `now`.
///
/// # Errors
/// What is wrong with it.
pub fn check_window(cron: &str, time_zone: &str, now: Timestamp) -> Result<(), String> {
    let window = Window::read(cron, time_zone)?;
    match window.opens(now) {
        Some(_) => Ok(()),
        None => Err(format!("the window `{cron}` never opens")),
    }
}

pub(super) fn evaluate(cron: &str, time_zone: &str, deadline: Timestamp, now: Timestamp) -> Verdict {
    let window = match Window::read(cron, time_zone) {
        Ok(window) => window,
        Err(why) => return Verdict::Failed { why },
    };
    let end = shown(deadline, &window.zone);
    // Also when it is open by now: whoever was away for the rule's time must not find that there was none.
    if now >= deadline {
        return Verdict::Failed { why: format!("the window `{cron}` ({time_zone}) did not open before {end}") };
    }
    if window.is_open(&window.minute_of(now)) {
        return Verdict::Passed { why: format!("the window `{cron}` ({time_zone}) is open") };
    }
    match window.opens(now) {
        None => Verdict::Failed { why: format!("the window `{cron}` ({time_zone}) never opens") },
        // Waiting for what cannot come in time helps nobody.
        Some(next) if next >= deadline => Verdict::Failed {
            why: format!(
                "the window `{cron}` ({time_zone}) opens at {}, later than the rule may wait (until {end})",
                shown(next, &window.zone)
            ),
        },
        Some(next) => Verdict::Waiting {
            why: format!("the window `{cron}` ({time_zone}) opens at {}", shown(next, &window.zone)),
            until: Some(next),
        },
    }
}

struct Window {
    cron: Cron,
    zone: TimeZone,
}

impl Window {
    fn read(cron: &str, time_zone: &str) -> Result<Self, String> {
        let zone = TimeZone::get(time_zone).map_err(|_| format!("there is no time zone `{time_zone}`"))?;
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let minutes = match fields.as_slice() {
            [_, _, _, _, _] => fields.join(" "),
            ["*", rest @ ..] if rest.len() == 5 || rest.len() == 6 => rest.join(" "),
            [_, rest @ ..] if rest.len() == 5 || rest.len() == 6 => {
                return Err(format!("the window `{cron}` has seconds other than `*`"));
            }
            _ => return Err(format!("the window `{cron}` has {} fields, and not five, six or seven", fields.len())),
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Optional)
            .alternative_weekdays(fields.len() > 5)
            .build();
        let parsed = parser
            .parse(&format!("0 {minutes}"))
            .map_err(|error| format!("the window `{cron}` is no cron expression: {error}"))?;
        Ok(Self { cron: parsed, zone })
    }

    /// The minute of a moment on the window's own clock.
    fn minute_of(&self, at: Timestamp) -> Zoned {
        let minute = Timestamp::from_second(at.as_second() - at.as_second().rem_euclid(60)).unwrap_or(at);
        minute.to_zoned(self.zone.clone())
    }

    fn is_open(&self, minute: &Zoned) -> bool {
        self.cron.is_time_matching(minute).unwrap_or(false)
    }

    /// The next minute after `now` that the window is open in.
    fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let mut minute = self.minute_of(now);
        // Where the clock springs forward, a schedule's minute that does not exist is moved to one that does, and that
        // one need not be in the window: such a day is passed over.
        for _ in 0..8 {
            minute = self.cron.find_next_occurrence(&minute, false).ok()?;
            if self.is_open(&minute) {
                return Some(minute.timestamp());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(cron: &str, zone: &str, now: &str, expected: &str) {
        let now = at(now);
        let deadline = now + jiff::SignedDuration::from_hours(24 * 7);
        let said = match evaluate(cron, zone, deadline, now) {
            Verdict::Passed { .. } => "open".to_owned(),
            Verdict::Waiting { until, .. } => until.unwrap().to_string(),
            Verdict::Failed { why } => why,
        };
        assert_eq!(said, expected, "{cron} at {now}");
    }

    #[test]
    fn a_window_is_open_in_the_minutes_that_match_and_closes_after_them() {
        let office = "* 9-17 * * MON-FRI";
        check(office, "UTC", "2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z");
        check(office, "UTC", "2026-03-02T09:00:00Z", "open");
        check(office, "UTC", "2026-03-02T17:59:59.9Z", "open");
        check(office, "UTC", "2026-03-02T18:00:00Z", "2026-03-03T09:00:00Z");
        check(office, "UTC", "2026-03-06T18:00:00Z", "2026-03-09T09:00:00Z");
    }

    #[test]
    fn a_window_keeps_its_own_clock() {
        check("* 9-17 * * *", "Asia/Seoul", "2026-03-02T00:00:00Z", "open");
        check("* 9-17 * * *", "Asia/Seoul", "2026-03-02T09:00:00Z", "2026-03-03T00:00:00Z");
        // A zone whose offset has a half hour.
        check("0 9 * * *", "Asia/Kolkata", "2026-03-02T00:00:00Z", "2026-03-02T03:30:00Z");
    }

    #[test]
    fn a_window_follows_the_clock_when_it_springs_forward() {
        // In Berlin 02:00 to 03:00 does not exist on 29 March 2026.
        check("* 9 * * *", "Europe/Berlin", "2026-03-28T10:00:00Z", "2026-03-29T07:00:00Z");
        check("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T00:30:00Z");
        check("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    }

    #[test]
    fn a_window_is_open_twice_when_the_clock_falls_back_over_it() {
        // In Berlin 02:30 comes twice on 25 October 2026.
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "open");
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "open");
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T01:31:00Z", "2026-10-26T01:30:00Z");
    }

    #[test]
    fn codepipelines_own_way_to_write_a_window_is_understood() {
        // Monday is 2 there, and 1 in cron. 2026-03-02 is a Monday.
        check("* * 9 ? * 2 *", "UTC", "2026-03-02T09:10:00Z", "open");
        check("* * 9 ? * MON-FRI", "UTC", "2026-03-02T09:10:00Z", "open");
        check("* 9 * * 1", "UTC", "2026-03-02T09:10:00Z", "open");
        check("* 0 9 1 JAN ? 2027", "UTC", "2026-12-31T09:10:00Z", "2027-01-01T09:00:00Z");
        check("0 0 9 ? * 2", "UTC", "2026-03-02T09:10:00Z", "the window `0 0 9 ? * 2` has seconds other than `*`");
    }

    #[test]
    fn either_day_opens_a_window_that_names_both() {
        // 2026-03-13 is a Friday, and so is 2026-03-06.
        check("* 9 13 * FRI", "UTC", "2026-03-06T09:00:00Z", "open");
        check("* 9 13 * FRI", "UTC", "2026-03-07T00:00:00Z", "2026-03-13T09:00:00Z");
        check("* 9 10 * FRI", "UTC", "2026-03-07T00:00:00Z", "2026-03-10T09:00:00Z");
    }

    #[test]
    fn what_cannot_open_is_refused() {
        let now = at("2026-03-02T00:00:00Z");
        for (cron, zone, why) in [
            ("* * *", "UTC", "the window `* * *` has 3 fields, and not five, six or seven"),
            ("* 9 * * *", "Mars/Olympus", "there is no time zone `Mars/Olympus`"),
            ("* 9 30 2 *", "UTC", "the window `* 9 30 2 *` never opens"),
            ("* * 9 ? * MON 2025", "UTC", "the window `* * 9 ? * MON 2025` never opens"),
        ] {
            assert_eq!(check_window(cron, zone, now), Err(why.to_owned()));
        }
        assert!(check_window("* 25 * * *", "UTC", now).unwrap_err().contains("is no cron expression"));
        assert_eq!(check_window("* 9-17 * * MON-FRI", "Asia/Seoul", now), Ok(()));
        assert_eq!(check_window("0 0 29 2 *", "UTC", now), Ok(()));
    }

    #[test]
    fn a_rule_does_not_wait_for_a_window_that_opens_too_late() {
        let now = at("2026-03-02T10:00:00Z");
        let said = evaluate("0 9 * * *", "UTC", at("2026-03-02T12:00:00Z"), now);
        let why = "the window `0 9 * * *` (UTC) opens at 2026-03-03 09:00 UTC, later than the rule may wait (until 2026-03-02 12:00 UTC)";
        assert_eq!(said, Verdict::Failed { why: why.to_owned() });
        for cron in ["* 9 * * *", "* 10 * * *"] {
            let said = evaluate(cron, "UTC", now, now);
            assert!(
                matches!(said, Verdict::Failed { ref why } if why.ends_with("did not open before 2026-03-02 10:00 UTC"))
            );
        }
    }
}
