//! Group-fair reinforcement learning on tables: planning with known dynamics, and learning them without being unfair.
//!
//! Every group has its own dynamics, all earn the same tasks' rewards, and what they earn may differ by at most ε in
//! every task. Returns are linear in occupancies ([`chain`]), so the fair optimum is a linear programme ([`program`]),
//! which falls apart into the groups but for a few rows (`dantzig_wolfe.rs` and its `master.rs`; `occupancy_lp.rs` writes
//! it out in full). [`problem`] says it in terms of a model, [`plan`] is what comes of it, and [`FairLp`] is the optimiser
//! that plays the plan.
//!
//! [`OptPess`] learns the dynamics: it counts ([`counts`]), knows how wrong the counts can be ([`confidence`]), and
//! plays a policy that is known to be fair ([`pi0`]) until it can plan a better one. Its loop (`learner.rs`) is shared by
//! the baselines [`CertaintyEquivalence`] and [`AlwaysPi0`]; all are judged by exact returns ([`judge`]).

mod baselines;
pub mod chain;
pub mod confidence;
pub mod counts;
mod dantzig_wolfe;
mod fair_lp;
pub mod judge;
mod learner;
mod master;
mod occupancy_lp;
mod opt_pess;
pub mod pi0;
pub mod plan;
pub mod problem;
pub mod program;

pub use baselines::{AlwaysPi0, CertaintyEquivalence};
pub use fair_lp::{FairLp, Tolerance};
pub use learner::{Counting, RewardsAre};
pub use opt_pess::OptPess;
pub use pi0::Pi0;
pub use plan::{FairPlan, PlanError, RowReport};
pub use problem::{Compare, FairProblem, Names, Reading, Rows};
pub use program::{LpError, LpFault, Solver};

use isonomy_engine::optimizer::Needs;
use isonomy_engine::quantity::Finite;

/// Whole episodes to count, and a model to be judged by.
fn learner_needs() -> Needs {
    Needs { trajectory: true, model: true, episodes: true, ..Needs::default() }
}

/// One weight per task: those written, or ones.
fn task_weights(written: &[Finite], tasks: usize) -> Vec<f64> {
    if written.is_empty() { vec![1.0; tasks] } else { written.iter().map(|weight| weight.get()).collect() }
}
