//! Vehicles: kinds, routes, trips and flows.

use super::{File, Read, parse};
use crate::traffic::network::Network;
use crate::traffic::network::demand::{Class, Clock, Demand, FlowPlan, Kind, MOST_VEHICLES, Routing};
use crate::traffic::network::xml::{Element, Xml};
use std::collections::BTreeMap;

/// Reads a demand for a network. Kinds of vehicles, routes and vehicles in `additional` count as well.
///
/// The episode begins at `begin_s` or, if not given, at the whole minute before the first departure.
pub fn routes(
    file: &str,
    text: &str,
    additional: &[File<'_>],
    network: &Network,
    clock: Clock,
    begin_s: Option<f64>,
) -> Read<Demand> {
    let (xml, more) = (Xml::parse(file, text)?, parse(additional)?);
    let mut trips = Trips::new(network);
    for more in &more {
        trips.read(more.root("additional")?)?;
    }
    trips.read(xml.root("routes")?)?;
    let first_s = trips.flows.iter().map(|(flow, _)| flow.start_s).fold(f64::INFINITY, f64::min);
    let begin_s = begin_s.unwrap_or(if first_s.is_finite() { (first_s / 60.0).floor() * 60.0 } else { 0.0 });
    let (mut flows, mut elements) = (Vec::new(), Vec::new());
    for (flow, element) in trips.flows {
        if let Some(flow) = since(flow, begin_s, clock.step_s) {
            flows.push(flow);
            elements.push(element);
        }
    }
    let mut demand = Demand::routed(network, &flows, clock, Routing::ByTime)
        .map_err(|fault| elements[fault.flow].error(fault.message))?;
    demand.begin_s = begin_s;
    Ok(demand)
}

/// What is left of a flow from a time on, on a clock that starts then and goes in steps.
fn since(flow: FlowPlan, begin_s: f64, step_s: f64) -> Option<FlowPlan> {
    let missed = ((begin_s - flow.start_s) / flow.interval_s).ceil().max(0.0);
    let start_s = flow.start_s + missed * flow.interval_s;
    let comes = flow.end_s.is_none_or(|end_s| end_s >= start_s);
    // The last one comes in the first step that is not before its time.
    let last_step = |end_s: f64| ((end_s - begin_s) / step_s - 1e-9).ceil() * step_s + 1e-6;
    comes.then(|| FlowPlan { start_s: start_s - begin_s, end_s: flow.end_s.map(last_step), ..flow })
}

/// Longer than any episode: the interval of a flow of one vehicle.
const ONCE_S: f64 = 1e9;

/// Seconds in which chance decides whether somebody comes, of all flows together; longer ones are refused.
const MOST_RANDOM_S: f64 = 1e9;

/// Who is on the road, as it is read.
struct Trips<'n, 'x, 't> {
    roads: BTreeMap<&'n str, usize>,
    fastest_mps: f64,
    kinds: BTreeMap<String, Kind>,
    routes: BTreeMap<String, Vec<usize>>,
    flows: Vec<(FlowPlan, Element<'x, 't>)>,
    random: u64,
    random_s: f64,
}

impl<'n, 'x, 't> Trips<'n, 'x, 't> {
    fn new(network: &'n Network) -> Self {
        Trips {
            roads: network.roads.iter().enumerate().map(|(number, road)| (road.name.as_str(), number)).collect(),
            fastest_mps: network.lanes.iter().map(|lane| lane.limit_mps).fold(0.1, f64::max),
            kinds: BTreeMap::new(),
            routes: BTreeMap::new(),
            flows: Vec::new(),
            random: 0,
            random_s: 0.0,
        }
    }

    fn read(&mut self, root: Element<'x, 't>) -> Read<()> {
        for element in root.elements() {
            match element.name() {
                "vType" => {
                    let kind = self.kind(element)?;
                    self.kinds.insert(element.get("id")?.to_owned(), kind);
                }
                "route" => {
                    let route = self.edges(element, "edges")?;
                    self.routes.insert(element.get("id")?.to_owned(), route);
                }
                "vehicle" | "trip" => self.vehicle(element)?,
                "flow" => self.flow(element)?,
                "vTypeDistribution" | "routeDistribution" => {
                    return Err(element.error("distributions are not read; name one type or route per vehicle"));
                }
                // People who walk, and what concerns them or others only.
                _ => {}
            }
        }
        Ok(())
    }

