//! The loop that the learners of this folder share: act, count, plan again when some count has doubled.

use super::chain::{chances_of, policy_of};
use super::confidence::Radius;
use super::counts::Counts;
use super::judge::{Judge, Tally, Verdict};
use super::problem::{Comparison, pairs};
use super::program::{Part, Program, Solver};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::Learner;
use isonomy_engine::policy::{PolicyRef, TabularPolicy};
use isonomy_engine::reference::Reference;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whether what was seen at different steps of an episode is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Counting {
    /// Together: dynamics are the same at every step.
    #[default]
    Pooled,
    /// Apart: dynamics may differ from step to step, and there is much more to learn.
    PerStep,
}

/// Whether a learner is told the rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RewardsAre {
    /// It knows them.
    #[default]
    Known,
    /// It takes the mean of what it saw paid, 0 at first.
    Learned,
}

/// How a learner plans with what it has seen.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Optimism for reward, pessimism for fairness.
    Cautious(Caution),
    /// As if what was seen were the truth.
    CertaintyEquivalent,
    /// Not at all: π⁰ for ever.
    Pi0,
}

/// The numbers of optimism and pessimism.
#[derive(Clone, Debug)]
pub(super) struct Caution {
    pub(super) radius: Radius,
    /// What a unit of radius does to the return of each task.
    pub(super) widths: Vec<f64>,
    /// What a unit of radius is worth in the objective.
    pub(super) alpha: f64,
    /// The gap of π⁰.
    pub(super) epsilon_0: f64,
    /// Chance that the radius does not hold; with a radius that is scaled down, nobody knows.
    pub(super) delta: f64,
    /// Whether policies that turn out to be fairer than π⁰ take its place.
    pub(super) bootstraps: bool,
}

/// Everything about a learner that does not change.
pub(super) struct Method {
    pub(super) spec: Spec,
    pub(super) model: Arc<TabularModel>,
    pub(super) rewards: RewardsAre,
    /// One per task.
    pub(super) weights: Vec<f64>,
    /// Sums of tasks, and how far groups may be apart in them.
    pub(super) compared: Vec<(Vec<usize>, f64)>,
    pub(super) rule: Rule,
}

/// A learner that plays one policy until it knows a better one.
pub(super) struct FairLearner {
    method: Method,
    judge: Judge,
    agent_groups: Vec<u32>,
    /// π⁰ as chances, per group.
    pi0: Vec<Vec<f64>>,
    state: State,
}

/// All that changes.
#[derive(Serialize, Deserialize)]
struct State {
    counts: Counts,
    policy: TabularPolicy,
    verdict: Verdict,
    plays_pi0: bool,
    tally: Tally,
    lp_solves: u64,
    lp_failures: u64,
    /// What has taken the place of the first π⁰.
    successor: Option<Successor>,
}

/// A policy that has taken the place of π⁰.
#[derive(Serialize, Deserialize)]
struct Successor {
    policy: TabularPolicy,
    /// The gap that was certified when it did.
    gap: f64,
    /// How many there have been, this one included.
    count: u64,
}

/// What planning came to.
enum Outcome {
    /// What is known is not enough for anything but π⁰.
    TooEarly,
    Planned(TabularPolicy),
    Failed,
}

impl FairLearner {
    pub(super) fn new(method: Method, judge: Judge, counting: Counting) -> FairLearner {
        let counts = Counts::new(&method.spec, counting == Counting::PerStep);
        let policy = match method.rule {
            Rule::CertaintyEquivalent => TabularPolicy::uniform(&method.spec, method.model.horizon),
            Rule::Cautious(_) | Rule::Pi0 => judge.pi0.clone(),
        };
        let state = State {
            counts,
            verdict: judge.verdict(&policy),
            plays_pi0: !matches!(method.rule, Rule::CertaintyEquivalent),
            policy,
            tally: Tally::default(),
            lp_solves: 0,
            lp_failures: 0,
            successor: None,
        };
        let horizon = method.model.horizon;
        let pi0 = (0..method.model.groups).map(|group| chances_of(&judge.pi0, group, horizon)).collect();
        let agent_groups = method.spec.agent_groups();
        let mut learner = FairLearner { method, judge, agent_groups, pi0, state };
        learner.plan();
        learner
    }

