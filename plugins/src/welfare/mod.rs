//! How good, or how unequal, a vector of utilities is, as one number with a derivative.

mod alpha_fair;
mod atkinson;
mod coefficient_of_variation;
mod cvar;
/// The Equitable Objective, of utilities and of regrets.
pub mod equitable;
mod generalized_entropy;
mod generalized_gini;
mod gini;
mod gini_welfare;
mod hoover;
mod jain;
mod leximin;
pub mod lorenz;
mod max_min;
mod nash;
mod order;
mod p_mean;
mod soft_min;
mod theil_l;
mod theil_t;
mod utilitarian;
mod worst_group;

pub use alpha_fair::AlphaFair;
pub use atkinson::Atkinson;
pub use coefficient_of_variation::CoefficientOfVariation;
pub use cvar::Cvar;
pub use equitable::Equitable;
pub use generalized_entropy::GeneralizedEntropy;
pub use generalized_gini::GeneralizedGini;
pub use gini::Gini;
pub use gini_welfare::GiniWelfare;
pub use hoover::Hoover;
pub use jain::Jain;
pub use leximin::{Leximin, leximin_order};
pub use max_min::MaxMin;
pub use nash::Nash;
pub use p_mean::PMean;
pub use soft_min::SoftMin;
pub use theil_l::TheilL;
pub use theil_t::TheilT;
pub use utilitarian::Utilitarian;
pub use worst_group::WorstGroup;

fn mean(utilities: &[f64]) -> f64 {
    utilities.iter().sum::<f64>() / utilities.len() as f64
}

/// Multiplies each weight by `exp(−rate · x_i)` and scales all to sum to 1.
fn exponentiate(rate: f64, utilities: &[f64], weights: &mut [f64]) {
    // Relative to the smallest that has weight, so that no power overflows and not all vanish.
    let heard = utilities.iter().zip(&*weights).filter(|(_, weight)| **weight > 0.0);
    let smallest = heard.map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    for (weight, x) in weights.iter_mut().zip(utilities).filter(|(weight, _)| **weight > 0.0) {
        *weight *= (-rate * (x - smallest)).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

#[cfg(test)]
mod facts;
