use isonomy_engine::advantage::{AdvantageModifier, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SALT: a step that several trajectories of a task share gets the mean of their advantages; what only one did keeps its own.
///
/// `A_t ← mean of A over the trajectories of the group that contain the step`, each counted once. Steps are the same where
/// their observation is; put the action into its hash. After SALT, arXiv 2510.20022 (2025), whose graph is not published in
/// full: this is a reconstruction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Salt {}

isonomy_engine::plugin!(AdvantageModifier: Salt, "()");

#[typetag::serde]
impl AdvantageModifier for Salt {
    fn modify(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let width = batch.width();
        let before = advantage.to_vec();
        let first = |response: usize, step: u64| {
            let own = response * width..(response + 1) * width;
            own.into_iter().find(|&at| batch.generated(response, at % width) && batch.observation[at] == step)
        };
        for members in batch.groups() {
            for at in members.start * width..members.end * width {
                if batch.generated(at / width, at % width) {
                    let step = batch.observation[at];
                    let shared: Vec<f64> =
                        members.clone().filter_map(|other| first(other, step)).map(|at| before[at]).collect();
                    advantage[at] = shared.iter().sum::<f64>() / shared.len() as f64;
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Observation]
    }
}
