//! CascadeSim: a policy is a skill per domain, a prompt an item of a test, a response passes or fails. A step of training
//! costs microseconds, so that every estimator, curriculum and fairness objective can be compared over thousands of runs.
//!
//! A lane is a training run, an agent a domain, a step an update. What a domain earns in a step is the change of its
//! accuracy (in the first step its accuracy), so that its return is its accuracy at the end.
//!
//! | column   | rows of a lane      | meaning                                                       |
//! |----------|---------------------|---------------------------------------------------------------|
//! | `Skill`  | domains             | skill, entropy, accuracy, share, weight                       |
//! | `Memory` | domains × numbers   | what the curriculum and the weights remember; groups that wait |
//! | `Bill`   | 1                   | responses generated and thrown away, weights that were mended |
//!
//! One step: the curriculum shares out prompts; responses pass by item response theory; shaper, filter and estimator make
//! advantages, weights multiply them by domain; skills move by `A · ∇ ln P`, carry over to other domains by `transfer`, and
//! are forgotten by what others are trained. The same in expectation (`mode: Expected`) enumerates the successes of a group
//! instead of drawing them.

mod check;
mod counts;
mod expected;
pub mod item;
pub mod measures;
mod parameters;
mod responses;
mod sampled;
#[cfg(test)]
mod tests;
mod training;
mod twin;

pub use parameters::{DomainParameters, MOST_DOMAINS, Method, Parameters};
pub use training::{Bill, Lane, Sample, Skill};

use crate::reasoning::Plugged;
use isonomy_engine::advantage::{AdvantageEstimator, DomainWeight, GroupFilter, PolicyLoss, RewardShaper};
use isonomy_engine::curriculum::Curriculum;
use isonomy_engine::environment::Environment;
use isonomy_engine::gpu::LaneTwin;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use item::{Items, Lengths};
use responses::recovery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Trains a policy on several domains at once, or one after the other, in microseconds per step: skills in place of a
/// network, items of a test in place of prompts.
///
/// A response passes with chance `p = c + (1−c) σ(a (θ_d − b))`. `θ ← θ + u T − (w φ)(θ − θ_ref)`, with
/// `u_d = rate · ω_d · mean of A · ∇ ln P` over the prompts of d, T the transfer and φ the forgetting between domains.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CascadeSim {
    /// Updates in a training run.
    pub steps: NonZeroU32,
    /// Whether responses are drawn or their expectation is computed; drawn if not given.
    #[serde(default)]
    pub mode: Mode,
    /// Responses per prompt; 8 if not given.
    #[serde(default = "eight")]
    pub responses: NonZeroU32,
    /// Prompts per update; 128 if not given.
    #[serde(default = "usual_prompts")]
    pub prompts: NonZeroU32,
    /// Step size; 1 if not given.
    #[serde(default = "one")]
    pub rate: NonNegative,
    /// Strength of the pull towards the skills before training; 0 if not given.
    #[serde(default = "zero")]
    pub kl: NonNegative,
    /// Whether falling entropy slows learning; if not given, where responses are drawn.
    #[serde(default)]
    pub plasticity: Option<bool>,
    /// What makes advantages of rewards.
    pub estimator: Plugged<dyn AdvantageEstimator>,
    /// From which domains prompts are drawn.
    pub sampling: Plugged<dyn Curriculum>,
    /// How much domains count; all alike if not given.
    #[serde(default)]
    pub weights: Option<Plugged<dyn DomainWeight>>,
    /// What changes rewards before the estimator; nothing if not given.
    #[serde(default)]
    pub shaper: Option<Plugged<dyn RewardShaper>>,
    /// Which groups are learned from; all if not given.
    #[serde(default)]
    pub filter: Option<Plugged<dyn GroupFilter>>,
    /// Times that prompts are sampled, at most, until a filter has kept enough; 4 if not given.
    #[serde(default = "four")]
    pub rounds: NonZeroU32,
    /// The surrogate for several steps with the same responses; the plain policy gradient if not given.
    #[serde(default)]
    pub loss: Option<Plugged<dyn PolicyLoss>>,
    /// Steps with the same responses; 1 if not given.
    #[serde(default = "single")]
    pub inner_steps: NonZeroU32,
    /// What remains of a domain's average pass rate after a step, where responses are drawn; 0.9 if not given. Weights
    /// and curricula see this average.
    #[serde(default = "usual_momentum")]
    pub momentum: Probability,
    /// What a domain may ask for as its action: factors on its share of prompts. One factor, 1, if not given: then there
    /// is nothing to decide.
    #[serde(default = "nothing_to_ask")]
    pub bids: Vec<Positive>,
    /// `transfer[d][e]`: how far domain e moves where d learns 1; only itself if not given.
    #[serde(default)]
    pub transfer: Vec<Vec<Finite>>,
    /// `forgetting[d][e]`: the part of what e has learned that is lost per unit of d's share; 0.01 between different
    /// domains if not given.
    #[serde(default)]
    pub forgetting: Vec<Vec<Probability>>,
    /// The domains.
    pub domains: Vec<Domain>,
}

