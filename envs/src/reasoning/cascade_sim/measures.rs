//! By what a training run is judged: accuracies of its domains at the end, and how evenly they are spread.

use super::parameters::Parameters;
use super::training::{Bill, Skill};
use isonomy_engine::metrics::{gini, jain};

/// Measures of the whole run.
pub(super) const OF_RUN: [&str; 16] = [
    "worst_domain",
    "mean",
    "weighted_mean",
    "gap",
    "variance",
    "gini",
    "jain",
    "coverage",
    "forgetting",
    "gain",
    "regressions",
    "silent_groups",
    "generated",
    "dropped",
    "negative_weights",
    "floored",
];

/// Measures of every domain.
pub(super) const OF_DOMAIN: [&str; 7] = ["accuracy", "skill", "entropy", "forgetting", "share", "weight", "length"];

/// A domain has regressed where it lost more than this since the start.
pub(super) const REGRESSION: f64 = 0.02;

/// A domain is covered where its accuracy is above this.
pub(super) const COVERED: f64 = 0.5;

/// Names of all measures.
pub fn names(domains: &[String]) -> Vec<String> {
    let of_domain = |domain: &String| OF_DOMAIN.map(|name| format!("groups.{domain}.{name}"));
    OF_RUN.iter().map(|name| (*name).to_owned()).chain(domains.iter().flat_map(of_domain)).collect()
}

/// What is said of a vector of accuracies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The smallest.
    pub worst: f64,
    /// Largest minus smallest.
    pub gap: f64,
    /// Population variance.
    pub variance: f64,
    /// Gini's index.
    pub gini: f64,
    /// Jain's index.
    pub jain: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(values: &[f64]) -> Spread {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        Spread { mean, worst, gap: best - worst, variance, gini: gini(values), jain: jain(values) }
    }
}

/// What was lost since domains were at their best; nothing where they were never judged.
pub fn forgotten(best: f64, now: f64) -> f64 {
    (best - now).max(0.0)
}

/// Writes the measures of a run that is over.
pub fn measure(parameters: &Parameters, accuracy: &[f64], skills: &[Skill], bill: &Bill, out: &mut [f64]) {
    let Spread { mean, worst, gap, variance, gini, jain } = Spread::of(accuracy);
    let n = accuracy.len() as f64;
    let changes = || accuracy.iter().zip(&parameters.before).map(|(now, before)| now - before);
    let count =
        |holds: &dyn Fn(f64) -> bool, of: &mut dyn Iterator<Item = f64>| of.filter(|x| holds(*x)).count() as f64;
    let lost = |(skill, now): (&Skill, &f64)| forgotten(skill.best, *now);
    let (of_run, of_domains) = out.split_at_mut(OF_RUN.len());
    of_run.copy_from_slice(&[
        worst,
        mean,
        accuracy.iter().zip(&parameters.domains).map(|(accuracy, domain)| accuracy * domain.share).sum(),
        gap,
        variance,
        gini,
        jain,
        count(&|accuracy| accuracy > COVERED, &mut accuracy.iter().copied()) / n,
        skills.iter().zip(accuracy).map(lost).sum::<f64>() / n,
        changes().sum::<f64>() / n,
        count(&|change| change < -REGRESSION, &mut changes()),
        skills.iter().map(|skill| skill.silent).sum::<f64>() / n,
        bill.generated,
        bill.dropped,
        bill.negative_weights,
        bill.floored,
    ]);
    for ((out, skill), now) in of_domains.chunks_exact_mut(OF_DOMAIN.len()).zip(skills).zip(accuracy) {
        out.copy_from_slice(&[
            *now,
            skill.skill,
            skill.entropy,
            forgotten(skill.best, *now),
            skill.share,
            skill.weight,
            skill.length,
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_of_published_numbers() {
        let spread = Spread::of(&[0.2, 0.5, 0.9]);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        near(spread.mean, 0.533333);
        near(spread.worst, 0.2);
        near(spread.gap, 0.7);
        near(spread.variance, 0.082222);
        near(spread.gini, 0.291667);
        near(spread.jain, 0.775758);
    }
}
