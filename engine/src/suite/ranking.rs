//! Whether two runs of a suite put what their grids have in common into the same order: does what is found in a cheap
//! environment hold in a dear one?

use super::{Outcome, Plan, Suite, Trial};
use crate::noise::{Key, Phase, Purpose};
use crate::problem::Problem;
use crate::scenario::nearest;
use serde::{Deserialize, Serialize};

/// Two runs whose rows are ranked by a metric, and the ranks compared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// The metric of one of the columns.
    pub metric: String,
    /// Name of a run with a grid.
    pub of: String,
    /// Name of another one, whose grid has values of the same names.
    pub against: String,
}

/// How much alike two orders are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Rows in either order.
    pub rows: usize,
    /// Spearman's ρ: the correlation of ranks, ties sharing their mean rank; none where all rows of a run are equal.
    pub spearman: Option<f64>,
    /// Where 95 % of ρ lie when seeds are drawn again with replacement; none with a single seed.
    pub spearman_95: Option<[f64; 2]>,
    /// Kendall's τ-b.
    pub kendall: Option<f64>,
    /// The same of τ.
    pub kendall_95: Option<[f64; 2]>,
    /// Rows whose difference to the first row has the same sign in both runs.
    pub same_sign: usize,
}

/// How often seeds are drawn again.
const DRAWS: u64 = 2000;

impl Ranking {
    /// What is wrong with it in its suite.
    pub(super) fn problems(&self, suite: &Suite) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !suite.columns.iter().any(|column| column.metric == self.metric) {
            let message = format!("no column tells of `{}`", self.metric);
            problems.push(Problem::at("metric", message).help("name the metric of a column"));
        }
        let names: Vec<&str> = suite.runs.iter().map(|run| run.name.as_str()).collect();
        let mut grids = Vec::new();
        for (place, name) in [("of", &self.of), ("against", &self.against)] {
            match suite.runs.iter().find(|run| &run.name == name) {
                Some(run) => {
                    let names = |axis: &super::Axis| axis.values.iter().map(|choice| choice.name.clone()).collect();
                    grids.push(run.grid.iter().map(names).collect::<Vec<Vec<String>>>());
                }
                None => {
                    let near = nearest(name, &names).map(|near| format!("did you mean `{near}`?"));
                    let help = near.unwrap_or_else(|| format!("there are {}", names.join(", ")));
                    problems.push(Problem::at(place, format!("no run is called `{name}`")).help(help));
                }
            }
        }
        if let [of, against] = &grids[..] {
            let message = match (of == against, self.of == self.against) {
                (_, true) => "a run ranks like itself",
                (false, _) => "its grid has other names of values",
                (true, _) if of.iter().map(Vec::len).product::<usize>() < 2 => "there is a single row to rank",
                _ => return problems,
            };
            let help = "give both runs a grid with values of the same names in the same order";
            problems.push(Problem::at("against", message).help(help));
        }
        problems
    }

    /// How much alike the orders are, by means over seeds. None where a row has no value.
    pub fn agreement(&self, plan: &Plan, trials: &[Trial]) -> Option<Agreement> {
        let column = plan.suite.columns.iter().position(|column| column.metric == self.metric)?;
        let [of, against] = [&self.of, &self.against].map(|name| values(plan, trials, name, column));
        agreement(&of, &against)
    }
}

/// The values of a column in the rows of a run, seed by seed.
fn values(plan: &Plan, trials: &[Trial], name: &str, column: usize) -> Vec<Vec<f64>> {
    let own = (0..plan.cells.len()).filter(|cell| plan.method(*cell).name == name);
    let of_cell = |cell: usize| {
        let done = trials.iter().filter(move |trial| trial.cell == cell);
        done.filter_map(|trial| match &trial.outcome {
            Outcome::Done(values) => values[column],
            _ => None,
        })
        .collect()
    };
    own.map(of_cell).collect()
}

/// Of values by row and seed.
fn agreement(of: &[Vec<f64>], against: &[Vec<f64>]) -> Option<Agreement> {
    let mean = |values: &Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let means = |rows: &[Vec<f64>]| rows.iter().map(mean).collect::<Option<Vec<f64>>>();
    let (first, second) = (means(of)?, means(against)?);
    let sign = |values: &[f64], row: usize| values[row].total_cmp(&values[0]);
    let same_sign = (1..first.len()).filter(|row| sign(&first, *row) == sign(&second, *row)).count();
    let seeds = |rows: &[Vec<f64>]| rows.iter().map(Vec::len).min().unwrap_or(0);
    let several = seeds(of) > 1 && seeds(against) > 1;
    let drawn: Vec<[Option<f64>; 2]> = match several {
        false => Vec::new(),
        true => (0..DRAWS)
            .map(|draw| {
                let [first, second] = [(of, 0), (against, 1)].map(|(rows, run)| again(rows, 2 * draw + run));
                [spearman(&first, &second), kendall(&first, &second)]
            })
            .collect(),
    };
    let middle = |at: usize| {
        let mut all: Vec<f64> = drawn.iter().filter_map(|drawn| drawn[at]).collect();
        all.sort_by(f64::total_cmp);
        let quantile = |part: f64| all[(part * (all.len() - 1) as f64).round() as usize];
        (!all.is_empty()).then(|| [quantile(0.025), quantile(0.975)])
    };
    Some(Agreement {
        rows: first.len(),
        spearman: spearman(&first, &second),
        spearman_95: middle(0),
        kendall: kendall(&first, &second),
        kendall_95: middle(1),
        same_sign,
    })
}

