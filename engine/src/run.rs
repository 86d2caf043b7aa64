//! A run: iterations of rollout and update, with an evaluation every so often.

use crate::constraint::{Constraint, Exact, Judged, Overrun, Unjudged};
use crate::controller::Rule;
use crate::figure::Drawn;
use crate::gpu::{Device, DeviceError};
use crate::metrics::{Returns, gini, jain};
use crate::model::TabularModel;
use crate::noise::Phase;
use crate::optimizer::{Learner, Setting};
use crate::policy::TabularPolicy;
use crate::reference::Reference;
use crate::replay::Episode;
use crate::rollout::Rollout;
use crate::scenario::Scenario;
use crate::sim::{BuildError, Earnings, Setup, Sim, Snapshot};
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A scenario that is being run.
pub struct Run {
    scenario: Scenario,
    model: Option<Arc<TabularModel>>,
    sim: Sim,
    evaluation: Option<Sim>,
    actor: Actor,
    horizon: usize,
    rollout: Option<Rollout>,
    exact: Option<(TabularPolicy, Returns)>,
    done: u64,
}

enum Actor {
    Rule(Rule),
    Learner(Box<dyn Learner>),
}

impl Actor {
    /// What acts, where it is a table.
    fn policy(&self) -> Option<&TabularPolicy> {
        match self {
            Actor::Rule(Rule::Table(policy)) => Some(policy),
            Actor::Rule(Rule::Lane(_)) => None,
            Actor::Learner(learner) => learner.policy().table(),
        }
    }

    /// Lets it act in a simulation. False where it is a rule for another environment.
    fn enter(&self, sim: &mut Sim) -> bool {
        match self {
            Actor::Rule(rule) => sim.set_rule(rule),
            Actor::Learner(learner) => sim.set_parametric(learner.policy()),
        }
    }
}

/// What one iteration showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u64,
    /// Steps made since the beginning, training only.
    pub steps: u64,
    /// What was earned in the rollout; none where no episode ended in it.
    pub training: Option<Earnings>,
    /// What was earned in the evaluation after the update, where there was one.
    pub evaluation: Option<Earnings>,
    /// Expected returns of the policy that acted in the rollout, computed from the model, where there is one.
    pub exact: Option<Returns>,
    /// By how much the constraints are exceeded, by the exact returns where there are any, else by the rollout's.
    pub overruns: Vec<Overrun>,
    /// Constraints that have no value for these returns, by name, and why.
    pub unjudged: Vec<(String, Unjudged)>,
    /// What the fairness rewards report of how the next rollout is shaped.
    pub fairness: Vec<(String, f64)>,
    /// What the optimizer reports of its update.
    pub update: Vec<(String, f64)>,
    /// Hash of all columns and of the learner after the update.
    pub state_hash: u64,
}

/// How a scenario is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Threads that share the lanes.
    pub threads: usize,
    /// The device that rollouts run on; the processor where there is none.
    pub device: Option<&'a Device>,
}

/// Everything that [`Run::restore`] needs to go on to the same future.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Iterations done.
    pub done: u64,
    /// The simulation that is learned in.
    pub sim: Snapshot,
    /// The one that only reports.
    pub evaluation: Option<Snapshot>,
    /// The learner.
    pub learner: Option<Vec<u8>>,
}

impl Run {
    /// Builds everything. The scenario must have no [`problems`](Scenario::problems).
    pub fn new(mut scenario: Scenario, means: Means<'_>) -> Result<Self, BuildError> {
        let spec = scenario.environment.spec();
        let model = scenario.environment.model().map(Arc::new);
        let setup = Setup {
            lanes: scenario.lanes.get() as usize,
            seed: scenario.seed,
            phase: Phase::Training,
            threads: means.threads,
            device: means.device,
        };
        let fairness = std::mem::take(&mut scenario.fairness);
        let mut sim = Sim::new(&*scenario.environment, fairness, setup)?;
        let evaluation = match scenario.evaluation {
            Some(evaluation) => {
                let lanes = evaluation.lanes.unwrap_or(scenario.lanes).get() as usize;
                let setup = Setup { lanes, phase: Phase::Evaluation, ..setup };
                Some(Sim::new(&*scenario.environment, Vec::new(), setup)?)
            }
            None => None,
        };
        let actor = match (begin(&scenario, &spec, model.as_ref(), scenario.seed)?, &scenario.controller) {
            (Some(learner), _) => Actor::Learner(learner),
            (None, Some(controller)) => Actor::Rule(controller.rule(&*scenario.environment)),
            (None, None) => Actor::Rule(Rule::Table(TabularPolicy::uniform(&spec, 1))),
        };
        if !actor.enter(&mut sim) {
            return Err(BuildError::Rule);
        }
        sim.prepare()?;
        let horizon = scenario.steps_per_rollout();
        Ok(Run { scenario, model, sim, evaluation, actor, horizon, rollout: None, exact: None, done: 0 })
    }

