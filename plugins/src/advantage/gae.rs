use super::moments::whiten;
use super::returns::token_reward;
use isonomy_engine::advantage::{AdvantageEstimator, Reach, Responses, Signal};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GAE: advantages from a critic, an exponential mean over how far one looks ahead.
///
/// `δ_t = r_t + γ V_{t+1} − V_t`, `A_t = δ_t + γ λ A_{t+1}`; the value target is `A_t + V_t`. Tokens that were not generated
/// are passed over. Schulman et al., arXiv 1506.02438 (2015); 1707.06347 (2017) for PPO.
///
/// Surprises: the value after the last token is 0, so every response counts as finished. A response that the length limit
/// cut short is not: use `Egae`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gae {
    /// Discount γ; 1 if not given.
    #[serde(default = "super::undiscounted")]
    pub discount: Probability,
    /// How far errors of the critic are traced, λ; 0.95 if not given.
    #[serde(default = "trace")]
    pub trace: Probability,
    /// Whether advantages are whitened over the batch, as in verl.
    #[serde(default)]
    pub whiten: bool,
}

/// EGAE: GAE that does not take a response which was cut short for one that ended.
///
/// As `Gae`, but where a response is unfinished the value after its last token is the value before it,
/// `V(s_l) = V(s_{l−1})`. Truncated PPO, arXiv 2506.15050 (2025), as secondary descriptions of it agree.
///
/// Surprises: treating truncation as an end would charge an unfinished response with all that the critic still expects:
/// the commonest mistake in time-limited environments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egae {
    /// Discount γ; 1 if not given.
    #[serde(default = "super::undiscounted")]
    pub discount: Probability,
    /// How far errors of the critic are traced, λ; 0.95 if not given.
    #[serde(default = "trace")]
    pub trace: Probability,
}

isonomy_engine::plugin!(AdvantageEstimator: Gae, "(trace: 0.9)");
isonomy_engine::plugin!(AdvantageEstimator: Egae, "()");

fn trace() -> Probability {
    Probability::new(0.95).expect("a probability")
}

/// Writes GAE; `unfinished` says which responses go on after their last token.
fn look_back(
    batch: &Responses<'_>,
    [discount, trace]: [Probability; 2],
    unfinished: impl Fn(usize) -> bool,
    advantage: &mut [f64],
) {
    let (discount, trace, width) = (discount.get(), trace.get(), batch.width());
    for (response, own) in advantage.chunks_exact_mut(width).enumerate() {
        let (mut next, mut after, scored) = (None, 0.0, !batch.reward[response].is_nan());
        for (token, advantage) in own.iter_mut().enumerate().rev() {
            *advantage = 0.0;
            if !scored || !batch.generated(response, token) {
                continue;
            }
            let value = batch.value[response * width + token];
            let expected = next.unwrap_or(if unfinished(response) { value } else { 0.0 });
            after = token_reward(batch, response, token) + discount * expected - value + discount * trace * after;
            (next, *advantage) = (Some(value), after);
        }
    }
}

#[typetag::serde]
impl AdvantageEstimator for Gae {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        look_back(batch, [self.discount, self.trace], |_| false, advantage);
        if self.whiten {
            whiten(batch, 1e-8, 0.0, advantage);
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Value]
    }

    fn reach(&self) -> Reach {
        if self.whiten { Reach::Batch } else { Reach::Group }
    }
}

#[typetag::serde]
impl AdvantageEstimator for Egae {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        look_back(batch, [self.discount, self.trace], |response| batch.truncated[response], advantage);
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Value, Signal::Truncated]
    }
}
