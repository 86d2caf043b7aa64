use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Power mean: from the mean (1) over the geometric mean (0) towards the minimum (a large negative power).
///
/// `W = (mean x_i^p)^(1/p)`, and `(Π x_i)^(1/n)` for p = 0; derivative `(x_i / W)^(p−1) / n`. Utilities must be above zero;
/// with p = 1 they may be anything. More is better. It ranks as α-fairness with α = 1 − p does, but has the unit of a utility:
/// with p = 1 − e it is the equal utility that would be as good, in Atkinson's index.
/// Moulin, Fair Division and Collective Welfare (2003), chapter 3; in reinforcement learning Fan et al., arXiv 2212.01382
/// (2022).
///
/// Surprises: powers above 1 would prefer unequal shares, and are refused.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PMean {
    /// The power, p, at most 1.
    pub power: Finite,
}

isonomy_engine::plugin!(Welfare: PMean, "(power: -1.0)");

#[typetag::serde]
impl Welfare for PMean {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("PMean", utilities)?;
        Ok(mean(self.power.get(), utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("PMean", utilities)?;
        derivative(self.power.get(), utilities, weights);
        Ok(())
    }

    fn check(&self, _utilities: usize) -> Vec<Problem> {
        let unfair = self.power.get() > 1.0;
        let problem = || Problem::at("power", "a power above 1 prefers unequal shares").help("1 is the mean");
        unfair.then(problem).into_iter().collect()
    }

    fn domain(&self) -> Domain {
        if self.power.get() == 1.0 { Domain::Any } else { Domain::Positive }
    }
}

/// The power mean of utilities above zero.
pub(super) fn mean(power: f64, utilities: &[f64]) -> f64 {
    let mean_of = |of: &dyn Fn(f64) -> f64| utilities.iter().map(|&x| of(x)).sum::<f64>() / utilities.len() as f64;
    if power == 1.0 {
        return mean_of(&|x| x);
    }
    // Relative to the geometric mean, so that powers near 0 keep their digits, then to what dominates, so that none
    // overflows.
    let middle = mean_of(&f64::ln);
    if power == 0.0 {
        return middle.exp();
    }
    let top = utilities.iter().map(|x| power * (x.ln() - middle)).fold(f64::NEG_INFINITY, f64::max);
    let excess = mean_of(&|x| (power * (x.ln() - middle) - top).exp_m1());
    (middle + (top + excess.ln_1p()) / power).exp()
}

/// Its derivative.
pub(super) fn derivative(power: f64, utilities: &[f64], weights: &mut [f64]) {
    let (mean, n) = (mean(power, utilities), utilities.len() as f64);
    for (weight, x) in weights.iter_mut().zip(utilities) {
        *weight = if power == 1.0 { 1.0 / n } else { (x / mean).powf(power - 1.0) / n };
    }
}