    fn plan(&mut self) {
        if matches!(self.method.rule, Rule::Pi0) {
            return;
        }
        let program = self.method.program(&self.state.counts);
        self.bootstrap(&program);
        let outcome = self.outcome(program);
        let pi0 = self.state.successor.as_ref().map_or(&self.judge.pi0, |successor| &successor.policy).clone();
        let state = &mut self.state;
        state.counts.planned();
        state.lp_solves += u64::from(!matches!(outcome, Outcome::TooEarly));
        state.lp_failures += u64::from(matches!(outcome, Outcome::Failed));
        let policy = match outcome {
            Outcome::Planned(policy) => policy,
            // Without caution there is no better fallback than what was played so far.
            Outcome::Failed if matches!(self.method.rule, Rule::CertaintyEquivalent) => return,
            Outcome::Failed | Outcome::TooEarly => pi0.clone(),
        };
        if policy != state.policy {
            state.verdict = self.judge.verdict(&policy);
            state.policy = policy;
        }
        state.plays_pi0 = state.policy == pi0;
    }

    /// Puts the policy that was played in the place of π⁰ where its gap is certified to be smaller.
    fn bootstrap(&mut self, program: &Program) {
        let Rule::Cautious(caution) = &self.method.rule else { return };
        let state = &self.state;
        if !caution.bootstraps || state.plays_pi0 {
            return;
        }
        let groups = 0..program.parts.len();
        let played: Vec<_> = groups.map(|group| chances_of(&state.policy, group, self.method.model.horizon)).collect();
        let gap = certified(program, &played).fold(0.0, f64::max);
        if gap < self.epsilon_0(caution) {
            let count = state.successor.as_ref().map_or(0, |successor| successor.count) + 1;
            self.state.successor = Some(Successor { policy: state.policy.clone(), gap, count });
        }
    }

    /// The gap of π⁰ as it is now.
    fn epsilon_0(&self, caution: &Caution) -> f64 {
        self.state.successor.as_ref().map_or(caution.epsilon_0, |successor| successor.gap)
    }

    fn outcome(&self, program: Program) -> Outcome {
        if let Rule::Cautious(caution) = &self.method.rule
            && !self.passes(&program, self.epsilon_0(caution))
        {
            return Outcome::TooEarly;
        }
        let Ok(solution) = program.solve(Solver::DantzigWolfe) else { return Outcome::Failed };
        let chains: Vec<_> = program.parts.into_iter().map(|part| part.chain).collect();
        let chances: Vec<_> =
            chains.iter().zip(&solution.occupancies).map(|(chain, occupancy)| chain.chances(occupancy)).collect();
        Outcome::Planned(policy_of(&chains, &chances))
    }

    /// Whether π⁰ itself is seen to be fair, with half of the room between its gap and the tolerance to spare. Then it
    /// satisfies every row, so the programme has a solution.
    fn passes(&self, program: &Program, epsilon_0: f64) -> bool {
        let limits = program.rows.iter().map(|row| (row.limit + epsilon_0) / 2.0);
        let within = |pi0: &[Vec<f64>]| certified(program, pi0).zip(limits).all(|(gap, limit)| gap <= limit);
        match &self.state.successor {
            None => within(&self.pi0),
            Some(Successor { policy, .. }) => {
                let of_group = |group| chances_of(policy, group, self.method.model.horizon);
                within(&(0..program.parts.len()).map(of_group).collect::<Vec<_>>())
            }
        }
    }
}

/// The most that each row of a programme can come to under policies given as chances, by what has been seen.
fn certified(program: &Program, chances: &[Vec<f64>]) -> impl Iterator<Item = f64> {
    let parts = program.parts.iter().zip(chances);
    let occupancies: Vec<Vec<f64>> = parts.map(|(part, chances)| part.chain.occupancy(chances)).collect();
    program.rows.iter().map(move |row| program.activity(&occupancies, row))
}

impl Method {
    /// The programme in the dynamics as they seem, with rewards as good or as bad as they can be.
    fn program(&self, counts: &Counts) -> Program {
        let part = |group: usize| Part {
            chain: counts.chain(group, self.model.start(group)),
            objective: self.signal(counts, group, |paid, radius| {
                let pay: f64 = paid.iter().zip(&self.weights).map(|(paid, weight)| paid * weight).sum();
                pay + self.alpha() * radius
            }),
            signals: self.compared.iter().flat_map(|(tasks, _)| self.bounds(counts, group, tasks)).collect(),
        };
        let comparison = |(index, (tasks, limit)): (usize, &(Vec<usize>, f64))| Comparison {
            name: super::Names::of(&self.spec).sum(tasks),
            upper: vec![2 * index],
            lower: vec![2 * index + 1],
            limit: *limit,
        };
        let groups: Vec<String> = self.spec.groups.iter().map(|group| group.name.clone()).collect();
        let comparisons: Vec<Comparison> = self.compared.iter().enumerate().map(comparison).collect();
        Program {
            parts: (0..self.model.groups).map(part).collect(),
            rows: pairs(&comparisons, &vec![1.0; groups.len()], &groups),
            levels: Vec::new(),
        }
    }

