//! Reads CityFlow's files: `roadnet.json`, `flow.json`, and a `config.json` that names both.
//!
//! Format: Zhang et al. 2019, *CityFlow: A Multi-Agent Reinforcement Learning Environment for Large Scale City Traffic
//! Scenario* (WWW), and its documentation. Unknown entries are ignored, as CityFlow does; what is missing, of the wrong
//! kind or refers to nothing is refused with its place.

use super::demand::{Class, Clock, Demand, FlowPlan, Kind};
use super::json::{Document, ImportError, Place};
use super::{CrossingPlan, LanePlan, LinkPlan, MovementPlan, Network, PhasePlan, Point, RoadPlan, Turn};
use std::collections::BTreeMap;

/// Bytes of the longest file that is read.
pub const LONGEST_FILE: u64 = 1 << 29;

/// Links of one crossing: every two of them may meet.
const MOST_LINKS: usize = 2048;

type Read<T> = Result<T, ImportError>;

/// Numbers by name.
type Names<'d> = BTreeMap<&'d str, usize>;

/// What CityFlow's configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Length of a step.
    pub step_s: f64,
    /// Seed.
    pub seed: u32,
    /// The network's file: `dir` and `roadnetFile` together.
    pub roadnet: String,
    /// The demand's file: `dir` and `flowFile` together.
    pub flow: String,
    /// Whether somebody else sets the lights. Where not, they follow their own tables.
    pub controlled: bool,
}

/// Reads a configuration. `file` is what complaints call it.
pub fn config(file: &str, text: &str) -> Read<Config> {
    let document = Document::parse(file, text)?;
    let root = document.root();
    let text = |name| root.get(name)?.text().map(str::to_owned);
    if let Some(change) = root.find("laneChange")?
        && change.flag()?
    {
        return Err(change.error("changing lanes is not simulated; set it to false"));
    }
    let dir = text("dir")?;
    let seed = root.get("seed")?;
    Ok(Config {
        step_s: root.get("interval")?.positive()?,
        // CityFlow takes a signed number and seeds with its bits.
        seed: seed.number()? as i32 as u32,
        roadnet: dir.clone() + &text("roadnetFile")?,
        flow: dir + &text("flowFile")?,
        controlled: root.find("rlTrafficLight")?.map_or(Ok(false), |flag| flag.flag())?,
    })
}

/// Reads a network. `file` is what complaints call it.
pub fn roadnet(file: &str, text: &str) -> Read<Network> {
    let document = Document::parse(file, text)?;
    let root = document.root();
    let (crossings, roads) = (root.get("intersections")?, root.get("roads")?);
    let crossing_names = names(&crossings, "intersection")?;
    let road_names = names(&roads, "road")?;
    let mut road_plans = Vec::with_capacity(road_names.len());
    for place in roads.items()? {
        road_plans.push(road(&place, &crossing_names)?);
    }
    let mut crossing_plans = Vec::with_capacity(crossing_names.len());
    for place in crossings.items()? {
        crossing_plans.push(crossing(&place, crossing_plans.len(), &road_names, &road_plans)?);
    }
    Network::build(road_plans, crossing_plans).map_err(|fault| {
        match roads.items().map(|mut items| items.nth(fault.road)) {
            Ok(Some(place)) => place.error(fault.message),
            _ => roads.error(fault.message),
        }
    })
}

/// Reads a demand for a network. `file` is what complaints call it.
pub fn flows(file: &str, text: &str, network: &Network, clock: Clock) -> Read<Demand> {
    let document = Document::parse(file, text)?;
    let root = document.root();
    let names: Names<'_> =
        network.roads.iter().enumerate().map(|(number, road)| (road.name.as_str(), number)).collect();
    let mut plans = Vec::new();
    for place in root.items()? {
        plans.push(flow(&place, &names)?);
    }
    Demand::build(network, &plans, clock).map_err(|fault| {
        let Ok(Some(place)) = root.items().map(|mut items| items.nth(fault.flow)) else {
            return root.error(fault.message);
        };
        match place.get("route") {
            Ok(route) if fault.route => route.error(fault.message),
            _ => place.error(fault.message),
        }
    })
}

