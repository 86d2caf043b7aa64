use super::{all_near, delta, near, network, shared};
use crate::ev_charging::grid::{Adds, Bounds, Flow, Grid, Limit};
use crate::ev_charging::network::Evse;
use crate::ev_charging::projection::{Projection, Quantisation, Work, raise};

fn project(grid: &Grid, rule: Projection, wish: &[f64], high: &[f64]) -> Vec<f64> {
    let mut amps: Vec<f64> = wish.to_vec();
    let low = vec![0.0; amps.len()];
    rule.apply(grid, &grid.bounds(), &low, high, &mut amps, &mut Work::new(grid));
    amps
}

fn excess(grid: &Grid, amps: &[f64]) -> f64 {
    let mut work = Work::new(grid);
    work.load(grid, amps);
    grid.excess(&work.flows, &grid.bounds())
}

const SITES: [&str; 3] = ["Caltech()", "Jpl()", "Office001()"];

#[test]
fn the_networks_are_those_of_acn_sim() {
    let sizes = SITES.map(network).map(|grid| (grid.stations.len(), grid.limits.len()));
    assert_eq!(sizes, [(54, 8), (52, 24), (8, 6)]);
    let bound = |site: &str, name: &str| {
        network(site).limits.iter().find(|limit| limit.name == name).map(|limit| limit.most).unwrap()
    };
    all_near(
        &[
            bound("Caltech()", "transformer secondary a"),
            bound("Caltech()", "transformer primary A"),
            bound("Jpl()", "first floor secondary a"),
            bound("Jpl()", "first floor primary A"),
            bound("Jpl()", "upper floors secondary a"),
            bound("Jpl()", "upper floors primary A"),
            bound("Office001()", "transformer secondary a"),
            bound("Office001()", "transformer primary A"),
        ],
        &[416.6667, 180.5054, 125.0, 216.5064, 416.6667, 721.6878, 138.8889, 60.1685],
        5e-5,
    );
    let count = |site: &str, phase: f64| network(site).stations.iter().filter(|s| s.phase_deg == phase).count();
    assert_eq!(
        ["Caltech()", "Jpl()"].map(|s| [count(s, 30.0), count(s, -90.0), count(s, 150.0)]),
        [[26, 14, 14], [21, 14, 17]]
    );
}

#[test]
fn all_stations_ask_for_32_amperes() {
    for (site, over, total, factor) in [
        (SITES[0], 2900.271049, 721.688, 0.312500),
        (SITES[1], 2077.419037, 938.194, 0.451055),
        (SITES[2], 44.946860, 224.375, 0.835287),
    ] {
        let grid = network(site);
        let wish = vec![32.0; grid.stations.len()];
        assert!(near(excess(&grid, &wish), over, 5e-7), "{site}: {}", excess(&grid, &wish));
        let nearest = project(&grid, Projection::L2, &wish, &wish);
        assert!(near(nearest.iter().sum(), total, 5e-4), "{site}: {}", nearest.iter().sum::<f64>());
        let uniform = project(&grid, Projection::Uniform, &wish, &wish);
        assert!(near(uniform[0] / 32.0, factor, 5e-7), "{site}: {}", uniform[0] / 32.0);
    }
    let caltech = network(SITES[0]);
    let nearest = project(&caltech, Projection::L2, &[32.0; 54], &[32.0; 54]);
    assert!(near(nearest[0], 9.252, 5e-4) && near(nearest[30], 17.183, 5e-4) && near(nearest[50], 17.183, 5e-4));
}

#[test]
fn lines_of_a_delta() {
    let grid = delta();
    let mut work = Work::new(&grid);
    for (amps, lines) in [
        ([32.0, 0.0, 0.0], [32.0, 32.0, 0.0]),
        ([32.0, 32.0, 0.0], [32.0, 55.425626, 32.0]),
        ([32.0, 16.0, 8.0], [36.660606, 42.332021, 21.166010]),
        ([32.0; 3], [55.425626; 3]),
    ] {
        work.load(&grid, &amps);
        let sizes: Vec<f64> = work.flows.iter().map(|flow| flow.square().sqrt()).collect();
        all_near(&sizes, &lines, 5e-7);
    }
}

