use isonomy_engine::policy::{ParametricPolicy, Policy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table of logits: one distribution over actions for every step of the episode, group and observation.
///
/// `π_h(a | z, s) = exp θ[h,z,s,a] / Σ_b exp θ[h,z,s,b]`. Groups never share parameters.
/// The optimal policy of an episode with a time limit looks at the clock, so the table has one part per step unless
/// `stationary` says otherwise. At first all logits are zero, or `bias`, in every cell.
/// Sutton & Barto, Reinforcement Learning (2nd ed. 2018), section 13.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// Whether the same table acts at every step.
    #[serde(default)]
    pub stationary: bool,
    /// The first logit of every action; zeros if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bias: Vec<Finite>,
}

isonomy_engine::plugin!(Policy: Softmax, "(stationary: false)");

impl Softmax {
    fn steps(&self, spec: &Spec) -> usize {
        if self.stationary { 1 } else { spec.time_limit as usize }
    }
}

#[typetag::serde]
impl Policy for Softmax {
    fn initial(&self, spec: &Spec, _seed: u64) -> ParametricPolicy {
        let mut policy = TabularPolicy::uniform(spec, self.steps(spec));
        if !self.bias.is_empty() {
            for cell in policy.logits.chunks_exact_mut(self.bias.len()) {
                cell.iter_mut().zip(&self.bias).for_each(|(logit, bias)| *logit = bias.get());
            }
        }
        ParametricPolicy::Table(policy)
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = Vec::new();
        let actions = spec.action.count() as usize;
        if !self.bias.is_empty() && self.bias.len() != actions {
            problems.push(Problem::at("bias", format!("{} entries for {actions} actions", self.bias.len())));
        }
        problems.extend(super::check_table(spec, self.steps(spec)));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn begins_uniform_or_biased() {
        let spec = two_groups(3, 2, 5);
        let policy = Softmax::default().initial(&spec, 0).into_table().unwrap();
        assert_eq!((policy.steps, policy.chances(7)), (5, vec![0.5, 0.5]));
        let softmax: Softmax = ron::from_str("(stationary: true, bias: [0, 1])").unwrap();
        let policy = softmax.initial(&spec, 0).into_table().unwrap();
        assert_eq!(policy.steps, 1);
        assert!((policy.chances(0)[1] - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let softmax: Softmax = ron::from_str("(bias: [0, 1, 2])").unwrap();
        assert_eq!(softmax.check(&two_groups(3, 2, 5))[0].path, "bias");
        assert_eq!(Softmax::default().check(&two_groups(u32::MAX, 2, u32::MAX)).len(), 1);
        assert!(Softmax::default().check(&two_groups(3, 2, 5)).is_empty());
    }
}
