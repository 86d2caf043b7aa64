//! The policy that is known to be fair before anything is learned, π⁰.

use super::chain::{Chain, policy_of};
use super::problem::{Compare, FairProblem, PlanError};
use super::program::Solver;
use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Probability;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the strictly fair policy comes from that is played until a better one is known to be fair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Pi0 {
    /// Planned with the true model for rewards without the goals', and fair by the true rewards. Makes its gap hold by
    /// construction.
    Planned {
        /// Where rewards are left out; the last action in the last state if empty.
        #[serde(default)]
        goals: Vec<Goal>,
    },
    /// The same, but fair by the rewards without the goals' only, as in the code of Satija et al. 2023: where π⁰ reaches
    /// a goal, its true gap can be wider.
    PlannedWithoutGoals {
        /// Where rewards are left out; the last action in the last state if empty.
        #[serde(default)]
        goals: Vec<Goal>,
    },
    /// One action, always: fair where it earns nobody much.
    Always(u32),
    /// For every episode by chance either the unconstrained optimum or one action, always: its gap is about `share`
    /// times that of the optimum.
    Mixed {
        /// The action.
        action: u32,
        /// The optimum's chance.
        share: Probability,
    },
    /// RESEARCH: nothing but a null policy is known, one action, always, that earns nobody much. `OptPess` begins with it, and
    /// whenever it plans, the policy it has played takes the place of π⁰ if the gap that its counts certify is below ε₀,
    /// which from then on is that gap. As long as the radius holds, so does the certificate, and no episode is unfair; but
    /// nobody has shown how large the regret can be. For other optimisers the same as `Always`.
    Bootstrapped {
        /// The action of the null policy.
        action: u32,
    },
}

/// A state and an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The state.
    pub state: u32,
    /// The action taken in it.
    pub action: u32,
}

impl Default for Pi0 {
    fn default() -> Self {
        Pi0::Planned { goals: Vec::new() }
    }
}

impl Pi0 {
    pub(super) fn check(&self, spec: &Spec) -> Vec<Problem> {
        let (states, actions) = (spec.observation.count(), spec.action.count());
        let no_action = |action: u32| {
            let message = format!("there is no action {action}");
            (action >= actions).then(|| Problem::at("pi0", message).help(format!("0 to {}", actions - 1)))
        };
        match self {
            Pi0::Planned { goals } | Pi0::PlannedWithoutGoals { goals } => {
                let outside = goals.iter().find(|goal| goal.state >= states || goal.action >= actions);
                let refused = |goal: &Goal| {
                    Problem::at("pi0", format!("there is no action {} in a state {}", goal.action, goal.state))
                        .help(format!("states 0 to {}, actions 0 to {}", states - 1, actions - 1))
                };
                outside.map(refused).into_iter().collect()
            }
            Pi0::Always(action) | Pi0::Mixed { action, .. } | Pi0::Bootstrapped { action } => {
                no_action(*action).into_iter().collect()
            }
        }
    }

    /// The policy. `fair` asks for the gap that it may have, in the tasks that are judged, and weighs the tasks.
    pub(super) fn policy(&self, fair: &FairProblem) -> Result<TabularPolicy, PlanError> {
        let model = fair.model;
        match self {
            Pi0::Planned { goals } => planned(fair, &without_goals(model, goals), false),
            Pi0::PlannedWithoutGoals { goals } => planned(fair, &without_goals(model, goals), true),
            Pi0::Always(action) | Pi0::Bootstrapped { action } => {
                let chains = chains(model);
                let chances: Vec<Vec<f64>> = chains.iter().map(|chain| always(chain, *action)).collect();
                Ok(policy_of(&chains, &chances))
            }
            Pi0::Mixed { action, share } => {
                let free = FairProblem { compare: Compare::Nothing, ..fair.clone() }.solve(Solver::DantzigWolfe)?;
                let chains = chains(model);
                let mixed = |(chain, best): (&Chain, &Vec<f64>)| {
                    let null = chain.occupancy(&always(chain, *action));
                    let mix = |(best, null): (&f64, &f64)| share.get() * best + (1.0 - share.get()) * null;
                    chain.chances(&best.iter().zip(&null).map(mix).collect::<Vec<_>>())
                };
                let chances: Vec<Vec<f64>> = chains.iter().zip(&free.occupancies[0]).map(mixed).collect();
                Ok(policy_of(&chains, &chances))
            }
        }
    }
}

/// Maximises what `poorer` pays; fair by it too, or by the true rewards.
fn planned(fair: &FairProblem, poorer: &TabularModel, rows_too: bool) -> Result<TabularPolicy, PlanError> {
    let goal = FairProblem { model: poorer, ..fair.clone() };
    if rows_too {
        return Ok(goal.solve(Solver::DantzigWolfe)?.policies.swap_remove(0));
    }
    fair.check()?;
    let (chains, tasks) = (chains(fair.model), Vec::from_iter(0..fair.model.tasks));
    let mut program = fair.program(&chains, &tasks);
    for (part, goal) in program.parts.iter_mut().zip(goal.program(&chains, &tasks).parts) {
        part.objective = goal.objective;
    }
    let solution = program.solve(Solver::DantzigWolfe)?;
    let chances = chains.iter().zip(&solution.occupancies).map(|(chain, occupancy)| chain.chances(occupancy));
    Ok(policy_of(&chains, &chances.collect::<Vec<_>>()))
}

fn without_goals(model: &TabularModel, goals: &[Goal]) -> TabularModel {
    let last = [Goal { state: model.states as u32 - 1, action: model.actions as u32 - 1 }];
    let mut poorer = model.clone();
    for goal in if goals.is_empty() { &last } else { goals } {
        for (group, task) in (0..model.groups).flat_map(|group| (0..model.tasks).map(move |task| (group, task))) {
            *poorer.reward_mut(group, task, goal.state as usize, goal.action as usize) = 0.0;
        }
    }
    poorer
}

pub(super) fn chains(model: &TabularModel) -> Vec<Chain> {
    (0..model.groups).map(|group| Chain::of(model, group)).collect()
}

fn always(chain: &Chain, action: u32) -> Vec<f64> {
    let mut chances = vec![0.0; chain.horizon * chain.states * chain.actions];
    chances.iter_mut().skip(action as usize).step_by(chain.actions).for_each(|chance| *chance = 1.0);
    chances
}
