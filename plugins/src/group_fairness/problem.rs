//! Group-fair planning with known dynamics: the best policies whose returns differ little between groups.

use super::chain::{Chain, policy_of};
use super::program::{LpError, Part, Program, Row, Solution, Solver};
use isonomy_engine::constraint::{OccupancyRow, Signal};
use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::spec::Spec;
use isonomy_engine::welfare::{LinearRow, LinearRows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be planned: `max Σ w_{z,m} J_{z,m}` subject to `|J_{i,m} − J_{j,m}| ≤ ε_m` for all pairs of groups.
///
/// Song, Jiang, Chandra, Zhang 2025 (arXiv 2503.07817); with one task Satija, Lazaric, Pirotta, Pineau 2023 (TMLR).
#[derive(Clone, Debug)]
pub struct FairProblem<'a> {
    /// The groups' dynamics and rewards.
    pub model: &'a TabularModel,
    /// The largest gap allowed, per task; infinite where a task may differ as it likes.
    pub epsilon: Vec<f64>,
    /// What a unit of return is worth, `[groups, tasks]`.
    pub weights: Vec<f64>,
    /// What a group's returns are multiplied by before they are compared; 1, or how frequent the group is.
    pub scales: Vec<f64>,
    /// Which returns are compared.
    pub compare: Compare,
    /// What a policy knows.
    pub reading: Reading,
    /// How the comparison is written.
    pub rows: Rows,
    /// What groups and tasks are called in reports.
    pub names: Names,
    /// Maximised in place of the sum: a welfare of what groups earn, each by its weights, as a linear programme.
    pub welfare: Option<LinearRows>,
    /// Rows beside those of the comparison.
    pub constraints: Vec<OccupancyRow>,
}

/// What groups and tasks are called in reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// One per group.
    pub groups: Vec<String>,
    /// One per task.
    pub tasks: Vec<String>,
}

impl Names {
    /// `0`, `1`, … and `task 1`, `task 2`, …
    pub fn numbered(groups: usize, tasks: usize) -> Names {
        let (groups, tasks) = (0..groups, 1..=tasks);
        Names { groups: groups.map(|z| z.to_string()).collect(), tasks: tasks.map(|m| format!("task {m}")).collect() }
    }

    /// As the environment says.
    pub fn of(spec: &Spec) -> Names {
        Names {
            groups: spec.groups.iter().map(|group| group.name.clone()).collect(),
            tasks: spec.tasks.iter().map(|task| task.name.clone()).collect(),
        }
    }

    pub(super) fn sum(&self, tasks: &[usize]) -> String {
        let names: Vec<&str> = tasks.iter().map(|&task| self.tasks[task].as_str()).collect();
        names.join(" + ")
    }
}

/// Which returns of the groups are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compare {
    /// Those of every task whose tolerance is finite.
    #[default]
    EachTask,
    /// Those of some tasks only, by number from 0: the baseline that is fair in one task and not in the others.
    Tasks(Vec<usize>),
    /// Their sum over all tasks, to the smallest tolerance: gaps of opposite signs cancel.
    Sum,
    /// None: every group on its own.
    Nothing,
}

/// What a policy knows of the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reading {
    /// Nothing: one policy per group serves all tasks.
    #[default]
    Shared,
    /// Which task it is: a policy per group and task, and a problem per task.
    TaskConditioned,
}

/// How the comparison of groups is written as rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rows {
    /// One row per ordered pair of groups and task.
    #[default]
    Pairs,
    /// Between a level and that level plus ε: two rows per group and task, fewer from four groups on.
    Bounds,
}

