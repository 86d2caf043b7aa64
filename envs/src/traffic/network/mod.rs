//! A road network: roads of lanes, crossings of movements, links from lane to lane, phases of a light.
//!
//! Everything is numbered and stands in one array per kind, in the order of the plan. A *way* is what a vehicle can be
//! on: ways `0..lanes` are lanes, the rest are links. [`cityflow`] and [`sumo`] read plans from files, [`generate`] makes
//! them up.

pub mod cityflow;
mod crosswalk;
pub mod demand;
pub mod generate;
mod geometry;
mod json;
pub mod layout;
pub mod sumo;
mod xml;

pub use crosswalk::Crosswalk;
pub use geometry::Point;
pub use json::ImportError;

use geometry::Joint;
use std::cmp::Ordering;
use std::ops::Range;

/// Which way a movement turns. A vehicle yields to one whose movement is further down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// To the right.
    Right,
    /// To the left.
    Left,
    /// Straight on.
    Straight,
}

impl Turn {
    /// All of them, as they are listed in tables.
    pub const ALL: [Turn; 3] = [Turn::Straight, Turn::Left, Turn::Right];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Turn::Straight => "straight",
            Turn::Left => "left",
            Turn::Right => "right",
        }
    }
}

/// A road to be built, in the direction of travel.
#[derive(Clone, Debug)]
pub struct RoadPlan {
    /// Its name.
    pub name: String,
    /// Crossing where it begins.
    pub from: usize,
    /// Crossing where it ends.
    pub to: usize,
    /// Its middle line, two points or more.
    pub points: Vec<Point>,
    /// Its lanes from left to right.
    pub lanes: Vec<LanePlan>,
}

/// A lane to be built.
#[derive(Clone, Debug)]
pub struct LanePlan {
    /// Width in metres.
    pub width_m: f64,
    /// Speed limit.
    pub limit_mps: f64,
    /// Its line between the crossings, two points or more, and its length. None: both follow from the road's middle line.
    pub line: Option<(Vec<Point>, f64)>,
}

/// A crossing to be built.
#[derive(Clone, Debug)]
pub struct CrossingPlan {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub point: Point,
    /// How much of every road that ends or begins here it takes, in metres.
    pub width_m: f64,
    /// Whether roads just end here: no movements, no light, and nothing is taken from the roads.
    pub boundary: bool,
    /// Whether a light that it has obeys a controller. Where not, the light follows its own table.
    pub controlled: bool,
    /// Ways through it.
    pub movements: Vec<MovementPlan>,
    /// Phases of its light. None: every movement is always free.
    pub phases: Vec<PhasePlan>,
    /// Time at which the light's own table begins.
    pub offset_s: f64,
}

/// A movement to be built: from a road to a road.
#[derive(Clone, Debug)]
pub struct MovementPlan {
    /// Which way it turns.
    pub turn: Turn,
    /// Road it comes from.
    pub from: usize,
    /// Road it leads to.
    pub to: usize,
    /// From which lanes to which.
    pub links: Vec<LinkPlan>,
}

/// A link to be built: from a lane to a lane.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// Lane of the road it comes from, from the left.
    pub from: usize,
    /// Lane of the road it leads to, from the left.
    pub to: usize,
    /// Its curve; made up where empty.
    pub points: Vec<Point>,
    /// Whom it must let pass, where the plan says so. None: that follows from how movements turn.
    pub right_of_way: Option<RightOfWay>,
}

/// Whom a link lets pass.
#[derive(Clone, Debug)]
pub struct RightOfWay {
    /// The junction within which links are numbered.
    pub junction: usize,
    /// The link's number there.
    pub number: usize,
    /// Whether it lets each of the others pass.
    pub yields_to: Vec<bool>,
    /// Whether it must yield wherever it has green.
    pub minor: bool,
}

impl RightOfWay {
    fn yields_to(&self, other: &RightOfWay) -> bool {
        self.junction == other.junction && self.yields_to.get(other.number) == Some(&true)
    }

    /// Greater: this link's vehicles go first.
    fn against(&self, other: &RightOfWay) -> Ordering {
        match (other.yields_to(self), self.yields_to(other)) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => other.minor.cmp(&self.minor),
        }
    }
}

/// A phase to be built.
#[derive(Clone, Debug)]
pub struct PhasePlan {
    /// How long it lasts where the light follows its own table.
    pub duration_s: f64,
    /// Movements that have green.
    pub movements: Vec<usize>,
    /// Whether it only leads from one green to another, so that no controller may choose it.
    pub passing: bool,
}

/// A road.
#[derive(Clone, Debug)]
pub struct Road {
    /// Its name.
    pub name: String,
    /// Crossing where it begins.
    pub from: u32,
    /// Crossing where it ends.
    pub to: u32,
    /// Its lanes.
    pub lanes: Range<u32>,
    /// Its middle line.
    pub points: Vec<Point>,
}

