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

pub mod controller;
pub mod group_fairness;
pub mod optimizer;
pub mod policy;

#[cfg(test)]
mod shapes;
