use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use isonomy_engine::gpu::numbers_by_place;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Domains are sampled as often as they occur in the data: what happens where nobody decides.
///
/// `share_d = w_d`, w the domain's share of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proportional {}

/// Domains are sampled by shares that the scenario gives.
///
/// `share_d = s_d / Σ_e s_e`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// A number per domain; they must sum to 1.
    pub shares: Vec<NonNegative>,
}

isonomy_engine::plugin!(Curriculum: Proportional, "()");
isonomy_engine::plugin!(Curriculum: Shares, "(shares: [0.25, 0.75])");

#[typetag::serde]
impl Curriculum for Proportional {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(*self)
    }
}

impl Sampler for Proportional {
    fn share(&self, progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        share.copy_from_slice(progress.data);
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok(super::constant_shares("data_share(d)"))
    }
}

#[typetag::serde]
impl Curriculum for Shares {
    fn check(&self, domains: &[&str], _steps: u32) -> Vec<Problem> {
        let (found, domains) = (self.shares.len(), domains.len());
        if found != domains {
            return vec![Problem::at("shares", format!("{found} shares for {domains} domains")).help("one per domain")];
        }
        let sum: f64 = self.shares.iter().map(|share| share.get()).sum();
        let off = (sum - 1.0).abs() > 1e-9;
        let problem = || Problem::at("shares", format!("the shares sum to {sum}")).help("they must sum to 1");
        off.then(problem).into_iter().collect()
    }

    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(self.clone())
    }
}

impl Sampler for Shares {
    fn share(&self, _progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        share.iter_mut().zip(&self.shares).for_each(|(share, own)| *share = own.get());
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let shares = numbers_by_place("shares_given", self.shares.iter().map(|share| share.get()));
        Ok((shares + &super::constant_shares("shares_given(d)")).into())
    }
}
