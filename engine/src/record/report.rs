//! `report.html`: one page that needs nothing but itself, made from the other files of a folder.

use super::folder;
use super::lanes::{Lanes, Phase};
use super::manifest::Manifest;
use super::past::{Past, open};
use super::plot::{COLOURS, Guide, POINTS, Plot, Series, Stroke, Ticks, number, with_digits};
use super::{RecordError, disk, tables};
use crate::figure::{self, Kind};
use crate::reference::{Line, Reference};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Pages, and what they have in common. Their names make minijinja escape what it fills in.
const TEMPLATES: [(&str, &str); 4] = [
    ("report.html", include_str!("report.html")),
    ("comparison.html", include_str!("comparison.html")),
    ("style.html", include_str!("style.html")),
    ("tip.html", include_str!("tip.html")),
];

pub(super) fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    TEMPLATES.into_iter().try_for_each(|(name, text)| templates.add_template(name, text))?;
    Ok(templates)
}

/// Groups beyond which training is not drawn beside evaluations, and tasks beyond which each has no plot of its own.
const CROWD: usize = 4;

/// Writes `report.html` from the other files of a folder, whether the run is done or not, and says where it is.
pub fn report(path: impl AsRef<Path>) -> Result<PathBuf, RecordError> {
    let past = open(path)?;
    let lanes = tables::last(&past.path, &past.path.join(folder::UTILITIES))?;
    let html = page(&past, lanes.as_ref());
    let file = past.path.join("report.html");
    let html = html.map_err(|error| RecordError::unreadable(&file, format!("its template fails: {error}")))?;
    disk::write_bytes(&file, html.as_bytes())?;
    Ok(file)
}

fn page(past: &Past, lanes: Option<&Lanes>) -> Result<String, minijinja::Error> {
    let shown = Shown::choose(past, lanes);
    let mut plots = vec![returns(past, &shown, None)];
    let tasks = past.manifest.tasks.iter().filter(|_| (2..=CROWD).contains(&past.manifest.tasks.len()));
    plots.extend(tasks.map(|task| returns(past, &shown, Some(task))));
    plots.push(gaps(past));
    plots.extend(compared(past).into_iter().map(|metric| comparison(past, metric)));
    plots.extend(overruns(past));
    plots.push(distribution(past, lanes, &shown));
    templates()?.get_template("report.html")?.render(Serde(Page {
        manifest: &past.manifest,
        state: state(past),
        numbers: numbers(past),
        drawn: past.drawn.figures.iter().map(drawn).collect(),
        plots,
        table: table(past, lanes),
        all: all(past),
        facts: facts(past),
    }))
}

/// What the template fills in.
#[derive(Serialize)]
struct Page<'a> {
    manifest: &'a Manifest,
    state: String,
    numbers: Vec<Fact>,
    /// What the environment drew.
    drawn: Vec<Figure>,
    plots: Vec<Figure>,
    table: Table,
    all: Vec<Fact>,
    facts: Vec<Fact>,
}

/// A plot and the words around it.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) html: Option<String>,
    /// What to say where there is nothing to draw.
    pub(super) nothing: &'static str,
    pub(super) note: String,
}

/// A value with its name.
#[derive(Serialize)]
struct Fact {
    name: String,
    value: String,
    meaning: &'static str,
}

/// The groups that are drawn, as many as colours tell apart.
struct Shown {
    groups: Vec<usize>,
    note: String,
}

impl Shown {
    /// All groups, or those that earned least and most where they are many.
    fn choose(past: &Past, lanes: Option<&Lanes>) -> Shown {
        let count = past.manifest.groups.len();
        if count <= COLOURS {
            return Shown { groups: (0..count).collect(), note: String::new() };
        }
        let means: Vec<f64> = match lanes {
            Some(lanes) => lanes.groups(&past.manifest).iter().map(|(_, group)| group.return_mean).collect(),
            None => vec![0.0; count],
        };
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
        let half = COLOURS / 2;
        let mut groups: Vec<usize> = order.iter().take(half).chain(order.iter().rev().take(half)).copied().collect();
        groups.sort_unstable();
        let note = format!("{COLOURS} of {count} groups: the {half} that earn least and the {half} that earn most. ");
        Shown { groups, note }
    }
}

