use isonomy_engine::welfare::{OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest utility: how the worst off fare.
///
/// `W = min x_i`. Supergradient: 1 on the smallest, shared equally by those that tie, 0 on everyone else. Any utilities.
/// Rawls, A Theory of Justice (1971), section 13; in reinforcement learning Eaton et al., arXiv 2502.11828.
///
/// Surprises: as a weight it teaches only the worst off, so everyone else stays where they are until they are the worst.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxMin {}

isonomy_engine::plugin!(Welfare: MaxMin, "()");

fn smallest(utilities: &[f64]) -> f64 {
    utilities.iter().copied().fold(f64::INFINITY, f64::min)
}

#[typetag::serde]
impl Welfare for MaxMin {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        Ok(smallest(utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let smallest = smallest(utilities);
        let ties = utilities.iter().filter(|&&x| x == smallest).count() as f64;
        for (weight, &x) in weights.iter_mut().zip(utilities) {
            *weight = if x == smallest { 1.0 / ties } else { 0.0 };
        }
        Ok(())
    }
}
