use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use isonomy_engine::gpu::real_constants;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// VADE: samples where the gradient's variance is expected to be largest, from counts of successes and failures that fade.
///
/// `share_d ∝ w_d · E[p(1−p)²]` for `p ~ Beta(successes + 1, failures + 1)`; before a step's counts are added the old ones
/// are multiplied by `decay`. After VADE, arXiv 2511.18902 (2025), which draws p and takes the best prompts; over domains its
/// expectation needs no draw.
///
/// Surprises: it maximises variance, not coverage: domains that are all easy or all hard starve. `floor` is what every
/// domain gets at least, as a part of an even share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vade {
    /// What remains of old counts after a step; 0.9 if not given.
    #[serde(default = "usual_decay")]
    pub decay: Probability,
    /// The part of sampling that is shared evenly whatever the counts; 0 if not given.
    #[serde(default = "nothing")]
    pub floor: Probability,
}

isonomy_engine::plugin!(Curriculum: Vade, "(floor: 0.1)");

fn usual_decay() -> Probability {
    Probability::new(0.9).expect("a probability")
}

fn nothing() -> Probability {
    Probability::new(0.0).expect("a probability")
}

/// `p(1−p)²`, largest for a third.
pub fn score(p: f64) -> f64 {
    p * (1.0 - p).powi(2)
}

/// The expected score for `p ~ Beta(a, b)`: `ab(b+1) / ((a+b)(a+b+1)(a+b+2))`.
pub fn expected_score(a: f64, b: f64) -> f64 {
    let n = a + b;
    a * b * (b + 1.0) / (n * (n + 1.0) * (n + 2.0))
}

#[typetag::serde]
impl Curriculum for Vade {
    fn check(&self, _domains: &[&str], _steps: u32) -> Vec<Problem> {
        Vec::new()
    }

    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(*self)
    }
}

impl Sampler for Vade {
    fn share(&self, progress: &Progress<'_>, memory: &mut [f64], share: &mut [f64]) {
        for ((share, data), counts) in share.iter_mut().zip(progress.data).zip(memory.chunks_exact(2)) {
            *share = data * expected_score(counts[0] + 1.0, counts[1] + 1.0);
        }
        let (sum, floor, even) = (share.iter().sum::<f64>(), self.floor.get(), 1.0 / share.len() as f64);
        share.iter_mut().for_each(|share| *share = floor * even + (1.0 - floor) * *share / sum);
    }

    fn memory(&self) -> usize {
        2
    }

    fn hear(&self, succeeded: &[f64], failed: &[f64], memory: &mut [f64]) {
        for (counts, heard) in memory.chunks_exact_mut(2).zip(succeeded.iter().zip(failed)) {
            counts[0] = self.decay.get() * counts[0] + heard.0;
            counts[1] = self.decay.get() * counts[1] + heard.1;
        }
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let constants = real_constants(&[("VADE_DECAY", self.decay.get()), ("VADE_FLOOR", self.floor.get())]);
        Ok((constants + include_str!("vade.wgsl")).into())
    }
}
