//! What a report shows of a day: power by phase, how full the limits are, and who was served how well.

use super::dynamics::Charging;
use super::grid::Bounds;
use super::measure;
use super::step::Lane;
use isonomy_engine::figure::{Curve, Drawn, Figure, Kind};
use isonomy_engine::lanes::{At, Shared};

/// Limits that a figure shows, the fullest ones.
const MOST_LIMITS: usize = 5;

/// Numbers that concern the whole site: all power with other loads, its limit if there is one, price, emission rate.
const SITE: usize = 4;

/// Numbers of a step: the power of every phase, those of the site, and how full every limit is.
pub(super) fn traces(dynamics: &Charging) -> usize {
    dynamics.phases.names.len() + SITE + dynamics.site.grid.limits.len()
}

/// Makes the step on a copy: cars that leave with it still count.
pub(super) fn trace(dynamics: &Charging, at: At<'_>, action: &[u32], state: Shared<'_, Charging>, numbers: &mut [f64]) {
    let (mut bays, mut stays, mut meter) = (state.0.to_vec(), state.1.to_vec(), state.2[0]);
    let mut store = state.7.to_vec();
    let (phases, rest) = numbers.split_at_mut(dynamics.phases.names.len());
    let (site, limits) = rest.split_at_mut(SITE);
    dynamics.with_room(|room| {
        let mut lane = Lane { bays: &mut bays, stays: &mut stays, meter: &mut meter };
        dynamics.carry_out(action, &mut lane, (state.3, &mut store), room);
        let (grid, signals) = (&dynamics.site.grid, &dynamics.signals);
        phases.fill(0.0);
        for (station, (bay, phase)) in bays.iter().zip(&dynamics.phases.of).enumerate() {
            room.amps[station] = if bay.session == 0 { 0.0 } else { bay.amps };
            phases[*phase as usize] += room.amps[station] * grid.stations[station].kw_per_amp;
        }
        room.work.load(grid, &room.amps);
        let battery_kw = store.iter().map(|store| store.kw).sum::<f64>();
        if let Some(battery) = &dynamics.battery {
            battery.add(battery_kw, &mut room.offset);
        }
        let bounds = Bounds { most: &room.most, offset: &room.offset };
        for (limit, full) in limits.iter_mut().enumerate() {
            let carried = bounds.with(limit, room.work.flows[limit]).square().sqrt();
            *full = 100.0 * carried / bounds.most[limit].max(1e-9);
        }
        let (day, t) = (meter.day, at.elapsed);
        let load = signals.at(&signals.load, day, t);
        let limit = if signals.transformer.is_empty() { grid.power_limit() } else { room.most.last().copied() };
        site.copy_from_slice(&[
            phases.iter().sum::<f64>() + load + battery_kw,
            limit.unwrap_or(f64::NAN),
            signals.at(&signals.buy, day, t),
            f64::from(signals.emissions.rate(day as usize, t)),
        ]);
    });
}

pub(super) fn draw(dynamics: &Charging, state: Shared<'_, Charging>, traces: &[f64]) -> Drawn {
    let count = self::traces(dynamics);
    let hours = dynamics.site.hours;
    let day = Day { traces, count, hours };
    let phases = dynamics.phases.names.len();
    let shares: Vec<f64> = measure::came(state.1, &state.2[0]).map(|stay| stay.served(state.0)).collect();
    let mut figures = vec![power(dynamics, &day), fullness(dynamics, &day)];
    figures.push(Figure::sorted("Who was served how well", "cars", "served share", &shares));
    figures.push(Figure::lorenz("Lorenz curve of served shares", "cars", "served share", &shares));
    let signal = |title: &str, y: &str, name: &str, at: usize| {
        let numbers = day.column(phases + at);
        let (low, high) = ends(numbers.clone());
        let curves = vec![Curve::even(name, Kind::Line, hours, hours, numbers)];
        (low < high).then(|| day.figure(title, y, curves, ""))
    };
    figures.extend(signal("Price of energy", "per kWh", "price", 2));
    figures.extend(signal("Emissions of another kWh", "kg CO₂ per kWh", "emission rate", 3));
    let metrics = ["energy_kwh", "served_mean", "served_min", "jain", "gini", "cost", "carbon_kg", "peak_kw"];
    Drawn { metrics: metrics.map(str::to_owned).to_vec(), figures }
}

/// The numbers of all steps, column by column.
struct Day<'a> {
    traces: &'a [f64],
    count: usize,
    hours: f64,
}

impl<'a> Day<'a> {
    fn column(&self, index: usize) -> impl Iterator<Item = f64> + Clone + use<'a> {
        self.traces.iter().skip(index).step_by(self.count).copied()
    }

    fn figure(&self, title: &str, y: &str, curves: Vec<Curve>, note: &str) -> Figure {
        let long = (self.traces.len() / self.count) as f64 * self.hours;
        Figure {
            title: title.to_owned(),
            note: note.to_owned(),
            x: "hours since midnight".to_owned(),
            y: y.to_owned(),
            ticks: [3.0, 6.0, 12.0, 24.0].into_iter().find(|ticks| (4.0..=8.0).contains(&(long / ticks))),
            curves,
        }
    }
}

fn ends(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)))
}

/// Power by phase, all of it, and what the site may draw where a limit is on that.
fn power(dynamics: &Charging, day: &Day<'_>) -> Figure {
    let names = &dynamics.phases.names;
    let line = |name: &str, at: usize| Curve::even(name, Kind::Line, day.hours, day.hours, day.column(at));
    let mut curves: Vec<Curve> = names.iter().enumerate().map(|(at, name)| line(name, at)).collect();
    if names.len() > 1 || day.column(names.len()).zip(day.column(0)).any(|(all, one)| all != one) {
        curves.push(line("all", names.len()));
    }
    let limit = Curve::even("limit", Kind::Limit, day.hours, day.hours, day.column(names.len() + 1));
    curves.extend(Some(limit).filter(|limit| limit.points.iter().all(|(_, kw)| kw.is_finite())));
    day.figure("Power by phase", "kW", curves, "Other loads and the site's own sun count with “all”.")
}

/// How full the limits are that come closest to their bounds.
fn fullness(dynamics: &Charging, day: &Day<'_>) -> Figure {
    let first = dynamics.phases.names.len() + SITE;
    let limits = &dynamics.site.grid.limits;
    let peak = |limit: usize| ends(day.column(first + limit)).1;
    let mut order: Vec<usize> = (0..limits.len()).collect();
    order.sort_by(|&a, &b| peak(b).total_cmp(&peak(a)));
    let note = match order.len() {
        all if all > MOST_LIMITS => format!("The {MOST_LIMITS} of {all} limits that come closest to their bounds. "),
        _ => String::new(),
    };
    order.truncate(MOST_LIMITS);
    let line =
        |&limit: &usize| Curve::even(&limits[limit].name, Kind::Line, day.hours, day.hours, day.column(first + limit));
    let mut curves: Vec<Curve> = order.iter().map(line).collect();
    curves.push(Curve::even("bound", Kind::Limit, day.hours, day.hours, day.column(0).map(|_| 100.0)));
    let note = format!("{note}What cars draw, against what a line, a panel or a transformer may carry.");
    day.figure("How full the limits are", "% of the bound", curves, &note)
}
