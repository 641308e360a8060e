//! Durations, sizes and cores as people write them: `90s`, `1h30m`, `2GiB`, `500m`.

/// Why a text is no quantity: one sentence, lower case, no period; and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuantity {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: &'static str,
}

const DURATION_HINT: &str = "write a number and a unit: `90s`, `30m`, `24h`, `7d`, `1h30m`";
const SIZE_HINT: &str = "write a number and a unit: `512MiB`, `2GiB`, `2GB`";
const CORES_HINT: &str = "write cores (`2`, `0.5`) or thousandths of a core (`500m`)";

/// The units of durations, in seconds.
const DURATIONS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

/// The units of sizes, in bytes; compared without regard to case.
const SIZES: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];

/// The longest duration: a year. What is longer is a slip of the pen.
const YEAR: u64 = 366 * 86_400;

/// Seconds, at least one and at most a year.
///
/// # Errors
/// [`BadQuantity`] with what to write.
pub fn duration(text: &str) -> Result<u64, BadQuantity> {
    let bad = |message: String| BadQuantity { message, hint: DURATION_HINT };
    let mut rest = text.trim();
    let mut total = 0_u64;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let factor = DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let (Ok(number), Some(factor)) = (number.parse::<u64>(), factor) else {
            return Err(bad(format!("`{text}` is not a duration")));
        };
        if factor >= last_unit {
            return Err(bad(format!("`{text}` is not a duration: units go from large to small, each once")));
        }
        last_unit = factor;
        total = total.saturating_add(number.saturating_mul(factor));
        rest = after;
    }
    match total {
        0 => Err(bad(format!("`{text}` is not a duration that something can take"))),
        1..=YEAR => Ok(total),
        _ => Err(bad(format!("`{text}` is more than a year"))),
    }
}

/// Bytes, at least one.
///
/// # Errors
/// [`BadQuantity`] with what to write.
pub fn size(text: &str) -> Result<u64, BadQuantity> {
    let bad = || BadQuantity { message: format!("`{text}` is not a size"), hint: SIZE_HINT };
    let (number, unit) = split_number(text.trim());
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(bad)?;
    scaled(number, factor).filter(|bytes| *bytes > 0).ok_or_else(bad)
}

/// Thousandths of a core, at least one.
///
/// # Errors
/// [`BadQuantity`] with what to write.
pub fn cores(text: &str) -> Result<u64, BadQuantity> {
    let bad = || BadQuantity { message: format!("`{text}` is not a number of cores"), hint: CORES_HINT };
    let millis = match split_number(text.trim()) {
        (number, "") => scaled(number, 1000),
        (number, "m") => number.parse().ok(),
        _ => None,
    };
    millis.filter(|millis| (1..=1_000_000).contains(millis)).ok_or_else(bad)
}

/// A duration as a person would write it: `1h30m`. [`duration`] reads it back.
#[must_use]
pub fn duration_text(seconds: u64) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, factor) in DURATIONS.iter().rev() {
        // Hours go on to count where days would need two units: `36h` reads better than `1d12h`.
        if *unit == "d" && !rest.is_multiple_of(*factor) {
            continue;
        }
        if rest >= *factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A size in the largest binary unit that leaves no fraction: `512MiB`. [`size`] reads it back.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |(_, shift): &&(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match units.iter().find(fits) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

/// Cores: `2`, or `500m`. [`cores`] reads it back.
#[must_use]
pub fn cores_text(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

/// The decimal number that the text starts with, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    text.split_at(digits)
}

/// A decimal number with up to nine places times a factor, exact; `None` when it is none or does not fit.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || places.len() > 9 || (number.contains('.') && places.is_empty()) {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(u128::from(factor))?;
    let part = if places.is_empty() { 0 } else { places.parse::<u128>().ok()? };
    let part = part * u128::from(factor) / 10_u128.pow(u32::try_from(places.len()).ok()?);
    u64::try_from(whole.checked_add(part)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("1h30m", 5400)] {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for text in ["", "90", "m", "0s", "1.5h", "-1s", "1h1h", "1m1h", "1y", "400d", "99999999999999999999d", "5 m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary_or_decimal() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("2GiB", 2 << 30), ("2GB", 2_000_000_000), ("1.5 gib", 3 << 29), ("10B", 10)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "512", "2G", "0MiB", ".5GiB", "1.GiB", "-1MB", "99999999999999TiB", "1.0000000001GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cores_are_whole_decimal_or_thousandths() {
        for (text, millis) in [("2", 2000), ("0.5", 500), ("500m", 500), ("1.25", 1250)] {
            assert_eq!(cores(text), Ok(millis), "{text}");
        }
        for text in ["", "0", "0.0001", "two", "2 cores", "5000000", "1.2.3", "0.5m"] {
            assert!(cores(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for seconds in [1, 59, 60, 90, 3600, 5400, 86_400, 129_600, 604_800, 3661] {
            assert_eq!(duration(&duration_text(seconds)), Ok(seconds));
        }
        assert_eq!(duration_text(129_600), "36h");
        assert_eq!(duration_text(604_800), "7d");
        for bytes in [1, 1000, 1 << 20, 3 << 29, 1 << 40] {
            assert_eq!(size(&size_text(bytes)), Ok(bytes));
        }
        for millis in [1, 500, 1000, 2500] {
            assert_eq!(cores(&cores_text(millis)), Ok(millis));
        }
    }
}