/// The points of a column, if any row has a value there.
fn points(past: &Past, name: &str) -> Option<Vec<(f64, Option<f64>)>> {
    let values = past.column(name)?;
    let all = past.rows.iter().zip(values).map(|(row, value)| (row.iteration as f64, value));
    Some(all.collect())
}

/// The returns that a run is judged by.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Evaluation,
    Exact,
    Training,
}

impl Source {
    /// Evaluations where there are any, else what follows from the model, else what rollouts sampled.
    fn of(past: &Past) -> Source {
        let has = |name: &str| past.columns.iter().any(|column| column == name);
        match (has("evaluation.gap"), has("exact.gap")) {
            (true, _) => Source::Evaluation,
            (false, true) => Source::Exact,
            (false, false) => Source::Training,
        }
    }

    /// What its columns begin with.
    fn prefix(self) -> &'static str {
        match self {
            Source::Evaluation => "evaluation.",
            Source::Exact => "exact.",
            Source::Training => "",
        }
    }
}

/// The points of a column by the source of a run, without the iterations between evaluations.
fn judged(past: &Past, name: &str) -> Option<Vec<(f64, Option<f64>)>> {
    let source = Source::of(past);
    let mut points = points(past, &format!("{}{name}", source.prefix()))?;
    if source != Source::Training {
        points.retain(|(_, value)| value.is_some());
    }
    Some(points)
}

/// A column as the run is judged, and fainter as it was in training; the latter not where it is the same or where the
/// lines would be too many.
fn both(past: &Past, column: &str, name: &str, colour: usize) -> Vec<Series> {
    let series = |name: String, stroke, points| Series { name, colour, stroke, points };
    let training = points(past, column);
    let Some(judged) = judged(past, column) else {
        return training.map(|points| series(name.to_owned(), Stroke::Strong, points)).into_iter().collect();
    };
    let faint = training.filter(|points| past.manifest.groups.len() <= CROWD && !same(points, &judged));
    let faint = faint.map(|points| series(format!("{name}, training"), Stroke::Faint, points));
    faint.into_iter().chain([series(name.to_owned(), Stroke::Strong, judged)]).collect()
}

/// Whether two lines could not be told apart but for rounding.
fn same(a: &[(f64, Option<f64>)], b: &[(f64, Option<f64>)]) -> bool {
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    let equal = |y: Option<f64>, value: Option<f64>| y.zip(value).map_or(y == value, |(y, value)| close(y, value));
    a.len() == b.len() && a.iter().zip(b).all(|((x, y), (at, value))| x == at && equal(*y, *value))
}

/// The reference lines of a metric that is drawn as `series`.
fn guides(past: &Past, metric: &str, colour: usize, series: &[Series]) -> Vec<Guide> {
    let points = series.iter().filter(|series| series.colour == colour).flat_map(|series| &series.points);
    let through = points.filter_map(|(x, y)| Some((*x, (*y)?))).next_back().unwrap_or((1.0, 0.0));
    let guide = |reference: &Reference| {
        let label = match reference.line {
            Line::Level(value) => format!("{}: {}", reference.label, number(value)),
            Line::Slope(_) | Line::Root => reference.label.clone(),
        };
        Guide { label, colour: Some(colour), line: reference.line, through }
    };
    past.manifest.references.iter().filter(|reference| reference.metric == metric).map(guide).collect()
}

/// Guides of several series, each only once: one that stands for more than one series has none of their colours.
fn shared(guides: Vec<Guide>) -> Vec<Guide> {
    let mut shared: Vec<Guide> = Vec::new();
    for guide in guides {
        match shared.iter_mut().find(|known| known.label == guide.label && known.line == guide.line) {
            Some(known) => known.colour = None,
            None => shared.push(guide),
        }
    }
    shared
}