    /// What is run, without its fairness rewards, which live in the simulation.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The simulation that is learned in.
    pub fn sim(&mut self) -> &mut Sim {
        &mut self.sim
    }

    /// The policy that acts next, where it is a table.
    pub fn policy(&self) -> Option<&TabularPolicy> {
        self.actor.policy()
    }

    /// What metrics are to be compared with in reports: what the learner and the constraints say, in this order.
    pub fn references(&self) -> Vec<Reference> {
        let spec = self.sim.spec();
        let episodes = self.scenario.lanes.get() as usize * (self.horizon / spec.time_limit as usize);
        let mut references = match &self.actor {
            Actor::Learner(learner) => learner.references(episodes as u64),
            Actor::Rule(_) => Vec::new(),
        };
        for reference in self.scenario.constraints.iter().flat_map(|constraint| constraint.references(spec)) {
            if !references.contains(&reference) {
                references.push(reference);
            }
        }
        references.retain(Reference::is_finite);
        references
    }

    /// Names of metrics that every iteration has in which an episode ends, known before the first step; there may be more.
    pub(crate) fn promised(&self) -> Vec<String> {
        let returns = of_returns("", &Returns::zero(self.sim.spec())).into_iter().map(|(name, _)| name);
        returns.chain(self.sim.measured()).collect()
    }

    /// Iterations done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// What an iteration's rollout computed, where the environment counts it: the measure's name, and how much in all
    /// lanes and episodes.
    pub fn work(&self, iteration: &Iteration) -> Option<(String, f64)> {
        let (name, earnings) = (self.sim.work()?, iteration.training.as_ref()?);
        let (_, mean) = earnings.measures.iter().find(|(measure, _)| measure == name)?;
        Some((name.to_owned(), mean * earnings.episodes as f64 * self.sim.lanes() as f64))
    }

    /// Whether what acts changes from iteration to iteration.
    pub fn learns(&self) -> bool {
        matches!(self.actor, Actor::Learner(_))
    }

    /// The simulation whose episodes are shown: that which only reports, where there is one.
    pub fn shown(&mut self) -> (Phase, &mut Sim) {
        match &mut self.evaluation {
            Some(sim) => (Phase::Evaluation, sim),
            None => (Phase::Training, &mut self.sim),
        }
    }

    /// Makes one more episode of the simulation that is [`shown`](Self::shown), with what acts now; what was done in some
    /// of its lanes. None where the environment's agents do not move lane by lane.
    pub fn episodes(&mut self, lanes: &[usize]) -> Result<Option<Vec<Episode>>, DeviceError> {
        let sim = self.evaluation.as_mut().unwrap_or(&mut self.sim);
        self.actor.enter(sim);
        sim.episodes(lanes)
    }

    /// Makes the next iteration; none where all are done.
    pub fn next_iteration(&mut self) -> Result<Option<Iteration>, DeviceError> {
        if self.done >= u64::from(self.scenario.iterations.get()) {
            return Ok(None);
        }
        let policy = self.actor.policy().cloned();
        self.actor.enter(&mut self.sim);
        let needs = self.scenario.optimizer.as_ref().map(|optimizer| optimizer.needs()).unwrap_or_default();
        if needs.trajectory {
            match &mut self.rollout {
                Some(rollout) => self.sim.rollout_into(rollout)?,
                None => self.rollout = Some(self.sim.rollout(self.horizon)?),
            }
        } else {
            self.sim.advance(self.horizon)?;
        }
        let training = self.sim.take_returns();
        let fairness = self.sim.fairness_report();
        let mut update = Vec::new();
        if let Actor::Learner(learner) = &mut self.actor {
            let nothing = self.sim.room(0);
            update = learner.update(self.rollout.as_ref().unwrap_or(&nothing));
        }
        self.done += 1;
        let evaluation = self.evaluate()?;
        let exact = self.exact(policy);
        let judged = exact.as_ref().or(training.as_ref().map(|earnings| &earnings.returns));
        let (overruns, unjudged) = judged.map(|returns| self.judge(returns)).unwrap_or_default();
        let state_hash = self.hash();
        let (number, steps) = (self.done, self.sim.steps());
        Ok(Some(Iteration {
            number,
            steps,
            training,
            evaluation,
            exact,
            overruns,
            unjudged,
            fairness,
            update,
            state_hash,
        }))
    }

