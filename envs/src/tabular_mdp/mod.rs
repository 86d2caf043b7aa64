//! TabularMdp: any finite group MDP that somebody writes down, in the scenario or in a file beside it.
//!
//! | column   | shape          | meaning                                                              |
//! |----------|----------------|----------------------------------------------------------------------|
//! | `State`  | lanes × agents | state and observation, `0..states`                                   |
//! | `Choice` | lanes × agents | action, `0..actions`                                                 |
//!
//! All groups share states, actions and (usually) rewards; each has its own start distribution and chances. An agent
//! in a terminal state stays there and earns nothing until the time limit.

mod check;
pub(crate) mod step;

use isonomy_engine::environment::Environment;
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// A finite group MDP, written in the scenario (`mdp`) or in a file of its own (`file`). Exactly one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TabularMdp {
    /// A `.json` or `.ron` file that holds what `mdp` would, relative to the scenario's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The MDP itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdp: Option<Mdp>,
}

/// Starts, chances and rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mdp {
    /// Steps before an episode is truncated.
    pub time_limit: NonZeroU32,
    /// Number of states.
    pub states: NonZeroU32,
    /// Number of actions.
    pub actions: NonZeroU32,
    /// Who lives in it.
    pub groups: Vec<Group>,
    /// What is paid for.
    pub tasks: Vec<Task>,
    /// States in which an agent's episode has terminated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminal: Vec<u32>,
}

/// A group with dynamics of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name in tables and records.
    pub name: String,
    /// Agents of this group in every lane.
    pub agents: NonZeroU32,
    /// Chance to start in a state, `[states]`.
    pub start: Vec<f64>,
    /// Chance of the next state, `[states][actions][states]`. May be empty for a terminal state.
    pub next: Vec<Vec<Vec<f64>>>,
    /// Rewards of this group alone, `[tasks][states][actions]`, in place of the tasks' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<Vec<Vec<Vec<f64>>>>,
}

/// A task: a reward signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name in tables and records.
    pub name: String,
    /// Reward of an action in a state, `[states][actions]`. May be empty for a terminal state, and as a whole where
    /// every group has rewards of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reward: Vec<Vec<f64>>,
}

columns! {
    /// Where an agent is; the policy sees it.
    State(u32);
    /// What it does; the policy sets it.
    Choice(u32);
}

impl TabularMdp {
    /// The MDP of another environment's model, which it equals in everything but the chances of rewards: a step pays
    /// what the other pays on average.
    pub fn from_model(spec: &Spec, model: &TabularModel) -> Self {
        let each = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..model.states).map(|s| (0..model.actions).map(|a| of(s, a)).collect()).collect()
        };
        let rewards = |z: usize| -> Vec<Vec<Vec<f64>>> {
            (0..model.tasks).map(|m| each(&|s, a| model.reward(z, m, s, a))).collect()
        };
        let shared = (1..model.groups).all(|z| rewards(z) == rewards(0));
        let group = |(z, group): (usize, &GroupSpec)| Group {
            name: group.name.clone(),
            agents: NonZeroU32::new(group.agents).unwrap_or(NonZeroU32::MIN),
            start: model.start(z).to_vec(),
            next: (0..model.states)
                .map(|s| (0..model.actions).map(|a| model.next(z, s, a).to_vec()).collect())
                .collect(),
            reward: (!shared).then(|| rewards(z)),
        };
        let task = |(m, task): (usize, &TaskSpec)| Task {
            name: task.name.clone(),
            reward: if shared { each(&|s, a| model.reward(0, m, s, a)) } else { Vec::new() },
        };
        let count = |count: usize| NonZeroU32::new(count as u32).unwrap_or(NonZeroU32::MIN);
        let mdp = Mdp {
            time_limit: count(model.horizon),
            states: count(model.states),
            actions: count(model.actions),
            groups: spec.groups.iter().enumerate().map(group).collect(),
            tasks: spec.tasks.iter().enumerate().map(task).collect(),
            terminal: spec.terminal.clone(),
        };
        TabularMdp { file: None, mdp: Some(mdp) }
    }

    /// The MDP, which `resolve` has read and `check` has found.
    fn mdp(&self) -> &Mdp {
        self.mdp.as_ref().expect("resolved and checked")
    }
}

