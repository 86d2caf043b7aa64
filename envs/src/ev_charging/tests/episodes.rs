use super::day::DAY;
use super::{all_near, delta, near, network, shared};
use crate::ev_charging::battery::Taper;
use crate::ev_charging::controller::level::{Level, Rising};
use crate::ev_charging::controller::round_robin::InTurn;
use crate::ev_charging::controller::sorted::{Latest, Order, Promise, Sorted};
use crate::ev_charging::controller::{Everything, Look, Rule};
use crate::ev_charging::grid::{Bounds, Grid};
use crate::ev_charging::network::Evse;
use crate::ev_charging::projection::{Projection, Quantisation, Work};
use crate::ev_charging::session::Session;
use crate::ev_charging::step::{self, ANYWHERE, Bay, Cells, GONE, Lane, Meter, PLUGGED, REJECTED, Room, Site, Stay};
use bytemuck::Zeroable;

const HOURS: f64 = 1.0 / 12.0;

/// Cars of one battery each, one station per car.
pub(super) fn cars(sessions: &[(u32, u32, f64)], most_kw: f64) -> Vec<Stay> {
    let car = |(station, &(arrival, departure, kwh)): (usize, &(u32, u32, f64))| {
        let session = Session {
            arrival,
            departure,
            est_departure: departure,
            requested_kwh: kwh,
            station: Some(station as u32),
            claimed: true,
            battery: None,
            max_kw: None,
            operator: 0,
        };
        Stay::new(&session, kwh, 0.0, most_kw)
    };
    let mut cars: Vec<Stay> = sessions.iter().enumerate().map(car).collect();
    cars.sort_by_key(|car| car.arrival);
    cars
}

/// A site and what it holds, for as long as a test looks at it. Commands are carried out as they are.
pub(super) struct Watched {
    pub(super) site: Site,
    pub(super) bays: Vec<Bay>,
    pub(super) stays: Vec<Stay>,
    pub(super) meter: Meter,
}

impl Watched {
    pub(super) fn new(grid: Grid, cells: Cells, mut stays: Vec<Stay>) -> Self {
        let mut bays = vec![Bay::zeroed(); grid.stations.len()];
        let (projection, quantisation) = (Projection::None, Quantisation::None);
        let (site, mut meter) = (Site { grid, cells, hours: HOURS, projection, quantisation }, Meter::zeroed());
        let sessions = stays.len() as u32;
        step::start(0, sessions, &mut Lane { bays: &mut bays, stays: &mut stays, meter: &mut meter });
        Watched { site, bays, stays, meter }
    }

    pub(super) fn step(&mut self, rule: &dyn Rule, words: &[u32], room: &mut Room) {
        let Watched { site, bays, stays, meter } = self;
        let Room { amps, most, offset, work, .. } = &mut *room;
        let bounds = Bounds { most, offset };
        amps.fill(0.0);
        rule.offer(&Look { grid: &site.grid, bounds, bays, t: meter.t, hours: HOURS }, words, amps, work);
        site.settle(bays, meter, room);
        let mut lane = Lane { bays, stays, meter };
        site.charge(&mut lane, room);
        step::tick(&mut lane);
    }

    /// Energy per car after so many steps, in the order in which the stations are registered.
    pub(super) fn run(&mut self, rule: &dyn Rule, steps: u32) -> Vec<f64> {
        let mut room = Room::new(&self.site.grid);
        for t in 0..steps {
            let word = |station: u32| (station * 7919 + t * 104729).wrapping_mul(2654435761);
            let words: Vec<u32> = (0..self.bays.len() as u32).map(word).collect();
            self.step(rule, &words, &mut room);
        }
        let mut delivered = vec![0.0; self.bays.len()];
        for stay in &self.stays {
            delivered[stay.station as usize] = stay.delivered(&self.bays);
        }
        delivered
    }
}

fn delivered(grid: &Grid, sessions: &[(u32, u32, f64)], rule: &dyn Rule) -> Vec<f64> {
    Watched::new(grid.clone(), Cells::default(), cars(sessions, 6.656)).run(rule, 30)
}

/// Where the peer bisects.
const BISECTED: f64 = 5e-3;

#[test]
fn one_two_stage_car() {
    let cells = Cells { taper: Taper::Smooth { from: 0.8, haste: 1.0 }, ..Cells::default() };
    let mut cars = cars(&[(0, 24, 10.0)], 6.656);
    (cars[0].capacity_kwh, cars[0].start_kwh) = (40.0, 30.0);
    let got = Watched::new(shared(1, 100.0, Evse::Continuous), cells, cars).run(&Everything, 24);
    all_near(&got, &[8.054651], 5e-7);
}

