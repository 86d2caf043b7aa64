//! Reads an MDP and says everything that is wrong with it.

use super::{Group, Mdp, Task};
use crate::groups::{check_groups, check_names};
use isonomy_engine::problem::Problem;
use std::path::Path;

/// How far a sum of chances may be from 1; what is left is taken out.
const ROUNDING: f64 = 1e-6;

/// Problems that are listed one by one; a wrong table easily has thousands.
const MOST_LISTED: usize = 20;

/// The MDP in a file; `name` is what the scenario calls it.
pub(super) fn read(path: &Path, name: &str) -> Result<Mdp, Problem> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::at("file", format!("cannot read {}: {error}", path.display())))?;
    let wrong = |error: String| Problem::at("file", format!("{name}: {error}"));
    let mdp: Mdp = match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        Some("ron") => ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(&text)
            .map_err(|error| wrong(error.to_string()))?,
        _ => return Err(wrong("of unknown kind".to_owned()).help("a name that ends in .json or .ron says what it is")),
    };
    // Their places are in this file, not in the scenario.
    let problems: Vec<String> = mdp.check().iter().map(Problem::to_string).collect();
    if problems.is_empty() { Ok(mdp) } else { Err(wrong(problems.join("\n"))) }
}

impl Mdp {
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = check_groups(self.groups.iter().map(|group| (group.name.as_str(), group.agents.get())));
        problems.extend(check_names("tasks", self.tasks.iter().map(|task| task.name.as_str())));
        for (index, &state) in self.terminal.iter().enumerate() {
            if state >= self.states.get() {
                let help = format!("the {} states are numbered from 0 to {}", self.states, self.states.get() - 1);
                problems
                    .push(Problem::at(format!("terminal[{index}]"), format!("there is no state {state}")).help(help));
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            let here = format!("groups[{index}]");
            problems.extend(self.check_group(group).into_iter().map(|problem| problem.under(&here)));
        }
        for (index, task) in self.tasks.iter().enumerate() {
            let here = format!("tasks[{index}].reward");
            problems.extend(self.check_task(task).into_iter().map(|problem| problem.under(&here)));
        }
        if problems.len() > MOST_LISTED {
            let more = problems.len() - MOST_LISTED;
            problems.truncate(MOST_LISTED);
            problems.push(Problem::at("", format!("{more} more problems of this kind")));
        }
        problems
    }

    fn check_group(&self, group: &Group) -> Vec<Problem> {
        let states = self.states.get() as usize;
        let mut problems = Vec::new();
        let whose = |what: &str| format!("{what} of group \"{}\"", group.name);
        problems.extend(check_chances(&group.start, states, &whose("the start")).map(|p| p.under("start")));
        if group.next.len() != states {
            let found = format!("{} rows for {states} states", group.next.len());
            problems.push(Problem::at("next", found).help("give one row per state"));
        }
        for (state, rows) in group.next.iter().enumerate().take(states) {
            let here = format!("next[{state}]");
            let own = self.check_rows(group, state, rows);
            problems.extend(own.into_iter().map(|problem| problem.under(&here)));
        }
        if let Some(reward) = &group.reward {
            if reward.len() != self.tasks.len() {
                let found = format!("rewards for {} of {} tasks", reward.len(), self.tasks.len());
                problems.push(Problem::at("reward", found).help("give `[tasks][states][actions]`"));
            }
            for (task, table) in reward.iter().enumerate() {
                let here = format!("reward[{task}]");
                problems.extend(self.check_rewards(table).into_iter().map(|problem| problem.under(&here)));
            }
        }
        problems
    }

    /// The chances of one state.
    fn check_rows(&self, group: &Group, state: usize, rows: &[Vec<f64>]) -> Vec<Problem> {
        let (states, actions) = (self.states.get() as usize, self.actions.get() as usize);
        let terminal = self.is_terminal(state);
        if terminal && rows.is_empty() {
            return Vec::new();
        }
        if rows.len() != actions {
            let found = format!("{} rows for {actions} actions", rows.len());
            return vec![Problem::at("", found).help("give one row per action")];
        }
        let mut problems = Vec::new();
        for (action, chances) in rows.iter().enumerate() {
            let whose = format!("the chances of group \"{}\" in state {state} after action {action}", group.name);
            let here = format!("[{action}]");
            let problem = check_chances(chances, states, &whose);
            if problem.is_none() && terminal && (chances[state] - 1.0).abs() > ROUNDING {
                problems.push(
                    Problem::at(&here, format!("state {state} is terminal, and this row leaves it"))
                        .help("give no rows for a terminal state, or let it stay with chance 1"),
                );
            }
            problems.extend(problem.map(|problem| problem.under(&here)));
        }
        problems
    }

    fn check_task(&self, task: &Task) -> Vec<Problem> {
        if task.reward.is_empty() {
            let missing = self.groups.iter().find(|group| group.reward.is_none());
            let message = |group: &Group| format!("no rewards here, and none of its own in group \"{}\"", group.name);
            let problem = missing.map(|group| Problem::at("", message(group)).help("give `[states][actions]`"));
            return problem.into_iter().collect();
        }
        self.check_rewards(&task.reward)
    }

    fn check_rewards(&self, reward: &[Vec<f64>]) -> Vec<Problem> {
        let (states, actions) = (self.states.get() as usize, self.actions.get() as usize);
        let mut problems = Vec::new();
        if reward.len() != states {
            let found = format!("{} rows for {states} states", reward.len());
            problems.push(Problem::at("", found).help("give one row per state"));
        }
        for (state, row) in reward.iter().enumerate().take(states) {
            let here = format!("[{state}]");
            if self.is_terminal(state) {
                if row.iter().any(|&reward| reward != 0.0) {
                    let found = format!("state {state} is terminal and pays nothing");
                    problems.push(Problem::at(here, found).help("leave its row empty; pay for the way there"));
                }
            } else if row.len() != actions {
                let found = format!("{} rewards for {actions} actions", row.len());
                problems.push(Problem::at(here, found).help("give one reward per action"));
            } else if let Some(action) = row.iter().position(|&reward| !(reward as f32).is_finite()) {
                let found = format!("{} is not a finite 32-bit float", row[action]);
                problems.push(Problem::at(format!("[{state}][{action}]"), found));
            }
        }
        problems
    }
}

/// What is wrong with a distribution over states.
fn check_chances(chances: &[f64], states: usize, whose: &str) -> Option<Problem> {
    if chances.len() != states {
        let found = format!("{whose}: {} chances for {states} states", chances.len());
        return Some(Problem::at("", found).help("give one chance per state"));
    }
    // A NaN is in no range.
    if let Some(at) = chances.iter().position(|chance| !(0.0..=1.0 + ROUNDING).contains(chance)) {
        let found = format!("{whose}: {} is no chance", chances[at]);
        return Some(Problem::at(format!("[{at}]"), found).help("chances are from 0 to 1"));
    }
    let sum: f64 = chances.iter().sum();
    let off = (sum - 1.0).abs() > ROUNDING;
    off.then(|| Problem::at("", format!("{whose} sum to {sum}")).help("they must sum to 1"))
}
