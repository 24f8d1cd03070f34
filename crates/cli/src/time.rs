//! Times as users write them and read them: with a zone, or in the local one.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime};

/// Now, in ms since 1970; before that, 0.
pub fn now_ms() -> u64 {
    not_negative(Timestamp::now().as_millisecond())
}

/// A time in ms since 1970 as RFC 3339; as a bare number where no calendar has it.
pub fn format_time(time_ms: u64) -> String {
    iso(time_ms).unwrap_or_else(|| time_ms.to_string())
}

/// A time in ms since 1970 as RFC 3339, in UTC. It has no form beyond the year 9999.
pub fn iso(time_ms: u64) -> Option<String> {
    let since = SignedDuration::from_millis(i64::try_from(time_ms).ok()?);
    Some(format!("{:.3}Z", epoch().checked_add(since).ok()?))
}

/// How long something takes, such as `30s` or `1h 30m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| "it must not be less than nothing".to_owned())
}

/// How often something is done: a duration, or a number of seconds. Without a pause it would be done
/// over and over.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match parse_duration(&if plain { format!("{text}s") } else { text.to_owned() }) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        parsed => parsed,
    }
}

/// The same for a message.
pub fn format_duration(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| "forever".to_owned(), |d| format!("{d:#}"))
}

/// When it was so long ago, in ms since 1970; `None` if the text is no duration. A day ago is the
/// same time of yesterday, by the local clock.
pub fn parse_ago(text: &str) -> Option<u64> {
    let ago: Span = text.parse().ok().filter(|ago: &Span| !ago.is_negative())?;
    let then = ZonedDateTime::now().checked_sub(ago);
    // What is longer ago than any calendar goes is before all else.
    Some(then.map_or(0, |then| not_negative(then.timestamp().as_millisecond())))
}

/// A time of ISO 8601 in ms since 1970: a date, a time of today, or date and time of day with `T` or
/// a space between them. With `Z`, an offset such as `+02:00`, the name of a zone such as
/// `[Europe/Berlin]`, or no zone, which is local time.
pub fn parse_time(text: &str) -> Option<u64> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        let since = utc.parse::<DateTime>().ok()?.duration_since(epoch());
        return u64::try_from(since.as_millis()).ok();
    }
    let instant = if text.ends_with(']') {
        text.parse::<ZonedDateTime>().ok()?.timestamp()
    } else if let Ok(instant) = text.parse::<Timestamp>() {
        instant
    } else if has_offset(text) {
        return None;
    } else {
        local(text)?.to_zoned_datetime(TimeZone::system()).ok()?.timestamp()
    };
    u64::try_from(instant.as_millisecond()).ok()
}

/// A time without a zone. What has only hours is more often a mistake.
fn local(text: &str) -> Option<DateTime> {
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "2026-01-31".len()
    {
        return Some(day.to_datetime(Time::midnight()));
    }
    if !text.contains(':') {
        return None;
    }
    if let Ok(time) = text.parse::<Time>()
        && !text.contains('-')
    {
        return Some(ZonedDateTime::now().date().to_datetime(time));
    }
    text.parse().ok()
}

/// Whether a sign stands behind the date: jiff would pass over an offset that cannot be.
fn has_offset(text: &str) -> bool {
    text.rfind(['+', '-']).is_some_and(|at| at >= "2026-01-31".len())
}

fn epoch() -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0)
}

fn not_negative(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_written_as_long_as_there_is_a_calendar() {
        assert_eq!(format_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format_time(1_769_860_800_250), "2026-01-31T12:00:00.250Z");
        assert_eq!(format_time(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(format_time(253_402_300_800_000), "253402300800000");
        assert_eq!(format_time(u64::MAX), u64::MAX.to_string());
        assert_eq!(parse_time("9999-12-31T23:59:59.999Z"), Some(253_402_300_799_999));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(format_duration(Duration::from_secs(5400)), "1h 30m");
        for text in ["", "5", "-5s", "5 apples"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
