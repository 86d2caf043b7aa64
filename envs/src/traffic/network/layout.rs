//! Networks of places and streets: crossings, movements and lights follow from where streets lead.
//!
//! Every road has three lanes, one each to turn left, go straight on and turn right. A light has a phase in which only right
//! turns go, then its greens: opposite roads straight on, opposite roads to the left, and every road by itself.

use super::generate::{LANE_WIDTH_M, MOST_CROSSINGS, Random, block_m, crossing_m, lane, limit_mps};
use super::{CrossingPlan, Fault, LanePlan, LinkPlan, MovementPlan, Network, PhasePlan, Point, RoadPlan, Turn};
use isonomy_engine::quantity::{Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_PI_4, PI, TAU};
use std::num::NonZeroU32;

/// A ring road: crossings on a circle, each with a road to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Crossings, three or more.
    pub crossings: NonZeroU32,
    /// From crossing to crossing and from there to the outside, in metres; 300 if not given.
    #[serde(default = "block_m")]
    pub block_m: Positive,
    /// What a crossing takes of every road that ends there, in metres; 15 if not given.
    #[serde(default = "crossing_m")]
    pub crossing_m: Positive,
    /// Speed limit; 11.111 if not given.
    #[serde(default = "limit_mps")]
    pub limit_mps: Positive,
}

/// A town: crossings about a block apart, joined by some of the streets that a grid would have, with roads to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Town {
    /// Crossings, two or more. A place where only two streets meet is a bend, not an agent.
    pub crossings: NonZeroU32,
    /// What it looks like.
    #[serde(default)]
    pub seed: u32,
    /// Chance of a street that the town could do without; 0.7 if not given.
    #[serde(default = "some_streets")]
    pub streets: Probability,
    /// From crossing to crossing, in metres; 300 if not given.
    #[serde(default = "block_m")]
    pub block_m: Positive,
    /// What a crossing takes of every road that ends there, in metres; 15 if not given.
    #[serde(default = "crossing_m")]
    pub crossing_m: Positive,
    /// Speed limit; 11.111 if not given.
    #[serde(default = "limit_mps")]
    pub limit_mps: Positive,
}

fn some_streets() -> Probability {
    Probability::new(0.7).expect("a constant between 0 and 1")
}

/// How far a town's crossing is from where a grid would have it, at most, in blocks.
const ASTRAY: f64 = 0.2;

/// Places, and streets that join two of them. A place with one street is an end, the others are crossings.
struct Layout {
    places: Vec<Point>,
    streets: Vec<(usize, usize)>,
    crossing_m: f64,
    limit_mps: f64,
}

impl Ring {
    /// The network.
    pub fn network(&self) -> Result<Network, Fault> {
        let count = self.crossings.get();
        if !(3..=MOST_CROSSINGS).contains(&count) {
            return Err(Fault { road: 0, message: format!("a ring has 3 to {MOST_CROSSINGS} crossings, not {count}") });
        }
        let (count, block_m) = (count as usize, self.block_m.get());
        let radius_m = block_m / (2.0 * (PI / count as f64).sin());
        let on = |number: usize, radius_m: f64| {
            let angle = TAU * number as f64 / count as f64;
            Point::new(radius_m * angle.cos(), radius_m * angle.sin())
        };
        let inside = (0..count).map(|number| on(number, radius_m));
        let outside = (0..count).map(|number| on(number, radius_m + block_m));
        let around = (0..count).map(|number| (number, (number + 1) % count));
        let out = (0..count).map(|number| (number, count + number));
        let layout = Layout {
            places: inside.chain(outside).collect(),
            streets: around.chain(out).collect(),
            crossing_m: self.crossing_m.get(),
            limit_mps: self.limit_mps.get(),
        };
        layout.network()
    }
}

