use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Responses};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// REINFORCE: the return itself, without a baseline.
///
/// `A_t = R_t = r_t + γ · R_{t+1}`; a reward of the outcome alone stands on the last token. Williams, Machine Learning 8
/// (1992).
///
/// Surprises: where rewards are 0 and 1, only successes teach. Unlike everything that subtracts a group's mean it sees a
/// bonus that a whole group shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reinforce {
    /// Discount γ from token to token; 1 if not given.
    #[serde(default = "super::undiscounted")]
    pub discount: Probability,
}

isonomy_engine::plugin!(AdvantageEstimator: Reinforce, "()");

#[typetag::serde]
impl AdvantageEstimator for Reinforce {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        returns(batch, self.discount.get(), advantage);
    }
}
