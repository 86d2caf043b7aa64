//! All runs of a suite as a table of CSV: a row per run.

use super::{Outcome, Plan, Trial};
use std::fmt::Write;

impl Plan {
    /// Headings of the numbers of a run: the metric, and the iteration where that is not the last one.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let name = |column: &super::Column| match column.at {
            Some(at) => format!("{}@{at}", column.metric),
            None => column.metric.clone(),
        };
        self.suite.columns.iter().map(name).collect()
    }

    /// Headings of the places that grids vary.
    pub(crate) fn places(&self) -> Vec<String> {
        self.axes().iter().map(|axis| axis.path.clone()).collect()
    }

    /// A heading and a row per run that came to an end: the method, where in the grid, the seed, a number per column
    /// and why it failed. Numbers read back to the same bits.
    pub fn csv(&self, trials: &[Trial]) -> String {
        let heading = ["method".to_owned()].into_iter().chain(self.places()).chain(["seed".to_owned()]);
        let heading = heading.chain(self.metrics()).chain(["failure".to_owned()]);
        let mut text = heading.map(|name| cell(&name)).collect::<Vec<_>>().join(",");
        for trial in trials {
            let (values, failure) = match &trial.outcome {
                Outcome::Done(values) => (values.clone(), ""),
                Outcome::Failed(reason) => (vec![None; self.suite.columns.len()], reason.as_str()),
                Outcome::Stopped => continue,
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}", cell(&self.method(trial.cell).name));
            for place in self.places() {
                let _ = write!(text, ",{}", cell(self.cells[trial.cell].value(&place).unwrap_or_default()));
            }
            let _ = write!(text, ",{}", trial.seed);
            for value in values {
                let _ = write!(text, ",{}", value.map_or(String::new(), |value| value.to_string()));
            }
            let _ = write!(text, ",{}", cell(failure));
        }
        text
    }
}

/// A text as a cell of CSV, RFC 4180.
fn cell(text: &str) -> String {
    let plain = !text.contains([',', '"', '\n', '\r']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}
