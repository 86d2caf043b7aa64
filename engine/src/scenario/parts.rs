//! What makes no sense in a scenario, part by part, whatever of it could be read.

use super::{Bounds, Evaluation, Scenario};
use crate::constraint::Constraint;
use crate::controller::Controller;
use crate::environment::Environment;
use crate::fairness::FairnessReward;
use crate::memory;
use crate::optimizer::Optimizer;
use crate::policy::Policy;
use crate::problem::Problem;
use crate::spec::Spec;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// A field of a scenario.
pub(super) enum Part<T> {
    /// It is not given.
    Absent,
    /// It is given and cannot be read.
    Unreadable,
    /// It says this.
    Read(T),
}

impl<T> Part<T> {
    fn given(&self) -> bool {
        !matches!(self, Part::Absent)
    }

    fn read(&self) -> Option<&T> {
        match self {
            Part::Read(part) => Some(part),
            _ => None,
        }
    }

    pub(super) fn owned(self) -> Option<T> {
        match self {
            Part::Read(part) => Some(part),
            _ => None,
        }
    }

    pub(super) fn map<'a, U>(&'a self, view: impl Fn(&'a T) -> U) -> Part<U> {
        match self {
            Part::Absent => Part::Absent,
            Part::Unreadable => Part::Unreadable,
            Part::Read(part) => Part::Read(view(part)),
        }
    }
}

