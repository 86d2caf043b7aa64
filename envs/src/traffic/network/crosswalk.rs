//! Crosswalks: where people on foot cross the legs of a crossing that has a light.
//!
//! A leg is what leads from a crossing one way: a road in, a road out, or both. A phase lets people cross it while
//! vehicles drive straight past it, with the leg on their right (the through movement beside a crosswalk), and nobody
//! drives over it but those who turn into it or turn right out of it, who would have to yield.

use super::{Movement, Network, Phase, Point, Turn};
use std::f64::consts::{FRAC_PI_4, TAU};
use std::ops::Range;

/// A crosswalk over a leg of a crossing.
#[derive(Clone, Debug, PartialEq)]
pub struct Crosswalk {
    /// Its crossing.
    pub crossing: u32,
    /// The roads that it crosses.
    pub roads: Vec<u32>,
    /// Width of their lanes, all together.
    pub width_m: f64,
    /// Whether each phase of the crossing lets people cross.
    pub walks: Vec<bool>,
    /// From where to where people walk.
    pub ends: [Point; 2],
}

/// The roads that lead one way.
struct Leg {
    roads: Vec<u32>,
    /// The crossing at their other end, and their direction from this one.
    to: u32,
    bearing: f64,
}

impl Network {
    /// The crosswalks of all crossings that have a light, crossing by crossing. A leg that no phase lets people cross has
    /// none.
    pub fn crosswalks(&self) -> Vec<Crosswalk> {
        let lit = |&crossing: &usize| self.crossings[crossing].phases.len() > 1;
        (0..self.crossings.len()).filter(lit).flat_map(|crossing| self.crosswalks_of(crossing)).collect()
    }

    fn crosswalks_of(&self, crossing: usize) -> Vec<Crosswalk> {
        let legs = self.legs(crossing);
        let over = |leg: &Leg| {
            let walks = self.walks(crossing, &legs, leg);
            let lanes = || leg.roads.iter().flat_map(|&road| self.roads[road as usize].lanes.clone());
            let width_m = lanes().map(|lane| self.lanes[lane as usize].width_m).sum();
            walks.iter().any(|walks| *walks).then(|| Crosswalk {
                crossing: crossing as u32,
                roads: leg.roads.clone(),
                width_m,
                walks,
                ends: self.edges(crossing as u32, leg),
            })
        };
        legs.iter().filter_map(over).collect()
    }

    fn movements_of(&self, crossing: usize) -> &[Movement] {
        let Range { start, end } = self.crossings[crossing].movements;
        &self.movements[start as usize..end as usize]
    }

    fn legs(&self, crossing: usize) -> Vec<Leg> {
        let movements = self.movements_of(crossing);
        let mut roads: Vec<u32> = movements.iter().flat_map(|movement| [movement.from, movement.to]).collect();
        roads.sort_unstable();
        roads.dedup();
        let mut legs: Vec<Leg> = Vec::new();
        for road in roads {
            let this = &self.roads[road as usize];
            let to = if this.to == crossing as u32 { this.from } else { this.to };
            if this.from == this.to {
                // A road within a crossing of several junctions.
                continue;
            }
            let bearing = self.bearing(crossing as u32, road);
            let same = |leg: &&mut Leg| leg.to == to && apart(leg.bearing, bearing) < FRAC_PI_4;
            match legs.iter_mut().find(same) {
                Some(leg) => leg.roads.push(road),
                None => legs.push(Leg { roads: vec![road], to, bearing }),
            }
        }
        legs
    }

    /// The direction in which a road leads from a crossing.
    fn bearing(&self, crossing: u32, road: u32) -> f64 {
        let this = &self.roads[road as usize];
        let (near, far) = match this.points.as_slice() {
            [.., before, end] if this.to == crossing => (end, before),
            [begin, after, ..] => (begin, after),
            _ => return 0.0,
        };
        (far.y - near.y).atan2(far.x - near.x)
    }

