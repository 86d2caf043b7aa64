use isonomy_engine::advantage::{Responses, RewardShaper, Signal};
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// DAPO's soft charge for responses that come near the length limit.
///
/// `r + p`, `p = 0` up to `limit − buffer` tokens, `((limit − buffer) − length) / buffer` above, and −1 beyond the limit.
/// Yu et al., arXiv 2503.14476 (2025). verl's reward manager does not stop at −1: `capped: false`.
///
/// Surprises: within a group it differs from response to response, so it survives group-relative estimators; a domain
/// whose problems need long answers pays it more often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overlong {
    /// The length limit in tokens.
    pub limit: NonZeroU32,
    /// Tokens before the limit over which the charge grows, at most the limit.
    pub buffer: NonZeroU32,
    /// Whether the charge stops at 1; it does if not given.
    #[serde(default = "yes")]
    pub capped: bool,
}

isonomy_engine::plugin!(RewardShaper: Overlong, "(limit: 20480, buffer: 4096)");

fn yes() -> bool {
    true
}

impl Overlong {
    /// What a response of this length is charged: 0 or below.
    pub fn charge(&self, length: u32) -> f64 {
        let (limit, buffer) = (f64::from(self.limit.get()), f64::from(self.buffer.get()));
        let charge = ((limit - buffer - f64::from(length)) / buffer).min(0.0);
        if self.capped { charge.max(-1.0) } else { charge }
    }
}

#[typetag::serde]
impl RewardShaper for Overlong {
    fn shape(&self, batch: &Responses<'_>, reward: &mut [f64]) {
        reward.iter_mut().zip(batch.length).for_each(|(reward, &length)| *reward += self.charge(length));
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Length]
    }

    fn check(&self, _domains: usize) -> Vec<Problem> {
        let problem = || Problem::at("buffer", "longer than the limit").help("use a buffer of at most the limit");
        (self.buffer > self.limit).then(problem).into_iter().collect()
    }
}
