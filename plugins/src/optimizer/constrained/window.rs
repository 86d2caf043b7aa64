//! The last policies: what they earn on average, and the one policy that earns as much.

use isonomy_engine::policy::TabularPolicy;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What the last `most` policies earn, and how often they make every decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    most: usize,
    returns: VecDeque<Vec<f64>>,
    /// `[cells, actions]` of every table; empty where nobody mixes.
    occupancies: VecDeque<Vec<Vec<f64>>>,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        Window { most, returns: VecDeque::new(), occupancies: VecDeque::new() }
    }

    pub(super) fn push(&mut self, returns: Vec<f64>, occupancies: Option<Vec<Vec<f64>>>) {
        self.returns.push_back(returns);
        self.occupancies.extend(occupancies);
        if self.returns.len() > self.most {
            self.returns.pop_front();
            self.occupancies.pop_front();
        }
    }

    /// Mean returns, `[groups, tasks]`; none before the first policy.
    pub(super) fn mean(&self) -> Option<Vec<f64>> {
        let mut mean = vec![0.0; self.returns.front()?.len()];
        for returns in &self.returns {
            mean.iter_mut().zip(returns).for_each(|(mean, own)| *mean += own / self.returns.len() as f64);
        }
        Some(mean)
    }

    /// The policy that makes every decision of a table as often as those of the window do on average. Where they never
    /// are it does what `newest` does.
    pub(super) fn mixture(&self, table: usize, newest: &TabularPolicy) -> TabularPolicy {
        let mut sum = vec![0.0; newest.logits.len()];
        for tables in &self.occupancies {
            sum.iter_mut().zip(&tables[table]).for_each(|(sum, own)| *sum += own);
        }
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