impl Town {
    /// The network.
    pub fn network(&self) -> Result<Network, Fault> {
        let count = self.crossings.get();
        if !(2..=MOST_CROSSINGS).contains(&count) {
            return Err(Fault { road: 0, message: format!("a town has 2 to {MOST_CROSSINGS} crossings, not {count}") });
        }
        let (count, block_m) = (count as usize, self.block_m.get());
        let columns = (count as f64).sqrt().ceil() as usize;
        let mut random = Random(u64::from(self.seed));
        let mut astray = || (random.share() - 0.5) * 2.0 * ASTRAY;
        let place = |x: f64, y: f64| Point::new(x * block_m, y * block_m);
        let mut places: Vec<Point> = (0..count)
            .map(|number| place((number % columns) as f64 + astray(), (number / columns) as f64 + astray()))
            .collect();
        let beside = |number: usize| (number % columns + 1 < columns && number + 1 < count).then_some(number + 1);
        let above = |number: usize| (number + columns < count).then_some(number + columns);
        let mut possible: Vec<(usize, usize)> = (0..count)
            .flat_map(|number| beside(number).into_iter().chain(above(number)).map(move |other| (number, other)))
            .collect();
        // Whoever is not yet joined must be; the rest is chance.
        for index in (1..possible.len()).rev() {
            possible.swap(index, (random.next() % (index as u64 + 1)) as usize);
        }
        let mut part: Vec<usize> = (0..count).collect();
        let mut streets = Vec::new();
        for (from, to) in possible {
            let (one, other) = (part[from], part[to]);
            if one != other {
                part.iter_mut().filter(|part| **part == one).for_each(|part| *part = other);
                streets.push((from, to));
            } else if random.share() < self.streets.get() {
                streets.push((from, to));
            }
        }
        // The rim: where a grid would go on and the town ends. The first two have a road out in any case.
        let mut out = 0;
        for number in 0..count {
            let (column, row) = (number % columns, number / columns);
            let mut ways = Vec::new();
            if column == 0 {
                ways.push((-1.0, 0.0));
            }
            if beside(number).is_none() {
                ways.push((1.0, 0.0));
            }
            if row == 0 {
                ways.push((0.0, -1.0));
            }
            if above(number).is_none() {
                ways.push((0.0, 1.0));
            }
            for (dx, dy) in ways {
                if out < 2 || random.share() < self.streets.get() {
                    streets.push((number, places.len()));
                    places.push(places[number] + place(dx, dy));
                    out += 1;
                }
            }
        }
        let layout = Layout { places, streets, crossing_m: self.crossing_m.get(), limit_mps: self.limit_mps.get() };
        layout.network()
    }
}

/// How a movement turns from an arm of a crossing to another: straight on within an eighth of a turn.
fn turn(from: f64, to: f64) -> Turn {
    // To the left, from the opposite of the arm that it comes from: between minus and plus half a turn.
    let turned = (to - from).rem_euclid(TAU) - PI;
    match turned {
        turned if turned > EIGHTH => Turn::Left,
        turned if turned < -EIGHTH => Turn::Right,
        _ => Turn::Straight,
    }
}

/// An eighth of a turn, and what rounding may add to it.
const EIGHTH: f64 = FRAC_PI_4 + 1e-6;

impl Layout {
    fn heading(&self, from: usize, to: usize) -> f64 {
        let way = self.places[to] - self.places[from];
        way.y.atan2(way.x)
    }

    /// The network: two roads for every street.
    fn network(&self) -> Result<Network, Fault> {
        let mut beside: Vec<Vec<(usize, usize, usize)>> = vec![Vec::new(); self.places.len()];
        for (street, &(a, b)) in self.streets.iter().enumerate() {
            // A neighbour, the road from it, the road to it.
            beside[a].push((b, 2 * street + 1, 2 * street));
            beside[b].push((a, 2 * street, 2 * street + 1));
        }
        let road = |(from, to): (usize, usize)| RoadPlan {
            name: format!("road_{from}_{to}"),
            from,
            to,
            points: vec![self.places[from], self.places[to]],
            lanes: vec![LanePlan { width_m: LANE_WIDTH_M, limit_mps: self.limit_mps, line: None }; 3],
        };
        let roads = self.streets.iter().flat_map(|&(a, b)| [road((a, b)), road((b, a))]).collect();
        let crossings = beside.iter().enumerate().map(|(place, beside)| self.crossing(place, beside)).collect();
        Network::build(roads, crossings)
    }

    fn crossing(&self, place: usize, beside: &[(usize, usize, usize)]) -> CrossingPlan {
        let mut plan = CrossingPlan {
            name: format!("crossing_{place}"),
            point: self.places[place],
            width_m: self.crossing_m,
            boundary: beside.len() < 2,
            controlled: beside.len() > 2,
            movements: Vec::new(),
            phases: Vec::new(),
            offset_s: 0.0,
        };
        if plan.boundary {
            return plan;
        }
        let mut arms: Vec<(f64, usize, usize)> =
            beside.iter().map(|&(other, from, to)| (self.heading(place, other), from, to)).collect();
        arms.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The arm that a movement comes from, by movement.
        let mut comes = Vec::new();
        for (arm, &(bearing, from, _)) in arms.iter().enumerate() {
            for &(leaves, _, to) in arms.iter().filter(|other| other.1 != from) {
                let turn = turn(bearing, leaves);
                let link = |to| LinkPlan { from: lane(turn), to, points: Vec::new(), right_of_way: None };
                plan.movements.push(MovementPlan { turn, from, to, links: (0..3).map(link).collect() });
                comes.push(arm);
            }
        }
        if plan.controlled {
            plan.phases = phases(&plan.movements, &comes, &arms);
        }
        plan
    }
}

