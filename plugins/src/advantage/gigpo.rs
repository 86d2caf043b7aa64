use super::moments::Moments;
use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use isonomy_engine::quantity::{NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GiGPO: compares trajectories of a task, and beneath them the steps at which they saw the same.
///
/// `A_t = A_episode + ω · A_step`. `A_episode` is the trajectory's return minus the group's mean; `A_step` is the discounted
/// return from a step on, minus the mean over all steps of the group with the same observation. With `by_spread` both are
/// divided by their sample deviation + 1e-6. Feng et al., arXiv 2505.10978 (2025).
///
/// Surprises: a step whose observation nobody else met adds nothing, and so does a trajectory without company. The
/// published code takes the episode's statistics over steps, so that long trajectories count more; here over trajectories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gigpo {
    /// Discount from step to step; 0.95 if not given.
    #[serde(default = "usual_discount")]
    pub discount: Probability,
    /// How much steps count beside episodes, ω; 1 if not given.
    #[serde(default = "one")]
    pub step_weight: NonNegative,
    /// Whether both parts are divided by their spread.
    #[serde(default)]
    pub by_spread: bool,
}

isonomy_engine::plugin!(AdvantageEstimator: Gigpo, "()");

fn usual_discount() -> Probability {
    Probability::new(0.95).expect("a probability")
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

impl Gigpo {
    fn relative(&self, value: f64, among: Moments) -> f64 {
        let scale = if self.by_spread { among.sample() + 1e-6 } else { 1.0 };
        if among.count < 2 { 0.0 } else { (value - among.mean) / scale }
    }
}

#[typetag::serde]
impl AdvantageEstimator for Gigpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let width = batch.width();
        let mut from_here = vec![0.0; advantage.len()];
        returns(batch, self.discount.get(), &mut from_here);
        let mut whole = vec![0.0; advantage.len()];
        returns(batch, 1.0, &mut whole);
        advantage.fill(0.0);
        for members in batch.groups() {
            let scored: Vec<usize> = members.filter(|&i| !batch.reward[i].is_nan()).collect();
            // The return of a trajectory is the undiscounted one of its first step.
            let total = |i: usize| {
                let first = (0..width).find(|&t| batch.generated(i, t));
                first.map_or(0.0, |t| whole[i * width + t])
            };
            let episodes = Moments::of(scored.iter().map(|&i| total(i)));
            let steps: Vec<usize> = scored
                .iter()
                .flat_map(|&i| (0..width).filter(move |&t| batch.generated(i, t)).map(move |t| i * width + t))
                .collect();
            for &at in &steps {
                let same = steps.iter().filter(|&&other| batch.observation[other] == batch.observation[at]);
                let met = Moments::of(same.map(|&other| from_here[other]));
                let of_step = self.step_weight.get() * self.relative(from_here[at], met);
                advantage[at] = self.relative(total(at / width), episodes) + of_step;
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Observation]
    }
}