impl Mdp {
    /// Chances of the next state.
    fn next(&self, group: usize, state: usize, action: usize) -> Vec<f64> {
        let mut next = vec![0.0; self.states.get() as usize];
        if self.is_terminal(state) {
            next[state] = 1.0;
        } else {
            next.copy_from_slice(&self.groups[group].next[state][action]);
        }
        normal(next)
    }

    fn reward(&self, group: usize, task: usize, state: usize, action: usize) -> f64 {
        if self.is_terminal(state) {
            return 0.0;
        }
        let own = self.groups[group].reward.as_ref().map(|reward| &reward[task]);
        own.unwrap_or(&self.tasks[task].reward)[state][action]
    }

    fn is_terminal(&self, state: usize) -> bool {
        self.terminal.contains(&(state as u32))
    }

    fn bounds(&self, task: usize) -> (f32, f32) {
        let (groups, states, actions) = (self.groups.len(), self.states.get() as usize, self.actions.get() as usize);
        let cells = (0..groups).flat_map(|z| (0..states).flat_map(move |s| (0..actions).map(move |a| (z, s, a))));
        let rewards = cells.map(|(z, s, a)| self.reward(z, task, s, a) as f32);
        rewards.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), reward| (low.min(reward), high.max(reward)))
    }
}

/// Takes out what is left of rounding in a file.
fn normal(mut chances: Vec<f64>) -> Vec<f64> {
    let sum: f64 = chances.iter().sum();
    chances.iter_mut().for_each(|chance| *chance /= sum);
    chances
}

#[typetag::serde]
impl Environment for TabularMdp {
    fn spec(&self) -> Spec {
        let mdp = self.mdp();
        let group = |group: &Group| GroupSpec { name: group.name.clone(), agents: group.agents.get() };
        let task = |(m, task): (usize, &Task)| TaskSpec { name: task.name.clone(), reward: mdp.bounds(m) };
        Spec {
            groups: mdp.groups.iter().map(group).collect(),
            tasks: mdp.tasks.iter().enumerate().map(task).collect(),
            observation: Space::Discrete(mdp.states.get()),
            action: Space::Discrete(mdp.actions.get()),
            time_limit: mdp.time_limit.get(),
            terminal: mdp.terminal.clone(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        match (&self.file, &self.mdp) {
            (None, Some(mdp)) => mdp.check().into_iter().map(|problem| problem.under("mdp")).collect(),
            (Some(_), Some(_)) => {
                vec![Problem::at("file", "an MDP is given in the scenario as well").help("give either `file` or `mdp`")]
            }
            (Some(file), None) => vec![Problem::at("file", format!("{file} has not been read"))],
            (None, None) => vec![Problem::at("", "no MDP is given").help("give either `mdp` or `file`")],
        }
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        // Where both are given, `check` says so.
        if let (Some(file), None) = (&self.file, &self.mdp) {
            self.mdp = Some(check::read(&folder.join(file), file)?);
            self.file = None;
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<State, Choice>(step::Tables::from(self.mdp()));
    }

    fn model(&self) -> Option<TabularModel> {
        let (mdp, spec) = (self.mdp(), self.spec());
        if !TabularModel::fits(&spec) {
            return None;
        }
        let mut model = TabularModel::still(&spec);
        for z in 0..model.groups {
            model.start_mut(z).copy_from_slice(&normal(mdp.groups[z].start.clone()));
            for s in 0..model.states {
                for a in 0..model.actions {
                    model.next_mut(z, s, a).copy_from_slice(&mdp.next(z, s, a));
                    for m in 0..model.tasks {
                        *model.reward_mut(z, m, s, a) = mdp.reward(z, m, s, a);
                    }
                }
            }
        }
        Some(model)
    }
}

plugin!(Environment: TabularMdp, "(mdp: (
    time_limit: 2,
    states: 2,
    actions: 2,
    groups: [
        (name: \"A\", agents: 1, start: [1.0, 0.0], next: [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]]),
        (name: \"B\", agents: 1, start: [1.0, 0.0], next: [[[1.0, 0.0], [0.1, 0.9]], [[0.0, 1.0], [0.0, 1.0]]]),
    ],
    tasks: [(name: \"arrive\", reward: [[0.0, 0.0], [1.0, 1.0]])],
))");
