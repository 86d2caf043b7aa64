//! A suite as a page of plots: every column over one value that its runs set, a line for each of the others.

use super::plot::{COLOURS, Plot, Series, Stroke, Ticks, Whisker, number};
use super::report::{Figure, templates};
use crate::suite::{Outcome, Plan, Spread, Trial};
use minijinja::value::Serde;
use serde::Serialize;

/// What the template fills in.
#[derive(Serialize)]
struct Page {
    about: String,
    note: String,
    plots: Vec<Figure>,
}

/// A run of the suite at one point, as it is drawn.
struct Point {
    line: String,
    x: f64,
    cell: usize,
}

/// The page of a suite; without a line where the suite does not say over what to draw.
pub fn comparison(plan: &Plan, trials: &[Trial]) -> Result<String, minijinja::Error> {
    let mut points: Vec<Point> = (0..plan.cells.len())
        .filter_map(|cell| {
            let text = plan.setting(cell, &plan.suite.plot.as_ref()?.over)?;
            Some(Point { line: without(&plan.name(cell), text), x: text.parse().ok()?, cell })
        })
        .collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut lines: Vec<&str> = Vec::new();
    for cell in 0..plan.cells.len() {
        if let Some(point) = points.iter().find(|point| point.cell == cell)
            && !lines.contains(&point.line.as_str())
        {
            lines.push(&point.line);
        }
    }
    let all = lines.len();
    lines.truncate(COLOURS);
    let few = if all > COLOURS { format!(" {COLOURS} of {all} lines.") } else { String::new() };
    let seeds = number(plan.seeds.len() as f64);
    let note = format!("Means over {seeds} seeds with 95 % confidence intervals; dotted: published, or known.{few}");
    let plots = (0..plan.suite.columns.len()).map(|column| figure(plan, trials, column, &points, &lines)).collect();
    let page = Page { about: plan.suite.about.clone(), note, plots };
    templates()?.get_template("comparison.html")?.render(Serde(page))
}

/// A name without the last part that says `… = text`.
fn without(name: &str, text: &str) -> String {
    let mut parts: Vec<&str> = name.split(", ").collect();
    if let Some(at) = parts.iter().rposition(|part| part.rsplit_once(" = ").is_some_and(|(_, value)| value == text)) {
        parts.remove(at);
    }
    parts.join(", ")
}

fn figure(plan: &Plan, trials: &[Trial], column: usize, points: &[Point], lines: &[&str]) -> Figure {
    let (mut series, mut whiskers) = (Vec::new(), Vec::new());
    for (colour, line) in lines.iter().enumerate() {
        let of_line = || points.iter().filter(|point| point.line == **line);
        let known = of_line().filter_map(|point| {
            let text = plan.method(point.cell).published.get(column)?;
            Some((point.x, Some(text.parse().ok()?)))
        });
        let known: Vec<(f64, Option<f64>)> = known.collect();
        if !known.is_empty() {
            // The note says what is dotted.
            series.push(Series { name: String::new(), colour, stroke: Stroke::Dotted, points: known });
        }
        let mut means = Vec::new();
        for point in of_line() {
            let Some(Spread { mean, confidence, .. }) = Spread::of(&values(trials, point.cell, column)) else {
                continue;
            };
            means.push((point.x, Some(mean)));
            let reach = confidence.unwrap_or(0.0);
            whiskers.push(Whisker { colour, x: point.x, low: mean - reach, high: mean + reach });
        }
        series.push(Series { name: (*line).to_owned(), colour, stroke: Stroke::Strong, points: means });
    }
    let (title, over) = (plan.suite.columns[column].title(), plan.suite.plot.as_ref());
    let ticks = if over.is_some_and(|over| over.logarithmic) { Ticks::Logarithmic } else { Ticks::Round };
    let x = over.map_or("", |over| over.title());
    let plot = Plot { x, y: title, ticks, series, whiskers, ..Plot::default() };
    Figure { title: title.to_owned(), html: plot.html(), nothing: "No run has come to an end.", note: String::new() }
}

/// What runs of a cell came to in a column.
fn values(trials: &[Trial], cell: usize, column: usize) -> Vec<f64> {
    let value = |trial: &Trial| match &trial.outcome {
        Outcome::Done(values) => values[column],
        Outcome::Failed(_) | Outcome::Stopped => None,
    };
    trials.iter().filter(|trial| trial.cell == cell).filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_line_is_what_is_left_of_a_name() {
        assert_eq!(without("M = 5, p = 5", "5"), "M = 5");
        assert_eq!(without("plain, beta = 0.1, p = 2", "0.1"), "plain, p = 2");
        assert_eq!(without("plain", "2"), "plain");
    }
}
