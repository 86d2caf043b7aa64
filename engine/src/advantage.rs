//! From the rewards of sampled responses to an update of the policy: one trait per stage, each called once per batch.
//!
//! | stage                  | decides                                                                     |
//! |------------------------|-----------------------------------------------------------------------------|
//! | [`RewardShaper`]       | what a response is worth                                                    |
//! | [`GroupFilter`]        | which groups are learned from                                               |
//! | [`AdvantageEstimator`] | how much better than expected a response, or a token of it, was             |
//! | [`AdvantageModifier`]  | how an advantage is shared out among tokens and steps                       |
//! | [`DomainWeight`]       | how much a domain counts                                                    |
//! | [`PolicyLoss`]         | the surrogate of every token                                                |
//! | [`LossAggregator`]     | how much a token counts in the loss                                         |
//! | [`KlEstimator`]        | how far the policy has moved from a reference                               |
//!
//! What is sampled next is decided by a [`Curriculum`](crate::curriculum::Curriculum).
//!
//! ## On a device
//!
//! Lanes that are training runs can run on a device. What the first three stages make of a group is tabulated there
//! ([`Scoring::by_successes`]). A [`Sampler`](crate::curriculum::Sampler) and a [`DomainWeight`] give functions in WGSL, each
//! called by one invocation for all domains, so without barriers:
//!
//! | function                 | does                                                                                 |
//! |--------------------------|--------------------------------------------------------------------------------------|
//! | `share_out(step: u32)`   | of a sampler: writes all of `shares[d]`                                               |
//! | `hear()`                 | of a sampler: remembers `succeeded(d)` and `failed(d)`                                |
//! | `weigh() -> vec2<f32>`   | of weights: writes all of `weights[d]`, returns [`Repairs`]: negative, then floored   |
//!
//! They see `accuracy_of(d)`, `best_of(d)` and `data_share(d)`, as in [`Progress`], and `shares[d]`, what is sampled now. What they
//! remember is `memory[i]` for a sampler, `memory[WEIGHTS_AT + i]` for weights. There is the constant `DOMAINS`, and functions
//! whose digits do not depend on the driver, as for a [`LaneTwin`](crate::gpu::LaneTwin). Both stand in one module: names that
//! are not in the table begin with the plugin's.

use crate::problem::Problem;
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// A batch of responses and what is known of them. A column that is not known is empty.
///
/// Responses to the same prompt are a group and stand side by side. `[B]` is one entry per response, `[B, T]` one per
/// response and token (or step), padded to the longest. A reward that could not be computed is NaN.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responses<'a> {
    /// The prompt, `[B]`; neighbours with the same number are a group.
    pub group: &'a [u32],
    /// The prompt's domain, `[B]`.
    pub domain: &'a [u32],
    /// Which agent responded, `[B]`.
    pub seat: &'a [u32],
    /// The reward of the outcome, `[B]`.
    pub reward: &'a [f64],
    /// Parts of the reward, part by part, `[K, B]`.
    pub parts: &'a [f64],
    /// The reward of the response that the policy gives when it does not explore, `[B]`.
    pub greedy_reward: &'a [f64],
    /// The chance that a response to this prompt is rewarded with 1 (else with 0), `[B]`.
    pub chance: &'a [f64],
    /// Tokens that were generated, `[B]`.
    pub length: &'a [u32],
    /// Whether the length limit cut the response short, `[B]`.
    pub truncated: &'a [bool],
    /// The final answer; equal numbers are equal answers, `[B]`.
    pub answer: &'a [u32],
    /// Mean entropy of the policy over the response, `[B]`.
    pub mean_entropy: &'a [f64],
    /// Columns per response of what follows, T; with none of it known, 1.
    pub tokens: usize,
    /// Which tokens were generated, `[B, T]`; empty where all were.
    pub mask: &'a [bool],
    /// Rewards of tokens or steps, `[B, T]`.
    pub token_reward: &'a [f64],
    /// What a critic expected before each token, `[B, T]`.
    pub value: &'a [f64],
    /// Log-probability under the policy that is trained, `[B, T]`.
    pub log_prob: &'a [f64],
    /// Log-probability under the policy that sampled, `[B, T]`.
    pub old_log_prob: &'a [f64],
    /// Log-probability under the teacher of the prompt's domain, `[B, T]`.
    pub teacher_log_prob: &'a [f64],
    /// Entropy of the policy at each token, `[B, T]`.
    pub entropy: &'a [f64],
    /// `Σ π²` over the vocabulary at each token, `[B, T]`.
    pub sum_squares: &'a [f64],
    /// What the agent observed before each step; equal numbers are equal observations, `[B, T]`.
    pub observation: &'a [u64],
}

