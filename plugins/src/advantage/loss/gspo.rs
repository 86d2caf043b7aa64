use super::{clipped, generated, log_ratio, sequences};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GSPO: PPO whose ratio is that of the whole response, per token.
///
/// `s = exp(mean_t (ln π − ln π_old))`, `L = max(−A s, −A clip(s, 1−low, 1+high))`, the same on every token of a response.
/// Meant for `SeqMeanTokenMean`. Zheng et al., arXiv 2507.18071 (2025).
///
/// Surprises: the ranges are a thousand times narrower than PPO's, and a response is clipped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gspo {
    /// How far the ratio may fall below 1; 3e-4 if not given.
    #[serde(default = "low")]
    pub low: NonNegative,
    /// How far the ratio may rise above 1; 4e-4 if not given.
    #[serde(default = "high")]
    pub high: NonNegative,
}

isonomy_engine::plugin!(PolicyLoss: Gspo, "()");

fn low() -> NonNegative {
    NonNegative::new(3e-4).expect("not negative")
}

fn high() -> NonNegative {
    NonNegative::new(4e-4).expect("not negative")
}

#[typetag::serde]
impl PolicyLoss for Gspo {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        loss.fill(0.0);
        slope.fill(0.0);
        for (tokens, count, advantage) in sequences(batch) {
            let own = || tokens.clone().filter(|&at| generated(batch, at));
            let mean = own().map(|at| log_ratio(batch, at).0).sum::<f64>() / count as f64;
            let [value, change] = clipped(mean.exp(), true, advantage, [self.low.get(), self.high.get()]);
            for at in own() {
                // Each of `count` tokens has this loss and a `count`th of its slope.
                (loss[at], slope[at]) = (value, if log_ratio(batch, at).1 { change } else { 0.0 });
            }
        }
    }
}