/// Whether responses are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Mode {
    /// Every prompt and response is drawn.
    #[default]
    Sampled,
    /// Every prompt has its domain's mean difficulty, nothing is cut short, and every number of successes counts by its
    /// chance. Deterministic.
    Expected,
}

/// A domain of problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Name in tables and records.
    pub name: String,
    /// Share of the data; all shares sum to 1.
    pub share: Positive,
    /// Mean difficulty of prompts, in logits.
    pub difficulty: Finite,
    /// Standard deviation of difficulties; 0.8 if not given.
    #[serde(default = "usual_spread")]
    pub difficulty_spread: NonNegative,
    /// How sharply passing depends on skill; 1 if not given.
    #[serde(default = "one_positive")]
    pub discrimination: Positive,
    /// Chance to pass by guessing, one over the options of multiple choice; 0 if not given.
    #[serde(default = "never")]
    pub guessing: Probability,
    /// Skill before training, in logits; 0 if not given.
    #[serde(default = "nowhere")]
    pub skill: Finite,
    /// The largest skill that training can reach; no limit if not given.
    #[serde(default)]
    pub ceiling: Option<Finite>,
    /// How long responses are.
    #[serde(default)]
    pub length: Length,
    /// Entropy of the policy, and what it does.
    #[serde(default)]
    pub entropy: Entropy,
    /// Number of distinct wrong answers; 4 if not given.
    #[serde(default = "four")]
    pub wrong_answers: NonZeroU32,
}

/// Lengths of responses: `ln L ~ N(mean + slope · (difficulty − skill), spread)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// Mean of the logarithm where difficulty and skill are equal; 4 if not given.
    pub mean: Finite,
    /// What a harder prompt adds; 0.15 if not given.
    pub slope: Finite,
    /// Standard deviation of the logarithm; 0.4 if not given.
    pub spread: Positive,
    /// Tokens after which a response is cut short and fails; 100 if not given, `None` for no limit.
    pub limit: Option<Positive>,
}

/// Entropy of the policy in a domain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entropy {
    /// Before training; 1 if not given.
    pub start: Positive,
    /// Learning slows down in proportion where entropy is below this; 1 if not given.
    pub reference: Positive,
    /// `H ← H exp(−decay |u|)` with every update u; 0.05 if not given.
    pub decay: NonNegative,
    /// A response that passes has `exp(link)` times the entropy of one that fails; 0 if not given.
    pub link: Finite,
}

impl Default for Length {
    fn default() -> Self {
        Length { mean: finite(4.0), slope: finite(0.15), spread: positive(0.4), limit: Some(positive(100.0)) }
    }
}

impl Default for Entropy {
    fn default() -> Self {
        let decay = NonNegative::new(0.05).expect("a constant above 0");
        Entropy { start: positive(1.0), reference: positive(1.0), decay, link: finite(0.0) }
    }
}

fn eight() -> NonZeroU32 {
    NonZeroU32::new(8).expect("not 0")
}

fn four() -> NonZeroU32 {
    NonZeroU32::new(4).expect("not 0")
}

fn single() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn usual_prompts() -> NonZeroU32 {
    NonZeroU32::new(128).expect("not 0")
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("a constant above 0")
}

fn zero() -> NonNegative {
    NonNegative::new(0.0).expect("not below 0")
}

