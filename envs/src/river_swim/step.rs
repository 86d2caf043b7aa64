//! How swimmers move and what they are paid.

use super::{RiverSwim, Swimmers};
use bytemuck::{Pod, Zeroable};
use isonomy_engine::chance::{Lots, NEVER, threshold, thresholds};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::gpu::{Table, Twin};
use multiversion::multiversion;

const LEFT: u32 = 0;

/// The current against one agent, as thresholds of its word.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct River {
    /// The right bank.
    last: u32,
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

    fn edges(&self) -> Edges {
        let River { first_advances, advances, stays, last_stays, .. } = *self;
        Edges { first_advances, advances, stays, last_stays }
    }
}

/// A reward for what happened to an agent, see [`deed`].
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Payment {
    task: u32,
    /// The bits of the deed that matter,
    mask: u32,
    /// and what they must be.
    deed: u32,
    reward: f32,
}

impl Payment {
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
    /// The same once more, where it is little enough.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
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
        let by_two: Vec<_> = tasks.iter().map(|payments| two_by_two(payments)).collect();
        Rivers {
            last: places - 1,
            first_advances: column(|river| river.first_advances),
            advances: column(|river| river.advances),
            stays: column(|river| river.stays),
            last_stays: column(|river| river.last_stays),
            starts: Lots::new(&lots),
            twin: Twin {
                source: include_str!("step.wgsl"),
                tables: vec![
                    Table::new("rivers", &rivers),
                    Table::new("starts", &starts),
                    Table::new("payments", &tasks.concat()),
                ],
            },
            small: Small::new(river, &by_two),
            tasks: by_two,
        }
    }
}

/// A river small enough for the processor's registers: one cell per group, place and stroke, and no payment that
/// depends on where the stroke leads.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
struct Small {
    advances: [u32; CELLS],
    stays: [u32; CELLS],
    /// What each task pays.
    rewards: Vec<[f32; CELLS]>,
    /// The first cell of each row of a batch.
    first_cell: Vec<u32>,
}

/// Cells in two registers.
const CELLS: usize = 32;

impl Small {
    fn new(river: &RiverSwim, tasks: &[Vec<[Payment; 2]>]) -> Option<Self> {
        let places = river.places.get();
        let fits = river.groups.len() as u64 * 2 * u64::from(places) <= CELLS as u64;
        let stays = |payment: &super::Payment| payment.only_if_staying;
        if !fits || river.tasks.iter().any(|task| task.payments.iter().any(stays)) {
            return None;
        }
        let mut small = Small { advances: [0; CELLS], stays: [0; CELLS], rewards: Vec::new(), first_cell: Vec::new() };
        let mut deeds = [0; CELLS];
        let mut cell = 0;
        for group in &river.groups {
            let agents = group.agents.get() as usize;
            small.first_cell.extend(std::iter::repeat_n(cell as u32, agents));
            let own = River::new(group, places, 0).edges();
            for (place, stroke) in (0..places).flat_map(|place| [(place, LEFT), (place, 1)]) {
                (small.advances[cell], small.stays[cell]) = edges(stroke == LEFT, place == 0, place == places - 1, own);
                deeds[cell] = deed(place, stroke, NEVER);
                cell += 1;
            }
        }
        small.first_cell = per_row(&small.first_cell);
        for payments in tasks {
            let mut rewards = [0.0; CELLS];
            pay(payments, &deeds, &mut rewards);
            small.rewards.push(rewards);
        }
        Some(small)
    }

