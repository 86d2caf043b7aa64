use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Responses};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// NGRPO: GRPO with virtual responses of the largest reward, so that a group in which all fail still teaches.
///
/// `A_i = (r_i − mean(X)) / (std(X) + 1e-6)`, X the group's rewards and `virtual_responses` times `largest`; sample
/// deviation. Used with the asymmetric clip `Ppo(low: 0.16, high: 0.24)`, and a filter that drops only groups in which all
/// succeed. Nan et al., arXiv 2509.18851 (2025).
///
/// Surprises: advantages of a group no longer sum to 0. Although no group that fails is lost, its expected gradient is
/// smaller than GRPO's where success is rare (0.0956 against 0.1099 at a chance of .05, groups of 8). `DapoFilter` would
/// throw away the very groups that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ngrpo {
    /// The largest reward there is; 1 if not given. Larger ones are refused.
    #[serde(default = "one")]
    pub largest: Finite,
    /// Virtual responses per group, at least 1; 1 if not given.
    #[serde(default = "single")]
    pub virtual_responses: u32,
}

isonomy_engine::plugin!(AdvantageEstimator: Ngrpo, "()");

fn one() -> Finite {
    Finite::new(1.0).expect("finite")
}

fn single() -> u32 {
    1
}

impl Default for Ngrpo {
    fn default() -> Self {
        Ngrpo { largest: one(), virtual_responses: single() }
    }
}

#[typetag::serde]
impl AdvantageEstimator for Ngrpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let imagined = std::iter::repeat_n(self.largest.get(), self.virtual_responses as usize);
        score_groups(batch, advantage, |rewards| {
            let group = Moments::of(rewards.iter().copied().chain(imagined.clone()));
            move |reward| (reward - group.mean) / (group.sample() + 1e-6)
        });
    }

    fn rewards(&self) -> RangeInclusive<f64> {
        f64::NEG_INFINITY..=self.largest.get()
    }

    fn check(&self, _responses: usize) -> Vec<Problem> {
        let none = self.virtual_responses == 0;
        let problem = || Problem::at("virtual_responses", "without one this is GRPO").help("use 1 or more, or Grpo");
        none.then(problem).into_iter().collect()
    }
}
