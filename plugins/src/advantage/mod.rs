//! From the rewards of sampled responses to an update: estimators, one file each, and what stands around them.
//!
//! | folder         | stage                                                            |
//! |----------------|------------------------------------------------------------------|
//! | this one       | estimators: how much better than expected a response was         |
//! | [`shaper`]     | what a response is worth                                         |
//! | [`filter`]     | which groups are learned from                                    |
//! | [`modifier`]   | how an advantage is shared out among tokens                      |
//! | [`weight`]     | how much a domain counts                                         |
//! | [`loss`]       | the surrogate of every token                                     |
//! | [`aggregator`] | how much a token counts in the loss                              |
//! | [`divergence`] | how far the policy has moved from a reference                    |
//! | [`objective`]  | notions of fairness that are no weights, as plain functions      |
//!
//! A fairness signal survives only where an estimator can see it. Everything that subtracts a group's mean is blind to a
//! bonus for the whole group, everything that also divides by its spread to a factor: [`AdvantageEstimator::blind_to`]
//! says so, and a scenario that combines the two is refused.

pub mod aggregator;
mod canon;
mod copo;
pub mod divergence;
mod dr_grpo;
pub mod filter;
mod gae;
mod gdpo;
mod gigpo;
mod gpg;
mod grpo;
mod grpo_pass_k;
mod hapo;
pub mod loss;
mod mars;
pub mod modifier;
mod moments;
mod mopd;
mod ngrpo;
pub mod objective;
mod opo;
mod optimal_token_baseline;
mod pshw;
mod reinforce;
mod reinforce_plus_plus;
mod remax;
mod returns;
mod rloo;
pub mod shaper;
mod spo;
mod srpo;
mod team_baseline;
pub mod weight;

pub use canon::{Canon, Metric};
pub use copo::{Copo, Mode};
pub use dr_grpo::DrGrpo;
pub use gae::{Egae, Gae};
pub use gdpo::{Gdpo, Order};
pub use gigpo::Gigpo;
pub use gpg::Gpg;
pub use grpo::{Dialect, Grpo};
pub use grpo_pass_k::GrpoPassK;
pub use hapo::Hapo;
pub use mars::Mars;
pub use mopd::Mopd;
pub use ngrpo::Ngrpo;
pub use opo::Opo;
pub use optimal_token_baseline::OptimalTokenBaseline;
pub use pshw::Pshw;
pub use reinforce::Reinforce;
pub use reinforce_plus_plus::ReinforcePlusPlus;
pub use remax::Remax;
pub use rloo::Rloo;
pub use spo::{Spo, Tree};
pub use srpo::{Srpo, prefix_reward};
pub use team_baseline::TeamBaseline;

#[allow(unused_imports)] // for the link above
use isonomy_engine::advantage::AdvantageEstimator;
use isonomy_engine::quantity::Probability;

fn undiscounted() -> Probability {
    Probability::new(1.0).expect("a probability")
}

#[cfg(test)]
mod facts;
