//! Envy: a fairness reward that a third party might add.

use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::plugin;
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes from an agent what others of its lane have more than it on average.
///
/// With utility u_i this episode, agent i is taught `r_i − strength / (n − 1) · Σ_j max(u_j − u_i, 0)` in every task:
/// the disadvantageous part of inequity aversion (Fehr and Schmidt 1999).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvyPenalty {
    /// What one unit of envy costs.
    pub strength: NonNegative,
}

plugin!(FairnessReward: EnvyPenalty, "(strength: 0.1)");

#[typetag::serde]
impl FairnessReward for EnvyPenalty {
    fn shape(&self, batch: RewardBatch<'_>) {
        let agents = batch.group.len();
        let share = self.strength.get() as f32 / (agents.max(2) - 1) as f32;
        // Tasks lie one behind the other and each holds whole lanes, so lanes can be cut from all of them at once.
        let lanes = batch.shaped.chunks_exact_mut(agents).zip(batch.utility.chunks_exact(agents));
        for (shaped, utility) in lanes {
            for (reward, own) in shaped.iter_mut().zip(utility) {
                let envy: f32 = utility.iter().map(|other| (other - own).max(0.0)).sum();
                *reward -= share * envy;
            }
        }
    }
}
