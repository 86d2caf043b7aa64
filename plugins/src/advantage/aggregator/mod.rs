//! How much the loss of a token counts.
//!
//! The sign of the effective preference changes with it: with `TokenMean` long responses dominate, with `SeqMeanTokenMean`
//! every response counts the same, a constant divisor does neither.

use isonomy_engine::advantage::LossAggregator;
use isonomy_engine::quantity::Positive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every token of the batch counts the same, so long responses dominate.
///
/// `Σ_t L_t / #tokens`. The default of verl and DAPO, arXiv 2503.14476 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenMean {}

/// Every response counts by the sum of its tokens.
///
/// `mean_i Σ_t L_it`, over the responses that have a token. verl's `seq-mean-token-sum` (2026).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeqMeanTokenSum {}

/// Every response counts the same, whatever its length.
///
/// `mean_i mean_t L_it`, over the responses that have a token. As in GRPO, arXiv 2402.03300 (2024).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeqMeanTokenMean {}

/// The sum over tokens, divided by a constant in place of a length.
///
/// `mean_i Σ_t L_it / norm`. Dr. GRPO, arXiv 2503.20783 (2025); TRL divides by responses times the largest length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeqMeanTokenSumNorm {
    /// The constant; the longest response of the batch if not given.
    #[serde(default)]
    pub norm: Option<Positive>,
}

isonomy_engine::plugin!(LossAggregator: TokenMean, "()");
isonomy_engine::plugin!(LossAggregator: SeqMeanTokenSum, "()");
isonomy_engine::plugin!(LossAggregator: SeqMeanTokenMean, "()");
isonomy_engine::plugin!(LossAggregator: SeqMeanTokenSumNorm, "(norm: Some(8192))");

/// Gives each generated token of a response the weight that `rule(tokens of the response, responses)` says.
fn weigh(tokens: usize, mask: &[bool], weight: &mut [f64], rule: impl Fn(usize, usize) -> f64) {
    let lengths = || mask.chunks(tokens.max(1)).map(|own| own.iter().filter(|&&generated| generated).count());
    let responses = lengths().filter(|&length| length > 0).count();
    for ((own, weight), length) in mask.chunks(tokens.max(1)).zip(weight.chunks_mut(tokens.max(1))).zip(lengths()) {
        let each = if length > 0 { rule(length, responses) } else { 0.0 };
        own.iter().zip(weight).for_each(|(&generated, weight)| *weight = if generated { each } else { 0.0 });
    }
}

#[typetag::serde]
impl LossAggregator for TokenMean {
    fn weigh(&self, tokens: usize, mask: &[bool], weight: &mut [f64]) {
        let all = mask.iter().filter(|&&generated| generated).count();
        weigh(tokens, mask, weight, |_, _| 1.0 / all as f64);
    }
}

#[typetag::serde]
impl LossAggregator for SeqMeanTokenSum {
    fn weigh(&self, tokens: usize, mask: &[bool], weight: &mut [f64]) {
        weigh(tokens, mask, weight, |_, responses| 1.0 / responses as f64);
    }
}

#[typetag::serde]
impl LossAggregator for SeqMeanTokenMean {
    fn weigh(&self, tokens: usize, mask: &[bool], weight: &mut [f64]) {
        weigh(tokens, mask, weight, |length, responses| 1.0 / (responses * length) as f64);
    }
}

#[typetag::serde]
impl LossAggregator for SeqMeanTokenSumNorm {
    fn weigh(&self, tokens: usize, mask: &[bool], weight: &mut [f64]) {
        let norm = self.norm.map_or(tokens as f64, |norm| norm.get());
        weigh(tokens, mask, weight, |_, responses| 1.0 / (responses as f64 * norm));
    }
}
