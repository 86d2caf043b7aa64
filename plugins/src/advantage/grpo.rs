use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Reach, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GRPO: reward minus the group's mean, divided by the group's spread.
///
/// `A_i = (r_i − mean) / (std + ε)`. Shao et al. (DeepSeekMath), arXiv 2402.03300 (2024). Libraries agree on neither the
/// standard deviation nor ε nor a group of one, hence the dialects; verl at 1dda039, TRL at f2cd577.
///
/// Surprises: a bonus that a whole group shares, and a factor on its rewards, are both lost: fairness between domains must
/// weigh advantages (`DomainWeight`) or sample differently. Division by the spread is itself a choice of fairness: prompts
/// solved rarely or nearly always count as much as those solved half of the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grpo {
    /// Whose formula; that of verl if not given.
    #[serde(default)]
    pub dialect: Dialect,
}

/// What is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Dialect {
    /// Sample deviation, ε = 1e-6; a group of one keeps its reward.
    #[default]
    Verl,
    /// Sample deviation, ε = 1e-4; a group of one scores 0.
    Trl,
    /// The mean of the group, but one sample deviation of all rewards of the batch, ε = 1e-4.
    TrlBatch,
    /// Population deviation, ε = 1e-8; a group of one scores 0.
    Population,
    /// The limit of large groups: mean and deviation that the prompt's rewards of 0 and 1 really have. Only where an
    /// environment knows them; expected gradient `√(p(1−p))`.
    Limit,
}

isonomy_engine::plugin!(AdvantageEstimator: Grpo, "(dialect: Trl)");

#[typetag::serde]
impl AdvantageEstimator for Grpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let whole = || Moments::of_rewards(batch.reward).sample();
        match self.dialect {
            Dialect::Verl => score_groups(batch, advantage, verl),
            Dialect::Trl => score_groups(batch, advantage, |rewards| {
                let group = Moments::of_rewards(rewards);
                divide(group.mean, group.sample() + 1e-4)
            }),
            Dialect::TrlBatch => {
                let spread = whole() + 1e-4;
                score_groups(batch, advantage, |rewards| divide(Moments::of_rewards(rewards).mean, spread));
            }
            Dialect::Population => score_groups(batch, advantage, |rewards| {
                let group = Moments::of_rewards(rewards);
                divide(group.mean, group.population() + 1e-8)
            }),
            Dialect::Limit => in_the_limit(batch, advantage),
        }
    }

    fn needs(&self) -> &'static [Signal] {
        if self.dialect == Dialect::Limit { &[Signal::Chance] } else { &[] }
    }

    fn reach(&self) -> Reach {
        if self.dialect == Dialect::TrlBatch { Reach::Batch } else { Reach::Group }
    }

    fn blind_to(&self) -> Blindness {
        match self.dialect {
            Dialect::Limit => Blindness::default(),
            Dialect::TrlBatch => Blindness { sums: true, factors: false },
            _ => Blindness { sums: true, factors: true },
        }
    }
}

fn divide(mean: f64, by: f64) -> impl Fn(f64) -> f64 {
    move |reward| (reward - mean) / by
}

/// The rule of verl, on which other estimators build.
pub(super) fn verl(rewards: &[f64]) -> impl Fn(f64) -> f64 + use<> {
    let group = Moments::of_rewards(rewards);
    let (mean, spread) = if group.count == 1 { (0.0, 1.0) } else { (group.mean, group.sample()) };
    divide(mean, spread + 1e-6)
}

fn in_the_limit(batch: &Responses<'_>, advantage: &mut [f64]) {
    for response in 0..batch.len() {
        let (reward, p) = (batch.reward[response], batch.chance[response]);
        let spread = (p * (1.0 - p)).sqrt();
        let known = spread > 0.0 && !reward.is_nan();
        batch.spread(response, if known { (reward - p) / spread } else { 0.0 }, advantage);
    }
}