#[test]
fn nearest_on_a_delta() {
    let grid = delta();
    let third = 40.0 / 3_f64.sqrt();
    let nearest = |wish: [f64; 3]| project(&grid, Projection::L2, &wish, &[32.0; 3]);
    all_near(&nearest([32.0; 3]), &[third; 3], 1e-8);
    all_near(&nearest([32.0, 32.0, 0.0]), &[third, third, 0.0], 1e-8);
    let got = nearest([32.0, 16.0, 8.0]);
    all_near(&got, &[30.489292, 14.802022, 8.0], 5e-7);
    let square: f64 = got.iter().zip([32.0, 16.0, 8.0]).map(|(z, a)| (z - a).powi(2)).sum();
    assert!(near(square, 3.717388, 5e-7), "{square}");
    all_near(&nearest([5.0; 3]), &[5.0; 3], 0.0);
    let got = project(&grid, Projection::L2, &[32.0, 10.0, 32.0], &[32.0, 10.0, 32.0]);
    all_near(&got, &[third, 10.0, third], 1e-8);
    let mut tight = grid.limits.clone();
    tight.iter_mut().for_each(|limit: &mut Limit| limit.most = 20.0);
    let tight = Grid::new(grid.stations.clone(), tight);
    all_near(&project(&tight, Projection::L2, &[32.0, 0.0, 0.0], &[32.0; 3]), &[20.0, 0.0, 0.0], 1e-8);
}

#[test]
fn who_gets_less_of_one_limit() {
    let grid = shared(4, 40.0, Evse::Continuous);
    let wish = [32.0, 24.0, 8.0, 6.0];
    all_near(&project(&grid, Projection::MaxMin, &wish, &wish), &[13.0, 13.0, 8.0, 6.0], 1e-9);
    let shares = [18.285714, 13.714286, 4.571429, 3.428571];
    all_near(&project(&grid, Projection::ProportionalToRequest, &wish, &wish), &shares, 5e-7);
    all_near(&project(&grid, Projection::Uniform, &wish, &wish), &shares, 5e-7);
    all_near(&project(&grid, Projection::L2, &wish, &wish), &[24.0, 16.0, 0.0, 0.0], 1e-8);
    all_near(&project(&grid, Projection::Registration, &wish, &wish), &[32.0, 8.0, 0.0, 0.0], 1e-9);
    let (mut amps, mut work) = (wish.to_vec(), Work::new(&grid));
    work.weights.copy_from_slice(&[3.0, 1.0, 1.0, 1.0]);
    raise(&grid, &grid.bounds(), &mut amps, &mut work);
    all_near(&amps, &[20.4, 6.8, 6.8, 6.0], 1e-9);
}

