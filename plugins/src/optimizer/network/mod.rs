//! Methods that improve networks from rollouts.

mod adam;
mod choice;
mod episode;
mod ppo;
mod prices;

pub use ppo::Ppo;