/// A lane.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Its road.
    pub road: u32,
    /// Number in the road, from the left.
    pub index: u32,
    /// Length between the crossings.
    pub length_m: f64,
    /// Speed limit.
    pub limit_mps: f64,
    /// Width.
    pub width_m: f64,
    /// Its line.
    pub points: Vec<Point>,
    /// Links that begin at its end, as a range of [`Network::leaving`].
    pub leaving: Range<u32>,
}

/// A link: a curve through a crossing from a lane to a lane.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its movement.
    pub movement: u32,
    /// Lane it comes from.
    pub from: u32,
    /// Lane it leads to.
    pub to: u32,
    /// Length.
    pub length_m: f64,
    /// Its line.
    pub points: Vec<Point>,
    /// Where other links cross it, nearest first, as a range of [`Network::conflicts`].
    pub conflicts: Range<u32>,
}

/// A place on a link where another one crosses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conflict {
    /// Metres along the link.
    pub at_m: f64,
    /// The other link.
    pub foe: u32,
    /// Metres along the other link.
    pub foe_at_m: f64,
    /// Greater: this link's vehicles go first; less: the other's. Equal: who would be there first.
    pub order: Ordering,
}

/// A movement: from a road through a crossing to a road.
#[derive(Clone, Debug)]
pub struct Movement {
    /// Its crossing.
    pub crossing: u32,
    /// Which way it turns.
    pub turn: Turn,
    /// Road it comes from.
    pub from: u32,
    /// Road it leads to.
    pub to: u32,
    /// Its links.
    pub links: Range<u32>,
}

/// A crossing.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub point: Point,
    /// Whether roads just end here.
    pub boundary: bool,
    /// Whether its light obeys a controller.
    pub controlled: bool,
    /// Its movements.
    pub movements: Range<u32>,
    /// Phases of its light.
    pub phases: Range<u32>,
    /// Phases that let somebody pass who must wait in another, as numbers from its first phase: what a controller may choose.
    pub greens: Vec<u32>,
    /// The phase between two greens, as a number from its first phase.
    pub clearance: u32,
    /// Time at which the light's own table begins.
    pub offset_s: f64,
    /// Lanes that lead to it and have a link, in the order of their links.
    pub incoming: Vec<u32>,
    /// Lanes that lead away from it and have a link to them, in the order of those links.
    pub outgoing: Vec<u32>,
}

/// A phase of a light.
#[derive(Clone, Debug)]
pub struct Phase {
    /// How long it lasts where the light follows its own table.
    pub duration_s: f64,
    /// Whether each movement of the crossing has green.
    pub green: Vec<bool>,
}

/// What cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the road at fault.
    pub road: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A road network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Roads.
    pub roads: Vec<Road>,
    /// Lanes, road by road.
    pub lanes: Vec<Lane>,
    /// Links, movement by movement.
    pub links: Vec<Link>,
    /// Movements, crossing by crossing.
    pub movements: Vec<Movement>,
    /// Crossings.
    pub crossings: Vec<Crossing>,
    /// Phases, crossing by crossing.
    pub phases: Vec<Phase>,
    /// Links by the lane that they leave.
    pub leaving: Vec<u32>,
    /// Conflicts by the link that is crossed.
    pub conflicts: Vec<Conflict>,
}

impl Network {
    /// The network of these roads and crossings, whose numbers must fit each other.
    pub fn build(roads: Vec<RoadPlan>, crossings: Vec<CrossingPlan>) -> Result<Self, Fault> {
        let mut network = Network::default();
        // Links are drawn from the lanes before the crossings take their part.
        let mut whole = Vec::new();
        for (index, road) in roads.into_iter().enumerate() {
            network.add_road(index, road, &crossings, &mut whole)?;
        }
        let widths: Vec<f64> = crossings.iter().map(|crossing| crossing.width_m).collect();
        for crossing in crossings {
            network.add_crossing(crossing, &widths, &whole);
        }
        network.sort_leaving();
        Ok(network)
    }