#[test]
fn two_cars() {
    let grid = shared(2, 32.0, Evse::Continuous);
    let cars = [(0, 24, 10.0), (0, 12, 6.0)];
    let check = |rule: &dyn Rule, want: [f64; 2]| all_near(&delivered(&grid, &cars, rule), &want, BISECTED);
    check(&Everything, [10.0, 6.0]);
    check(&Sorted(Order::FirstCome), [10.0, 0.0]);
    check(&Sorted(Order::EarliestDeadline), [7.311958, 6.0]);
    check(&Sorted(Order::LeastLaxity), [8.874667, 4.437333]);
    check(&Sorted(Order::LargestRemainingTime), [10.0, 1.109333]);
    check(&InTurn { increment: 0.1 }, [9.984, 3.328]);
    check(&InTurn { increment: 1.0 }, [9.984, 3.328]);
}

#[test]
fn three_cars() {
    let cars = [(0, 18, 8.0), (3, 12, 5.0), (6, 15, 3.0)];
    let kinds = [Evse::Continuous, Evse::AeroVironment, Evse::ClipperCreek];
    let grids = kinds.map(|kind| shared(3, 40.0, kind));
    let check = |rule: &dyn Rule, wants: [[f64; 3]; 3]| {
        for (grid, want) in grids.iter().zip(wants) {
            all_near(&delivered(grid, &cars, rule), &want, BISECTED);
        }
    };
    all_near(&delivered(&grids[0], &cars, &Everything), &[8.0, 4.992, 3.0], BISECTED);
    let fcfs = [[8.0, 1.248, 0.735990], [7.990667, 1.248, 0.745333], [7.904, 1.248, 0.832]];
    check(&Sorted(Order::FirstCome), fcfs);
    check(&Sorted(Order::EarliestDeadline), [[4.16, 4.992, 2.496]; 3]);
    check(&Sorted(Order::LeastLaxity), [[6.101333, 4.16, 1.386667]; 3]);
    let largest = delivered(&grids[0], &cars, &Sorted(Order::LargestRemainingTime));
    all_near(&largest, &[7.765333, 2.496, 1.386667], BISECTED);
    let fine = delivered(&grids[0], &cars, &InTurn { increment: 0.1 });
    all_near(&fine, &[6.8016, 2.4232, 2.4232], BISECTED);
    check(&InTurn { increment: 1.0 }, [[6.864, 2.392, 2.392], [6.864, 2.392, 2.392], [7.488, 2.496, 1.664]]);
}

#[test]
fn three_cars_on_a_delta() {
    let (grid, cars) = (delta(), [(0, 12, 6.0); 3]);
    let check = |rule: &dyn Rule, want: [f64; 3]| all_near(&delivered(&grid, &cars, rule), &want, BISECTED);
    check(&Sorted(Order::FirstCome), [6.0, 3.125687, 2.793646]);
    check(&Sorted(Order::EarliestDeadline), [6.0, 3.125687, 2.793646]);
    check(&Sorted(Order::LeastLaxity), [3.999667; 3]);
    check(&InTurn { increment: 1.0 }, [4.784; 3]);
    check(&InTurn { increment: 0.1 }, [4.8048, 4.784, 4.784]);
}

#[test]
fn smoothed_least_laxity() {
    // One step from a state: remaining ampere-steps 300, 200, 60 and remaining steps 18, 8, 9.
    let grid = shared(3, 40.0, Evse::Continuous);
    let per_amp = 0.208 * HOURS;
    let bays = [(300.0, 18), (200.0, 8), (60.0, 9)].map(|(amps, departure): (f64, u32)| Bay {
        requested_kwh: amps * per_amp,
        missing_kwh: amps * per_amp,
        session: 1,
        departure,
        est_departure: departure,
        ..Bay::zeroed()
    });
    let look = Look { grid: &grid, bounds: grid.bounds(), bays: &bays, t: 0, hours: HOURS };
    all_near(&[0, 1, 2].map(|station| look.laxity(station)), &[8.625, 1.75, 7.125], 1e-12);
    let mut amps = [0.0; 3];
    Rising(Level::Laxity).offer(&look, &[0; 3], &mut amps, &mut Work::new(&grid));
    all_near(&amps, &[0.0, 32.0, 8.0], 1e-4);
}

/// The real day, stations in the order that breaks its ties.
pub(super) fn real_day() -> (Grid, Vec<Stay>) {
    let mut day = DAY.to_vec();
    for (first, second) in [(13, 14), (15, 16), (37, 38)] {
        day.swap(first, second);
    }
    (network("Simple(kw: 20, stations: 39)"), cars(&day, 6.6))
}

/// Energy, mean, least, Jain's index and Gini's of served shares.
fn judged(delivered: &[f64], cars: &[Stay]) -> [f64; 5] {
    let mut shares = vec![0.0; delivered.len()];
    for car in cars {
        let station = car.station as usize;
        shares[station] = (delivered[station] / car.requested_kwh).min(1.0);
    }
    let (n, sum) = (shares.len() as f64, shares.iter().sum::<f64>());
    let square: f64 = shares.iter().map(|f| f * f).sum();
    let apart: f64 = shares.iter().flat_map(|a| shares.iter().map(move |b| (a - b).abs())).sum();
    let least = shares.iter().copied().fold(1.0, f64::min);
    [delivered.iter().sum(), sum / n, least, sum * sum / (n * square), apart / (2.0 * n * sum)]
}

