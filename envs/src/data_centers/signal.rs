//! Where a public signal comes from.

use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// The numbers that are predicted, hour by hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Signal {
    /// So many truths, evenly spread over [0, 1], and nothing known beforehand: `history` must be 0. All of them are
    /// for training and for judging.
    Even(NonZeroU32),
    /// These numbers.
    Values(Vec<Finite>),
    /// So many hours of a made-up grid: see [`synthetic`].
    Synthetic(NonZeroU32),
    /// A table of the hours of a year with a column of energy by fuel (`COL`, `NG`, `NUC`, `OIL`, `OTH`, `SUN`, `WAT`,
    /// `WND`): its mean carbon intensity, scaled to [0, 10].
    FuelMix(String),
}

impl Signal {
    /// Reads the file, if there is one.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        if let Signal::FuelMix(file) = self {
            let text = read(folder, file).map_err(|problem| problem.under("signal"))?;
            let values = scaled(&intensities(&text).map_err(|problem| problem.under("signal"))?, 10.0);
            *self = Signal::Values(values.into_iter().filter_map(Finite::new).collect());
        }
        Ok(())
    }

    pub(super) fn numbers(&self) -> Vec<f64> {
        match self {
            Signal::Even(count) => {
                let count = count.get();
                (0..count).map(|at| (f64::from(at) + 0.5) / f64::from(count)).collect()
            }
            Signal::Values(values) => values.iter().map(|value| value.get()).collect(),
            Signal::Synthetic(hours) => synthetic(hours.get() as usize),
            Signal::FuelMix(_) => Vec::new(),
        }
    }
}

/// A file's text.
pub(super) fn read(folder: &Path, file: &str) -> Result<String, Problem> {
    let path = folder.join(file);
    std::fs::read_to_string(&path)
        .map_err(|error| Problem::at("", format!("{} cannot be read: {error}", path.display())))
}

/// Emission factors, kg of CO₂ per kWh.
const FACTORS: [(&str, f64); 8] = [
    ("COL", 0.968),
    ("NG", 0.44),
    ("NUC", 0.015),
    ("OIL", 0.89),
    ("OTH", 0.45),
    ("SUN", 0.02),
    ("WAT", 0.014),
    ("WND", 0.023),
];

/// Litres of water that a kWh of a fuel takes (gal/kWh of the code of Liu, Yang, Li, Li & Ren, ICML 2024, times 3.785412).
const WATERS: [(&str, f64); 8] = [
    ("COL", 0.45 * LITRES),
    ("NG", 0.3 * LITRES),
    ("NUC", 0.6 * LITRES),
    ("OIL", 0.35 * LITRES),
    ("OTH", 0.475 * LITRES),
    ("SUN", 0.0),
    ("WAT", 0.0),
    ("WND", 0.0),
];

/// In a gallon.
const LITRES: f64 = 3.785412;

/// `Σ_f v_f k_f / Σ_f v_f` for every line of a table of energy by fuel, kg of CO₂ per kWh. An hour in which nothing was
/// measured is as the hour before.
pub fn intensities(table: &str) -> Result<Vec<f64>, Problem> {
    weighted(table, &FACTORS)
}

/// The same in litres of water per kWh.
pub fn waters(table: &str) -> Result<Vec<f64>, Problem> {
    weighted(table, &WATERS)
}

fn weighted(table: &str, factors: &[(&str, f64); 8]) -> Result<Vec<f64>, Problem> {
    let mut lines = table.lines();
    let heading: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let column = |(fuel, factor): &(&str, f64)| {
        let missing =
            || Problem::at("", format!("there is no column `{fuel}`")).help("the first line names the columns");
        heading.iter().position(|name| name == fuel).map(|at| (at, *factor)).ok_or_else(missing)
    };
    let columns = factors.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let mut intensities: Vec<f64> = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        if let Some(before) = intensities.last().copied()
            && columns.iter().all(|(at, _)| cell(*at).is_empty())
        {
            intensities.push(before);
            continue;
        }
        let (mut energy, mut carbon) = (0.0, 0.0);
        for (at, factor) in &columns {
            let value = cell(*at).parse::<f64>().ok().filter(|value| *value >= 0.0 && value.is_finite());
            let wrong =
                || Problem::at("", format!("line {}: `{}` is no energy of 0 or above", number + 2, heading[*at]));
            let value = value.ok_or_else(wrong)?;
            energy += value;
            carbon += value * factor;
        }
        if energy == 0.0 {
            return Err(Problem::at("", format!("line {}: no energy", number + 2)));
        }
        intensities.push(carbon / energy);
    }
    Ok(intensities)
}

