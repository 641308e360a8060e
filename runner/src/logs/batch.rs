//! Bytes of a log as events, within the limits of CloudWatch Logs (API reference, `PutLogEvents`). Pure.

#[cfg(test)]
mod tests;

use super::LogEvent;

/// What an event costs besides its text, in bytes.
const OVERHEAD: usize = 26;
/// How far the last event's time may be ahead of the clock. CloudWatch Logs takes nothing that is two hours ahead.
const AHEAD: i64 = 60 * 60 * 1000;

/// How much goes into one call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events in a batch.
    pub events: usize,
    /// Bytes in a batch: the texts in UTF-8, and 26 for each event.
    pub bytes: usize,
    /// Bytes of one event, its 26 included. At least 30, so that every character fits.
    pub event_bytes: usize,
}

impl Limits {
    /// Those of CloudWatch Logs. Its "1 MB" for an event is read as a million bytes, the smaller of the two readings.
    pub const CLOUDWATCH: Self = Self { events: 10_000, bytes: 1_048_576, event_bytes: 1_000_000 };
}

/// What is done with a last line that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It waits for its end.
    Held,
    /// It has waited for long enough: it goes, but for half a character.
    Due,
    /// Nothing follows: all of it goes.
    Last,
}

/// Events, and what of the bytes is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The events, all of one time.
    pub events: Vec<LogEvent>,
    /// How many bytes are in them.
    pub consumed: usize,
    /// Whether the next byte goes on with a line of which a part is sent.
    pub mid_line: bool,
    /// Whether a limit ended it: there is more to send at once.
    pub full: bool,
}

/// The first batch of the bytes.
///
/// Each line is an event; an empty one is a space, because an event has a text. A line that is longer than an event is
/// cut between characters. What is no UTF-8 is replaced.
#[must_use]
pub fn batch(bytes: &[u8], mid_line: bool, time: i64, rest: Rest, limits: &Limits) -> Batch {
    let mut batch = Batch { events: Vec::new(), consumed: 0, mid_line, full: false };
    let mut size = 0;
    while batch.consumed < bytes.len() {
        let left = &bytes[batch.consumed..];
        let newline = memchr::memchr(b'\n', left);
        let line = &left[..newline.unwrap_or(left.len())];
        let (mut text, mut taken) = text(line, limits.event_bytes - OVERHEAD);
        if newline.is_none() && taken == line.len() {
            match rest {
                Rest::Held => break,
                Rest::Due => (text, taken) = self::text(&line[..whole_characters(line)], limits.event_bytes - OVERHEAD),
                Rest::Last => {}
            }
            if taken == 0 {
                break;
            }
        }
        let ended = newline.is_some() && taken == line.len();
        let goes_on = taken == 0 && batch.mid_line;
        if !goes_on {
            if text.is_empty() {
                text.push(' ');
            }
            let cost = text.len() + OVERHEAD;
            if batch.events.len() == limits.events || size + cost > limits.bytes {
                batch.full = true;
                break;
            }
            size += cost;
            batch.events.push(LogEvent { time, text });
        }
        batch.consumed += taken + usize::from(ended);
        batch.mid_line = !ended;
    }
    batch
}

/// The time of events that are read now, after those of `last`: never before them, as long as the clock was not set
/// back by more than an hour.
#[must_use]
pub fn time(now: i64, last: i64) -> i64 {
    if last.saturating_sub(now) > AHEAD { now } else { now.max(last) }
}

/// As much of the line as fits, and how many of its bytes that is.
fn text(line: &[u8], limit: usize) -> (String, usize) {
    if line.len() <= limit
        && let Ok(text) = std::str::from_utf8(line)
    {
        return (text.to_owned(), line.len());
    }
    let (mut text, mut taken) = (String::new(), 0);
    for chunk in line.utf8_chunks() {
        let end = chunk.valid().floor_char_boundary(limit - text.len());
        text.push_str(&chunk.valid()[..end]);
        taken += end;
        if end < chunk.valid().len() {
            break;
        }
        if !chunk.invalid().is_empty() {
            if text.len() + char::REPLACEMENT_CHARACTER.len_utf8() > limit {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            taken += chunk.invalid().len();
        }
    }
    (text, taken)
}

/// The length without a last character of which only the beginning is there.
fn whole_characters(line: &[u8]) -> usize {
    // A character has at most four bytes.
    let from = line.len().saturating_sub(3);
    (from..line.len())
        .find(|at| matches!(std::str::from_utf8(&line[*at..]), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none()))
        .unwrap_or(line.len())
}
