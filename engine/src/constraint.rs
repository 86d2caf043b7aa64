//! Constraints: limits on signals, as numbers to hold at or below zero.

use crate::metrics::Returns;
use crate::problem::Problem;
use crate::spec::Spec;

/// A limit on what groups earn.
#[typetag::serde]
pub trait Constraint: std::fmt::Debug + Send + Sync {
    /// One number per row of the constraint: at or below zero where the row holds.
    fn overruns(&self, returns: &Returns) -> Vec<Overrun>;

    /// What in this environment or in the fields makes no sense.
    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        Vec::new()
    }
}

/// By how much one row of a constraint is exceeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrun {
    /// The row, e.g. `A − B, upstream`.
    pub row: String,
    /// `signal - limit`.
    pub value: f64,
}