/// What a person has to know to read the lines.
fn reading(past: &Past, series: &[Series]) -> String {
    let dashed = series.iter().any(|series| series.stroke == Stroke::Faint);
    let phases = match (Source::of(past), dashed) {
        (Source::Evaluation, true) => "Evaluations; dashed in the same colour: training. ",
        (Source::Evaluation, false) => "Evaluations. ",
        (Source::Exact, true) => "Exact, from the model; dashed in the same colour: what rollouts sampled. ",
        (Source::Exact, false) => "Exact, from the model. ",
        (Source::Training, _) => "",
    };
    format!("{phases}{}", averaged(past))
}

fn averaged(past: &Past) -> &'static str {
    if past.rows.len() > POINTS { "Each point is the mean of several iterations. " } else { "" }
}

const NO_EPISODE: &str = "No episode has ended yet.";

/// What groups earn in a task, or in all of them.
fn returns(past: &Past, shown: &Shown, task: Option<&String>) -> Figure {
    let (mut series, mut lines) = (Vec::new(), Vec::new());
    for (colour, &group) in shown.groups.iter().enumerate() {
        let name = &past.manifest.groups[group].name;
        let metric = match task {
            Some(task) => format!("groups.{name}.tasks.{task}.return_mean"),
            None => format!("groups.{name}.return_mean"),
        };
        series.extend(both(past, &metric, name, colour));
        lines.extend(guides(past, &metric, colour, &series));
    }
    let several = task.is_none() && past.manifest.tasks.len() > 1;
    let y = if several { "return per episode, all tasks" } else { "return per episode" };
    let note = format!("{}{}", shown.note, reading(past, &series));
    let plot = Plot { x: "iteration", y, series, guides: shared(lines), ..Plot::default() };
    let title = task.map_or("What groups earn".to_owned(), |task| format!("What groups earn in {task}"));
    Figure { title, html: plot.html(), nothing: NO_EPISODE, note }
}

/// The metrics that are drawn because they have reference lines, in the order in which these were named.
fn compared(past: &Past) -> Vec<&str> {
    let mut metrics: Vec<&str> = Vec::new();
    for reference in &past.manifest.references {
        let drawn_elsewhere = reference.metric.starts_with("gap") || reference.metric.starts_with("groups.");
        if !drawn_elsewhere && !metrics.contains(&reference.metric.as_str()) {
            metrics.push(&reference.metric);
        }
    }
    metrics
}

/// A metric beside its reference lines.
fn comparison(past: &Past, metric: &str) -> Figure {
    let name = in_words(metric);
    let points = points(past, metric).unwrap_or_default();
    let series = vec![Series { name: name.clone(), colour: 0, stroke: Stroke::Strong, points }];
    let mut guides = guides(past, metric, 0, &series);
    // Told from the one series by colour.
    guides.iter_mut().enumerate().for_each(|(index, guide)| guide.colour = Some(1 + index % (COLOURS - 1)));
    let plot = Plot { x: "iteration", y: &name, mark: Some(0.0), series, guides, ..Plot::default() };
    let note = format!("Column {metric} of metrics.csv. {}", averaged(past));
    let mut title = name.clone();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Figure { title, html: plot.html(), nothing: "The run has not reported it yet.", note }
}

/// The name of a column as people write it.
fn in_words(metric: &str) -> String {
    metric.replace("pi0", "π⁰").replace(['_', '.'], " ")
}

