use super::{check, gradient, gradient_twin, usual_floor};
use isonomy_engine::advantage::{DomainWeight, Progress, Repairs};
use isonomy_engine::gpu::real_constants;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use isonomy_engine::welfare::Welfare;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Balances a domain's own reward with a global one: what its success adds to the welfare of all domains.
///
/// `ω_d = (1−λ) + λ · D · (∂W/∂J_d) / Σ_e ∂W/∂J_e`. To first order this is the counterfactual credit of COMA, W with a
/// response's outcome minus W with the group's mean in its place. Foerster et al., arXiv 1705.08926 (2018).
///
/// Surprises: 0 is plain training and 1 the pure gradient of welfare, but of welfare per response: a rare domain's share
/// stays small. `WelfareGradient` corrects for shares too.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalGlobal {
    /// The welfare function W of the domains' accuracies.
    pub welfare: Box<dyn Welfare>,
    /// The part of the global reward, λ.
    pub global: Probability,
    /// Smaller accuracies count as this much; 0.01 if not given. How often that happens is recorded.
    #[serde(default = "usual_floor")]
    pub floor: Positive,
}

isonomy_engine::plugin!(DomainWeight: LocalGlobal, r#"(welfare: {"Nash": ()}, global: 0.5)"#);

#[typetag::serde]
impl DomainWeight for LocalGlobal {
    fn weigh(&self, progress: &Progress<'_>, _memory: &mut [f64], weight: &mut [f64]) -> Repairs {
        let repairs = gradient(&*self.welfare, progress.accuracy, self.floor.get(), weight);
        let (global, domains) = (self.global.get(), weight.len() as f64);
        weight.iter_mut().for_each(|weight| *weight = (1.0 - global) + global * domains * *weight);
        repairs
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        check(&*self.welfare, domains)
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let global = real_constants(&[("LOCAL_GLOBAL", self.global.get())]);
        Ok((gradient_twin(&*self.welfare, self.floor)? + &global + include_str!("local_global.wgsl")).into())
    }
}
