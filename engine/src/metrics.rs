//! What groups earn, and the fairness numbers computed from it, by the same code wherever they are used.

use crate::spec::Spec;

/// Mean undiscounted returns of finished episodes, per group and task.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Names of the tasks.
    pub tasks: Vec<String>,
    /// Mean over lanes, episodes and the group's agents, `[groups, tasks]`.
    pub mean: Vec<f64>,
    /// Standard error of that mean over lanes, `[groups, tasks]`; 0 with one lane.
    pub standard_error: Vec<f64>,
}

impl Returns {
    /// From sums of returns `[tasks, lanes, agents]` over `episodes` episodes of every lane.
    pub fn from_sums(spec: &Spec, sums: &[f32], episodes: u64) -> Returns {
        let (agents, tasks) = (spec.agents() as usize, spec.tasks.len());
        let lanes = sums.len() / (agents * tasks);
        let mut returns = Returns::zero(spec);
        let scale = 1.0 / episodes as f64;
        let mut first = 0;
        for (index, group) in spec.groups.iter().enumerate() {
            let members = first..first + group.agents as usize;
            first = members.end;
            for (task, block) in sums.chunks_exact(lanes * agents).enumerate() {
                let of_lane = |lane: &[f32]| {
                    let sum: f64 = lane[members.clone()].iter().map(|&value| f64::from(value)).sum();
                    sum * scale / members.len() as f64
                };
                let mean = block.chunks_exact(agents).map(of_lane).sum::<f64>() / lanes as f64;
                let squares: f64 = block.chunks_exact(agents).map(|lane| (of_lane(lane) - mean).powi(2)).sum();
                let spread = (lanes as f64) * (lanes.max(2) - 1) as f64;
                returns.mean[index * tasks + task] = mean;
                returns.standard_error[index * tasks + task] = (squares / spread).sqrt();
            }
        }
        returns
    }

    /// Nothing earned yet.
    pub fn zero(spec: &Spec) -> Returns {
        let cells = spec.groups.len() * spec.tasks.len();
        Returns {
            groups: spec.groups.iter().map(|group| group.name.clone()).collect(),
            tasks: spec.tasks.iter().map(|task| task.name.clone()).collect(),
            mean: vec![0.0; cells],
            standard_error: vec![0.0; cells],
        }
    }

    /// What a group earns in a task.
    pub fn get(&self, group: usize, task: usize) -> f64 {
        self.mean[group * self.tasks.len() + task]
    }

    /// What each group earns over all tasks.
    pub fn totals(&self) -> Vec<f64> {
        self.mean.chunks_exact(self.tasks.len()).map(|tasks| tasks.iter().sum()).collect()
    }

    /// The largest difference between two groups in a task.
    pub fn gap(&self, task: usize) -> f64 {
        let of_task = self.mean.iter().skip(task).step_by(self.tasks.len());
        spread(of_task.copied())
    }

    /// The largest difference between two groups in any task.
    pub fn largest_gap(&self) -> f64 {
        (0..self.tasks.len()).map(|task| self.gap(task)).fold(0.0, f64::max)
    }
}

fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    (high - low).max(0.0)
}

/// Jain's index `(Σx)² / (n Σx²)`, from `1/n` (one has all) to 1 (all have the same). 1 where all have nothing.
/// Jain, Chiu, Hawe 1984.
pub fn jain(utilities: &[f64]) -> f64 {
    let sum: f64 = utilities.iter().sum();
    let squares: f64 = utilities.iter().map(|x| x * x).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (utilities.len() as f64 * squares) }
}

/// The Gini index `Σ|x_i − x_j| / (2 n² μ)`: 0 where all have the same. NaN where they differ and the mean is not positive.
/// Gini 1912.
pub fn gini(utilities: &[f64]) -> f64 {
    let mut sorted = utilities.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.first() == sorted.last() {
        return 0.0;
    }
    let n = sorted.len() as f64;
    let sum: f64 = sorted.iter().sum();
    if sum <= 0.0 {
        return f64::NAN;
    }
    let weighted: f64 = sorted.iter().enumerate().map(|(i, x)| (2.0 * (i as f64 + 1.0) - n - 1.0) * x).sum();
    weighted / (n * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_of_one_two_three_four() {
        let x = [1.0, 2.0, 3.0, 4.0];
        assert!((jain(&x) - 0.833333).abs() < 1e-6);
        assert!((gini(&x) - 0.25).abs() < 1e-12);
        assert_eq!((gini(&[0.0, 0.0]), jain(&[0.0, 0.0])), (0.0, 1.0));
        assert!(gini(&[-2.0, 1.0]).is_nan());
    }
}
