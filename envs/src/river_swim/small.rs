//! Small rivers in registers: thresholds and payments of at most two rivers of at most sixteen places are looked up by
//! permutation, sixteen rows at a time, without touching memory. The same function as in `step.rs`, to the bit.

use super::step::{Payment, River, deed, pay};
use isonomy_engine::dynamics::{Moves, per_row};

/// Places of one river; also what a stroke to the right adds to the index of a payment.
const PLACES: usize = 16;

/// Tables for rivers that fit.
pub(super) struct Small {
    /// Where a row's river begins in the tables.
    offset: Vec<u32>,
    advances: [u32; 2 * PLACES],
    stays: [u32; 2 * PLACES],
    /// What place and stroke pay, for every task.
    pays: Vec<[f32; 2 * PLACES]>,
}

impl Small {
    /// None where the rivers do not fit, a payment depends on the outcome, or the processor has no AVX-512.
    pub(super) fn new(agents: &[River], tasks: &[Vec<[Payment; 2]>]) -> Option<Small> {
        #[cfg(target_arch = "x86_64")]
        let able = is_x86_feature_detected!("avx512f");
        #[cfg(not(target_arch = "x86_64"))]
        let able = false;
        let last = agents.first()?.last as usize;
        let on_outcome = tasks.iter().flatten().flatten().any(Payment::on_outcome);
        let mut kinds: Vec<[[u32; 2]; PLACES]> = Vec::new();
        let mut offset = Vec::new();
        for river in agents {
            let limits = std::array::from_fn(|place| river.limits(place as u32));
            let kind = kinds.iter().position(|known| *known == limits).unwrap_or_else(|| {
                kinds.push(limits);
                kinds.len() - 1
            });
            offset.push((kind * PLACES) as u32);
        }
        if !able || last >= PLACES || kinds.len() > 2 || on_outcome {
            return None;
        }
        let mut small =
            Small { offset: per_row(&offset), advances: [0; 32], stays: [0; 32], pays: vec![[0.0; 32]; tasks.len()] };
        for (cell, [advances, stays]) in kinds.into_iter().flatten().enumerate() {
            (small.advances[cell], small.stays[cell]) = (advances, stays);
        }
        // Where a stroke leads does not matter: any next place will do.
        let deeds: Vec<u32> = (0..2).flat_map(|stroke| (0..16).map(move |place| deed(place, stroke, place))).collect();
        for (payments, pays) in tasks.iter().zip(&mut small.pays) {
            pay(payments, &deeds, pays);
        }
        Some(small)
    }

    pub(super) fn step(&self, moves: Moves<'_>) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `new` found the feature.
        unsafe {
            self.step_avx512(moves)
        };
        #[cfg(not(target_arch = "x86_64"))]
        let _ = moves;
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn step_avx512(&self, moves: Moves<'_>) {
        let Moves { action, words, state, reward } = moves;
        let rows = state.len();
        let (action, words, offset) = (&action[..rows], &words[..rows], &self.offset[..rows]);
        let reward = &mut reward[..rows * self.pays.len()];
        let whole = rows / 16 * 16;
        for row in (0..whole).step_by(16) {
            // A mask that is known to be full costs nothing; masked stores are slow.
            // SAFETY: these sixteen rows are within the slices, whose lengths were just checked.
            unsafe { self.sixteen(row, 0xffff, offset, action, words, state, reward) };
        }
        if whole < rows {
            // SAFETY: so are the rows of this mask.
            unsafe { self.sixteen(whole, (1 << (rows - whole)) - 1, offset, action, words, state, reward) };
        }
    }

    /// Moves and pays the rows of `mask` from `row` on.
    ///
    /// # Safety
    /// They must be within every slice, and `reward` must hold as many rows as `state` for every task.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    #[inline]
    #[allow(clippy::too_many_arguments)] // the columns, each on its own
    unsafe fn sixteen(
        &self,
        row: usize,
        mask: u16,
        offset: &[u32],
        action: &[u32],
        words: &[u32],
        state: &mut [u32],
        reward: &mut [f32],
    ) {
        use std::arch::x86_64::*;
        let rows = state.len();
        // SAFETY: the tables hold two registers; the columns are long enough by the function's contract.
        unsafe {
            let halves = |table: *const u32| [table, table.add(16)].map(|half| _mm512_loadu_si512(half.cast()));
            let [advances, more_advances] = halves(self.advances.as_ptr());
            let [stays, more_stays] = halves(self.stays.as_ptr());
            let (one, most) = (_mm512_set1_epi32(1), _mm512_set1_epi32(-2));
            let load = |from: &[u32]| _mm512_maskz_loadu_epi32(mask, from.as_ptr().add(row).cast());
            let (place, stroke) = (load(state), load(action));
            // Held below `NEVER`, so that a comparison says whether it passes.
            let word = _mm512_min_epu32(load(words), most);
            let cell = _mm512_add_epi32(place, load(offset));
            let right = _mm512_test_epi32_mask(stroke, stroke);
            let advances = _mm512_permutex2var_epi32(advances, cell, more_advances);
            let stays = _mm512_permutex2var_epi32(stays, cell, more_stays);
            let gains = _mm512_mask_cmplt_epu32_mask(right, word, advances);
            let holds = _mm512_mask_cmplt_epu32_mask(right, word, stays);
            let loses = _mm512_mask_test_epi32_mask(!holds, place, place);
            let next = _mm512_mask_sub_epi32(_mm512_mask_add_epi32(place, gains, place, one), loses, place, one);
            _mm512_mask_storeu_epi32(state.as_mut_ptr().add(row).cast(), mask, next);
            let deed = _mm512_add_epi32(place, _mm512_slli_epi32::<4>(stroke));
            for (task, pays) in self.pays.iter().enumerate() {
                let [left, right] = [pays.as_ptr(), pays.as_ptr().add(16)].map(|half| _mm512_loadu_ps(half));
                let paid = _mm512_permutex2var_ps(left, deed, right);
                _mm512_mask_storeu_ps(reward.as_mut_ptr().add(task * rows + row), mask, paid);
            }
        }
    }
}