/// The fair policies, and what they cost.
#[derive(Clone, Debug)]
pub struct FairPlan {
    /// One policy, or one per task where policies know the task.
    pub policies: Vec<TabularPolicy>,
    /// `[horizon, states, actions]` per group, for each policy.
    pub occupancies: Vec<Vec<Vec<f64>>>,
    /// What was maximised.
    pub objective: f64,
    /// Expected returns, `[groups, tasks]`; those of a task under its own policy.
    pub returns: Vec<f64>,
    /// The fairness rows.
    pub rows: Vec<RowReport>,
    /// Times that policies were generated.
    pub iterations: usize,
    /// Policies generated, or variables of the programme.
    pub columns: usize,
}

/// How a fairness row stands at the optimum.
#[derive(Clone, Debug, PartialEq)]
pub struct RowReport {
    /// E.g. `B − A, upstream`: what B earns more than A.
    pub name: String,
    /// What it may be at most.
    pub limit: f64,
    /// What it is.
    pub activity: f64,
    /// How much the objective would gain per unit of the limit; none from a solver that does not say.
    pub price: Option<f64>,
}

impl RowReport {
    /// Whether the optimum lies on this row.
    pub fn binds(&self) -> bool {
        self.activity >= self.limit - 1e-6 * (1.0 + self.limit.abs())
    }
}

