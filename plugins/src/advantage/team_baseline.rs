use super::moments::Moments;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// AdvEvo's public baseline: an agent's return minus the mean over those with the same function, attackers or defenders.
///
/// `A_i = G_i − mean of G over the agents of the group with i's seat`. AdvEvo-MARL, arXiv 2510.01586 (2025); only the
/// abstract could be read.
///
/// Surprises: whoever is alone in a function scores 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamBaseline {}

isonomy_engine::plugin!(AdvantageEstimator: TeamBaseline, "()");

#[typetag::serde]
impl AdvantageEstimator for TeamBaseline {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        for members in batch.groups() {
            for response in members.clone() {
                let team = members.clone().filter(|&other| batch.seat[other] == batch.seat[response]);
                let mean = Moments::of(team.map(|other| batch.reward[other])).mean;
                let reward = batch.reward[response];
                batch.spread(response, if reward.is_nan() { 0.0 } else { reward - mean }, advantage);
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Seat]
    }
}
