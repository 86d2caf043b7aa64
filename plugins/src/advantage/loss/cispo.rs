use super::{each_token, log_ratio};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::{NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CISPO: the clipped ratio is a weight that no gradient flows through, so no token is ever dropped.
///
/// `L_t = −clip(ρ_t, 1−low, 1+high) · A · ln π_t` with the clipped ratio held fixed. MiniMax-M1, arXiv 2506.13585 (2025);
/// ScaleRL uses `high: 4`, a cap of 5.
///
/// Surprises: the value of the loss means nothing by itself, its slope does: `−clip(ρ_t) · A`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cispo {
    /// How far the ratio may fall below 1; 1, that is to nothing, if not given.
    #[serde(default = "unbounded")]
    pub low: Probability,
    /// How far the ratio may rise above 1; 0.28 if not given.
    #[serde(default = "high")]
    pub high: NonNegative,
}

isonomy_engine::plugin!(PolicyLoss: Cispo, "()");

fn unbounded() -> Probability {
    Probability::new(1.0).expect("a probability")
}

fn high() -> NonNegative {
    NonNegative::new(0.28).expect("not negative")
}

#[typetag::serde]
impl PolicyLoss for Cispo {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        each_token(batch, loss, slope, |at| {
            let ratio = log_ratio(batch, at).0.exp().clamp(1.0 - self.low.get(), 1.0 + self.high.get());
            let slope = -ratio * batch.advantage[at];
            [slope * batch.log_prob[at], slope]
        });
    }
}
