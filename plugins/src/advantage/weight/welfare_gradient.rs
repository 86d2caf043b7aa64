use super::{BY_SHARE, by_share, check, gradient, gradient_twin, usual_floor};
use isonomy_engine::advantage::{DomainWeight, Progress, Repairs};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::welfare::Welfare;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Trains for welfare in place of the mean: every domain counts by what its accuracy adds.
///
/// `ω_d = (∂W/∂J_d) / (w_d · Σ_e ∂W/∂J_e)`, J the accuracies and w the shares of what is sampled, so that `Σ w_d ω_d = 1`.
/// `Nash` is proportional fairness, `MaxMin` the objective of MaxMin-RLHF, Chakraborty et al., arXiv 2402.08925 (2024).
///
/// Surprises: `MaxMin` oscillates between the two worst domains; `SoftMin` is its smooth form. A domain that cannot improve
/// keeps its weight.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WelfareGradient {
    /// The welfare function W of the domains' accuracies.
    pub welfare: Box<dyn Welfare>,
    /// Smaller accuracies count as this much; 0.01 if not given. How often that happens is recorded.
    #[serde(default = "usual_floor")]
    pub floor: Positive,
}

isonomy_engine::plugin!(DomainWeight: WelfareGradient, r#"(welfare: {"Nash": ()})"#);

#[typetag::serde]
impl DomainWeight for WelfareGradient {
    fn weigh(&self, progress: &Progress<'_>, _memory: &mut [f64], weight: &mut [f64]) -> Repairs {
        let repairs = gradient(&*self.welfare, progress.accuracy, self.floor.get(), weight);
        by_share(weight, progress.sampled);
        repairs
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        check(&*self.welfare, domains)
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let weigh = "fn weigh() -> vec2<f32> {\n    let floored = welfare_gradient();\n    weigh_by_share();\n    \
                     return vec2(0.0, floored);\n}\n";
        Ok((gradient_twin(&*self.welfare, self.floor)? + BY_SHARE + weigh).into())
    }
}
