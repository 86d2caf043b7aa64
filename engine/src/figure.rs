//! Figures: what an environment draws of one episode, for reports.
//!
//! After its last iteration a run plays one more episode in one lane, with the policy as it is then and the noise of
//! evaluations. The environment notes numbers in every step ([`LaneDynamics::trace`](crate::lanes::LaneDynamics::trace)) and
//! makes figures of them when the episode ends. They stand in `figures.json` of the run's folder and in its report.

use serde::{Deserialize, Serialize};

/// What a report shows of an episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Metrics of the run that belong beside the figures, by their names in `metrics.csv`.
    pub metrics: Vec<String>,
    /// The figures, the most telling first.
    pub figures: Vec<Figure>,
}

/// Curves over one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// What has to be known to read it.
    pub note: String,
    /// Name of the axis that points to the right, with its unit.
    pub x: String,
    /// Name of the axis that points up, with its unit. It begins at 0, or below where curves do.
    pub y: String,
    /// Distance of the ticks of `x`; a round one where none is given.
    pub ticks: Option<f64>,
    /// What is drawn.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// How it is drawn.
    pub kind: Kind,
    /// In order of x.
    pub points: Vec<(f64, f64)>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// What the eye should follow.
    Line,
    /// What others are compared with: a limit, a forecast, equality.
    Limit,
    /// Flat pieces from each point to the next, filled; the last point only says where the last piece ends.
    Steps,
}

impl Curve {
    /// A curve through numbers that stand at `from`, `from + by`, `from + 2 by`, …
    pub fn even(name: impl Into<String>, kind: Kind, from: f64, by: f64, numbers: impl Iterator<Item = f64>) -> Curve {
        let points = numbers.enumerate().map(|(index, number)| (from + index as f64 * by, number)).collect();
        Curve { name: name.into(), kind, points }
    }
}

impl Figure {
    /// Shares of each, from the one with the least up. `what` is the name of the axis: "served share".
    pub fn sorted(title: &str, who: &str, what: &str, shares: &[f64]) -> Figure {
        let sorted = ascending(shares);
        let last = sorted.last().copied().into_iter();
        let steps = Curve::even(what, Kind::Steps, 0.0, 1.0, sorted.iter().copied().chain(last));
        let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        let ends = vec![(0.0, mean), (shares.len() as f64, mean)];
        let mean = Curve { name: "mean".to_owned(), kind: Kind::Limit, points: ends };
        Figure {
            title: title.to_owned(),
            note: String::new(),
            x: format!("{who}, from the one with the least up"),
            y: what.to_owned(),
            ticks: None,
            curves: if shares.is_empty() { Vec::new() } else { vec![steps, mean] },
        }
    }

    /// The Lorenz curve: the part of all `shares` that those with the least have together (Lorenz 1905). Twice the area
    /// between it and the diagonal is the Gini index.
    pub fn lorenz(title: &str, who: &str, what: &str, shares: &[f64]) -> Figure {
        let (count, sum) = (shares.len() as f64, shares.iter().sum::<f64>());
        let mut held = 0.0;
        let grown = ascending(shares).into_iter().map(|share| {
            held += share;
            if sum > 0.0 { held / sum } else { 0.0 }
        });
        let curve = Curve::even(what, Kind::Line, 0.0, 1.0 / count, std::iter::once(0.0).chain(grown));
        let equal = Curve { name: "equality".to_owned(), kind: Kind::Limit, points: vec![(0.0, 0.0), (1.0, 1.0)] };
        Figure {
            title: title.to_owned(),
            note: "Twice the area between the curve and the dotted line is the Gini index.".to_owned(),
            x: format!("part of the {who}, from those with the least up"),
            y: format!("part of all {what}s"),
            ticks: None,
            curves: if sum > 0.0 { vec![curve, equal] } else { Vec::new() },
        }
    }
}

fn ascending(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_below_a_lorenz_curve_is_half_of_what_gini_leaves() {
        let shares = [0.4, 0.1, 0.9, 0.0, 0.6];
        let figure = Figure::lorenz("", "cars", "share", &shares);
        let points = &figure.curves[0].points;
        assert_eq!((points.len(), points[0], points[5].0), (6, (0.0, 0.0), 1.0));
        let area: f64 = points.windows(2).map(|ends| 0.5 * (ends[0].1 + ends[1].1) * (ends[1].0 - ends[0].0)).sum();
        assert!((1.0 - 2.0 * area - crate::metrics::gini(&shares)).abs() < 1e-12);
        assert!(Figure::lorenz("", "cars", "share", &[0.0, 0.0]).curves.is_empty());
    }

    #[test]
    fn sorted_shares_are_one_piece_each() {
        let figure = Figure::sorted("", "cars", "share", &[0.5, 0.25]);
        assert_eq!(figure.curves[0].points, [(0.0, 0.25), (1.0, 0.5), (2.0, 0.5)]);
        assert_eq!(figure.curves[1].points, [(0.0, 0.375), (2.0, 0.375)]);
        assert!(Figure::sorted("", "cars", "share", &[]).curves.is_empty());
    }
}
