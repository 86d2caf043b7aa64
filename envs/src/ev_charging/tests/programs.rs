use super::day::DAY;
use super::{all_near, near, network};
use crate::ev_charging::controller::program::{Goal, Load, Scene, Terms, solve};
use crate::ev_charging::grid::Grid;

/// Energy per car.
fn energies(grid: &Grid, hours: f64, steps: usize, loads: &[Load], goal: &Goal) -> (Vec<f64>, Vec<Vec<f64>>) {
    let bounds = grid.bounds();
    let (most, offset) = (bounds.most.repeat(steps), bounds.offset.repeat(steps));
    let plan = solve(Scene { grid, hours, most: &most, offset: &offset, steps, loads }, goal);
    let kwh =
        |(load, amps): (&Load, &Vec<f64>)| amps.iter().sum::<f64>() * grid.stations[load.station].kw_per_amp * hours;
    (loads.iter().zip(&plan).map(kwh).collect(), plan)
}

/// Three cars of up to 7 kW at stations that give them 1 kW per ampere.
fn three(kw: f64) -> (Grid, [Load; 3]) {
    let grid = network(&format!("Simple(kw: {kw}, stations: 3, volts: 1000)"));
    let load =
        |station, from, to, requested_kwh| Load { station, from, to, requested_kwh, had_kwh: 0.0, most_amps: 7.0 };
    (grid, [load(0, 0, 4, 10.0), load(1, 1, 6, 14.0), load(2, 2, 5, 6.0)])
}

const PRICES: [f64; 6] = [0.30, 0.20, 0.10, 0.10, 0.25, 0.40];

#[test]
fn least_cost_of_all_needs() {
    let (grid, loads) = three(10.0);
    let (kwh, plan) = energies(&grid, 1.0, 6, &loads, &Goal::Cost(PRICES.to_vec()));
    all_near(&kwh, &[10.0, 14.0, 6.0], 1e-4);
    let cost: f64 = loads
        .iter()
        .zip(&plan)
        .flat_map(|(load, amps)| amps.iter().zip(&PRICES[load.from..]))
        .map(|(a, p)| a * p)
        .sum();
    assert!(near(cost, 4.0, 1e-5), "{cost}");
}

#[test]
fn fair_divisions_of_three_kilowatts() {
    let (grid, loads) = three(3.0);
    let kwh = |goal: Goal| energies(&grid, 1.0, 6, &loads, &goal).0;
    assert!(near(kwh(Goal::Energy).iter().sum(), 18.0, 1e-5));
    all_near(&kwh(Goal::MaxMin), &[6.0, 8.4, 3.6], 1e-4);
    for (alpha, want) in [
        (0.5, [7.0, 5.0, 6.0]),
        (1.0, [6.0, 6.0, 6.0]),
        (2.0, [6.085578, 7.200553, 4.713869]),
        (5.0, [6.053620, 7.923509, 4.022871]),
    ] {
        all_near(&kwh(Goal::AlphaFair(alpha)), &want, 5e-4);
    }
}

#[test]
fn the_best_of_the_real_day() {
    let grid = network("Simple(kw: 20, stations: 39)");
    let load = |(station, &(from, to, kwh)): (usize, &(u32, u32, f64))| Load {
        station,
        from: from as usize,
        to: to as usize,
        requested_kwh: kwh,
        had_kwh: 0.0,
        most_amps: 6.6 / 0.208,
    };
    let loads: Vec<Load> = DAY.iter().enumerate().map(load).collect();
    for (goal, want) in [
        (Goal::AlphaFair(1.0), [290.3667, 0.841564, 0.305867, 0.935337, 0.131045]),
        (Goal::AlphaFair(2.0), [290.3667, 0.817626, 0.435908, 0.948950, 0.127259]),
        (Goal::MaxMin, [290.3667, 0.680176, 0.680176, 1.0, 0.0]),
    ] {
        let kwh = energies(&grid, 1.0 / 12.0, 288, &loads, &goal).0;
        let shares: Vec<f64> = kwh.iter().zip(&loads).map(|(kwh, load)| kwh / load.requested_kwh).collect();
        let (n, sum) = (39.0, shares.iter().sum::<f64>());
        let squares: f64 = shares.iter().map(|f| f * f).sum();
        let apart: f64 = shares.iter().flat_map(|a| shares.iter().map(move |b| (a - b).abs())).sum();
        let least = shares.iter().copied().fold(1.0, f64::min);
        let got = [kwh.iter().sum(), sum / n, least, sum * sum / (n * squares), apart / (2.0 * n * sum)];
        eprintln!("{goal:?}: {got:?}");
        assert!(near(got[0], want[0], 1e-3), "{goal:?}: {got:?}");
        all_near(&got[1..], &want[1..], 1e-4);
    }
}

#[test]
fn phases_as_cones() {
    // Three cars on a delta whose lines carry 40 A: the most for all alike is what the projection finds.
    let grid = super::delta();
    let load = |station| Load { station, from: 0, to: 1, requested_kwh: 32.0 * 0.208, had_kwh: 0.0, most_amps: 32.0 };
    let loads = [0, 1, 2].map(load);
    let (_, plan) = energies(&grid, 1.0, 1, &loads, &Goal::MaxMin);
    plan.iter().for_each(|amps| assert!(near(amps[0], 40.0 / 3_f64.sqrt(), 1e-4), "{amps:?}"));
}

#[test]
fn a_peak_that_costs_is_flattened() {
    let (grid, loads) = three(20.0);
    let worth = vec![1.0; 6];
    let flat = |flatten, peak| Goal::Terms(Terms { worth: worth.clone(), flatten, peak, ..Terms::default() });
    let highest = |goal: Goal| {
        let plan = energies(&grid, 1.0, 6, &loads, &goal).1;
        let at =
            |t: usize| loads.iter().zip(&plan).filter_map(|(load, amps)| amps.get(t.checked_sub(load.from)?)).sum();
        (0..6).map(at).fold(0.0, f64::max)
    };
    // 30 kWh in six hours, nobody before their time: 5 kW suffice.
    assert!(near(highest(flat(0.0, Some((0.5, 0.0)))), 5.0, 1e-3));
    assert!(near(highest(flat(1e-3, None)), 5.0, 1e-3));
}
