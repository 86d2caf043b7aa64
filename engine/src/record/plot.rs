//! Line and step plots as inline SVG. Written here and not with a plotting crate because colours have to be CSS
//! variables, so that one page reads well in light and in dark.

use crate::reference::Line;
use std::fmt::Write;

/// Series that the palette of the page tells apart.
pub(super) const COLOURS: usize = 8;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 42.0;
/// Points of a line; more are averaged.
pub(super) const POINTS: usize = 200;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    /// What the eye should follow.
    Strong,
    /// A part of what the eye follows.
    Thin,
    /// What is there for comparison.
    Faint,
    /// A histogram: flat pieces from each point to the next, filled.
    Steps,
    /// A limit that changes: dotted, as guides are.
    Dotted,
}

/// Where an axis has its ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Ticks {
    /// At whole numbers.
    #[default]
    Whole,
    /// At round ones.
    Round,
    /// So far apart.
    Every(f64),
    /// At 1, 2, 5, 10, …, the same way from each to its double.
    Logarithmic,
}

/// How far off a point may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whisker {
    pub(super) colour: usize,
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A line with its name.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Which of the palette's; ink where it is none of them.
    pub(super) colour: usize,
    pub(super) stroke: Stroke,
    /// In order of x; no value and no number both leave a hole.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A line that others are compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guide {
    pub(super) label: String,
    /// That of the series it belongs to; ink where it belongs to several.
    pub(super) colour: Option<usize>,
    pub(super) line: Line,
    /// A point of a line that is only a shape: the last one of its series.
    pub(super) through: (f64, f64),
}

impl Guide {
    fn level(&self) -> Option<f64> {
        if let Line::Level(value) = self.line { Some(value) } else { None }
    }

    fn at(&self, x: f64) -> f64 {
        match self.line {
            Line::Level(value) => value,
            Line::Slope(slope) => slope * x,
            Line::Root => self.through.1 * (x / self.through.0).sqrt(),
        }
    }

    /// Straight, or a curve drawn as short pieces; without what leaves the plot above or below.
    fn draw(&self, svg: &mut String, x: Axis, y: Axis) {
        const PIECES: usize = 100;
        let (mut path, mut pen) = (String::new(), 'M');
        for piece in 0..=PIECES {
            let place = x.low + (x.high - x.low) * piece as f64 / PIECES as f64;
            let value = self.at(place);
            if value < y.low || value > y.high {
                pen = 'M';
                continue;
            }
            let _ = write!(path, "{pen}{:.1} {:.1}", across(x, place), down(y, value));
            pen = 'L';
        }
        let _ = write!(svg, "<g class=\"guide{}\"><path d=\"{path}\"/></g>", self.class());
    }

    fn class(&self) -> String {
        self.colour.map_or(String::new(), |colour| format!(" c{colour}"))
    }
}

/// A plot with its axes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plot<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// Of the x axis.
    pub(super) ticks: Ticks,
    /// A value that the eye should find on the y axis; always within the plot.
    pub(super) mark: Option<f64>,
    pub(super) series: Vec<Series>,
    pub(super) guides: Vec<Guide>,
    pub(super) whiskers: Vec<Whisker>,
}

/// A range that ticks fit.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
    logarithmic: bool,
}

impl Axis {
    /// Around all finite values, from half a step below to half a step above. None where there is nothing.
    fn around(values: impl Iterator<Item = f64>, ticks: f64) -> Option<Axis> {
        let finite = values.filter(|value| value.is_finite());
        let (mut low, mut high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            // Nothing is more often counted from 0 than around it.
            let room = high.abs() * 0.1;
            (low, high) = if high == 0.0 { (0.0, 1.0) } else { (low - room, high + room) };
        }
        let step = round_step((high - low) / ticks);
        let half = step / 2.0;
        Some(Axis { low: (low / half).floor() * half, high: (high / half).ceil() * half, step, logarithmic: false })
    }

    /// From the least value to the greatest, if they differ.
    fn exactly(self, (low, high): (f64, f64)) -> Axis {
        if low < high { Axis { low, high, ..self } } else { self }
    }

    fn with(self, ticks: Ticks) -> Axis {
        match ticks {
            Ticks::Whole => Axis { step: self.step.max(1.0).round(), ..self },
            Ticks::Round => self,
            Ticks::Every(step) => Axis { step, ..self },
            Ticks::Logarithmic => Axis { logarithmic: self.low > 0.0, ..self },
        }
    }