fn usual_spread() -> NonNegative {
    NonNegative::new(0.8).expect("a constant above 0")
}

fn one_positive() -> Positive {
    positive(1.0)
}

fn nothing_to_ask() -> Vec<Positive> {
    vec![positive(1.0)]
}

fn never() -> Probability {
    Probability::new(0.0).expect("a probability")
}

fn usual_momentum() -> Probability {
    Probability::new(0.9).expect("a probability")
}

fn nowhere() -> Finite {
    finite(0.0)
}

fn finite(value: f64) -> Finite {
    Finite::new(value).expect("a finite constant")
}

fn positive(value: f64) -> Positive {
    Positive::new(value).expect("a constant above 0")
}

columns! {
    /// A number that the curriculum or the weights remember of a domain, or that is known of a group that waits.
    Memory(f64);
}

/// Forgetting between different domains where a scenario does not say.
const USUAL_FORGETTING: f64 = 0.01;

impl Domain {
    fn parameters(&self) -> DomainParameters {
        let length = Lengths {
            mean: self.length.mean.get(),
            slope: self.length.slope.get(),
            spread: self.length.spread.get(),
            limit: self.length.limit.map_or(f64::INFINITY, |limit| limit.get().ln()),
        };
        DomainParameters {
            share: self.share.get(),
            items: Items {
                difficulty: self.difficulty.get(),
                spread: self.difficulty_spread.get(),
                discrimination: self.discrimination.get(),
                guessing: self.guessing.get(),
                length,
            },
            reference: self.skill.get(),
            ceiling: self.ceiling.map_or(f64::INFINITY, |ceiling| ceiling.get()),
            entropy: self.entropy.start.get(),
            entropy_reference: self.entropy.reference.get(),
            entropy_decay: self.entropy.decay.get(),
            entropy_link: self.entropy.link.get(),
            wrong_answers: self.wrong_answers.get(),
        }
    }
}

impl CascadeSim {
    /// What stays as it is during training. Called after [`check`](Environment::check) found nothing.
    pub fn parameters(&self) -> Parameters {
        let domains = self.domains.len();
        let identity = |at: usize| f64::from(u8::from(at % domains == at / domains));
        let transfer = match self.transfer.is_empty() {
            true => (0..domains * domains).map(identity).collect(),
            false => self.transfer.iter().flatten().map(|part| part.get()).collect(),
        };
        let forgetting = match self.forgetting.is_empty() {
            true => (0..domains * domains).map(|at| USUAL_FORGETTING * (1.0 - identity(at))).collect(),
            false => self.forgetting.iter().flatten().map(|part| part.get()).collect(),
        };
        let names: Vec<&str> = self.domains.iter().map(|domain| domain.name.as_str()).collect();
        let expected = self.mode == Mode::Expected;
        let parameters = Parameters {
            domains: self.domains.iter().map(Domain::parameters).collect(),
            transfer,
            forgetting,
            responses: self.responses.get() as usize,
            prompts: self.prompts.get() as usize,
            rate: self.rate.get(),
            kl: self.kl.get(),
            expected,
            plasticity: self.plasticity.unwrap_or(!expected),
            momentum: self.momentum.get(),
            bids: self.bids.iter().map(|bid| bid.get()).collect(),
            sampler: self.sampling.begin(&names),
            method: Method {
                estimator: self.estimator.clone(),
                shaper: self.shaper.clone(),
                filter: self.filter.clone(),
                weights: self.weights.clone(),
                loss: self.loss.clone(),
                inner_steps: self.inner_steps.get(),
                rounds: if self.filter.is_some() { self.rounds.get() as usize } else { 1 },
            },
            outcomes: Vec::new(),
            sums: Vec::new(),
            nodes: Vec::new(),
            before: Vec::new(),
        };
        parameters.complete()
    }
}

#[typetag::serde]
impl Environment for CascadeSim {
    fn spec(&self) -> Spec {
        let group = |domain: &Domain| GroupSpec { name: domain.name.clone(), agents: 1 };
        Spec {
            groups: self.domains.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "accuracy".to_owned(), reward: (-1.0, 1.0) }],
            observation: Space::Real { size: SEEN, low: 0.0, high: MOST_SEEN },
            action: Space::Discrete(self.bids.len() as u32),
            time_limit: self.steps.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        check::problems(self)
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Training::new(self));
    }
}

