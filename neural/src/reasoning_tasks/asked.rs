//! What was asked and answered, group by group; and groups that wait for the next update.
//!
//! What waits is numbers in a column of the lane: how many groups do, how many responses ever did and were learned from, then group
//! by group its cell, its problem, the reward of a greedy response, the rewards of all, and turn by turn of every response its length
//! and, of every token, the token, its log-probability, the entropy and `Σ π²`.

use super::batch::{Source, tokens};
use super::turns::{Turn, again};
use isonomy_envs::reasoning::tasks::MOST_TOKENS;

/// Prompts and what was answered to them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    /// The domain of every group.
    pub(super) of_cell: Vec<usize>,
    /// Its problem.
    pub(super) indices: Vec<u32>,
    /// Of every response.
    pub(super) reward: Vec<f64>,
    /// That of a greedy response to every group; empty where nobody asks.
    pub(super) greedy: Vec<f64>,
    pub(super) turns: Vec<Turn>,
}

/// Numbers before the first group that waits: how many do, and how many responses did.
const COUNTS: usize = 2;

/// Numbers of a group: its cell, its problem, the greedy reward.
const OF_GROUP: usize = 3;

/// Numbers of a response in a turn.
const OF_TURN: usize = 1 + OF_TOKEN * MOST_TOKENS;

/// Numbers of a token.
const OF_TOKEN: usize = 4;

/// How much is asked at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) prompts: usize,
    pub(super) responses: usize,
    pub(super) turns: usize,
}

impl Sizes {
    fn of_group(self) -> usize {
        OF_GROUP + self.responses * (1 + self.turns * OF_TURN)
    }

    /// Numbers that are kept of groups that wait: before the last round the batch was not full, and that adds as many as a batch
    /// has.
    pub(super) fn room(self) -> usize {
        COUNTS + (self.prompts - 1) * self.of_group()
    }
}

/// Responses that waited and were learned from.
pub(super) fn recovered(waiting: &[f64]) -> f64 {
    waiting[1]
}

/// Lets nobody wait any longer.
pub(super) fn dismiss(waiting: &mut [f64]) {
    waiting[..1].fill(0.0);
}

impl Asked {
    pub(super) fn clear(&mut self, turns: usize) {
        self.of_cell.clear();
        self.indices.clear();
        self.reward.clear();
        self.greedy.clear();
        self.turns.clear();
        self.turns.resize_with(turns, Turn::default);
    }

    /// Adds those groups of another that are chosen.
    pub(super) fn append(&mut self, other: &Asked, chosen: &[bool], responses: usize) {
        let mut places = vec![None; chosen.len()];
        for group in (0..chosen.len()).filter(|&group| chosen[group]) {
            places[group] = Some(self.of_cell.len());
            self.of_cell.push(other.of_cell[group]);
            self.indices.push(other.indices[group]);
            self.reward.extend(&other.reward[group * responses..][..responses]);
            self.greedy.extend(other.greedy.get(group));
        }
        let place = |row: usize| Some(places[row / responses]? * responses + row % responses);
        for (turn, other) in self.turns.iter_mut().zip(&other.turns) {
            turn.append(other, place);
        }
    }

    /// Lets those groups wait that are left.
    pub(super) fn put_aside(&self, left: &[bool], sizes: Sizes, waiting: &mut [f64]) {
        let Sizes { responses, .. } = sizes;
        let (counts, places) = waiting.split_at_mut(COUNTS);
        let mut slots = vec![None; left.len()];
        let groups: Vec<usize> = (0..left.len()).filter(|&group| left[group]).collect();
        counts[0] = groups.len() as f64;
        for (slot, (&group, place)) in groups.iter().zip(places.chunks_exact_mut(sizes.of_group())).enumerate() {
            slots[group] = Some(slot);
            place.fill(0.0);
            let greedy = self.greedy.get(group).copied().unwrap_or_default();
            place[..OF_GROUP].copy_from_slice(&[self.of_cell[group] as f64, f64::from(self.indices[group]), greedy]);
            place[OF_GROUP..][..responses].copy_from_slice(&self.reward[group * responses..][..responses]);
        }
        for (number, turn) in self.turns.iter().enumerate() {
            for (at, &row) in turn.whose.iter().enumerate() {
                let Some(slot) = slots[row / responses] else { continue };
                let said = &turn.generated;
                let first = slot * sizes.of_group() + OF_GROUP + responses;
                let place = &mut places[first + (number * responses + row % responses) * OF_TURN..][..OF_TURN];
                place[0] = f64::from(said.length[at]);
                for (offset, to) in place[1..].chunks_exact_mut(OF_TOKEN).enumerate() {
                    let from = at * MOST_TOKENS + offset;
                    let numbers = [said.log_prob[from], said.entropy[from], said.sum_squares[from]];
                    to[0] = f64::from(said.tokens[from]);
                    to[1..].copy_from_slice(&numbers.map(f64::from));
                }
            }
        }
    }

    /// Begins with the groups that waited, and returns how many did. `greedy` says whether somebody asks for greedy rewards.
    pub(super) fn take_back(&mut self, sources: &[Source], sizes: Sizes, greedy: bool, waiting: &mut [f64]) -> usize {
        let Sizes { responses, turns, .. } = sizes;
        self.clear(turns);
        let (counts, places) = waiting.split_at_mut(COUNTS);
        let count = std::mem::take(&mut counts[0]) as usize;
        for (group, place) in places.chunks_exact(sizes.of_group()).take(count).enumerate() {
            let (cell, index) = (place[0] as usize, place[1] as u32);
            let problem = sources[cell].training(u64::from(index));
            self.of_cell.push(cell);
            self.indices.push(index);
            self.greedy.extend(greedy.then_some(place[2]));
            self.reward.extend(&place[OF_GROUP..][..responses]);
            let said = |number: usize, response: usize| {
                let first = OF_GROUP + responses + (number * responses + response) * OF_TURN;
                &place[first..][..OF_TURN]
            };
            for (number, turn) in self.turns.iter_mut().enumerate() {
                let answered = (0..responses).filter(|&response| said(number, response)[0] > 0.0);
                if number == 0 {
                    turn.begin(responses, tokens(&problem.prompt));
                }
                for response in answered {
                    if number > 0 {
                        let before = said(number - 1, response);
                        let wrong = before[1..].chunks_exact(OF_TOKEN).take(before[0] as usize);
                        let wrong: Vec<u8> = wrong.map(|token| token[0] as u8).collect();
                        turn.begin(1, again(&problem.prompt, &wrong));
                    }
                    let now = said(number, response);
                    turn.whose.push(group * responses + response);
                    turn.generated.length.push(now[0] as u32);
                    for token in now[1..].chunks_exact(OF_TOKEN) {
                        turn.generated.tokens.push(token[0] as u8);
                        turn.generated.log_prob.push(token[1] as f32);
                        turn.generated.entropy.push(token[2] as f32);
                        turn.generated.sum_squares.push(token[3] as f32);
                    }
                }
            }
        }
        counts[1] += (count * responses) as f64;
        count
    }
}