    /// The most and the least that a sum of tasks may pay: returns under the true dynamics lie between what these two
    /// earn in the dynamics as they seem.
    fn bounds(&self, counts: &Counts, group: usize, tasks: &[usize]) -> [Vec<f64>; 2] {
        let width: f64 = match &self.rule {
            Rule::Cautious(caution) => tasks.iter().map(|&task| caution.widths[task]).sum(),
            Rule::CertaintyEquivalent | Rule::Pi0 => 0.0,
        };
        [width, -width].map(|width| {
            self.signal(counts, group, |paid, radius| {
                tasks.iter().map(|&task| paid[task]).sum::<f64>() + width * radius
            })
        })
    }

    fn alpha(&self) -> f64 {
        match &self.rule {
            Rule::Cautious(caution) => caution.alpha,
            Rule::CertaintyEquivalent | Rule::Pi0 => 0.0,
        }
    }

    /// A signal from what each cell pays per task and from its radius.
    fn signal(&self, counts: &Counts, group: usize, pay: impl Fn(&[f64], f64) -> f64) -> Vec<f64> {
        let model = &*self.model;
        let mut paid = vec![0.0; model.tasks];
        let mut signal = Vec::new();
        for step in 0..counts.steps() {
            for (state, action) in (0..model.states).flat_map(|state| (0..model.actions).map(move |a| (state, a))) {
                for (task, paid) in paid.iter_mut().enumerate() {
                    *paid = match self.rewards {
                        RewardsAre::Known => model.reward(group, task, state, action),
                        RewardsAre::Learned => counts.reward(group, task, state, action),
                    };
                }
                let radius = match &self.rule {
                    Rule::Cautious(caution) => caution.radius.after(counts.visits(group, step, state, action)),
                    Rule::CertaintyEquivalent | Rule::Pi0 => 0.0,
                };
                signal.push(pay(&paid, radius));
            }
        }
        signal
    }
}

impl Learner for FairLearner {
    fn policy(&self) -> PolicyRef<'_> {
        (&self.state.policy).into()
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let gaps = self.state.verdict.gaps.clone();
        self.learn(rollout);
        let State { tally, lp_solves, lp_failures, .. } = &self.state;
        let mut report = Vec::with_capacity(11 + gaps.len());
        let mut say = |name: &str, value: f64| report.push((name.to_owned(), value));
        say("regret", tally.regret);
        say("regret_pi0", tally.regret_pi0);
        let episodes = tally.episodes.max(1) as f64;
        say("regret_per_root", tally.regret / episodes.sqrt());
        say("violations", tally.violations as f64);
        say("violation_share", tally.violations as f64 / episodes);
        say("pi0_share", tally.pi0_episodes as f64 / episodes);
        say("lp_solves", *lp_solves as f64);
        say("lp_failures", *lp_failures as f64);
        say("fair_optimum", self.judge.fair_optimum);
        say("gap", gaps.iter().copied().fold(0.0, f64::max));
        for (task, gap) in gaps.iter().enumerate() {
            report.push((format!("gap_task_{}", task + 1), *gap));
        }
        if let Rule::Cautious(caution) = &self.method.rule
            && caution.bootstraps
        {
            let replacements = self.state.successor.as_ref().map_or(0, |successor| successor.count);
            report.push(("pi0_replacements".to_owned(), replacements as f64));
            report.push(("epsilon_0".to_owned(), self.epsilon_0(caution)));
        }
        report
    }

    fn learn(&mut self, rollout: &Rollout) -> bool {
        let episodes = (rollout.episodes() * rollout.lanes) as u64;
        self.judge.enter(&mut self.state.tally, &self.state.verdict, episodes, self.state.plays_pi0);
        let doubled = self.state.counts.watch(rollout, &self.agent_groups);
        if doubled {
            self.plan();
        }
        doubled
    }

    fn references(&self, episodes: u64) -> Vec<Reference> {
        let delta = if let Rule::Cautious(caution) = &self.method.rule { Some(caution.delta) } else { None };
        self.judge.references(episodes, delta)
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.state).expect("a vector takes all bytes")
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        let state: State = postcard::from_bytes(snapshot)?;
        let mine = &self.state;
        let same = state.counts.like(&mine.counts)
            && state.policy.logits.len() == mine.policy.logits.len()
            && state.policy.steps == mine.policy.steps
            && state.verdict.gaps.len() == mine.verdict.gaps.len();
        if !same {
            return Err(postcard::Error::DeserializeBadEncoding);
        }
        self.state = state;
        Ok(())
    }
}