fn phases(movements: &[MovementPlan], comes: &[usize], arms: &[(f64, usize, usize)]) -> Vec<PhasePlan> {
    let phase = |duration_s: f64, free: &dyn Fn(usize) -> bool| PhasePlan {
        duration_s,
        movements: (0..movements.len()).filter(|&m| movements[m].turn == Turn::Right || free(m)).collect(),
        passing: false,
    };
    let mut phases = vec![phase(5.0, &|_| false)];
    let mut add = |free: &dyn Fn(usize) -> bool| {
        let next = phase(30.0, free);
        if phases.iter().all(|known| known.movements != next.movements) {
            phases.push(next);
        }
    };
    for (turn, one) in [Turn::Straight, Turn::Left].into_iter().flat_map(|turn| (0..arms.len()).map(move |a| (turn, a)))
    {
        let opposite = |other: usize| self::turn(arms[one].0, arms[other].0) == Turn::Straight;
        if let Some(other) = (one + 1..arms.len()).find(|&other| opposite(other)) {
            add(&|m| movements[m].turn == turn && (comes[m] == one || comes[m] == other));
        }
    }
    for one in 0..arms.len() {
        add(&|m| comes[m] == one);
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::super::demand::{Clock, Demand};
    use super::super::generate::Trips;
    use super::*;

    /// Everybody who enters comes to an end, from every entry.
    fn is_driven(network: &Network) {
        let clock = Clock { step_s: 1.0, steps: 1800, seed: 0 };
        let trips: Trips = serde_json::from_str(r#"{"entry_per_h": 200}"#).expect("trips");
        let flows = trips.flows(network, 1800.0, 3).expect("there are ends");
        let demand = Demand::build(network, &flows, clock).expect("it can be driven");
        let entries = network.roads.iter().filter(|road| network.crossings[road.from as usize].boundary).count();
        let expected = entries as f64 * 100.0;
        assert!((demand.departures.len() as f64 - expected).abs() < 5.0 * expected.sqrt());
        for departure in &demand.departures {
            let last = demand.paths[departure.path.1 as usize - 1] as usize;
            let road = &network.roads[network.lanes[last].road as usize];
            assert!(network.crossings[road.to as usize].boundary);
        }
    }

    #[test]
    fn a_ring_is_round() {
        let ring: Ring = serde_json::from_str(r#"{"crossings": 8}"#).expect("a ring");
        let network = ring.network().expect("it can be built");
        assert_eq!((network.controlled().count(), network.roads.len()), (8, 32));
        for crossing in network.controlled().map(|crossing| &network.crossings[crossing]) {
            // Around both ways straight on, one left turn into the outer road's mouth, and three roads by themselves.
            assert_eq!((crossing.movements.len(), crossing.clearance), (6, 0));
            assert!((4..=5).contains(&crossing.greens.len()), "{:?}", crossing.greens);
            let turns = crossing.movements.clone().map(|m| network.movements[m as usize].turn);
            let count = |turn: Turn| turns.clone().filter(|&this| this == turn).count();
            assert_eq!((count(Turn::Straight), count(Turn::Left), count(Turn::Right)), (2, 2, 2));
        }
        assert!(network.lanes.iter().all(|lane| lane.length_m > 260.0 && lane.length_m < 300.0));
        is_driven(&network);
        let small: Ring = serde_json::from_str(r#"{"crossings": 2}"#).expect("a ring");
        assert!(small.network().expect_err("refused").message.contains("3 to 4096 crossings, not 2"));
    }

    #[test]
    fn a_town_is_whole_and_follows_from_its_seed() {
        let town = |seed: u32| Town { seed, ..serde_json::from_str(r#"{"crossings": 14}"#).expect("a town") };
        for seed in 0..20 {
            let network = town(seed).network().expect("it can be built");
            assert!(network.controlled().count() > 3, "seed {seed}");
            is_driven(&network);
            let again = town(seed).network().expect("it can be built");
            assert_eq!(network.roads.len(), again.roads.len());
            assert_eq!(network.crossings[3].point, again.crossings[3].point);
        }
        assert_ne!(
            town(1).network().expect("a town").crossings[3].point,
            town(2).network().expect("a town").crossings[3].point
        );
    }
}
