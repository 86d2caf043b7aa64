use super::{each_token, log_ratio, positive};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::Positive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SAPO: a smooth gate in place of a clip.
///
/// `L_t = −A · (4/τ) σ(τ (ρ_t − 1))`, τ for advantages above 0 and for the others. arXiv 2511.20347 (2025).
///
/// Surprises: at a ratio of 1 the slope is that of the plain policy gradient, but the value is `−2A/τ`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sapo {
    /// How sharp the gate is for advantages above 0, τ; 1 if not given.
    #[serde(default = "gain")]
    pub gain: Positive,
    /// How sharp it is for the others; 1.05 if not given.
    #[serde(default = "loss")]
    pub loss: Positive,
}

isonomy_engine::plugin!(PolicyLoss: Sapo, "()");

fn gain() -> Positive {
    positive(1.0)
}

fn loss() -> Positive {
    positive(1.05)
}

#[typetag::serde]
impl PolicyLoss for Sapo {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        each_token(batch, loss, slope, |at| {
            let ((log_ratio, has_slope), advantage) = (log_ratio(batch, at), batch.advantage[at]);
            let sharpness = if advantage > 0.0 { self.gain } else { self.loss }.get();
            let ratio = log_ratio.exp();
            let gate = 1.0 / (1.0 + (-sharpness * (ratio - 1.0)).exp());
            let slope = if has_slope { -advantage * 4.0 * gate * (1.0 - gate) * ratio } else { 0.0 };
            [-advantage * 4.0 / sharpness * gate, slope]
        });
    }
}
