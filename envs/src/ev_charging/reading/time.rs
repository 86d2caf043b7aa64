//! Instants as files write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoInstant {
    /// It is no time at all.
    Unreadable,
    /// Local clocks show it twice, on the day when they are put back.
    Twice,
    /// Local clocks skip it, on the day when they are put forward.
    Skipped,
}

/// What would be an instant.
pub(crate) const HELP: &str = "a time such as 2019-05-01 15:52:36-07:00, or without its offset in local time, would do";

impl NoInstant {
    /// What is wrong with the text.
    pub(crate) fn message(self, text: &str, zone: &TimeZone) -> String {
        let text = super::table::shorten(text);
        let zone = zone.iana_name().unwrap_or("this time zone");
        match self {
            NoInstant::Unreadable => format!("found {text:?}"),
            NoInstant::Twice => format!("{text} happens twice in {zone}"),
            NoInstant::Skipped => format!("{text} does not happen in {zone}"),
        }
    }
}

/// The instant of a text with an offset, or of a local time in `zone`.
pub(crate) fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, NoInstant> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    // A bare date is not a time: whose midnight would it be?
    let civil = text.parse::<DateTime>().ok().filter(|_| text.contains(':')).ok_or(NoInstant::Unreadable)?;
    local(civil, zone)
}

/// The instant at which local clocks show `civil`.
pub(crate) fn local(civil: DateTime, zone: &TimeZone) -> Result<Timestamp, NoInstant> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().map_err(|_| NoInstant::Unreadable),
        AmbiguousOffset::Gap { .. } => Err(NoInstant::Skipped),
        AmbiguousOffset::Fold { .. } => Err(NoInstant::Twice),
    }
}

/// The instant of a text such as `Wed, 25 Apr 2018 11:08:04 GMT` (RFC 1123).
pub(crate) fn http_date(text: &str) -> Result<Timestamp, NoInstant> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text).map_err(|_| NoInstant::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_their_offsets() {
        let pacific = TimeZone::get("America/Los_Angeles").unwrap();
        let at = |text: &str| instant(text, &pacific).map(|at| at.to_string());
        let expected = Ok("2019-05-01T08:18:45Z".to_owned());
        for text in ["2019-05-01 01:18:45-07:00", "2019-05-01T08:18:45Z", "2019-05-01T01:18:45", "2019-05-01 01:18:45"]
        {
            assert_eq!(at(text), expected, "{text}");
        }
        assert_eq!(at("2019-12-01 01:18"), Ok("2019-12-01T09:18:00Z".to_owned()));
        assert_eq!(http_date("Wed, 01 May 2019 08:18:45 GMT").map(|at| at.to_string()), expected);
        for text in ["", "2019-05-01", "yesterday", "2019-02-29 10:00", "2019-05-01 25:00", "1556698725", "NaN"] {
            assert_eq!(at(text), Err(NoInstant::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_local_time_that_happens_twice_or_never_is_no_instant() {
        let pacific = TimeZone::get("America/Los_Angeles").unwrap();
        assert_eq!(instant("2019-03-10 02:30", &pacific), Err(NoInstant::Skipped));
        assert_eq!(instant("2019-11-03 01:30", &pacific), Err(NoInstant::Twice));
        assert!(instant("2019-11-03 01:30-08:00", &pacific).is_ok());
    }
}