    fn ticks(self) -> Vec<f64> {
        if self.logarithmic {
            let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let round = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|times| times * 10f64.powi(power)));
            return round.filter(|tick| (self.low..=self.high).contains(tick)).collect();
        }
        let first = (self.low / self.step - 1e-9).ceil();
        let count = ((self.high / self.step + 1e-9).floor() - first).clamp(0.0, 50.0) as usize;
        (0..=count).map(|index| (first + index as f64) * self.step).collect()
    }

    fn share(self, value: f64) -> f64 {
        if self.logarithmic {
            return (value / self.low).ln() / (self.high / self.low).ln();
        }
        (value - self.low) / (self.high - self.low)
    }
}

/// The nearest of 1, 2, 5, 10, … above.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let times = raw / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| times <= *round * (1.0 + 1e-9)).unwrap_or(10.0);
    round * power
}

/// A number as people write it: four digits that matter, thousands apart.
pub(super) fn number(value: f64) -> String {
    with_digits(value, 4)
}

/// A number with so many digits that matter, or all before its point.
pub(super) fn with_digits(value: f64, matter: i32) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{value:.*e}", (matter - 1).max(0) as usize).replace('-', "−");
    }
    let digits = (matter - 1 - size.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{size:.digits$}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = part.trim_end_matches('0');
    let sign = if value < 0.0 { "−" } else { "" };
    let dot = if part.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{part}", thousands(whole))
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A tick's label: no digits beyond those of the step.
fn tick(value: f64, step: f64) -> String {
    if value.abs() >= 1e6 || step < 1e-6 {
        return number(value);
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let text = format!("{:.digits$}", value.abs());
    let (whole, part) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let sign = if value < -step * 1e-6 { "−" } else { "" };
    let part = part.map_or(String::new(), |part| format!(".{part}"));
    format!("{sign}{}{part}", thousands(whole))
}

/// Text that stands for itself in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Means of runs of points, so that no line has more than [`POINTS`].
fn thin(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let run = points.len().div_ceil(POINTS).max(1);
    let mean = |points: &[(f64, Option<f64>)]| {
        let values: Vec<f64> = points.iter().filter_map(|(_, y)| *y).filter(|y| y.is_finite()).collect();
        let y = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        (points.last().map_or(0.0, |(x, _)| *x), y)
    };
    points.chunks(run).map(mean).collect()
}

impl Plot<'_> {
    /// The plot with its legend; none where there is nothing to draw.
    pub(super) fn html(&self) -> Option<String> {
        let series: Vec<Series> = self.series.iter().map(|series| series.thinned()).collect();
        let points = || series.iter().flat_map(|series| &series.points).filter_map(|(x, y)| Some((*x, (*y)?)));
        let xs = points().map(|(x, _)| x);
        let bounds = xs.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let steps = series.iter().any(|series| series.stroke == Stroke::Steps);
        let base = self.mark.or(steps.then_some(0.0));
        points().next()?;
        let x = Axis::around(xs, 5.0)?.exactly(bounds).with(self.ticks);
        let reach = self.whiskers.iter().flat_map(|whisker| [whisker.low, whisker.high]);
        let y = self.heights(points().map(|(_, y)| y).chain(base).chain(reach).collect(), x)?;
        let mut svg = String::new();
        let label = escape(&format!("{} over {}", self.y, self.x));
        // Writing to a string cannot fail, here and below.
        let _ = write!(svg, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
        self.axes(&mut svg, x, y);
        // Many areas over each other are mud: then outlines alone.
        let filled = if series.len() > 3 { "" } else { " class=\"filled\"" };
        self.guides.iter().for_each(|guide| guide.draw(&mut svg, x, y));
        let _ = write!(svg, "<g{filled}>");
        series.iter().for_each(|series| series.draw(&mut svg, x, y));
        svg.push_str("</g>");
        for Whisker { colour, x: at, low, high } in &self.whiskers {
            let (at, low, high) = (across(x, *at), down(y, *low), down(y, *high));
            let ends = format!("M{:.1} {low:.1}h6m-3 0V{high:.1}m-3 0h6", at - 3.0);
            let _ = write!(svg, "<path class=\"whisker c{colour}\" d=\"{ends}\"/>");
        }
        hits(&mut svg, &series, x, self.x);
        svg.push_str("</svg>");
        Some(format!("{svg}{}", legend(&series, &self.guides)))
    }

    /// The y axis: around what is drawn and all levels, and around other guides as far as the rest keeps a third of the
    /// height.
    fn heights(&self, mut values: Vec<f64>, x: Axis) -> Option<Axis> {
        values.extend(self.guides.iter().filter_map(Guide::level));
        let ends = |values: &[f64]| {
            let finite = values.iter().filter(|value| value.is_finite());
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
        };
        let (low, high) = ends(&values);
        let guides = self.guides.iter().flat_map(|guide| [guide.at(x.low), guide.at(x.high)]);
        let (least, most) = ends(&guides.collect::<Vec<_>>());
        let room = if low < high { 2.0 * (high - low) } else { f64::INFINITY };
        let (least, most) = (least.max(low - room), most.min(high + room));
        Axis::around(values.into_iter().chain([least.min(low), most.max(high)]), 5.0)
    }

    fn axes(&self, svg: &mut String, x: Axis, y: Axis) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for value in y.ticks() {
            let (at, label) = (down(y, value), tick(value, y.step));
            let marked = self.mark.is_some_and(|mark| (mark - value).abs() < y.step * 1e-6);
            let class = if marked { "mark" } else { "grid" };
            let _ = write!(svg, "<path class=\"{class}\" d=\"M{LEFT} {at:.1}H{right}\"/>");
            let _ = write!(svg, "<text class=\"y\" x=\"{}\" y=\"{:.1}\">{label}</text>", LEFT - 6.0, at + 3.5);
        }
        for value in x.ticks() {
            let step = if x.logarithmic { value.min(1.0) } else { x.step };
            let (at, label) = (across(x, value), tick(value, step));
            let _ = write!(svg, "<path class=\"grid\" d=\"M{at:.1} {bottom}v4\"/>");
            // A label of a tick at the right end would not fit under its middle.
            let class = if at > right - RIGHT { "y" } else { "x" };
            let at = if at > right - RIGHT { WIDTH } else { at };
            let _ = write!(svg, "<text class=\"{class}\" x=\"{at:.1}\" y=\"{}\">{label}</text>", bottom + 16.0);
        }
        let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let _ = write!(svg, "<text x=\"2\" y=\"12\">{}</text>", escape(self.y));
        let middle = (LEFT + right) / 2.0;
        let _ = write!(svg, "<text class=\"x\" x=\"{middle}\" y=\"{}\">{}</text>", HEIGHT - 4.0, escape(self.x));
    }
}

fn across(x: Axis, value: f64) -> f64 {
    LEFT + x.share(value) * (WIDTH - LEFT - RIGHT)
}

fn down(y: Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM)
}

