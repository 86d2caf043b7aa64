use super::{each_token, log_ratio, usual_range};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// DPPO with total variation: tokens whose probability has moved too far the right way are dropped.
///
/// `L_t = −min(ρ_t, 20) · A · ln π_t` with the ratio held fixed; 0 where A is above 0 and `π − π_old > high`, or A is not
/// and `π − π_old < −low`. arXiv 2602.04879 (2026).
///
/// Surprises: a ratio says little about a rare token; here a token of chance 0.001 may become ten times as likely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DppoTv {
    /// How far a probability may fall; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub low: NonNegative,
    /// How far a probability may rise; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub high: NonNegative,
}

isonomy_engine::plugin!(PolicyLoss: DppoTv, "()");

#[typetag::serde]
impl PolicyLoss for DppoTv {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        each_token(batch, loss, slope, |at| {
            let (advantage, moved) = (batch.advantage[at], batch.log_prob[at].exp() - batch.old_log_prob[at].exp());
            let dropped = if advantage > 0.0 { moved > self.high.get() } else { moved < -self.low.get() };
            let slope = if dropped { 0.0 } else { -log_ratio(batch, at).0.exp().min(20.0) * advantage };
            [slope * batch.log_prob[at], slope]
        });
    }
}
