use isonomy_engine::quantity::Finite;
use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Generalised entropy: a family of inequalities, from those that look at the bottom to those that look at the top.
/// Less is better.
///
/// `GE(a) = mean[(x_i/μ)^a − 1] / (a (a − 1))`, with `TheilT` for a = 1 and `TheilL` for a = 0; GE(2) is `CV² / 2`. Derivative
/// `[(x_i/μ)^(a−1) − mean (x_j/μ)^a] / ((a − 1) n μ)`. Utilities must be above zero. 0 where all have the same.
/// Shorrocks, Econometrica 48 (1980); as a measure of unfairness Speicher et al., arXiv 1807.00787 (2018).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. A small or negative order looks at the bottom, a large one
/// at the top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneralizedEntropy {
    /// The order, a.
    pub order: Finite,
}

isonomy_engine::plugin!(Welfare: GeneralizedEntropy, "(order: 2.0)");

#[typetag::serde]
impl Welfare for GeneralizedEntropy {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("GeneralizedEntropy", utilities)?;
        Ok(entropy(self.order.get(), utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("GeneralizedEntropy", utilities)?;
        derivative(self.order.get(), utilities, weights);
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::Positive
    }
}

/// Generalised entropy of utilities above zero.
pub(super) fn entropy(order: f64, utilities: &[f64]) -> f64 {
    let mean = super::mean(utilities);
    let mean_of =
        |of: &dyn Fn(f64) -> f64| utilities.iter().map(|x| of(x / mean)).sum::<f64>() / utilities.len() as f64;
    match order {
        0.0 => -mean_of(&f64::ln),
        1.0 => mean_of(&|share| share * share.ln()),
        // Shares average 1, so both forms are the same number; each keeps its digits near its own end.
        a if a > 0.5 => mean_of(&|share| share * ((a - 1.0) * share.ln()).exp_m1()) / (a * (a - 1.0)),
        a => mean_of(&|share| (a * share.ln()).exp_m1()) / (a * (a - 1.0)),
    }
}

/// Its derivative.
pub(super) fn derivative(order: f64, utilities: &[f64], weights: &mut [f64]) {
    let (mean, n) = (super::mean(utilities), utilities.len() as f64);
    if order == 1.0 {
        let theil = entropy(1.0, utilities);
        weights.iter_mut().zip(utilities).for_each(|(weight, x)| *weight = ((x / mean).ln() - theil) / (n * mean));
        return;
    }
    // mean share^a = 1 + a (a − 1) GE(a).
    let excess = order * (order - 1.0) * entropy(order, utilities);
    for (weight, x) in weights.iter_mut().zip(utilities) {
        *weight = (((order - 1.0) * (x / mean).ln()).exp_m1() - excess) / ((order - 1.0) * n * mean);
    }
}