    fn kind(&self, element: Element<'x, 't>) -> Read<Kind> {
        // SUMO's defaults for classes of vehicles.
        let (class, length_m, accel, decel, fastest_mps) = match element.find("vClass").unwrap_or("passenger") {
            "bus" => (Class::Bus, 12.0, 1.2, 4.0, 23.61),
            "coach" => (Class::Bus, 14.0, 2.0, 4.0, 27.78),
            "emergency" => (Class::Emergency, 6.5, 2.6, 4.5, 55.56),
            "authority" => (Class::Emergency, 5.0, 2.6, 4.5, 55.56),
            "truck" => (Class::Car, 7.1, 1.3, 4.0, 36.11),
            "trailer" => (Class::Car, 16.5, 1.0, 4.0, 36.11),
            "delivery" => (Class::Car, 6.5, 2.6, 4.5, 55.56),
            "motorcycle" => (Class::Car, 2.2, 6.0, 10.0, 55.56),
            "moped" => (Class::Car, 2.1, 1.1, 7.0, 12.5),
            "passenger" | "private" | "taxi" | "evehicle" | "hov" | "vip" | "army" | "custom1" | "custom2"
            | "ignoring" => (Class::Car, 5.0, 2.6, 4.5, 55.56),
            other => {
                let message = format!("{other:?} does not drive on lanes for cars; remove its vehicles");
                return Err(element.wrong("vClass", message));
            }
        };
        let (accel, decel) = (element.positive_or("accel", accel)?, element.positive_or("decel", decel)?);
        Ok(Kind {
            length_m: element.positive_or("length", length_m)?,
            min_gap_m: element.non_negative_or("minGap", 2.5)?,
            // No lane allows more: who looks as far as his greatest speed asks for need not look further.
            max_speed_mps: element.positive_or("maxSpeed", fastest_mps)?.min(self.fastest_mps),
            headway_s: element.non_negative_or("tau", 1.0)?,
            max_acceleration: accel,
            max_braking: decel,
            usual_acceleration: accel,
            usual_braking: decel,
            class,
            persons: class.persons(),
        })
    }

    fn kind_of(&self, element: Element<'x, 't>) -> Read<Kind> {
        match element.find("type") {
            Some(name) => match self.kinds.get(name) {
                Some(kind) => Ok(*kind),
                None if name == "DEFAULT_VEHTYPE" => self.default_kind(),
                None => Err(element.wrong("type", format!("there is no vType {name:?} before this"))),
            },
            None => match self.kinds.get("DEFAULT_VEHTYPE") {
                Some(kind) => Ok(*kind),
                None => self.default_kind(),
            },
        }
    }

    fn default_kind(&self) -> Read<Kind> {
        Ok(Kind {
            max_speed_mps: self.fastest_mps,
            headway_s: 1.0,
            max_acceleration: 2.6,
            usual_acceleration: 2.6,
            ..Kind::CAR
        })
    }

    fn road(&self, element: Element<'x, 't>, attribute: &str, name: &str) -> Read<usize> {
        let known = self.roads.get(name).copied();
        known.ok_or_else(|| element.wrong(attribute, format!("there is no edge {name:?} with a lane for cars")))
    }

    fn edges(&self, element: Element<'x, 't>, attribute: &str) -> Read<Vec<usize>> {
        let names = element.get(attribute)?.split_whitespace();
        let roads = names.map(|name| self.road(element, attribute, name)).collect::<Read<Vec<_>>>()?;
        if roads.is_empty() {
            return Err(element.wrong(attribute, "a route needs an edge"));
        }
        Ok(roads)
    }

    /// The route of a vehicle, a trip or a flow: one of its own, one by name, or only its ends.
    fn route(&self, element: Element<'x, 't>) -> Read<Vec<usize>> {
        if let Some(own) = element.all("route").next() {
            return self.edges(own, "edges");
        }
        if let Some(name) = element.find("route") {
            let known = self.routes.get(name).cloned();
            return known.ok_or_else(|| element.wrong("route", format!("there is no route {name:?} before this")));
        }
        if element.find("from").is_none() {
            return Err(element.error("expected a route, or `from` and `to`"));
        }
        let mut route = self.edges(element, "from")?;
        if element.find("via").is_some() {
            route.extend(self.edges(element, "via")?);
        }
        route.extend(self.edges(element, "to")?);
        Ok(route)
    }

