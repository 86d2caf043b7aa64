//! How agents move through tables, and what the tables pay.

use super::Mdp;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::chance::{NEVER, passes, thresholds};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::gpu::{Table, Twin};

/// Where an agent finds its group's part of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Agent {
    /// The cell from which it starts.
    start: u32,
    /// The cell of state 0 and action 0.
    cells: u32,
    actions: u32,
    /// Cells of all groups; the tables of two tasks are this far apart.
    cells_per_task: u32,
}

/// A state that can come next.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Successor {
    state: u32,
    /// Words that pass this lead to a later successor.
    until: u32,
}

/// Chances and rewards, compiled. A cell is a group, a state and an action, in this order; after all of these there is
/// one more cell per group, for its start.
pub(crate) struct Tables {
    /// One entry per row of a batch.
    agents: Vec<Agent>,
    /// Where the successors of a cell begin, and after the last cell, where they end.
    cells: Vec<u32>,
    successors: Vec<Successor>,
    /// `[tasks, groups, states, actions]`
    rewards: Vec<f32>,
    twin: Twin,
}

impl From<&Mdp> for Tables {
    fn from(mdp: &Mdp) -> Self {
        let (states, actions) = (mdp.states.get() as usize, mdp.actions.get() as usize);
        let groups = mdp.groups.len();
        let (mut cells, mut successors) = (vec![0], Vec::new());
        let mut add = |chances: &[f64]| {
            successors.extend(possible(chances));
            cells.push(successors.len() as u32);
        };
        let place = |cell: usize| (cell / (states * actions), cell / actions % states, cell % actions);
        let per_task = groups * states * actions;
        for (group, state, action) in (0..per_task).map(place) {
            add(&mdp.next(group, state, action));
        }
        mdp.groups.iter().for_each(|group| add(&group.start));
        let reward = |task: usize, cell: usize| {
            let (group, state, action) = place(cell);
            mdp.reward(group, task, state, action) as f32
        };
        let rewards: Vec<f32> =
            (0..mdp.tasks.len()).flat_map(|task| (0..per_task).map(move |cell| reward(task, cell))).collect();
        let agent = |group: usize| Agent {
            start: (per_task + group) as u32,
            cells: (group * states * actions) as u32,
            actions: actions as u32,
            cells_per_task: per_task as u32,
        };
        let agents: Vec<Agent> = (mdp.groups.iter().enumerate())
            .flat_map(|(index, group)| std::iter::repeat_n(agent(index), group.agents.get() as usize))
            .collect();
        let twin = Twin {
            source: include_str!("step.wgsl"),
            tables: vec![
                Table::new("agents", &agents),
                Table::new("cells", &cells),
                Table::new("successors", &successors),
                Table::new("rewards", &rewards),
            ],
        };
        Tables { agents: per_row(&agents), cells, successors, rewards, twin }
    }
}

/// The states that have a chance.
fn possible(chances: &[f64]) -> Vec<Successor> {
    let states: Vec<u32> = (0..chances.len() as u32).filter(|&state| chances[state as usize] > 0.0).collect();
    let chances: Vec<f64> = states.iter().map(|&state| chances[state as usize]).collect();
    let mut until = thresholds(&chances);
    until.push(NEVER);
    states.into_iter().zip(until).map(|(state, until)| Successor { state, until }).collect()
}

impl Tables {
    /// The next state that a word draws in a cell.
    fn draw(&self, cell: usize, word: u32) -> u32 {
        let successors = &self.successors[self.cells[cell] as usize..self.cells[cell + 1] as usize];
        successors[successors.partition_point(|successor| passes(word, successor.until))].state
    }
}

impl Dynamics for Tables {
    fn start(&self, starts: Starts<'_>) {
        for ((state, &word), agent) in starts.state.iter_mut().zip(starts.words).zip(&self.agents) {
            *state = self.draw(agent.start as usize, word);
        }
    }

    fn step(&self, moves: Moves<'_>) {
        let rows = moves.state.len();
        for row in 0..rows {
            let agent = self.agents[row];
            let cell = (agent.cells + moves.state[row] * agent.actions + moves.action[row]) as usize;
            moves.state[row] = self.draw(cell, moves.words[row]);
            let tables = self.rewards.chunks_exact(agent.cells_per_task as usize);
            for (reward, table) in moves.reward[row..].iter_mut().step_by(rows).zip(tables) {
                *reward = table[cell];
            }
        }
    }

    fn twin(&self) -> Option<Twin> {
        Some(self.twin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_layout;
    use std::mem::offset_of;

    #[test]
    fn the_shader_lays_out_the_same_structs() {
        let agent = [
            ("start", offset_of!(Agent, start)),
            ("cells", offset_of!(Agent, cells)),
            ("actions", offset_of!(Agent, actions)),
            ("cells_per_task", offset_of!(Agent, cells_per_task)),
        ];
        assert_layout(include_str!("step.wgsl"), "Agent", size_of::<Agent>(), &agent);
        let successor = [("state", offset_of!(Successor, state)), ("until", offset_of!(Successor, until))];
        assert_layout(include_str!("step.wgsl"), "Successor", size_of::<Successor>(), &successor);
    }
}