    /// Whether each phase lets people cross a leg.
    fn walks(&self, crossing: usize, legs: &[Leg], leg: &Leg) -> Vec<bool> {
        let this = &self.crossings[crossing];
        let phases = &self.phases[this.phases.start as usize..this.phases.end as usize];
        let movements = self.movements_of(crossing);
        let leg_of = |road: u32| legs.iter().find(|leg| leg.roads.contains(&road));
        let is_from = |number: usize| leg.roads.contains(&movements[number].from);
        let is_to = |number: usize| leg.roads.contains(&movements[number].to);
        // Straight past the leg, which is on the right or on the left.
        let past = |number: usize, right: bool| {
            let movement = &movements[number];
            let (Some(from), Some(to)) = (leg_of(movement.from), leg_of(movement.to)) else { return false };
            let turned = |to: &Leg| (to.bearing - from.bearing).rem_euclid(TAU);
            let passes = movement.turn == Turn::Straight && !is_from(number) && !is_to(number);
            passes && (turned(leg) < turned(to)) == right
        };
        let all = 0..movements.len();
        let beside: Vec<usize> = all.clone().filter(|&number| past(number, true)).collect();
        let beside = match beside.is_empty() {
            true => all.clone().filter(|&number| past(number, false)).collect(),
            false => beside,
        };
        let over = |number: usize| match movements[number].turn {
            Turn::Straight => is_from(number) || is_to(number),
            Turn::Left => is_from(number),
            Turn::Right => false,
        };
        let always = |number: usize| phases.iter().all(|phase| phase.green[number]);
        let lets = |phase: &Phase| {
            let free = |number: usize| phase.green[number];
            let clear = !all.clone().any(|number| free(number) && over(number));
            let parallel = match beside.is_empty() {
                // Nobody drives straight past the leg, as where a road ends at another: vehicles from other legs go.
                true => all.clone().any(|number| free(number) && !is_from(number) && !always(number)),
                false => beside.iter().any(|&number| free(number)),
            };
            clear && parallel
        };
        phases.iter().map(lets).collect()
    }

    /// The outermost edges of a leg's lanes, where they meet the crossing.
    fn edges(&self, crossing: u32, leg: &Leg) -> [Point; 2] {
        let across = Point::new(-leg.bearing.sin(), leg.bearing.cos());
        let edges = leg.roads.iter().map(|&road| &self.roads[road as usize]).flat_map(|road| {
            let lanes = &self.lanes[road.lanes.start as usize..road.lanes.end as usize];
            let ends = lanes.iter().filter_map(move |lane| match road.to == crossing {
                true => lane.points.last().map(|&end| (end, lane.width_m)),
                false => lane.points.first().map(|&begin| (begin, lane.width_m)),
            });
            ends.flat_map(|(end, width_m)| [0.5, -0.5].map(|by| end + across * (by * width_m)))
        });
        let along = |edge: &Point| edge.x * across.x + edge.y * across.y;
        let middle = self.crossings[crossing as usize].point;
        let one = edges.clone().min_by(|a, b| along(a).total_cmp(&along(b)));
        let other = edges.max_by(|a, b| along(a).total_cmp(&along(b)));
        [one.unwrap_or(middle), other.unwrap_or(middle)]
    }
}

/// The angle between two directions.
fn apart(one: f64, other: f64) -> f64 {
    let angle = (one - other).rem_euclid(TAU);
    angle.min(TAU - angle)
}

#[cfg(test)]
mod tests {
    use super::super::generate::Grid;
    use super::*;

    /// Where roads come from, their width, and the phases that let people cross, of every crosswalk.
    fn told(network: &Network) -> Vec<(String, f64, Vec<usize>)> {
        let told = |walk: &Crosswalk| {
            let names: Vec<&str> = walk.roads.iter().map(|&road| network.roads[road as usize].name.as_str()).collect();
            (names.join(" "), walk.width_m, (0..walk.walks.len()).filter(|&phase| walk.walks[phase]).collect())
        };
        network.crosswalks().iter().map(told).collect()
    }

    #[test]
    fn each_leg_of_a_grid_is_crossed_beside_the_movement_that_has_it_on_its_right() {
        let grid: Grid = serde_json::from_str(r#"{"rows": 1, "columns": 1}"#).expect("a grid");
        let network = grid.network().expect("it can be built");
        let found = told(&network);
        // Green of phase 1: east and west, straight; 2: north and south, straight; 5 to 8: all from west, east, south, north.
        for (leg, phases) in [
            ("road_1_1_0 road_2_1_2", vec![2, 7]),
            ("road_1_1_1 road_1_2_3", vec![1, 6]),
            ("road_0_1_0 road_1_1_2", vec![2, 8]),
            ("road_1_0_1 road_1_1_3", vec![1, 5]),
        ] {
            let mut roads: Vec<&str> = leg.split(' ').collect();
            let of = |name: &str| network.roads.iter().position(|road| road.name == name);
            roads.sort_by_key(|name| of(name));
            assert!(found.contains(&(roads.join(" "), 24.0, phases.clone())), "{leg} {phases:?}: {found:?}");
        }
        assert_eq!(found.len(), 4);
        let crosswalks = network.crosswalks();
        let lengths = crosswalks.iter().map(|walk| {
            let [a, b] = walk.ends;
            (b.x - a.x).hypot(b.y - a.y)
        });
        assert!(lengths.into_iter().all(|length_m| (length_m - 24.0).abs() < 1e-9));
    }
}
