//! Curricula: what is sampled next.

use crate::advantage::Progress;
use crate::problem::Problem;
use std::borrow::Cow;

/// Decides from which domains prompts are drawn. The struct is what the RON says; what runs is the [`Sampler`] it begins.
#[typetag::serde]
pub trait Curriculum: std::fmt::Debug + Send + Sync {
    /// What in the fields makes no sense with these domains and so many steps.
    fn check(&self, _domains: &[&str], _steps: u32) -> Vec<Problem> {
        Vec::new()
    }

    /// The rule for domains of these names. Called after [`check`](Self::check) found nothing.
    fn begin(&self, domains: &[&str]) -> Box<dyn Sampler>;
}

/// Shares of domains in what is sampled, step by step. One sampler serves many runs at once: what it remembers of a run
/// is kept by its caller.
pub trait Sampler: std::fmt::Debug + Send + Sync {
    /// Writes the share of every domain, which sum to 1. `progress.sampled` are the shares of the step before.
    /// `memory` holds [`memory`](Self::memory) numbers per domain, domain by domain.
    fn share(&self, progress: &Progress<'_>, memory: &mut [f64], share: &mut [f64]);

    /// Numbers per domain that are kept from step to step.
    fn memory(&self) -> usize {
        0
    }

    /// Sets `memory` to what it is before the first step.
    fn start(&self, memory: &mut [f64]) {
        memory.fill(0.0);
    }

    /// Hears how many responses succeeded and failed in a step, by domain.
    fn hear(&self, _succeeded: &[f64], _failed: &[f64], _memory: &mut [f64]) {}

    /// Whether domains are judged, for what they may forget later, after so many updates: always, or where a stage ends.
    fn judges(&self, _updates: u32) -> bool {
        true
    }

    /// The same in WGSL ([on a device](crate::advantage#on-a-device)), or the reason why there is nothing. What memory
    /// starts with and when domains are judged is asked of this sampler.
    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Err("the curriculum has no WGSL twin".to_owned())
    }
}
