use crate::advantage::loss::HapoClip;
use isonomy_engine::advantage::{AdvantageModifier, Responses, Signal};
use isonomy_engine::quantity::{NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// HAPO's redistribution: uncertain tokens that move, and certain ones that stay, get more of the advantage.
///
/// `A(1 + β h)` outside the band `(1 − low/2, 1 + high/2)` of ratios where the normalised entropy h is above 0, inside it
/// where h is not; A elsewhere. `low` and `high` are the ranges that `clip` gives a token of that entropy. From Uniform to
/// Heterogeneous, arXiv 2509.16591 (2025).
///
/// Surprises: where all entropies are equal, h is 0 and nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HapoRedistribution {
    /// How much entropy shifts, β; 1 if not given.
    #[serde(default = "one")]
    pub beta: NonNegative,
    /// The quantile of entropies that counts as neither certain nor uncertain; 0.8 if not given.
    #[serde(default = "pivot")]
    pub pivot: Probability,
    /// Repeats the sign error of the published code, for comparison with its numbers.
    #[serde(default)]
    pub published_sign: bool,
    /// The clip whose ranges are used.
    #[serde(default = "clip")]
    pub clip: HapoClip,
}

isonomy_engine::plugin!(AdvantageModifier: HapoRedistribution, "()");

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

fn pivot() -> Probability {
    Probability::new(0.8).expect("a probability")
}

fn clip() -> HapoClip {
    let number = |value| NonNegative::new(value).expect("not negative");
    let dual = isonomy_engine::quantity::Positive::new(10.0).expect("positive");
    HapoClip { low: number(0.2), high: number(0.2), alpha: number(1.0), dual }
}

/// Entropies on a scale from −1, the most certain token, over 0, the quantile `pivot`, to 1, the most uncertain one.
///
/// `x = ln max(H, 1e-8)`, `h = (x − q) / √mean (x − q)²`, q the nearest-rank quantile, then each side divided by its
/// largest size. The published code divides the negative side by a negative number (`published_sign`), which turns it over.
pub fn normalised_entropy(entropy: &[f64], mask: &[bool], pivot: f64, published_sign: bool) -> Vec<f64> {
    let generated = |at: &usize| mask.is_empty() || mask[*at];
    let logarithm = |at: usize| entropy[at].max(1e-8).ln();
    let mut sorted: Vec<f64> = (0..entropy.len()).filter(generated).map(logarithm).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return vec![0.0; entropy.len()] };
    let rank = (pivot * last as f64).round() as usize;
    let quantile = sorted[rank.min(last)];
    let size = (sorted.iter().map(|x| (x - quantile).powi(2)).sum::<f64>() / sorted.len() as f64).sqrt();
    if size == 0.0 {
        return vec![0.0; entropy.len()];
    }
    let (least, most) = (sorted[0] - quantile, sorted[last] - quantile);
    let scale = |x: f64| match x {
        x if x > 0.0 => x / most,
        x if x < 0.0 && published_sign => x / least,
        x if x < 0.0 => -x / least,
        _ => 0.0,
    };
    (0..entropy.len()).map(|at| if generated(&at) { scale(logarithm(at) - quantile) } else { 0.0 }).collect()
}

/// Temperatures `T(1 + τ h)` of the next sampling, from the normalised entropies of the last: HAPO's first step.
pub fn temperatures(temperature: f64, strength: f64, normalised_entropy: &[f64]) -> Vec<f64> {
    normalised_entropy.iter().map(|h| temperature * (1.0 + strength * h)).collect()
}

#[typetag::serde]
impl AdvantageModifier for HapoRedistribution {
    fn modify(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let h = normalised_entropy(batch.entropy, batch.mask, self.pivot.get(), self.published_sign);
        for (at, (advantage, h)) in advantage.iter_mut().zip(h).enumerate() {
            let ratio = (batch.log_prob[at] - batch.old_log_prob[at]).exp();
            let [low, high] = self.clip.ranges(h);
            let inside = 1.0 - low / 2.0 < ratio && ratio < 1.0 + high / 2.0;
            if inside != (h > 0.0) {
                *advantage *= 1.0 + self.beta.get() * h;
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Entropy, Signal::LogProb, Signal::OldLogProb]
    }
}