/// Why there is no fair plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A tolerance is NaN or negative, or there is not one per task.
    #[error("the tolerance of task {} is {value}, and must be 0 or above", task + 1)]
    Tolerance {
        /// The task, from 0.
        task: usize,
        /// Its tolerance.
        value: f64,
    },
    /// A table does not have the size that the model's shape asks for.
    #[error("{what} has {found} entries, and the shape of the model asks for {expected}")]
    Shape {
        /// Which table.
        what: &'static str,
        /// Its entries.
        found: usize,
        /// What they should be.
        expected: usize,
    },
    /// Chances that are no distribution.
    #[error("{what} of group {group} are no distribution: they sum to {sum}")]
    Chances {
        /// Which chances.
        what: &'static str,
        /// Whose.
        group: usize,
        /// Their sum; NaN where one of them is negative or NaN.
        sum: f64,
    },
    /// A reward, weight or scale is NaN or infinite.
    #[error("{0} are not all finite")]
    NotFinite(&'static str),
    /// A task that the comparison names and the model does not have.
    #[error("there is no task {0}: tasks are numbered from 0")]
    NoTask(usize),
    /// The linear programme.
    #[error(transparent)]
    Lp(#[from] LpError),
}

impl<'a> FairProblem<'a> {
    /// All tasks weigh the same and differ by at most `epsilon`; policies do not know the task.
    pub fn new(model: &'a TabularModel, epsilon: f64) -> Self {
        FairProblem {
            model,
            epsilon: vec![epsilon; model.tasks],
            weights: vec![1.0; model.groups * model.tasks],
            scales: vec![1.0; model.groups],
            compare: Compare::EachTask,
            reading: Reading::Shared,
            rows: Rows::Pairs,
            names: Names::numbered(model.groups, model.tasks),
            welfare: None,
            constraints: Vec::new(),
        }
    }

    /// How far groups may be apart in each task on its own; infinite where they are not compared in it.
    pub fn tolerances(&self) -> Vec<f64> {
        let mut tolerances = vec![f64::INFINITY; self.model.tasks];
        for (tasks, epsilon) in self.compare.among(&Vec::from_iter(0..self.model.tasks), &self.epsilon) {
            if let [task] = tasks[..] {
                tolerances[task] = epsilon;
            }
        }
        tolerances
    }

    /// Finds the best fair policies.
    pub fn solve(&self, solver: Solver) -> Result<FairPlan, PlanError> {
        self.check()?;
        let chains: Vec<Chain> = (0..self.model.groups).map(|group| Chain::of(self.model, group)).collect();
        match self.reading {
            Reading::Shared => {
                let tasks: Vec<usize> = (0..self.model.tasks).collect();
                self.solve_tasks(&chains, &tasks, solver)
            }
            Reading::TaskConditioned => {
                let plans: Result<Vec<_>, _> =
                    (0..self.model.tasks).map(|task| self.solve_tasks(&chains, &[task], solver)).collect();
                Ok(plans?.into_iter().reduce(FairPlan::beside).expect("a model has tasks"))
            }
        }
    }

    /// One policy per group for these tasks.
    fn solve_tasks(&self, chains: &[Chain], tasks: &[usize], solver: Solver) -> Result<FairPlan, PlanError> {
        let program = self.program(chains, tasks);
        let solution = program.solve(solver)?;
        Ok(self.plan(&program, tasks, solution))
    }

    /// The linear programme of these tasks. Signal `m` of a group is its reward in task `m`.
    pub(super) fn program(&self, chains: &[Chain], tasks: &[usize]) -> Program {
        let model = self.model;
        let cells = model.states * model.actions;
        let part = |(group, chain): (usize, &Chain)| {
            let rewards = &model.reward[group * model.tasks * cells..][..model.tasks * cells];
            let signals: Vec<Vec<f64>> = rewards.chunks_exact(cells).map(<[f64]>::to_vec).collect();
            let mut objective = vec![0.0; cells];
            let share = self.welfare.as_ref().map_or(1.0, |welfare| welfare.utilities[group]);
            for &task in tasks {
                let weight = share * self.weights[group * model.tasks + task];
                objective.iter_mut().zip(&signals[task]).for_each(|(sum, reward)| *sum += weight * reward);
            }
            Part { chain: chain.clone(), objective, signals }
        };
        let mut parts: Vec<Part> = chains.iter().enumerate().map(part).collect();
        let compared = self.compare.among(tasks, &self.epsilon);
        let pair = |(tasks, limit): (Vec<usize>, f64)| Comparison {
            name: self.names.sum(&tasks),
            upper: tasks.clone(),
            lower: tasks,
            limit,
        };
        let comparisons: Vec<Comparison> = compared.into_iter().map(pair).collect();
        let (mut rows, mut levels) = match self.rows {
            Rows::Pairs => (pairs(&comparisons, &self.scales, &self.names.groups), Vec::new()),
            Rows::Bounds => (self.bounds(&comparisons), vec![0.0; comparisons.len()]),
        };
        rows.extend(self.constraint_rows(&mut parts));
        if let Some(welfare) = &self.welfare {
            rows.extend(welfare.rows.iter().map(|row| self.welfare_row(row, tasks, levels.len())));
            levels.extend(&welfare.levels);
        }
        Program { parts, rows, levels }
    }

    /// The rows of constraints. What they speak of beside returns becomes a signal of its group.
    fn constraint_rows(&self, parts: &mut [Part]) -> Vec<Row> {
        let mut known: Vec<Vec<Signal>> = vec![(0..self.model.tasks).map(Signal::Return).collect(); parts.len()];
        let mut place = |group: usize, signal: Signal| {
            known[group].iter().position(|other| *other == signal).unwrap_or_else(|| {
                known[group].push(signal);
                parts[group].signals.push(signal.pays(self.model, group));
                known[group].len() - 1
            })
        };
        let mut row = |row: &OccupancyRow| Row {
            name: row.name.clone(),
            terms: row.terms.iter().map(|&(group, signal, factor)| (group, place(group, signal), factor)).collect(),
            levels: Vec::new(),
            limit: row.limit,
        };
        self.constraints.iter().map(&mut row).collect()
    }

    /// A row of the welfare, whose levels stand behind `before` others.
    fn welfare_row(&self, row: &LinearRow, tasks: &[usize], before: usize) -> Row {
        let of_group = |&(group, factor): &(usize, f64)| {
            let weights = tasks.iter().map(move |&task| (task, self.weights[group * self.model.tasks + task]));
            weights.map(move |(task, weight)| (group, task, factor * weight))
        };
        Row {
            name: "welfare".to_owned(),
            terms: row.utilities.iter().flat_map(of_group).collect(),
            levels: row.levels.iter().map(|&(level, factor)| (before + level, factor)).collect(),
            limit: 0.0,
        }
    }

    /// `l ≤ J_z ≤ l + ε` for every group, one level `l` per comparison.
    fn bounds(&self, comparisons: &[Comparison]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (level, Comparison { name, upper, limit, .. }) in comparisons.iter().enumerate() {
            for (group, &scale) in self.scales.iter().enumerate() {
                let called = &self.names.groups[group];
                for (side, sign, limit) in [("most", 1.0, *limit), ("least", -1.0, 0.0)] {
                    rows.push(Row {
                        name: format!("{called} at {side}, {name}"),
                        terms: upper.iter().map(|&signal| (group, signal, sign * scale)).collect(),
                        levels: vec![(level, -sign)],
                        limit,
                    });
                }
            }
        }
        rows
    }

    fn plan(&self, program: &Program, tasks: &[usize], solution: Solution) -> FairPlan {
        let Solution { objective, occupancies, prices, iterations, columns, .. } = solution;
        let model = self.model;
        let returns = (0..model.groups).flat_map(|group| (0..model.tasks).map(move |task| (group, task)));
        let returns = returns.map(|(group, task)| match tasks.contains(&task) {
            true => program.pays(&occupancies, group, task),
            false => 0.0,
        });
        let returns = returns.collect();
        let chains: Vec<Chain> = program.parts.iter().map(|part| part.chain.clone()).collect();
        let chances: Vec<Vec<f64>> =
            chains.iter().zip(&occupancies).map(|(chain, occupancy)| chain.chances(occupancy)).collect();
        let level = |level: usize| {
            // The level of a bounds row is the least of the returns that it bounds.
            let least = program.rows.iter().filter(|row| row.levels == [(level, 1.0)]);
            least.map(|row| -program.activity(&occupancies, row)).fold(f64::INFINITY, f64::min)
        };
        let report = |(index, row): (usize, &Row)| RowReport {
            name: row.name.clone(),
            limit: row.limit,
            activity: program.activity(&occupancies, row)
                + row.levels.iter().map(|&(of, factor)| factor * level(of)).sum::<f64>(),
            price: prices.as_ref().map(|prices| prices[index]),
        };
        // What defines the welfare limits nobody.
        let limiting = program.rows.len() - self.welfare.as_ref().map_or(0, |welfare| welfare.rows.len());
        let rows = program.rows[..limiting].iter().enumerate().map(report).collect();
        let policies = vec![policy_of(&chains, &chances)];
        FairPlan { policies, occupancies: vec![occupancies], objective, returns, rows, iterations, columns }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let TabularModel { groups, tasks, states, actions, .. } = *self.model;
        let cells = groups * states * actions;
        for (what, found, expected) in [
            ("the tolerances", self.epsilon.len(), tasks),
            ("the weights", self.weights.len(), groups * tasks),
            ("the scales", self.scales.len(), groups),
            ("the names of groups", self.names.groups.len(), groups),
            ("the names of tasks", self.names.tasks.len(), tasks),
            ("the start distribution", self.model.start.len(), groups * states),
            ("the chances of the next state", self.model.next.len(), cells * states),
            ("the rewards", self.model.reward.len(), cells * tasks),
        ] {
            if found != expected {
                return Err(PlanError::Shape { what, found, expected });
            }
        }
        if let Some(task) = (0..tasks).find(|&task| self.epsilon[task].is_nan() || self.epsilon[task] < 0.0) {
            return Err(PlanError::Tolerance { task, value: self.epsilon[task] });
        }
        for (what, numbers) in [("weights", &self.weights), ("scales", &self.scales), ("rewards", &self.model.reward)] {
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(PlanError::NotFinite(what));
            }
        }
        if let Compare::Tasks(named) = &self.compare
            && let Some(&task) = named.iter().find(|&&task| task >= tasks)
        {
            return Err(PlanError::NoTask(task));
        }
        distributions("the start chances", &self.model.start, states, states)?;
        distributions("the chances of the next state", &self.model.next, states, states * actions * states)
    }
}

