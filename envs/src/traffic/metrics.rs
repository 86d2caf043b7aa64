//! How well a network serves, and how evenly: never the second without the first.
//!
//! Gini and Jain do not change when everybody waits twice as long, so a network in which all stand still looks fair to
//! them: the mean stands beside them, always.

use super::network::demand::Class;
use super::network::{Crossing, Turn};
use super::pedestrians::OnFoot;
use super::state::{NONE, Shown, Tally};
use super::world::World;
use bytemuck::Zeroable;

/// How something is spread over those who have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Variance of the population.
    pub variance: f64,
    /// What 95 in 100 do not exceed.
    pub p95: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Mean of the largest tenth.
    pub worst_decile: f64,
    /// 0 where all have the same, towards 1 where one has everything.
    pub gini: f64,
    /// 1 where all have the same, 1 / count where one has everything.
    pub jain: f64,
    /// Atkinson's index with aversion 0.5.
    pub atkinson: f64,
}

impl Spread {
    /// How these are spread, none of them below zero.
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Spread { jain: 1.0, ..Spread::default() };
        }
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let n = count as f64;
        let (sum, squares) = (values.iter().sum::<f64>(), values.iter().map(|x| x * x).sum::<f64>());
        let mean = sum / n;
        let ranked: f64 = values.iter().enumerate().map(|(rank, x)| (rank + 1) as f64 * x).sum();
        let roots = values.iter().map(|x| x.sqrt()).sum::<f64>() / n;
        let worst = &values[count - count.div_ceil(10)..];
        let nothing = sum == 0.0;
        Spread {
            count,
            mean,
            variance: values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n,
            p95: values[(0.95 * n) as usize],
            min: values[0],
            max: values[count - 1],
            worst_decile: worst.iter().sum::<f64>() / worst.len() as f64,
            gini: if nothing { 0.0 } else { 2.0 * ranked / (n * sum) - (n + 1.0) / n },
            jain: if nothing { 1.0 } else { sum * sum / (n * squares) },
            atkinson: if nothing { 0.0 } else { 1.0 - roots * roots / mean },
        }
    }
}

/// What vehicles waited before a movement, or people at a crosswalk, those that still wait included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// How many came.
    pub vehicles: u32,
    /// Mean wait of one of them.
    pub mean_s: f64,
}

/// What an episode comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// From creation to destination, the unfinished with their time until now.
    pub average_travel_time_s: f64,
    /// Waiting of all vehicles that entered.
    pub waits_s: Spread,
    /// Waiting of those that arrived.
    pub finished_waits_s: Spread,
    /// Time that those who arrived lost against driving freely, and their wait per kilometre.
    pub finished_delay_mean_s: f64,
    /// See above.
    pub finished_wait_per_km_s: f64,
    /// Mean wait of a person, vehicles counting as often as there are people in them, and people on foot.
    pub person_wait_mean_s: f64,
    /// Mean wait before every movement.
    pub movements: Vec<Waits>,
    /// Mean wait before all movements of a crossing.
    pub crossings: Vec<Waits>,
    /// Mean wait before all movements that turn one way, in the order of [`Turn::ALL`].
    pub turns: [Waits; 3],
    /// Mean wait before all movements from main roads, and from side roads.
    pub roads: [Waits; 2],
    /// Mean wait of the vehicles of a class, in the order of [`Class::ALL`]; none of which none entered.
    pub classes: [Option<f64>; 3],
    /// Mean waits of the vehicles from one road to another, for all pairs that somebody drives.
    pub pairs_s: Spread,
    /// People on foot.
    pub on_foot: OnFoot,
}

/// Mean wait of those vehicles that entered and are among the chosen ones.
pub(super) fn mean_wait_s(world: &World, state: Shown<'_>, chosen: impl Fn(u32) -> bool) -> Option<f64> {
    let entered = (0..).zip(state.vehicles).filter(|(number, vehicle)| vehicle.entered != NONE && chosen(*number));
    let (count, waited) =
        entered.fold((0u32, 0u64), |sum, (_, vehicle)| (sum.0 + 1, sum.1 + u64::from(vehicle.waited)));
    (count > 0).then(|| waited as f64 * world.clock.step_s / f64::from(count))
}

