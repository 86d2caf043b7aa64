use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The sum of utilities: what everyone earns, whoever earns it.
///
/// `W = Σ x_i`, derivative 1. Any utilities. Does not care who has what: the zero of a comparison of welfare functions.
/// Bentham 1789; Harsanyi, Journal of Political Economy 63 (1955).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Utilitarian {}

isonomy_engine::plugin!(Welfare: Utilitarian, "()");

#[typetag::serde]
impl Welfare for Utilitarian {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        Domain::Any.admit("Utilitarian", utilities)?;
        Ok(utilities.iter().sum())
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("Utilitarian", utilities)?;
        weights.fill(1.0);
        Ok(())
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(LinearRows { utilities: vec![1.0; utilities], ..LinearRows::default() })
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok("1.0".into())
    }
}
