//! What a scenario can say about training that cannot be meant.

use super::{CascadeSim, MOST_DOMAINS, Mode};
use crate::groups::check_groups;
use crate::reasoning::MethodParts;
use isonomy_engine::advantage::{Reach, Signal};
use isonomy_engine::problem::Problem;

/// What responses of this environment come with.
const KNOWN: [Signal; 6] =
    [Signal::Chance, Signal::GreedyReward, Signal::Length, Signal::Truncated, Signal::Answer, Signal::MeanEntropy];

/// What the expectation over a group can tell.
const KNOWN_IN_EXPECTATION: [Signal; 1] = [Signal::Chance];

/// Responses in the largest step that is worth simulating.
const MOST_RESPONSES: u64 = 1 << 20;

/// The largest group over which expectations are taken.
const LARGEST_EXPECTED_GROUP: u32 = 4096;

pub(super) fn problems(sim: &CascadeSim) -> Vec<Problem> {
    let mut problems = check_groups(sim.domains.iter().map(|domain| (domain.name.as_str(), 1)));
    for problem in &mut problems {
        problem.path = problem.path.replace("groups", "domains");
        problem.message = problem.message.replace("groups", "domains");
    }
    problems.extend(sizes(sim));
    if problems.is_empty() {
        problems.extend(shares(sim));
        problems.extend(matrices(sim));
        problems.extend(method(sim));
    }
    problems
}

fn sizes(sim: &CascadeSim) -> Vec<Problem> {
    let mut problems = Vec::new();
    let domains = sim.domains.len();
    if domains > MOST_DOMAINS {
        let help = format!("use at most {MOST_DOMAINS}");
        problems.push(Problem::at("domains", format!("{domains} domains")).help(help));
    }
    let rounds = if sim.filter.is_some() { sim.rounds.get() } else { 1 };
    let responses = u64::from(sim.prompts.get()) * u64::from(sim.responses.get()) * u64::from(rounds);
    if sim.mode == Mode::Sampled && responses > MOST_RESPONSES {
        let help = format!("use at most {MOST_RESPONSES} responses per step: prompts · responses · rounds");
        problems.push(Problem::at("prompts", format!("{responses} responses per step")).help(help));
    }
    if sim.mode == Mode::Expected && sim.responses.get() > LARGEST_EXPECTED_GROUP {
        let help = format!("use at most {LARGEST_EXPECTED_GROUP}, or the estimator's limit: Grpo(dialect: Limit)");
        problems.push(Problem::at("responses", format!("groups of {}", sim.responses)).help(help));
    }
    if sim.bids.is_empty() {
        problems.push(Problem::at("bids", "there is nothing to ask for").help("give at least one factor"));
    }
    problems
}

fn shares(sim: &CascadeSim) -> Option<Problem> {
    let sum: f64 = sim.domains.iter().map(|domain| domain.share.get()).sum();
    let off = (sum - 1.0).abs() > 1e-9;
    off.then(|| Problem::at("domains", format!("the shares sum to {sum}")).help("they must sum to 1"))
}

fn matrices(sim: &CascadeSim) -> Vec<Problem> {
    let domains = sim.domains.len();
    let mut problems = Vec::new();
    let mut check = |name: &str, rows: Vec<usize>| {
        let fits = rows.is_empty() || (rows.len() == domains && rows.iter().all(|&row| row == domains));
        if !fits {
            let message = format!("not a square of {domains} rows and columns");
            problems.push(Problem::at(name, message).help("one row and one column per domain, or none at all"));
        }
    };
    check("transfer", sim.transfer.iter().map(Vec::len).collect());
    check("forgetting", sim.forgetting.iter().map(Vec::len).collect());
    for (row, values) in sim.transfer.iter().enumerate().take(domains) {
        if values.get(row).is_some_and(|own| own.get() != 1.0) {
            let path = format!("transfer[{row}][{row}]");
            problems.push(Problem::at(path, "a domain carries over to itself by 1").help("write 1 on the diagonal"));
        }
    }
    problems
}

/// What the parts of the method have against the environment and against each other.
fn method(sim: &CascadeSim) -> Vec<Problem> {
    let names: Vec<&str> = sim.domains.iter().map(|domain| domain.name.as_str()).collect();
    let parts = MethodParts {
        estimator: &*sim.estimator,
        sampling: &*sim.sampling,
        weights: sim.weights.as_deref(),
        shaper: sim.shaper.as_deref(),
        filter: sim.filter.as_deref(),
        modifier: None,
        loss: sim.loss.as_deref(),
        inner_steps: sim.inner_steps.get(),
        rounds: if sim.filter.is_none() && sim.rounds == super::four() { 1 } else { sim.rounds.get() },
        domains: &names,
        responses: sim.responses.get() as usize,
        steps: sim.steps.get(),
    };
    let mut problems = parts.problems(|signal| match sim.mode {
        Mode::Expected if KNOWN_IN_EXPECTATION.contains(&signal) => None,
        Mode::Expected if KNOWN.contains(&signal) => Some(("mode: Expected", "use mode: Sampled")),
        Mode::Sampled if KNOWN.contains(&signal) => None,
        _ => Some(("this environment", "use another plugin")),
    });
    if sim.mode == Mode::Expected {
        problems.extend(expectations(sim));
    }
    problems
}

/// What no expectation is taken of.
fn expectations(sim: &CascadeSim) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |place: &str, message: &str| {
        problems.push(Problem::at(place, message).help("use mode: Sampled"));
    };
    if sim.estimator.reach() == Reach::Batch {
        refuse("estimator", "its advantages depend on the whole batch, of which no expectation is taken");
    }
    if sim.filter.as_ref().is_some_and(|filter| filter.recovers()) {
        refuse("filter", "in expectation nothing is left over for the next step");
    }
    if sim.loss.is_some() {
        refuse("loss", "several steps with the same responses have no simple expectation");
    }
    if sim.kl.get() > 0.0 {
        refuse("kl", "there is no pull towards the reference in mode: Expected");
    }
    problems
}
