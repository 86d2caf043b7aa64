//! Which groups are learned from.

use isonomy_engine::advantage::{GroupFilter, Responses};
use isonomy_engine::plugged::Plugged;
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// DAPO's dynamic sampling: groups whose rewards are all the same are dropped, for they teach nothing.
///
/// Keeps groups with `0 < #correct < G`, that is with two different rewards. Prompts are sampled until the batch is full.
/// Yu et al., arXiv 2503.14476 (2025).
///
/// Surprises: what is generated and thrown away costs as much as what is kept. Domains that are all easy or all hard drop
/// out of training, which changes the shares of domains. It would drop just the groups that `Ngrpo` learns from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DapoFilter {}

/// NGRPO's filter: only groups in which every response has the largest reward are dropped.
///
/// Keeps groups with `min r < largest`. Nan et al., arXiv 2509.18851 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NgrpoFilter {
    /// The largest reward there is; 1 if not given.
    #[serde(default = "one")]
    pub largest: Finite,
}

/// RSR, recent sample recovery: what another filter keeps when the batch is full is learned from in the next step.
///
/// `batch_t = waiting_{t−1} ∪ fresh_t`, of exactly as many prompts as an update should have where the filter keeps so many; the
/// rest of what it kept is `waiting_t`. Who waits is drawn, and spread evenly over domains. Confucius3-Math, arXiv 2506.18330 (2025).
///
/// Surprises: nothing waits longer than a step, because who has waited comes first. A group that waited is one update old:
/// a loss sees the ratio to the policy that sampled it, the plain policy gradient does not correct for it. Curricula hear of a group
/// once, in the step in which it was sampled.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rsr {
    /// Which groups are learned from, now or in the next step.
    pub filter: Plugged<dyn GroupFilter>,
}

isonomy_engine::plugin!(GroupFilter: DapoFilter, "()");
isonomy_engine::plugin!(GroupFilter: NgrpoFilter, "()");
isonomy_engine::plugin!(GroupFilter: Rsr, r#"(filter: {"DapoFilter": ()})"#);

fn one() -> Finite {
    Finite::new(1.0).expect("finite")
}

/// Keeps the groups whose scored rewards `rule` accepts.
fn keep(batch: &Responses<'_>, keep: &mut [bool], rule: impl Fn(&[f64]) -> bool) {
    let mut scored = Vec::new();
    for members in batch.groups() {
        scored.clear();
        scored.extend(batch.reward[members.clone()].iter().filter(|reward| !reward.is_nan()));
        keep[members].fill(rule(&scored));
    }
}

#[typetag::serde]
impl GroupFilter for DapoFilter {
    fn keep(&self, batch: &Responses<'_>, kept: &mut [bool]) {
        keep(batch, kept, |rewards| rewards.iter().any(|reward| *reward != rewards[0]));
    }
}

#[typetag::serde]
impl GroupFilter for NgrpoFilter {
    fn keep(&self, batch: &Responses<'_>, kept: &mut [bool]) {
        keep(batch, kept, |rewards| rewards.iter().any(|&reward| reward < self.largest.get()));
    }
}

#[typetag::serde]
impl GroupFilter for Rsr {
    fn keep(&self, batch: &Responses<'_>, kept: &mut [bool]) {
        self.filter.keep(batch, kept);
    }

    fn recovers(&self) -> bool {
        true
    }
}
