use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive};
use isonomy_engine::rollout::{Codes, Rollout};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// REINFORCE with a baseline, on a table: follows the gradient of what the policy is taught.
///
/// Objective: `Σ_z mean over the agents of group z of Σ_t Σ_m w_m r_m`, where `r` is what fairness rewards made of the
/// pay. For a cell `c` = (step, group, observation) visited `n` times, with returns to go `G_i` and actions `a_i`:
///
/// `g[c,a] = 1/N_z Σ_i (G_i − b_i) (1[a_i = a] − π(a | c))`, where `b_i` is the mean of the other `G` of the cell and
/// `N_z` counts the episodes of the group's agents. Then `θ ← θ + rate · (g + entropy · n/N_z · ∇H(π(· | c)))`.
/// Williams, Machine Learning 8 (1992); Sutton & Barto, Reinforcement Learning (2nd ed. 2018), sections 13.3 and 13.4.
///
/// Surprises: only whole episodes teach, those cut by the beginning or the end of the rollout are not used. A cell
/// visited once has no baseline and is left alone. The gradient is exact in expectation where agents do not influence
/// each other's returns; where they do (or where fairness rewards look at the whole lane), an agent follows its own
/// return only. A gradient that is not finite (rewards overflowed) is reported and not followed. All sums run in row
/// order, so the same rollout gives the same bytes.
/// Reports `gradient_norm` (before clipping), `entropy` (mean over decisions, nats), `taught_return` and `episodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyGradient {
    /// Step length.
    pub rate: Positive,
    /// How much each task counts, `w_m`; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// Bonus for a nat of entropy of a decision. Acts on the decisions as they are visited, not on where they lead.
    #[serde(default = "nothing")]
    pub entropy: NonNegative,
    /// Longest gradient: a longer one is scaled down to this Euclidean norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Positive>,
}

isonomy_engine::plugin!(Optimizer: PolicyGradient, "(rate: 1.0, entropy: 0.01)");

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("zero is not negative")
}

#[typetag::serde]
impl Optimizer for PolicyGradient {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, episodes: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        super::check(&self.weights, spec)
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_table()?;
        let spec = setting.spec;
        let observations = spec.observation.count();
        let cells = spec.time_limit as usize * spec.groups.len() * observations as usize;
        Ok(Box::new(Reinforce {
            weights: super::task_weights(&self.weights, spec.tasks.len()),
            method: self.clone(),
            offset: spec.agent_groups().iter().map(|group| group * observations).collect(),
            tally: vec![Tally::default(); cells * policy.actions],
            observation: Vec::new(),
            action: Vec::new(),
            to_go: Vec::new(),
            gradient: vec![0.0; policy.logits.len()],
            policy,
            spec,
        }))
    }
}

/// What was earned after taking an action in a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Sum of the returns to go.
    sum: f64,
    /// Number of them.
    visits: f64,
}

struct Reinforce {
    method: PolicyGradient,
    spec: Spec,
    policy: TabularPolicy,
    weights: Vec<f64>,
    /// Where an agent's group begins among the cells of a step, `[agents]`.
    offset: Vec<u32>,
    /// `[time limit, groups, observations, actions]`, whatever the policy's clock.
    tally: Vec<Tally>,
    /// One step of the rollout, `[lanes, agents]`.
    observation: Vec<u32>,
    action: Vec<u32>,
    /// Return to go, `[lanes, agents]`.
    to_go: Vec<f64>,
    gradient: Vec<f64>,
}

