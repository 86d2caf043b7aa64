use super::{Limited, pairs};
use crate::group_fairness::Tolerance;
use isonomy_engine::constraint::{Constraint, Judged, OccupancyRow, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::reference::Reference;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parity of returns: no group may earn more than `epsilon` above another, task by task.
///
/// Rows `J[i,m] − J[j,m] − ε_m ≤ 0` for every ordered pair of groups and every task, `J` being expected undiscounted
/// returns of an episode; with `per_task: false` one row per pair, on returns summed over tasks.
/// Song, Jiang, Chandra & Zhang, arXiv 2503.07817 (2025, per task); Satija, Lazaric, Pirotta & Pineau, Group Fairness in
/// Reinforcement Learning, TMLR 04/2023 (one task).
///
/// Surprises: parity in the sum may hide opposite gaps in the tasks. Parity is also satisfied by earning nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnParity {
    /// The largest difference allowed, ε, in units of return: one number, or one for each task of the environment. `inf`
    /// allows any.
    pub epsilon: Tolerance,
    /// The tasks that are compared, by number from 0; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<u32>,
    /// Whether every task is compared on its own, or their sum.
    #[serde(default = "super::yes")]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: ReturnParity, "(epsilon: 0.1)");

fn row(better: &str, worse: &str, limited: &Limited) -> String {
    format!("{better} − {worse}{}", limited.suffix)
}

impl ReturnParity {
    /// What is compared, and how far groups may be apart in it.
    fn compared(&self, tasks: &[&str]) -> Vec<(Limited, f64)> {
        let epsilon = self.epsilon.per_task(tasks.len());
        let chosen = |task: &usize| self.tasks.is_empty() || self.tasks.iter().any(|&of| of as usize == *task);
        let mut compared = Vec::new();
        for mut limited in Limited::all(tasks.iter().copied(), self.per_task) {
            limited.tasks.retain(chosen);
            let Some(&first) = limited.tasks.first() else { continue };
            if !self.per_task && !self.tasks.is_empty() {
                let names: Vec<&str> = limited.tasks.iter().map(|&task| tasks[task]).collect();
                limited.suffix = format!(", {}", names.join(" + "));
            }
            if epsilon[first].is_finite() {
                compared.push((limited, epsilon[first]));
            }
        }
        compared
    }

    fn in_spec(&self, spec: &Spec) -> Vec<(Limited, f64)> {
        self.compared(&spec.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>())
    }
}

#[typetag::serde]
impl Constraint for ReturnParity {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let returns = judged.returns;
        let mut overruns = Vec::new();
        for (limited, epsilon) in self.compared(&returns.tasks.iter().map(String::as_str).collect::<Vec<_>>()) {
            for (i, j) in pairs(returns.groups.len()) {
                let value = limited.earns(returns, i) - limited.earns(returns, j) - epsilon;
                overruns.push(Overrun { row: row(&returns.groups[i], &returns.groups[j], &limited), value });
            }
        }
        Ok(overruns)
    }

    fn check(&self, spec: &Spec, _model: Option<&TabularModel>) -> Vec<Problem> {
        let mut problems = super::alone(spec, "parity");
        let last = spec.tasks.len() - 1;
        problems.extend(self.epsilon.check(spec.tasks.len()));
        if !self.per_task && matches!(self.epsilon, Tolerance::PerTask(_)) {
            let help = "one number, or per_task: true";
            problems.push(Problem::at("epsilon", "a sum of tasks has one tolerance, not one per task").help(help));
        }
        for (index, task) in self.tasks.iter().enumerate().filter(|(_, task)| **task as usize > last) {
            let message = format!("there is no task {task}");
            problems.push(Problem::at(format!("tasks[{index}]"), message).help(format!("0 to {last}")));
        }
        problems
    }

    fn linear_rows(&self, spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let mut rows = Vec::new();
        for (limited, epsilon) in self.in_spec(spec) {
            for (i, j) in pairs(spec.groups.len()) {
                let name = row(&spec.groups[i].name, &spec.groups[j].name, &limited);
                let terms = limited.terms(i, 1.0).chain(limited.terms(j, -1.0)).collect();
                rows.push(OccupancyRow { name, terms, limit: epsilon });
            }
        }
        Some(rows)
    }

    fn references(&self, spec: &Spec) -> Vec<Reference> {
        let line = |(limited, epsilon): (Limited, f64)| match limited.tasks[..] {
            [task] => Some(Reference::level(format!("gap_task_{}", task + 1), "tolerance", epsilon)),
            // No metric is the gap of a sum.
            _ => None,
        };
        self.in_spec(spec).into_iter().filter_map(line).collect()
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

    fn rows(text: &str) -> Vec<(String, f64)> {
        let parity: ReturnParity = ron::from_str(text).unwrap();
        let rows = parity.overruns(&Judged::by(&super::super::returns())).unwrap();
        rows.into_iter().map(|row| (row.row, row.value)).collect()
    }

    #[test]
    fn tasks_have_tolerances_of_their_own_or_none() {
        let values = |text| rows(text).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        assert_eq!(values("(epsilon: [0.25, 1])"), [-3.25, 2.75, -0.5, -1.5]);
        assert_eq!(values("(epsilon: [inf, 1])"), [-0.5, -1.5]);
        assert_eq!(rows("(epsilon: 0.25, tasks: [1])"), rows("(epsilon: [inf, 0.25])"));
        assert_eq!(rows("(epsilon: 1, tasks: [0, 1], per_task: false)")[1], ("B − A, up + down".to_owned(), 1.5));
    }

    #[test]
    fn nonsense_is_refused() {
        let spec = crate::shapes::two_groups(2, 2, 3);
        let said = |text: &str| {
            let parity: ReturnParity = ron::from_str(text).unwrap();
            parity.check(&spec, None).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(said("(epsilon: [0.5])"), "");
        assert_eq!(said("(epsilon: NaN)"), "epsilon: NaN is no tolerance (0 or above, or inf)");
        assert_eq!(said("(epsilon: [1, 2])"), "epsilon: 2 tolerances for 1 tasks (give one number, or one per task)");
        assert_eq!(said("(epsilon: 1, tasks: [0, 3])"), "tasks[1]: there is no task 3 (0 to 0)");
        let sum = "epsilon: a sum of tasks has one tolerance, not one per task (one number, or per_task: true)";
        assert_eq!(said("(epsilon: [1], per_task: false)"), sum);
    }

    #[test]
    fn the_report_draws_tolerances() {
        let parity: ReturnParity = ron::from_str("(epsilon: 0.5)").unwrap();
        let lines = parity.references(&crate::shapes::two_groups(2, 2, 3));
        assert_eq!(lines, [Reference::level("gap_task_1", "tolerance", 0.5)]);
    }
}
