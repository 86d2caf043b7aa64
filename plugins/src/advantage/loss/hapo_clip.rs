use super::{clipped, dual_clipped, each_token, log_ratio, positive, usual_range};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// HAPO's clip: uncertain tokens may rise further, certain ones may fall further.
///
/// PPO with `low · (1 − α h)` where the normalised entropy h is not above 0, and `high · (1 + α h)` where it is; losses of
/// negative advantages are at most `−dual · A`. From Uniform to Heterogeneous, arXiv 2509.16591 (2025).
///
/// Surprises: the published code maps the most certain tokens to h = 1, so that they rise further too; here they keep
/// their sign. Without normalised entropies all are 0 and this is PPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HapoClip {
    /// How far the ratio may fall below 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub low: NonNegative,
    /// How far the ratio may rise above 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub high: NonNegative,
    /// How much entropy widens the ranges, α; 1 if not given.
    #[serde(default = "one")]
    pub alpha: NonNegative,
    /// The bound on losses of negative advantages; 10 if not given.
    #[serde(default = "ten")]
    pub dual: Positive,
}

isonomy_engine::plugin!(PolicyLoss: HapoClip, "()");

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

fn ten() -> Positive {
    positive(10.0)
}

impl HapoClip {
    /// How far the ratio of a token of normalised entropy `h` may fall and rise.
    pub fn ranges(&self, h: f64) -> [f64; 2] {
        let (low, high, alpha) = (self.low.get(), self.high.get(), self.alpha.get());
        if h > 0.0 { [low, high * (1.0 + alpha * h)] } else { [low * (1.0 - alpha * h), high] }
    }
}

#[typetag::serde]
impl PolicyLoss for HapoClip {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        each_token(batch, loss, slope, |at| {
            let ((log_ratio, has_slope), advantage) = (log_ratio(batch, at), batch.advantage[at]);
            let h = batch.normalised_entropy.get(at).copied().unwrap_or(0.0);
            dual_clipped(clipped(log_ratio.exp(), has_slope, advantage, self.ranges(h)), advantage, Some(self.dual))
        });
    }
}