fn names<'d>(list: &'d Place<'d>, what: &str) -> Read<BTreeMap<String, usize>> {
    let mut names = BTreeMap::new();
    for place in list.items()? {
        let id = place.get("id")?;
        let number = names.len();
        if names.insert(id.text()?.to_owned(), number).is_some() {
            return Err(id.error(format!("there are two {what}s of the name {:?}", id.text()?)));
        }
    }
    Ok(names)
}

fn lookup(place: &Place<'_>, names: &BTreeMap<String, usize>, what: &str) -> Read<usize> {
    let name = place.text()?;
    names.get(name).copied().ok_or_else(|| place.error(format!("there is no {what} {name:?}")))
}

fn point(place: &Place<'_>) -> Read<Point> {
    Ok(Point::new(place.get("x")?.number()?, place.get("y")?.number()?))
}

fn points(list: &Place<'_>) -> Read<Vec<Point>> {
    list.items()?.map(|place| point(&place)).collect()
}

fn road(place: &Place<'_>, crossings: &BTreeMap<String, usize>) -> Read<RoadPlan> {
    let lanes_at = place.get("lanes")?;
    let lane = |place: Place<'_>| {
        Ok(LanePlan {
            width_m: place.get("width")?.non_negative()?,
            limit_mps: place.get("maxSpeed")?.positive()?,
            line: None,
        })
    };
    let lanes = lanes_at.items()?.map(lane).collect::<Read<Vec<_>>>()?;
    if lanes.is_empty() {
        return Err(lanes_at.error("a road needs a lane"));
    }
    Ok(RoadPlan {
        name: place.get("id")?.text()?.to_owned(),
        from: lookup(&place.get("startIntersection")?, crossings, "intersection")?,
        to: lookup(&place.get("endIntersection")?, crossings, "intersection")?,
        points: points(&place.get("points")?)?,
        lanes,
    })
}

fn crossing(
    place: &Place<'_>,
    number: usize,
    road_names: &BTreeMap<String, usize>,
    roads: &[RoadPlan],
) -> Read<CrossingPlan> {
    let attached = place.get("roads")?;
    for road in attached.items()? {
        lookup(&road, road_names, "road")?;
    }
    let mut plan = CrossingPlan {
        name: place.get("id")?.text()?.to_owned(),
        point: point(&place.get("point")?)?,
        width_m: 0.0,
        boundary: place.get("virtual")?.flag()?,
        controlled: false,
        movements: Vec::new(),
        phases: Vec::new(),
        offset_s: 0.0,
    };
    if plan.boundary {
        return Ok(plan);
    }
    // Networks converted from SUMO mark crossings without a signal this way.
    plan.controlled = !place.find("gt_virtual")?.map_or(Ok(false), |mark| mark.flag())?;
    plan.width_m = place.get("width")?.non_negative()?;
    let links = place.get("roadLinks")?;
    for link in links.items()? {
        plan.movements.push(movement(&link, number, road_names, roads)?);
    }
    let count: usize = plan.movements.iter().map(|movement| movement.links.len()).sum();
    if count > MOST_LINKS {
        return Err(links.error(format!("{count} lane links are more than the {MOST_LINKS} that a crossing may have")));
    }
    let light = place.get("trafficLight")?;
    let phases = light.get("lightphases")?;
    for phase in phases.items()? {
        plan.phases.push(self::phase(&phase, plan.movements.len())?);
    }
    if !plan.phases.is_empty() && plan.phases.iter().all(|phase| phase.duration_s == 0.0) {
        return Err(phases.error("one phase must take time"));
    }
    Ok(plan)
}

fn movement(
    place: &Place<'_>,
    crossing: usize,
    road_names: &BTreeMap<String, usize>,
    roads: &[RoadPlan],
) -> Read<MovementPlan> {
    let kind = place.get("type")?;
    let turn = match kind.text()? {
        "go_straight" => Turn::Straight,
        "turn_left" => Turn::Left,
        "turn_right" => Turn::Right,
        other => {
            return Err(kind.error(format!("expected go_straight, turn_left or turn_right, found {other:?}")));
        }
    };
    let (start, end) = (place.get("startRoad")?, place.get("endRoad")?);
    let (from, to) = (lookup(&start, road_names, "road")?, lookup(&end, road_names, "road")?);
    if roads[from].to != crossing {
        return Err(start.error(format!("road {:?} does not end here", roads[from].name)));
    }
    if roads[to].from != crossing {
        return Err(end.error(format!("road {:?} does not begin here", roads[to].name)));
    }
    let links_at = place.get("laneLinks")?;
    let mut links = Vec::new();
    for link in links_at.items()? {
        links.push(self::link(&link, &roads[from], &roads[to])?);
    }
    if links.is_empty() {
        return Err(links_at.error("a road link needs a lane link"));
    }
    Ok(MovementPlan { turn, from, to, links })
}

