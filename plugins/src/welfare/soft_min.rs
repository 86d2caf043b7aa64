use isonomy_engine::quantity::Positive;
use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Soft minimum: the smallest utility, smoothed so that everyone counts a little.
///
/// `W = −(1/b) ln mean exp(−b x_i)`, derivative `exp(−b x_i) / Σ exp(−b x_j)`: weights that sum to 1. Any utilities. More
/// is better. `b` near 0 is the mean, a large `b` the minimum. Kolm, Journal of Economic Theory 12 (1976): the equal
/// utility that would be as good.
///
/// Surprises: unlike scale-free indices it does not care where zero is, but it does care for the unit: with utilities ten
/// times as large, use a tenth of `sharpness`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftMin {
    /// How close to the minimum, b, in one over the unit of utility.
    pub sharpness: Positive,
}

isonomy_engine::plugin!(Welfare: SoftMin, "(sharpness: 5.0)");

#[typetag::serde]
impl Welfare for SoftMin {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        let smallest = super::max_min::smallest("SoftMin", utilities)?;
        let b = self.sharpness.get();
        // Relative to the smallest, so that no power overflows.
        let mean = utilities.iter().map(|x| (-b * (x - smallest)).exp()).sum::<f64>() / utilities.len() as f64;
        Ok(smallest - mean.ln() / b)
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("SoftMin", utilities)?;
        weights.fill(1.0);
        super::exponentiate(self.sharpness.get(), utilities, weights);
        Ok(())
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let b = (self.sharpness.get() as f32).min(f32::MAX);
        Ok(format!("exact_exp(max(f32({b:e}) * (least - held[i]), -80.0))").into())
    }
}
