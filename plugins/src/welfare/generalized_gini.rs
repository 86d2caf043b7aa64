use super::order;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Generalised Gini welfare (GGF): a sum in which the worse off count more.
///
/// `W = Σ w_k x_(k)` over utilities from the smallest up, weights falling: `w_k = 2^−(k−1)`, or those written.
/// Supergradient: the weight of one's rank; of equals, the first in order has the lower rank. Any utilities.
/// Equal weights are the sum, `[1, 0, …]` is max-min, `(2(n−k)+1)/n²` is `mean · (1 − Gini)`.
/// Weymark, Mathematical Social Sciences 1 (1981); in reinforcement learning Siddique, Weng & Zimmer, arXiv 2008.07773
/// (2020).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneralizedGini {
    /// What the worst off counts, the second worst off, and so on, never rising; halves if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<NonNegative>,
}

isonomy_engine::plugin!(Welfare: GeneralizedGini, "(weights: [1.0, 0.5])");

impl GeneralizedGini {
    fn weight(&self, rank: usize) -> f64 {
        if self.weights.is_empty() { 0.5f64.powi(rank as i32) } else { self.weights[rank].get() }
    }
}

#[typetag::serde]
impl Welfare for GeneralizedGini {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        Domain::Any.admit("GeneralizedGini", utilities)?;
        Ok(order::sum(utilities, |rank| self.weight(rank)))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("GeneralizedGini", utilities)?;
        order::weigh(utilities, weights, |rank| self.weight(rank));
        Ok(())
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(order::linear_rows(utilities, |rank| self.weight(rank)))
    }

    fn check(&self, utilities: usize) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.weights.is_empty() && self.weights.len() != utilities {
            let message = format!("{} weights for {utilities} utilities", self.weights.len());
            problems.push(Problem::at("weights", message).help("one weight per rank, or none at all"));
        }
        if let Some(index) = self.weights.windows(2).position(|pair| pair[1] > pair[0]) {
            let message = "this weight is larger than the one before, so the better off would count more";
            problems.push(Problem::at(format!("weights[{}]", index + 1), message));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_rise_or_do_not_fit_are_refused() {
        let gini: GeneralizedGini = ron::from_str("(weights: [1, 0.5, 0.6])").unwrap();
        let paths = |utilities| gini.check(utilities).into_iter().map(|problem| problem.path).collect::<Vec<_>>();
        assert_eq!(paths(2), ["weights", "weights[2]"]);
        assert_eq!(paths(3), ["weights[2]"]);
        assert!(GeneralizedGini::default().check(7).is_empty());
    }
}
