//! Numbers that change from hour to hour and that nobody in the simulation changes.

use super::signal;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
            Trace::Grid { number, low, high } => {
                let scaled = |value: f64| low.get() + (high.get() - low.get()) * value / 10.0;
                signal::grid(u64::from(*number), count).into_iter().map(scaled).collect()
            }
        }
    }

    /// What is wrong with it, and below zero where it must not be.
    pub(super) fn check(&self, name: &str, positive: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let below = |values: &[Finite]| positive && values.iter().any(|value| value.get() < 0.0);
        let negative = match self {
            Trace::Steady(value) | Trace::Daily { mean: value, .. } => below(&[*value]),
            Trace::Values(values) => below(values),
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
