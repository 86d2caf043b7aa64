use super::near;
use crate::ev_charging::battery::{Battery, Taper, sized, wear};
use crate::ev_charging::step::{AMPS, Bay, Cells, ramp_down};

const VOLTS: f64 = 208.0;
const HOURS: f64 = 1.0 / 12.0;

fn battery(capacity_kwh: f64, most_kw: f64, taper: Taper) -> Battery {
    Battery { capacity_kwh, most_kw, most_back_kw: 0.0, least_share: 0.0, charging: 1.0, discharging: 1.0, taper }
}

const SMOOTH: Taper = Taper::Smooth { from: 0.8, haste: 1.0 };
const STEPWISE: Taper = Taper::Stepwise { from: 0.8 };

/// Current and stored energy after a step.
fn pilot(battery: Battery, stored: f64, amps: f64) -> [f64; 2] {
    let (grid, stored) = battery.follow(stored, amps * VOLTS / 1000.0, HOURS);
    [grid / HOURS * 1000.0 / VOLTS, stored]
}

fn agree(got: [f64; 2], amps: f64, stored: f64) {
    assert!(near(got[0], amps, 1e-9) && near(got[1], stored, 1e-9), "{got:?}, not {amps} A, {stored} kWh");
}

#[test]
fn one_step() {
    agree(pilot(battery(10.0, 6.656, Taper::Never), 9.8, 32.0), 11.538461538, 10.0);
    for (stored, amps, smooth, stepwise) in [
        (30.0, 32.0, (32.0, 30.554666667), (32.0, 30.554666667)),
        (31.8, 32.0, (31.553064933, 32.346919792), (32.0, 32.354666667)),
        (32.0, 32.0, (30.915866294, 32.535875016), (32.0, 32.554666667)),
        (36.0, 32.0, (15.457933147, 36.267937508), (16.0, 36.277333333)),
        (36.0, 16.0, (15.457933147, 36.267937508), (16.0, 36.277333333)),
        (39.0, 16.0, (3.864483287, 39.066984377), (4.0, 39.069333333)),
    ] {
        agree(pilot(battery(40.0, 6.656, SMOOTH), stored, amps), smooth.0, smooth.1);
        agree(pilot(battery(40.0, 6.656, STEPWISE), stored, amps), stepwise.0, stepwise.1);
    }
    agree(pilot(battery(24.0, 3.3, SMOOTH), 19.0, 32.0), 15.831755906, 19.274417102);
    agree(pilot(battery(24.0, 3.3, STEPWISE), 19.0, 32.0), 15.865384615, 19.275);
    agree(pilot(battery(24.0, 3.3, SMOOTH), 19.0, 8.0), 8.0, 19.138666667);
    agree(pilot(battery(24.0, 3.3, STEPWISE), 19.0, 8.0), 8.0, 19.138666667);
}

#[test]
fn a_trace() {
    let (battery, mut stored, mut drawn) = (battery(40.0, 6.656, SMOOTH), 28.0, Vec::new());
    for _ in 0..24 {
        let [amps, next] = pilot(battery, stored, 32.0);
        drawn.push(amps);
        stored = next;
    }
    assert!(near(stored, 37.502122074, 1e-9), "{stored}");
    assert!(near(drawn[7], 31.322756, 5e-7) && near(drawn[23], 10.346030, 5e-7), "{drawn:?}");
}

#[test]
fn both_ways_with_losses() {
    let battery = Battery {
        most_back_kw: 11.0,
        least_share: 0.1,
        charging: 0.95,
        discharging: 0.95,
        ..battery(50.0, 11.0, SMOOTH)
    };
    let soc = |soc: f64, kw: f64, hours: f64| {
        let (grid, stored) = battery.follow(soc * 50.0, kw, hours);
        [grid, stored / 50.0]
    };
    for (from, kw, grid, to) in [
        (0.6, 11.0, 2.75, 0.65225),
        (0.9, 11.0, 1.210061192, 0.922991163),
        (0.9, 5.5, 1.210061192, 0.922991163),
        (0.6, -11.0, -2.75, 0.542105263),
        (0.11, -11.0, -0.475, 0.1),
    ] {
        let got = soc(from, kw, 0.25);
        assert!(near(got[0], grid, 1e-9) && near(got[1], to, 1e-9), "{from} at {kw} kW: {got:?}");
    }
    let up = soc(0.6, 11.0, 0.5)[1];
    assert!(near(up, 0.7045, 1e-9) && near(soc(up, -11.0, 0.5)[1], 0.588710526, 1e-9));
}

