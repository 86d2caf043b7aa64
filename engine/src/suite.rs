//! Suites: many runs with several seeds each, and a table of what came out.
//!
//! A suite is a RON file of its own, `Suite(…)`. [`load`] reads it with every scenario that it names and says everything
//! that is wrong before anything runs. Every run has one thread; runs side by side share the threads, and what comes
//! out does not depend on how many there are.

use crate::problem::Problem;
use crate::run::{Means, Run};
use crate::scenario::{self, Diagnostic, Diagnostics, Loaded, Scenario, Written, nearest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A suite as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// One sentence on what this suite compares.
    #[serde(default)]
    pub about: String,
    /// Every run is made with each of these seeds, whatever its scenario says.
    pub seeds: Vec<u64>,
    /// What is told of every run.
    pub columns: Vec<Column>,
    /// What is run: the rows.
    pub runs: Vec<Method>,
}

/// A number that is told of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, as in `metrics.csv`. A run that does not have it leaves its cell empty.
    pub metric: String,
    /// The iteration; the last one if not given. A shorter run leaves its cell empty.
    #[serde(default)]
    pub at: Option<NonZeroU32>,
    /// What stands above the column; the metric's name if not given.
    #[serde(default)]
    pub heading: String,
}

impl Column {
    /// What stands above the column.
    pub fn title(&self) -> &str {
        if self.heading.is_empty() { &self.metric } else { &self.heading }
    }
}

/// A scenario with some of its values replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// What it is called in the table.
    pub name: String,
    /// The scenario's file, relative to the suite's.
    pub scenario: PathBuf,
    /// `PATH=VALUE`, as in `--set`.
    #[serde(default)]
    pub sets: Vec<String>,
    /// What others found, column by column; empty or left out where nobody did.
    #[serde(default)]
    pub published: Vec<String>,
}

/// A suite without problems, and its scenarios.
#[derive(Debug)]
pub struct Plan {
    /// The suite.
    pub suite: Suite,
    /// For each run.
    ready: Vec<Ready>,
}

/// A scenario's text that needs no other file.
#[derive(Debug)]
struct Ready {
    text: String,
    iterations: u32,
}

/// A run with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Index of the run.
    pub run: usize,
    /// Its seed.
    pub seed: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value for each column, where there is one.
    Done(Vec<Option<f64>>),
    /// Why there is none.
    Failed(String),
    /// It was told to stop before its end.
    Stopped,
}

/// Values of a metric over seeds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Standard error of the mean; none with one value.
    pub standard_error: Option<f64>,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// Of some values; none where there are none.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (values.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt());
        let least = values.iter().copied().reduce(f64::min)?;
        let largest = values.iter().copied().reduce(f64::max)?;
        Some(Spread { mean, standard_error, least, largest })
    }
}

/// Whether a file holds a suite: it begins with `Suite(`.
pub fn is_suite(file: &Path) -> bool {
    Written::open(file).is_ok_and(|written| written.kind() == Some("Suite"))
}

/// Reads a suite and all its scenarios. Makes one small iteration of every run to learn which metrics there are.
pub fn load(file: &Path) -> Result<Plan, Diagnostics> {
    let written = Written::open(file)?;
    let suite: Suite = written.value()?;
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut note = |diagnostic: Diagnostic| {
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    };
    suite.problems().into_iter().for_each(|problem| note(written.diagnose(problem)));
    let mut loaded = Vec::new();
    for (index, method) in suite.runs.iter().enumerate() {
        match method.load(written.folder()) {
            Ok(one) => loaded.push(one),
            Err(refused) => refused.into_iter().for_each(|one| {
                note(one.unwrap_or_else(|problem| written.diagnose(problem.under(&format!("runs[{index}]")))));
            }),
        }
    }
    if found.is_empty() {
        let problems = suite.unknown_columns(&loaded);
        found.extend(problems.into_iter().map(|problem| written.diagnose(problem)));
    }
    if !found.is_empty() {
        return Err(Diagnostics(found));
    }
    let ready = |one: Loaded| Ready { iterations: one.scenario.iterations.get(), text: one.text };
    Ok(Plan { suite, ready: loaded.into_iter().map(ready).collect() })
}

impl Suite {
    /// What is wrong with the suite itself.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, empty) in
            [("seeds", self.seeds.is_empty()), ("columns", self.columns.is_empty()), ("runs", self.runs.is_empty())]
        {
            if empty {
                problems.push(Problem::at(name, "a suite needs at least one of these"));
            }
        }
        let mut known = BTreeSet::new();
        for (index, seed) in self.seeds.iter().enumerate() {
            if !known.insert(seed) {
                let help = "the same seed gives the same run, which would count twice";
                problems
                    .push(Problem::at(format!("seeds[{index}]"), format!("seed {seed} is there already")).help(help));
            }
        }
        let columns = self.columns.len();
        for (index, method) in self.runs.iter().enumerate() {
            if self.runs[..index].iter().any(|other| other.name == method.name) {
                let message = format!("another run is called `{}` too", method.name);
                problems.push(Problem::at(format!("runs[{index}].name"), message));
            }
            if method.published.len() > columns {
                let message = format!("{} published values for {columns} columns", method.published.len());
                problems.push(
                    Problem::at(format!("runs[{index}].published"), message).help("write \"\" where there is none"),
                );
            }
        }
        problems
    }

    /// Columns that no run has a value for.
    fn unknown_columns(&self, loaded: &[Loaded]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let longest = loaded.iter().map(|one| one.scenario.iterations).max();
        for (index, column) in self.columns.iter().enumerate() {
            if let (Some(at), Some(longest)) = (column.at, longest)
                && at > longest
            {
                let message = format!("no run has {at} iterations");
                let help = format!("the longest has {longest}");
                problems.push(Problem::at(format!("columns[{index}].at"), message).help(help));
            }
        }
        // A run that cannot begin is told in the table; which metrics it would have had is not known.
        let Some(lists) = loaded.iter().map(metrics).collect::<Option<Vec<_>>>() else { return problems };
        let known: Vec<&str> = BTreeSet::from_iter(lists.iter().flatten()).into_iter().map(String::as_str).collect();
        for (index, column) in self.columns.iter().enumerate() {
            if !known.contains(&column.metric.as_str()) {
                let message = format!("no run has a metric `{}`", column.metric);
                let all = format!("there are {}", known.join(", "));
                let help = nearest(&column.metric, &known).map_or(all, |near| format!("did you mean `{near}`?"));
                problems.push(Problem::at(format!("columns[{index}].metric"), message).help(help));
            }
        }
        problems
    }
}

