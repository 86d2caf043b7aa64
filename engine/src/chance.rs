//! Chances as 32-bit thresholds, so that every device draws the same outcome from the same word.

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
}