impl<'a> Responses<'a> {
    /// Number of responses, B.
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Columns per response in `[B, T]`, T.
    pub fn width(&self) -> usize {
        self.tokens.max(1)
    }

    /// Whether a token was generated.
    pub fn generated(&self, response: usize, token: usize) -> bool {
        self.mask.is_empty() || self.mask[response * self.width() + token]
    }

    /// The responses of every group, as ranges of `[B]`.
    pub fn groups(&self) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut first = 0;
        self.group.chunk_by(|a, b| a == b).map(move |members| {
            first += members.len();
            first - members.len()..first
        })
    }

    /// Writes one advantage on all tokens of a response that were generated, 0 on the others.
    pub fn spread(&self, response: usize, value: f64, advantage: &mut [f64]) {
        let own = &mut advantage[response * self.width()..][..self.width()];
        for (token, advantage) in own.iter_mut().enumerate() {
            *advantage = if self.generated(response, token) { value } else { 0.0 };
        }
    }
}

/// A column of [`Responses`] that not every batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Signal {
    Seat,
    Parts,
    GreedyReward,
    Chance,
    Length,
    Truncated,
    Answer,
    MeanEntropy,
    TokenReward,
    Value,
    LogProb,
    OldLogProb,
    TeacherLogProb,
    Entropy,
    SumSquares,
    Observation,
}

impl Signal {
    /// What the column is, to be read after "needs".
    pub fn name(self) -> &'static str {
        match self {
            Signal::Seat => "the seat of every response",
            Signal::Parts => "the parts of a reward",
            Signal::GreedyReward => "the reward of a greedy response",
            Signal::Chance => "the chance of a reward",
            Signal::Length => "lengths",
            Signal::Truncated => "flags of truncation",
            Signal::Answer => "final answers",
            Signal::MeanEntropy => "the mean entropy of every response",
            Signal::TokenReward => "rewards of tokens",
            Signal::Value => "the values of a critic",
            Signal::LogProb => "log-probabilities",
            Signal::OldLogProb => "log-probabilities of the policy that sampled",
            Signal::TeacherLogProb => "log-probabilities of a teacher",
            Signal::Entropy => "the entropy at every token",
            Signal::SumSquares => "the sum of squared probabilities at every token",
            Signal::Observation => "the observation before every step",
        }
    }

    /// Whether a batch has it.
    pub fn is_in(self, batch: &Responses<'_>) -> bool {
        !match self {
            Signal::Seat => batch.seat.is_empty(),
            Signal::Parts => batch.parts.is_empty(),
            Signal::GreedyReward => batch.greedy_reward.is_empty(),
            Signal::Chance => batch.chance.is_empty(),
            Signal::Length => batch.length.is_empty(),
            Signal::Truncated => batch.truncated.is_empty(),
            Signal::Answer => batch.answer.is_empty(),
            Signal::MeanEntropy => batch.mean_entropy.is_empty(),
            Signal::TokenReward => batch.token_reward.is_empty(),
            Signal::Value => batch.value.is_empty(),
            Signal::LogProb => batch.log_prob.is_empty(),
            Signal::OldLogProb => batch.old_log_prob.is_empty(),
            Signal::TeacherLogProb => batch.teacher_log_prob.is_empty(),
            Signal::Entropy => batch.entropy.is_empty(),
            Signal::SumSquares => batch.sum_squares.is_empty(),
            Signal::Observation => batch.observation.is_empty(),
        }
    }
}