impl Summary {
    /// Of what has happened so far.
    pub fn of(world: &World, state: Shown<'_>) -> Self {
        let step_s = world.clock.step_s;
        let waits = |finished: bool| {
            let counts = state
                .vehicles
                .iter()
                .filter(|vehicle| if finished { vehicle.left != NONE } else { vehicle.entered != NONE });
            Spread::of(counts.map(|vehicle| f64::from(vehicle.waited) * step_s).collect())
        };
        let mut passed: Vec<(u32, u64)> =
            state.passages.iter().map(|passage| (passage.vehicles, u64::from(passage.waited))).collect();
        for vehicle in 0..state.vehicles.len() as u32 {
            if let Some((movement, waited)) = world.waits_for(state.vehicles, vehicle) {
                passed[movement as usize].0 += 1;
                passed[movement as usize].1 += u64::from(waited);
            }
        }
        let sum = |all: &mut dyn Iterator<Item = usize>| {
            let (vehicles, waited) =
                all.map(|movement| passed[movement]).fold((0, 0), |sum, this| (sum.0 + this.0, sum.1 + this.1));
            Waits { vehicles, mean_s: if vehicles == 0 { 0.0 } else { waited as f64 * step_s / f64::from(vehicles) } }
        };
        let of = |chosen: &dyn Fn(usize) -> bool| sum(&mut (0..passed.len()).filter(|&movement| chosen(movement)));
        let network = &world.network;
        let main = |movement: usize| world.main_roads[network.movements[movement].from as usize];
        let whole = |crossing: &Crossing| sum(&mut crossing.movements.clone().map(|movement| movement as usize));
        let (persons, person_waits) = persons(world, state);
        let (delay_s, wait_per_km_s) = arrived(world, state);
        Summary {
            average_travel_time_s: world.average_travel_time_s(&state),
            waits_s: waits(false),
            finished_waits_s: waits(true),
            finished_delay_mean_s: delay_s,
            finished_wait_per_km_s: wait_per_km_s,
            person_wait_mean_s: if persons > 0.0 { person_waits * step_s / persons } else { 0.0 },
            movements: (0..passed.len()).map(|movement| sum(&mut std::iter::once(movement))).collect(),
            crossings: network.crossings.iter().map(whole).collect(),
            turns: Turn::ALL.map(|turn| of(&|movement| network.movements[movement].turn == turn)),
            roads: [true, false].map(|chosen| of(&|movement| main(movement) == chosen)),
            classes: Class::ALL.map(|class| mean_wait_s(world, state, |vehicle| world.kind(vehicle).class == class)),
            pairs_s: pairs(world, state),
            on_foot: OnFoot::of(world, state),
        }
    }

    /// The longest mean wait before a crossing that somebody used.
    pub fn worst_crossing_s(&self) -> f64 {
        self.crossings.iter().map(|waits| waits.mean_s).fold(0.0, f64::max)
    }

    /// The longest mean wait before a movement that somebody used.
    pub fn worst_movement_s(&self) -> f64 {
        self.movements.iter().map(|waits| waits.mean_s).fold(0.0, f64::max)
    }

    /// Everything by name. Names follow from the network and the demand alone.
    pub(super) fn numbers(&self, world: &World, state: Shown<'_>) -> impl Iterator<Item = (&'static str, f64)> {
        let used = |all: &[Waits]| {
            Spread::of(all.iter().filter(|waits| waits.vehicles > 0).map(|waits| waits.mean_s).collect())
        };
        let (waits, movements, crossings) = (self.waits_s, used(&self.movements), used(&self.crossings));
        let of_mean = |number: f64| if waits.mean > 0.0 { number / waits.mean } else { 0.0 };
        let [straight, left, right] = self.turns.map(|waits| waits.mean_s);
        let [main, side] = self.roads.map(|waits| waits.mean_s);
        let [cars, buses, emergencies] = self.classes.map(Option::unwrap_or_default);
        let always = [
            ("average_travel_time_s", self.average_travel_time_s),
            ("finished_delay_mean_s", self.finished_delay_mean_s),
            ("wait_mean_s", waits.mean),
            ("wait_p95_s", waits.p95),
            ("wait_max_s", waits.max),
            ("wait_range_s", waits.max - waits.min),
            ("wait_worst_decile_s", waits.worst_decile),
            ("wait_max_over_mean", of_mean(waits.max)),
            ("wait_variance_s2", waits.variance),
            ("wait_variation", of_mean(waits.variance.sqrt())),
            ("wait_gini", waits.gini),
            ("wait_jain", waits.jain),
            ("wait_atkinson", waits.atkinson),
            ("finished_wait_mean_s", self.finished_waits_s.mean),
            ("finished_wait_gini", self.finished_waits_s.gini),
            ("finished_wait_per_km_s", self.finished_wait_per_km_s),
            ("person_wait_mean_s", self.person_wait_mean_s),
            ("worst_movement_wait_s", self.worst_movement_s()),
            ("movement_wait_mean_s", movements.mean),
            ("movement_wait_gini", movements.gini),
            ("worst_crossing_wait_s", self.worst_crossing_s()),
            ("crossing_wait_mean_s", crossings.mean),
            ("crossing_wait_gini", crossings.gini),
            ("worst_od_pair_wait_s", self.pairs_s.max),
            ("od_pair_wait_mean_s", self.pairs_s.mean),
            ("od_pair_wait_gini", self.pairs_s.gini),
            ("straight_wait_mean_s", straight),
            ("left_wait_mean_s", left),
            ("right_wait_mean_s", right),
        ];
        let roads = [("main_road_wait_mean_s", main), ("side_road_wait_mean_s", side)];
        let classes = [("car_wait_mean_s", cars), ("bus_wait_mean_s", buses), ("emergency_wait_mean_s", emergencies)];
        let comes = Class::ALL.map(|class| world.demand.kinds.iter().any(|kind| kind.class == class));
        let several = comes.iter().filter(|comes| **comes).count() > 1;
        let classes = classes.into_iter().zip(comes).filter(move |(_, comes)| *comes && several).map(|(of, _)| of);
        let counts = [
            ("vehicles_created", world.created(state.tally.steps) as f64),
            ("vehicles_entered", waits.count as f64),
            ("vehicles_finished", f64::from(state.tally.finished)),
            ("vehicle_updates", state.tally.updates as f64),
        ];
        let roads = roads.into_iter().take(if world.has_main_and_side() { 2 } else { 0 });
        let walks = !world.walkways.all.is_empty();
        let on_foot = self.on_foot.numbers().into_iter().filter(move |_| walks);
        always.into_iter().chain(roads).chain(classes).chain(on_foot).chain(counts)
    }
}

