//! Welfare: how good or how unequal a vector of utilities is, as one number.

use crate::problem::Problem;

/// A function of the utilities of groups (or agents), with the weights that turn it into a policy-gradient objective.
#[typetag::serde]
pub trait Welfare: std::fmt::Debug + Send + Sync {
    /// The number. An error says which utility is outside the function's domain.
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain>;

    /// The derivative with respect to every utility, or a supergradient where there is none, into `weights`.
    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain>;

    /// What in the fields makes no sense for this many utilities.
    fn check(&self, _utilities: usize) -> Vec<Problem> {
        Vec::new()
    }

    /// Whether more is better.
    fn direction(&self) -> Direction {
        Direction::Welfare
    }
}

/// Which way a [`Welfare`] points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Welfare,
    /// Less is better.
    Inequality,
}

/// A utility for which a welfare function has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("utility {index} is {value}, but {notion} needs {needed}")]
pub struct OutsideDomain {
    /// The function.
    pub notion: &'static str,
    /// Which utility.
    pub index: usize,
    /// Its value.
    pub value: f64,
    /// What would do.
    pub needed: &'static str,
}

impl OutsideDomain {
    /// Refuses the first utility for which `inside` is false.
    pub fn unless(
        notion: &'static str,
        needed: &'static str,
        utilities: &[f64],
        inside: impl Fn(f64) -> bool,
    ) -> Result<(), Self> {
        match utilities.iter().position(|&value| !inside(value)) {
            Some(index) => Err(OutsideDomain { notion, index, value: utilities[index], needed }),
            None => Ok(()),
        }
    }
}
