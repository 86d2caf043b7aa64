use super::grpo::verl;
use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Responses};
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// SRPO: GRPO plus a bonus for what an exact response adds to pass@K.
///
/// `A = GRPO + b`, with c exact responses (reward 1 or above) of n: `ρ = 1 − C(n−c,K)/C(n,K)`, `s = √(ρ(1−ρ)) + 1e-6`; exact
/// ones get `b = (1−ρ)/s`, the others `(1 − ρ − C(n−c−1,K−1)/C(n−1,K−1))/s`. Of GREAM, arXiv 2510.20815 (2025).
///
/// Surprises: bonuses of a group sum to 0, and are 0 where none is exact or fewer than K are not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Srpo {
    /// Tries that are judged together, K; 4 if not given.
    #[serde(default = "four")]
    pub tries: NonZeroU32,
}

isonomy_engine::plugin!(AdvantageEstimator: Srpo, "()");

fn four() -> NonZeroU32 {
    NonZeroU32::new(4).expect("not 0")
}

/// `C(a, k) / C(b, k)`, for `a` at most `b`.
fn ratio(a: usize, b: usize, k: usize) -> f64 {
    (0..k).map(|i| a.saturating_sub(i) as f64 / (b - i) as f64).product()
}

/// The reward of an output that is wrong but well formed, by how many tokens it shares with the target before the first
/// that differs: 0.5, 0.707, 0.866, 0.95, and 1 where it is exact.
pub fn prefix_reward(matching: usize, exact: bool) -> f64 {
    match (exact, matching) {
        (true, _) => 1.0,
        (false, 0) => 0.0,
        (false, 1) => 0.5,
        (false, 2) => 0.707,
        (false, 3) => 0.866,
        (false, _) => 0.95,
    }
}

/// Bonuses of an exact response and of another.
fn bonuses(n: usize, exact: usize, tries: usize) -> [f64; 2] {
    if exact == 0 || n - exact < tries {
        return [0.0; 2];
    }
    let rho = 1.0 - ratio(n - exact, n, tries);
    let scale = (rho * (1.0 - rho)).sqrt() + 1e-6;
    [(1.0 - rho) / scale, (1.0 - rho - ratio(n - exact - 1, n - 1, tries - 1)) / scale]
}

#[typetag::serde]
impl AdvantageEstimator for Srpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        score_groups(batch, advantage, |rewards| {
            let (n, score) = (Moments::of_rewards(rewards).count, verl(rewards));
            let exact = rewards.iter().filter(|&&reward| reward >= 1.0).count();
            let [of_exact, of_others] = bonuses(n, exact, self.tries.get() as usize);
            move |reward| score(reward) + if reward >= 1.0 { of_exact } else { of_others }
        });
    }

    fn check(&self, responses: usize) -> Vec<Problem> {
        let problem = || Problem::at("tries", "more than a group has responses").help(format!("at most {responses}"));
        (self.tries.get() as usize > responses).then(problem).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bonuses_of_three_in_ten() {
        let [exact, other] = bonuses(10, 3, 4);
        assert!((exact - 0.447212).abs() < 2e-6 && (other + 0.191662).abs() < 2e-6, "{exact} {other}");
        assert!((3.0 * exact + 7.0 * other).abs() < 1e-12);
        assert_eq!((bonuses(10, 0, 4), bonuses(10, 7, 4)), ([0.0; 2], [0.0; 2]));
    }
}