/// Means of rows with seeds drawn again. The same seeds for all rows, because they share what is drawn with them.
fn again(rows: &[Vec<f64>], draw: u64) -> Vec<f64> {
    let seeds = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut words = vec![0; seeds];
    Key::new(0, Phase::Evaluation, Purpose::Learner).fill(draw, 0, &mut words);
    let mean = |values: &Vec<f64>| {
        let pick = |word: &u32| values[((u64::from(*word) * values.len() as u64) >> 32) as usize];
        words.iter().map(pick).sum::<f64>() / seeds as f64
    };
    rows.iter().map(mean).collect()
}

/// The correlation of ranks.
fn spearman(first: &[f64], second: &[f64]) -> Option<f64> {
    let middle = (first.len() as f64 - 1.0) / 2.0;
    let rank = |values: &[f64]| -> Vec<f64> {
        let of = |value: f64| {
            let below = values.iter().filter(|other| **other < value).count() as f64;
            let equal = values.iter().filter(|other| **other == value).count() as f64;
            below + (equal - 1.0) / 2.0 - middle
        };
        values.iter().map(|value| of(*value)).collect()
    };
    let (first, second) = (rank(first), rank(second));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(&first, &first) * product(&second, &second)).sqrt();
    (scale > 0.0).then(|| product(&first, &second) / scale)
}

/// Pairs in the same order less pairs in the other, by the pairs that are not tied.
fn kendall(first: &[f64], second: &[f64]) -> Option<f64> {
    let sign = |a: f64, b: f64| f64::from(a.partial_cmp(&b).map_or(0, |order| order as i8));
    let (mut alike, mut untied) = (0.0, [0.0; 2]);
    for one in 0..first.len() {
        for other in 0..one {
            let (a, b) = (sign(first[one], first[other]), sign(second[one], second[other]));
            alike += a * b;
            untied = [untied[0] + a * a, untied[1] + b * b];
        }
    }
    let scale = (untied[0] * untied[1]).sqrt();
    (scale > 0.0).then(|| alike / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|value| vec![*value]).collect()
    }

    #[test]
    fn coefficients_of_a_known_example() {
        // Ranks 1 2 3 4 5 and 2 1 4 3 5: Σ d² = 4, two of ten pairs the other way.
        let found = agreement(&rows(&[1.0, 2.0, 3.0, 4.0, 5.0]), &rows(&[20.0, 10.0, 40.0, 30.0, 50.0]));
        let found = found.expect("all rows have values");
        assert!((found.spearman.expect("ranks differ") - 0.8).abs() < 1e-12);
        assert!((found.kendall.expect("ranks differ") - 0.6).abs() < 1e-12);
        assert_eq!((found.rows, found.same_sign, found.spearman_95), (5, 3, None));
    }

    #[test]
    fn ties_share_a_rank() {
        // Ranks 1.5 1.5 3 against 1 2 3: ρ = √3 / 2, τ-b = 2 / √6.
        let (first, second) = ([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]);
        assert!((spearman(&first, &second).expect("not all tied") - 0.75_f64.sqrt()).abs() < 1e-12);
        assert!((kendall(&first, &second).expect("not all tied") - 2.0 / 6.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((spearman(&[1.0, 1.0], &[1.0, 2.0]), kendall(&[1.0, 1.0], &[1.0, 2.0])), (None, None));
    }

    #[test]
    fn seeds_make_an_interval() {
        let near = |apart: f64| vec![vec![0.0, 0.1, 0.2], vec![apart, apart + 0.1, apart + 0.2]];
        let sure = agreement(&near(1.0), &near(1.0)).expect("all rows have values");
        assert_eq!((sure.spearman_95, sure.kendall_95), (Some([1.0, 1.0]), Some([1.0, 1.0])));
        // Seeds that say opposite things leave the order open.
        let torn = vec![vec![0.0, 1.0, 0.4], vec![1.0, 0.0, 0.5]];
        let unsure = agreement(&torn, &near(1.0)).expect("all rows have values");
        assert_eq!(unsure.spearman_95, Some([-1.0, 1.0]));
        assert_eq!(agreement(&[vec![], vec![1.0]], &near(1.0)), None);
    }
}
