use super::judge::tolerances;
use super::plan::FairPlan;
use super::problem::{Compare, FairProblem, Names, Reading, Rows};
use super::program::Solver;
use isonomy_engine::constraint::{Constraint, OccupancyRow};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Positive};
use isonomy_engine::reference::Reference;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use isonomy_engine::welfare::Welfare;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Plans with the environment's own model: the policies that earn most while groups earn almost the same.
///
/// `max Σ_z Σ_m w_{z,m} J_{z,m}` subject to `|J_{i,m} − J_{j,m}| ≤ ε_m` for all pairs of groups and all tasks, `J` being
/// exact expected returns of an episode. A linear programme over occupancies, solved before the first step. With a
/// `welfare` it maximises `W(x)`, `x_z = Σ_m w_{z,m} J_{z,m}`, for any welfare that is linear by pieces (Ogryczak & Śliwiński
/// 2003); `constraints` adds the rows of any constraint that is linear in occupancies.
/// Song, Jiang, Chandra & Zhang, arXiv 2503.07817; Satija, Lazaric, Pirotta & Pineau, TMLR 04/2023 (one task).
/// Reports `objective`, `gap` and `gap_task_N`, all exact; `iterations` and `columns` of the solver;
/// `unreached`, the decisions that nobody ever faces under the plan, where its policy is uniform;
/// `price.ROW`, what the objective would gain per unit of ε, for the rows that bind (clarabel and Dantzig–Wolfe only).
///
/// Surprises: it plans before the first step, so the policy it is given never acts and there is nothing to learn later.
/// It sees what the environment pays, never what fairness rewards make of it. Agents are not told their task: where
/// policies are made for a task each (`reading: TaskConditioned`), the first task's act. No policies that are fair
/// enough: the run does not begin.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FairLp {
    /// The largest gap allowed: one number, or one per task. `inf` allows any.
    pub epsilon: Tolerance,
    /// What a unit of return is worth: one list per group, or one for all, of one number per task. All 1 if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Vec<Finite>>,
    /// What is maximised of the groups' weighted returns, in place of their sum: MaxMin, GeneralizedGini, GiniWelfare, Cvar,
    /// Utilitarian and others that are linear by pieces. The policy is shared by all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welfare: Option<Box<dyn Welfare>>,
    /// What is to hold beside the comparison: any constraint that is linear in occupancies. The policy is shared by all
    /// tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Box<dyn Constraint>>,
    /// How frequent each group is: its returns count that much, in the objective and when groups are compared
    /// (the weighted variant of Satija et al.). All 1 if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frequencies: Vec<Positive>,
    /// Which returns are compared.
    #[serde(default)]
    pub compare: Compare,
    /// What a policy knows of the task.
    #[serde(default)]
    pub reading: Reading,
    /// How the comparison is written as rows of the programme.
    #[serde(default)]
    pub rows: Rows,
    /// What solves it.
    #[serde(default)]
    pub solver: Solver,
}

isonomy_engine::plugin!(Optimizer: FairLp, "(epsilon: 0.5)");

/// How much groups may differ: in every task the same, or each to its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Tolerance {
    /// A number from 0 up, or `inf`; in every task the same.
    Same(f64),
    /// One such number per task.
    PerTask(Vec<f64>),
}

impl Tolerance {
    /// One number per task.
    pub(crate) fn per_task(&self, tasks: usize) -> Vec<f64> {
        match self {
            Tolerance::Same(epsilon) => vec![*epsilon; tasks],
            Tolerance::PerTask(epsilon) => epsilon.clone(),
        }
    }

    pub(crate) fn check(&self, tasks: usize) -> Vec<Problem> {
        let epsilon = self.per_task(tasks);
        if epsilon.len() != tasks {
            let message = format!("{} tolerances for {tasks} tasks", epsilon.len());
            return vec![Problem::at("epsilon", message).help("give one number, or one per task")];
        }
        let nonsense = epsilon.iter().find(|epsilon| epsilon.is_nan() || **epsilon < 0.0);
        let refused = |epsilon| Problem::at("epsilon", format!("{epsilon} is no tolerance")).help("0 or above, or inf");
        nonsense.map(refused).into_iter().collect()
    }
}

impl FairLp {
    fn problem<'a>(&self, model: &'a TabularModel, spec: &Spec) -> Result<FairProblem<'a>, Problem> {
        let frequency = |group: usize| self.frequencies.get(group).map_or(1.0, |frequency| frequency.get());
        let weight = |group: usize, task: usize| match self.weights.len() {
            0 => frequency(group),
            1 => frequency(group) * self.weights[0][task].get(),
            _ => frequency(group) * self.weights[group][task].get(),
        };
        Ok(FairProblem {
            epsilon: self.epsilon.per_task(model.tasks),
            weights: (0..model.groups * model.tasks).map(|at| weight(at / model.tasks, at % model.tasks)).collect(),
            scales: (0..model.groups).map(frequency).collect(),
            compare: self.compare.clone(),
            reading: self.reading,
            rows: self.rows,
            names: Names::of(spec),
            welfare: self.welfare.as_ref().and_then(|welfare| welfare.linear_rows(model.groups)),
            constraints: self.constraint_rows(model, spec)?,
            model,
        })
    }

    /// The rows of all constraints. Some are linear in one model and not in another.
    fn constraint_rows(&self, model: &TabularModel, spec: &Spec) -> Result<Vec<OccupancyRow>, Problem> {
        if let Some((place, problem)) = self.check_constraints(spec, Some(model)).into_iter().next() {
            return Err(problem.under(&place));
        }
        let mut rows = Vec::new();
        for (index, constraint) in self.constraints.iter().enumerate() {
            let of_one = constraint.linear_rows(spec, Some(model)).ok_or_else(|| {
                let name = constraint.typetag_name();
                Problem::at(format!("constraints[{index}]"), format!("{name} is not linear in occupancies here"))
                    .help("leave it to the scenario's own constraints, which judge what was planned")
            })?;
            rows.extend(of_one);
        }
        Ok(rows)
    }

    /// What constraints find, and where each stands.
    fn check_constraints(&self, spec: &Spec, model: Option<&TabularModel>) -> Vec<(String, Problem)> {
        let mut found = Vec::new();
        for (index, constraint) in self.constraints.iter().enumerate() {
            let place = format!("constraints[{index}].{}", constraint.typetag_name());
            found.extend(constraint.check(spec, model).into_iter().map(|problem| (place.clone(), problem)));
        }
        found
    }

    fn check_welfare(&self, groups: usize) -> Vec<Problem> {
        let Some(welfare) = &self.welfare else { return Vec::new() };
        let name = welfare.typetag_name();
        let place = format!("welfare.{name}");
        let mut problems: Vec<_> = welfare.check(groups).into_iter().map(|problem| problem.under(&place)).collect();
        if problems.is_empty() && welfare.linear_rows(groups).is_none() {
            let help = "MaxMin, GeneralizedGini, GiniWelfare, Cvar, WorstGroup or Utilitarian";
            problems
                .push(Problem::at("welfare", format!("{name} is not linear by pieces, so no programme")).help(help));
        }
        problems
    }
}

