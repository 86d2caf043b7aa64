//! What agents are taught: weights of tasks, fairness rewards, and the prices of constraints.

use super::prices::Prices;
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::optimizer::task_weights;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::optimizer::Setting;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use serde::de::DeserializeOwned;

/// What stays the same from update to update.
pub(super) struct Teaching {
    weights: Vec<f64>,
    prices: Prices,
    /// The group of every agent of a lane.
    group: Vec<u32>,
    /// Whose noise the learner's is.
    pub(super) key: Key,
}

impl Teaching {
    pub(super) fn new(weights: &[Finite], limits: &Limits, multipliers: Multipliers, setting: &Setting) -> Self {
        Teaching {
            weights: task_weights(weights, setting.spec.tasks.len()),
            prices: Prices::new(limits, multipliers, &setting.spec),
            group: setting.spec.agent_groups(),
            key: Key::new(setting.seed, Phase::Training, Purpose::Learner),
        }
    }

    /// The first multiplier of every row of the constraints.
    pub(super) fn initial(&self) -> Vec<f64> {
        self.prices.initial()
    }

    /// Moves the multipliers by what was paid in a rollout. Returns what each agent is taught over all tasks, `[horizon, rows]`:
    /// what fairness rewards made of its pay, and what its pay is worth to the constraints; and what is worth plotting.
    pub(super) fn teach(&self, rollout: &Rollout, multipliers: &mut [f64]) -> (Vec<f32>, Vec<(String, f64)>) {
        let priced = self.prices.rows(rollout);
        let told = self.prices.ascend(&priced, multipliers);
        let worth = self.prices.worth(&priced, multipliers);
        let (rows, tasks) = (rollout.rows(), rollout.tasks);
        let mut taught = vec![0.0; rollout.horizon * rows];
        let blocks = rollout.taught().chunks_exact(rows).zip(rollout.reward.chunks_exact(rows));
        for (index, (shaped, paid)) in blocks.enumerate() {
            let (t, task) = (index / tasks, index % tasks);
            let weight = self.weights[task] as f32;
            let worth = |group: u32| worth[group as usize * tasks + task] as f32;
            let sums = taught[t * rows..][..rows].iter_mut().zip(self.group.iter().cycle());
            for ((sum, group), (shaped, paid)) in sums.zip(shaped.iter().zip(paid)) {
                *sum += weight * shaped + worth(*group) * paid;
            }
        }
        (taught, told)
    }
}

/// What weights and constraints cannot mean in an environment.
pub(super) fn check(weights: &[Finite], limits: &Limits, spec: &Spec) -> Vec<Problem> {
    let (found, tasks) = (weights.len(), spec.tasks.len());
    let mismatch = (found != 0 && found != tasks).then(|| {
        Problem::at("weights", format!("{found} entries for {tasks} tasks")).help("one weight per task, or none at all")
    });
    mismatch.into_iter().chain(limits.check(spec)).collect()
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len().max(1) as f64
}

pub(super) fn variance(values: &[f32]) -> f64 {
    let mean = mean(values);
    values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}

/// To mean 0 and deviation 1; all zeros where they are all the same.
pub(super) fn normalize(values: &mut [f32]) {
    let (mean, deviation) = (mean(values), variance(values).sqrt());
    let scale = if deviation > 1e-8 { 1.0 / deviation } else { 0.0 };
    values.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) * scale) as f32);
}

pub(super) fn root_mean_square(values: &[f32]) -> f32 {
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt() as f32
}

/// What an agent was taught in an episode.
pub(super) fn mean_return(rollout: &Rollout, taught: &[f32]) -> f64 {
    let sum: f64 = taught.iter().map(|&reward| f64::from(reward)).sum();
    sum * f64::from(rollout.time_limit) / taught.len().max(1) as f64
}

/// Puts a snapshot in the place of `mine`, if it is of one of the same shape.
pub(super) fn restored<L: DeserializeOwned, S: PartialEq>(
    mine: &mut L,
    snapshot: &[u8],
    shape: impl Fn(&L) -> S,
) -> Result<(), postcard::Error> {
    let kept: L = postcard::from_bytes(snapshot)?;
    if shape(&kept) != shape(mine) {
        return Err(postcard::Error::DeserializeBadEncoding);
    }
    *mine = kept;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_advantages_have_mean_zero_and_deviation_one() {
        let mut values = [1.0, 2.0, 3.0, 6.0];
        normalize(&mut values);
        assert!(mean(&values).abs() < 1e-7 && (variance(&values) - 1.0).abs() < 1e-6);
        let mut same = [5.0; 3];
        normalize(&mut same);
        assert_eq!(same, [0.0; 3]);
    }
}