    /// What the constraints say of returns, which are exact where there is a model.
    fn judge(&self, returns: &Returns) -> (Vec<Overrun>, Vec<(String, Unjudged)>) {
        let behind = self.model.as_deref().zip(self.exact.as_ref());
        let exact = behind.map(|(model, (policy, _))| Exact { spec: self.sim.spec(), model, policy });
        judge(&self.scenario.constraints, returns, exact)
    }

    /// The expected returns of the policy that acted; a rule is evaluated only once.
    fn exact(&mut self, policy: Option<TabularPolicy>) -> Option<Returns> {
        let (model, policy) = (self.model.as_ref()?, policy?);
        match &self.exact {
            Some((of, returns)) if *of == policy => Some(returns.clone()),
            _ => {
                let returns = model.evaluate(self.sim.spec(), &policy);
                self.exact = Some((policy, returns.clone()));
                Some(returns)
            }
        }
    }

    /// Evaluates the policy as it is now, if it is time.
    fn evaluate(&mut self) -> Result<Option<Earnings>, DeviceError> {
        let (Some(plan), Some(sim)) = (self.scenario.evaluation, &mut self.evaluation) else { return Ok(None) };
        let last = self.done == u64::from(self.scenario.iterations.get());
        if !last && !self.done.is_multiple_of(u64::from(plan.every.get())) {
            return Ok(None);
        }
        self.actor.enter(sim);
        let episode = sim.spec().time_limit as usize;
        for _ in 0..plan.episodes.get() {
            sim.advance(episode)?;
        }
        Ok(sim.take_returns())
    }

    /// Figures of one more episode, played by the policy as it is now in a lane of its own; none where the environment draws
    /// none.
    pub fn draw(&self) -> Result<Option<Drawn>, BuildError> {
        let setup = Setup { lanes: 1, seed: self.scenario.seed, phase: Phase::Evaluation, threads: 1, device: None };
        let mut sim = Sim::new(&*self.scenario.environment, Vec::new(), setup)?;
        self.actor.enter(&mut sim);
        Ok(sim.draw())
    }

    /// Everything needed to go on later.
    pub fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint {
            done: self.done,
            sim: self.sim.snapshot(),
            evaluation: self.evaluation.as_mut().map(Sim::snapshot),
            learner: match &self.actor {
                Actor::Learner(learner) => Some(learner.snapshot()),
                Actor::Rule(_) => None,
            },
        }
    }

    /// Goes back to a checkpoint of a run of the same scenario. False where it is of another.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> bool {
        let learner = match (&mut self.actor, &checkpoint.learner) {
            (Actor::Learner(learner), Some(snapshot)) => learner.restore(snapshot).is_ok(),
            (Actor::Rule(_), None) => true,
            _ => false,
        };
        let evaluation = match (&mut self.evaluation, &checkpoint.evaluation) {
            (Some(sim), Some(snapshot)) => sim.restore(snapshot),
            (None, None) => true,
            _ => false,
        };
        self.done = checkpoint.done;
        learner && evaluation && self.sim.restore(&checkpoint.sim)
    }

    fn hash(&mut self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&self.sim.hash().to_le_bytes());
        if let Some(evaluation) = &mut self.evaluation {
            hash.update(&evaluation.hash().to_le_bytes());
        }
        if let Actor::Learner(learner) = &self.actor {
            hash.update(&learner.snapshot());
        }
        hash.digest()
    }
}