/// The tasks that `compare` names and the environment does not have.
pub(super) fn check_compare(compare: &Compare, spec: &Spec) -> Vec<Problem> {
    let Compare::Tasks(tasks) = compare else { return Vec::new() };
    let last = spec.tasks.len() - 1;
    let unknown = tasks.iter().filter(|task| **task > last);
    let refused = |task| Problem::at("compare", format!("there is no task {task}")).help(format!("0 to {last}"));
    unknown.map(refused).collect()
}

#[typetag::serde]
impl Optimizer for FairLp {
    fn needs(&self) -> Needs {
        Needs { model: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let (groups, tasks) = (spec.groups.len(), spec.tasks.len());
        let mut problems = self.epsilon.check(tasks);
        problems.extend(check_compare(&self.compare, spec));
        if !matches!(self.weights.len(), 0 | 1) && self.weights.len() != groups {
            let message = format!("{} lists for {groups} groups", self.weights.len());
            problems.push(Problem::at("weights", message).help("one list per group, one for all, or none"));
        }
        if let Some((index, list)) = self.weights.iter().enumerate().find(|(_, list)| list.len() != tasks) {
            let message = format!("{} weights for {tasks} tasks", list.len());
            problems.push(Problem::at(format!("weights[{index}]"), message).help("one per task"));
        }
        if !self.frequencies.is_empty() && self.frequencies.len() != groups {
            let message = format!("{} frequencies for {groups} groups", self.frequencies.len());
            problems.push(Problem::at("frequencies", message).help("one per group, or none"));
        }
        problems.extend(self.check_welfare(groups));
        let joint = [("welfare", self.welfare.is_some()), ("constraints", !self.constraints.is_empty())];
        for (field, _) in joint.into_iter().filter(|(_, there)| *there && self.reading == Reading::TaskConditioned) {
            let message = "it looks at all tasks together, and with reading: TaskConditioned each is planned alone";
            problems.push(Problem::at(field, message).help("reading: Shared"));
        }
        // What a constraint has against this environment as a whole is asked with the model, when the run begins.
        let of_fields = self.check_constraints(spec, None).into_iter().filter(|(_, problem)| !problem.path.is_empty());
        problems.extend(of_fields.map(|(place, problem)| problem.under(&place)));
        problems
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let model = setting.model.expect("a scenario without a model is refused before");
        let problem = self.problem(&model, &setting.spec)?;
        let plan = problem.solve(self.solver).map_err(|error| Problem::at("", error.to_string()))?;
        Ok(Box::new(Planner {
            policy: plan.policies[0].clone(),
            tolerances: problem.tolerances(),
            report: report(&plan, model.tasks),
        }))
    }
}

fn report(plan: &FairPlan, tasks: usize) -> Vec<(String, f64)> {
    let gaps: Vec<f64> = (0..tasks).map(|task| plan.gap(task)).collect();
    let mut report =
        vec![("objective".to_owned(), plan.objective), ("gap".to_owned(), gaps.iter().copied().fold(0.0, f64::max))];
    report.extend(gaps.iter().enumerate().map(|(task, gap)| (format!("gap_task_{}", task + 1), *gap)));
    report.push(("iterations".to_owned(), plan.iterations as f64));
    report.push(("columns".to_owned(), plan.columns as f64));
    report.push(("unreached".to_owned(), plan.unreached as f64));
    let binding = plan.rows.iter().filter(|row| row.binds());
    report.extend(binding.filter_map(|row| Some((format!("price.{}", row.name), row.price?))));
    report
}

/// Plays what was planned.
struct Planner {
    policy: TabularPolicy,
    /// One per task; infinite where groups are not compared.
    tolerances: Vec<f64>,
    report: Vec<(String, f64)>,
}

impl Learner for Planner {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Table(&self.policy)
    }

    fn update(&mut self, _rollout: &Rollout) -> Vec<(String, f64)> {
        self.report.clone()
    }

    fn references(&self, _episodes: u64) -> Vec<Reference> {
        tolerances(&self.tolerances)
    }

    fn snapshot(&self) -> Vec<u8> {
        // The plan follows from the scenario alone.
        Vec::new()
    }

    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), postcard::Error> {
        Ok(())
    }
}
