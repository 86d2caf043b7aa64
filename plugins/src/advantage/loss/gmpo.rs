use super::{generated, log_ratio, sequences};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GMPO: the geometric mean of token ratios, each clipped in logarithms before.
///
/// `x_t = sgn(A) min(sgn(A) l_t, sgn(A) clip(l_t, −e, e))`, `l_t = ln ρ_t`, `L = −A exp(mean_t x_t)`, the same on every token
/// of a response. Meant for `SeqMeanTokenMean`. Zhao et al., arXiv 2507.20673 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gmpo {
    /// The range e of a token's log-ratio; 0.4 if not given.
    #[serde(default = "range")]
    pub range: NonNegative,
}

isonomy_engine::plugin!(PolicyLoss: Gmpo, "()");

fn range() -> NonNegative {
    NonNegative::new(0.4).expect("not negative")
}

impl Gmpo {
    /// The clipped log-ratio of a token, and whether it was left as it is.
    fn clip(&self, (log_ratio, has_slope): (f64, bool), advantage: f64) -> (f64, bool) {
        let held = log_ratio.clamp(-self.range.get(), self.range.get());
        let clipped = if advantage < 0.0 { log_ratio.max(held) } else { log_ratio.min(held) };
        (clipped, has_slope && clipped == log_ratio)
    }
}

#[typetag::serde]
impl PolicyLoss for Gmpo {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        loss.fill(0.0);
        slope.fill(0.0);
        for (tokens, count, advantage) in sequences(batch) {
            let own = || tokens.clone().filter(|&at| generated(batch, at));
            let mean = own().map(|at| self.clip(log_ratio(batch, at), advantage).0).sum::<f64>() / count as f64;
            for at in own() {
                let free = self.clip(log_ratio(batch, at), advantage).1;
                loss[at] = -advantage * mean.exp();
                slope[at] = if free { loss[at] } else { 0.0 };
            }
        }
    }
}