/// Everything that could be read of a scenario. Lists keep the index of each entry.
pub(super) struct Parts<'a> {
    pub(super) environment: Option<&'a dyn Environment>,
    pub(super) lanes: Option<NonZeroU32>,
    pub(super) horizon: Option<NonZeroU32>,
    pub(super) evaluation: Option<Evaluation>,
    pub(super) controller: Part<&'a dyn Controller>,
    pub(super) policy: Part<&'a dyn Policy>,
    pub(super) optimizer: Part<&'a dyn Optimizer>,
    pub(super) fairness: Part<Vec<(usize, &'a dyn FairnessReward)>>,
    pub(super) constraints: Vec<(usize, &'a dyn Constraint)>,
    pub(super) expect: Option<&'a BTreeMap<String, Bounds>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(scenario: &'a Scenario) -> Self {
        fn all<T: ?Sized>(list: &[Box<T>]) -> Vec<(usize, &T)> {
            list.iter().map(|one| &**one).enumerate().collect()
        }
        fn part<T: ?Sized>(given: &Option<Box<T>>) -> Part<&T> {
            given.as_deref().map_or(Part::Absent, Part::Read)
        }
        Parts {
            environment: Some(&*scenario.environment),
            lanes: Some(scenario.lanes),
            horizon: scenario.horizon,
            evaluation: scenario.evaluation,
            controller: part(&scenario.controller),
            policy: part(&scenario.policy),
            optimizer: part(&scenario.optimizer),
            fairness: if scenario.fairness.is_empty() { Part::Absent } else { Part::Read(all(&scenario.fairness)) },
            constraints: all(&scenario.constraints),
            expect: Some(&scenario.expect),
        }
    }

    /// Everything wrong with the parts and with their combination. Paths are relative to the scenario.
    /// Unless the scenario is `complete`, what is absent may be written somewhere all the same.
    pub(super) fn problems(&self, complete: bool) -> Vec<Problem> {
        let mut problems = if complete { self.actors() } else { Vec::new() };
        problems.extend(self.bounds());
        let Some(environment) = self.environment else { return problems };
        let own = under("environment", environment.typetag_name(), environment.check());
        if own.is_empty() {
            let spec = environment.spec();
            problems.extend(self.of_methods(environment, &spec));
            problems.extend(self.of_constraints(environment, &spec));
            problems.extend(self.of_needs(environment, &spec));
            problems.extend(self.sizes(&spec));
        }
        problems.extend(own);
        problems
    }

    /// What each method has against the environment.
    fn of_methods(&self, environment: &dyn Environment, spec: &Spec) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(controller) = self.controller.read() {
            problems.extend(under("controller", controller.typetag_name(), controller.check(environment)));
        }
        if let Some(policy) = self.policy.read() {
            problems.extend(under("policy", policy.typetag_name(), policy.check(spec)));
            problems.extend(sees(*policy, spec));
        }
        if let Some(optimizer) = self.optimizer.read() {
            problems.extend(under("optimizer", optimizer.typetag_name(), optimizer.check(spec)));
        }
        for (index, fairness) in self.fairness.read().into_iter().flatten() {
            problems.extend(under(&format!("fairness[{index}]"), fairness.typetag_name(), fairness.check(spec)));
        }
        problems
    }

    /// What each constraint has against the environment and its model.
    fn of_constraints(&self, environment: &dyn Environment, spec: &Spec) -> Vec<Problem> {
        if self.constraints.is_empty() {
            return Vec::new();
        }
        let model = environment.model();
        let of_one = |(index, constraint): &(usize, &dyn Constraint)| {
            under(&format!("constraints[{index}]"), constraint.typetag_name(), constraint.check(spec, model.as_ref()))
        };
        self.constraints.iter().flat_map(of_one).collect()
    }

    /// What the optimizer cannot work without.
    fn of_needs(&self, environment: &dyn Environment, spec: &Spec) -> Vec<Problem> {
        let Some(optimizer) = self.optimizer.read() else { return Vec::new() };
        let (needs, name) = (optimizer.needs(), optimizer.typetag_name());
        let mut problems = Vec::new();
        if needs.model && environment.model().is_none() {
            let message = format!(
                "{name} plans with a model, and this {} has none, or too large a one",
                environment.typetag_name()
            );
            let help = "choose an optimizer that learns from rollouts, or an environment with a finite model";
            problems.push(Problem::at("optimizer", message).help(help));
        }
        if needs.public && environment.public().is_none() {
            let message = format!("{name} predicts a public signal, and {} has none", environment.typetag_name());
            let help = "choose an environment that offers one, such as PublicModel";
            problems.push(Problem::at("optimizer", message).help(help));
        }
        if let Some(policy) = self.policy.read().filter(|policy| policy.is_network() != needs.network) {
            let (improves, is) = if needs.network { ("networks", "a table") } else { ("tables", "a network") };
            let message = format!("{name} improves {improves}, and {} is {is}", policy.typetag_name());
            problems.push(Problem::at("optimizer", message).help("`isonomy list optimizers` shows the others"));
        }
        if needs.separate
            && spec.agents() > 1
            && let Some(policy) = self.policy.read().filter(|policy| policy.is_network() && !policy.is_separate())
        {
            let message = format!("{name} teaches every agent by itself, and all share this {}", policy.typetag_name());
            problems.push(Problem::at("policy", message).help("give the policy `separate: true`"));
        }
        if self.fairness.given() && !needs.trajectory {
            let message = format!("fairness rewards rewrite rollouts, and {name} does not learn from them here");
            let help = "use an optimizer that learns from rollouts, or remove the fairness rewards";
            problems.push(Problem::at("fairness", message).help(help));
        }
        if let Some(horizon) = self.horizon
            && needs.episodes
            && !horizon.get().is_multiple_of(spec.time_limit)
        {
            let limit = spec.time_limit;
            let message = format!("{name} learns from whole episodes, and {horizon} steps are no multiple of {limit}");
            problems.push(Problem::at("horizon", message).help(format!("an episode has {limit} steps")));
        }
        problems
    }

    /// Exactly one must act.
    fn actors(&self) -> Vec<Problem> {
        let (rule, policy, learns) = (self.controller.given(), self.policy.given(), self.optimizer.given());
        let mut problems = Vec::new();
        if !rule && !policy && !learns {
            let help = "add `controller: {\"Uniform\": ()}`, or a policy and an optimizer";
            problems.push(Problem::at("", "nobody acts").help(help));
        }
        if rule && learns {
            let message = "a controller acts by rule, so the optimizer has nothing to improve";
            problems.push(Problem::at("controller", message).help("remove one of the two"));
        }
        if policy && !learns {
            let help = "add an optimizer, or use a controller";
            problems.push(Problem::at("policy", "nothing improves this policy").help(help));
        }
        if learns && !policy {
            let help = "add `policy: {\"Softmax\": ()}`";
            problems.push(Problem::at("optimizer", "there is no policy to improve").help(help));
        }
        if self.fairness.given() && !learns {
            let message = "fairness rewards teach a policy, and nothing learns here";
            let help = "add a policy and an optimizer, or remove the fairness rewards";
            problems.push(Problem::at("fairness", message).help(help));
        }
        problems
    }

    /// Bounds within which there is nothing.
    fn bounds(&self) -> Vec<Problem> {
        let senseless = |bounds: &Bounds| match (bounds.at_least, bounds.at_most) {
            (Some(least), Some(most)) => least > most,
            (None, None) => true,
            _ => false,
        };
        let bad = self.expect.into_iter().flatten().filter(|(_, bounds)| senseless(bounds));
        bad.map(|(name, _)| {
            Problem::at(format!("expect.{name}"), "no value can be judged by these bounds")
                .help("give at_least, at_most or both, the first not above the second")
        })
        .collect()
    }

    /// Whether every agent has an address.
    fn sizes(&self, spec: &Spec) -> Vec<Problem> {
        let agents: u64 = spec.groups.iter().map(|group| u64::from(group.agents)).sum();
        let evaluated = self.evaluation.and_then(|evaluation| evaluation.lanes);
        let mut problems = Vec::new();
        for (place, lanes) in [("lanes", self.lanes), ("evaluation.lanes", evaluated)] {
            let rows = u128::from(agents) * u128::from(lanes.map_or(0, NonZeroU32::get));
            if rows > u128::from(u32::MAX) {
                let message = format!("{rows} agents are more than the {} that can be addressed", u32::MAX);
                let help = format!("{agents} agents in every lane: use at most {} lanes", u64::from(u32::MAX) / agents);
                problems.push(Problem::at(place, message).help(help));
            }
        }
        if problems.is_empty() {
            problems.extend(self.memory(spec));
        }
        problems
    }

    /// Whether this machine can hold all lanes, and the trajectory where it is kept.
    fn memory(&self, spec: &Spec) -> Option<Problem> {
        let lanes = u64::from(self.lanes?.get());
        let horizon = u64::from(self.horizon.map_or(spec.time_limit, NonZeroU32::get));
        let evaluated = self.evaluation.map(|evaluation| evaluation.lanes.map_or(lanes, |lanes| lanes.get().into()));
        let columns = memory::columns(spec, lanes) + memory::columns(spec, evaluated.unwrap_or(0));
        let kept = self.optimizer.read().is_some_and(|optimizer| optimizer.needs().trajectory);
        let trajectory = if kept { memory::trajectory(spec, lanes, horizon, self.fairness.given()) } else { 0 };
        let needed = columns + trajectory;
        (!memory::can_be_had(needed)).then(|| {
            let place = if trajectory > columns && self.horizon.is_some() { "horizon" } else { "lanes" };
            Problem::at(place, format!("this takes {} of memory, more than there is", memory::gib(needed)))
                .help("use fewer lanes, fewer agents or a shorter horizon")
        })
    }
}

/// Whether a policy can look at what the environment shows.
fn sees(policy: &dyn Policy, spec: &Spec) -> Option<Problem> {
    let numbers = !spec.observation.is_discrete();
    let what = if numbers { "observations" } else { "actions" };
    if policy.is_network() {
        let message = "a network sees numbers, and this environment shows discrete observations";
        return (!numbers).then(|| Problem::at("policy", message).help("use a table: `policy: {\"Softmax\": ()}`"));
    }
    (numbers || !spec.action.is_discrete()).then(|| {
        let message = format!("this policy is a table, and the {what} of this environment are numbers");
        Problem::at("policy", message).help("use a network: `policy: {\"Perceptron\": (hidden: [64, 64])}`")
    })
}

/// Problems of a plugin, seen from the scenario.
fn under(place: &str, name: &str, problems: Vec<Problem>) -> Vec<Problem> {
    let place = format!("{place}.{name}");
    problems.into_iter().map(|problem| problem.under(&place)).collect()
}