#[test]
fn a_real_day() {
    let (grid, cars) = real_day();
    let run =
        |rule: &dyn Rule| judged(&Watched::new(grid.clone(), Cells::default(), cars.clone()).run(rule, 288), &cars);
    for (name, rule, want) in [
        ("FCFS", &Sorted(Order::FirstCome) as &dyn Rule, [288.1322, 0.592933, 0.0, 0.632758, 0.399395]),
        ("EDF", &Sorted(Order::EarliestDeadline), [288.1522, 0.768623, 0.061225, 0.874166, 0.196270]),
        ("LLF", &Sorted(Order::LeastLaxity), [288.1024, 0.598645, 0.0, 0.795746, 0.283822]),
        ("RR", &InTurn { increment: 1.0 }, [283.3553, 0.791541, 0.190830, 0.900600, 0.171856]),
    ] {
        let got = run(rule);
        eprintln!("{name}: {got:?}");
        assert!(near(got[0], want[0], 1e-4), "{name}: {got:?}");
        all_near(&got[1..], &want[1..], 5e-5);
    }
}

/// Target 5 of the reference: what an online rule can do where the best in hindsight is 290.3667 kWh in equal shares.
#[test]
fn fair_rules_on_the_real_day() {
    let (grid, cars) = real_day();
    let run =
        |rule: &dyn Rule| judged(&Watched::new(grid.clone(), Cells::default(), cars.clone()).run(rule, 288), &cars);
    for (rule, least) in [(&Rising(Level::Progress) as &dyn Rule, 0.56), (&Promise { share: 0.65 }, 0.65)] {
        let got = run(rule);
        assert!(got[0] >= 288.0 && got[3] >= 0.95 && got[2] >= least - 1e-9, "{rule:?}: {got:?}");
    }
    // To give everyone the same share now is not fair in the end: who comes late finds nobody behind.
    assert!(run(&Rising(Level::Share))[3] < 0.9);
    // Whoever works for nobody in particular delivers most.
    assert!(run(&Rising(Level::Laxity))[0] > 289.0);
    assert!(run(&Latest)[0] < 250.0);
}

#[test]
fn divisions_of_one_limit() {
    let grid = shared(4, 40.0, Evse::Continuous);
    let bays = [32.0, 24.0, 8.0, 6.0].map(|amps| Bay {
        requested_kwh: amps * 0.208 * HOURS,
        missing_kwh: amps * 0.208 * HOURS,
        session: 1,
        departure: 100,
        est_departure: 100,
        ..Bay::zeroed()
    });
    let look = Look { grid: &grid, bounds: grid.bounds(), bays: &bays, t: 0, hours: HOURS };
    let offer = |rule: &dyn Rule, words: [u32; 4]| {
        let mut amps = [0.0; 4];
        rule.offer(&look, &words, &mut amps, &mut Work::new(&grid));
        amps
    };
    all_near(&offer(&Rising(Level::Current), [0; 4]), &[13.0, 13.0, 8.0, 6.0], 1e-5);
    all_near(&offer(&Rising(Level::Loss), [0; 4]), &[24.0, 16.0, 0.0, 0.0], 1e-5);
    all_near(&offer(&Rising(Level::Talmud), [0; 4]), &[20.5, 12.5, 4.0, 3.0], 1e-5);
    // A random order in expectation: all 24 of them.
    let mut mean = [0.0; 4];
    for code in 0..256 {
        let words = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        if (0..4).all(|word| words.contains(&word)) {
            let amps = offer(&Sorted(Order::Random), words);
            mean.iter_mut().zip(amps).for_each(|(mean, amps)| *mean += amps / 24.0);
        }
    }
    all_near(&mean, &[18.833333, 12.833333, 4.833333, 3.5], 5e-3);
}

#[test]
fn who_finds_no_station_waits_or_is_rejected() {
    let mut cars = cars(&[(0, 10, 20.0), (2, 20, 20.0), (3, 8, 5.0)], 6.656);
    cars.iter_mut().for_each(|car| car.station = ANYWHERE);
    let mut site = Watched::new(shared(1, 100.0, Evse::Continuous), Cells::default(), cars);
    let mut room = Room::new(&site.site.grid);
    for _ in 0..12 {
        site.step(&Everything, &[0], &mut room);
    }
    assert_eq!([0, 1, 2].map(|car| site.stays[car].status), [GONE, PLUGGED, REJECTED]);
    assert!(near(site.stays[0].delivered_kwh, 10.0 * 6.656 / 12.0, 1e-9));
}
