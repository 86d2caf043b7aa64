//! What a constrained optimiser asks of a policy, and the table that answers first.

use super::divergence::divergence;
use isonomy_engine::policy::TabularPolicy;

/// A policy with parameters. Whatever implements this (a table, a network) can be taught by
/// [`PpoLagrangian`](super::PpoLagrangian), [`Cpo`](super::Cpo) and [`Pcpo`](super::Pcpo), and by the losses of
/// [`Focops`](super::Focops) and [`Cup`](super::Cup), all of which are written as weights of `∇ log π`.
pub trait Differentiable: Clone {
    /// Decisions: situations and what was done in them, in whatever form the policy reads them.
    type Batch;

    /// How much every decision of a batch counts; sums to one.
    fn weights(batch: &Self::Batch) -> &[f64];

    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// The policy with `step` added to its parameters.
    fn moved(&self, step: &[f64]) -> Self;

    /// `log π(a | s)` of every decision.
    fn log_chances(&self, batch: &Self::Batch) -> Vec<f64>;

    /// `Σ_i w_i ∇ log π(a_i | s_i)` over the decisions, for any weights.
    fn score(&self, batch: &Self::Batch, weights: &[f64]) -> Vec<f64>;

    /// The product of a vector with the Fisher matrix `E[∇ log π (∇ log π)ᵀ]`, in the mean over the batch.
    fn fisher_product(&self, batch: &Self::Batch, vector: &[f64]) -> Vec<f64>;

    /// `KL(self ‖ old)` in the situation of every decision.
    fn divergences(&self, old: &Self, batch: &Self::Batch) -> Vec<f64>;

    /// `KL(self ‖ old)` in the mean over the batch.
    fn mean_divergence(&self, old: &Self, batch: &Self::Batch) -> f64 {
        self.divergences(old, batch).iter().zip(Self::weights(batch)).map(|(kl, weight)| kl * weight).sum()
    }
}

/// Decisions of a table: an entry `cell · actions + action` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    /// Which entry of the table.
    pub entries: Vec<usize>,
    /// How much it counts.
    pub weights: Vec<f64>,
}

impl Decisions {
    /// Every action of some cells, each as often as the policy takes it where a cell is visited `visits` times.
    pub(super) fn expected(policy: &TabularPolicy, cells: &[usize], visits: &[f64]) -> Self {
        let mut decisions = Decisions::default();
        let total: f64 = cells.iter().map(|&cell| visits[cell]).sum();
        for &cell in cells {
            for (action, chance) in policy.chances(cell).into_iter().enumerate() {
                let weight = visits[cell] * chance / total;
                if weight > 0.0 {
                    decisions.entries.push(cell * policy.actions + action);
                    decisions.weights.push(weight);
                }
            }
        }
        decisions
    }
}

impl Differentiable for TabularPolicy {
    type Batch = Decisions;

    fn weights(batch: &Decisions) -> &[f64] {
        &batch.weights
    }

    fn parameters(&self) -> usize {
        self.logits.len()
    }

    fn moved(&self, step: &[f64]) -> Self {
        let mut policy = self.clone();
        policy.logits.iter_mut().zip(step).for_each(|(logit, step)| *logit += step);
        policy
    }

    fn log_chances(&self, batch: &Decisions) -> Vec<f64> {
        let of = |&entry: &usize| self.chances(entry / self.actions)[entry % self.actions].ln();
        batch.entries.iter().map(of).collect()
    }

    fn score(&self, batch: &Decisions, weights: &[f64]) -> Vec<f64> {
        let mut score = vec![0.0; self.logits.len()];
        for (&entry, weight) in batch.entries.iter().zip(weights) {
            let cell = entry / self.actions;
            let own = &mut score[cell * self.actions..][..self.actions];
            own.iter_mut().zip(self.chances(cell)).for_each(|(score, chance)| *score -= weight * chance);
            score[entry] += weight;
        }
        score
    }

    fn fisher_product(&self, batch: &Decisions, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.logits.len()];
        for (&entry, weight) in batch.entries.iter().zip(&batch.weights) {
            let own = entry / self.actions * self.actions..(entry / self.actions + 1) * self.actions;
            let chances = self.chances(entry / self.actions);
            let mean: f64 = chances.iter().zip(&vector[own.clone()]).map(|(p, v)| p * v).sum();
            for ((product, chance), v) in product[own.clone()].iter_mut().zip(chances).zip(&vector[own]) {
                *product += weight * chance * (v - mean);
            }
        }
        product
    }

    fn divergences(&self, old: &Self, batch: &Decisions) -> Vec<f64> {
        let of = |&entry: &usize| divergence(&self.chances(entry / self.actions), &old.chances(entry / self.actions));
        batch.entries.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    fn table() -> (TabularPolicy, Decisions) {
        let spec = two_groups(2, 3, 1);
        let mut policy = TabularPolicy::uniform(&spec, 1);
        policy.logits.iter_mut().enumerate().for_each(|(at, logit)| *logit = ((at * 7) % 5) as f64 * 0.3);
        let decisions = Decisions::expected(&policy, &[1, 2], &[0.0, 3.0, 1.0, 0.0]);
        (policy, decisions)
    }

    #[test]
    fn the_score_is_the_derivative_of_the_log_chances() {
        let (policy, batch) = table();
        let weights: Vec<f64> = (0..batch.entries.len()).map(|i| 0.4 - 0.3 * i as f64).collect();
        let total = |policy: &TabularPolicy| -> f64 {
            policy.log_chances(&batch).iter().zip(&weights).map(|(log, weight)| log * weight).sum()
        };
        for (parameter, found) in policy.score(&batch, &weights).into_iter().enumerate() {
            let mut step = vec![0.0; policy.parameters()];
            step[parameter] = 1e-5;
            let up = total(&policy.moved(&step));
            step[parameter] = -1e-5;
            assert!((found - (up - total(&policy.moved(&step))) / 2e-5).abs() < 1e-8);
        }
    }

    #[test]
    fn the_fisher_matrix_is_the_curvature_of_the_divergence() {
        let (policy, batch) = table();
        assert!((batch.weights.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let step: Vec<f64> = (0..policy.parameters()).map(|i| 1e-3 * ((i * 5) % 7) as f64).collect();
        let product = policy.fisher_product(&batch, &step);
        let half: f64 = 0.5 * product.iter().zip(&step).map(|(a, b)| a * b).sum::<f64>();
        let kl = policy.moved(&step).mean_divergence(&policy, &batch);
        assert!((kl / half - 1.0).abs() < 5e-3, "{kl} and {half}");
    }
}