fn link(place: &Place<'_>, from: &RoadPlan, to: &RoadPlan) -> Read<LinkPlan> {
    let lane = |name, road: &RoadPlan| {
        let place = place.get(name)?;
        let index = place.index()?;
        if index < road.lanes.len() {
            return Ok(index);
        }
        let message = format!("road {:?} has no lane {index}, only {}", road.name, road.lanes.len());
        Err(place.error(message))
    };
    let (from, to) = (lane("startLaneIndex", from)?, lane("endLaneIndex", to)?);
    let given = place.find("points")?;
    let points = given.as_ref().map_or(Ok(Vec::new()), points)?;
    match given {
        Some(given) if points.len() == 1 => Err(given.error("a link needs two points or more, or none at all")),
        _ => Ok(LinkPlan { from, to, points, right_of_way: None }),
    }
}

fn phase(place: &Place<'_>, movements: usize) -> Read<PhasePlan> {
    let free = place.get("availableRoadLinks")?;
    let mut green = Vec::new();
    for item in free.items()? {
        let movement = item.index()?;
        if movement >= movements {
            return Err(item.error(format!("there is no road link {movement}, only {movements}")));
        }
        green.push(movement);
    }
    Ok(PhasePlan { duration_s: place.get("time")?.non_negative()?, movements: green, passing: false })
}

fn flow(place: &Place<'_>, roads: &Names<'_>) -> Read<FlowPlan> {
    let vehicle = place.get("vehicle")?;
    let route_at = place.get("route")?;
    let mut route = Vec::new();
    for item in route_at.items()? {
        let name = item.text()?;
        route.push(*roads.get(name).ok_or_else(|| item.error(format!("there is no road {name:?}")))?);
    }
    if route.is_empty() {
        return Err(route_at.error("a route needs two roads or more"));
    }
    let seconds = |name, otherwise: f64| place.find(name)?.map_or(Ok(otherwise), |place| place.number());
    let (start_s, end_s) = (seconds("startTime", 0.0)?, seconds("endTime", -1.0)?);
    if end_s != -1.0 && end_s < start_s {
        return Err(place
            .get("endTime")?
            .error(format!("the flow ends at {end_s} s, before it starts at {start_s} s")));
    }
    Ok(FlowPlan {
        kind: kind(&vehicle)?,
        route,
        interval_s: place.get("interval")?.positive()?,
        // CityFlow takes whole seconds of these two.
        start_s: start_s.trunc(),
        end_s: (end_s != -1.0).then_some(end_s.trunc()),
    })
}

fn kind(vehicle: &Place<'_>) -> Read<Kind> {
    let positive = |name| vehicle.get(name)?.positive();
    let non_negative = |name| vehicle.get(name)?.non_negative();
    let class = match vehicle.find("class")? {
        None => Class::Car,
        Some(place) => {
            let name = place.text()?;
            let known = Class::ALL.into_iter().find(|class| class.name() == name);
            known.ok_or_else(|| place.error(format!("expected car, bus or emergency, found {name:?}")))?
        }
    };
    Ok(Kind {
        class,
        persons: vehicle.find("persons")?.map_or(Ok(class.persons()), |place| place.non_negative())?,
        length_m: positive("length")?,
        min_gap_m: non_negative("minGap")?,
        max_speed_mps: positive("maxSpeed")?,
        headway_s: non_negative("headwayTime")?,
        max_acceleration: positive("maxPosAcc")?,
        max_braking: positive("maxNegAcc")?,
        usual_acceleration: positive("usualPosAcc")?,
        usual_braking: positive("usualNegAcc")?,
    })
}
