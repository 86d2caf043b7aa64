use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Only the domain with the lowest accuracy is sampled; of several, the first.
///
/// `share_d = 1` for `d = argmin J_d`, else 0. The sampling form of max-min.
///
/// Surprises: it evens out what can be evened out, at a price for the mean; a domain that cannot improve gets everything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstFirst {}

isonomy_engine::plugin!(Curriculum: WorstFirst, "()");

#[typetag::serde]
impl Curriculum for WorstFirst {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(*self)
    }
}

impl Sampler for WorstFirst {
    fn share(&self, progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        let worst = (0..share.len()).min_by(|&a, &b| progress.accuracy[a].total_cmp(&progress.accuracy[b]));
        share.iter_mut().enumerate().for_each(|(domain, share)| *share = f64::from(u8::from(Some(domain) == worst)));
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok(include_str!("worst_first.wgsl").into())
    }
}
