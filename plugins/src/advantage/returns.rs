//! Returns of tokens.

use isonomy_engine::advantage::Responses;

/// The reward of a token: as written, or else the outcome's reward on the last token that was generated.
pub(super) fn token_reward(batch: &Responses<'_>, response: usize, token: usize) -> f64 {
    if !batch.token_reward.is_empty() {
        return batch.token_reward[response * batch.width() + token];
    }
    let last = (0..batch.width()).rev().find(|&token| batch.generated(response, token));
    if last == Some(token) { batch.reward[response] } else { 0.0 }
}

/// Writes `R_t = r_t + discount · R_{t+1}` on every generated token; what was not generated is passed over.
pub(super) fn returns(batch: &Responses<'_>, discount: f64, out: &mut [f64]) {
    let width = batch.width();
    for (response, own) in out.chunks_exact_mut(width).enumerate() {
        let (mut after, scored) = (0.0, !batch.reward[response].is_nan());
        for (token, out) in own.iter_mut().enumerate().rev() {
            *out = 0.0;
            if scored && batch.generated(response, token) {
                after = token_reward(batch, response, token) + discount * after;
                *out = after;
            }
        }
    }
}
