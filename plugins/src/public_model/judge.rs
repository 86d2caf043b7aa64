//! What a forecast comes to for the agents that act on it, in rows that no model has seen.

use super::goal::{Goal, Standing};
use isonomy_engine::metrics::{gini, jain};
use isonomy_engine::public::{Part, PublicSignal};
use isonomy_engine::spec::Spec;

/// Names and numbers of a forecast, which `predict` makes for a row: `regret_…` over the mean regrets of agents, hour
/// by hour; `period_means.…` where forecasts and truths are each averaged over all rows before anybody acts.
pub fn judge(
    signal: &dyn PublicSignal,
    spec: &Spec,
    goal: &Goal,
    mut predict: impl FnMut(usize, &mut [f64]),
) -> Vec<(String, f64)> {
    let (agents, values, rows) = (signal.agents(), signal.values(), signal.rows(Part::Judging));
    let (mut forecast, mut samples, mut error) = (vec![0.0; values], vec![0.0; rows * agents], 0.0);
    let (mut mean, mut truths) = (vec![0.0; values], vec![0.0; values]);
    let count = rows as f64;
    for (row, regrets) in samples.chunks_exact_mut(agents).enumerate() {
        predict(row, &mut forecast);
        let truth = signal.truth(Part::Judging, row);
        for value in 0..values {
            mean[value] += forecast[value] / count;
            truths[value] += truth[value] / count;
            error += (forecast[value] - truth[value]).powi(2) / (count * values as f64);
            forecast[value] = forecast[value].max(signal.floor());
        }
        signal.regrets(Part::Judging, row, &forecast, truth, regrets);
    }
    let standing = Standing::of(goal, &samples, agents, error);
    let regrets = means(&samples, agents);
    let mut report = vec![
        ("forecast".to_owned(), mean.iter().sum::<f64>() / values as f64),
        ("mse".to_owned(), error),
        ("objective".to_owned(), goal.value(&standing)),
        ("jain".to_owned(), jain(&regrets)),
        ("gini".to_owned(), gini(&regrets)),
    ];
    report.extend(spread("regret", &regrets));
    report.push(("regret_entropy".to_owned(), entropy(&regrets)));
    let mut first = 0;
    for group in &spec.groups {
        let own = &regrets[first..first + group.agents as usize];
        first += own.len();
        report.push((format!("groups.{}.regret_mean", group.name), mean_of(own)));
    }
    mean.iter_mut().for_each(|mean| *mean = mean.max(signal.floor()));
    for (row, regrets) in samples.chunks_exact_mut(agents).enumerate() {
        signal.regrets(Part::Judging, row, &mean, &truths, regrets);
    }
    report.extend(spread("period_means.regret", &means(&samples, agents)));
    report
}

/// The mean of every column of `[samples, agents]`.
fn means(samples: &[f64], agents: usize) -> Vec<f64> {
    let mut means = vec![0.0; agents];
    for sample in samples.chunks_exact(agents) {
        means.iter_mut().zip(sample).for_each(|(mean, regret)| *mean += regret);
    }
    let count = (samples.len() / agents) as f64;
    means.iter_mut().for_each(|mean| *mean /= count);
    means
}

fn mean_of(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Mean, population variance, 95th minus 5th percentile, and the largest.
fn spread(prefix: &str, regrets: &[f64]) -> [(String, f64); 4] {
    let mean = mean_of(regrets);
    let variance = regrets.iter().map(|regret| (regret - mean).powi(2)).sum::<f64>() / regrets.len() as f64;
    let mut sorted = regrets.to_vec();
    sorted.sort_by(f64::total_cmp);
    let between = percentile(&sorted, 0.95) - percentile(&sorted, 0.05);
    [
        (format!("{prefix}_mean"), mean),
        (format!("{prefix}_variance"), variance),
        (format!("{prefix}_c95_c5"), between),
        (format!("{prefix}_max"), sorted[sorted.len() - 1]),
    ]
}

/// Linear between the two nearest ranks.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    sorted[low] + part * (sorted[(low + 1).min(sorted.len() - 1)] - sorted[low])
}

/// `−Σ s_m ln s_m / ln M` of the shares `s` of all regret: 1 where all regret the same. 1 where nobody regrets anything.
fn entropy(regrets: &[f64]) -> f64 {
    let sum: f64 = regrets.iter().sum();
    if sum <= 0.0 || regrets.len() == 1 {
        return 1.0;
    }
    let shares = regrets.iter().map(|regret| regret / sum).filter(|share| *share > 0.0);
    -shares.map(|share| share * share.ln()).sum::<f64>() / (regrets.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_two_three_four() {
        let found = spread("x", &[1.0, 2.0, 3.0, 4.0]).map(|(_, value)| value);
        for (found, expected) in found.into_iter().zip([2.5, 1.25, 2.7, 4.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!((entropy(&[1.0, 2.0, 3.0, 4.0]) - 0.923220).abs() < 1e-6);
        assert_eq!((entropy(&[0.0, 0.0]), entropy(&[3.0, 3.0])), (1.0, 1.0));
        assert!(means(&[1.0, 2.0, 3.0, 6.0], 2) == [2.0, 4.0]);
    }
}
