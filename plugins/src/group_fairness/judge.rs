//! Judges policies by their exact returns, never by samples.

use super::chain::{Chain, chances_of};
use super::pi0::{Pi0, chains};
use super::problem::{FairProblem, Names, PlanError, gap};
use super::program::Solver;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::reference::Reference;
use serde::{Deserialize, Serialize};

/// A gap may exceed its tolerance by this much before it counts: rounding.
const SLACK: f64 = 1e-9;

/// What is known to the experimenter, and to no learner.
pub struct Judge {
    chains: Vec<Chain>,
    /// `[groups, tasks]` of `[states, actions]`.
    rewards: Vec<Vec<Vec<f64>>>,
    epsilon: Vec<f64>,
    weights: Vec<f64>,
    names: Names,
    /// What the best fair policies earn.
    pub fair_optimum: f64,
    /// What each group earns in each task under one of them, `[groups, tasks]`; others may share it out differently.
    fair_returns: Vec<f64>,
    /// The policy that is known to be fair.
    pub pi0: TabularPolicy,
    /// What it earns.
    pub pi0_worth: f64,
}

/// The record of a learner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Episodes judged.
    pub episodes: u64,
    /// Those in which π⁰ was played.
    pub pi0_episodes: u64,
    /// Those with a gap above ε.
    pub violations: u64,
    /// What the best fair policies would have earned more.
    pub regret: f64,
    /// What π⁰ would have earned more.
    pub regret_pi0: f64,
}

/// The exact verdict on a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Weighted sum of all returns.
    pub worth: f64,
    /// Gap of each task.
    pub gaps: Vec<f64>,
    /// Whether a gap exceeds its tolerance.
    pub unfair: bool,
}

/// Why a learner cannot be judged, or must not begin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unjudgeable {
    /// There is no fair optimum to compare with.
    #[error("there is no fair optimum: {0}")]
    Optimum(PlanError),
    /// There is no π⁰.
    #[error("there is no pi0: {0}")]
    Pi0(PlanError),
    /// π⁰ is not as fair as it should be.
    #[error("the gap of pi0 in task {} is {gap}, and epsilon_0 is {epsilon_0}", task + 1)]
    Pi0Unfair {
        /// The task, from 0.
        task: usize,
        /// The gap there.
        gap: f64,
        /// What it may be at most.
        epsilon_0: f64,
    },
}

impl Judge {
    /// Finds the optimum that `fair` allows, and a π⁰ whose gap is at most `epsilon_0`.
    pub fn new(fair: &FairProblem, pi0: &Pi0, epsilon_0: f64) -> Result<Judge, Unjudgeable> {
        let model = fair.model;
        let optimum = fair.solve(Solver::DantzigWolfe).map_err(Unjudgeable::Optimum)?;
        let judged = |epsilon: &f64| if epsilon.is_finite() { epsilon_0 } else { f64::INFINITY };
        let strict = FairProblem { epsilon: fair.epsilon.iter().map(judged).collect(), ..fair.clone() };
        let cells = model.states * model.actions;
        let rewards = model.reward.chunks_exact(cells * model.tasks);
        let mut judge = Judge {
            chains: chains(model),
            rewards: rewards.map(|group| group.chunks_exact(cells).map(<[f64]>::to_vec).collect()).collect(),
            epsilon: fair.epsilon.clone(),
            weights: fair.weights.clone(),
            names: fair.names.clone(),
            fair_optimum: optimum.objective,
            fair_returns: optimum.returns,
            pi0: pi0.policy(&strict).map_err(Unjudgeable::Pi0)?,
            pi0_worth: 0.0,
        };
        let verdict = judge.verdict(&judge.pi0);
        let wide = (0..model.tasks).find(|&task| verdict.gaps[task] > strict.epsilon[task] + SLACK);
        if let Some(task) = wide {
            return Err(Unjudgeable::Pi0Unfair { task, gap: verdict.gaps[task], epsilon_0 });
        }
        judge.pi0_worth = verdict.worth;
        Ok(judge)
    }

    /// Judges a policy by its exact returns.
    pub fn verdict(&self, policy: &TabularPolicy) -> Verdict {
        let mut returns = Vec::new();
        for (group, chain) in self.chains.iter().enumerate() {
            let occupancy = chain.occupancy(&chances_of(policy, group, chain.horizon));
            returns.extend(self.rewards[group].iter().map(|reward| chain.pays(&occupancy, reward)));
        }
        let tasks = self.epsilon.len();
        let gaps: Vec<f64> = (0..tasks).map(|task| gap(&returns, tasks, task)).collect();
        Verdict {
            worth: returns.iter().zip(&self.weights).map(|(earned, weight)| earned * weight).sum(),
            unfair: gaps.iter().zip(&self.epsilon).any(|(gap, epsilon)| *gap > epsilon + SLACK),
            gaps,
        }
    }

    /// What the report draws beside the record: tolerances, a fair optimum, and the regret of playing π⁰ for ever in
    /// iterations of so many episodes. `delta` is the chance of violations that a theory allows.
    pub fn references(&self, episodes: u64, delta: Option<f64>) -> Vec<Reference> {
        let (tasks, advantage) = (self.epsilon.len(), self.fair_optimum - self.pi0_worth);
        let mut references = tolerances(&self.epsilon);
        for (group, earned) in self.names.groups.iter().zip(self.fair_returns.chunks_exact(tasks)) {
            let label = |group: &str| format!("{group} in a fair optimum");
            let total = earned.iter().sum();
            references.push(Reference::level(format!("groups.{group}.return_mean"), label(group), total));
            for (task, &earned) in self.names.tasks.iter().zip(earned) {
                let metric = format!("groups.{group}.tasks.{task}.return_mean");
                references.push(Reference::level(metric, label(group), earned));
            }
        }
        references.extend([
            Reference::slope("regret", "always π⁰", advantage * episodes as f64),
            Reference::root("regret", "growing with √episodes"),
            Reference::slope("regret_pi0", "the fair optimum", -advantage * episodes as f64),
            Reference::level("violations", "none", 0.0),
        ]);
        references.extend(delta.map(|delta| Reference::level("violation_share", "δ of the theory", delta)));
        references.push(Reference::level("pi0_share", "always π⁰", 1.0));
        references
    }

    /// Enters episodes of one policy into the record.
    pub fn enter(&self, tally: &mut Tally, verdict: &Verdict, episodes: u64, is_pi0: bool) {
        tally.episodes += episodes;
        tally.pi0_episodes += if is_pi0 { episodes } else { 0 };
        tally.violations += if verdict.unfair { episodes } else { 0 };
        tally.regret += episodes as f64 * (self.fair_optimum - verdict.worth);
        tally.regret_pi0 += episodes as f64 * (self.pi0_worth - verdict.worth);
    }
}

/// Lines for the gaps of tasks: all that are finite.
pub(super) fn tolerances(epsilon: &[f64]) -> Vec<Reference> {
    let of_task = |(task, &epsilon)| Reference::level(format!("gap_task_{}", task + 1), "tolerance", epsilon);
    epsilon.iter().enumerate().map(of_task).filter(Reference::is_finite).collect()
}
