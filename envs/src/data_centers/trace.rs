//! Numbers that change from hour to hour and that nobody in the simulation changes.

use super::signal;
use crate::ev_charging::reading::table::{Others, Table};
use crate::ev_charging::reading::{self, Flaws};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Numbers that change from hour to hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Trace {
    /// Always the same.
    Steady(Finite),
    /// These, hour by hour, and then from the beginning again.
    Values(Vec<Finite>),
    /// `mean (1 + swing cos(2π (h − peak) / 24))` in hour h.
    Daily {
        /// Over a day.
        mean: Finite,
        /// How much more at the peak, as a part of the mean.
        swing: Probability,
        /// The hour of the largest.
        peak: u32,
    },
    /// A made-up grid, the same for the same number: an evening peak, a dip at noon, and weather; from `low` to `high`.
    Grid {
        /// Which.
        number: u32,
        /// The least that there can be.
        low: NonNegative,
        /// The most.
        high: NonNegative,
    },
    /// A column of a table with a line per hour, and then from the beginning again.
    Table {
        /// The file, relative to the scenario.
        file: String,
        /// Name of the column.
        column: String,
        /// What a number is multiplied by; 1 if not given.
        #[serde(default = "as_it_is")]
        times: Finite,
    },
    /// What a kWh emits, kg of CO₂, by a table of energy by fuel and hour (`COL`, `NG`, `NUC`, `OIL`, `OTH`, `SUN`, `WAT`, `WND`).
    FuelMix(String),
    /// What a kWh takes from waters, litres, by the same table.
    FuelMixWater(String),
}

fn as_it_is() -> Finite {
    Finite::new(1.0).expect("a constant")
}

impl Trace {
    /// So many hours.
    pub(super) fn hours(&self, count: usize) -> Vec<f64> {
        match self {
            Trace::Steady(value) => vec![value.get(); count],
            Trace::Values(values) => values.iter().map(|value| value.get()).cycle().take(count).collect(),
            Trace::Daily { mean, swing, peak } => {
                let turn = |hour: usize| std::f64::consts::TAU * (hour as f64 - f64::from(*peak)) / 24.0;
                (0..count).map(|hour| mean.get() * (1.0 + swing.get() * turn(hour).cos())).collect()
            }
            Trace::Table { .. } | Trace::FuelMix(_) | Trace::FuelMixWater(_) => {
                unreachable!("`check` refuses a table that has not been read")
            }
            Trace::Grid { number, low, high } => {
                let scaled = |value: f64| low.get() + (high.get() - low.get()) * value / 10.0;
                signal::grid(u64::from(*number), count).into_iter().map(scaled).collect()
            }
        }
    }

    /// Reads the file, if there is one.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        let numbers = match self {
            Trace::Table { file, column, times } => {
                let numbers = read(folder, file, column).map_err(|flaws| flaws.problem("file"))?;
                numbers.into_iter().map(|number| number * times.get()).collect()
            }
            Trace::FuelMix(file) => signal::intensities(&signal::read(folder, file)?)?,
            Trace::FuelMixWater(file) => signal::waters(&signal::read(folder, file)?)?,
            _ => return Ok(()),
        };
        *self = Trace::Values(numbers.into_iter().filter_map(Finite::new).collect());
        Ok(())
    }

    /// What is wrong with it, and below zero where it must not be.
    pub(super) fn check(&self, name: &str, positive: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let below = |values: &[Finite]| positive && values.iter().any(|value| value.get() < 0.0);
        let negative = match self {
            Trace::Steady(value) | Trace::Daily { mean: value, .. } => below(&[*value]),
            Trace::Values(values) => below(values),
            Trace::Table { .. } | Trace::FuelMix(_) | Trace::FuelMixWater(_) => {
                return vec![Problem::at(name, "the table has not been read")];
            }
            Trace::Grid { .. } => false,
        };
        if negative {
            problems.push(Problem::at(name, "a number below 0").help("use numbers of 0 or above"));
        }
        if matches!(self, Trace::Values(values) if values.is_empty()) {
            problems.push(Problem::at(name, "there are no numbers").help("give at least one"));
        }
        problems
    }
}

fn read(folder: &Path, file: &str, column: &str) -> Result<Vec<f64>, Flaws> {
    let from = reading::open(&folder.join(file), file)?;
    let mut table = Table::open_any(from, file, &[(column, true)], Others::Ignored)?;
    let (mut flaws, mut numbers) = (Flaws::none(file), Vec::new());
    while let Some(row) = table.next(&mut flaws) {
        numbers.extend(row.number(0, &mut flaws));
    }
    flaws.or(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_a_table() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("load.csv"), "time,mw\n0,1.5\n1,2\n").unwrap();
        let table = |column: &str| Trace::Table {
            file: "load.csv".to_owned(),
            column: column.to_owned(),
            times: Finite::new(10.0).unwrap(),
        };
        let mut trace = table("mw");
        assert!(!trace.check("load", true).is_empty());
        trace.resolve(folder.path()).unwrap();
        assert_eq!(trace.hours(3), [15.0, 20.0, 15.0]);
        assert!(
            table("kw").resolve(folder.path()).unwrap_err().message.contains("has no column \"kw\", but: time, mw")
        );
        std::fs::write(folder.path().join("load.csv"), "mw\n1.5\nnan\n").unwrap();
        let message = table("mw").resolve(folder.path()).unwrap_err().message;
        assert!(message.contains("load.csv: line 3, column \"mw\": found \"nan\""), "{message}");
    }
}
