//! Constraints: limits on signals, as numbers to hold at or below zero.

use crate::metrics::Returns;
use crate::model::TabularModel;
use crate::policy::TabularPolicy;
use crate::problem::Problem;
use crate::reference::Reference;
use crate::spec::Spec;

/// A limit on what groups earn or do.
#[typetag::serde]
pub trait Constraint: std::fmt::Debug + Send + Sync {
    /// One number per row of the constraint: at or below zero where the row holds.
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged>;

    /// What in this environment or in the fields makes no sense. `model` is what the environment offers.
    fn check(&self, _spec: &Spec, _model: Option<&TabularModel>) -> Vec<Problem> {
        Vec::new()
    }

    /// The constraint as rows that are linear in the occupancies of groups, for planners and for gradients: none where it
    /// is not linear, or cannot be told without a model that is not there.
    fn linear_rows(&self, _spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        None
    }

    /// What returns and gaps are to be compared with in reports: limits, where they are limits of a metric.
    fn references(&self, _spec: &Spec) -> Vec<Reference> {
        Vec::new()
    }
}

/// What a [`Constraint`] judges.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// What groups earn: exactly where there is a model, else in the rollout.
    pub returns: &'a Returns,
    /// What lies behind the returns, where the environment has a model.
    pub exact: Option<Exact<'a>>,
}

/// A policy and the model in which it acts.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a> {
    /// The environment's shapes.
    pub spec: &'a Spec,
    /// The environment's model.
    pub model: &'a TabularModel,
    /// The policy that acts.
    pub policy: &'a TabularPolicy,
}

impl<'a> Judged<'a> {
    /// Returns alone.
    pub fn by(returns: &'a Returns) -> Self {
        Judged { returns, exact: None }
    }

    /// The policy and its model, on behalf of a `notion` that cannot do without.
    pub fn exact(&self, notion: &'static str) -> Result<Exact<'a>, Unjudged> {
        self.exact.ok_or(Unjudged::NoModel { notion })
    }
}

/// Why a constraint has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unjudged {
    /// A return for which the constraint means nothing.
    #[error("{signal} earns {value}, but {notion} needs {needed}")]
    OutsideDomain {
        /// The constraint.
        notion: &'static str,
        /// Who earns it, and in what: `A, upstream`.
        signal: String,
        /// The return.
        value: f64,
        /// What would do.
        needed: &'static str,
    },
    /// The constraint looks behind returns, and there is nothing to look at.
    #[error("{notion} needs a model and a policy to look at, not returns alone")]
    NoModel {
        /// The constraint.
        notion: &'static str,
    },
}

/// By how much one row of a constraint is exceeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrun {
    /// The row, e.g. `A − B, upstream`.
    pub row: String,
    /// `signal - limit`.
    pub value: f64,
}

/// `Σ factor · signal ≤ limit`, linear in the occupancies `[horizon, states, actions]` of groups.
#[derive(Clone, Debug, PartialEq)]
pub struct OccupancyRow {
    /// Name in reports.
    pub name: String,
    /// `(group, signal, factor)`.
    pub terms: Vec<(usize, Signal, f64)>,
    /// The right-hand side.
    pub limit: f64,
}

/// Something that is a sum over the occupancy of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The expected return in a task.
    Return(usize),
    /// The chance of an action in a step.
    Act {
        /// Steps since the episode began.
        step: usize,
        /// The action.
        action: usize,
    },
    /// The chance of a state and an action in a step.
    Cell {
        /// Steps since the episode began.
        step: usize,
        /// The state.
        state: usize,
        /// The action.
        action: usize,
    },
}

impl Signal {
    /// What a visit pays, `[horizon, states, actions]`; of a return `[states, actions]`, the same in every step.
    pub fn pays(self, model: &TabularModel, group: usize) -> Vec<f64> {
        let cells = model.states * model.actions;
        let zeros = || vec![0.0; model.horizon * cells];
        match self {
            Signal::Return(task) => model.reward[(group * model.tasks + task) * cells..][..cells].to_vec(),
            Signal::Act { step, action } => {
                let mut pays = zeros();
                let of_step = &mut pays[step * cells..][..cells];
                of_step.iter_mut().skip(action).step_by(model.actions).for_each(|cell| *cell = 1.0);
                pays
            }
            Signal::Cell { step, state, action } => {
                let mut pays = zeros();
                pays[step * cells + state * model.actions + action] = 1.0;
                pays
            }
        }
    }

    /// The signal of a group that has this occupancy.
    pub fn of(self, model: &TabularModel, group: usize, occupancy: &[f64]) -> f64 {
        let pays = self.pays(model, group);
        occupancy.iter().zip(pays.iter().cycle()).map(|(chance, pays)| chance * pays).sum()
    }
}

impl OccupancyRow {
    /// By how much the row is exceeded, and its slopes `[groups, tasks]`, at some returns; none where it speaks of more than
    /// returns.
    pub fn at_returns(&self, returns: &Returns) -> Option<(f64, Vec<f64>)> {
        let mut slopes = vec![0.0; returns.mean.len()];
        for &(group, signal, factor) in &self.terms {
            let Signal::Return(task) = signal else { return None };
            slopes[group * returns.tasks.len() + task] += factor;
        }
        let signal: f64 = slopes.iter().zip(&returns.mean).map(|(slope, mean)| slope * mean).sum();
        Some((signal - self.limit, slopes))
    }

    /// By how much the row is exceeded; `occupancies` are those of all groups.
    pub fn overrun(&self, model: &TabularModel, occupancies: &[Vec<f64>]) -> f64 {
        let of_term =
            |&(group, signal, factor): &(usize, Signal, f64)| factor * signal.of(model, group, &occupancies[group]);
        self.terms.iter().map(of_term).sum::<f64>() - self.limit
    }
}
