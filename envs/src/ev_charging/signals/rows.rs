//! Rows that hold from one instant to the next, as tables have them.

use crate::ev_charging::reading::Flaws;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a signal is between two rows of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Between {
    /// That of the row before, as prices are.
    Hold,
    /// On the straight line from one to the next, as measured at an instant.
    Interpolate,
    /// That of the row before, averaged over the step, as power over longer steps is.
    Mean,
}

/// Rows by time, seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    width: usize,
    times: Vec<i64>,
    /// Where each row is: file and line.
    places: Vec<(u32, u64)>,
    values: Vec<f32>,
    /// The first value of each, not rounded.
    exact: Vec<f64>,
    /// File and time of the row that was added, or agreed, last.
    above: Option<(u32, i64)>,
}

/// More rows than this are not kept in memory.
const MOST_ROWS: usize = 4_000_000;

/// A place that a row after the last one has.
const NO_PLACE: (u32, u64) = (0, 0);

impl Rows {
    pub(super) fn new(width: usize) -> Self {
        Rows { width, times: Vec::new(), places: Vec::new(), values: Vec::new(), exact: Vec::new(), above: None }
    }

    /// Adds a row. Files come in order and may overlap where they agree.
    pub(super) fn add(&mut self, at: Timestamp, (file, line): (u32, u64), values: &[f64], flaws: &mut Flaws) {
        let time = at.as_second();
        let above = self.above.filter(|(above, _)| *above == file).map(|(_, time)| time);
        self.above = Some((file, time));
        let (found, help) = match (above, self.times.binary_search(&time)) {
            _ if at.subsec_nanosecond() != 0 => (format!("{at} is within a second"), "whole seconds would do"),
            _ if self.len() >= MOST_ROWS => (format!("has more than {MOST_ROWS} rows"), "split it"),
            (Some(above), _) if above == time => (format!("{at} is there twice"), "times ascend from row to row"),
            (Some(above), _) if above > time => {
                (format!("{at} is before the row above"), "times ascend from row to row")
            }
            (_, Err(index)) if index == self.len() => {
                self.times.push(time);
                self.places.push((file, line));
                self.values.extend(values.iter().map(|value| *value as f32));
                self.exact.push(values[0]);
                return;
            }
            (_, Ok(index)) if self.same(index, values) => return,
            (_, Ok(_)) => (format!("{at} has other values in a file before"), "files may overlap where they agree"),
            (_, Err(_)) => (format!("{at} is before rows of a file before"), "name the files in order of time"),
        };
        flaws.add(&format!("line {line}"), found, help);
    }

    fn same(&self, index: usize, values: &[f64]) -> bool {
        self.exact[index] == values[0]
            && self.values(index).iter().zip(values).all(|(known, value)| *known == *value as f32)
    }

    /// Values of a row.
    pub(super) fn values(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The exact first value of a row.
    pub(super) fn exact(&self, index: usize) -> f64 {
        self.exact[index]
    }

    /// Time of a row.
    pub(super) fn time(&self, index: usize) -> i64 {
        self.times[index]
    }

    /// Rows.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The shortest time from one row to the next.
    fn spacing(&self) -> i64 {
        self.times.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(i64::MAX)
    }

    /// The row that holds at an instant; rows from there on hold up to `longest` seconds, or as long as the rows of the
    /// table are apart.
    pub(super) fn holding(&self, time: i64, longest: Option<i64>) -> Result<usize, Gap> {
        let after = self.times.partition_point(|row| *row <= time);
        let Some(index) = after.checked_sub(1) else {
            return Err(Gap { from: None, to: self.times.first().copied(), place: NO_PLACE });
        };
        let lasts = longest.unwrap_or_else(|| self.spacing());
        let next = self.times.get(after).copied();
        let until = self.times[index].saturating_add(lasts);
        // A gap is one wherever in it the instant lies, so that what is refused does not depend on the step.
        if next.is_some_and(|next| next > until) || (next.is_none() && time >= until) {
            return Err(Gap { from: Some(self.times[index]), to: next, place: self.places[index] });
        }
        Ok(index)
    }
}

/// Where rows are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    from: Option<i64>,
    to: Option<i64>,
    place: (u32, u64),
}

impl Gap {
    /// Says it once per gap.
    pub(super) fn tell(self, at: i64, files: &[String], longest: Option<i64>, flaws: &mut Option<Flaws>) {
        let instant = |second| Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string());
        let needed = instant(at);
        let (place, found) = match (self.from, self.to) {
            (None, None) => (String::new(), "has no rows".to_owned()),
            (None, Some(to)) => (String::new(), format!("begins at {} although {needed} is needed", instant(to))),
            (Some(from), None) => {
                (format!("line {}", self.place.1), format!("ends at {} although {needed} is needed", instant(from)))
            }
            (Some(from), Some(to)) => {
                let found =
                    format!("rows are missing between {} and {}; {needed} is needed", instant(from), instant(to));
                (format!("line {}", self.place.1), found)
            }
        };
        let help = match longest {
            Some(longest) => format!("rows may be {} minutes apart", longest / 60),
            None => "all rows equally far apart would do, or `longest_gap_minutes`".to_owned(),
        };
        let file = files.get(self.place.0 as usize).map_or("", String::as_str);
        flaws.get_or_insert_with(|| Flaws::none(file)).add(&place, found, &help);
    }
}