/// The names of the numbers that an episode comes to.
pub(super) fn names(world: &World) -> Vec<String> {
    let tally = Tally::zeroed();
    let (vehicles, chains, lights, passages, choices, curbs, walkers) = (&[], &[], &[], &[], &[], &[], &[]);
    let nothing = Shown { vehicles, chains, lights, passages, choices, tally: &tally, curbs, walkers };
    let empty = Summary {
        average_travel_time_s: 0.0,
        waits_s: Spread::default(),
        finished_waits_s: Spread::default(),
        finished_delay_mean_s: 0.0,
        finished_wait_per_km_s: 0.0,
        person_wait_mean_s: 0.0,
        movements: Vec::new(),
        crossings: Vec::new(),
        turns: [Waits::default(); 3],
        roads: [Waits::default(); 2],
        classes: [None; 3],
        pairs_s: Spread::default(),
        on_foot: OnFoot::default(),
    };
    empty.numbers(world, nothing).map(|(name, _)| name.to_owned()).collect()
}

/// People in vehicles that entered and on foot, and the steps that they waited.
fn persons(world: &World, state: Shown<'_>) -> (f64, f64) {
    let entered = (0..).zip(state.vehicles).filter(|(_, vehicle)| vehicle.entered != NONE);
    let inside = entered.fold((0.0, 0.0), |(persons, waits), (number, vehicle)| {
        let these = world.kind(number).persons;
        (persons + these, waits + these * f64::from(vehicle.waited))
    });
    let on_foot = world.on_foot(state).map(|walker| f64::from(walker.waited(state.tally.steps)));
    on_foot.fold(inside, |(persons, waits), waited| (persons + 1.0, waits + waited))
}

/// Of those who arrived: mean time lost against driving freely, and mean wait per kilometre.
fn arrived(world: &World, state: Shown<'_>) -> (f64, f64) {
    let step_s = world.clock.step_s;
    let (mut count, mut delay_s, mut wait_per_km_s) = (0.0, 0.0, 0.0);
    for (number, vehicle) in (0..).zip(state.vehicles).filter(|(_, vehicle)| vehicle.left != NONE) {
        let departure = &world.demand.departures[number as usize];
        let (length_m, free_s) = world.free_way(departure.path, world.kind(number).max_speed_mps);
        count += 1.0;
        delay_s += f64::from(vehicle.left - departure.step) * step_s - free_s;
        wait_per_km_s += f64::from(vehicle.waited) * step_s / (length_m / 1000.0);
    }
    if count == 0.0 { (0.0, 0.0) } else { (delay_s / count, wait_per_km_s / count) }
}

/// Mean waits of the vehicles from one road to another.
fn pairs(world: &World, state: Shown<'_>) -> Spread {
    let mut sums: Vec<(u32, u64)> = vec![(0, 0); world.pairs as usize];
    for (vehicle, departure) in state.vehicles.iter().zip(&world.demand.departures) {
        if vehicle.entered != NONE {
            let sum = &mut sums[world.pair_of[&departure.path.0] as usize];
            *sum = (sum.0 + 1, sum.1 + u64::from(vehicle.waited));
        }
    }
    let used = sums.into_iter().filter(|(vehicles, _)| *vehicles > 0);
    Spread::of(used.map(|(vehicles, waited)| waited as f64 * world.clock.step_s / f64::from(vehicles)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-7, "{found} is not {expected}");
    }

    #[test]
    fn known_spreads() {
        for (values, variance, gini, jain, atkinson) in [
            ([10.0, 10.0, 10.0, 10.0], 0.0, 0.0, 1.0, 0.0),
            ([0.0, 0.0, 0.0, 40.0], 300.0, 0.75, 0.25, 0.75),
            ([5.0, 10.0, 15.0, 30.0], 87.5, 0.333333, 0.72, 0.093667),
            ([20.0, 30.0, 50.0, 100.0], 950.0, 0.325, 0.724638, 0.087370),
        ] {
            let spread = Spread::of(values.to_vec());
            close(spread.variance, variance);
            close(spread.gini, gini);
            close(spread.jain, jain);
            close(spread.atkinson, atkinson);
            close(1.0 / (1.0 + spread.variance / (spread.mean * spread.mean)), spread.jain);
        }
        assert_eq!(Spread::of(vec![0.0; 3]).jain, 1.0);
        assert_eq!(Spread::of(Vec::new()).jain, 1.0);
    }
}
