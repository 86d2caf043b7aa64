use super::order;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Conditional value at risk over groups: the mean utility of the worst-off part of the population.
///
/// `W = max_t { t − (1/a) Σ p_i max(t − x_i, 0) }`: the mean of the worst `a`, where group i is the part `p_i` of all.
/// Supergradient: `p_i / a` below the quantile, what is left of `a` on the group at the boundary, 0 above; of equals, the
/// first in order counts first. Any utilities. More is better. `a = 1` is the mean, `a` up to the smallest `p` is max-min.
/// Rockafellar & Uryasev, Journal of Risk 2 (2000); over groups Williamson & Menon, arXiv 1901.08665 (2019).
///
/// Surprises: groups above the boundary have no weight at all, so they are taught nothing until they fall below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cvar {
    /// The part of the population that counts, a, above 0 and at most 1.
    pub share: Positive,
    /// The size of each group, scaled to sum to 1; equal if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<Positive>,
}

isonomy_engine::plugin!(Welfare: Cvar, "(share: 0.3)");

impl Cvar {
    /// Which part of the population a group is.
    fn part(&self, place: usize, utilities: usize) -> f64 {
        let total = || self.sizes.iter().map(|size| size.get()).sum::<f64>();
        self.sizes.get(place).map_or(1.0 / utilities as f64, |size| size.get() / total())
    }

    /// Lends each place and its weight, the worst off first: all of its part while something of the share is left, then
    /// what is left, then nothing.
    fn worst_first(&self, utilities: &[f64], mut borrower: impl FnMut(usize, f64)) -> Result<(), OutsideDomain> {
        Domain::Any.admit("Cvar", utilities)?;
        order::with(utilities, |order| {
            let mut left = self.share.get();
            for &place in order {
                let taken = self.part(place, utilities.len()).min(left);
                left -= taken;
                borrower(place, taken / self.share.get());
            }
        });
        Ok(())
    }
}

#[typetag::serde]
impl Welfare for Cvar {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        let mut value = 0.0;
        self.worst_first(utilities, |place, weight| value += weight * utilities[place])?;
        Ok(value)
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.worst_first(utilities, |place, weight| weights[place] = weight)
    }

    fn check(&self, utilities: usize) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.share.get() > 1.0 {
            let message = format!("{} is more than everyone", self.share.get());
            problems.push(Problem::at("share", message).help("1 is the mean of all"));
        }
        if !self.sizes.is_empty() && self.sizes.len() != utilities {
            let message = format!("{} sizes for {utilities} utilities", self.sizes.len());
            problems.push(Problem::at("sizes", message).help("one size each, or none at all"));
        }
        problems
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        let part = |place| self.part(place, utilities);
        if self.share.get() >= 1.0 {
            // The level would be free to rise for ever: all count, so no level is needed.
            return Some(LinearRows { utilities: (0..utilities).map(part).collect(), ..LinearRows::default() });
        }
        let shortfall: Vec<f64> = (0..utilities).map(|place| part(place) / self.share.get()).collect();
        let mut programme = LinearRows { utilities: vec![0.0; utilities], ..LinearRows::default() };
        order::add_smallest(&mut programme, 1.0, &shortfall);
        Some(programme)
    }
}