    fn vehicle(&mut self, element: Element<'x, 't>) -> Read<()> {
        let start_s = element.time("depart")?;
        let (kind, route) = (self.kind_of(element)?, self.route(element)?);
        self.push(element, FlowPlan { kind, route, interval_s: ONCE_S, start_s, end_s: Some(start_s) })
    }

    fn flow(&mut self, element: Element<'x, 't>) -> Read<()> {
        let (kind, route) = (self.kind_of(element)?, self.route(element)?);
        let begin_s = if element.find("begin").is_some() { element.time("begin")? } else { 0.0 };
        let end_s = if element.find("end").is_some() { Some(element.time("end")?) } else { None };
        if let Some(end_s) = end_s.filter(|end_s| *end_s < begin_s) {
            return Err(element.wrong("end", format!("the flow ends at {end_s} s, before it begins at {begin_s} s")));
        }
        let number = match element.find("number") {
            Some(_) => Some(element.index("number")?),
            None => None,
        };
        let rate = ["vehsPerHour", "perHour"].into_iter().find(|rate| element.find(rate).is_some());
        if element.find("probability").is_some() {
            return self.random_flow(element, kind, route, begin_s, end_s);
        }
        let interval_s = if let Some(rate) = rate {
            3600.0 / element.positive(rate)?
        } else if let Some(period) = element.find("period") {
            if period.trim_start().starts_with("exp") {
                return Err(element.wrong("period", "random periods are not read; give seconds, or a `probability`"));
            }
            element.positive("period")?
        } else if let (Some(number), Some(end_s)) = (number, end_s) {
            (end_s - begin_s).max(1e-3) / number.max(1) as f64
        } else {
            let message = "expected `vehsPerHour`, `period`, `probability`, or `number` with `end`";
            return Err(element.error(message));
        };
        let last = |count: f64| begin_s + (count - 1.0) * interval_s;
        // As many as begin before the end.
        let by_end = end_s.map(|end_s| last(((end_s - begin_s) / interval_s - 1e-9).ceil()));
        let by_number = number.map(|number| last(number as f64));
        let end_s = match (by_end, by_number) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if end_s.is_some_and(|end_s| end_s < begin_s) {
            return Ok(());
        }
        self.push(element, FlowPlan { kind, route, interval_s, start_s: begin_s, end_s })
    }

    /// In every second one comes with some chance.
    fn random_flow(
        &mut self,
        element: Element<'x, 't>,
        kind: Kind,
        route: Vec<usize>,
        begin_s: f64,
        end_s: Option<f64>,
    ) -> Read<()> {
        let chance = element.positive("probability")?;
        if chance > 1.0 {
            return Err(element.wrong("probability", format!("expected a number up to 1, found {chance}")));
        }
        let end_s = end_s.ok_or_else(|| element.error("a flow with a `probability` needs an `end`"))?;
        self.random_s += end_s - begin_s;
        if self.random_s > MOST_RANDOM_S {
            let message = format!("flows with a `probability` last longer than {MOST_RANDOM_S} s, all together");
            return Err(element.wrong("end", message));
        }
        let mut start_s = begin_s;
        // Beyond 2^53 s a second more is no later, so they are counted.
        for _ in 0..(end_s - begin_s).ceil() as u64 {
            if start_s >= end_s {
                break;
            }
            if self.share() < chance {
                let route = route.clone();
                self.push(element, FlowPlan { kind, route, interval_s: ONCE_S, start_s, end_s: Some(start_s) })?;
            }
            start_s += 1.0;
        }
        Ok(())
    }

    fn push(&mut self, element: Element<'x, 't>, flow: FlowPlan) -> Read<()> {
        if self.flows.len() >= MOST_VEHICLES {
            return Err(element.error(format!("more than {} vehicles and flows", MOST_VEHICLES)));
        }
        self.flows.push((flow, element));
        Ok(())
    }

    /// From 0 to below 1: SplitMix64 (Steele, Lea and Flood 2014).
    fn share(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
