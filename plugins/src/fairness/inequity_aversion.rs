use super::{Lane, lanes};
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Probability};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Charges every agent for having less than others of its lane (envy) and for having more (guilt).
///
/// `U_i(u) = u_i − envy/(n−1) Σ_j max(u_j − u_i, 0) − guilt/(n−1) Σ_j max(u_i − u_j, 0)` on returns so far this
/// episode, in each task; an agent is taught `r_i` plus the change of the two sums, so an episode adds up to `U_i` of its
/// final returns. Fehr & Schmidt, Quarterly Journal of Economics 114 (1999), section II.
///
/// With a `decay` agents compare rewards smoothed over time instead, `e_t = γλ e_{t−1} + r_t`, which begin at 0 in every
/// episode, and are charged the whole discontent in every step: `r_i − envy/(n−1) Σ_j max(e_j − e_i, 0) − guilt/(n−1) Σ_j
/// max(e_i − e_j, 0)`. Hughes et al., arXiv 1803.08884 (2018), whose weights are 5 and 0.05.
///
/// Surprises: it compares agents, whatever their groups. A lead is charged once without a decay, and with one as long as it
/// is remembered: a decay of 1 is not the same as none. The cost is quadratic in the agents of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InequityAversion {
    /// What a unit of having less costs, α in the paper.
    pub envy: NonNegative,
    /// What a unit of having more costs, β in the paper.
    pub guilt: NonNegative,
    /// How much of what was earned up to a step still counts in the next one, γλ in the paper; without it all of it, and
    /// only changes are charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<Probability>,
}

isonomy_engine::plugin!(FairnessReward: InequityAversion, "(envy: 5.0, guilt: 0.05)");

#[typetag::serde]
impl FairnessReward for InequityAversion {
    fn shape(&self, batch: RewardBatch<'_>) {
        match self.decay {
            _ if batch.group.len() < 2 => {}
            Some(decay) => self.charge_smoothed(batch, decay.get() as f32),
            None => lanes(batch).for_each(|mut lane| self.charge(&mut lane)),
        }
    }

    fn remembers(&self) -> bool {
        self.decay.is_some()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let alone = spec.agents() < 2;
        alone.then(|| Problem::at("", "a lane has one agent, who has no one to compare with")).into_iter().collect()
    }

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let numbers = vec![self.envy.get() as f32, self.guilt.get() as f32];
        // What is smoothed is remembered, and memory is on the host.
        (!self.remembers()).then_some(ShapeTwin { body: CHARGE, numbers, sees_lane: true })
    }
}

impl InequityAversion {
    fn charge(&self, lane: &mut Lane<'_>) {
        let agents = lane.reward.len();
        for agent in 0..agents {
            let before = self.discontent(agent, agents, |other| lane.before(other));
            let after = self.discontent(agent, agents, |other| lane.after(other));
            lane.shaped[agent] -= (after - before) as f32;
        }
    }

    fn charge_smoothed(&self, batch: RewardBatch<'_>, decay: f32) {
        let RewardBatch { group, elapsed, reward, memory: smoothed, shaped, .. } = batch;
        if elapsed == 0 {
            smoothed.fill(0.0);
        }
        smoothed.iter_mut().zip(reward).for_each(|(smoothed, reward)| *smoothed = decay * *smoothed + reward);
        let agents = group.len();
        for (smoothed, shaped) in smoothed.chunks_exact(agents).zip(shaped.chunks_exact_mut(agents)) {
            for (agent, shaped) in shaped.iter_mut().enumerate() {
                *shaped -= self.discontent(agent, agents, |other| smoothed[other].into()) as f32;
            }
        }
    }

    fn discontent(&self, agent: usize, agents: usize, earned: impl Fn(usize) -> f64) -> f64 {
        let own = earned(agent);
        let of_one = |other: usize| {
            let less = earned(other) - own;
            self.envy.get() * less.max(0.0) + self.guilt.get() * (-less).max(0.0)
        };
        (0..agents).map(of_one).sum::<f64>() / (agents - 1) as f64
    }
}

const CHARGE: &str = "
    // After this step and before it.
    var envy = vec2(0.0);
    var guilt = vec2(0.0);
    let own = vec2(utility, utility - reward);
    for (var i = 0u; i < AGENTS; i++) {
        let less = vec2(lane_utility(i), lane_utility(i) - lane_reward(i)) - own;
        envy += max(less, vec2(0.0));
        guilt += max(-less, vec2(0.0));
    }
    let discontent = (shape_number(first) * envy + shape_number(first + 1u) * guilt) / f32(max(AGENTS, 2u) - 1u);
    return shaped - (discontent.x - discontent.y);
";
