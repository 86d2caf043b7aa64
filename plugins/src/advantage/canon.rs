use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use isonomy_engine::quantity::{NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// CANON: splits a group by a metric and compares each half with the other, so that the metric is rewarded only as far as
/// it goes with success.
///
/// `A = μ·(r_i − mean of the other half) + (1−μ)·(r_i − mean of the own half)`; the low half has `⌊n/2⌋` responses.
/// A preference `α` below 1 scales what the preferred half is compared with (entropy: `r − α·mean_low` for the high half,
/// `α·r − mean_high` for the low one; length: `α·r − mean_short` for the long half, `r − α·mean_long` for the short one).
/// Conditional Advantage Estimation, arXiv 2509.23962 (2025).
///
/// Surprises: with halves of one size and `μ = 1/2` it is Dr. GRPO exactly. It brings a normaliser of its own: divide by a
/// constant (`SeqMeanTokenSumNorm`), `TokenMean` changes its meaning. A group of one, and a metric that is the same for all,
/// carry no comparison: the first scores 0, the second falls back to Dr. GRPO. The metric can be any attribute of a
/// response, which tests whether the attribute is rewarded given the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canon {
    /// What splits a group.
    pub metric: Metric,
    /// Weight of the comparison with the other half, μ; 1 if not given.
    #[serde(default = "all")]
    pub across: Probability,
    /// Preference α; 1, none, if not given.
    #[serde(default = "none")]
    pub preference: NonNegative,
}

/// What splits a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Metric {
    /// Mean entropy of the policy over a response.
    Entropy,
    /// Tokens of a response.
    Length,
}

isonomy_engine::plugin!(AdvantageEstimator: Canon, "(metric: Entropy, across: 0.5)");

fn all() -> Probability {
    Probability::new(1.0).expect("a probability")
}

fn none() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

impl Canon {
    fn metric(&self, batch: &Responses<'_>, response: usize) -> f64 {
        match self.metric {
            Metric::Entropy => batch.mean_entropy[response],
            Metric::Length => batch.length[response].into(),
        }
    }

    /// Factors on the reward and on the other half's mean.
    fn factors(&self, high: bool) -> [f64; 2] {
        let alpha = self.preference.get();
        // Entropy prefers the high half, length the low one.
        if high == (self.metric == Metric::Entropy) { [1.0, alpha] } else { [alpha, 1.0] }
    }
}

#[typetag::serde]
impl AdvantageEstimator for Canon {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        score_groups(batch, advantage, |rewards| {
            let mean = Moments::of_rewards(rewards).mean;
            move |reward| reward - mean
        });
        let mut order = Vec::new();
        for members in batch.groups() {
            order.clear();
            order.extend(members.filter(|&i| !batch.reward[i].is_nan()));
            // Stable, so that ties stand in the order of the responses.
            order.sort_by(|&a, &b| self.metric(batch, a).total_cmp(&self.metric(batch, b)));
            let ends = [order.first(), order.last()].map(|end| end.map(|&end| self.metric(batch, end)));
            if ends[0] == ends[1] {
                continue;
            }
            let halves = order.split_at(order.len() / 2);
            let means = [halves.0, halves.1].map(|half| Moments::of(half.iter().map(|&i| batch.reward[i])).mean);
            let mu = self.across.get();
            for (half, high) in [(halves.0, false), (halves.1, true)] {
                let [own, other] = if high { [means[1], means[0]] } else { means };
                let [of_reward, of_mean] = self.factors(high);
                for &response in half {
                    let reward = batch.reward[response];
                    let across = of_reward * reward - of_mean * other;
                    batch.spread(response, mu * across + (1.0 - mu) * (reward - own), advantage);
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        match self.metric {
            Metric::Entropy => &[Signal::MeanEntropy],
            Metric::Length => &[Signal::Length],
        }
    }
}
