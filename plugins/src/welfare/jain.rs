use isonomy_engine::metrics::jain;
use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Jain's index: how evenly utilities are spread, from 1/n (one has all) to 1 (all have the same).
///
/// `W = S² / (n Q)` with `S = Σ x_i`, `Q = Σ x_i²`; derivative `2S/(nQ) · (1 − S x_i / Q)`.
/// Utilities must not be below zero. Jain, Chiu & Hawe, DEC technical report 301 (1984).
///
/// Surprises: the derivative is negative for the better off, and zero where all have the same, however little that is:
/// the index asks for even shares, not for large ones. Where all have nothing the index is 1 and the derivative 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jain {}

isonomy_engine::plugin!(Welfare: Jain, "()");

#[typetag::serde]
impl Welfare for Jain {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Jain", utilities)?;
        Ok(jain(utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("Jain", utilities)?;
        let sum: f64 = utilities.iter().sum();
        let squares: f64 = utilities.iter().map(|x| x * x).sum();
        let scale = 2.0 * sum / (utilities.len() as f64 * squares);
        for (weight, x) in weights.iter_mut().zip(utilities) {
            *weight = if squares > 0.0 { scale * (1.0 - sum * x / squares) } else { 0.0 };
        }
        Ok(())
    }

    fn domain(&self) -> Domain {
        Domain::NonNegative
    }
}