fn gaps(past: &Past) -> Figure {
    let mut series = both(past, "gap", "largest gap", 0);
    let mut lines = guides(past, "gap", 0, &series);
    let tasks = &past.manifest.tasks;
    for (index, task) in tasks.iter().enumerate().filter(|_| tasks.len() < COLOURS) {
        let metric = format!("gap_task_{}", index + 1);
        // With one task its gap is the largest.
        let colour = if tasks.len() > 1 { index + 1 } else { 0 };
        if colour > 0
            && let Some(mut points) = judged(past, &metric)
        {
            points.retain(|(_, value)| value.is_some());
            series.push(Series { name: format!("in {task}"), colour, stroke: Stroke::Thin, points });
        }
        lines.extend(guides(past, &metric, colour, &series));
    }
    let y = "difference in return per episode";
    let note = format!("The largest difference between two groups in a task; 0 is parity. {}", reading(past, &series));
    let plot = Plot { x: "iteration", y, mark: Some(0.0), series, guides: shared(lines), ..Plot::default() };
    Figure { title: "Gap between groups".to_owned(), html: plot.html(), nothing: NO_EPISODE, note }
}

/// A figure of the environment's own.
fn drawn(figure: &figure::Figure) -> Figure {
    let mut colours = 0..;
    let series = figure.curves.iter().map(|curve| {
        let stroke = match curve.kind {
            Kind::Line => Stroke::Strong,
            Kind::Limit => Stroke::Dotted,
            Kind::Steps => Stroke::Steps,
        };
        let colour = if curve.kind == Kind::Limit { COLOURS } else { colours.next().unwrap_or(0) % COLOURS };
        let mut points: Vec<(f64, Option<f64>)> = curve.points.iter().map(|(x, y)| (*x, Some(*y))).collect();
        // There the last piece ends: it goes down to the axis.
        if let (Stroke::Steps, Some(last)) = (stroke, points.last_mut()) {
            last.1 = None;
        }
        Series { name: curve.name.clone(), colour, stroke, points }
    });
    let plot = Plot {
        x: &figure.x,
        y: &figure.y,
        ticks: figure.ticks.map_or(Ticks::Round, Ticks::Every),
        mark: Some(0.0),
        series: series.collect(),
        ..Plot::default()
    };
    Figure {
        title: figure.title.clone(),
        html: plot.html(),
        nothing: "There was nothing to draw in this episode.",
        note: figure.note.clone(),
    }
}

/// By how much constraints are exceeded; none where there are none.
fn overruns(past: &Past) -> Option<Figure> {
    let rows: Vec<&String> = past.columns.iter().filter(|name| name.starts_with("overrun.")).collect();
    let last = |name: &str| past.column(name).and_then(|values| values.into_iter().rev().flatten().next());
    let mut worst = rows.clone();
    worst.sort_by(|a, b| last(b).unwrap_or(f64::NAN).total_cmp(&last(a).unwrap_or(f64::NAN)));
    worst.truncate(COLOURS);
    let series = worst.iter().enumerate().filter_map(|(colour, column)| {
        let name = column.trim_start_matches("overrun.").to_owned();
        Some(Series { name, colour, stroke: Stroke::Strong, points: points(past, column)? })
    });
    let series = series.collect();
    let plot = Plot { x: "iteration", y: "signal − limit", mark: Some(0.0), series, ..Plot::default() };
    let many = format!("The worst {COLOURS} of {} rows. ", rows.len());
    let many = if rows.len() > COLOURS { many } else { String::new() };
    let note = format!("{many}At or below 0 a constraint holds. {}", averaged(past));
    let title = "Constraint overrun".to_owned();
    (!rows.is_empty()).then(|| Figure { title, html: plot.html(), nothing: NO_EPISODE, note })
}

