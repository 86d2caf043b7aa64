//! How an advantage is shared out among the tokens of a response.

mod hapo_redistribution;
mod salt;

pub use hapo_redistribution::{HapoRedistribution, normalised_entropy, temperatures};
pub use salt::Salt;
