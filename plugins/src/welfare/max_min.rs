use isonomy_engine::welfare::{Domain, LinearRow, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The smallest utility: how the worst off fare.
///
/// `W = min x_i`. Supergradient: 1 on the smallest, shared equally by those that tie, 0 on everyone else. Any utilities.
/// Rawls, A Theory of Justice (1971), section 13; in reinforcement learning Eaton et al., arXiv 2502.11828 (2025).
///
/// Surprises: as a weight it teaches only the worst off, so everyone else stays where they are until they are the worst.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxMin {}

isonomy_engine::plugin!(Welfare: MaxMin, "()");

/// The smallest utility.
pub(super) fn smallest(notion: &'static str, utilities: &[f64]) -> Result<f64, OutsideDomain> {
    Domain::Any.admit(notion, utilities)?;
    Ok(utilities.iter().copied().fold(f64::INFINITY, f64::min))
}

/// Shares a weight of 1 among those who have the smallest utility.
pub(super) fn weigh_smallest(
    notion: &'static str,
    utilities: &[f64],
    weights: &mut [f64],
) -> Result<(), OutsideDomain> {
    let smallest = smallest(notion, utilities)?;
    let ties = utilities.iter().filter(|&&x| x == smallest).count() as f64;
    for (weight, &x) in weights.iter_mut().zip(utilities) {
        *weight = if x == smallest { 1.0 / ties } else { 0.0 };
    }
    Ok(())
}

/// One level below everyone: `max t` with `t ≤ x_i`.
pub(super) fn below_everyone(utilities: usize) -> LinearRows {
    let below = |index| LinearRow { utilities: vec![(index, -1.0)], levels: vec![(0, 1.0)] };
    LinearRows { utilities: vec![0.0; utilities], levels: vec![1.0], rows: (0..utilities).map(below).collect() }
}

#[typetag::serde]
impl Welfare for MaxMin {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        smallest("MaxMin", utilities)
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        weigh_smallest("MaxMin", utilities, weights)
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(below_everyone(utilities))
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok("f32(held[i] == least)".into())
    }
}