/// How the returns of a group are spread over lanes.
fn distribution(past: &Past, lanes: Option<&Lanes>, shown: &Shown) -> Figure {
    let title = "Spread over lanes".to_owned();
    let nothing = "Nothing was kept yet: lanes are kept where there is an evaluation, and at the end.";
    let Some(lanes) = lanes else { return Figure { title, html: None, nothing, note: String::new() } };
    let (cells, tasks) = (past.manifest.cells(), past.manifest.tasks.len());
    let totals = |group: usize| -> Vec<f64> {
        let of_lane = |lane: &[f64]| lane[group * tasks..][..tasks].iter().sum();
        lanes.utilities.chunks_exact(cells).map(of_lane).filter(|total: &f64| total.is_finite()).collect()
    };
    let groups: Vec<(usize, Vec<f64>)> = shown.groups.iter().map(|&group| (group, totals(group))).collect();
    let bins = Bins::over(groups.iter().flat_map(|(_, totals)| totals), lanes.utilities.len() / cells);
    let series = groups.iter().enumerate().map(|(colour, (group, totals))| {
        let name = past.manifest.groups[*group].name.clone();
        Series { name, colour, stroke: Stroke::Steps, points: bins.shares(totals) }
    });
    let series = series.collect();
    let (x, y) = ("return per episode", "share of lanes, %");
    let plot = Plot { x, y, ticks: Ticks::Round, series, ..Plot::default() };
    let note = format!("{}{}.", shown.note, kept(lanes));
    Figure { title, html: plot.html(), nothing: "There is no number among the returns.", note }
}

fn kept(lanes: &Lanes) -> String {
    let phase = match lanes.phase {
        Phase::Training => "Rollout",
        Phase::Evaluation => "Evaluation",
    };
    format!("{phase} of iteration {}", number(lanes.iteration as f64))
}

/// Equal intervals over some values.
struct Bins {
    low: f64,
    width: f64,
    count: usize,
}

impl Bins {
    /// As many as make a shape of `lanes` values.
    fn over<'a>(values: impl Iterator<Item = &'a f64>, lanes: usize) -> Bins {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
        if low >= high {
            let width = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            return Bins { low: low - width / 2.0, width, count: 1 };
        }
        let count = ((lanes as f64).sqrt() as usize).clamp(8, 40);
        Bins { low, width: (high - low) / count as f64, count }
    }

    /// The share of values in each, at its left edge, and nothing at the right edge of the last; no empty ends.
    fn shares(&self, values: &[f64]) -> Vec<(f64, Option<f64>)> {
        let mut counts = vec![0u64; self.count + 1];
        for value in values {
            counts[(((value - self.low) / self.width) as usize).min(self.count - 1)] += 1;
        }
        let share = |count: u64| 100.0 * count as f64 / values.len() as f64;
        let filled = |(_, count): &(usize, u64)| *count > 0;
        let edges: Vec<(usize, u64)> = counts.into_iter().enumerate().skip_while(|edge| !filled(edge)).collect();
        let end = edges.iter().rposition(filled).map_or(0, |last| last + 2);
        edges
            .into_iter()
            .take(end)
            .map(|(index, count)| (self.low + index as f64 * self.width, Some(share(count))))
            .collect()
    }
}

/// Whether the run is done, in words.
fn state(past: &Past) -> String {
    let (made, all) = (past.rows.len() as u64, past.manifest.iterations);
    let agents = u64::from(past.manifest.lanes) * u64::from(past.manifest.agents);
    let steps = past.rows.last().map_or(0, |row| row.steps) * agents;
    let (made_of, steps) = (number(made as f64), number(steps as f64));
    match past.rows.len() as u64 == all {
        true if made == 1 => format!("1 iteration, {steps} steps of agents."),
        true => format!("{made_of} iterations, {steps} steps of agents."),
        false => format!("Not done: {made_of} of {} iterations, {steps} steps of agents.", number(all as f64)),
    }
}