impl Series {
    fn thinned(&self) -> Series {
        let real = |points: &[(f64, Option<f64>)]| -> Vec<(f64, Option<f64>)> {
            points.iter().map(|(x, y)| (*x, y.filter(|y| y.is_finite()))).collect()
        };
        let points = if self.stroke == Stroke::Steps { real(&self.points) } else { thin(&self.points) };
        Series { points, ..self.clone() }
    }

    fn draw(&self, svg: &mut String, x: Axis, y: Axis) {
        let (mut path, mut pen, mut alone) = (String::new(), 'M', Vec::new());
        if self.stroke == Stroke::Steps {
            path = self.outline(x, y);
        } else {
            for (index, (at, value)) in self.points.iter().enumerate() {
                let Some(value) = value else {
                    pen = 'M';
                    continue;
                };
                let (at, value) = (across(x, *at), down(y, *value));
                let _ = write!(path, "{pen}{at:.1} {value:.1}");
                let ends = self.points.get(index + 1).is_none_or(|(_, next)| next.is_none());
                if pen == 'M' && ends {
                    alone.push((at, value));
                }
                pen = 'L';
            }
        }
        let class = match self.stroke {
            Stroke::Strong => "strong",
            Stroke::Thin => "thin",
            Stroke::Faint => "faint",
            Stroke::Steps => "steps",
            Stroke::Dotted => "guide",
        };
        let _ = write!(svg, "<g class=\"{class} c{}\"><path d=\"{path}\"/>", self.colour);
        for (at, value) in alone {
            let _ = write!(svg, "<circle cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"3\"/>");
        }
        svg.push_str("</g>");
    }

    /// Up and down along the steps, back along the axis.
    fn outline(&self, x: Axis, y: Axis) -> String {
        let base = down(y, 0.0);
        let mut path = String::new();
        for (index, (at, value)) in self.points.iter().enumerate() {
            let at = across(x, *at);
            let _ = match index {
                0 => write!(path, "M{at:.1} {base:.1}"),
                _ => write!(path, "H{at:.1}"),
            };
            let _ = write!(path, "V{:.1}", value.map_or(base, |value| down(y, value)));
        }
        path + "Z"
    }
}

