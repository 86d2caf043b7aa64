use super::{Limited, pairs};
use isonomy_engine::constraint::{Constraint, Exact, Judged, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Envy-freeness: no group would rather be treated as another one is.
///
/// Rows `J_i(π_j) − J_i(π_i) − ε ≤ 0` for every ordered pair: what group i would earn in its own world by group j's policy,
/// less what it earns; on returns summed over tasks, or with `per_task: true` in every task. Needs the environment's model.
/// Foley, Yale Economic Essays 7 (1967); of policies Do, Corbett-Davies, Atif & Usunier, arXiv 2104.14527 (2021).
///
/// Surprises: a policy that ignores groups is free of envy however unequal returns are, and so is giving every group its
/// own best policy. A product of two policies' parts, so it has no linear rows: a planner alternates between groups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvyFreeness {
    /// The largest envy allowed, ε, in units of return.
    pub epsilon: NonNegative,
    /// Whether every task is compared on its own, or their sum.
    #[serde(default)]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: EnvyFreeness, "(epsilon: 0.1)");

/// The policy in which everyone is treated as the group `places` further on is.
fn shifted(policy: &TabularPolicy, places: usize) -> TabularPolicy {
    let mut shifted = policy.clone();
    let row = policy.observations * policy.actions;
    for (of_step, from) in
        shifted.logits.chunks_exact_mut(policy.groups * row).zip(policy.logits.chunks_exact(policy.groups * row))
    {
        of_step.copy_from_slice(from);
        of_step.rotate_left(places * row);
    }
    shifted
}

#[typetag::serde]
impl Constraint for EnvyFreeness {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let Exact { spec, model, policy } = judged.exact("EnvyFreeness")?;
        let groups = &judged.returns.groups;
        let as_other: Vec<_> = (0..groups.len()).map(|places| model.evaluate(spec, &shifted(policy, places))).collect();
        let mut overruns = Vec::new();
        for limited in Limited::of_returns(judged.returns, self.per_task) {
            for (i, j) in pairs(groups.len()) {
                let places = (j + groups.len() - i) % groups.len();
                let envy = limited.earns(&as_other[places], i) - limited.earns(&as_other[0], i);
                let row = format!("{} envies {}{}", groups[i], groups[j], limited.suffix);
                overruns.push(Overrun { row, value: envy - self.epsilon.get() });
            }
        }
        Ok(overruns)
    }

    fn check(&self, spec: &Spec, model: Option<&TabularModel>) -> Vec<Problem> {
        let mut problems = super::alone(spec, "envy");
        problems.extend(super::without_model(model, "EnvyFreeness"));
        problems
    }
}
