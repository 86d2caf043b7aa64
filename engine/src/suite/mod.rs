//! Suites: many runs with several seeds each, and a table of what came out.
//!
//! A suite is a RON file of its own, `Suite(…)`. [`load`] reads it with every scenario that it names and says everything
//! that is wrong before anything runs. A run may have a [grid](Axis): it is made at every point of it, with every seed.
//! Runs have one thread each; learning runs of one environment share one, as lanes of a [`fleet`](crate::fleet). What comes
//! out depends neither on the threads nor on who runs beside whom.

mod grid;
mod ranking;
mod spread;
mod table;
mod trials;

pub use grid::{Axis, Cell, Choice, Setting};
pub use ranking::{Agreement, Ranking};
pub use spread::{Spread, student};
pub use trials::Watch;

use crate::fleet::Fleet;
use crate::problem::Problem;
use crate::run::{Means, Run};
use crate::scenario::{self, Diagnostic, Diagnostics, Loaded, Scenario, Written, nearest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A suite as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// One sentence on what this suite compares.
    #[serde(default)]
    pub about: String,
    /// Every run is made with each of these seeds, whatever its scenario says: a list, or `(first: 1, count: 40)`.
    #[serde(deserialize_with = "grid::seeds")]
    pub seeds: Vec<u64>,
    /// What is told of every run.
    pub columns: Vec<Column>,
    /// What is run: the rows.
    pub runs: Vec<Method>,
    /// How a page draws the columns.
    #[serde(default)]
    pub plot: Option<Over>,
    /// Which runs are asked whether they rank alike what their grids have in common.
    #[serde(default)]
    pub rankings: Vec<Ranking>,
}

/// A number that runs set, over which columns are drawn.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// Its place in the scenarios, as in `--set`. Runs that set it alone differently are one line.
    pub over: String,
    /// Name of the axis; the last name of the path if not given.
    #[serde(default)]
    pub heading: String,
    /// Whether the axis has the same way from each number to its double.
    #[serde(default)]
    pub logarithmic: bool,
}

impl Over {
    /// Name of the axis.
    pub fn title(&self) -> &str {
        let last = self.over.rsplit('.').next().unwrap_or(&self.over);
        if self.heading.is_empty() { last } else { &self.heading }
    }
}

/// A number that is told of every run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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

    /// The iteration that it tells of, in a run of so many.
    fn iteration(&self, last: u64) -> u64 {
        self.at.map_or(last, |at| u64::from(at.get()))
    }
}

/// A scenario with some of its values replaced.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// What it is called in the table.
    pub name: String,
    /// The scenario's file, relative to the suite's.
    pub scenario: PathBuf,
    /// `PATH=VALUE`, as in `--set`.
    #[serde(default)]
    pub sets: Vec<String>,
    /// It is made with every combination of these values, set after `sets`.
    #[serde(default)]
    pub grid: Vec<Axis>,
    /// What others found, column by column; empty or left out where nobody did.
    #[serde(default)]
    pub published: Vec<String>,
}

/// A suite without problems, and its scenarios.
#[derive(Debug)]
pub struct Plan {
    /// The suite.
    pub suite: Suite,
    /// What every run is made with: the suite's seeds, or the first of them.
    pub seeds: Vec<u64>,
    /// All points of the grids of all runs.
    pub cells: Vec<Cell>,
    /// `PATH=VALUE` for every run, beside what the suite says.
    pub sets: Vec<String>,
    /// The suite's text.
    text: String,
    /// For each cell.
    ready: Vec<Ready>,
}

/// A scenario and its text, which needs no other file.
#[derive(Debug)]
struct Ready {
    scenario: Scenario,
    text: String,
    /// The same for scenarios that may advance together; none for one that runs alone.
    together: Option<u64>,
    /// How many of it may.
    room: usize,
}

/// A suite with what it needs of other files, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    suite: String,
    seeds: Vec<u64>,
    cells: Vec<Cell>,
    #[serde(default)]
    sets: Vec<String>,
    /// For each cell.
    scenarios: Vec<String>,
}

/// A cell with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Index of the cell.
    pub cell: usize,
    /// Its seed.
    pub seed: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A value for each column, where there is one.
    Done(Vec<Option<f64>>),
    /// Why there is none.
    Failed(String),
    /// It was told to stop before its end.
    Stopped,
}

/// Whether a file holds a suite: it begins with `Suite(`.
pub fn is_suite(file: &Path) -> bool {
    Written::open(file).is_ok_and(|written| written.kind() == Some("Suite"))
}

