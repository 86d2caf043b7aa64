//! From which domains prompts are drawn.

mod cascade;
mod equitable;
mod shares;
mod uniform;
mod vade;
mod worst_first;

pub use cascade::{Cascade, Stage};
pub use equitable::{Aggregate, Curve, Equitable, allocate};
pub use shares::{Proportional, Shares};
pub use uniform::Uniform;
pub use vade::{Vade, expected_score, score};
pub use worst_first::WorstFirst;

#[cfg(test)]
mod facts;
