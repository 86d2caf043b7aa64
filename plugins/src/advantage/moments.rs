//! Means and spreads of the rewards of a group.

use isonomy_engine::advantage::Responses;

/// Count, mean and sum of squared deviations of numbers; those that are NaN are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) count: usize,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    /// Around the first number, in two passes: exact where all are equal, and accurate far from zero.
    pub(super) fn of(values: impl IntoIterator<Item = f64, IntoIter: Clone>) -> Self {
        let values = values.into_iter().filter(|value| !value.is_nan());
        let Some(first) = values.clone().next() else { return Moments::default() };
        let count = values.clone().count();
        let mean = first + values.clone().map(|value| value - first).sum::<f64>() / count as f64;
        Moments { count, mean, squares: values.map(|value| (value - mean).powi(2)).sum() }
    }

    pub(super) fn of_rewards(rewards: &[f64]) -> Self {
        Moments::of(rewards.iter().copied())
    }

    /// Standard deviation with n − 1 below; 0 for fewer than two numbers.
    pub(super) fn sample(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).sqrt() }
    }

    /// Standard deviation with n below.
    pub(super) fn population(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }
}

/// Scores every response by its reward and the rewards of its group: `rule` is given a group's rewards and returns what
/// makes an advantage of one of them. A reward that is NaN scores 0.
pub(super) fn score_groups<Score: Fn(f64) -> f64>(
    batch: &Responses<'_>,
    advantage: &mut [f64],
    rule: impl Fn(&[f64]) -> Score,
) {
    for members in batch.groups() {
        let score = rule(&batch.reward[members.clone()]);
        for response in members {
            let reward = batch.reward[response];
            batch.spread(response, if reward.is_nan() { 0.0 } else { score(reward) }, advantage);
        }
    }
}

/// Subtracts the mean of all generated tokens and divides by `√(var1 + inside) + outside`; 0 for fewer than two tokens.
pub(super) fn whiten(batch: &Responses<'_>, inside: f64, outside: f64, advantage: &mut [f64]) {
    let width = batch.width();
    let counted = |at: usize| batch.generated(at / width, at % width) && !batch.reward[at / width].is_nan();
    let moments = Moments::of((0..advantage.len()).filter(|&at| counted(at)).map(|at| advantage[at]));
    let scale = (moments.sample().powi(2) + inside).sqrt() + outside;
    for (at, advantage) in advantage.iter_mut().enumerate() {
        *advantage = if counted(at) && moments.count > 1 { (*advantage - moments.mean) / scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_leave_out_what_is_not_a_number_and_are_exact_where_all_are_equal() {
        let moments = Moments::of_rewards(&[1.0, f64::NAN, 0.0, 0.0, 0.0]);
        assert_eq!((moments.count, moments.mean, moments.sample()), (4, 0.25, 0.5));
        assert_eq!(Moments::of_rewards(&[0.1; 7]), Moments { count: 7, mean: 0.1, squares: 0.0 });
        assert_eq!(Moments::of_rewards(&[f64::NAN]), Moments::default());
    }
}
