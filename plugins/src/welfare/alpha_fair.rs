use isonomy_engine::quantity::NonNegative;
use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// α-fair welfare: from the sum (0) over proportional fairness (1) towards max-min (large α).
///
/// `W = Σ x_i^(1−α) / (1−α)`, and `Σ ln x_i` for α = 1; derivative `x_i^−α`.
/// Utilities must be above zero; with α = 0 they may be anything. Mo & Walrand, IEEE/ACM Transactions on Networking 8 (2000).
///
/// Surprises: above α = 1 the value is negative. It is not `FairnessReward AlphaFair`, which weighs by what an agent has
/// realised so far; this one is a function of whatever utilities it is given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlphaFair {
    /// Aversion to inequality, α.
    pub alpha: NonNegative,
}

isonomy_engine::plugin!(Welfare: AlphaFair, "(alpha: 1.0)");

/// With a larger α powers of a hundredth, the usual floor, leave the range of an `f64`, and only a device would go on.
const MOST_ALPHA: f64 = 100.0;

impl AlphaFair {
    fn inside(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("AlphaFair", utilities)?;
        Ok(self.alpha.get())
    }
}

#[typetag::serde]
impl Welfare for AlphaFair {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        let alpha = self.inside(utilities)?;
        let of_one = |&x: &f64| if alpha == 1.0 { x.ln() } else { x.powf(1.0 - alpha) / (1.0 - alpha) };
        Ok(utilities.iter().map(of_one).sum())
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let alpha = self.inside(utilities)?;
        weights.iter_mut().zip(utilities).for_each(|(weight, x)| *weight = x.powf(-alpha));
        Ok(())
    }

    fn domain(&self) -> Domain {
        if self.alpha.get() == 0.0 { Domain::Any } else { Domain::Positive }
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let alpha = self.alpha.get();
        if alpha > MOST_ALPHA {
            return Err(format!("AlphaFair with alpha above {MOST_ALPHA} has no WGSL twin"));
        }
        Ok(format!("exact_exp(max(f32({:e}) * exact_log(least / held[i]), -80.0))", alpha as f32).into())
    }
}
