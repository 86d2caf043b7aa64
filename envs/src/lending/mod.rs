//! Lending: a bank accepts or rejects applicants whose credit score follows what they repay.
//! Groups differ in where their scores start and in whether a rejection hurts them.
//!
//! | column     | shape          | meaning                                                        |
//! |------------|----------------|----------------------------------------------------------------|
//! | `Score`    | lanes × agents | state and observation: the credit score, 0 is the worst        |
//! | `Decision` | lanes × agents | action: 0 reject, 1 accept                                     |
//!
//! | task     | pays                                                            |
//! |----------|-----------------------------------------------------------------|
//! | `loans`  | 1 for every accepted loan: what groups want an equal share of   |
//! | `profit` | the bank's: `gain` for a loan that is repaid, `-loss` otherwise |
//!
//! The second tabular domain of Satija et al. 2023 (*Group Fairness in Reinforcement Learning*, TMLR).

pub(crate) mod step;

use crate::groups::check_groups;
use isonomy_engine::environment::Environment;
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// A bank accepts or rejects applicants. Who repays a loan rises by one credit score, who does not falls by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lending {
    /// Applications before an episode is truncated.
    pub time_limit: NonZeroU32,
    /// Chance to repay a loan, for every credit score from the worst.
    pub repay: Vec<Probability>,
    /// What the bank gains from a loan that is repaid; 4 if not given.
    #[serde(default = "gain")]
    pub gain: NonNegative,
    /// What the bank loses with one that is not; 10 if not given.
    #[serde(default = "loss")]
    pub loss: NonNegative,
    /// Who applies.
    pub groups: Vec<Applicants>,
    /// Repeats an error of the published code, for comparison with its numbers: a rejection that hurts sends an
    /// applicant from the worst score to the best and from any other score to the worst.
    #[serde(default)]
    pub legacy: bool,
}

/// A group of applicants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Applicants {
    /// Name in tables and records.
    pub name: String,
    /// Agents of this group in every lane.
    pub agents: NonZeroU32,
    /// Chance of every credit score at the start of an episode, from the worst.
    pub start: Vec<Probability>,
    /// Chance that a rejection lowers the score by one; 0 if not given.
    #[serde(default = "never")]
    pub handicap: Probability,
}

columns! {
    /// An applicant's credit score; the policy sees it.
    Score(u32);
    /// 0 reject, 1 accept; the policy sets it.
    Decision(u32);
}

fn gain() -> NonNegative {
    amount(4.0)
}

fn loss() -> NonNegative {
    amount(10.0)
}

fn amount(value: f64) -> NonNegative {
    NonNegative::new(value).expect("a constant, 0 or above")
}

fn never() -> Probability {
    Probability::new(0.0).expect("a constant between 0 and 1")
}

/// Scores that the step's table holds.
const MOST_SCORES: usize = step::SCORES;

const REJECT: usize = 0;
const ACCEPT: usize = 1;

impl Lending {
    fn best(&self) -> usize {
        self.repay.len() - 1
    }

    /// Where a rejection that hurts leads.
    fn dropped(&self, score: usize) -> usize {
        match (self.legacy, score) {
            (false, _) => score.saturating_sub(1),
            (true, 0) => self.best(),
            (true, _) => 0,
        }
    }
}

impl Applicants {
    fn check(&self, scores: usize) -> Option<Problem> {
        if self.start.len() != scores {
            let found = format!("{} chances for {scores} credit scores", self.start.len());
            return Some(Problem::at("start", found).help("give as many as `repay` has"));
        }
        let sum: f64 = self.start.iter().map(|chance| chance.get()).sum();
        let off = (sum - 1.0).abs() > 1e-9;
        off.then(|| Problem::at("start", format!("the chances sum to {sum}")).help("they must sum to 1"))
    }

    fn start(&self) -> Vec<f64> {
        self.start.iter().map(|chance| chance.get()).collect()
    }
}

#[typetag::serde]
impl Environment for Lending {
    fn spec(&self) -> Spec {
        let group = |group: &Applicants| GroupSpec { name: group.name.clone(), agents: group.agents.get() };
        let profit = (-self.loss.get() as f32, self.gain.get() as f32);
        Spec {
            groups: self.groups.iter().map(group).collect(),
            tasks: vec![
                TaskSpec { name: "loans".to_owned(), reward: (0.0, 1.0) },
                TaskSpec { name: "profit".to_owned(), reward: profit },
            ],
            observation: Space::Discrete(self.repay.len() as u32),
            action: Space::Discrete(2),
            time_limit: self.time_limit.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let scores = self.repay.len();
        let mut problems = check_groups(self.groups.iter().map(|group| (group.name.as_str(), group.agents.get())));
        if !(2..=MOST_SCORES).contains(&scores) {
            let help = format!("give from 2 to {MOST_SCORES} chances, one per credit score");
            problems.push(Problem::at("repay", format!("{scores} credit scores")).help(help));
        }
        for (index, group) in self.groups.iter().enumerate() {
            problems.extend(group.check(scores).map(|problem| problem.under(&format!("groups[{index}]"))));
        }
        for (path, amount) in [("gain", self.gain), ("loss", self.loss)] {
            if !(amount.get() as f32).is_finite() {
                problems.push(Problem::at(path, "too large for a 32-bit float").help("use smaller units"));
            }
        }
        problems
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Score, Decision>(step::Bank::from(self));
    }

    fn model(&self) -> Option<TabularModel> {
        let mut model = TabularModel::still(&self.spec());
        for (z, group) in self.groups.iter().enumerate() {
            model.start_mut(z).copy_from_slice(&group.start());
            for score in 0..self.repay.len() {
                let (repay, hurt) = (self.repay[score].get(), group.handicap.get());
                let accepted = model.next_mut(z, score, ACCEPT);
                accepted[(score + 1).min(self.best())] += repay;
                accepted[score.saturating_sub(1)] += 1.0 - repay;
                let rejected = model.next_mut(z, score, REJECT);
                rejected[self.dropped(score)] += hurt;
                rejected[score] += 1.0 - hurt;
                *model.reward_mut(z, 0, score, ACCEPT) = 1.0;
                *model.reward_mut(z, 1, score, ACCEPT) = self.gain.get() * repay - self.loss.get() * (1.0 - repay);
            }
        }
        Some(model)
    }
}

plugin!(Environment: Lending, "(
    time_limit: 5,
    repay: [0.1, 0.5, 0.9, 1.0],
    groups: [
        (name: \"A\", agents: 2, start: [0.1, 0.2, 0.3, 0.4]),
        (name: \"B\", agents: 2, start: [0.4, 0.3, 0.2, 0.1], handicap: 0.7),
    ],
)");
