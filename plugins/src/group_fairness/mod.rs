//! Group-fair reinforcement learning on tables: planning with known dynamics, and learning them without being unfair.
//!
//! Every group has its own dynamics, all earn the same tasks' rewards, and what they earn may differ by at most ε in
//! every task. Returns are linear in occupancies ([`chain`]), so the fair optimum is a linear programme ([`program`]),
//! which falls apart into the groups but for a few rows (`dantzig_wolfe.rs` and its `master.rs`; `occupancy_lp.rs` writes
//! it out in full). [`problem`] says it in terms of a model, and [`FairLp`] is
//! the optimiser that plays the plan.

pub mod chain;
mod dantzig_wolfe;
mod fair_lp;
mod master;
mod occupancy_lp;
pub mod problem;
pub mod program;

pub use fair_lp::{FairLp, Tolerance};
pub use problem::{Compare, FairPlan, FairProblem, Names, PlanError, Reading, RowReport, Rows};
pub use program::{LpError, LpFault, Solver};
