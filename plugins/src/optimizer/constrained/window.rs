//! The last policies: what they earn on average, and the one policy that earns as much.

use isonomy_engine::policy::TabularPolicy;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What the last policies earn and how often they make every decision. The oldest leave a tenth of the window at a time,
/// so it holds between nine tenths of `most` and `most` policies, and little memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    most: usize,
    parts: VecDeque<Part>,
}

/// Sums over some policies that followed each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    policies: usize,
    returns: Vec<f64>,
    /// `[cells, actions]` of every table; no table where nobody mixes.
    occupancies: Vec<Vec<f64>>,
}

const PARTS: usize = 10;

impl Window {
    pub(super) fn new(most: usize) -> Self {
        Window { most, parts: VecDeque::new() }
    }

    fn policies(&self) -> usize {
        self.parts.iter().map(|part| part.policies).sum()
    }

    pub(super) fn push(&mut self, returns: Vec<f64>, occupancies: Vec<Vec<f64>>) {
        match self.parts.back_mut().filter(|part| part.policies < self.most.div_ceil(PARTS)) {
            Some(part) => {
                part.policies += 1;
                add(&mut part.returns, &returns);
                part.occupancies.iter_mut().zip(&occupancies).for_each(|(sum, own)| add(sum, own));
            }
            None => self.parts.push_back(Part { policies: 1, returns, occupancies }),
        }
        if self.policies() > self.most {
            self.parts.pop_front();
        }
    }

    /// Mean returns, `[groups, tasks]`; none before the first policy.
    pub(super) fn mean(&self) -> Option<Vec<f64>> {
        let mut mean = vec![0.0; self.parts.front()?.returns.len()];
        self.parts.iter().for_each(|part| add(&mut mean, &part.returns));
        let policies = self.policies() as f64;
        mean.iter_mut().for_each(|mean| *mean /= policies);
        Some(mean)
    }

    /// The policy that makes every decision of a table as often as those of the window do on average. Where they never
    /// are it does what `newest` does.
    pub(super) fn mixture(&self, table: usize, newest: &TabularPolicy) -> TabularPolicy {
        let mut sum = vec![0.0; newest.logits.len()];
        self.parts.iter().for_each(|part| add(&mut sum, &part.occupancies[table]));
        let mut policy = newest.clone();
        let cells = policy.logits.chunks_exact_mut(newest.actions).zip(sum.chunks_exact(newest.actions));
        for (logits, sum) in cells {
            let total: f64 = sum.iter().sum();
            if total > f64::MIN_POSITIVE {
                logits.iter_mut().zip(sum).for_each(|(logit, sum)| *logit = (sum / total).ln());
            }
        }
        policy
    }
}

fn add(sum: &mut [f64], own: &[f64]) {
    sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leave() {
        let mut window = Window::new(20);
        assert_eq!(window.mean(), None);
        for number in 1..=40 {
            window.push(vec![f64::from(number)], Vec::new());
        }
        assert_eq!((window.policies(), window.mean()), (20, Some(vec![30.5])));
        window.push(vec![41.0], Vec::new());
        assert_eq!((window.policies(), window.mean()), (19, Some(vec![32.0])));
    }
}
