//! Small rivers in registers: thresholds and payments of at most two rivers of at most sixteen places are looked up by
//! permutation, sixteen rows at a time, without touching memory. The same function as in `step.rs`, to the bit.

use super::step::{LEFT, Payment, River, deed, pay};
use isonomy_engine::chance::NEVER;
use isonomy_engine::dynamics::{Moves, per_row};

/// Places of one river.
const PLACES: usize = 16;
/// A stroke and the place it is made from; strokes to the right stand behind those to the left.
const DEEDS: usize = 2 * PLACES;

/// Tables for rivers that fit.
pub(super) struct Small {
    /// Where the second river is.
    second: Vec<u32>,
    /// Of one river or two.
    limits: Vec<Limits>,
    /// What deeds pay, for every task.
    pays: Vec<[f32; DEEDS]>,
}

/// A deed advances below the first, and does not drift back below the second.
#[derive(Clone, PartialEq)]
struct Limits {
    advances: [u32; DEEDS],
    stays: [u32; DEEDS],
}

impl Limits {
    fn of(river: &River) -> Self {
        let of = |deed: usize| {
            let place = (deed % PLACES) as u32;
            match (deed / PLACES) as u32 {
                // There is nothing on the left of the left bank.
                LEFT => [0, if place == 0 { NEVER } else { 0 }],
                _ => river.limits(place),
            }
        };
        Limits { advances: std::array::from_fn(|deed| of(deed)[0]), stays: std::array::from_fn(|deed| of(deed)[1]) }
    }
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
        let mut limits: Vec<Limits> = Vec::new();
        let mut kinds = Vec::new();
        for river in agents {
            let own = Limits::of(river);
            let kind = limits.iter().position(|known| *known == own).unwrap_or_else(|| {
                limits.push(own);
                limits.len() - 1
            });
            kinds.push(kind as u32);
        }
        if !able || last >= PLACES || limits.len() > 2 || on_outcome {
            return None;
        }
        // Where a stroke leads does not matter: any next place will do.
        let deeds: Vec<u32> = (0..2).flat_map(|stroke| (0..16).map(move |place| deed(place, stroke, place))).collect();
        let mut pays = vec![[0.0; DEEDS]; tasks.len()];
        for (payments, pays) in tasks.iter().zip(&mut pays) {
            pay(payments, &deeds, pays);
        }
        Some(Small { second: per_row(&kinds), limits, pays })
    }

    pub(super) fn step(&self, moves: Moves<'_>) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `new` found the feature.
        unsafe {
            if let [one] = &self.limits[..] {
                self.step_avx512(&[one], moves);
            } else if let [first, second] = &self.limits[..] {
                self.step_avx512(&[first, second], moves);
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = moves;
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn step_avx512<const RIVERS: usize>(&self, limits: &[&Limits; RIVERS], moves: Moves<'_>) {
        use std::arch::x86_64::*;
        let Moves { action, words, state, reward } = moves;
        let rows = state.len();
        let (action, words, second) = (&action[..rows], &words[..rows], &self.second[..rows]);
        let reward = &mut reward[..rows * self.pays.len()];
        // SAFETY: these tables hold two registers each.
        let halves =
            |table: &[u32; DEEDS]| unsafe { [0, 16].map(|half| _mm512_loadu_si512(table.as_ptr().add(half).cast())) };
        let advances = limits.map(|limits| halves(&limits.advances));
        let stays = limits.map(|limits| halves(&limits.stays));
        let pays = |table: &[f32; DEEDS]| halves(bytemuck::cast_ref(table)).map(|half| _mm512_castsi512_ps(half));
        let Some((first_task, other_tasks)) = self.pays.split_first() else { return };
        let first_task = pays(first_task);
        let (one, most) = (_mm512_set1_epi32(1), _mm512_set1_epi32(-2));
        // Moves and pays the rows of a mask from `row` on. A mask that is known to be full costs nothing; masked stores
        // are slow.
        let mut sixteen = |row: usize, mask: u16| {
            // SAFETY: the rows of the mask are within the slices, whose lengths were just checked.
            let load = |from: &[u32]| unsafe { _mm512_maskz_loadu_epi32(mask, from.as_ptr().add(row).cast()) };
            let (place, stroke) = (load(state), load(action));
            // Held below `NEVER`, so that a comparison says whether it passes.
            let word = _mm512_min_epu32(load(words), most);
            let deed = _mm512_add_epi32(place, _mm512_slli_epi32::<4>(stroke));
            let look = |tables: [[__m512i; 2]; RIVERS]| {
                let [low, high] = tables[0];
                let found = _mm512_permutex2var_epi32(low, deed, high);
                if RIVERS == 1 {
                    return found;
                }
                let [low, high] = tables[RIVERS - 1];
                let second = load(second);
                let second = _mm512_test_epi32_mask(second, second);
                _mm512_mask_mov_epi32(found, second, _mm512_permutex2var_epi32(low, deed, high))
            };
            let gains = _mm512_cmplt_epu32_mask(word, look(advances));
            let loses = _mm512_cmpge_epu32_mask(word, look(stays));
            let next = _mm512_mask_sub_epi32(_mm512_mask_add_epi32(place, gains, place, one), loses, place, one);
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_epi32(state.as_mut_ptr().add(row).cast(), mask, next) };
            let mut earn = |task: usize, [left, right]: [__m512; 2]| {
                let paid = _mm512_permutex2var_ps(left, deed, right);
                // SAFETY: as above, and `reward` holds as many rows for every task.
                unsafe { _mm512_mask_storeu_ps(reward.as_mut_ptr().add(task * rows + row), mask, paid) };
            };
            earn(0, first_task);
            for (task, table) in other_tasks.iter().enumerate() {
                earn(1 + task, pays(table));
            }
        };
        let whole = rows / 16 * 16;
        for row in (0..whole).step_by(16) {
            sixteen(row, 0xffff);
        }
        if whole < rows {
            sixteen(whole, (1 << (rows - whole)) - 1);
        }
    }
}
