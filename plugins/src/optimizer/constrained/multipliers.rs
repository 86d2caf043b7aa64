//! Multipliers: what it costs a group that a row is exceeded.

use super::limits::Row;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `clip(ν + rate · overrun, 0, max)`.
pub fn ascended(multiplier: f64, rate: f64, overrun: f64, max: f64) -> f64 {
    (multiplier + rate * overrun).clamp(0.0, max)
}

/// How much each task counts for a group that pays for its rows: `c[m] = w[m] − Σ_k ν_k ∂f_k/∂J[z,m]`. Below zero, the
/// group is to become worse in the task (levelling down).
pub fn coefficients(weights: &[f64], multipliers: &[f64], rows: &[Row], group: usize) -> Vec<f64> {
    let mut coefficients = weights.to_vec();
    for (multiplier, row) in multipliers.iter().zip(rows).filter(|(multiplier, _)| **multiplier > 0.0) {
        let slopes = &row.slopes[group * weights.len()..][..weights.len()];
        coefficients.iter_mut().zip(slopes).for_each(|(c, slope)| *c -= multiplier * slope);
    }
    coefficients
}

/// How multipliers move. Every group has its own copy of every row's: a parity row between i and j is `ν⁺` for group i
/// and `ν⁻` for group j. A copy moves when its group has its turn, and only if the row depends on what the group earns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Multipliers {
    /// The first value of all of them.
    pub initial: NonNegative,
    /// Step length, `α_ν`. With 0 they stay what they are: a fixed penalty.
    pub rate: NonNegative,
    /// The largest value allowed, `ν_max`.
    pub max: Positive,
    /// Whether overruns count as they are. Otherwise they count in units of the row's overrun where everyone earns
    /// nothing, which is the tolerance of a parity and the floor of a floor (or 1 where that is 0).
    pub raw: bool,
}

impl Default for Multipliers {
    fn default() -> Self {
        let (zero, rate) = (NonNegative::new(0.0), NonNegative::new(0.05));
        Multipliers {
            initial: zero.expect("not below zero"),
            rate: rate.expect("not below zero"),
            max: Positive::new(10.0).expect("above zero"),
            raw: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_multipliers_of_two_groups() {
        let row = |slope: f64| Row { name: String::new(), overrun: 0.0, slopes: vec![slope, -slope] };
        let (rows, mut multipliers) = ([row(1.0), row(-1.0)], [0.0, 0.0]);
        let steps = [
            (1500.0, [2.0, 0.0], -1.0),
            (1200.0, [2.0, 0.0], -1.0),
            (900.0, [1.0, 0.0], 0.0),
            (-1500.0, [0.0, 2.0], 3.0),
        ];
        for (gap, expected, c) in steps {
            let overruns = [gap - 1000.0, -gap - 1000.0];
            multipliers = [0, 1].map(|i| ascended(multipliers[i], 0.01, overruns[i], 2.0));
            assert_eq!(multipliers, expected);
            assert_eq!(coefficients(&[1.0], &multipliers, &rows, 0), [c]);
        }
    }
}
