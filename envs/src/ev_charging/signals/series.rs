//! Signals with one number per step: prices, PV, base load, limits.

use super::rows::{Between, Gap, Rows};
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::reading::table::{Others, Table};
use crate::ev_charging::reading::{self, Flaws, time};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// One number for every step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Series {
    /// The same at all times, in the unit that the signal is in.
    Constant(Finite),
    /// One number for each step of an episode, the same in every episode.
    Steps(Vec<Finite>),
    /// A column of a table with a header, whose rows ascend in time.
    Table {
        /// The file, relative to the scenario's folder. Compressed files (gzip) are unpacked.
        file: String,
        /// The column of times: with offsets, or in the calendar's time zone.
        #[serde(default = "time_column")]
        time: String,
        /// The column of numbers.
        column: String,
        /// What they are in.
        unit: Unit,
        /// What the signal is between two rows.
        between: Between,
        /// How far rows may be apart. Where it is not given: as far as the closest two are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_gap_minutes: Option<NonZeroU32>,
    },
    /// What a table has read: numbers of every episode.
    Read(Vec<Vec<f64>>),
}

fn time_column() -> String {
    "time".to_owned()
}

/// What the numbers of a table are in. Files do not say, so scenarios do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Money per kWh.
    PerKwh,
    /// Money per MWh.
    PerMwh,
    /// W.
    W,
    /// kW.
    Kw,
    /// MW.
    Mw,
    /// kW per kW of installed peak power, or any other share.
    Share,
    /// Percent of such.
    Percent,
    /// kg CO2 per kWh.
    KgPerKwh,
    /// g CO2 per kWh.
    GPerKwh,
    /// Pounds of CO2 per MWh.
    LbPerMwh,
}

/// What kind of number a signal is, and what simulations have it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Money per kWh.
    Price,
    /// kW.
    Power,
    /// A share of 1.
    Share,
    /// kg CO2 per kWh.
    Carbon,
}

impl Unit {
    /// What it measures, and how much of the simulation's unit it is.
    fn meaning(self) -> (Kind, f64) {
        match self {
            Unit::PerKwh => (Kind::Price, 1.0),
            Unit::PerMwh => (Kind::Price, 1e-3),
            Unit::W => (Kind::Power, 1e-3),
            Unit::Kw => (Kind::Power, 1.0),
            Unit::Mw => (Kind::Power, 1e3),
            Unit::Share => (Kind::Share, 1.0),
            Unit::Percent => (Kind::Share, 1e-2),
            Unit::KgPerKwh => (Kind::Carbon, 1.0),
            Unit::GPerKwh => (Kind::Carbon, 1e-3),
            Unit::LbPerMwh => (Kind::Carbon, 0.453_592_37e-3),
        }
    }
}

impl Kind {
    fn units(self) -> &'static str {
        match self {
            Kind::Price => "PerKwh or PerMwh",
            Kind::Power => "W, Kw or Mw",
            Kind::Share => "Share or Percent",
            Kind::Carbon => "KgPerKwh, GPerKwh or LbPerMwh",
        }
    }
}

impl Series {
    /// Reads the table that it names into the unit of its kind.
    pub fn resolve(&mut self, folder: &Path, clock: &Clock, kind: Kind) -> Result<(), Problem> {
        let Series::Table { file, time, column, unit, between, longest_gap_minutes } = self else { return Ok(()) };
        let (of, factor) = unit.meaning();
        if of != kind {
            let found = format!("{unit:?} is no unit of it");
            return Err(Problem::at("Table.unit", found).help(format!("{} would do", kind.units())));
        }
        let longest = longest_gap_minutes.map(|minutes| i64::from(minutes.get()) * 60);
        let wrong = |flaws: Flaws| flaws.problem("Table.file");
        let rows = read(folder, file, [time, column], clock).map_err(wrong)?;
        let mut read = sample(&rows, *between, longest, clock, file).map_err(wrong)?;
        read.iter_mut().flatten().for_each(|value| *value *= factor);
        *self = Series::Read(read);
        Ok(())
    }