/// The last numbers that the environment names, by which the run is judged, and that are compared with something.
fn numbers(past: &Past) -> Vec<Fact> {
    let prefix = Source::of(past).prefix();
    let last = |name: &str| past.column(name)?.into_iter().rev().flatten().next();
    let judged = |name: &str| last(&format!("{prefix}{name}"));
    let fact = |name: &str, value: f64, meaning| Fact { name: name.to_owned(), value: number(value), meaning };
    let own = past.drawn.metrics.iter();
    let own = own.filter_map(|name| Some(fact(&in_words(name), judged(name).or_else(|| last(name))?, "")));
    let wanted = [
        ("return_mean", "mean return", "Return per episode, mean over groups"),
        ("return_min", "worst-off group", "Return per episode of the group that earns least"),
        ("gap", "gap", "Largest difference between two groups in a task; 0 is parity"),
        ("jain", "Jain index", "1 where all groups earn the same, 1 over their number where one has all"),
        ("gini", "Gini index", "0 where all groups earn the same"),
    ];
    let told = |name: &&str| past.drawn.metrics.iter().any(|own| own == name);
    let wanted = wanted.into_iter().filter(|(column, _, _)| !told(column));
    let wanted = wanted.filter_map(|(column, name, meaning)| Some(fact(name, judged(column)?, meaning)));
    let compared = compared(past).into_iter().filter(|metric| !told(metric));
    let compared = compared.filter_map(|metric| Some(fact(&in_words(metric), last(metric)?, "")));
    own.chain(wanted).chain(compared).collect()
}

/// The last value of every metric: what the environment measures and the optimiser tells, under the names of the records.
fn all(past: &Past) -> Vec<Fact> {
    let last = |at: usize| past.rows.iter().rev().find_map(|row| row.values[at]);
    let fact = |(at, name): (usize, &String)| Some(Fact { name: name.clone(), value: number(last(at)?), meaning: "" });
    past.columns.iter().enumerate().filter_map(fact).collect()
}

#[derive(Serialize)]
struct Table {
    /// Named only where there are several.
    tasks: Vec<String>,
    rows: Vec<TableRow>,
    note: String,
}

#[derive(Serialize)]
struct TableRow {
    name: String,
    agents: u32,
    cells: Vec<Estimate>,
}

#[derive(Serialize)]
struct Estimate {
    mean: String,
    error: String,
}

fn table(past: &Past, lanes: Option<&Lanes>) -> Table {
    let several = past.manifest.tasks.len() > 1;
    let tasks = if several { past.manifest.tasks.clone() } else { Vec::new() };
    let Some(lanes) = lanes else { return Table { tasks, rows: Vec::new(), note: String::new() } };
    let estimate = |mean, error| Estimate { mean: number(mean), error: with_digits(error, 2) };
    let groups = lanes.groups(&past.manifest).into_iter();
    let rows = groups.map(|(name, group)| {
        let of_tasks = group.tasks.0.iter().filter(|_| several);
        let of_tasks = of_tasks.map(|(_, task)| estimate(task.return_mean, task.standard_error));
        let cells = std::iter::once(estimate(group.return_mean, group.standard_error)).chain(of_tasks).collect();
        TableRow { name, agents: group.agents, cells }
    });
    let note = format!("{}: mean return per episode ± its standard error over lanes.", kept(lanes));
    Table { tasks, rows: rows.collect(), note }
}

fn facts(past: &Past) -> Vec<Fact> {
    let manifest = &past.manifest;
    let adapter = manifest.adapter.as_ref().map_or(String::new(), |adapter| format!(", {adapter}"));
    let mut facts = vec![
        ("seed", manifest.seed.to_string()),
        ("lanes", number(f64::from(manifest.lanes))),
        ("agents per lane", number(f64::from(manifest.agents))),
        ("device", format!("{}{adapter}", manifest.device)),
        ("isonomy", manifest.isonomy.clone()),
        ("scenario hash", manifest.hash.clone()),
    ];
    if !manifest.command.is_empty() {
        facts.push(("command", manifest.command.join(" ")));
    }
    if let Some(row) = past.rows.last() {
        facts.push(("last state hash", format!("{:016x}", row.state_hash)));
    }
    facts.into_iter().map(|(name, value)| Fact { name: name.to_owned(), value, meaning: "" }).collect()
}