/// The hours of a year that are used: the last one is left out, as in the published protocol.
const HOURS: usize = 8759;

/// From 0 to `top`, by the least and the largest of a year.
pub fn scaled(values: &[f64], top: f64) -> Vec<f64> {
    let values = &values[..values.len().min(HOURS)];
    let (low, high) = bounds(values);
    let range = if high > low { high - low } else { 1.0 };
    values.iter().map(|value| top * (value - low) / range).collect()
}

pub(super) fn bounds(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// A made-up grid: an evening peak, a dip at midday whose depth changes from day to day, and weather that lasts.
///
/// `c = 5 + 1.5 cos(2π (h − 20)/24) − s_d max(0, sin(π (h − 6)/12)) + w`, held between 0 and 10, with hour h of day d, sun
/// `s_d` even between 1 and 5, and weather `w ← 0.9 w + e`, `e` even between −0.5 and 0.5.
pub fn synthetic(hours: usize) -> Vec<f64> {
    grid(0, hours)
}

/// The same with other weather: made-up grid number `number`.
pub(super) fn grid(number: u64, hours: usize) -> Vec<f64> {
    let key = Key::new(number, Phase::Training, Purpose::Reset);
    let chance = |day: usize, draw: usize| f64::from(key.word(day as u64, draw as u64)) / 4_294_967_296.0;
    let mut weather = 0.0;
    let of_hour = |at: usize| {
        let (day, hour) = (at / 24, (at % 24) as f64);
        weather = 0.9 * weather + chance(day, at % 24) - 0.5;
        let sun = (1.0 + 4.0 * chance(day, 24)) * (std::f64::consts::PI * (hour - 6.0) / 12.0).sin().max(0.0);
        (5.0 + 1.5 * (std::f64::consts::TAU * (hour - 20.0) / 24.0).cos() - sun + weather).clamp(0.0, 10.0)
    };
    (0..hours).map(of_hour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intensity_is_what_the_fuels_emit() {
        let table = "timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH\nt,1,0,0,0,3,0,0,0\nt,,,,,,,,\n\n";
        let found = intensities(table).unwrap();
        assert!((found[0] - (0.023 + 3.0 * 0.44) / 4.0).abs() < 1e-12 && found == [found[0]; 2]);
        assert!((waters(table).unwrap()[0] - 0.75 * 0.3 * 3.785412).abs() < 1e-12);
        for (wrong, part) in [
            ("timestamp,WND\nt,1", "COL"),
            ("WND,SUN,WAT,OIL,NG,COL,NUC,OTH\n1,0,0,0,3,0,0,0\n1,0,0,x,3,0,0,0", "line 3: `OIL`"),
            ("WND,SUN,WAT,OIL,NG,COL,NUC,OTH\n1,0,0,0,-3,0,0,0", "line 2: `NG`"),
            ("WND,SUN,WAT,OIL,NG,COL,NUC,OTH\n0,0,0,0,0,0,0,0", "no energy"),
            ("WND,SUN,WAT,OIL,NG,COL,NUC,OTH\n,,,,,,,", "line 2: `COL`"),
        ] {
            let message = intensities(wrong).unwrap_err().message;
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(scaled(&[2.0, 4.0, 3.0], 10.0), [0.0, 10.0, 5.0]);
    }

    #[test]
    fn the_made_up_grid_is_greener_at_noon() {
        let values = synthetic(24 * 100);
        let mean = |hour: usize| values.iter().skip(hour).step_by(24).sum::<f64>() / 100.0;
        assert!(mean(12) < mean(4) - 1.0 && mean(20) > mean(4));
        assert!(values.iter().all(|value| (0.0..=10.0).contains(value)));
    }
}
