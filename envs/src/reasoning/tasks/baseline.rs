//! What a policy earns that always says the same.

use super::{Address, Domain, NoSuchLevel, Split};
use std::collections::HashMap;

/// The most frequent answer of a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Majority {
    /// The answer; of several as frequent the first in order of characters.
    pub answer: String,
    /// Part of the problems that it answers.
    pub share: f64,
}

impl Majority {
    /// Problems that are looked at.
    pub const PROBLEMS: u64 = 4096;

    /// Of the first problems of seed 0.
    pub fn of(domain: &'static dyn Domain, level: u32, split: Split) -> Result<Self, NoSuchLevel> {
        let first = Address::new(0, domain, level, split, 0)?;
        let mut counts: HashMap<String, u32> = HashMap::new();
        for index in 0..Self::PROBLEMS {
            *counts.entry(first.at(index).problem().answer).or_default() += 1;
        }
        let most = counts.into_iter().max_by(|(a, count), (b, other)| count.cmp(other).then(b.cmp(a)));
        let (answer, count) = most.expect("there are problems");
        Ok(Majority { answer, share: f64::from(count) / Self::PROBLEMS as f64 })
    }
}

/// An accuracy above that of the majority answer: 0 for saying nothing else, 1 for being always right. `None` where the
/// majority answer is always right.
pub fn above(accuracy: f64, majority: f64) -> Option<f64> {
    (majority < 1.0).then(|| (accuracy - majority) / (1.0 - majority))
}