#[test]
fn ev2gym() {
    let offered = 3_f64.sqrt() * 400.0 * 16.0 / 1000.0;
    let (grid, _) = battery(50.0, 11.0, SMOOTH).follow(30.0, offered, 0.25);
    let amps = grid / 0.25 * 1000.0 / (3_f64.sqrt() * 400.0);
    assert!(near(grid, 2.75, 1e-9) && near(amps, 15.877132403, 1e-9), "{grid} kWh, {amps} A");
    let (grid, _) = battery(50.0, 11.0, SMOOTH).follow(45.0, offered, 0.25);
    assert!(near(grid, 1.202139384, 1e-9), "{grid}");
    let (grid, _) = battery(50.0, 11.0, Taper::Smooth { from: 0.8, haste: 5.0 }).follow(45.0, offered, 0.25);
    assert!(near(grid, 2.75, 1e-9), "{grid}");
}

#[test]
fn wear_of_ev2gym() {
    let socs = [0.6, 0.655, 0.7102, 0.7652, 0.8194, 0.863, 0.896, 0.9212, 0.9402, 0.8852, 0.8302, 0.7752, 0.7202];
    let wear = wear(&socs, 27.966175, 20.0 * 0.25);
    assert!(near(wear.calendar, 1.318932e-5, 5e-12) && near(wear.cyclic, 3.251712e-5, 5e-12), "{wear:?}");
}

#[test]
fn a_battery_sized_by_its_stay() {
    // 8 kWh is too small; into 24 kWh the request fits from 0 in five hours, and hardly from 14.
    let (capacity, stored) = sized(10.0, 2.0, 6.656, 0.8).unwrap();
    assert_eq!(capacity, 24.0);
    let (got, _) = battery(24.0, 6.656, SMOOTH).follow(stored, 6.656, 2.0);
    assert!(near(got, 10.0, 1e-6), "{stored} kWh at the start: {got} kWh");
    assert!(sized(50.0, 1.0, 6.656, 0.8).is_none());
}

#[test]
fn efficiencies_by_current_and_tapers_by_car() {
    let mut by_amps = [0.8; AMPS];
    by_amps[16..].fill(0.9);
    let cells = Cells { taper: Taper::Smooth { from: 0.8, haste: 1.0 }, by_amps: Some(by_amps), ..Cells::default() };
    let bay = Bay { capacity_kwh: 40.0, most_kw: 6.656, slows_from: -1.0, ..Bay::default() };
    for (pilot, share) in [(6.0, 0.8), (15.9, 0.8), (16.0, 0.9), (80.0, 0.9)] {
        let (given, stored) = cells.battery(&Bay { pilot, ..bay }).follow(10.0, 2.0, 0.5);
        assert!(near(given, 1.0, 1e-12) && near(stored - 10.0, share, 1e-6), "{pilot} A: {stored}");
    }
    assert_eq!(cells.battery(&bay).taper, cells.taper);
    let own = cells.battery(&Bay { slows_from: 0.5, ..bay }).taper;
    assert_eq!(own, Taper::Smooth { from: 0.5, haste: 1.0 });
    // A site of ideal batteries knows no taper.
    assert_eq!(Cells::default().battery(&Bay { slows_from: 0.5, ..bay }).taper, Taper::Never);
}

/// The rule of ACN-Sim: a car that takes 1 A less than it is offered is believed to take 1 A more than it did at most.
#[test]
fn what_a_car_takes_is_learnt_from_what_it_took() {
    for (bound, pilot, amps, next) in [
        (32.0, 32.0, 32.0, 32.0),
        (32.0, 32.0, 20.0, 21.0),
        (21.0, 21.0, 20.5, 22.0),
        (21.0, 21.0, 19.9, 20.9),
        (31.5, 31.5, 31.5, 32.0),
        (32.0, 0.0, 0.0, 32.0),
    ] {
        assert_eq!(ramp_down(bound, pilot, amps, 32.0), next, "{bound}, {pilot}, {amps}");
    }
}
