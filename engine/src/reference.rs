//! Reference lines: what a report draws beside a metric, so that a reader sees whether it is much or little.

use serde::{Deserialize, Serialize};

/// A line to compare a metric with. A metric that has one is drawn in the report of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The column of `metrics.csv` without the prefix of a phase: `gap_task_1`.
    pub metric: String,
    /// What the line is: `tolerance`.
    pub label: String,
    /// Where it goes.
    pub line: Line,
}

/// The course of a [`Reference`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Line {
    /// The same in every iteration.
    Level(f64),
    /// A sum that grows by this much in every iteration.
    Slope(f64),
    /// Growth with the square root of iterations, through the last value of the metric: a shape, not a bound.
    Root,
}

impl Reference {
    /// The same in every iteration.
    pub fn level(metric: impl Into<String>, label: impl Into<String>, value: f64) -> Reference {
        Reference { metric: metric.into(), label: label.into(), line: Line::Level(value) }
    }

    /// A sum that grows by `slope` in every iteration.
    pub fn slope(metric: impl Into<String>, label: impl Into<String>, slope: f64) -> Reference {
        Reference { metric: metric.into(), label: label.into(), line: Line::Slope(slope) }
    }

    /// Growth with the square root of iterations.
    pub fn root(metric: impl Into<String>, label: impl Into<String>) -> Reference {
        Reference { metric: metric.into(), label: label.into(), line: Line::Root }
    }

    /// Whether the line can be drawn: a tolerance may be infinite.
    pub fn is_finite(&self) -> bool {
        match self.line {
            Line::Level(value) | Line::Slope(value) => value.is_finite(),
            Line::Root => true,
        }
    }
}
