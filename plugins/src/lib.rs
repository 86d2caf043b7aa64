//! The shelf: fairness rewards, welfare, constraints, optimisers, policies and controllers, one file each.
//!
//! A plugin is a plain struct that serde can read. Its documentation is what `isonomy explain` shows, its line
//! `plugin!` puts it on the list, and `#[typetag::serde]` lets a scenario name it.
//!
//! | folder         | what is in it                                                                |
//! |----------------|------------------------------------------------------------------------------|
//! | [`controller`] | rules that act without learning                                              |
//! | [`policy`]     | how policies that learn begin                                                |
//! | [`optimizer`]  | what improves a policy                                                       |
//! | [`fairness`]   | what a policy is taught in place of what the environment pays                |
//! | [`welfare`]    | how good a vector of utilities is, as one number with a derivative           |
//! | [`constraint`] | limits on what groups earn                                                   |
//! | [`advantage`]  | from rewards of sampled responses to an update                               |
//! | [`curriculum`] | from which domains prompts are drawn                                         |
//!
//! [`group_fairness`] and [`public_model`] are whole subjects with optimisers of their own.
//!
//! A new one is a file, its `mod` line, a scenario that names it and a fact about it.

pub mod advantage;
pub mod constraint;
pub mod controller;
pub mod curriculum;
pub mod fairness;
pub mod group_fairness;
pub mod optimizer;
pub mod policy;
pub mod public_model;
pub mod welfare;

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod shelf;