/// What a domain sees: accuracy, share, entropy, logarithm of the mean length (a fifth of it), share of silent groups.
const SEEN: u32 = 5;

/// No observation is larger.
const MOST_SEEN: f32 = 100.0;

/// How training runs move.
struct Training {
    parameters: Parameters,
    names: Vec<String>,
    steps: u32,
}

impl Training {
    fn new(sim: &CascadeSim) -> Self {
        let names = sim.domains.iter().map(|domain| domain.name.clone()).collect();
        Training { parameters: sim.parameters(), names, steps: sim.steps.get() }
    }

    /// The accuracy of every domain now, exactly.
    fn accuracy<'a>(&'a self, skills: &'a [Skill]) -> impl Iterator<Item = f64> + 'a {
        skills.iter().enumerate().map(|(domain, skill)| self.parameters.accuracy(domain, skill.skill))
    }
}

/// The columns of a lane as what training works on.
fn lane<'a>((skills, memory, bill): (&'a mut [Skill], &'a mut [Memory], &'a mut [Bill])) -> Lane<'a> {
    Lane { skills, memory: isonomy_engine::reexport::bytemuck::cast_slice_mut(memory), bill: &mut bill[0] }
}

impl LaneDynamics for Training {
    type State = (Skill, Memory, Bill);

    fn counts(&self) -> Vec<usize> {
        // A column has at least a row.
        vec![self.parameters.domains.len(), self.parameters.remembered().max(1), 1]
    }

    fn draws(&self) -> usize {
        sampled::draws(&self.parameters)
    }

    fn start(&self, _at: At<'_>, state: View<'_, Self>) {
        lane(state).start(&self.parameters);
    }

    fn observe(&self, _at: At<'_>, (skills, _, _): Shared<'_, Self>, features: &mut [f32]) {
        for (seen, skill) in features.chunks_exact_mut(SEEN as usize).zip(skills) {
            let length = skill.length.max(1.0).ln() / 5.0;
            let all = [skill.accuracy, skill.share, skill.entropy, length, skill.silent];
            seen.copy_from_slice(&all.map(|value| (value as f32).clamp(0.0, MOST_SEEN)));
        }
    }

    fn step(&self, at: At<'_>, action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        let mut lane = lane(state);
        let known = if at.elapsed == 0 { 0.0 } else { 1.0 };
        for (reward, skill) in reward.iter_mut().zip(&*lane.skills) {
            *reward = -(known * skill.accuracy) as f32;
        }
        lane.step(&self.parameters, at.elapsed, action, at.words);
        for (reward, skill) in reward.iter_mut().zip(&*lane.skills) {
            *reward += skill.accuracy as f32;
        }
    }

    fn measures(&self) -> Vec<String> {
        let mut names = measures::names(&self.names);
        names.extend(self.parameters.method.recovers().then(|| "recovered".to_owned()));
        names
    }

    fn measure(&self, (skills, memory, bill): Shared<'_, Self>, out: &mut [f64]) {
        let mut accuracy = [0.0; MOST_DOMAINS];
        self.accuracy(skills).zip(&mut accuracy).for_each(|(now, accuracy)| *accuracy = now);
        let out = match recovery::recovered(&self.parameters, isonomy_engine::reexport::bytemuck::cast_slice(memory)) {
            Some(recovered) => {
                let (last, out) = out.split_last_mut().expect("a place for every measure");
                *last = recovered;
                out
            }
            None => out,
        };
        measures::measure(&self.parameters, &accuracy[..skills.len()], skills, &bill[0], out);
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        self.lane_twin()
    }
}

plugin!(Environment: CascadeSim, r#"(
    steps: 50,
    mode: Expected,
    estimator: {"DrGrpo": ()},
    sampling: {"Proportional": ()},
    transfer: [[1, -0.4], [0, 1]],
    domains: [
        (name: "math", share: 0.7, difficulty: 0),
        (name: "code", share: 0.3, difficulty: 0.5),
    ],
)"#);
