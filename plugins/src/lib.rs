//! plugins

pub mod group_fairness;
