//! Welfare: how good or how unequal a vector of utilities is, as one number.

use crate::problem::Problem;
use std::borrow::Cow;

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

    /// The utilities for which there is a value.
    fn domain(&self) -> Domain {
        Domain::Any
    }

    /// The function as a linear programme, where it is one: concave and made of finitely many linear pieces.
    fn linear_rows(&self, _utilities: usize) -> Option<LinearRows> {
        None
    }

    /// One of the [`weights`](Self::weights) as an expression in WGSL, or the reason why there is none: an `f32` not below 0, up
    /// to a factor that all have in common, for utilities above 0. `held[i]` is the utility, `least` the smallest of all.
    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Err(format!("{} has no WGSL twin", self.typetag_name()))
    }
}

/// A welfare function `W(x)` as a linear programme over utilities `x` and free numbers, the levels `t`:
/// `W(x) = max Σ utilities[i] · x[i] + Σ levels[k] · t[k]`, such that every row holds.
///
/// Where returns are linear in what is planned, so is the plan that maximises `W` of returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearRows {
    /// What each utility adds on its own, `[utilities]`.
    pub utilities: Vec<f64>,
    /// What each level adds, `[levels]`.
    pub levels: Vec<f64>,
    /// What limits the levels.
    pub rows: Vec<LinearRow>,
}

/// `Σ factor · x[utility] + Σ factor · t[level] ≤ 0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearRow {
    /// `(utility, factor)`.
    pub utilities: Vec<(usize, f64)>,
    /// `(level, factor)`.
    pub levels: Vec<(usize, f64)>,
}

/// The utilities for which a [`Welfare`] has a value. All must be finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any finite utilities.
    Any,
    /// Utilities of 0 or above.
    NonNegative,
    /// Utilities of 0 or above, one of them above: shares of a total that is there.
    SomePositive,
    /// Utilities above 0.
    Positive,
}

impl Domain {
    /// Refuses the first utility that lies outside, on behalf of `notion`.
    pub fn admit(self, notion: &'static str, utilities: &[f64]) -> Result<(), OutsideDomain> {
        let unless = |needed, inside: fn(f64) -> bool| {
            OutsideDomain::unless(notion, needed, utilities, |x| x.is_finite() && inside(x))
        };
        match self {
            Domain::Any => unless("finite utilities", |_| true),
            Domain::NonNegative => unless("utilities of 0 or above", |x| x >= 0.0),
            Domain::Positive => unless("utilities above 0", |x| x > 0.0),
            Domain::SomePositive => {
                let needed = "utilities of 0 or above that are not all 0";
                unless(needed, |x| x >= 0.0)?;
                if utilities.iter().any(|&x| x > 0.0) { Ok(()) } else { unless(needed, |x| x > 0.0) }
            }
        }
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