/// Turns the rewards of a batch into advantages.
#[typetag::serde]
pub trait AdvantageEstimator: std::fmt::Debug + Send + Sync {
    /// Writes the advantage of every token, `[B, T]`: never NaN, 0 where nothing was generated, where the reward is NaN,
    /// and in a group that cannot be scored.
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]);

    /// Columns that [`estimate`](Self::estimate) cannot do without.
    fn needs(&self) -> &'static [Signal] {
        &[]
    }

    /// What an advantage may depend on.
    fn reach(&self) -> Reach {
        Reach::Group
    }

    /// Changes of a group's rewards that change nothing.
    fn blind_to(&self) -> Blindness {
        Blindness::default()
    }

    /// Rewards that the formula was made for. Whoever feeds it refuses others.
    fn rewards(&self) -> RangeInclusive<f64> {
        f64::NEG_INFINITY..=f64::INFINITY
    }

    /// What in the fields makes no sense for groups of so many responses.
    fn check(&self, _responses: usize) -> Vec<Problem> {
        Vec::new()
    }
}

/// What an advantage may depend on, besides the response itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The responses to the same prompt.
    Group,
    /// All responses of the batch.
    Batch,
}

/// Changes of all rewards of a group that leave its advantages as they are.
///
/// A fairness signal made of such a change is lost: a bonus for a whole group where sums are, a factor where factors are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blindness {
    /// `r + c`.
    pub sums: bool,
    /// `s · r`, s above 0.
    pub factors: bool,
}

/// What an estimator makes of a group, given how many of its responses succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Mean advantage of the responses that fail; 0 where none does.
    pub failure: f64,
    /// Mean advantage of the responses that succeed; 0 where none does.
    pub success: f64,
    /// Whether the group is learned from.
    pub kept: bool,
}

/// From rewards of 0 and 1 to advantages, for one domain.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// What makes advantages, of reach [`Reach::Group`].
    pub estimator: &'a dyn AdvantageEstimator,
    /// What changes rewards before.
    pub shaper: Option<&'a dyn RewardShaper>,
    /// What drops groups.
    pub filter: Option<&'a dyn GroupFilter>,
    /// The domain.
    pub domain: u32,
    /// Chance of a success, for those who need it.
    pub chance: f64,
}

impl Scoring<'_> {
    /// The outcome of groups with 0, 1, … `responses` successes: all that can be said where nothing but rewards is known.
    pub fn by_successes(&self, responses: usize) -> Vec<Outcome> {
        let rows = (responses + 1) * responses;
        let successes = |row: usize| row / responses;
        let group: Vec<u32> = (0..rows).map(|row| successes(row) as u32).collect();
        let reward: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % responses < successes(row)))).collect();
        let (domain, chance) = (vec![self.domain; rows], vec![self.chance; rows]);
        let plain =
            Responses { group: &group, reward: &reward, chance: &chance, domain: &domain, ..Default::default() };
        let mut shaped = reward.clone();
        if let Some(shaper) = self.shaper {
            shaper.shape(&plain, &mut shaped);
        }
        let batch = Responses { reward: &shaped, ..plain };
        let (mut advantage, mut keep) = (vec![0.0; rows], vec![true; rows]);
        self.estimator.estimate(&batch, &mut advantage);
        if let Some(filter) = self.filter {
            filter.keep(&batch, &mut keep);
        }
        let mean = |of: &[f64]| if of.is_empty() { 0.0 } else { of.iter().sum::<f64>() / of.len() as f64 };
        let outcome = |(count, of): (usize, &[f64])| Outcome {
            failure: mean(&of[count..]),
            success: mean(&of[..count]),
            kept: keep[count * responses],
        };
        advantage.chunks_exact(responses).enumerate().map(outcome).collect()
    }
}

/// Changes what responses are worth.
#[typetag::serde]
pub trait RewardShaper: std::fmt::Debug + Send + Sync {
    /// Rewrites the rewards, `[B]`; `batch.reward` is what they were.
    fn shape(&self, batch: &Responses<'_>, reward: &mut [f64]);

    /// Columns that [`shape`](Self::shape) cannot do without.
    fn needs(&self) -> &'static [Signal] {
        &[]
    }

    /// Whether the change is `r + c` or `s · r` with one number for a whole group, which some estimators cannot see.
    fn changes_groups_by(&self) -> Blindness {
        Blindness::default()
    }

    /// What in the fields makes no sense with so many domains.
    fn check(&self, _domains: usize) -> Vec<Problem> {
        Vec::new()
    }
}

