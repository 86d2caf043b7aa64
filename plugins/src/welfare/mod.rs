//! How good a vector of utilities is, as one number with a derivative.

mod alpha_fair;
mod generalized_gini;
mod jain;
mod max_min;
mod nash;
mod utilitarian;

pub use alpha_fair::AlphaFair;
pub use generalized_gini::GeneralizedGini;
pub use jain::Jain;
pub use max_min::MaxMin;
pub use nash::Nash;
pub use utilitarian::Utilitarian;

#[cfg(test)]
mod facts;