/// Reads a suite and all its scenarios, each with `sets` (`PATH=VALUE`) after what its run sets and before what its grid
/// does. Makes one small iteration of every run to learn which metrics there are.
pub fn load(file: &Path, sets: &[String]) -> Result<Plan, Diagnostics> {
    let written = Written::open(file)?;
    let suite: Suite = written.value()?;
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut note = |diagnostic: Diagnostic| {
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    };
    suite.problems().into_iter().for_each(|problem| note(written.diagnose(problem)));
    let (mut cells, mut loaded) = (Vec::new(), Vec::new());
    for (index, method) in suite.runs.iter().enumerate().filter(|(_, method)| method.grid_problems().is_empty()) {
        for cell in method.cells(index) {
            match method.load(written.folder(), &cell, sets) {
                Ok(one) => loaded.push(one),
                Err(refused) => refused.into_iter().for_each(|one| {
                    note(one.unwrap_or_else(|problem| written.diagnose(problem.under(&format!("runs[{index}]")))));
                }),
            }
            cells.push(cell);
        }
    }
    if found.is_empty() {
        let problems = suite.unknown_columns(&cells, &loaded);
        found.extend(problems.into_iter().map(|problem| written.diagnose(problem)));
    }
    if !found.is_empty() {
        return Err(Diagnostics(found));
    }
    let (seeds, text) = (suite.seeds.clone(), written.text().to_owned());
    let ready = loaded.into_iter().map(Ready::from).collect();
    Ok(Plan { suite, seeds, cells, sets: sets.to_vec(), text, ready })
}

