//! What a scenario can say about training that cannot be meant.

use super::turns::MOST_TURNS;
use super::warm::Plan;
use super::{Domain, ReasoningTasks, checkpoint, distillation};
use isonomy_engine::advantage::Signal;
use isonomy_engine::problem::Problem;
use isonomy_envs::reasoning::{MethodParts, tasks};
use std::path::Path;

/// What responses come with, besides prompt, domain and reward.
const KNOWN: [Signal; 10] = [
    Signal::GreedyReward,
    Signal::Length,
    Signal::Truncated,
    Signal::Answer,
    Signal::MeanEntropy,
    Signal::LogProb,
    Signal::OldLogProb,
    Signal::Entropy,
    Signal::SumSquares,
    Signal::Observation,
];

/// What is known of tokens only, and so not where steps are turns.
const OF_TOKENS: [Signal; 5] =
    [Signal::LogProb, Signal::OldLogProb, Signal::TeacherLogProb, Signal::Entropy, Signal::SumSquares];

/// Responses in the largest update whose noise is worth its memory.
const MOST_RESPONSES: u64 = 1 << 17;

/// Test problems of two lanes do not overlap below this.
const MOST_JUDGED: u32 = 1 << 16;

/// Problems in the largest update of a warm start.
const MOST_LESSONS: u32 = 1 << 16;

/// Domains in the largest training run.
const MOST_DOMAINS: usize = 60;

pub(super) fn problems(tasks: &ReasoningTasks) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tasks.model.check().into_iter().map(|problem| problem.under("model")).collect();
    problems.extend(tasks.backend.check());
    problems.extend(sizes(tasks));
    let own = domains(&tasks.domains);
    if own.is_empty() {
        problems.extend(method(tasks));
        if problems.is_empty() {
            problems.extend(kept(tasks));
        }
    }
    problems.extend(own);
    problems
}

fn sizes(tasks: &ReasoningTasks) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut limit = |place: &str, value: u64, most: u64, what: &str| {
        if value > most {
            let help = format!("use at most {most}");
            problems.push(Problem::at(place, format!("{value} {what}")).help(help));
        }
    };
    let each = u64::from(tasks.responses.get()).saturating_mul(tasks.turns.get().into());
    let prompts = u64::from(tasks.prompts.get()).saturating_mul(tasks.rounds.get().into());
    let responses = prompts.saturating_mul(each);
    limit("prompts", responses, MOST_RESPONSES, "responses per update: prompts · rounds · responses · turns");
    limit("turns", tasks.turns.get().into(), MOST_TURNS.into(), "turns");
    limit("judged", tasks.judged.get().into(), MOST_JUDGED.into(), "test problems of every domain");
    limit("warm_start.problems", tasks.warm_start.problems.get().into(), MOST_LESSONS.into(), "problems per update");
    if let Some(distil) = &tasks.distil
        && distil.steps >= tasks.steps
    {
        let message = format!("{} updates from teachers, of {} in all", distil.steps, tasks.steps);
        let help = "let fewer be from teachers: these are what the others lead to";
        problems.push(Problem::at("distil.steps", message).help(help));
    }
    problems
}

fn domains(domains: &[Domain]) -> Vec<Problem> {
    if domains.is_empty() || domains.len() > MOST_DOMAINS {
        let help = format!("give from 1 to {MOST_DOMAINS}");
        return vec![Problem::at("domains", format!("{} domains", domains.len())).help(help)];
    }
    let mut problems = Vec::new();
    for (index, domain) in domains.iter().enumerate() {
        let place = |field: &str| format!("domains[{index}].{field}");
        match tasks::domain(&domain.domain) {
            Err(unknown) => problems.push(Problem::at(place("domain"), unknown.to_string())),
            Ok(known) if domain.level.get() > known.levels() => {
                let message = format!("{} has no level {}", domain.domain, domain.level);
                problems.push(Problem::at(place("level"), message).help(format!("use 1 to {}", known.levels())));
            }
            Ok(_) => {}
        }
        let name = domain.name();
        if let Some(before) = domains[..index].iter().position(|other| other.name() == name) {
            let message = format!("domains[{before}] is the same domain at the same level, {name}");
            problems.push(Problem::at(place("domain"), message).help("name it once, with both shares"));
        }
    }
    let sum: f64 = domains.iter().map(|domain| domain.share.get()).sum();
    if (sum - 1.0).abs() > 1e-9 {
        problems.push(Problem::at("domains", format!("the shares sum to {sum}")).help("they must sum to 1"));
    }
    problems
}

fn method(tasks: &ReasoningTasks) -> Vec<Problem> {
    let names: Vec<String> = tasks.domains.iter().map(Domain::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let parts = MethodParts {
        estimator: &*tasks.estimator,
        sampling: &*tasks.sampling,
        weights: tasks.weights.as_deref(),
        shaper: tasks.shaper.as_deref(),
        filter: tasks.filter.as_deref(),
        modifier: tasks.modifier.as_deref(),
        loss: tasks.loss.as_deref(),
        inner_steps: tasks.inner_steps.get(),
        domains: &names,
        responses: tasks.responses.get() as usize,
        rounds: tasks.rounds.get(),
        steps: distillation::steps_before(tasks),
    };
    let lacks = |signal: Signal, taught: bool| {
        let turns = tasks.turns.get() > 1 && OF_TOKENS.contains(&signal);
        let teacher = signal == Signal::TeacherLogProb;
        let reason = match (turns, teacher) {
            (true, _) => ("this environment, where steps are turns,", "use another plugin, or `turns: 1`"),
            (_, true) => ("this environment", "use it in `distil`, where checkpoints of the run teach"),
            _ => ("this environment", "use another plugin"),
        };
        (turns || !(KNOWN.contains(&signal) || teacher && taught)).then_some(reason)
    };
    let mut problems = parts.problems(|signal| lacks(signal, false));
    let Some(distil) = &tasks.distil else { return problems };
    if problems.is_empty() {
        problems.extend(distillation::problems(tasks, &names));
    }
    let of_distillation = MethodParts {
        estimator: &*distil.estimator,
        sampling: &*distil.sampling,
        shaper: None,
        filter: None,
        modifier: None,
        loss: None,
        inner_steps: 1,
        rounds: 1,
        steps: distil.steps.get(),
        ..parts
    };
    let of_distillation = of_distillation.problems(|signal| lacks(signal, true));
    problems.extend(of_distillation.into_iter().map(|problem| problem.under("distil")));
    problems
}

/// A file that holds no warm start of this scenario.
fn kept(tasks: &ReasoningTasks) -> Option<Problem> {
    let path = Path::new(tasks.checkpoint.as_ref()?);
    if path.file_name().is_none() || path.is_dir() {
        let problem = Problem::at("checkpoint", format!("{} is no file", path.display()));
        return Some(problem.help("name a file"));
    }
    let plan = Plan::new(tasks);
    checkpoint::read(path, plan.hash, plan.layout.parameters()).err()
}