/// Chooses the groups that are learned from.
#[typetag::serde]
pub trait GroupFilter: std::fmt::Debug + Send + Sync {
    /// Whether each response is learned from, `[B]`; a group is kept or dropped as a whole.
    fn keep(&self, batch: &Responses<'_>, keep: &mut [bool]);

    /// Whether groups that are kept when a batch is full wait for the next one, and no longer. If not, the batch is as much
    /// larger.
    fn recovers(&self) -> bool {
        false
    }
}

/// Changes advantages token by token, or step by step.
#[typetag::serde]
pub trait AdvantageModifier: std::fmt::Debug + Send + Sync {
    /// Rewrites the advantages, `[B, T]`.
    fn modify(&self, batch: &Responses<'_>, advantage: &mut [f64]);

    /// Columns that [`modify`](Self::modify) cannot do without.
    fn needs(&self) -> &'static [Signal] {
        &[]
    }
}

/// How training goes, as far as whoever shares it out among domains may know.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Updates made so far.
    pub step: u32,
    /// Accuracy (or return) of every domain.
    pub accuracy: &'a [f64],
    /// The best accuracy that every domain ever had.
    pub best: &'a [f64],
    /// Share of every domain in the data, which sum to 1.
    pub data: &'a [f64],
    /// Share of every domain in what is sampled now, which sum to 1.
    pub sampled: &'a [f64],
}

/// Says how much a domain counts: a factor on the advantages of its responses.
#[typetag::serde]
pub trait DomainWeight: std::fmt::Debug + Send + Sync {
    /// Writes the factor of every domain. `memory` holds [`memory`](Self::memory) numbers per domain, domain by domain.
    fn weigh(&self, progress: &Progress<'_>, memory: &mut [f64], weight: &mut [f64]) -> Repairs;

    /// Numbers per domain that are kept from step to step.
    fn memory(&self) -> usize {
        0
    }

    /// Sets `memory` to what it is before the first step.
    fn start(&self, memory: &mut [f64]) {
        memory.fill(0.0);
    }

    /// What in the fields makes no sense with so many domains.
    fn check(&self, _domains: usize) -> Vec<Problem> {
        Vec::new()
    }

    /// The same in WGSL ([on a device](self#on-a-device)), or the reason why there is nothing.
    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Err(format!("{} has no WGSL twin", self.typetag_name()))
    }
}

/// What a [`DomainWeight`] had to mend; a record should tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Factors below 0, which would train a domain to fail; 0 was used.
    pub negative: u32,
    /// Accuracies too small for the function; its floor was used.
    pub floored: u32,
}

/// A policy before and after some updates, on the tokens that it sampled before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surrogate<'a> {
    /// Columns per response, T.
    pub tokens: usize,
    /// Which tokens were generated, `[B, T]`.
    pub mask: &'a [bool],
    /// Log-probability under the policy that is trained, `[B, T]`.
    pub log_prob: &'a [f64],
    /// Log-probability under the policy that sampled, `[B, T]`.
    pub old_log_prob: &'a [f64],
    /// Advantages, `[B, T]`.
    pub advantage: &'a [f64],
    /// Normalised entropy, `[B, T]`; only for losses that adapt to it.
    pub normalised_entropy: &'a [f64],
}

/// The surrogate that is minimised, token by token.
#[typetag::serde]
pub trait PolicyLoss: std::fmt::Debug + Send + Sync {
    /// Writes the loss of every token and its slope: the derivative of the response's summed loss with respect to the
    /// token's log-probability. Both `[B, T]`, both 0 where nothing was generated.
    fn loss(&self, batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64]);
}

/// How much the loss of a token counts; the total is the weighted sum.
#[typetag::serde]
pub trait LossAggregator: std::fmt::Debug + Send + Sync {
    /// Writes the weight of every token, `[B, T]`; 0 where nothing was generated.
    fn weigh(&self, tokens: usize, mask: &[bool], weight: &mut [f64]);
}

/// Estimates a divergence from single samples.
#[typetag::serde]
pub trait KlEstimator: std::fmt::Debug + Send + Sync {
    /// Writes an estimate per token of `KL(policy ‖ reference)`, from the log-probabilities of what the policy sampled.
    fn estimate(&self, log_prob: &[f64], reference: &[f64], divergence: &mut [f64]);
}