impl Learner for Reinforce {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Table(&self.policy)
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let limit = rollout.time_limit as usize;
        let begin = (limit - rollout.elapsed(0) as usize) % limit;
        let (mut episodes, mut taught) = (0, 0.0);
        self.tally.fill(Tally::default());
        for first in (begin..).step_by(limit).take_while(|first| first + limit <= rollout.horizon) {
            taught += self.tally_episode(rollout, first);
            episodes += 1;
        }
        let decisions = self.sum_gradient(episodes * rollout.lanes);
        let norm = self.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        self.step(norm);
        let agents = (episodes * rollout.rows()).max(1) as f64;
        [
            ("gradient_norm", norm),
            ("entropy", decisions.entropy / decisions.visits.max(1.0)),
            ("taught_return", taught / agents),
            ("episodes", episodes as f64),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn snapshot(&self) -> Vec<u8> {
        super::snapshot(&self.policy)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        super::restore(&mut self.policy, snapshot)
    }
}

/// Entropy of all decisions that were visited, and how many they were.
#[derive(Default)]
struct Decisions {
    entropy: f64,
    visits: f64,
}

impl Reinforce {
    /// Adds the episode that begins at step `first` of the rollout to the tally; returns what it taught in total.
    fn tally_episode(&mut self, rollout: &Rollout, first: usize) -> f64 {
        let (rows, limit) = (rollout.rows(), rollout.time_limit as usize);
        let per_step = self.tally.len() / limit;
        self.to_go.clear();
        self.to_go.resize(rows, 0.0);
        self.observation.resize(rows, 0);
        self.action.resize(rows, 0);
        for elapsed in (0..limit).rev() {
            let t = first + elapsed;
            for (task, weight) in self.weights.iter().enumerate() {
                let taught = &rollout.taught()[(t * rollout.tasks + task) * rows..][..rows];
                self.to_go.iter_mut().zip(taught).for_each(|(to_go, taught)| *to_go += weight * f64::from(*taught));
            }
            let tally = &mut self.tally[elapsed * per_step..][..per_step];
            widen(&rollout.observation, t * rows, &mut self.observation);
            widen(&rollout.action, t * rows, &mut self.action);
            add(tally, self.policy.actions, &self.offset, &self.observation, &self.action, &self.to_go);
        }
        self.to_go.iter().sum()
    }

    /// Turns the tally of `lanes` lane-episodes into the gradient, entropy bonus included.
    fn sum_gradient(&mut self, lanes: usize) -> Decisions {
        self.gradient.fill(0.0);
        let mut decisions = Decisions::default();
        let actions = self.policy.actions;
        for (index, tally) in self.tally.chunks_exact(actions).enumerate() {
            let (place, observation) = (index / self.policy.observations, index % self.policy.observations);
            let (elapsed, group) = (place / self.policy.groups, place % self.policy.groups);
            let visits: f64 = tally.iter().map(|tally| tally.visits).sum();
            let baseline = tally.iter().map(|tally| tally.sum).sum::<f64>() / visits;
            if visits == 0.0 || self.spec.terminal.contains(&(observation as u32)) {
                continue;
            }
            let episodes = lanes as f64 * f64::from(self.spec.groups[group].agents);
            let cell = self.policy.cell(elapsed, group, observation);
            let chances = self.policy.chances(cell);
            let entropy: f64 = chances.iter().map(|&p| surprise(p)).sum();
            decisions.entropy += visits * entropy;
            decisions.visits += visits;
            // From the mean of all returns to the mean of the others; the part with π(a | c) sums to zero.
            let others = if visits > 1.0 { visits / (visits - 1.0) } else { 0.0 };
            let bonus = self.method.entropy.get() * visits / episodes;
            let gradient = &mut self.gradient[cell * actions..][..actions];
            for ((gradient, tally), &p) in gradient.iter_mut().zip(tally).zip(&chances) {
                *gradient += bonus * (surprise(p) - p * entropy);
                *gradient += others * (tally.sum - tally.visits * baseline) / episodes;
            }
        }
        decisions
    }

    /// Moves the logits along the gradient, of which the length is known.
    fn step(&mut self, norm: f64) {
        if !norm.is_finite() {
            return;
        }
        let shorten = self.method.clip.map_or(1.0, |clip| (clip.get() / norm).min(1.0));
        for (logit, gradient) in self.policy.logits.iter_mut().zip(&self.gradient) {
            *logit = (*logit + self.method.rate.get() * shorten * gradient).clamp(-FARTHEST, FARTHEST);
        }
    }
}

/// Logits go no farther, so that a rate without measure makes certainties, not nonsense.
const FARTHEST: f64 = 1e300;

/// `−p ln p`.
fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

/// The values of a rollout's codes from `start` on, as many as `to` takes.
fn widen(codes: &Codes, start: usize, to: &mut [u32]) {
    let at = start..start + to.len();
    match codes {
        Codes::Bytes(values) => to.iter_mut().zip(&values[at]).for_each(|(to, &value)| *to = value.into()),
        Codes::Words(values) => to.copy_from_slice(&values[at]),
    }
}

/// Counts the decisions of one step; `tally` holds the step's cells.
fn add(tally: &mut [Tally], actions: usize, offset: &[u32], observation: &[u32], action: &[u32], to_go: &[f64]) {
    let agents = offset.len();
    let lanes = observation.chunks_exact(agents).zip(action.chunks_exact(agents)).zip(to_go.chunks_exact(agents));
    for ((observation, action), to_go) in lanes {
        for (((offset, observation), action), to_go) in offset.iter().zip(observation).zip(action).zip(to_go) {
            let tally = &mut tally[(offset + observation) as usize * actions + *action as usize];
            tally.sum += to_go;
            tally.visits += 1.0;
        }
    }
}
