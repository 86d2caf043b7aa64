//! Objectives of fairness that are not weights of domains: plain functions, for learners to build on.

pub mod aggregates;
pub mod delivery;
pub mod entropy_target;
pub mod information;
pub mod panel;
pub mod preferences;
pub mod sequential;
pub mod sleeping_experts;
