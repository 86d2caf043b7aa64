//! Chances as 32-bit thresholds, so that every device draws the same outcome from the same word.

use crate::dynamics::per_row;
use multiversion::multiversion;

/// The threshold that no word passes.
pub const NEVER: u32 = u32::MAX;

/// Whether `word` passes `threshold`: with chance `1 - threshold / 2^32`, and never for [`NEVER`].
#[inline(always)]
pub fn passes(word: u32, threshold: u32) -> bool {
    (word >= threshold) & (threshold != NEVER)
}

/// The outcome of `word` among `thresholds.len() + 1` outcomes: how many thresholds it passes.
#[inline(always)]
pub fn outcome(word: u32, thresholds: &[u32]) -> u32 {
    thresholds.iter().map(|&threshold| u32::from(passes(word, threshold))).sum()
}

/// Cumulative thresholds of a distribution: entry `k` is passed by the outcomes after `k`.
/// Has one entry fewer than there are chances. Outcomes of chance zero are never drawn.
pub fn thresholds(chances: &[f64]) -> Vec<u32> {
    let total: f64 = chances.iter().sum();
    let last = chances.iter().rposition(|&chance| chance > 0.0).unwrap_or(0);
    let mut sum = 0.0;
    let below = |(index, chance): (usize, &f64)| {
        sum += chance;
        if index >= last { NEVER } else { threshold(sum / total) }
    };
    chances[..chances.len().max(1) - 1].iter().enumerate().map(below).collect()
}

/// The threshold that a word stays below with this chance.
pub fn threshold(chance: f64) -> u32 {
    // `as` saturates; 2^32 itself becomes NEVER.
    (chance * 4_294_967_296.0).round() as u32
}

/// One distribution per row of a batch, drawn from for many rows at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lots {
    /// What every row draws at least.
    least: Vec<u32>,
    /// Thresholds that some rows pass at times, `[n, rows]`.
    thresholds: Vec<Vec<u32>>,
}

impl Lots {
    /// From cumulative thresholds of every agent of a lane; all of the same length.
    pub fn new(agents: &[Vec<u32>]) -> Self {
        let always = |own: &Vec<u32>| own.iter().take_while(|&&threshold| threshold == 0).count();
        let least: Vec<u32> = agents.iter().map(|own| always(own) as u32).collect();
        let at_times = |own: &[u32]| own.iter().filter(|&&threshold| threshold != 0 && threshold != NEVER).count();
        let most = agents.iter().map(|own| at_times(own)).max().unwrap_or(0);
        let nth = |n: usize| -> Vec<u32> {
            let own = |(own, least): (&Vec<u32>, &u32)| own.get(*least as usize + n).copied().unwrap_or(NEVER);
            per_row(&agents.iter().zip(&least).map(own).collect::<Vec<_>>())
        };
        Lots { least: per_row(&least), thresholds: (0..most).map(nth).collect() }
    }

    /// Whether every row draws the same whatever its word.
    pub fn are_certain(&self) -> bool {
        self.thresholds.is_empty()
    }

    /// The outcome of every row's word: [`outcome`] with its own thresholds.
    pub fn draw(&self, words: &[u32], outcomes: &mut [u32]) {
        outcomes.copy_from_slice(&self.least[..outcomes.len()]);
        for thresholds in &self.thresholds {
            count(words, thresholds, outcomes);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count(words: &[u32], thresholds: &[u32], outcomes: &mut [u32]) {
    for ((outcome, &word), &threshold) in outcomes.iter_mut().zip(words).zip(thresholds) {
        *outcome += u32::from(passes(word, threshold));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_follow_their_chances() {
        let at = thresholds(&[0.25, 0.0, 0.75]);
        assert_eq!(at, [1 << 30, 1 << 30]);
        assert_eq!([outcome(0, &at), outcome((1 << 30) - 1, &at), outcome(1 << 30, &at)], [0, 0, 2]);
    }

    #[test]
    fn what_has_no_chance_is_never_drawn() {
        assert_eq!(outcome(u32::MAX, &thresholds(&[1.0, 0.0])), 0);
        assert_eq!(outcome(0, &thresholds(&[0.0, 1.0])), 1);
        assert_eq!(outcome(u32::MAX, &thresholds(&[0.4, 0.6, 0.0, 0.0])), 1);
        assert!(thresholds(&[1.0]).is_empty());
    }

    #[test]
    fn lots_are_outcomes_of_each_row() {
        let chances = [vec![0.25, 0.0, 0.75], vec![0.0, 0.5, 0.5], vec![0.0, 0.0, 1.0], vec![1.0, 0.0, 0.0]];
        let agents: Vec<Vec<u32>> = chances.iter().map(|chances| thresholds(chances)).collect();
        let lots = Lots::new(&agents);
        for word in [0, 1 << 29, 1 << 30, (1 << 31) - 1, 1 << 31, u32::MAX] {
            let mut drawn = [9; 8];
            lots.draw(&[word; 8], &mut drawn);
            let expected: Vec<u32> = (0..8).map(|row| outcome(word, &agents[row % 4])).collect();
            assert_eq!(drawn.to_vec(), expected, "{word}");
        }
    }
}