/// Numbers without a pattern.
fn unruly(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Whether no feasible direction comes nearer: the projection of `a` onto a convex set is the only point `z` of it with
/// `(a - z)·(x - z) ≤ 0` for all `x` of the set. Tried against many `x`, and against the points between.
#[test]
fn nothing_feasible_is_nearer() {
    for site in SITES {
        let grid = network(site);
        let count = grid.stations.len();
        let (mut low, mut work) = (vec![0.0; count], Work::new(&grid));
        for seed in 1..200 {
            let mut next = unruly(seed);
            let share = next();
            let high: Vec<f64> = (0..count).map(|_| if next() < share { 32.0 * next().sqrt() } else { 0.0 }).collect();
            low.iter_mut().for_each(|low| *low = if seed % 3 == 0 { -16.0 * next() } else { 0.0 });
            let wish: Vec<f64> = (0..count).map(|i| (low[i] + (40.0 - low[i]) * next()).min(high[i])).collect();
            let mut got = wish.clone();
            Projection::L2.apply(&grid, &grid.bounds(), &low, &high, &mut got, &mut work);
            assert!(excess(&grid, &got) < 1e-4, "{site}, seed {seed}: {}", excess(&grid, &got));
            for _ in 0..20 {
                let mut other: Vec<f64> = (0..count).map(|i| low[i] + (high[i] - low[i]) * next()).collect();
                if seed % 2 == 0 {
                    other.iter_mut().zip(&got).for_each(|(x, z)| *x = z + 0.01 * (*x - z));
                }
                Projection::Uniform.apply(&grid, &grid.bounds(), &low, &high, &mut other, &mut work);
                let along: f64 = (0..count).map(|i| (wish[i] - got[i]) * (other[i] - got[i])).sum();
                assert!(along < 1e-3, "{site}, seed {seed}: {along}");
            }
        }
    }
}

/// That the pulls that were found prove the commands nearest: stations move by what the pulls add up to, a pull points as
/// the flow of its limit does, and there is none where a limit is not reached. No algorithm is part of this.
fn proves(grid: &Grid, bounds: &Bounds<'_>, [low, high, wish, got]: [&[f64]; 4], pulls: &[f64]) -> Result<(), String> {
    let pull = |limit: u32| Flow { re: pulls[2 * limit as usize], im: pulls[2 * limit as usize + 1] };
    for station in 0..got.len() {
        let column = grid.column(grid.class[station] as usize);
        let shift: f64 = column.iter().map(|term| pull(term.to).dot(term.flow())).sum();
        let want = (wish[station] - shift).max(low[station]).min(high[station]);
        if !near(got[station], want, 1e-6) {
            return Err(format!("station {station} has {} A, not {want}", got[station]));
        }
    }
    let mut work = Work::new(grid);
    work.load(grid, got);
    for (limit, &flow) in work.flows.iter().enumerate() {
        let (flow, reach, pull) = (bounds.with(limit, flow), bounds.reach(limit), pull(limit as u32));
        let [size, strength] = [flow, pull].map(|flow| flow.square().sqrt());
        if size > reach + 1e-6 || !near(flow.dot(pull), reach * strength, 1e-6 * strength) {
            return Err(format!("limit {limit} of {reach} carries {size} and pulls with {strength}"));
        }
    }
    Ok(())
}

#[test]
fn pulls_prove_what_is_nearest() {
    for site in SITES.iter().chain(&["Caltech(transformer_kw: 20)", "Jpl(first_floor_kw: 15, upper_floors_kw: 40)"]) {
        let mut grid = network(site);
        let count = grid.stations.len();
        let lines = grid.limits.len();
        let terms = (0..count).map(|station| (station, 1.0)).collect();
        let power = Limit { name: "power".into(), most: 20.0, adds: Adds::Power, terms };
        grid = Grid::new(grid.stations.clone(), [&grid.limits[..], &[power]].concat());
        for kind in 0..4 {
            let mut work = Work::new(&grid);
            let [mut low, mut high, mut wish] = [(); 3].map(|()| vec![0.0; count]);
            for seed in 1..100 {
                let mut next = unruly(seed);
                let share = next();
                for station in 0..count {
                    // Steps of one site have most of their cars in common.
                    if seed % 10 != 1 && next() > 0.1 {
                        continue;
                    }
                    let plugged = next() < share;
                    (low[station], high[station], wish[station]) = match kind {
                        // All ask for the same, some need less; of cars that are nearly full; that give back; of no kind.
                        0 => (0.0, if next() < 0.2 { 32.0 * next() } else { 32.0 }, 32.0),
                        1 => (0.0, 5.0 * next(), (20.0 * next()).floor() * 1.6),
                        2 => (-16.0 * next(), 32.0 * next(), 40.0 * next() - 8.0),
                        _ => (0.0, 32.0 * next().sqrt(), 40.0 * next()),
                    };
                    if !plugged {
                        (low[station], high[station]) = (0.0, 0.0);
                    }
                }
                let mut most = grid.bounds().most.to_vec();
                let mut offset = vec![0.0; most.len()];
                // A transformer that other loads fill, or that may carry nothing, or everything.
                (most[lines], offset[lines]) = match seed % 4 {
                    0 => (1e4, 0.0),
                    1 => (0.0, 0.0),
                    _ => (20.0, 44.0 * next() - 20.0),
                };
                let bounds = Bounds { most: &most, offset: &offset };
                let mut got = wish.clone();
                Projection::L2.apply(&grid, &bounds, &low, &high, &mut got, &mut work);
                let proof = proves(&grid, &bounds, [&low, &high, &wish, &got], &work.memory);
                proof.unwrap_or_else(|error| panic!("{site}, kind {kind}, seed {seed}: {error}"));
            }
        }
    }
}

#[test]
fn every_projection_is_feasible_and_within_its_bounds() {
    for site in SITES {
        let grid = network(site);
        let count = grid.stations.len();
        let mut work = Work::new(&grid);
        for seed in 1..100 {
            let mut next = unruly(seed);
            let high: Vec<f64> = (0..count).map(|_| 32.0 * next()).collect();
            let low: Vec<f64> = (0..count).map(|_| if seed % 2 == 0 { -32.0 * next() } else { 0.0 }).collect();
            let wish: Vec<f64> = (0..count).map(|i| low[i] + (high[i] - low[i]) * next()).collect();
            for rule in [
                Projection::L2,
                Projection::Uniform,
                Projection::MaxMin,
                Projection::ProportionalToRequest,
                Projection::Registration,
            ] {
                let mut got = wish.clone();
                rule.apply(&grid, &grid.bounds(), &low, &high, &mut got, &mut work);
                work.load(&grid, &got);
                assert!(grid.bounds().all_hold(&work.flows), "{site} {rule:?} {seed}: {}", excess(&grid, &got));
                assert!((0..count).all(|i| low[i] <= got[i] && got[i] <= high[i]), "{site} {rule:?} {seed}");
                if low[0] == 0.0 {
                    Quantisation::Floor.apply(&grid, &grid.bounds(), &high, &mut got, &mut work);
                    work.load(&grid, &got);
                    assert!(grid.bounds().all_hold(&work.flows), "{site} {rule:?} {seed}, floored");
                    assert!((0..count).all(|i| grid.stations[i].pilots.allow(got[i])));
                }
            }
        }
    }
}

#[test]
fn what_is_left_by_flooring_is_handed_out() {
    let grid = shared(3, 40.0, Evse::AeroVironment);
    let mut amps = project(&grid, Projection::MaxMin, &[32.0; 3], &[32.0; 3]);
    Quantisation::Floor.apply(&grid, &grid.bounds(), &[32.0; 3], &mut amps, &mut Work::new(&grid));
    assert_eq!(amps, [14.0, 13.0, 13.0]);
}

#[test]
fn power_limits_of_a_tree() {
    let grid = network(
        "Tree(nodes: [(name: \"grid\", kw: 20), (name: \"branch\", kw: 10, efficiency: 0.8, parent: Some(0))], stations: [
            (node: 1, station: (name: \"a\", volts: 400, evse: ThreePhase(amps: 32))),
            (node: 0, station: (name: \"b\", volts: 600, evse: DirectCurrent(amps: 500))),
        ])",
    );
    assert!(grid.limits.iter().all(|limit| limit.adds == Adds::Power));
    let got = project(&grid, Projection::MaxMin, &[32.0, 500.0], &[32.0, 500.0]);
    // The branch takes 10 kW for 8 kW of charging; the root has 10 kW left.
    all_near(&[got[0] * 3_f64.sqrt() * 0.4, got[1] * 0.6], &[8.0, 10.0], 1e-9);
}

/// A step remembers the one before. That saves rounds and changes nothing.
#[test]
fn memory_changes_nothing() {
    for site in SITES {
        let grid = network(site);
        let count = grid.stations.len();
        let (low, mut remembering) = (vec![0.0; count], Work::new(&grid));
        let mut next = unruly(9);
        let mut wish: Vec<f64> = (0..count).map(|_| 32.0 * next().sqrt()).collect();
        for _ in 0..100 {
            let changed = (next() * count as f64) as usize;
            wish[changed] = 32.0 * next();
            let (mut with, mut without) = (wish.clone(), wish.clone());
            Projection::L2.apply(&grid, &grid.bounds(), &low, &[32.0; 54][..count], &mut with, &mut remembering);
            Projection::L2.apply(
                &grid,
                &grid.bounds(),
                &low,
                &[32.0; 54][..count],
                &mut without,
                &mut Work::new(&grid),
            );
            all_near(&with, &without, 1e-7);
        }
    }
}
