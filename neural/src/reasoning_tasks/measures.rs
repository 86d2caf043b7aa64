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
const UNCERTAIN: [&str; 5] = ["mean", "mean_before", "gain", "above_majority", "above_majority_before"];

/// The same of the domains that are judged by problems which nobody learns from, where there are any.
const HELD_OUT: [&str; 5] = [
    "held_out_mean",
    "held_out_mean_before",
    "held_out_gain",
    "held_out_above_majority",
    "held_out_above_majority_before",
];

/// Measures of every domain.
const OF_DOMAIN: [&str; 9] =
    ["before", "accuracy", "majority", "above_majority", "held_out", "share", "weight", "silent", "entropy"];

/// What distillation does to all domains, and to each.
const OF_DISTILLATION: [&str; 3] = ["undistilled", "teacher", "distilled"];

/// A domain has regressed where it lost more than this.
const REGRESSION: f64 = 0.02;

/// By what a domain is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exam {
    /// The share of its problems that the most frequent answer solves.
    pub(super) majority: f64,
    /// Whether nobody learns from them.
    pub(super) held_out: bool,
}

/// The measures of held-out problems, where there are any.
fn held_out(exams: &[Exam]) -> &'static [&'static str] {
    if exams.iter().any(|exam| exam.held_out) { &HELD_OUT } else { &[] }
}

/// Names of all measures.
pub(super) fn names(domains: &[String], exams: &[Exam]) -> Vec<String> {
    let of_domain = |domain: &String| OF_DOMAIN.map(|name| format!("groups.{domain}.{name}"));
    let of_run = OF_RUN.iter().chain(held_out(exams)).map(|name| (*name).to_owned());
    of_run.chain(domains.iter().flat_map(of_domain)).collect()
}

/// Those whose standard error over lanes is recorded.
pub(super) fn uncertain(exams: &[Exam]) -> Vec<String> {
    UNCERTAIN.iter().chain(held_out(exams)).map(|name| (*name).to_owned()).collect()
}

/// Writes the measures of a run that is over.
pub(super) fn measure(cells: &[Cell], exams: &[Exam], bill: &Bill, out: &mut [f64]) {
    let column = |of: fn(&Cell) -> f64| cells.iter().map(of).collect::<Vec<_>>();
    let (before, after) = (column(|cell| cell.before), column(|cell| cell.after));
    let above = |accuracy: &[f64]| -> Vec<f64> {
        accuracy.iter().zip(exams).map(|(accuracy, exam)| above(*accuracy, exam.majority).unwrap_or(0.0)).collect()
    };
    let (above_before, above_after) = (above(&before), above(&after));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // Mean, mean before, gain, and above the majority answer the same.
    let means = |counts: &dyn Fn(&Exam) -> bool| {
        let of = |values: &[f64]| -> f64 {
            let own: Vec<f64> =
                values.iter().zip(exams).filter(|(_, exam)| counts(exam)).map(|(value, _)| *value).collect();
            mean(&own)
        };
        let (is, was) = (of(&after), of(&before));
        [is, was, is - was, of(&above_after), of(&above_before)]
    };
    let (was, is) = (Spread::of(&before), Spread::of(&after));
    let lost = cells.iter().filter(|cell| cell.after < cell.before - REGRESSION).count();
    let (of_run, rest) = out.split_at_mut(OF_RUN.len());
    let (of_held_out, of_domains) = rest.split_at_mut(held_out(exams).len());
    let [all, all_before, gain, above_majority, above_majority_before] = means(&|_| true);
    of_run.copy_from_slice(&[
        all,
        all_before,
        gain,
        above_majority,
        above_majority_before,
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
    if !of_held_out.is_empty() {
        of_held_out.copy_from_slice(&means(&|exam| exam.held_out));
    }
    let domains = cells.iter().zip(exams).zip(above_after);
    for (out, ((cell, exam), above)) in of_domains.chunks_exact_mut(OF_DOMAIN.len()).zip(domains) {
        let held_out = f64::from(u8::from(exam.held_out));
        let judged = [cell.before, cell.after, exam.majority, above, held_out];
        out[..5].copy_from_slice(&judged);
        out[5..].copy_from_slice(&[cell.share, cell.weight, cell.silent, cell.entropy]);
    }
}

/// Names of the measures of distillation.
pub(super) fn of_distillation(domains: &[String]) -> Vec<String> {
    let of_all = OF_DISTILLATION.iter().map(|name| (*name).to_owned());
    let of_domain = |domain: &String| OF_DISTILLATION.map(|name| format!("groups.{domain}.{name}"));
    of_all.chain(domains.iter().flat_map(of_domain)).collect()
}

/// Writes them.
pub(super) fn measure_distillation(cells: &[Cell], out: &mut [f64]) {
    let of = |cell: &Cell| [cell.undistilled, cell.of_teacher, cell.after - cell.undistilled];
    let (of_all, of_domains) = out.split_at_mut(OF_DISTILLATION.len());
    of_all.fill(0.0);
    for (out, cell) in of_domains.chunks_exact_mut(OF_DISTILLATION.len()).zip(cells) {
        out.copy_from_slice(&of(cell));
        of_all.iter_mut().zip(&*out).for_each(|(mean, own)| *mean += own / cells.len() as f64);
    }
}
