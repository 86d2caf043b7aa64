use isonomy_engine::advantage::{DomainWeight, Progress, Repairs};
use isonomy_engine::gpu::{numbers_by_place, real_constants};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Floors under accuracies, by a price on every domain that is below its own.
///
/// `λ_d ← max(0, λ_d + rate · (c_d − J_d))`, factors `1 + λ_d`, scaled so that their mean over what is sampled is 1. The
/// Lagrangian of `max mean J` such that `J_d ≥ c_d`; Altman, Constrained Markov Decision Processes (1999).
///
/// Surprises: a floor that cannot be reached makes the price grow without end; watch `multiplier`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// The floor of every domain, c.
    pub floors: Vec<Probability>,
    /// How fast prices move, per step.
    pub rate: Positive,
}

isonomy_engine::plugin!(DomainWeight: Floors, "(floors: [0.8, 0.8], rate: 0.5)");

#[typetag::serde]
impl DomainWeight for Floors {
    fn weigh(&self, progress: &Progress<'_>, memory: &mut [f64], weight: &mut [f64]) -> Repairs {
        for ((lambda, floor), accuracy) in memory.iter_mut().zip(&self.floors).zip(progress.accuracy) {
            *lambda = (*lambda + self.rate.get() * (floor.get() - accuracy)).max(0.0);
        }
        let mean: f64 = memory.iter().zip(progress.sampled).map(|(lambda, share)| share * (1.0 + lambda)).sum();
        weight.iter_mut().zip(memory).for_each(|(weight, lambda)| *weight = (1.0 + *lambda) / mean);
        Repairs::default()
    }

    fn memory(&self) -> usize {
        1
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        let found = self.floors.len();
        let problem = || Problem::at("floors", format!("{found} floors for {domains} domains")).help("one per domain");
        (found != domains).then(problem).into_iter().collect()
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let floors = numbers_by_place("floors_given", self.floors.iter().map(|floor| floor.get()));
        let rate = real_constants(&[("FLOORS_RATE", self.rate.get())]);
        Ok((floors + &rate + include_str!("floors.wgsl")).into())
    }
}