    /// Everything that its types could not refuse.
    pub fn check(&self, clock: &Clock) -> Vec<Problem> {
        let steps = clock.steps() as usize;
        let wrong = |name: &str, found: String, help: String| vec![Problem::at(name, found).help(help)];
        match self {
            Series::Constant(_) => Vec::new(),
            Series::Steps(values) if values.len() == steps => Vec::new(),
            Series::Steps(values) => wrong(
                "Steps",
                format!("{} numbers for {steps} steps", values.len()),
                "one per step would do".to_owned(),
            ),
            Series::Table { file, .. } => vec![Problem::at("Table.file", format!("{file} has not been read"))],
            Series::Read(rows) => {
                let whole = rows.len() == clock.episodes() && rows.iter().all(|row| row.len() == steps);
                let finite = rows.iter().flatten().all(|value| value.is_finite());
                if whole && finite {
                    return Vec::new();
                }
                let help = format!("{} lists of {steps} finite numbers would do", clock.episodes());
                wrong("Read", "is not one finite number for every step of every episode".to_owned(), help)
            }
        }
    }

    /// The numbers of all steps, `[episodes, steps]`. Resolved and checked before.
    pub fn values(&self, clock: &Clock) -> Vec<f64> {
        let (episodes, steps) = (clock.episodes(), clock.steps() as usize);
        match self {
            Series::Constant(value) => vec![value.get(); episodes * steps],
            Series::Steps(values) => (0..episodes).flat_map(|_| values.iter().map(|value| value.get())).collect(),
            Series::Read(rows) => rows.iter().flatten().copied().collect(),
            Series::Table { .. } => unreachable!("`check` refuses a table that has not been read"),
        }
    }
}

fn read(folder: &Path, file: &str, columns: [&str; 2], clock: &Clock) -> Result<Rows, Flaws> {
    let from = reading::open(&folder.join(file), file)?;
    let mut table = Table::open_any(from, file, &columns.map(|column| (column, true)), Others::Ignored)?;
    let mut flaws = Flaws::none(file);
    let mut rows = Rows::new(1);
    while let Some(row) = table.next(&mut flaws) {
        let value = row.number(1, &mut flaws);
        let Some(text) = row.text(0, &mut flaws) else { continue };
        match (time::instant(text, clock.zone()), value) {
            (Ok(instant), Some(value)) => rows.add(instant, (0, row.line), &[value], &mut flaws),
            (Ok(_), None) => {}
            (Err(why), _) => row.flaw(0, why.message(text, clock.zone()), time::HELP, &mut flaws),
        }
    }
    flaws.or(rows)
}

fn sample(
    rows: &Rows,
    between: Between,
    longest: Option<i64>,
    clock: &Clock,
    file: &str,
) -> Result<Vec<Vec<f64>>, Flaws> {
    let mut flaws = None;
    let mut told: Vec<Gap> = Vec::new();
    let mut value = |episode: usize, step: u32| {
        let time = clock.instant(episode, step).as_second();
        let value = match between {
            Between::Hold => rows.holding(time, longest).map(|index| rows.exact(index)),
            Between::Interpolate => interpolate(rows, time, longest),
            Between::Mean => mean(rows, time, clock.step_seconds(), longest),
        };
        value.unwrap_or_else(|gap| {
            if !told.contains(&gap) {
                told.push(gap);
                gap.tell(time, &[file.to_owned()], longest, &mut flaws);
            }
            0.0
        })
    };
    let mut episode = |episode| (0..clock.steps()).map(|step| value(episode, step)).collect();
    let read = (0..clock.episodes()).map(&mut episode).collect();
    flaws.map_or(Ok(read), Err)
}