    fn add_road(
        &mut self,
        index: usize,
        road: RoadPlan,
        crossings: &[CrossingPlan],
        whole: &mut Vec<Vec<Point>>,
    ) -> Result<(), Fault> {
        let fault = |message: String| Fault { road: index, message };
        if road.lanes.iter().all(|lane| lane.line.is_some()) {
            return self.add_drawn_road(index, road, whole);
        }
        if road.points.len() < 2 {
            return Err(fault("a road needs two points or more".to_owned()));
        }
        if road.points.windows(2).any(|ends| ends[0] == ends[1]) {
            return Err(fault("two neighbouring points are the same".to_owned()));
        }
        let taken = |crossing: usize| if crossings[crossing].boundary { 0.0 } else { crossings[crossing].width_m };
        let (first, last) = (taken(road.from), taken(road.to));
        let end_pieces = [length_of(&road.points[..2]), length_of(&road.points[road.points.len() - 2..])];
        let room = if road.points.len() == 2 { end_pieces[0] - first - last } else { end_pieces[0] - first };
        if room <= 0.0 || end_pieces[1] - last <= 0.0 {
            let message = format!("its ends are no longer than the {first} m and {last} m that its crossings take");
            return Err(fault(message));
        }
        let middle = geometry::cut(&road.points, first, last);
        let first_lane = self.lanes.len() as u32;
        let mut left = 0.0;
        for (number, lane) in road.lanes.iter().enumerate() {
            let right = left + lane.width_m;
            let points = geometry::beside(&middle, (left + right) / 2.0);
            whole.push(geometry::beside(&road.points, (left + right) / 2.0));
            self.lanes.push(Lane {
                road: index as u32,
                index: number as u32,
                length_m: length_of(&points),
                limit_mps: lane.limit_mps,
                width_m: lane.width_m,
                points,
                leaving: 0..0,
            });
            left = right;
        }
        let lanes = first_lane..self.lanes.len() as u32;
        self.roads.push(Road {
            name: road.name,
            from: road.from as u32,
            to: road.to as u32,
            lanes,
            points: road.points,
        });
        Ok(())
    }

    /// Adds a road all of whose lanes have lines.
    fn add_drawn_road(&mut self, index: usize, road: RoadPlan, whole: &mut Vec<Vec<Point>>) -> Result<(), Fault> {
        let first_lane = self.lanes.len() as u32;
        for (number, lane) in road.lanes.into_iter().enumerate() {
            let Some((points, length_m)) = lane.line else { continue };
            whole.push(points.clone());
            self.lanes.push(Lane {
                road: index as u32,
                index: number as u32,
                length_m,
                limit_mps: lane.limit_mps,
                width_m: lane.width_m,
                points,
                leaving: 0..0,
            });
        }
        let lanes = first_lane..self.lanes.len() as u32;
        let (name, from, to) = (road.name, road.from as u32, road.to as u32);
        self.roads.push(Road { name, from, to, lanes, points: road.points });
        Ok(())
    }

    fn add_crossing(&mut self, plan: CrossingPlan, widths: &[f64], whole: &[Vec<Point>]) {
        let crossing = self.crossings.len() as u32;
        let (first_movement, first_link) = (self.movements.len() as u32, self.links.len());
        for movement in &plan.movements {
            let begin = self.links.len() as u32;
            let number = self.movements.len() as u32;
            let (from, to) = (&self.roads[movement.from], &self.roads[movement.to]);
            let (leaves, arrives) = (widths[from.to as usize], widths[to.from as usize]);
            for link in &movement.links {
                let (from, to) = (from.lanes.start + link.from as u32, to.lanes.start + link.to as u32);
                let points = if link.points.is_empty() {
                    let joint = |lane: u32, width_m: f64| Joint { lane: &whole[lane as usize], width_m };
                    geometry::curve(joint(from, leaves), joint(to, arrives))
                } else {
                    link.points.clone()
                };
                let length_m = length_of(&points);
                self.links.push(Link { movement: number, from, to, length_m, points, conflicts: 0..0 });
            }
            self.movements.push(Movement {
                crossing,
                turn: movement.turn,
                from: movement.from as u32,
                to: movement.to as u32,
                links: begin..self.links.len() as u32,
            });
        }
        let rights: Vec<Option<&RightOfWay>> = plan
            .movements
            .iter()
            .flat_map(|movement| movement.links.iter().map(|link| link.right_of_way.as_ref()))
            .collect();
        self.find_conflicts(first_link, &rights);
        let movements = first_movement..self.movements.len() as u32;
        let light = self.add_phases(&plan.phases, movements.len());
        let (incoming, outgoing) = ends(&self.links[first_link..]);
        self.crossings.push(Crossing {
            controlled: plan.controlled && light.greens.len() > 1,
            name: plan.name,
            point: plan.point,
            boundary: plan.boundary,
            movements,
            phases: light.phases,
            greens: light.greens,
            clearance: light.clearance,
            offset_s: plan.offset_s,
            incoming,
            outgoing,
        });
    }

