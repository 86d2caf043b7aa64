//! Cars: what everyone was given, by every rule and projection.

use super::every::{device, file};
use super::{both, controller};
use isonomy::engine::columns::column;
use isonomy::engine::sim::Sim;
use isonomy::envs::ev_charging::step::{Bay, Meter, Stay};
use std::path::Path;

/// What every car of every lane has got so far.
fn delivered(sim: &mut Sim) -> Vec<f64> {
    let lanes = sim.lanes();
    let bays = column::<Bay>(sim.world()).to_vec();
    let stays = column::<Stay>(sim.world()).to_vec();
    let of = bays.len() / lanes;
    let cars = stays.chunks_exact(stays.len() / lanes).zip(bays.chunks_exact(of));
    cars.flat_map(|(stays, bays)| stays.iter().map(|stay| stay.delivered(bays)).collect::<Vec<_>>()).collect()
}

/// By how much cars differ after a day, by kWh, largest first.
fn apart(mine: &[f64], theirs: &[f64]) -> Vec<f64> {
    assert_eq!(mine.len(), theirs.len());
    let mut apart: Vec<f64> = mine.iter().zip(theirs).map(|(mine, theirs)| (mine - theirs).abs()).collect();
    assert!(apart.iter().all(|apart| apart.is_finite()));
    apart.sort_by(|a, b| b.total_cmp(a));
    apart
}

/// Compares a day, and says how far apart cars ended. `loose` cars may be further apart than 1e-3 kWh: those for whom a
/// current was rounded to another step of their station, or whose place in a queue was decided by the last digit.
fn compare(path: &Path, sets: &[&str], loose: usize) {
    let Some(device) = device() else { return };
    let [mut host, mut there] = both(path, sets, device);
    assert!(there.sim().is_on_device());
    let steps = host.sim().spec().time_limit as usize;
    for run in [&mut host, &mut there] {
        run.sim().advance(steps - 1).unwrap_or_else(|error| panic!("{sets:?}: {error}"));
    }
    let (mine, theirs) = (delivered(host.sim()), delivered(there.sim()));
    let apart = apart(&mine, &theirs);
    let many = apart.iter().filter(|apart| **apart > 1e-3).count();
    eprintln!("{sets:?}: {} cars, at most {:.1e} kWh apart, {many} more than 1e-3", apart.len(), apart[0]);
    assert!(mine.iter().sum::<f64>() > 1.0, "{sets:?}: nobody was charged");
    assert!(many <= loose, "{sets:?}: {:?}", &apart[..many]);
    let meters: [Vec<Meter>; 2] = [&mut host, &mut there].map(|run| column::<Meter>(run.sim().world()).to_vec());
    for (mine, theirs) in meters[0].iter().zip(&meters[1]) {
        let whole = |meter: &Meter| [meter.t, meter.day, meter.sessions, meter.next, meter.waiting, meter.rejected];
        assert_eq!(whole(mine), whole(theirs), "{sets:?}");
        for (mine, theirs) in
            [(mine.energy_kwh, theirs.energy_kwh), (mine.cost, theirs.cost), (mine.reward, theirs.reward)]
        {
            let most = 1e-4 * mine.abs().max(1.0) + if loose > 0 { 0.05 } else { 0.0 };
            assert!((mine - theirs).abs() <= most, "{sets:?}: {mine} and {theirs}");
        }
    }
    // The day ends, and the next begins alike.
    for run in [&mut host, &mut there] {
        run.sim().advance(steps / 2).unwrap_or_else(|error| panic!("{sets:?}: {error}"));
    }
    let [mine, theirs] = [&mut host, &mut there].map(|run| run.sim().take_returns().expect("a day ended"));
    for ((name, mine), (_, theirs)) in mine.measures.iter().zip(&theirs.measures) {
        // What commands are beyond limits by is a sum of rounding errors where they keep to them.
        let rounding = if name == "excess" { 0.05 } else { 0.0 };
        let most = 1e-3 * mine.abs().max(1.0) + rounding + if loose > 0 { 0.02 } else { 0.0 };
        assert!((mine - theirs).abs() <= most, "{sets:?}: {name} {mine} and {theirs}");
    }
}

