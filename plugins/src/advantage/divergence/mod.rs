//! How far a policy has moved from a reference, estimated from what it sampled. Schulman, *Approximating KL divergence*
//! (2020), numbers the three.

use isonomy_engine::advantage::KlEstimator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plain estimate: unbiased, and often negative.
///
/// `k1 = ln π − ln π_ref`. verl names it `kl`. Schulman, Approximating KL Divergence (2020).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K1 {}

/// Half the square: biased, never negative, of small variance.
///
/// `k2 = (ln π − ln π_ref)² / 2`. verl names it `mse`. Schulman, Approximating KL Divergence (2020).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K2 {}

/// The plain estimate with a control variate: unbiased and never negative.
///
/// `k3 = exp(x) − x − 1`, `x = ln π_ref − ln π`. verl names it `low_var_kl`; GRPO uses it. Schulman, Approximating KL
/// Divergence (2020).
///
/// Surprises: its gradient is not that of the divergence unless it is weighed by the ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K3 {}

/// The size of the plain estimate, which estimates no divergence but is a sturdy distance.
///
/// `|ln π − ln π_ref|`. verl names it `abs` (2026).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absolute {}

isonomy_engine::plugin!(KlEstimator: K1, "()");
isonomy_engine::plugin!(KlEstimator: K2, "()");
isonomy_engine::plugin!(KlEstimator: K3, "()");
isonomy_engine::plugin!(KlEstimator: Absolute, "()");

/// Writes `rule(ln π − ln π_ref)` for every token.
fn each(log_prob: &[f64], reference: &[f64], divergence: &mut [f64], rule: impl Fn(f64) -> f64) {
    for (out, (log_prob, reference)) in divergence.iter_mut().zip(log_prob.iter().zip(reference)) {
        *out = rule(log_prob - reference);
    }
}

#[typetag::serde]
impl KlEstimator for K1 {
    fn estimate(&self, log_prob: &[f64], reference: &[f64], divergence: &mut [f64]) {
        each(log_prob, reference, divergence, |x| x);
    }
}

#[typetag::serde]
impl KlEstimator for K2 {
    fn estimate(&self, log_prob: &[f64], reference: &[f64], divergence: &mut [f64]) {
        each(log_prob, reference, divergence, |x| x * x / 2.0);
    }
}

#[typetag::serde]
impl KlEstimator for K3 {
    fn estimate(&self, log_prob: &[f64], reference: &[f64], divergence: &mut [f64]) {
        each(log_prob, reference, divergence, |x| (-x).exp_m1() + x);
    }
}

#[typetag::serde]
impl KlEstimator for Absolute {
    fn estimate(&self, log_prob: &[f64], reference: &[f64], divergence: &mut [f64]) {
        each(log_prob, reference, divergence, f64::abs);
    }
}
