//! Numbers as they are written: digits without a leading zero.

/// Longer ones are no number of ours.
const MOST_DIGITS: usize = 11;

/// The value of a numeral.
pub(super) fn natural(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let written = (1..=MOST_DIGITS).contains(&text.len()) && digits && (text.len() == 1 || !text.starts_with('0'));
    written.then(|| text.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// The value of a numeral that may have a minus before it; `-0` is none.
pub(super) fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(text) => natural(text).filter(|&value| value != 0).map(|value| -(value as i64)),
        None => natural(text).map(|value| value as i64),
    }
}
