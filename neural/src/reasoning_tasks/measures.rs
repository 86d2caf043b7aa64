//! By what a training run is judged.

use super::lane::{Bill, Cell};
use isonomy_envs::reasoning::cascade_sim::measures::{Spread, forgotten};
use isonomy_envs::reasoning::tasks::above;

/// Measures of the whole run.
const OF_RUN: [&str; 19] = [
    "mean",
    "mean_before",
    "gain",
    "above_majority",
    "above_majority_before",
    "worst_domain",
    "worst_domain_before",
    "gap",
    "gap_before",
    "variance",
    "gini",
    "forgetting",
    "regressions",
    "silent_groups",
    "updates",
    "generated",
    "tokens",
    "negative_weights",
    "floored",
];

/// Those whose standard error over lanes is recorded.
pub(super) const UNCERTAIN: [&str; 5] = ["mean", "mean_before", "gain", "above_majority", "above_majority_before"];

/// Measures of every domain.
const OF_DOMAIN: [&str; 8] =
    ["before", "accuracy", "majority", "above_majority", "share", "weight", "silent", "entropy"];

/// A domain has regressed where it lost more than this.
const REGRESSION: f64 = 0.02;

/// Names of all measures.
pub(super) fn names(domains: &[String]) -> Vec<String> {
    let of_domain = |domain: &String| OF_DOMAIN.map(|name| format!("groups.{domain}.{name}"));
    OF_RUN.iter().map(|name| (*name).to_owned()).chain(domains.iter().flat_map(of_domain)).collect()
}

/// Writes the measures of a run that is over.
pub(super) fn measure(cells: &[Cell], majority: &[f64], bill: &Bill, out: &mut [f64]) {
    let column = |of: fn(&Cell) -> f64| cells.iter().map(of).collect::<Vec<_>>();
    let (before, after) = (column(|cell| cell.before), column(|cell| cell.after));
    let above = |accuracy: &[f64]| -> Vec<f64> {
        accuracy.iter().zip(majority).map(|(accuracy, majority)| above(*accuracy, *majority).unwrap_or(0.0)).collect()
    };
    let (above_before, above_after) = (above(&before), above(&after));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (was, is) = (Spread::of(&before), Spread::of(&after));
    let lost = cells.iter().filter(|cell| cell.after < cell.before - REGRESSION).count();
    let (of_run, of_domains) = out.split_at_mut(OF_RUN.len());
    of_run.copy_from_slice(&[
        is.mean,
        was.mean,
        is.mean - was.mean,
        mean(&above_after),
        mean(&above_before),
        is.worst,
        was.worst,
        is.gap,
        was.gap,
        is.variance,
        is.gini,
        mean(&cells.iter().map(|cell| forgotten(cell.before, cell.after)).collect::<Vec<_>>()),
        lost as f64,
        mean(&column(|cell| cell.silent)),
        bill.updates,
        bill.generated,
        bill.tokens,
        bill.negative_weights,
        bill.floored,
    ]);
    let domains = cells.iter().zip(majority).zip(above_after);
    for (out, ((cell, majority), above)) in of_domains.chunks_exact_mut(OF_DOMAIN.len()).zip(domains) {
        let all = [cell.before, cell.after, *majority, above, cell.share, cell.weight, cell.silent, cell.entropy];
        out.copy_from_slice(&all);
    }
}