/// Rules with twins.
const RULES: [&str; 15] = [
    r#"{"Uncontrolled": ()}"#,
    r#"{"FirstComeFirstServed": ()}"#,
    r#"{"LastComeFirstServed": ()}"#,
    r#"{"EarliestDeadlineFirst": ()}"#,
    r#"{"LeastLaxityFirst": ()}"#,
    r#"{"LargestRemainingTimeFirst": ()}"#,
    r#"{"LeastServedFirst": ()}"#,
    r#"{"RandomOrder": ()}"#,
    r#"{"AsLateAsPossible": ()}"#,
    r#"{"RoundRobin": ()}"#,
    r#"{"SmoothedLeastLaxityFirst": ()}"#,
    r#"{"EqualCurrents": ()}"#,
    r#"{"TalmudRule": ()}"#,
    r#"{"EqualShares": ()}"#,
    r#"{"EqualProgress": ()}"#,
];

#[test]
fn the_real_day_by_every_rule() {
    // The shader of the nearest currents takes a software adapter long to compile.
    let uniform = "environment.EvCharging.projection=Uniform";
    for rule in RULES {
        compare(&file("ev_charging/caltech_real_day.ron"), &[&controller(rule), uniform, "lanes=2"], 0);
    }
}

#[test]
fn the_real_day_by_every_projection() {
    let everything = controller(r#"{"Uncontrolled": ()}"#);
    for projection in ["None", "L2", "Uniform", "MaxMin", "ProportionalToRequest", "Registration"] {
        let projection = format!("environment.EvCharging.projection={projection}");
        compare(&file("ev_charging/caltech_real_day.ron"), &[&everything, &projection, "lanes=1"], 0);
    }
}

#[test]
fn a_sampled_day_on_three_phases() {
    let days = file("ev_charging/caltech_day.ron");
    let unrounded = "environment.EvCharging.quantisation=None";
    for projection in ["None", "L2", "Uniform", "MaxMin"] {
        let projection = format!("environment.EvCharging.projection={projection}");
        let everything = controller(r#"{"Uncontrolled": ()}"#);
        compare(&days, &[&everything, &projection, unrounded, "lanes=1"], 0);
    }
    let uniform = "environment.EvCharging.projection=Uniform";
    for rule in [r#"{"EqualProgress": ()}"#, r#"{"EarliestDeadlineFirst": ()}"#] {
        compare(&days, &[&controller(rule), uniform, unrounded, "lanes=1"], 0);
    }
}

/// Rules that ask for different currents in every step, more than the limits carry. Stations that offer any current show
/// what the projection itself is off by; those that offer whole amperes may be rounded apart, as by other projections.
#[test]
fn the_nearest_currents_of_three_phases() {
    let days = file("ev_charging/caltech_day.ron");
    let (l2, unrounded) = ("environment.EvCharging.projection=L2", "environment.EvCharging.quantisation=None");
    let tight = "environment.EvCharging.network=Caltech(transformer_kw: 25)";
    let everything = controller(r#"{"Uncontrolled": ()}"#);
    compare(&days, &[&controller(r#"{"EqualProgress": ()}"#), l2, unrounded, "lanes=2"], 0);
    compare(&days, &[&everything, tight, l2, unrounded, "lanes=1"], 0);
    compare(
        &days,
        &[&everything, "environment.EvCharging.network=Jpl(upper_floors_kw: 40)", l2, unrounded, "lanes=1"],
        0,
    );
    for quantisation in ["Floor", "Nearest"] {
        let quantisation = format!("environment.EvCharging.quantisation={quantisation}");
        compare(&days, &[&everything, l2, &quantisation, "lanes=1"], 3);
    }
}