impl Method {
    /// The scenario, or what is wrong: problems are the suite's, diagnostics those of scenario files.
    fn load(&self, folder: &Path) -> Result<Loaded, Vec<Result<Diagnostic, Problem>>> {
        let file = folder.join(&self.scenario);
        if !file.exists() {
            let help = format!("it is looked for at {}", file.display());
            return Err(vec![Err(Problem::at("scenario", "there is no such file").help(help))]);
        }
        let place = |diagnostic: Diagnostic| {
            let own = (diagnostic.file == "--set").then_some(diagnostic.source_line.as_ref()).flatten();
            match own.and_then(|line| self.sets.iter().position(|set| set.lines().any(|one| one == line))) {
                Some(index) => {
                    let Diagnostic { message, help, .. } = diagnostic;
                    Err(Problem { path: format!("sets[{index}]"), message, help })
                }
                None => Ok(diagnostic),
            }
        };
        scenario::load(&file, &self.sets).map_err(|Diagnostics(found)| found.into_iter().map(place).collect())
    }
}

/// Names of what a run reports, from one episode in one lane. None where it cannot begin.
fn metrics(loaded: &Loaded) -> Option<Vec<String>> {
    let mut scenario = again(&loaded.text).ok()?;
    (scenario.lanes, scenario.iterations, scenario.horizon) = (NonZeroU32::MIN, NonZeroU32::MIN, None);
    if let Some(evaluation) = &mut scenario.evaluation {
        (evaluation.lanes, evaluation.episodes) = (None, NonZeroU32::MIN);
    }
    let iteration = Run::new(scenario, Means { threads: 1, device: None }).ok()?.next_iteration().ok()??;
    Some(iteration.metrics().into_iter().map(|(name, _)| name).collect())
}

/// A scenario whose text has been found to be without mistakes.
fn again(text: &str) -> Result<Scenario, String> {
    let loaded = scenario::parse(text, "scenario.ron", Path::new(""), &[]);
    loaded.map(|loaded| loaded.scenario).map_err(|problems| problems.to_string())
}

impl Plan {
    /// Uses only the first `count` seeds.
    pub fn first_seeds(&mut self, count: usize) {
        self.suite.seeds.truncate(count);
    }

    /// Iterations of a run.
    pub fn iterations(&self, run: usize) -> u32 {
        self.ready[run].iterations
    }

    /// Iterations of all runs with all seeds.
    pub fn work(&self) -> u64 {
        let once: u64 = self.ready.iter().map(|ready| u64::from(ready.iterations)).sum();
        once * self.suite.seeds.len() as u64
    }

    /// Makes all runs with all seeds on so many threads, in the order of the file: run by run, seed by seed. Calls
    /// `tick` after every iteration, and ends early where `stop` is raised.
    pub fn carry_out(&self, threads: usize, stop: &AtomicBool, tick: &(dyn Fn() + Sync)) -> Vec<Trial> {
        let seeds = &self.suite.seeds;
        let pairs: Vec<(usize, u64)> =
            (0..self.ready.len()).flat_map(|run| seeds.iter().map(move |&seed| (run, seed))).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut made = Vec::new();
            while let Some(&(run, seed)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = self.make(run, seed, stop, tick).unwrap_or_else(Outcome::Failed);
                made.push(Trial { run, seed, outcome });
            }
            made
        };
        let mut trials: Vec<Trial> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.clamp(1, pairs.len().max(1))).map(|_| scope.spawn(work)).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<Trial>>| match worker.join() {
                Ok(made) => made,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            workers.into_iter().flat_map(join).collect()
        });
        let place = |trial: &Trial| pairs.iter().position(|pair| *pair == (trial.run, trial.seed));
        trials.sort_by_key(place);
        trials
    }

    /// One run with one seed.
    fn make(&self, run: usize, seed: u64, stop: &AtomicBool, tick: &dyn Fn()) -> Result<Outcome, String> {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        let Ready { text, iterations } = &self.ready[run];
        let mut scenario = again(text)?;
        scenario.seed = seed;
        let mut run = Run::new(scenario, Means { threads: 1, device: None }).map_err(|error| error.to_string())?;
        let columns = &self.suite.columns;
        let mut values = vec![None; columns.len()];
        let last = u64::from(*iterations);
        while let Some(iteration) = run.next_iteration().map_err(|error| error.to_string())? {
            let due = |column: &Column| column.at.map_or(last, |at| u64::from(at.get())) == iteration.number;
            if columns.iter().any(due) {
                let metrics = iteration.metrics();
                for (column, value) in columns.iter().zip(&mut values).filter(|(column, _)| due(column)) {
                    *value = metrics.iter().find(|(name, _)| *name == column.metric).map(|(_, value)| *value);
                }
            }
            tick();
            if iteration.number < last && stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Done(values))
    }
}
