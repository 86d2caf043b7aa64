//! What planning comes to: the fair policies, how the rows stand, or why there is no plan.

use super::program::LpError;
use isonomy_engine::policy::TabularPolicy;

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
    /// Steps and states that no member of a group is ever in: there the policies are uniform.
    pub unreached: usize,
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

impl FairPlan {
    /// The largest difference between two groups in a task.
    pub fn gap(&self, task: usize) -> f64 {
        gap(&self.returns, self.tasks(), task)
    }

    fn tasks(&self) -> usize {
        self.returns.len() / self.policies[0].groups
    }

    /// Two plans for different tasks, as one.
    pub(super) fn beside(mut self, other: FairPlan) -> FairPlan {
        self.policies.extend(other.policies);
        self.occupancies.extend(other.occupancies);
        self.objective += other.objective;
        self.returns.iter_mut().zip(&other.returns).for_each(|(to, from)| *to += from);
        self.rows.extend(other.rows);
        self.iterations += other.iterations;
        self.columns += other.columns;
        self.unreached += other.unreached;
        self
    }
}

/// The largest difference between two groups in a task, of returns `[groups, tasks]`.
pub(super) fn gap(returns: &[f64], tasks: usize, task: usize) -> f64 {
    let of_task = || returns.iter().skip(task).step_by(tasks).copied();
    of_task().fold(f64::NEG_INFINITY, f64::max) - of_task().fold(f64::INFINITY, f64::min)
}
