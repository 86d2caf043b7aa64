//! How swimmers move and what they are paid.

use super::small::Small;
use super::{RiverSwim, Swimmers};
use bytemuck::{Pod, Zeroable};
use isonomy_engine::chance::{Lots, NEVER, passes, threshold, thresholds};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::gpu::{Table, Twin};
use multiversion::multiversion;

pub(super) const LEFT: u32 = 0;

/// The current against one agent, as thresholds of its word.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct River {
    /// The right bank.
    pub(super) last: u32,
    /// A stroke from the left bank advances below this.
    first_advances: u32,
    /// A stroke between the banks advances below this,
    advances: u32,
    /// and stays below that.
    stays: u32,
    /// A stroke at the right bank stays below this.
    last_stays: u32,
    /// Where the thresholds of its start begin.
    starts: u32,
}

impl River {
    /// Thresholds of a place: a stroke to the right advances below the first and does not drift back below the second.
    pub(super) fn limits(&self, place: u32) -> [u32; 2] {
        match place {
            0 => [self.first_advances, NEVER],
            place if place == self.last => [0, self.last_stays],
            _ => [self.advances, self.stays],
        }
    }

    fn new(group: &Swimmers, places: u32, starts: usize) -> Self {
        let advance = group.advance.get();
        River {
            last: places - 1,
            first_advances: threshold(group.first_advance.get()),
            advances: threshold(advance),
            stays: threshold((advance + group.stay.get()).min(1.0)),
            last_stays: threshold(group.last_stay.get()),
            starts: starts as u32,
        }
    }
}

/// A reward for what happened to an agent, see [`deed`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Payment {
    task: u32,
    /// The bits of the deed that matter,
    mask: u32,
    /// and what they must be.
    deed: u32,
    reward: f32,
}

impl Payment {
    /// Whether it depends on where the stroke led.
    pub(super) fn on_outcome(&self) -> bool {
        self.mask == NEVER
    }

    /// What no deed earns.
    const NONE: Payment = Payment { task: NEVER, mask: 0, deed: NEVER, reward: 0.0 };

    fn new(task: usize, payment: &super::Payment) -> Self {
        let (stays, stroke) = (u32::from(payment.only_if_staying), payment.stroke as u32);
        let mask = if payment.only_if_staying { NEVER } else { !1 };
        Payment {
            task: task as u32,
            mask,
            deed: payment.place << 2 | stroke << 1 | stays,
            reward: payment.reward.get() as f32,
        }
    }
}

/// Rows of the batch in which deeds are kept on the stack between the move and the payment.
const BATCH: usize = 256;

/// All that swimming needs, one entry per row of a batch.
pub(crate) struct Rivers {
    last: u32,
    first_advances: Vec<u32>,
    advances: Vec<u32>,
    stays: Vec<u32>,
    last_stays: Vec<u32>,
    starts: Lots,
    /// Payments of every task, two by two.
    tasks: Vec<Vec<[Payment; 2]>>,
    /// The same in registers, where river and processor allow.
    small: Option<Small>,
    twin: Twin,
}

impl From<&RiverSwim> for Rivers {
    fn from(river: &RiverSwim) -> Self {
        let places = river.places.get();
        let (mut rivers, mut starts) = (Vec::new(), Vec::new());
        let mut lots = Vec::new();
        for group in &river.groups {
            let own = thresholds(&group.start.chances(places as usize));
            let agents = group.agents.get() as usize;
            rivers.extend(std::iter::repeat_n(River::new(group, places, starts.len()), agents));
            starts.extend_from_slice(&own);
            lots.extend(std::iter::repeat_n(own, agents));
        }
        let column = |of: fn(&River) -> u32| per_row(&rivers.iter().map(of).collect::<Vec<_>>());
        let payments = |(task, one): (usize, &super::Task)| -> Vec<Payment> {
            one.payments.iter().map(|payment| Payment::new(task, payment)).collect()
        };
        let tasks: Vec<Vec<Payment>> = river.tasks.iter().enumerate().map(payments).collect();
        let pairs: Vec<Vec<[Payment; 2]>> = tasks.iter().map(|payments| two_by_two(payments)).collect();
        let deeds: Vec<u32> = (0..4 * places).collect();
        let mut pays = vec![0.0; pairs.len() * deeds.len()];
        for (payments, pays) in pairs.iter().zip(pays.chunks_exact_mut(deeds.len())) {
            pay(payments, &deeds, pays);
        }
        Rivers {
            last: places - 1,
            small: Small::new(&rivers, &pairs),
            first_advances: column(|river| river.first_advances),
            advances: column(|river| river.advances),
            stays: column(|river| river.stays),
            last_stays: column(|river| river.last_stays),
            starts: Lots::new(&lots),
            twin: Twin {
                source: include_str!("step.wgsl"),
                tables: vec![Table::new("rivers", &rivers), Table::new("starts", &starts), Table::new("pays", &pays)],
            },
            tasks: pairs,
        }
    }
}

fn two_by_two(payments: &[Payment]) -> Vec<[Payment; 2]> {
    let pair = |pair: &[Payment]| [pair[0], pair.get(1).copied().unwrap_or(Payment::NONE)];
    payments.chunks(2).map(pair).collect()
}

impl Dynamics for Rivers {
    fn start(&self, starts: Starts<'_>) {
        self.starts.draw(starts.words, starts.state);
    }

    fn draws_starts(&self) -> bool {
        !self.starts.are_certain()
    }

