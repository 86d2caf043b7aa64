use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// All domains are sampled alike, whatever their share of the data.
///
/// `share_d = 1/D`. The simplest fair curriculum, and hard to beat; a domain with little data repeats its prompts. Laplace,
/// Théorie analytique des probabilités (1812), for the principle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniform {}

isonomy_engine::plugin!(Curriculum: Uniform, "()");

#[typetag::serde]
impl Curriculum for Uniform {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(*self)
    }
}

impl Sampler for Uniform {
    fn share(&self, _progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        share.fill(1.0 / share.len() as f64);
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok(super::constant_shares("1.0 / f32(DOMAINS)"))
    }
}
