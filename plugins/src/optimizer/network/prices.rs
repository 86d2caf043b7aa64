//! What exceeded constraints cost: a multiplier for every row, and what groups are taught beside their rewards.

use crate::optimizer::constrained::{Limits, Multipliers, Row, ascended};
use isonomy_engine::metrics::Returns;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;

/// The rows of some constraints and the multipliers at the moment.
pub(super) struct Prices {
    limits: Limits,
    multipliers: Multipliers,
    units: Vec<f64>,
    spec: Spec,
}

impl Prices {
    pub(super) fn new(limits: &Limits, multipliers: Multipliers, spec: &Spec) -> Self {
        Prices { limits: limits.clone(), multipliers, units: limits.units(spec), spec: spec.clone() }
    }

    /// The first multiplier of every row.
    pub(super) fn initial(&self) -> Vec<f64> {
        vec![self.multipliers.initial.get(); self.units.len()]
    }

    /// Raises the multipliers of the rows that what was paid exceeds, and lowers those of the others. Rows that have no value
    /// at these returns stay as they are. Returns what is worth plotting.
    pub(super) fn ascend(&self, rows: &[Row], held: &mut [f64]) -> Vec<(String, f64)> {
        let mut told = Vec::new();
        for ((row, unit), held) in rows.iter().zip(&self.units).zip(held) {
            let scale = if self.multipliers.raw { 1.0 } else { *unit };
            if row.defined() {
                *held = ascended(*held, self.multipliers.rate.get(), row.overrun / scale, self.multipliers.max.get());
            }
            told.push((format!("limit.{}", row.name), row.overrun));
            told.push((format!("multiplier.{}", row.name), *held));
        }
        told
    }

    /// The rows at what the environment paid in a rollout, as returns of whole episodes.
    pub(super) fn rows(&self, rollout: &Rollout) -> Vec<Row> {
        if self.units.is_empty() {
            return Vec::new();
        }
        let (rows, group) = (rollout.rows(), self.spec.agent_groups());
        let mut returns = Returns::zero(&self.spec);
        for (index, block) in rollout.reward.chunks_exact(rows).enumerate() {
            let task = index % rollout.tasks;
            for (reward, group) in block.iter().zip(group.iter().cycle()) {
                returns.mean[*group as usize * rollout.tasks + task] += f64::from(*reward);
            }
        }
        let episodes = rollout.horizon as f64 / f64::from(rollout.time_limit) * rollout.lanes as f64;
        for (mean, group) in returns.mean.chunks_exact_mut(rollout.tasks).zip(&self.spec.groups) {
            mean.iter_mut().for_each(|sum| *sum /= episodes * f64::from(group.agents));
        }
        self.limits.rows(&returns)
    }

    /// `−Σ_k ν_k ∂f_k/∂J[z,m]`: what a unit of reward is worth beside its weight, `[groups, tasks]`.
    pub(super) fn worth(&self, rows: &[Row], held: &[f64]) -> Vec<f64> {
        let mut worth = vec![0.0; self.spec.groups.len() * self.spec.tasks.len()];
        for (row, multiplier) in rows.iter().zip(held).filter(|(row, multiplier)| **multiplier > 0.0 && row.defined()) {
            worth.iter_mut().zip(&row.slopes).for_each(|(worth, slope)| *worth -= multiplier * slope);
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn the_group_that_earns_more_pays_for_the_gap() {
        let spec = two_groups(2, 2, 2);
        let limits: Limits = ron::from_str(r#"[{"ReturnParity": (epsilon: 0.5)}]"#).unwrap();
        let prices = Prices::new(&limits, ron::from_str("(rate: 0.1)").unwrap(), &spec);
        // One lane, one episode of two steps: A earns 4, the two agents of B earn 1 each.
        let mut rollout = Rollout::new(&spec, 1, 2, 0, false);
        rollout.reward.copy_from_slice(&[3.0, 0.5, 1.0, 1.0, 0.5, 0.0]);
        let rows = prices.rows(&rollout);
        let mut held = prices.initial();
        let told = prices.ascend(&rows, &mut held);
        assert!((rows[0].overrun - 2.5).abs() < 1e-9 && (rows[1].overrun + 3.5).abs() < 1e-9, "{told:?}");
        // In units of the tolerance: 0.1 · 2.5 / 0.5.
        assert!((held[0] - 0.5).abs() < 1e-9 && held[1] == 0.0);
        let worth = prices.worth(&rows, &held);
        assert!((worth[0] + 0.5).abs() < 1e-6 && (worth[1] - 0.5).abs() < 1e-6, "{worth:?}");
    }

    #[test]
    fn nothing_is_priced_without_constraints() {
        let prices = Prices::new(&Limits::default(), Multipliers::default(), &two_groups(2, 2, 2));
        let rows = prices.rows(&Rollout::new(&two_groups(2, 2, 2), 1, 2, 0, false));
        assert!(rows.is_empty() && prices.worth(&rows, &[]) == [0.0, 0.0]);
    }
}
