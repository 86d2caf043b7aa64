//! What becomes of a trajectory that comes down: it is written to the rollout, and fairness rewards see it.

use super::batch::Chunk;
use crate::fused::{Ledger, Rules, add};
use crate::rollout::Rollout;
use std::ops::Range;

/// Takes a trajectory, chunk by chunk: all steps of some rows, then all steps of the next.
pub(super) struct Sink<'a> {
    rules: &'a Rules,
    /// Bits of an action, behind which the observation stands; none where a word is an action alone.
    action_bits: Option<u32>,
    rows: usize,
    first_step: u64,
    rollout: Option<&'a mut Rollout>,
    /// Whether rewards come down shaped.
    shaped: bool,
    shaping: Vec<Shaping>,
    codes: Vec<u32>,
}

/// What fairness rewards make of some rows, `[tasks, rows]` each, on the host, where they have no twins.
struct Shaping {
    rows: Range<usize>,
    utility: Vec<f32>,
    shaped: Vec<f32>,
    taught: Vec<f32>,
    memory: Vec<f32>,
}

impl Shaping {
    fn new(rows: Range<usize>, ledger: &Ledger<'_>) -> Self {
        let part = |column: &[&mut [f32]]| -> Vec<f32> {
            column.iter().flat_map(|block| &block[rows.clone()]).copied().collect()
        };
        let (utility, taught) = (part(&ledger.utility), part(&ledger.taught));
        Shaping { shaped: vec![0.0; utility.len()], memory: part(&ledger.memory), rows, utility, taught }
    }

    fn step(&mut self, rules: &Rules, step: u64, reward: &[f32]) {
        add(reward, &mut self.utility);
        rules.shape(step, reward, &self.utility, &mut self.memory, &mut self.shaped);
        add(&self.shaped, &mut self.taught);
        if rules.ends(step) {
            self.utility.fill(0.0);
        }
    }
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        rules: &'a Rules,
        action_bits: u32,
        rows: usize,
        first_step: u64,
        rollout: Option<&'a mut Rollout>,
        shaped: bool,
    ) -> Self {
        let action_bits = Some(action_bits);
        Sink { rules, action_bits, rows, first_step, rollout, shaped, shaping: Vec::new(), codes: Vec::new() }
    }

    /// For lanes whose agents move together: what they see comes apart from what they do, see [`see`](Self::see).
    pub(super) fn of_lanes(rules: &'a Rules, rows: usize, first_step: u64, rollout: Option<&'a mut Rollout>) -> Self {
        let (shaping, codes) = (Vec::new(), Vec::new());
        Sink { rules, action_bits: None, rows, first_step, rollout, shaped: false, shaping, codes }
    }

    /// Takes `[steps, 1 + tasks, rows]`, or `[steps, 1 + 2 tasks, rows]` where rewards come down shaped, and behind it
    /// `[episodes, rows]`. `ledger` is that before the rollout.
    pub(super) fn take(&mut self, chunk: &Chunk, words: &[u32], ledger: &Ledger<'_>) {
        let (part, tasks) = (chunk.rows.len(), self.rules.tasks);
        let steps = (chunk.steps.end - chunk.steps.start) as usize;
        let per_step = (1 + tasks * if self.shaped { 2 } else { 1 }) * part;
        let (taken, finals) = words.split_at(steps * per_step);
        if !(self.shaped || self.rules.fairness.is_empty()) && chunk.steps.start == self.first_step {
            self.shaping.push(Shaping::new(chunk.rows.clone(), ledger));
        }
        let mut finals = finals.chunks_exact(part);
        for (step, words) in chunk.steps.clone().zip(taken.chunks_exact(per_step)) {
            let t = (step - self.first_step) as usize;
            let (choices, rewards) = words.split_at(part);
            let (rewards, taught): (&[f32], &[f32]) = bytemuck::cast_slice(rewards).split_at(tasks * part);
            self.write_choices(t, chunk.rows.start, choices);
            let start = t * tasks * self.rows + chunk.rows.start;
            if let Some(rollout) = &mut self.rollout {
                scatter(&mut rollout.reward, start, self.rows, rewards, part);
                scatter(&mut rollout.shaped, start, self.rows, taught, part);
            }
            if let Some(shaping) = self.shaping.last_mut() {
                shaping.step(self.rules, step, rewards);
                if let Some(rollout) = &mut self.rollout {
                    scatter(&mut rollout.shaped, start, self.rows, &shaping.shaped, part);
                }
            }
            if self.rules.ends(step)
                && let (Some(rollout), Some(last)) = (&mut self.rollout, finals.next())
            {
                let limit = u64::from(self.rules.time_limit);
                let episode = (step / limit - self.first_step / limit) as usize;
                rollout.final_observation.write(episode * self.rows + chunk.rows.start, last);
            }
        }
    }

    fn write_choices(&mut self, t: usize, first: usize, choices: &[u32]) {
        let Some(rollout) = &mut self.rollout else { return };
        let start = t * self.rows + first;
        let Some(bits) = self.action_bits else {
            rollout.action.write(start, choices);
            return;
        };
        self.codes.clear();
        self.codes.extend(choices.iter().map(|word| word >> bits));
        rollout.observation.write(start, &self.codes);
        self.codes.clear();
        self.codes.extend(choices.iter().map(|word| word & ((1 << bits) - 1)));
        rollout.action.write(start, &self.codes);
    }

    /// Takes what agents saw, `[steps, rows, size]` and behind it `[episodes, rows, size]`.
    pub(super) fn see(&mut self, chunk: &Chunk, features: &[f32]) {
        let Some(rollout) = &mut self.rollout else { return };
        let (size, limit) = (rollout.size, u64::from(self.rules.time_limit));
        let (all, first, part) = (self.rows * size, chunk.rows.start * size, chunk.rows.len() * size);
        let steps = (chunk.steps.end - chunk.steps.start) as usize;
        let (seen, finals) = features.split_at(steps * part);
        let mut finals = finals.chunks_exact(part);
        for (step, seen) in chunk.steps.clone().zip(seen.chunks_exact(part)) {
            let t = (step - self.first_step) as usize;
            rollout.features[t * all + first..][..part].copy_from_slice(seen);
            if self.rules.ends(step)
                && let Some(last) = finals.next()
            {
                let episode = (step / limit - self.first_step / limit) as usize;
                rollout.final_features[episode * all + first..][..part].copy_from_slice(last);
            }
        }
    }

    /// Credits what was taught.
    pub(super) fn finish(self, ledger: &mut Ledger<'_>) {
        for Shaping { rows, shaped, taught, memory, .. } in self.shaping {
            let columns = [(&mut ledger.shaped, shaped), (&mut ledger.taught, taught), (&mut ledger.memory, memory)];
            for (column, part) in columns {
                for (block, mine) in column.iter_mut().zip(part.chunks_exact(rows.len())) {
                    block[rows.clone()].copy_from_slice(mine);
                }
            }
        }
    }
}

/// Copies blocks of `part` values to every `stride`-th place of `to`.
fn scatter(to: &mut [f32], start: usize, stride: usize, from: &[f32], part: usize) {
    for (index, block) in from.chunks_exact(part).enumerate() {
        to[start + index * stride..][..part].copy_from_slice(block);
    }
}