/// Checks rows of `states` chances, of which a group has `per_group` in all.
fn distributions(what: &'static str, chances: &[f64], states: usize, per_group: usize) -> Result<(), PlanError> {
    for (index, row) in chances.chunks_exact(states).enumerate() {
        let sum = if row.iter().all(|chance| *chance >= 0.0) { row.iter().sum() } else { f64::NAN };
        if sum.is_nan() || (sum - 1.0).abs() > 1e-9 {
            return Err(PlanError::Chances { what, group: index * states / per_group, sum });
        }
    }
    Ok(())
}

impl Compare {
    /// Which sums of tasks are compared, and to what tolerance.
    pub(super) fn among(&self, among: &[usize], epsilon: &[f64]) -> Vec<(Vec<usize>, f64)> {
        let each = |tasks: &mut dyn Iterator<Item = usize>| -> Vec<(Vec<usize>, f64)> {
            tasks.map(|task| (vec![task], epsilon[task])).filter(|(_, epsilon)| epsilon.is_finite()).collect()
        };
        match self {
            Compare::EachTask => each(&mut among.iter().copied()),
            Compare::Tasks(tasks) => each(&mut tasks.iter().copied().filter(|task| among.contains(task))),
            Compare::Nothing => Vec::new(),
            Compare::Sum => {
                let epsilon = epsilon.iter().copied().fold(f64::INFINITY, f64::min);
                Vec::from_iter(epsilon.is_finite().then(|| (among.to_vec(), epsilon)))
            }
        }
    }
}

