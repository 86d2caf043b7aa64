use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weighs a reward by the marginal α-fair welfare of whoever earns it: the less one has, the more it counts.
///
/// `r · max(u, floor)^−α`, where `u` is the agent's own return in this task so far this episode, this step included.
/// `alpha` 0 changes nothing, 1 is proportional fairness, large values approach max-min.
/// Mo & Walrand, IEEE/ACM Transactions on Networking 8 (2000), as the weight of a reward.
///
/// Surprises: it works on realised returns of each agent, episode by episode; `WelfareWeighted` works on expected
/// returns of groups, which is a different objective. The weights depend on the unit of reward: with returns above 1
/// they shrink rewards, below 1 they enlarge them, at most by `floor^−α`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlphaFair {
    /// Aversion to inequality, α.
    pub alpha: NonNegative,
    /// Smaller utilities count as this much: the weight is unbounded at zero.
    pub floor: Positive,
}

isonomy_engine::plugin!(FairnessReward: AlphaFair, "(alpha: 1.0, floor: 0.01)");

#[typetag::serde]
impl FairnessReward for AlphaFair {
    fn shape(&self, batch: RewardBatch<'_>) {
        let (alpha, floor) = (self.alpha.get() as f32, self.floor.get() as f32);
        if alpha == 0.0 {
            return;
        }
        for (reward, utility) in batch.shaped.iter_mut().zip(batch.utility) {
            // Most rewards of a sparse task are zero, and powers are dear.
            if *reward != 0.0 {
                *reward *= utility.max(floor).powf(-alpha);
            }
        }
    }

    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        let (alpha, floor) = (self.alpha.get() as f32, self.floor.get() as f32);
        if floor > 0.0 && floor.powf(-alpha).is_finite() {
            return Vec::new();
        }
        let message = format!("the largest weight, {}^-{}, is too large a number", self.floor.get(), self.alpha.get());
        vec![Problem::at("floor", message).help("a larger floor, or a smaller alpha")]
    }

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let (alpha, floor) = (self.alpha.get() as f32, self.floor.get() as f32);
        // What a device makes of a power is its own affair; a quotient it rounds almost as the processor does.
        let body = match alpha {
            0.0 => "return shaped;",
            1.0 => QUOTIENT,
            _ => POWER,
        };
        Some(ShapeTwin { body, numbers: vec![floor, -alpha], sees_lane: false })
    }
}

const QUOTIENT: &str = "
    return shaped * (1.0 / max(utility, shape_number(first)));
";

const POWER: &str = "
    if shaped == 0.0 {
        return shaped;
    }
    return shaped * pow(max(utility, shape_number(first)), shape_number(first + 1u));
";