impl From<Loaded> for Ready {
    fn from(Loaded { scenario, text }: Loaded) -> Ready {
        let room = Fleet::room(&scenario);
        let alike = (scenario.lanes, scenario.steps_per_rollout(), scenario.iterations, &scenario.environment);
        // An environment that cannot be written down cannot be compared, and runs alone.
        let together = ron::to_string(&alike).ok().filter(|_| room > 1);
        Ready { together: together.map(|text| xxhash_rust::xxh3::xxh3_64(text.as_bytes())), scenario, text, room }
    }
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
        for (index, column) in self.columns.iter().enumerate() {
            let same = |other: &Column| other.metric == column.metric && other.at == column.at;
            if self.columns[..index].iter().any(same) {
                let message = format!("a column tells of `{}` at the same iteration already", column.metric);
                problems.push(Problem::at(format!("columns[{index}].metric"), message));
            }
        }
        if let Some(over) = &self.plot {
            let sets = |method: &Method| {
                method.grid.iter().any(|axis| axis.path == over.over)
                    || method.sets.iter().any(|set| set.split_once('=').is_some_and(|(path, _)| path == over.over))
            };
            if !self.runs.iter().any(sets) {
                let help = "name a path that is in `sets` or in a `grid`";
                problems.push(Problem::at("plot.over", format!("no run sets `{}`", over.over)).help(help));
            }
        }
        for (index, ranking) in self.rankings.iter().enumerate() {
            let place = format!("rankings[{index}]");
            problems.extend(ranking.problems(self).into_iter().map(|problem| problem.under(&place)));
        }
        let columns = self.columns.len();
        for (index, method) in self.runs.iter().enumerate() {
            let place = format!("runs[{index}]");
            problems.extend(method.grid_problems().into_iter().map(|problem| problem.under(&place)));
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
    fn unknown_columns(&self, cells: &[Cell], loaded: &[Loaded]) -> Vec<Problem> {
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
        let mut known = BTreeSet::new();
        let enough = |known: &BTreeSet<String>| self.columns.iter().all(|column| known.contains(&column.metric));
        let first = |index: &usize| *index == 0 || cells[*index].method != cells[*index - 1].method;
        let (firsts, others): (Vec<usize>, Vec<usize>) = (0..cells.len()).partition(first);
        // Points of one grid rarely differ in what they report: one of each run is looked at first.
        for index in firsts.into_iter().chain(others) {
            // A run that cannot begin is told in the table; which metrics it would have had is not known.
            let Some(mut run) = briefly(&loaded[index]) else { return problems };
            known.extend(run.promised());
            if enough(&known) {
                return problems;
            }
            let Ok(Some(iteration)) = run.next_iteration() else { return problems };
            known.extend(iteration.metrics().into_iter().map(|(name, _)| name));
            if enough(&known) {
                return problems;
            }
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
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
    fn load(&self, folder: &Path, cell: &Cell, common: &[String]) -> Result<Loaded, Vec<Result<Diagnostic, Problem>>> {
        let file = folder.join(&self.scenario);
        if !file.exists() {
            let help = format!("it is looked for at {}", file.display());
            return Err(vec![Err(Problem::at("scenario", "there is no such file").help(help))]);
        }
        let mut sets = [&self.sets, common].concat();
        sets.extend(cell.settings.iter().map(|setting| format!("{}={}", setting.path, setting.value)));
        let place = |diagnostic: Diagnostic| {
            let own = (diagnostic.file == "--set").then_some(diagnostic.source_line.as_ref()).flatten();
            match own.and_then(|line| sets.iter().position(|set| set.lines().any(|one| one == line))) {
                Some(index) if index < self.sets.len() => {
                    let Diagnostic { message, help, .. } = diagnostic;
                    Err(Problem { path: format!("sets[{index}]"), message, help })
                }
                Some(index) if index >= self.sets.len() + common.len() => {
                    let path = self.place(index - self.sets.len() - common.len(), cell, &diagnostic);
                    let Diagnostic { message, help, .. } = diagnostic;
                    Err(Problem { path, message, help })
                }
                _ => Ok(diagnostic),
            }
        };
        scenario::load(&file, &sets).map_err(|Diagnostics(found)| found.into_iter().map(place).collect())
    }
}

impl Method {
    /// Where what is set by this axis of the grid, and is wrong, is written.
    fn place(&self, axis: usize, cell: &Cell, wrong: &Diagnostic) -> String {
        let Axis { path, values, .. } = &self.grid[axis];
        if wrong.line == 1 && wrong.column <= path.chars().count() {
            return format!("grid[{axis}].path");
        }
        let setting = &cell.settings[axis];
        if setting.name != setting.value {
            return format!("grid[{axis}].values.{}", setting.name);
        }
        let value = values.iter().position(|choice| choice.value == setting.value);
        format!("grid[{axis}].values[{}]", value.unwrap_or_default())
    }
}

/// A run of one episode in one lane, to learn what is reported. None where it cannot begin.
fn briefly(loaded: &Loaded) -> Option<Run> {
    let mut scenario = again(&loaded.text).ok()?;
    (scenario.lanes, scenario.iterations, scenario.horizon) = (NonZeroU32::MIN, NonZeroU32::MIN, None);
    if let Some(evaluation) = &mut scenario.evaluation {
        (evaluation.lanes, evaluation.episodes) = (None, NonZeroU32::MIN);
    }
    Run::new(scenario, Means { threads: 1, device: None }).ok()
}

/// A scenario whose text has been found to be without mistakes.
fn again(text: &str) -> Result<Scenario, String> {
    let loaded = scenario::parse(text, "scenario.ron", Path::new(""), &[]);
    loaded.map(|loaded| loaded.scenario).map_err(|problems| problems.to_string())
}

impl Plan {
    /// Uses only the first `count` seeds.
    pub fn first_seeds(&mut self, count: usize) {
        self.seeds.truncate(count);
    }

    /// Numbers that are told of every run.
    pub(crate) fn columns(&self) -> usize {
        self.suite.columns.len()
    }

    /// The run that a cell is of.
    pub fn method(&self, cell: usize) -> &Method {
        &self.suite.runs[self.cells[cell].method]
    }

    /// What a cell is called.
    pub fn name(&self, cell: usize) -> String {
        self.method(cell).name.clone() + &self.cells[cell].in_words()
    }

    /// What a cell sets at a place, as text.
    pub fn setting(&self, cell: usize, path: &str) -> Option<&str> {
        let sets = self.method(cell).sets.iter().rev().filter_map(|set| set.split_once('='));
        let set = sets.filter(|(known, _)| *known == path).map(|(_, value)| value).next();
        self.cells[cell].value(path).or(set)
    }

    /// All axes of all runs, one of each path.
    pub fn axes(&self) -> Vec<&Axis> {
        let mut axes: Vec<&Axis> = Vec::new();
        for axis in self.suite.runs.iter().flat_map(|method| &method.grid) {
            if !axes.iter().any(|known| known.path == axis.path) {
                axes.push(axis);
            }
        }
        axes
    }

    /// Iterations of a run of a cell.
    pub fn iterations(&self, cell: usize) -> u32 {
        self.ready[cell].scenario.iterations.get()
    }

    /// Iterations of all runs with all seeds.
    pub fn work(&self) -> u64 {
        let once: u64 = (0..self.cells.len()).map(|cell| u64::from(self.iterations(cell))).sum();
        once * self.seeds.len() as u64
    }

    /// All that [`again`](Self::again) needs.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            suite: self.text.clone(),
            seeds: self.seeds.clone(),
            cells: self.cells.clone(),
            sets: self.sets.clone(),
            scenarios: self.ready.iter().map(|ready| ready.text.clone()).collect(),
        }
    }

    /// A plan that was kept; why not, where it is none.
    pub(crate) fn again(kept: Kept) -> Result<Plan, String> {
        let suite: Suite = scenario::options().from_str(&kept.suite).map_err(|error| error.to_string())?;
        let fits =
            kept.cells.len() == kept.scenarios.len() && kept.cells.iter().all(|cell| cell.method < suite.runs.len());
        if !fits {
            return Err("its cells are not those of its suite".to_owned());
        }
        let ready = |text: String| Ok(Ready::from(Loaded { scenario: again(&text)?, text }));
        let ready = kept.scenarios.into_iter().map(ready).collect::<Result<_, String>>()?;
        Ok(Plan { suite, seeds: kept.seeds, cells: kept.cells, sets: kept.sets, text: kept.suite, ready })
    }
}
