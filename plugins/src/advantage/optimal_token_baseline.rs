use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Optimal token baseline: at every token the mean of the group's returns, weighed by how large gradients are up to there.
///
/// `A_it = G_it − B_t`, `B_t = Σ_i G_it W_it / Σ_i W_it`, `W_it` the sum up to t of `1 − 2π + Σ_v π_v²`, the squared length
/// of the gradient of a softmax. As in verl at 1dda039 (2026).
///
/// Surprises: a group of one is its own baseline and scores 0, and so does a token at which nobody's gradient has a length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimalTokenBaseline {}

isonomy_engine::plugin!(AdvantageEstimator: OptimalTokenBaseline, "()");

#[typetag::serde]
impl AdvantageEstimator for OptimalTokenBaseline {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        returns(batch, 1.0, advantage);
        let width = batch.width();
        for members in batch.groups() {
            let mut length = vec![0.0; members.len()];
            for token in 0..width {
                let (mut weighed, mut total) = (0.0, 0.0);
                let counts = |response: usize| batch.generated(response, token) && !batch.reward[response].is_nan();
                for (response, length) in members.clone().zip(&mut length).filter(|(response, _)| counts(*response)) {
                    let at = response * width + token;
                    *length += 1.0 - 2.0 * batch.old_log_prob[at].exp() + batch.sum_squares[at];
                    weighed += *length * advantage[at];
                    total += *length;
                }
                for response in members.clone().filter(|&response| counts(response)) {
                    let at = response * width + token;
                    advantage[at] = if total > 0.0 { advantage[at] - weighed / total } else { 0.0 };
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::OldLogProb, Signal::SumSquares]
    }
}