    fn step(&self, moves: Moves<'_>) {
        if let Some(small) = &self.small {
            return small.step(moves);
        }
        let rows = moves.state.len();
        let mut deeds = [0; BATCH];
        for first in (0..rows).step_by(BATCH) {
            let range = first..rows.min(first + BATCH);
            let deeds = &mut deeds[..range.len()];
            let (at, stroke) = (&mut moves.state[range.clone()], &moves.action[range.clone()]);
            swim(self, first, stroke, &moves.words[range.clone()], at, deeds);
            for (task, reward) in self.tasks.iter().zip(moves.reward.chunks_exact_mut(rows)) {
                pay(task, deeds, &mut reward[range.clone()]);
            }
        }
    }

    fn twin(&self) -> Option<Twin> {
        Some(self.twin.clone())
    }
}

/// Moves rows by one stroke; `first` is the number of the first of them in its batch.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn swim(rivers: &Rivers, first: usize, stroke: &[u32], words: &[u32], at: &mut [u32], deeds: &mut [u32]) {
    let rows = at.len();
    let (stroke, words, deeds) = (&stroke[..rows], &words[..rows], &mut deeds[..rows]);
    let first_advances = &rivers.first_advances[first..][..rows];
    let advances = &rivers.advances[first..][..rows];
    let stays = &rivers.stays[first..][..rows];
    let last_stays = &rivers.last_stays[first..][..rows];
    for row in 0..rows {
        // All four are read before any is chosen: a choice between two reads would become a gather.
        let limits = [first_advances[row], advances[row], stays[row], last_stays[row]];
        let next = stroke_from(at[row], stroke[row], words[row], rivers.last, limits);
        deeds[row] = deed(at[row], stroke[row], next);
        at[row] = next;
    }
}

/// The next place after one stroke.
#[inline(always)]
pub(super) fn stroke_from(place: u32, stroke: u32, word: u32, last: u32, limits: [u32; 4]) -> u32 {
    let [first_advances, advances, stays, last_stays] = limits;
    let back = place.saturating_sub(1);
    let (first_bank, last_bank) = (place == 0, place == last);
    let advances = if first_bank { first_advances } else { advances };
    let advances = if last_bank { 0 } else { advances };
    let stays = if last_bank { last_stays } else { stays };
    let stays = if first_bank { NEVER } else { stays };
    let drifted = if passes(word, stays) { back } else { place };
    let next = if passes(word, advances) { drifted } else { place + 1 };
    if stroke == LEFT { back } else { next }
}

/// What happened to an agent, in one word: where, which stroke, whether it stayed.
#[inline(always)]
pub(super) fn deed(place: u32, stroke: u32, next: u32) -> u32 {
    place << 2 | stroke << 1 | u32::from(next == place)
}

/// Pays for deeds.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn pay(payments: &[[Payment; 2]], deeds: &[u32], reward: &mut [f32]) {
    // By value, and by a mask of bits: a choice of what to read would become a gather.
    let due = |Payment { mask, deed, reward, .. }: Payment, done: u32| {
        f32::from_bits(reward.to_bits() & u32::from(done & mask == deed).wrapping_neg())
    };
    if let Some((&[one, other], rest)) = payments.split_first() {
        for (reward, &deed) in reward.iter_mut().zip(deeds) {
            *reward = due(one, deed) + due(other, deed);
        }
        for &[one, other] in rest {
            for (reward, &deed) in reward.iter_mut().zip(deeds) {
                *reward = *reward + due(one, deed) + due(other, deed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_layout;
    use isonomy_engine::noise::{Key, Phase, Purpose};
    use std::mem::offset_of;

    #[test]
    fn small_rivers_step_as_all_rivers_do() {
        let text = "(places: 7, time_limit: 10,
            groups: [
                (name: \"A\", agents: 2, advance: 0.35, stay: 0.60),
                (name: \"B\", agents: 1, advance: 0.90, stay: 0.05, last_stay: 1.0, first_advance: 1.0),
            ],
            tasks: [
                (name: \"one\", payments: [(place: 0, stroke: Left, reward: 0.01), (place: 6, stroke: Right, reward: 1.0),
                    (place: 6, stroke: Right, reward: 0.1)]),
                (name: \"two\", payments: [(place: 4, stroke: Left, reward: 0.1)]),
            ])";
        let river: RiverSwim = isonomy_engine::reexport::ron::from_str(text).expect("a river");
        let small = Rivers::from(&river);
        let plain = Rivers { small: None, ..Rivers::from(&river) };
        if small.small.is_none() {
            eprintln!("no AVX-512 here: there is only one way to step");
            return;
        }
        let key = Key::new(9, Phase::Training, Purpose::Transition);
        for rows in [3, 15, 48, 99, 510] {
            let mut words = vec![0; 3 * rows];
            key.fill(0, 0, &mut words);
            words[0] = u32::MAX;
            let action: Vec<u32> = words[rows..2 * rows].iter().map(|word| word & 1).collect();
            let begun: Vec<u32> = words[2 * rows..].iter().map(|word| word % 7).collect();
            let step = |rivers: &Rivers| {
                let (mut state, mut reward) = (begun.clone(), vec![9.0; 2 * rows]);
                rivers.step(Moves { action: &action, words: &words[..rows], state: &mut state, reward: &mut reward });
                (state, reward)
            };
            assert_eq!(step(&small), step(&plain), "{rows} rows");
        }
    }

    #[test]
    fn the_shader_lays_out_the_same_structs() {
        let river = [
            ("last", offset_of!(River, last)),
            ("first_advances", offset_of!(River, first_advances)),
            ("advances", offset_of!(River, advances)),
            ("stays", offset_of!(River, stays)),
            ("last_stays", offset_of!(River, last_stays)),
            ("starts", offset_of!(River, starts)),
        ];
        assert_layout(include_str!("step.wgsl"), "River", size_of::<River>(), &river);
    }
}
