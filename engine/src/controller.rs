//! Controllers: rules that act without learning, the baselines of every comparison.

use crate::policy::TabularPolicy;
use crate::problem::Problem;
use crate::spec::Spec;

/// Acts by rule.
#[typetag::serde]
pub trait Controller: std::fmt::Debug + Send + Sync {
    /// The rule as a table. Called after [`check`](Self::check) found nothing.
    fn rule(&self, spec: &Spec) -> TabularPolicy;

    /// What in this environment makes no sense.
    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        Vec::new()
    }
}
