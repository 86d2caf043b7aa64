use super::{Limited, pairs};
use isonomy_engine::constraint::{Constraint, Judged, OccupancyRow, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parity of returns: no group may earn more than `epsilon` above another, task by task.
///
/// Rows `J[i,m] − J[j,m] − ε ≤ 0` for every ordered pair of groups and every task, `J` being expected undiscounted
/// returns of an episode; with `per_task: false` one row per pair, on returns summed over tasks.
/// Song, Jiang, Chandra & Zhang, arXiv 2503.07817 (2025, per task); Satija, Lazaric, Pirotta & Pineau, Group Fairness in
/// Reinforcement Learning, TMLR 04/2023 (one task).
///
/// Surprises: parity in the sum may hide opposite gaps in the tasks. Parity is also satisfied by earning nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnParity {
    /// The largest difference allowed, ε, in units of return.
    pub epsilon: NonNegative,
    /// Whether every task is compared on its own, or their sum.
    #[serde(default = "super::yes")]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: ReturnParity, "(epsilon: 0.1)");

fn row(better: &str, worse: &str, limited: &Limited) -> String {
    format!("{better} − {worse}{}", limited.suffix)
}

#[typetag::serde]
impl Constraint for ReturnParity {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let returns = judged.returns;
        let mut overruns = Vec::new();
        for limited in Limited::of_returns(returns, self.per_task) {
            for (i, j) in pairs(returns.groups.len()) {
                let value = limited.earns(returns, i) - limited.earns(returns, j) - self.epsilon.get();
                overruns.push(Overrun { row: row(&returns.groups[i], &returns.groups[j], &limited), value });
            }
        }
        Ok(overruns)
    }

    fn check(&self, spec: &Spec, _model: Option<&TabularModel>) -> Vec<Problem> {
        super::alone(spec, "parity")
    }

    fn linear_rows(&self, spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let mut rows = Vec::new();
        for limited in Limited::of_spec(spec, self.per_task) {
            for (i, j) in pairs(spec.groups.len()) {
                let name = row(&spec.groups[i].name, &spec.groups[j].name, &limited);
                let terms = limited.terms(i, 1.0).chain(limited.terms(j, -1.0)).collect();
                rows.push(OccupancyRow { name, terms, limit: self.epsilon.get() });
            }
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_per_ordered_pair_and_task() {
        let parity: ReturnParity = ron::from_str("(epsilon: 0.25)").unwrap();
        let rows: Vec<_> = parity
            .overruns(&Judged::by(&super::super::returns()))
            .unwrap()
            .into_iter()
            .map(|row| (row.row, row.value))
            .collect();
        let expected = [("A − B, up", -3.25), ("B − A, up", 2.75), ("A − B, down", 0.25), ("B − A, down", -0.75)];
        assert_eq!(rows, expected.map(|(row, value)| (row.to_owned(), value)));
    }

    #[test]
    fn or_one_row_per_ordered_pair() {
        let parity: ReturnParity = ron::from_str("(epsilon: 0.5, per_task: false)").unwrap();
        let rows: Vec<_> = parity
            .overruns(&Judged::by(&super::super::returns()))
            .unwrap()
            .into_iter()
            .map(|row| (row.row, row.value))
            .collect();
        assert_eq!(rows, [("A − B".to_owned(), -3.0), ("B − A".to_owned(), 2.0)]);
    }
}