    /// Adds the phases of a crossing, and those it must have: one that frees everybody where there is no light, one that
    /// clears the crossing where a light never does.
    fn add_phases(&mut self, plans: &[PhasePlan], movements: usize) -> Light {
        let begin = self.phases.len() as u32;
        for plan in plans {
            let mut green = vec![false; movements];
            plan.movements.iter().for_each(|&movement| green[movement] = true);
            self.phases.push(Phase { duration_s: plan.duration_s, green });
        }
        if plans.is_empty() {
            self.phases.push(Phase { duration_s: 1.0, green: vec![true; movements] });
        }
        let phases = &self.phases[begin as usize..];
        // Right turns that are always free say nothing about a phase.
        let always: Vec<bool> = (0..movements).map(|m| phases.iter().all(|phase| phase.green[m])).collect();
        let frees_somebody = |phase: &Phase| phase.green.iter().zip(&always).any(|(green, always)| *green && !always);
        let passing = |phase: usize| plans.get(phase).is_some_and(|plan| plan.passing);
        let chosen = |&phase: &usize| frees_somebody(&phases[phase]) && !passing(phase);
        let greens: Vec<u32> = (0..phases.len()).filter(chosen).map(|phase| phase as u32).collect();
        let clearing = phases.iter().position(|phase| !frees_somebody(phase));
        let clearance = clearing.unwrap_or_else(|| {
            self.phases.push(Phase { duration_s: 0.0, green: always });
            self.phases.len() - 1 - begin as usize
        });
        Light { phases: begin..self.phases.len() as u32, greens, clearance: clearance as u32 }
    }

    /// Finds where the links from `first` on cross each other, and who goes first there.
    fn find_conflicts(&mut self, first: usize, rights: &[Option<&RightOfWay>]) {
        let links = &self.links[first..];
        let turn = |link: usize| self.movements[links[link].movement as usize].turn;
        let mut found: Vec<Vec<Conflict>> = vec![Vec::new(); links.len()];
        for one in 0..links.len() {
            for other in one + 1..links.len() {
                let (meeting, order) = match (rights[one], rights[other]) {
                    (Some(right), Some(against)) => (meeting(&links[one], &links[other]), right.against(against)),
                    _ => {
                        let met = geometry::meeting(&links[one].points, &links[other].points);
                        (met, turn(one).cmp(&turn(other)))
                    }
                };
                let Some((at, foe_at)) = meeting else { continue };
                let conflict =
                    |at_m, foe: usize, foe_at_m, order| Conflict { at_m, foe: (first + foe) as u32, foe_at_m, order };
                found[one].push(conflict(at, other, foe_at, order));
                found[other].push(conflict(foe_at, one, at, order.reverse()));
            }
        }
        for (link, mut conflicts) in self.links[first..].iter_mut().zip(found) {
            conflicts.sort_by(|a, b| a.at_m.total_cmp(&b.at_m));
            let begin = self.conflicts.len() as u32;
            self.conflicts.extend(conflicts);
            link.conflicts = begin..self.conflicts.len() as u32;
        }
    }

    fn sort_leaving(&mut self) {
        let mut leaving: Vec<u32> = (0..self.links.len() as u32).collect();
        leaving.sort_by_key(|&link| self.links[link as usize].from);
        let mut at = 0;
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let begin = at;
            while at < leaving.len() && self.links[leaving[at] as usize].from == number as u32 {
                at += 1;
            }
            lane.leaving = begin as u32..at as u32;
        }
        self.leaving = leaving;
    }

    /// Links from a lane to a road, in the order in which they were planned.
    pub fn links_to(&self, lane: u32, road: u32) -> impl Iterator<Item = u32> + '_ {
        let leaving = self.lanes[lane as usize].leaving.clone();
        let all = &self.leaving[leaving.start as usize..leaving.end as usize];
        all.iter().copied().filter(move |&link| self.movements[self.links[link as usize].movement as usize].to == road)
    }

    /// Lanes and links.
    pub fn ways(&self) -> usize {
        self.lanes.len() + self.links.len()
    }

    /// Crossings whose lights obey a controller: the agents.
    pub fn controlled(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.crossings.len()).filter(|&crossing| self.crossings[crossing].controlled)
    }
}

struct Light {
    phases: Range<u32>,
    greens: Vec<u32>,
    clearance: u32,
}

/// Where two links with rights of their own meet: nowhere if they leave one lane, since there one follows the other.
fn meeting(one: &Link, other: &Link) -> Option<(f64, f64)> {
    if one.from == other.from {
        return None;
    }
    let merging = (one.to == other.to).then_some((one.length_m, other.length_m));
    geometry::crossing_point(&one.points, &other.points).or(merging)
}

fn length_of(points: &[Point]) -> f64 {
    geometry::length_m(points)
}

/// Lanes where these links begin and end, each once.
fn ends(links: &[Link]) -> (Vec<u32>, Vec<u32>) {
    let (mut incoming, mut outgoing) = (Vec::new(), Vec::new());
    for link in links {
        if !incoming.contains(&link.from) {
            incoming.push(link.from);
        }
        if !outgoing.contains(&link.to) {
            outgoing.push(link.to);
        }
    }
    (incoming, outgoing)
}
