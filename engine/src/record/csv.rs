//! `metrics.csv` and `timing.csv`: one row per iteration.

use super::entry::Entry;
use std::fmt::Write;

/// The columns that every row has.
pub(super) const FIXED: [&str; 3] = ["iteration", "steps", "state_hash"];

/// The first line.
pub(super) fn header(names: &[String]) -> String {
    let mut line = FIXED.join(",");
    for name in names {
        line.push(',');
        push_field(&mut line, name);
    }
    line.push('\n');
    line
}

/// A field in quotes where it needs them, RFC 4180.
fn push_field(line: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&field.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(field);
    }
}

/// An iteration, with an empty cell where it has no value. Numbers read back to the same bits.
pub(super) fn push_row(text: &mut String, entry: &Entry, columns: usize) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{},{},{:016x}", entry.number, entry.steps, entry.state_hash);
    for column in 0..columns {
        text.push(',');
        if let Some(value) = entry.values.get(column).copied().flatten() {
            let _ = write!(text, "{value:?}");
        }
    }
    text.push('\n');
}

/// The fields of all whole lines; a last line without its end is left out.
pub(super) fn lines(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut fields));
            }
            '\r' if !quoted => {}
            other => field.push(other),
        }
    }
    lines
}