fn interpolate(rows: &Rows, time: i64, longest: Option<i64>) -> Result<f64, Gap> {
    let index = rows.holding(time, longest)?;
    let (from, value) = (rows.time(index), rows.exact(index));
    // The last row has nothing to go on to; it holds.
    if time == from || index + 1 == rows.len() {
        return Ok(value);
    }
    let along = (time - from) as f64 / (rows.time(index + 1) - from) as f64;
    Ok(value + along * (rows.exact(index + 1) - value))
}

fn mean(rows: &Rows, time: i64, seconds: i64, longest: Option<i64>) -> Result<f64, Gap> {
    let (mut at, end, mut sum) = (time, time + seconds, 0.0);
    while at < end {
        let index = rows.holding(at, longest)?;
        let until = if index + 1 < rows.len() { rows.time(index + 1).min(end) } else { end };
        // The last row holds as long as any, and no longer.
        rows.holding(until - 1, longest)?;
        sum += rows.exact(index) * (until - at) as f64;
        at = until;
    }
    Ok(sum / seconds as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ev_charging::calendar::clock;

    fn hours(first: u32, values: &[f64]) -> String {
        let mut text = "time,price,other\n".to_owned();
        for (hour, value) in (first..).zip(values) {
            text.push_str(&format!("2019-05-{:02}T{:02}:00Z,{value},x\n", 1 + hour / 24, hour % 24));
        }
        text
    }

    fn table(between: Between, gap: Option<u32>) -> Series {
        Series::Table {
            file: "t.csv".to_owned(),
            time: "time".to_owned(),
            column: "price".to_owned(),
            unit: Unit::PerMwh,
            between,
            longest_gap_minutes: gap.and_then(NonZeroU32::new),
        }
    }

    fn read(text: &str, mut series: Series, clock: &Clock) -> Result<Vec<f64>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.csv"), text).unwrap();
        assert_eq!(series.check(clock).len(), 1, "not read yet");
        series.resolve(folder.path(), clock, Kind::Price).map_err(|problem| problem.to_string())?;
        assert_eq!(series.check(clock), []);
        let again: Series = ron::from_str(&ron::to_string(&series).unwrap()).unwrap();
        assert_eq!(again, series);
        Ok(series.values(clock))
    }

    #[test]
    fn rows_hold_are_joined_or_averaged() {
        let text = hours(0, &[10.0, 20.0, 40.0, 0.0]);
        let quarters = clock("UTC", "2019-05-01", 1, 1, 30, 6);
        let near = |found: Vec<f64>, expected: [f64; 6]| {
            assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
        };
        near(read(&text, table(Between::Hold, None), &quarters).unwrap(), [0.01, 0.01, 0.02, 0.02, 0.04, 0.04]);
        near(read(&text, table(Between::Interpolate, None), &quarters).unwrap(), [0.01, 0.015, 0.02, 0.03, 0.04, 0.02]);
        let long = clock("UTC", "2019-05-01", 1, 1, 90, 2);
        let means = read(&text, table(Between::Mean, None), &long).unwrap();
        assert!((means[0] - 0.04 / 3.0).abs() < 1e-15 && (means[1] - 0.1 / 3.0).abs() < 1e-15, "{means:?}");
    }

    #[test]
    fn a_table_covers_the_calendar_or_says_where_it_does_not() {
        let day = clock("America/Los_Angeles", "2019-05-01", 1, 1, 60, 24);
        let error = |text: &str, gap| read(text, table(Between::Hold, gap), &day).unwrap_err();
        let all: Vec<f64> = (0..31).map(f64::from).collect();
        assert_eq!(read(&hours(7, &all[7..]), table(Between::Hold, None), &day).unwrap()[23], 0.03);
        let late = error(&hours(8, &all[8..]), None);
        assert!(
            late.starts_with("Table.file: t.csv: begins at 2019-05-01T08:00:00Z although 2019-05-01T07:00:00Z"),
            "{late}"
        );
        let early = error(&hours(7, &all[7..30]), None);
        assert!(
            early.contains("t.csv: line 24: ends at 2019-05-02T05:00:00Z although 2019-05-02T06:00:00Z"),
            "{early}"
        );
        let text = hours(7, &all[7..]).replace("2019-05-01T20:00Z,20,x\n", "");
        let gap = error(&text, None);
        let expected = "t.csv: line 14: rows are missing between 2019-05-01T19:00:00Z and 2019-05-01T21:00:00Z; 2019-05-01T19:00:00Z is needed";
        assert!(gap.contains(expected) && !gap.contains('\n'), "{gap}");
        let held = read(&text, table(Between::Hold, Some(120)), &day).unwrap();
        assert_eq!((held[12], held[13], held[14]), (0.019, 0.019, 0.021));
    }

    #[test]
    fn bad_tables_are_refused_with_their_lines() {
        let day = clock("UTC", "2019-05-01", 1, 1, 60, 3);
        let good = hours(0, &[1.0, 2.0, 3.0]);
        for (from, to, expected) in [
            ("T01:00Z,2", "T01:00Z,NaN", "line 3, column \"price\": found \"NaN\" (a finite number would do)"),
            ("T01:00Z,2", "T01:00Z,", "line 3, column \"price\": found \"\""),
            (",2,x", ",2", "line 3: has 2 fields where the header has 3"),
            ("T01:00Z", "T00:00Z", "line 3: 2019-05-01T00:00:00Z is there twice"),
            ("T01:00Z", "T-1:00Z", "line 3, column \"time\": found \"2019-05-01T-1:00Z\""),
            ("2019-05-01T01", "2019-04-30T01", "line 3: 2019-04-30T01:00:00Z is before the row above"),
            ("price", "Price", "line 1: has no column \"price\", but: time, Price, other"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            let error = read(&text, table(Between::Hold, None), &day).unwrap_err();
            assert!(error.starts_with(&format!("Table.file: t.csv: {expected}")), "{to}: {error}");
        }
        let mut power = table(Between::Hold, None);
        let error = power.resolve(Path::new("."), &day, Kind::Power).unwrap_err().to_string();
        assert_eq!(error, "Table.unit: PerMwh is no unit of it (W, Kw or Mw would do)");
    }

    #[test]
    fn local_times_are_instants_but_for_the_hour_that_happens_twice() {
        let day = clock("Europe/Amsterdam", "2019-03-31", 1, 1, 60, 23);
        let mut text = "time,price\n".to_owned();
        for hour in (0..24).filter(|hour| *hour != 2) {
            text.push_str(&format!("2019-03-31 {hour:02}:00,{hour}\n"));
        }
        let values = read(&text, table(Between::Hold, None), &day).unwrap();
        assert_eq!((values[1], values[2], values[22]), (0.001, 0.003, 0.023), "2 h does not happen");
        let autumn = text.replace("2019-03-31", "2019-10-27").replace("03:00", "02:00");
        let day = clock("Europe/Amsterdam", "2019-10-27", 1, 1, 60, 23);
        let error = read(&autumn, table(Between::Hold, None), &day).unwrap_err();
        assert!(error.contains("2019-10-27 02:00 happens twice in Europe/Amsterdam"), "{error}");
    }

    #[test]
    fn what_is_written_out_has_one_number_per_step() {
        let day = clock("UTC", "2019-05-01", 2, 1, 60, 3);
        let steps: Series = ron::from_str("Steps([1, 2, 3])").unwrap();
        assert_eq!((steps.check(&day), steps.values(&day)), (vec![], vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]));
        let short: Series = ron::from_str("Steps([1, 2])").unwrap();
        assert_eq!(short.check(&day)[0].to_string(), "Steps: 2 numbers for 3 steps (one per step would do)");
        assert_eq!(Series::Read(vec![vec![1.0; 3], vec![f64::NAN; 3]]).check(&day).len(), 1);
        assert_eq!(ron::from_str::<Series>("Constant(0.3)").unwrap().values(&day), vec![0.3; 6]);
    }
}