/// Sums of signals that groups are compared by: the `upper` ones of one group against the `lower` ones of another.
/// The two differ where returns are only known within bounds.
pub(super) struct Comparison {
    pub(super) name: String,
    pub(super) upper: Vec<usize>,
    pub(super) lower: Vec<usize>,
    pub(super) limit: f64,
}

/// `J_i − J_j ≤ ε` for every ordered pair of groups.
pub(super) fn pairs(comparisons: &[Comparison], scales: &[f64], groups: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    for Comparison { name, upper, lower, limit } in comparisons {
        for above in 0..scales.len() {
            for below in (0..scales.len()).filter(|&below| below != above) {
                let plus = upper.iter().map(|&signal| (above, signal, scales[above]));
                let minus = lower.iter().map(|&signal| (below, signal, -scales[below]));
                rows.push(Row {
                    name: format!("{} − {}, {name}", groups[above], groups[below]),
                    terms: plus.chain(minus).collect(),
                    levels: Vec::new(),
                    limit: *limit,
                });
            }
        }
    }
    rows
}

impl FairPlan {
    /// The largest difference between two groups in a task.
    pub fn gap(&self, task: usize) -> f64 {
        gap(&self.returns, self.tasks(), task)
    }

    fn tasks(&self) -> usize {
        self.returns.len() / self.policies[0].groups
    }

    /// Two plans for different tasks, as one.
    fn beside(mut self, other: FairPlan) -> FairPlan {
        self.policies.extend(other.policies);
        self.occupancies.extend(other.occupancies);
        self.objective += other.objective;
        self.returns.iter_mut().zip(&other.returns).for_each(|(to, from)| *to += from);
        self.rows.extend(other.rows);
        self.iterations += other.iterations;
        self.columns += other.columns;
        self
    }
}

/// The largest difference between two groups in a task, of returns `[groups, tasks]`.
pub(super) fn gap(returns: &[f64], tasks: usize, task: usize) -> f64 {
    let of_task = || returns.iter().skip(task).step_by(tasks).copied();
    of_task().fold(f64::NEG_INFINITY, f64::max) - of_task().fold(f64::INFINITY, f64::min)
}