    /// The same as [`Rivers::step_any`], its tables looked up without touching memory.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn step(&self, moves: Moves<'_>) {
        let Moves { action, words, state, reward } = moves;
        let rows = state.len();
        let (action, words, first_cell) = (&action[..rows], &words[..rows], &self.first_cell[..rows]);
        let reward = &mut reward[..rows * self.rewards.len()];
        let whole = rows / 16 * 16;
        for at in (0..whole).step_by(16) {
            // SAFETY: these sixteen rows are within the slices, whose lengths were just made equal.
            unsafe { self.sixteen(at, 0xffff, action, words, first_cell, state, reward) };
        }
        if whole < rows {
            let rest = (1 << (rows - whole)) - 1;
            // SAFETY: so are the rows of the mask.
            unsafe { self.sixteen(whole, rest, action, words, first_cell, state, reward) };
        }
    }

    /// Moves and pays the rows of `mask` from `at` on.
    ///
    /// # Safety
    /// They must be within every slice, and `reward` must hold as many rows as `state` for every task.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    #[inline]
    #[allow(clippy::too_many_arguments)] // the columns, each on its own
    unsafe fn sixteen(
        &self,
        at: usize,
        mask: u16,
        action: &[u32],
        words: &[u32],
        first_cell: &[u32],
        state: &mut [u32],
        reward: &mut [f32],
    ) {
        use std::arch::x86_64::*;
        let rows = state.len();
        // SAFETY: tables are two registers long, columns long enough by the function's contract.
        unsafe {
            let load = |from: &[u32]| _mm512_maskz_loadu_epi32(mask, from.as_ptr().add(at).cast());
            let look_up = |table: *const i32, cell: __m512i| {
                let (low, high) = (_mm512_loadu_si512(table.cast()), _mm512_loadu_si512(table.add(16).cast()));
                _mm512_permutex2var_epi32(low, cell, high)
            };
            let (one, most) = (_mm512_set1_epi32(1), _mm512_set1_epi32((NEVER - 1) as i32));
            let place = load(state);
            let deed = _mm512_add_epi32(_mm512_add_epi32(place, place), load(action));
            let cell = _mm512_add_epi32(deed, load(first_cell));
            let word = _mm512_min_epu32(load(words), most);
            let advances = _mm512_cmplt_epu32_mask(word, look_up(self.advances.as_ptr().cast(), cell));
            let drifts = _mm512_cmpge_epu32_mask(word, look_up(self.stays.as_ptr().cast(), cell));
            let next = _mm512_mask_add_epi32(place, advances, place, one);
            let next = _mm512_mask_sub_epi32(next, drifts, next, one);
            _mm512_mask_storeu_epi32(state.as_mut_ptr().add(at).cast(), mask, next);
            for (task, table) in self.rewards.iter().enumerate() {
                let earned = look_up(table.as_ptr().cast(), cell);
                _mm512_mask_storeu_epi32(reward.as_mut_ptr().add(task * rows + at).cast(), mask, earned);
            }
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

    fn step(&self, moves: Moves<'_>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(small) = &self.small
            && is_x86_feature_detected!("avx512f")
        {
            // SAFETY: the feature was just detected.
            return unsafe { small.step(moves) };
        }
        self.step_any(moves);
    }

    fn twin(&self) -> Option<Twin> {
        Some(self.twin.clone())
    }
}

impl Rivers {
    /// Rivers of any size, on any processor.
    fn step_any(&self, moves: Moves<'_>) {
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
}

/// Below which words a stroke advances, and from which it drifts back; in between it stays.
#[inline(always)]
fn edges(left: bool, first_bank: bool, last_bank: bool, river: Edges) -> (u32, u32) {
    let advances = if first_bank { river.first_advances } else { river.advances };
    let advances = if left | last_bank { 0 } else { advances };
    let stays = if last_bank { river.last_stays } else { river.stays };
    let stays = if left { 0 } else { stays };
    (advances, if first_bank { NEVER } else { stays })
}

/// The thresholds of a [`River`], by value: a choice between two loads would become a gather.
#[derive(Clone, Copy)]
struct Edges {
    first_advances: u32,
    advances: u32,
    stays: u32,
    last_stays: u32,
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
    let last = rivers.last;
    for row in 0..rows {
        let place = at[row];
        let river = Edges {
            first_advances: first_advances[row],
            advances: advances[row],
            stays: stays[row],
            last_stays: last_stays[row],
        };
        let (advances, stays) = edges(stroke[row] == LEFT, place == 0, place == last, river);
        // Held below `NEVER`, so that a comparison says whether it passes.
        let word = words[row].min(NEVER - 1);
        let next = place.wrapping_add(u32::from(word < advances)).wrapping_sub(u32::from(word >= stays));
        at[row] = next;
        deeds[row] = deed(place, stroke[row], next);
    }
}

/// What happened to an agent, in one word: where, which stroke, whether it stayed.
#[inline(always)]
fn deed(place: u32, stroke: u32, next: u32) -> u32 {
    place << 2 | stroke << 1 | u32::from(next == place)
}

/// Pays for deeds.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pay(payments: &[[Payment; 2]], deeds: &[u32], reward: &mut [f32]) {
    let due = |payment: Payment, deed: u32| if deed & payment.mask == payment.deed { payment.reward } else { 0.0 };
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
    fn small_rivers_move_like_any() {
        let key = Key::new(2, Phase::Training, Purpose::Transition);
        for name in ["river_swim/group_riverswim.ron", "river_swim/group_multi_task.ron", "river_swim/osband.ron"] {
            let environment = crate::tests::scenario(name);
            let value = serde_json::to_value(&*environment).unwrap();
            let river: RiverSwim = serde_json::from_value(value["RiverSwim"].clone()).unwrap();
            let rivers = Rivers::from(&river);
            assert!(rivers.small.is_some(), "{name}");
            for rows in [2, 16, 62, 512] {
                let mut words = vec![0; 3 * rows];
                key.fill(0, 0, &mut words);
                let mut any: Vec<u32> = words[rows..2 * rows].iter().map(|word| word % river.places.get()).collect();
                let action: Vec<u32> = words[2 * rows..].iter().map(|word| word % 2).collect();
                let mut small = any.clone();
                let mut rewards = [vec![f32::NAN; rows * river.tasks.len()], vec![f32::NAN; rows * river.tasks.len()]];
                let [one, other] = &mut rewards;
                words[0] = u32::MAX;
                let words = &words[..rows];
                rivers.step_any(Moves { action: &action, words, state: &mut any, reward: one });
                rivers.step(Moves { action: &action, words, state: &mut small, reward: other });
                assert_eq!(any, small, "{name}");
                assert_eq!(rewards[0], rewards[1], "{name}");
            }
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
        let payment = [
            ("task", offset_of!(Payment, task)),
            ("mask", offset_of!(Payment, mask)),
            ("deed", offset_of!(Payment, deed)),
            ("reward", offset_of!(Payment, reward)),
        ];
        assert_layout(include_str!("step.wgsl"), "Payment", size_of::<Payment>(), &payment);
    }
}
