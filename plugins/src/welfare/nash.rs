use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Nash welfare: the geometric mean of utilities.
///
/// `W = (Π x_i)^(1/n)`, derivative `W / (n x_i)`. Utilities must be above zero. It has the maximum of `Π x_i` and of
/// `Σ ln x_i` (`AlphaFair` with α = 1), but the unit of a utility.
/// Nash, Econometrica 18 (1950); Kaneko & Nakamura, Econometrica 47 (1979); in reinforcement learning Fan et al.,
/// arXiv 2212.01382 (2022).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nash {}

isonomy_engine::plugin!(Welfare: Nash, "()");

#[typetag::serde]
impl Welfare for Nash {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Nash", utilities)?;
        // Logarithms, so that a long product neither overflows nor vanishes.
        Ok((utilities.iter().map(|x| x.ln()).sum::<f64>() / utilities.len() as f64).exp())
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let share = self.value(utilities)? / utilities.len() as f64;
        weights.iter_mut().zip(utilities).for_each(|(weight, x)| *weight = share / x);
        Ok(())
    }

    fn domain(&self) -> Domain {
        Domain::Positive
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Ok("least / held[i]".into())
    }
}
