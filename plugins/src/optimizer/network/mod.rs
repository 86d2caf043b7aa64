//! Methods that improve networks from rollouts.

mod actor;
mod adam;
mod choice;
mod coma;
mod episode;
mod ppo;
mod prices;
mod teaching;

pub use coma::{AdvancedComaExact, Coma};
pub use ppo::Ppo;
