//! Limits on what groups earn or do.

mod action_non_preference;
mod envy_freeness;
mod equal_opportunity;
mod four_fifths;
mod return_floor;
mod return_parity;
mod stepwise_parity;

pub use action_non_preference::ActionNonPreference;
pub use envy_freeness::EnvyFreeness;
pub use equal_opportunity::EqualOpportunity;
pub use four_fifths::FourFifths;
pub use return_floor::ReturnFloor;
pub use return_parity::ReturnParity;
pub use stepwise_parity::StepwiseParity;

use isonomy_engine::constraint::Signal;
use isonomy_engine::metrics::Returns;
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;

fn yes() -> bool {
    true
}

/// What is limited: what groups earn in a task, or in all of them together.
struct Limited {
    /// Ends the names of rows: `, task` or nothing.
    suffix: String,
    tasks: Vec<usize>,
}

impl Limited {
    /// Every task on its own, or all of them together.
    fn all<'a>(tasks: impl ExactSizeIterator<Item = &'a str>, per_task: bool) -> Vec<Limited> {
        if !per_task {
            return vec![Limited { suffix: String::new(), tasks: (0..tasks.len()).collect() }];
        }
        tasks.enumerate().map(|(task, name)| Limited { suffix: format!(", {name}"), tasks: vec![task] }).collect()
    }

    fn of_returns(returns: &Returns, per_task: bool) -> Vec<Limited> {
        Limited::all(returns.tasks.iter().map(String::as_str), per_task)
    }

    fn of_spec(spec: &Spec, per_task: bool) -> Vec<Limited> {
        Limited::all(spec.tasks.iter().map(|task| task.name.as_str()), per_task)
    }

    fn earns(&self, returns: &Returns, group: usize) -> f64 {
        self.tasks.iter().map(|&task| returns.get(group, task)).sum()
    }

    /// The metric that says what a group earns.
    fn metric(&self, spec: &Spec, group: usize) -> String {
        let group = &spec.groups[group].name;
        match self.tasks[..] {
            [task] if !self.suffix.is_empty() => {
                format!("groups.{group}.tasks.{}.return_mean", spec.tasks[task].name)
            }
            _ => format!("groups.{group}.return_mean"),
        }
    }

    /// The same as terms of a row.
    fn terms(&self, group: usize, factor: f64) -> impl Iterator<Item = (usize, Signal, f64)> {
        self.tasks.iter().map(move |&task| (group, Signal::Return(task), factor))
    }
}

/// Every ordered pair of groups.
fn pairs(groups: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..groups).flat_map(move |i| (0..groups).filter(move |j| *j != i).map(move |j| (i, j)))
}

/// What an environment of one group has against a comparison.
fn alone(spec: &Spec, notion: &str) -> Vec<Problem> {
    let problem = || Problem::at("", format!("{notion} compares groups, and there is only one"));
    (spec.groups.len() < 2).then(problem).into_iter().collect()
}

/// What an environment without a model has against a notion that looks behind returns.
fn without_model(model: Option<&TabularModel>, notion: &str) -> Vec<Problem> {
    let problem = || {
        Problem::at("", format!("{notion} looks behind returns, at a model and a policy, and there is no model here"))
            .help("choose an environment with a finite model, or a constraint on returns such as ReturnParity")
    };
    model.is_none().then(problem).into_iter().collect()
}

#[cfg(test)]
mod facts;

#[cfg(test)]
fn returns() -> Returns {
    Returns {
        groups: vec!["A".to_owned(), "B".to_owned()],
        tasks: vec!["up".to_owned(), "down".to_owned()],
        mean: vec![1.0, 2.0, 4.0, 1.5],
        standard_error: vec![0.0; 4],
    }
}
