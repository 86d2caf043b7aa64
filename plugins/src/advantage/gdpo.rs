use super::moments::{Moments, whiten};
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Reach, Responses, Signal};
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GDPO: every part of a reward is normalised within its group before the parts are summed.
///
/// `A = whiten(Σ_k w_k · (r_ik − mean_k) / (std_k + ε))`, the whitening over the batch. Liu et al., arXiv 2601.05242 (2026).
///
/// Surprises: summing first (`order: SumFirst`) can cancel two parts that normalising first keeps apart, which is what
/// happens to a fairness term that opposes accuracy in half of the responses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gdpo {
    /// The weight of every part; ones if not given.
    #[serde(default)]
    pub weights: Vec<Finite>,
    /// Whose formula; that of verl if not given.
    #[serde(default)]
    pub order: Order,
}

/// What is done first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Order {
    /// Parts are normalised (ε = 1e-6), summed, and whitened over the batch: verl.
    #[default]
    Verl,
    /// The same with ε = 1e-4: TRL's `normalize_then_sum`.
    Trl,
    /// Parts are summed, then normalised within the group with ε = 1e-4: TRL's `sum_then_normalize`.
    SumFirst,
}

isonomy_engine::plugin!(AdvantageEstimator: Gdpo, "(weights: [1, 0.5])");

impl Gdpo {
    fn weight(&self, part: usize) -> f64 {
        self.weights.get(part).map_or(1.0, |weight| weight.get())
    }

    /// The weighted sum of a response's parts; NaN where its reward is.
    fn weighted(&self, batch: &Responses<'_>, response: usize) -> f64 {
        let parts = batch.parts.chunks_exact(batch.len().max(1)).enumerate();
        let sum: f64 = parts.map(|(part, rewards)| self.weight(part) * rewards[response]).sum();
        if batch.reward[response].is_nan() { f64::NAN } else { sum }
    }

    /// The sum over parts of what `normalise` makes of a group's rewards in that part.
    fn sum(&self, batch: &Responses<'_>, advantage: &mut [f64], normalise: impl Fn(&[f64], f64) -> f64) {
        for members in batch.groups() {
            for response in members.clone() {
                let of_part = |(part, rewards): (usize, &[f64])| {
                    let value = normalise(&rewards[members.clone()], rewards[response]);
                    self.weight(part) * if value.is_nan() { 0.0 } else { value }
                };
                let sum = batch.parts.chunks_exact(batch.len().max(1)).enumerate().map(of_part).sum();
                batch.spread(response, if batch.reward[response].is_nan() { 0.0 } else { sum }, advantage);
            }
        }
    }
}

fn normalise(rewards: &[f64], reward: f64, epsilon: f64) -> f64 {
    let group = Moments::of_rewards(rewards);
    (reward - group.mean) / (group.sample() + epsilon)
}

#[typetag::serde]
impl AdvantageEstimator for Gdpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        match self.order {
            Order::Verl => {
                self.sum(batch, advantage, |rewards, reward| normalise(rewards, reward, 1e-6));
                whiten(batch, 1e-8, 0.0, advantage);
            }
            Order::Trl => {
                self.sum(batch, advantage, |rewards, reward| normalise(rewards, reward, 1e-4));
                whiten(batch, 0.0, 1e-4, advantage);
            }
            Order::SumFirst => {
                let sums: Vec<f64> = (0..batch.len()).map(|response| self.weighted(batch, response)).collect();
                for members in batch.groups() {
                    for response in members.clone() {
                        let value = normalise(&sums[members.clone()], sums[response], 1e-4);
                        batch.spread(response, if value.is_nan() { 0.0 } else { value }, advantage);
                    }
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Parts]
    }

    fn reach(&self) -> Reach {
        if self.order == Order::SumFirst { Reach::Group } else { Reach::Batch }
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: true }
    }
}
