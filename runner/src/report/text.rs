//! Small texts that every output shares.

use jiff::SignedDuration;

/// A duration as people read it: `0.4s`, `12.3s`, `4m 05s`, `2h 03m`.
#[must_use]
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs_f64().max(0.0);
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = duration.as_secs();
    if whole < 3600 {
        format!("{}m {:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h {:02}m", whole / 3600, whole % 3600 / 60)
    }
}

/// A number of bytes as people read it: `512 B`, `1.5 KiB`, `20.0 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

/// The first line of a text, cut to so many characters with an ellipsis.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let more = lines.next().is_some();
    if first.chars().count() <= most && !more {
        return first.to_owned();
    }
    let cut: String = first.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_unit_that_fits() {
        let of = |seconds: f64| duration(SignedDuration::from_secs_f64(seconds));
        assert_eq!([of(0.41), of(12.34), of(245.0), of(7380.0)], ["0.4s", "12.3s", "4m 05s", "2h 03m"]);
        assert_eq!(
            [bytes(512), bytes(1536), bytes(20 << 20), bytes(3 << 40)],
            ["512 B", "1.5 KiB", "20.0 MiB", "3.0 TiB"]
        );
        assert_eq!(one_line("echo a\necho b", 20), "echo a…");
        assert_eq!(one_line("0123456789", 5), "0123…");
    }
}