/// The learner that a scenario asks for; none where it asks for none.
pub(crate) fn begin(
    scenario: &Scenario,
    spec: &Spec,
    model: Option<&Arc<TabularModel>>,
    seed: u64,
) -> Result<Option<Box<dyn Learner>>, BuildError> {
    let (Some(optimizer), Some(policy)) = (&scenario.optimizer, &scenario.policy) else { return Ok(None) };
    let model = model.cloned().filter(|_| optimizer.needs().model);
    let public = optimizer.needs().public.then(|| scenario.environment.public()).flatten();
    let setting = Setting { spec: spec.clone(), model, public, seed };
    let learner = optimizer.begin(policy.initial(spec, seed), setting);
    let place = format!("optimizer.{}", optimizer.typetag_name());
    Ok(Some(learner.map_err(|problem| BuildError::Optimizer(problem.under(&place)))?))
}

/// What constraints say of returns, and which of them have nothing to say and why.
pub(crate) fn judge(
    constraints: &[Box<dyn Constraint>],
    returns: &Returns,
    exact: Option<Exact<'_>>,
) -> (Vec<Overrun>, Vec<(String, Unjudged)>) {
    let (mut overruns, mut unjudged) = (Vec::new(), Vec::new());
    for constraint in constraints {
        match constraint.overruns(&Judged { returns, exact }) {
            Ok(rows) => overruns.extend(rows),
            Err(reason) => unjudged.push((constraint.typetag_name().to_owned(), reason)),
        }
    }
    (overruns, unjudged)
}

impl Iteration {
    /// Every number of the iteration by name, in a fixed order: the columns of `metrics.csv`.
    ///
    /// `return_mean` and its like are of the rollout, `evaluation.…` of the evaluation, `exact.…` of the model. What the
    /// environment measures of episodes replaces what is of the same name, and so does what the optimizer reports.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let mut metrics = Vec::new();
        for (prefix, returns) in [
            ("", self.training.as_ref().map(|earnings| &earnings.returns)),
            ("evaluation.", self.evaluation.as_ref().map(|earnings| &earnings.returns)),
            ("exact.", self.exact.as_ref()),
        ] {
            metrics.extend(returns.into_iter().flat_map(|returns| of_returns(prefix, returns)));
        }
        for (prefix, earnings) in [("", &self.training), ("evaluation.", &self.evaluation)] {
            let measures = earnings.iter().flat_map(|earnings| &earnings.measures);
            let measures: Vec<_> = measures.map(|(name, value)| (format!("{prefix}{name}"), *value)).collect();
            metrics.retain(|(name, _)| !measures.iter().any(|(known, _)| known == name));
            metrics.extend(measures);
        }
        if let Some(taught) = self.training.as_ref().and_then(|earnings| earnings.taught) {
            metrics.push(("shaped_return_mean".to_owned(), taught));
        }
        metrics.extend(self.overruns.iter().map(|overrun| (format!("overrun.{}", overrun.row), overrun.value)));
        metrics.extend(self.unjudged.iter().map(|(name, _)| (format!("unjudged.{name}"), 1.0)));
        metrics.extend(self.fairness.iter().map(|(name, value)| (format!("fairness.{name}"), *value)));
        // A planner knows exactly what a rollout only estimates.
        metrics.retain(|(name, _)| !self.update.iter().any(|(known, _)| known == name));
        metrics.extend(self.update.iter().cloned());
        metrics
    }
}

/// The numbers of some returns, each name behind `prefix`.
pub fn of_returns(prefix: &str, returns: &Returns) -> Vec<(String, f64)> {
    let totals = returns.totals();
    let mut metrics = vec![
        ("return_mean".to_owned(), totals.iter().sum::<f64>() / totals.len() as f64),
        ("return_min".to_owned(), totals.iter().copied().fold(f64::INFINITY, f64::min)),
        ("gap".to_owned(), returns.largest_gap()),
        ("jain".to_owned(), jain(&totals)),
        ("gini".to_owned(), gini(&totals)),
    ];
    for task in 0..returns.tasks.len() {
        metrics.push((format!("gap_task_{}", task + 1), returns.gap(task)));
    }
    for (index, (group, total)) in returns.groups.iter().zip(&totals).enumerate() {
        metrics.push((format!("groups.{group}.return_mean"), *total));
        for (task, name) in returns.tasks.iter().enumerate() {
            metrics.push((format!("groups.{group}.tasks.{name}.return_mean"), returns.get(index, task)));
        }
    }
    metrics.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
}
