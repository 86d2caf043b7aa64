//! What stays as it is during training.

use super::item::{Items, gauss_hermite};
use super::responses::recovery;
use crate::reasoning::Plugged;
use isonomy_engine::advantage::{
    AdvantageEstimator, DomainWeight, GroupFilter, Outcome, PolicyLoss, RewardShaper, Scoring, Signal,
};
use isonomy_engine::curriculum::Sampler;

/// The largest groups whose successes are drawn at once.
pub(super) const LARGEST_GROUP: usize = 64;

/// Domains in the largest training run.
pub const MOST_DOMAINS: usize = 32;

/// One domain.
#[derive(Clone, Debug)]
pub struct DomainParameters {
    /// Share of the data; all sum to 1.
    pub share: f64,
    /// Its prompts.
    pub items: Items,
    /// Skill before training, towards which it is forgotten.
    pub reference: f64,
    /// The largest skill there can be.
    pub ceiling: f64,
    /// Entropy before training.
    pub entropy: f64,
    /// Entropy below which learning slows down.
    pub entropy_reference: f64,
    /// How fast entropy falls with learning.
    pub entropy_decay: f64,
    /// How much more entropy a passing response has.
    pub entropy_link: f64,
    /// Number of distinct wrong answers.
    pub wrong_answers: u32,
}

/// How an update is made of what is sampled.
#[derive(Clone, Debug)]
pub struct Method {
    /// What makes advantages.
    pub estimator: Plugged<dyn AdvantageEstimator>,
    /// What changes rewards before.
    pub shaper: Option<Plugged<dyn RewardShaper>>,
    /// What drops groups before.
    pub filter: Option<Plugged<dyn GroupFilter>>,
    /// How much domains count.
    pub weights: Option<Plugged<dyn DomainWeight>>,
    /// The surrogate, where more than one step is made with the same responses.
    pub loss: Option<Plugged<dyn PolicyLoss>>,
    /// Steps made with the same responses.
    pub inner_steps: u32,
    /// Times that prompts are sampled anew to replace groups that a filter drops.
    pub rounds: usize,
}

/// Everything that stays as it is during training.
#[derive(Debug)]
pub struct Parameters {
    /// The domains.
    pub domains: Vec<DomainParameters>,
    /// Column e moves by `transfer[d][e]` where domain d learns 1, `[domains, domains]`.
    pub transfer: Vec<f64>,
    /// What training d makes e forget, per unit of share, `[domains, domains]`.
    pub forgetting: Vec<f64>,
    /// Responses per prompt.
    pub responses: usize,
    /// Prompts per step.
    pub prompts: usize,
    /// Step size.
    pub rate: f64,
    /// Strength of the pull towards the reference.
    pub kl: f64,
    /// Whether expectations replace samples.
    pub expected: bool,
    /// Whether falling entropy slows learning.
    pub plasticity: bool,
    /// What remains of the average pass rate after a step.
    pub momentum: f64,
    /// What a domain can ask for: factors on its share.
    pub bids: Vec<f64>,
    /// Decides what is sampled.
    pub sampler: Box<dyn Sampler>,
    /// Makes updates.
    pub method: Method,
    /// What the method makes of a group by its successes, `[domains][successes]`; empty where that does not say it all.
    pub outcomes: Vec<Vec<Outcome>>,
    /// The same as sums over a group, for drawing many at once.
    pub sums: Vec<GroupSums>,
    /// Standard normal nodes and their weights.
    pub nodes: Vec<[f64; 2]>,
    /// Accuracy of every domain before training.
    pub before: Vec<f64>,
}

/// What a group adds to an update, by how many of its responses succeed: room for groups of up to 64, and more, so that an
/// index of seven bits needs no check.
#[derive(Clone, Debug)]
pub struct GroupSums {
    /// `k · A / G` of those that succeed.
    pub success: [f32; 128],
    /// `A / G` of one that fails.
    pub failure: [f32; 128],
    /// 1 where the group is learned from.
    pub kept: [f32; 128],
}

impl GroupSums {
    fn of(outcomes: &[Outcome]) -> Self {
        let mut sums = GroupSums { success: [0.0; 128], failure: [0.0; 128], kept: [0.0; 128] };
        let group = (outcomes.len() - 1) as f64;
        for (k, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.kept) {
            sums.success[k] = (k as f64 * outcome.success / group) as f32;
            sums.failure[k] = (outcome.failure / group) as f32;
            sums.kept[k] = 1.0;
        }
        sums
    }
}

impl Parameters {
    /// Fills in what follows from the rest.
    pub fn complete(mut self) -> Self {
        let groups_say_it_all = self.method.by_group() && !self.method.needs().contains(&Signal::Chance);
        if groups_say_it_all {
            self.outcomes = (0..self.domains.len()).map(|domain| self.outcomes_at(domain, 0.5)).collect();
            if self.responses <= LARGEST_GROUP {
                self.sums = self.outcomes.iter().map(|outcomes| GroupSums::of(outcomes)).collect();
            }
        }
        self.nodes = gauss_hermite(16);
        let references = self.domains.iter().map(|domain| domain.reference).enumerate();
        self.before = references.map(|(domain, skill)| self.accuracy(domain, skill)).collect();
        self
    }

    /// What the method makes of groups of a domain with this chance to pass.
    pub fn outcomes_at(&self, domain: usize, chance: f64) -> Vec<Outcome> {
        let scoring = Scoring {
            estimator: &*self.method.estimator,
            shaper: self.method.shaper.as_deref(),
            filter: self.method.filter.as_deref(),
            domain: domain as u32,
            chance,
        };
        scoring.by_successes(self.responses)
    }

    /// Accuracy of a domain with this skill: the chance that a response to a random prompt passes and is not cut short.
    pub fn accuracy(&self, domain: usize, skill: f64) -> f64 {
        let items = &self.domains[domain].items;
        if self.expected {
            return items.average(skill).pass;
        }
        let pass =
            |difficulty| items.chance(skill, difficulty).pass * (1.0 - items.length.truncated(skill, difficulty));
        if items.spread == 0.0 {
            return pass(items.difficulty);
        }
        self.nodes.iter().map(|[node, weight]| weight * pass(items.difficulty + items.spread * node)).sum()
    }

    /// Numbers per domain that the sampler and the weights remember.
    pub fn memory(&self) -> [usize; 2] {
        [self.sampler.memory(), self.method.weights.as_ref().map_or(0, |weights| weights.memory())]
    }

    /// Numbers that a lane remembers: of every domain what sampler and weights do, then of groups that wait.
    pub(super) fn remembered(&self) -> usize {
        self.domains.len() * self.memory().iter().sum::<usize>() + recovery::room(self)
    }
}

impl Method {
    /// Columns that the method looks at.
    pub fn needs(&self) -> Vec<Signal> {
        let shaper = self.shaper.as_ref().map_or(&[][..], |shaper| shaper.needs());
        self.estimator.needs().iter().chain(shaper).copied().collect()
    }

    /// Whether groups wait for the next step where a batch is full.
    pub fn recovers(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.recovers())
    }

    /// Whether a group's rewards, as counts, say all that the method wants to know of it.
    pub fn by_group(&self) -> bool {
        let alone = self.estimator.reach() == isonomy_engine::advantage::Reach::Group;
        alone && self.loss.is_none() && !self.recovers() && self.needs().iter().all(|signal| *signal == Signal::Chance)
    }
}
