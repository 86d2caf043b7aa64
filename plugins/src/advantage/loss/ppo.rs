use super::{clipped, dual_clipped, each_token, log_ratio, usual_range};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// PPO: the ratio to the policy that sampled, clipped where going on would pay.
///
/// `L_t = max(−A ρ_t, −A clip(ρ_t, 1−low, 1+high))`; with `dual` c also `L_t ≤ −c A` where A is below 0. Schulman et al.,
/// arXiv 1707.06347 (2017); `high: 0.28` is the clip-higher of DAPO, arXiv 2503.14476 (2025), `low: 0.16, high: 0.24` that of
/// NGRPO, arXiv 2509.18851 (2025).
///
/// Surprises: in the first step after sampling all ratios are 1, so on policy nothing is clipped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ppo {
    /// How far the ratio may fall below 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub low: NonNegative,
    /// How far the ratio may rise above 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub high: NonNegative,
    /// The bound c on losses of negative advantages; none if not given, 3 in verl.
    #[serde(default)]
    pub dual: Option<Positive>,
}

isonomy_engine::plugin!(PolicyLoss: Ppo, "(high: 0.28)");

#[typetag::serde]
impl PolicyLoss for Ppo {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        each_token(batch, loss, slope, |at| {
            let ((log_ratio, has_slope), advantage) = (log_ratio(batch, at), batch.advantage[at]);
            let clipped = clipped(log_ratio.exp(), has_slope, advantage, [self.low.get(), self.high.get()]);
            dual_clipped(clipped, advantage, self.dual)
        });
    }
}