/// Bands that show the values of all series where a pointer or a finger is.
fn hits(svg: &mut String, series: &[Series], x: Axis, name: &str) {
    let steps = series.iter().any(|series| series.stroke == Stroke::Steps);
    let mut places: Vec<f64> = series.iter().flat_map(|series| &series.points).map(|(x, _)| *x).collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    let width = (WIDTH - LEFT - RIGHT) / places.len().max(1) as f64;
    for (index, &place) in places.iter().enumerate() {
        let mut text = match places.get(index + 1) {
            Some(next) if steps => format!("{} to {}", number(place), number(*next)),
            None if steps => break,
            _ => format!("{name} {}", number(place)),
        };
        for series in series {
            let point = series.points.binary_search_by(|(x, _)| x.total_cmp(&place));
            let name = !series.name.is_empty();
            if let Some(value) = point.ok().and_then(|at| series.points[at].1).filter(|_| name) {
                let _ = write!(text, "\n{}: {}", series.name, number(value));
            }
        }
        let at = across(x, place) - if steps { 0.0 } else { width / 2.0 };
        let width = match places.get(index + 1) {
            Some(next) if steps => across(x, *next) - at,
            _ => width,
        };
        let (height, text) = (HEIGHT - TOP - BOTTOM, escape(&text).replace('\n', "&#10;"));
        let place = format!("x=\"{at:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"");
        let _ = write!(svg, "<rect class=\"hit\" {place} data-tip=\"{text}\"/>");
    }
}

/// What is faint beside something strong of its colour goes without saying.
fn legend(series: &[Series], guides: &[Guide]) -> String {
    let strong = |colour: usize| series.iter().any(|other| other.colour == colour && other.stroke != Stroke::Faint);
    let mut html = String::from("<ul class=\"legend\">");
    let told = |series: &&Series| !series.name.is_empty() && (series.stroke != Stroke::Faint || !strong(series.colour));
    for series in series.iter().filter(told) {
        let class = match series.stroke {
            Stroke::Faint => "faint",
            Stroke::Thin => "thin",
            Stroke::Dotted => "guide",
            Stroke::Strong | Stroke::Steps => "strong",
        };
        let _ = write!(html, "<li class=\"{class} c{}\">{}</li>", series.colour, escape(&series.name));
    }
    for guide in guides {
        let _ = write!(html, "<li class=\"guide{}\">{}</li>", guide.class(), escape(&guide.label));
    }
    html + "</ul>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (value, text) in [
            (0.333431, "0.3334"),
            (3.183407, "3.183"),
            (-1234567.0, "−1,234,567"),
            (12.5, "12.5"),
            (0.0, "0"),
            (1.5e-7, "1.500e−7"),
            (f64::NAN, "–"),
            (999.96, "1,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        for (low, high) in [(0.0, 1.0), (-3.3, 17.0), (1e-7, 3e-7), (0.333, 0.334), (5.0, 5.0), (0.0, 0.0)] {
            let axis = Axis::around([low, high].into_iter(), 5.0).expect("two numbers make an axis");
            let ticks = axis.ticks();
            assert!((2..=8).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            assert!(axis.low <= low && high <= axis.high, "{low}..{high}: {axis:?}");
        }
        assert!(Axis::around([f64::NAN].into_iter(), 5.0).is_none());
    }

    #[test]
    fn a_line_breaks_at_holes() {
        let points = vec![(1.0, Some(1.0)), (2.0, Some(f64::NAN)), (3.0, Some(2.0)), (4.0, None), (5.0, Some(1.5))];
        let series = Series { name: "<A>".to_owned(), colour: 0, stroke: Stroke::Strong, points };
        let html = Plot { x: "iteration", y: "return", series: vec![series], ..Plot::default() }.html();
        let html = html.expect("three points can be drawn");
        assert_eq!(html.matches("<circle").count(), 3);
        assert!(html.contains("&lt;A&gt;") && !html.contains("<A>") && !html.contains("NaN"));
    }

    #[test]
    fn guides_are_drawn_and_leave_room_for_the_rest() {
        let points = (1..=10).map(|x| (f64::from(x), Some(f64::from(x)))).collect();
        let series = vec![Series { name: "regret".to_owned(), colour: 0, stroke: Stroke::Strong, points }];
        let guide = |label: &str, line| Guide { label: label.to_owned(), colour: None, line, through: (10.0, 10.0) };
        let guides = vec![guide("far", Line::Slope(1e6)), guide("near", Line::Root), guide("low", Line::Level(0.0))];
        let plot = Plot { x: "iteration", y: "regret", series, guides, ..Plot::default() };
        let axis = plot
            .heights((1..=10).map(f64::from).collect(), Axis { low: 1.0, high: 10.0, step: 2.0, logarithmic: false });
        let axis = axis.expect("there are numbers");
        assert!(axis.low <= 0.0 && (28.0..35.0).contains(&axis.high), "{axis:?}");
        assert!((plot.guides[1].at(2.5) - 5.0).abs() < 1e-12, "half as much after a quarter of the time");
        let html = plot.html().expect("ten points can be drawn");
        assert_eq!(html.matches("<g class=\"guide").count(), 3);
        assert_eq!(html.matches("<li class=\"guide").count(), 3);
        // A line that leaves the plot at once has no path.
        assert_eq!(html.matches("<g class=\"guide\"><path d=\"\"/>").count(), 1);
    }
}
