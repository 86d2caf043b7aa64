use super::{clipped, each_token, generated, log_ratio, usual_range};
use isonomy_engine::advantage::{PolicyLoss, Surrogate};
use isonomy_engine::quantity::{Finite, NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Clip-Cov: PPO without the few tokens that would cost the most entropy.
///
/// `c_t = (A_t − mean A)(ln π_t − mean ln π)` over the batch; of the tokens with `least < c_t < most` a `share` of all
/// tokens is dropped (loss 0), the largest first. Cui et al., arXiv 2505.22617 (2025).
///
/// Surprises: the published code drops tokens of that range at random; taking the largest needs no noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipCov {
    /// Share of all tokens that is dropped; 2e-4 if not given.
    #[serde(default = "share")]
    pub share: Probability,
    /// Tokens with less covariance are not dropped; 1 if not given.
    #[serde(default = "least")]
    pub least: Finite,
    /// Tokens with more covariance are not dropped; 5 if not given.
    #[serde(default = "most")]
    pub most: Finite,
    /// How far the ratio may fall below 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub low: NonNegative,
    /// How far the ratio may rise above 1; 0.2 if not given.
    #[serde(default = "usual_range")]
    pub high: NonNegative,
}

/// KL-Cov: the plain ratio loss, with a price on moving the few tokens that would cost the most entropy.
///
/// `L_t = −A ρ_t`, plus `coefficient · |ln π − ln π_old|` for the `share` of all tokens whose covariance
/// `(A_t − mean A)(ln π_t − mean ln π)` is largest. Cui et al., arXiv 2505.22617 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KlCov {
    /// Share of all tokens that pays; 2e-4 if not given.
    #[serde(default = "share")]
    pub share: Probability,
    /// The price; 1 if not given.
    #[serde(default = "price")]
    pub coefficient: NonNegative,
}

isonomy_engine::plugin!(PolicyLoss: ClipCov, "()");
isonomy_engine::plugin!(PolicyLoss: KlCov, "()");

fn share() -> Probability {
    Probability::new(2e-4).expect("a probability")
}

fn least() -> Finite {
    Finite::new(1.0).expect("finite")
}

fn most() -> Finite {
    Finite::new(5.0).expect("finite")
}

fn price() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

/// The tokens with the largest covariance that `admitted` lets in: a share of all tokens, at least one.
fn chosen(batch: &Surrogate<'_>, share: Probability, admitted: impl Fn(f64) -> bool) -> Vec<bool> {
    let tokens: Vec<usize> = (0..batch.log_prob.len()).filter(|&at| generated(batch, at)).collect();
    let mean = |of: &[f64]| tokens.iter().map(|&at| of[at]).sum::<f64>() / tokens.len().max(1) as f64;
    let (advantage, log_prob) = (mean(batch.advantage), mean(batch.log_prob));
    let covariance = |at: usize| (batch.advantage[at] - advantage) * (batch.log_prob[at] - log_prob);
    let mut order: Vec<usize> = tokens.iter().copied().filter(|&at| admitted(covariance(at))).collect();
    order.sort_by(|&a, &b| covariance(b).total_cmp(&covariance(a)));
    let count = ((share.get() * tokens.len() as f64) as usize).max(usize::from(share.get() > 0.0));
    let mut chosen = vec![false; batch.log_prob.len()];
    order.into_iter().take(count).for_each(|at| chosen[at] = true);
    chosen
}

#[typetag::serde]
impl PolicyLoss for ClipCov {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        let (least, most) = (self.least.get(), self.most.get());
        let dropped = chosen(batch, self.share, |covariance| least < covariance && covariance < most);
        each_token(batch, loss, slope, |at| {
            let (log_ratio, has_slope) = log_ratio(batch, at);
            let ranges = [self.low.get(), self.high.get()];
            if dropped[at] { [0.0; 2] } else { clipped(log_ratio.exp(), has_slope, batch.advantage[at], ranges) }
        });
    }
}

#[typetag::serde]
impl PolicyLoss for KlCov {
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]) {
        let pays = chosen(batch, self.share, |_| true);
        each_token(batch, loss, slope, |at| {
            let (log_ratio, has_slope) = log_ratio(batch, at);
            let price = if pays[at] { self.coefficient.get() } else { 0.0 };
            let free = -batch.advantage[at] * log_ratio.exp();
            let turn = if log_ratio == 0.0 { 0.0 } else { price * log_ratio.signum() };
            [free + price * log_ratio.abs(), if has_slope { free + turn } else { 0.0 }]
        });
    }
}
