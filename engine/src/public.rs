//! Public signals: what one model predicts for many agents, who act on the prediction and pay under the truth.
//!
//! An environment that is about such a signal offers it as [`Environment::public`](crate::environment::Environment), as
//! one with a finite model offers its tables. An optimiser that trains forecasts asks for it in its
//! [`Needs`](crate::optimizer::Needs) and never sees what the agents keep to themselves: only their regrets, and how
//! these change with the forecast where the agents can tell.

use crate::problem::Problem;

/// A signal with its agents, as rows in the order of time. A row is one forecast, its truth and what came of it.
pub trait PublicSignal: std::fmt::Debug + Send + Sync {
    /// How many agents act on a forecast.
    fn agents(&self) -> usize;

    /// How many values a forecast has.
    fn values(&self) -> usize {
        1
    }

    /// How many values are known before a forecast is made.
    fn history(&self) -> usize;

    /// Rows of a part.
    fn rows(&self, part: Part) -> usize;

    /// What is known before a forecast, `[history]`, the last value last.
    fn known(&self, part: Part, row: usize) -> &[f64];

    /// What the forecast should have been, `[values]`.
    fn truth(&self, part: Part, row: usize) -> &[f64];

    /// The value `ago` before the first one that is to be predicted, where it is known: 1 is the last known one.
    fn past(&self, part: Part, row: usize, ago: usize) -> Option<f64>;

    /// What every agent pays above what it would have paid at best, `[agents]`, had it acted on `forecast` in the
    /// circumstances of a row and the signal turned out as `truth`.
    fn regrets(&self, part: Part, row: usize, forecast: &[f64], truth: &[f64], regrets: &mut [f64]);

    /// The derivative of every regret under the row's own truth with respect to the forecast, `[agents, values]`.
    /// False where costs can only be queried; nothing is written then.
    fn slopes(&self, part: Part, row: usize, forecast: &[f64], slopes: &mut [f64]) -> bool;

    /// Whether a single regret may be below zero, though no mean is: where agents are compared with the best decision
    /// that is always the same.
    fn signed(&self) -> bool {
        false
    }

    /// Smaller forecasts count as this much.
    fn floor(&self) -> f64 {
        f64::NEG_INFINITY
    }

    /// The action by which the simulation plays a forecast of one value. What it observes is the row to be judged.
    fn action(&self, forecast: f64) -> u32;
}

/// What rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A model is trained on these.
    Training,
    /// It is judged by these, which it has never seen.
    Judging,
}

/// A network that may predict a public signal, where whoever trains it knows nothing of what it is made of.
///
/// It sees histories, `[rows, history]`, and says `[rows, values]`; all are numbers of about 1. Its parameters are one array.
#[typetag::serde]
pub trait ForecastNetwork: std::fmt::Debug + Send + Sync {
    /// What in the fields makes no sense for histories of this length.
    fn check(&self, history: usize) -> Vec<Problem>;

    /// Parameters with which it says 0 to everything, made of standard normal numbers.
    fn initial(&self, history: usize, values: usize, normal: &mut dyn FnMut() -> f64) -> Vec<f64>;

    /// Writes what it says.
    fn forward(&self, parameters: &[f64], history: usize, seen: &[f64], said: &mut [f64]);

    /// Adds what `pull`, a derivative with respect to what it says, is with respect to the parameters.
    fn pull_back(&self, parameters: &[f64], history: usize, seen: &[f64], pull: &[f64], gradient: &mut [f64]);
}
