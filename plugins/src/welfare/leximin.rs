use super::order;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Probability;
use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Leximin: the worst off first; among equals in that, the second worst off; and so on.
///
/// Compares utilities sorted from the smallest up, like words in a dictionary. As the one number that a gradient needs:
/// `W = Σ ratio^(k−1) x_(k)`, a generalised Gini welfare whose weights fall so fast that it ranks as leximin does whenever
/// utilities that differ at all differ by more than `ratio / (1 − ratio)` times the largest difference there is. More is
/// better. Supergradient: the weight of one's rank; of equals, the first in order has the lower rank. Any utilities.
/// Sen, Collective Choice and Social Welfare (1970), chapter 9; as a limit of such weights Yager, Fuzzy Sets and Systems 89
/// (1997).
///
/// Surprises: a ratio of 0.001 leaves the fifth worst off a millionth of a millionth of the weight: no learning rate serves
/// both ends, and from the sixth on rounding decides. To rank vectors exactly use the function
/// `welfare::leximin_order`; to plan exactly, solve max-min, hold who cannot do better, and solve again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leximin {
    /// What each rank counts next to the one below it, above 0 and below 1.
    pub ratio: Probability,
}

isonomy_engine::plugin!(Welfare: Leximin, "(ratio: 0.01)");

impl Leximin {
    fn weight(&self, rank: usize) -> f64 {
        self.ratio.get().powf(rank as f64)
    }
}

#[typetag::serde]
impl Welfare for Leximin {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        Domain::Any.admit("Leximin", utilities)?;
        Ok(order::sum(utilities, |rank| self.weight(rank)))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("Leximin", utilities)?;
        order::weigh(utilities, weights, |rank| self.weight(rank));
        Ok(())
    }

    fn check(&self, _utilities: usize) -> Vec<Problem> {
        let (message, help) = match self.ratio.get() {
            0.0 => ("only the worst off count", "a ratio above 0, or MaxMin"),
            1.0 => ("all ranks count the same", "a ratio below 1, or Utilitarian"),
            _ => return Vec::new(),
        };
        vec![Problem::at("ratio", message).help(help)]
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(order::linear_rows(utilities, |rank| self.weight(rank)))
    }
}

/// Which of two vectors leximin prefers, exactly: `Greater` where it is the first. None where their lengths differ.
pub fn leximin_order(first: &[f64], second: &[f64]) -> Option<Ordering> {
    if first.len() != second.len() {
        return None;
    }
    let sorted = |utilities: &[f64]| {
        let mut sorted = utilities.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    sorted(first).partial_cmp(&sorted(second))
}
