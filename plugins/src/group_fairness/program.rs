//! Linear programmes over occupancies: returns are linear in them, so goals and fairness rows are too.
//!
//! Each group moves on its own; only a few rows join the groups. See `dantzig_wolfe.rs` and `occupancy_lp.rs` for the
//! two ways in which such a programme is solved.

use super::chain::Chain;
use super::{dantzig_wolfe, occupancy_lp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Maximises what all parts earn together and what the levels add, subject to rows on what the parts' signals pay.
#[derive(Clone, Debug)]
pub struct Program {
    /// One per group.
    pub parts: Vec<Part>,
    /// What joins them.
    pub rows: Vec<Row>,
    /// Free numbers that rows may use beside returns: what a unit of each adds to the objective.
    pub levels: Vec<f64>,
}

/// One group of a [`Program`].
#[derive(Clone, Debug)]
pub struct Part {
    /// How it moves.
    pub chain: Chain,
    /// What is maximised, a signal of the chain.
    pub objective: Vec<f64>,
    /// What rows can speak of, signals of the chain.
    pub signals: Vec<Vec<f64>>,
}

/// `Σ factor · J(group, signal) + Σ factor · level ≤ limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name in reports.
    pub name: String,
    /// `(group, signal, factor)`.
    pub terms: Vec<(usize, usize, f64)>,
    /// `(level, factor)`.
    pub levels: Vec<(usize, f64)>,
    /// The right-hand side.
    pub limit: f64,
}

/// How a [`Program`] is solved; all find the same optimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Solver {
    /// Mixes few deterministic policies of each group, found by backward induction (Dantzig and Wolfe 1960).
    /// The one that scales.
    #[default]
    DantzigWolfe,
    /// All occupancies as variables, by the simplex of microlp. Reports no prices.
    Microlp,
    /// All occupancies as variables, by the interior points of clarabel.
    Clarabel,
}

/// The best occupancies.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// What all parts earn, and what the levels add.
    pub objective: f64,
    /// `[horizon, states, actions]` per part.
    pub occupancies: Vec<Vec<f64>>,
    /// Value of every level.
    pub levels: Vec<f64>,
    /// What one more unit of each row's limit would be worth; none from a solver that does not say.
    pub prices: Option<Vec<f64>>,
    /// Times that policies were generated; 1 where there is nothing to generate.
    pub iterations: usize,
    /// Policies that were generated, or variables.
    pub columns: usize,
}

/// Why a programme has no solution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LpError {
    /// No policies satisfy all rows.
    #[error("no policies satisfy all fairness rows")]
    Infeasible,
    /// The solver gave up.
    #[error("the solver failed: {0}")]
    Fault(#[from] LpFault),
}

/// What a solver said when it gave up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LpFault(String);

impl LpFault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        LpFault(what.into())
    }
}

impl Program {
    /// Finds the optimum.
    pub fn solve(&self, solver: Solver) -> Result<Solution, LpError> {
        match solver {
            Solver::DantzigWolfe => dantzig_wolfe::solve(self),
            Solver::Microlp => occupancy_lp::by_microlp(self),
            Solver::Clarabel => occupancy_lp::by_clarabel(self),
        }
    }

    /// What occupancies and levels are worth.
    pub(super) fn worth(&self, occupancies: &[Vec<f64>], levels: &[f64]) -> f64 {
        let parts = self.parts.iter().zip(occupancies);
        let earned: f64 = parts.map(|(part, occupancy)| part.chain.pays(occupancy, &part.objective)).sum();
        earned + self.levels.iter().zip(levels).map(|(adds, level)| adds * level).sum::<f64>()
    }

    /// What a group earns of a signal under an occupancy.
    pub(super) fn pays(&self, occupancies: &[Vec<f64>], group: usize, signal: usize) -> f64 {
        let part = &self.parts[group];
        part.chain.pays(&occupancies[group], &part.signals[signal])
    }

    /// What a row's terms add up to, but for its levels.
    pub(super) fn activity(&self, occupancies: &[Vec<f64>], row: &Row) -> f64 {
        row.terms.iter().map(|&(group, signal, factor)| factor * self.pays(occupancies, group, signal)).sum()
    }
}
