use super::moments::score_groups;
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses};
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// PSHW: reward minus the group's mean, times a hardness that falls with the group's success.
///
/// `A_i = (R_i − μ) · (slope · μ + offset)`, R = 1 for a reward above 0 and −1 else, μ its mean over the group. A group
/// that all succeed or all fail in scores 0. Confucius3-Math, arXiv 2506.18330 (2025).
///
/// Surprises: hard prompts weigh 1.23 times more than easy ones with the published numbers. After an estimator that divides
/// by the spread this would weigh difficulty twice, so it is an estimator of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pshw {
    /// How hardness changes with the mean; −0.256 if not given.
    #[serde(default = "slope")]
    pub slope: Finite,
    /// Hardness of a group of mean 0; 1.256 if not given.
    #[serde(default = "offset")]
    pub offset: Finite,
}

isonomy_engine::plugin!(AdvantageEstimator: Pshw, "()");

fn slope() -> Finite {
    Finite::new(-0.256).expect("finite")
}

fn offset() -> Finite {
    Finite::new(1.256).expect("finite")
}

#[typetag::serde]
impl AdvantageEstimator for Pshw {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let outcome = |reward: f64| if reward > 0.0 { 1.0 } else { -1.0 };
        score_groups(batch, advantage, |rewards| {
            let scored = rewards.iter().filter(|reward| !reward.is_nan());
            let mean = scored.clone().map(|&reward| outcome(reward)).sum::<f64>() / scored.count().max(1) as f64;
            let mixed = mean.abs() < 1.0;
            let hardness = if mixed { self.slope.get() * mean + self.offset.get() } else { 0.0 };
            move |reward| if mixed { (outcome(reward) - mean) * hardness } else { 0.0 }
        });
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: false, factors: true }
    }
}
