//! Reads SUMO's files: a network (`.net.xml`), vehicles (`.rou.xml`), and what is added to both (`.add.xml`).
//!
//! Format: Lopez et al. 2018, *Microscopic Traffic Simulation using SUMO* (ITSC), and SUMO's documentation. What a light
//! controls becomes one crossing, with a movement for every two roads and every signal; the states of its programme that
//! give somebody green and nobody yellow are what a controller may choose. Junctions without a light are crossings where
//! everybody may go and the file's `request` rows say who yields. Edges without a lane for cars are left out.
//!
//! Nobody changes lanes here, so a connection may also lead to a neighbouring lane where none of those that it leads to
//! goes on to some road that its edge leads to.

use super::demand::{Class, Clock, Demand, FlowPlan, Kind, Routing};
use super::json::ImportError;
use super::xml::{Element, Xml};
use super::{CrossingPlan, LanePlan, LinkPlan, MovementPlan, Network, PhasePlan, Point, RightOfWay, RoadPlan, Turn};
use std::collections::BTreeMap;

/// Links of one crossing: every two of them may meet.
const MOST_LINKS: usize = 2048;

/// Internal lanes one after the other that a connection may lead over.
const LONGEST_VIA: usize = 16;

/// Width of a lane where the file gives none.
const LANE_WIDTH_M: f64 = 3.2;

type Read<T> = Result<T, ImportError>;

/// A file's name and its text.
pub type File<'t> = (&'t str, &'t str);

/// Whether a text is XML rather than JSON.
pub fn is_xml(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

fn parse<'t>(files: &[File<'t>]) -> Read<Vec<Xml<'t>>> {
    files.iter().map(|&(file, text)| Xml::parse(file, text)).collect()
}

/// Reads a network. Programmes of lights in `additional` replace those of the network, the last one of a name counts.
pub fn net(file: &str, text: &str, additional: &[File<'_>]) -> Read<Network> {
    let (xml, more) = (Xml::parse(file, text)?, parse(additional)?);
    let root = xml.root("net")?;
    let mut programmes = BTreeMap::new();
    for programme in root.all("tlLogic") {
        programmes.insert(programme.get("id")?, Programme::read(programme)?);
    }
    for more in &more {
        for element in more.root("additional")?.elements() {
            match element.name() {
                "tlLogic" => {
                    let id = element.get("id")?;
                    let programme = Programme::read(element)?;
                    if programmes.insert(id, programme).is_none() {
                        return Err(element.wrong("id", format!("there is no light {id:?} in the network")));
                    }
                }
                // These would change what happens.
                "WAUT" | "wautJunction" | "rerouter" | "variableSpeedSign" => {
                    return Err(element.error(format!("<{}> is not simulated; remove it", element.name())));
                }
                _ => {}
            }
        }
    }
    let mut plan = Plan::default();
    plan.read_edges(root)?;
    plan.read_junctions(root)?;
    plan.read_connections(root)?;
    plan.check_detectors(&more)?;
    let edges: Vec<Element<'_, '_>> = plan.edges.iter().map(|edge| edge.element).collect();
    let (roads, crossings) = plan.finish(&programmes)?;
    Network::build(roads, crossings).map_err(|fault| edges[fault.road].error(fault.message))
}

/// A light's programme.
struct Programme<'x> {
    offset_s: f64,
    /// Durations, and a letter for every signal.
    phases: Vec<(f64, &'x [u8])>,
}

impl<'x> Programme<'x> {
    fn read(element: Element<'x, '_>) -> Read<Self> {
        let mut phases: Vec<(f64, &[u8])> = Vec::new();
        for phase in element.all("phase") {
            let state = phase.get("state")?.as_bytes();
            if let Some(letter) = state.iter().find(|letter| !b"GgyYrRusoO".contains(letter)) {
                let letter = char::from(*letter);
                return Err(phase.wrong("state", format!("expected letters of GgyrusoO, found {letter:?}")));
            }
            if let Some((_, first)) = phases.first()
                && state.len() != first.len()
            {
                let message = format!("{} letters, the first phase has {}", state.len(), first.len());
                return Err(phase.wrong("state", message));
            }
            phase.get("duration")?;
            phases.push((phase.non_negative_or("duration", 0.0)?, state));
        }
        if phases.iter().all(|(duration_s, ..)| *duration_s == 0.0) {
            return Err(element.error("one phase must take time"));
        }
        Ok(Programme { offset_s: element.number_or("offset", 0.0)?, phases })
    }
}

/// Whether somebody may go: with priority, yielding, after a stop, or because the light is off.
fn goes(letter: u8) -> bool {
    b"GgsoO".contains(&letter)
}

struct Edge<'x, 't> {
    element: Element<'x, 't>,
    from: usize,
    to: usize,
    /// Lanes for cars from left to right, and their numbers in the file.
    lanes: Vec<LanePlan>,
    numbers: Vec<usize>,
}

struct Junction<'x> {
    id: &'x str,
    point: Point,
    /// Internal lanes that stand for its links, in the order of the requests.
    inside: BTreeMap<&'x str, usize>,
    yields_to: Vec<Vec<bool>>,
}

/// A connection between lanes for cars.
#[derive(Clone)]
struct Connection<'x, 't> {
    element: Element<'x, 't>,
    /// Edges and their lanes from the left.
    from: (usize, usize),
    to: (usize, usize),
    turn: Turn,
    points: Vec<Point>,
    /// The light and the letter of its states.
    signal: Option<(&'x str, usize)>,
    /// Its number among the junction's requests.
    request: Option<usize>,
}

/// Movements of a crossing.
type Movements<'p, 'x, 't> = Vec<Vec<&'p Connection<'x, 't>>>;

#[derive(Default)]
struct Plan<'x, 't> {
    junction_names: BTreeMap<&'x str, usize>,
    junctions: Vec<Junction<'x>>,
    edge_names: BTreeMap<&'x str, usize>,
    edges: Vec<Edge<'x, 't>>,
    /// Edges without a lane for cars, and those inside junctions.
    closed: BTreeMap<&'x str, ()>,
    /// Lines of internal lanes.
    inside: BTreeMap<&'x str, Vec<Point>>,
    connections: Vec<Connection<'x, 't>>,
}

impl<'x, 't> Plan<'x, 't> {
    fn read_edges(&mut self, root: Element<'x, 't>) -> Read<()> {
        // Junctions get their numbers first: edges name them.
        for junction in root.all("junction").filter(|junction| junction.find("type") != Some("internal")) {
            let (id, number) = (junction.get("id")?, self.junctions.len());
            if self.junction_names.insert(id, number).is_some() {
                return Err(junction.wrong("id", format!("there are two junctions of the name {id:?}")));
            }
            let point = Point::new(junction.number("x")?, junction.number("y")?);
            self.junctions.push(Junction { id, point, inside: BTreeMap::new(), yields_to: Vec::new() });
        }
        for edge in root.all("edge") {
            let id = edge.get("id")?;
            if edge.find("function").is_some_and(|function| function != "normal") {
                for lane in edge.all("lane") {
                    self.inside.insert(lane.get("id")?, shape(lane)?);
                }
                self.closed.insert(id, ());
                continue;
            }
            let [from, to] = ["from", "to"].map(|end| {
                let name = edge.get(end)?;
                let known = self.junction_names.get(name).copied();
                known.ok_or_else(|| edge.wrong(end, format!("there is no junction {name:?}")))
            });
            let (from, to) = (from?, to?);
            let mut lanes = Vec::new();
            for lane in edge.all("lane") {
                let number = lane.index("index")?;
                if lanes.iter().any(|(known, _)| *known == number) {
                    return Err(lane.wrong("index", format!("there are two lanes {number}")));
                }
                if for_cars(lane) {
                    lanes.push((number, self::lane(lane)?));
                }
            }
            if edge.all("lane").next().is_none() {
                return Err(edge.error("an edge needs a lane"));
            }
            if lanes.is_empty() {
                self.closed.insert(id, ());
                continue;
            }
            if self.edge_names.insert(id, self.edges.len()).is_some() {
                return Err(edge.wrong("id", format!("there are two edges of the name {id:?}")));
            }
            // SUMO counts from the right.
            lanes.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
            let (numbers, lanes) = lanes.into_iter().unzip();
            self.edges.push(Edge { element: edge, from, to, lanes, numbers });
        }
        Ok(())
    }

    fn read_junctions(&mut self, root: Element<'x, 't>) -> Read<()> {
        for junction in root.all("junction").filter(|junction| junction.find("type") != Some("internal")) {
            let number = self.junction_names[junction.get("id")?];
            let this = &mut self.junctions[number];
            let inside = junction.find("intLanes").unwrap_or_default().split_whitespace();
            this.inside = inside.enumerate().map(|(number, lane)| (lane, number)).collect();
            if this.inside.len() > MOST_LINKS {
                let message =
                    format!("{} links are more than the {MOST_LINKS} that a crossing may have", this.inside.len());
                return Err(junction.wrong("intLanes", message));
            }
            for request in junction.all("request") {
                let index = request.index("index")?;
                if index >= MOST_LINKS {
                    return Err(request.wrong("index", format!("expected a number below {MOST_LINKS}, found {index}")));
                }
                let response = request.get("response")?.as_bytes();
                if let Some(letter) = response.iter().find(|letter| !b"01".contains(letter)) {
                    let message = format!("expected zeros and ones, found {:?}", char::from(*letter));
                    return Err(request.wrong("response", message));
                }
                if this.yields_to.len() <= index {
                    this.yields_to.resize(index + 1, Vec::new());
                }
                // The last letter stands for link 0.
                this.yields_to[index] = response.iter().rev().map(|letter| *letter == b'1').collect();
            }
        }
        Ok(())
    }

    fn read_connections(&mut self, root: Element<'x, 't>) -> Read<()> {
        // Where a connection goes on inside a junction.
        let mut onward: BTreeMap<(&str, &str), &'x str> = BTreeMap::new();
        for connection in root.all("connection") {
            if let (Some(from), Some(lane), Some(via)) =
                (connection.find("from"), connection.find("fromLane"), connection.find("via"))
                && from.starts_with(':')
            {
                onward.insert((from, lane), via);
            }
        }
        for connection in root.all("connection") {
            let (from, to) = (connection.get("from")?, connection.get("to")?);
            if self.closed.contains_key(from) || self.closed.contains_key(to) {
                continue;
            }
            let (Some(from), Some(to)) =
                (self.lane(connection, "from", "fromLane")?, self.lane(connection, "to", "toLane")?)
            else {
                continue;
            };
            if self.edges[from.0].to != self.edges[to.0].from {
                let (first, second) = (connection.get("from")?, connection.get("to")?);
                let message = format!("edge {second:?} does not begin where edge {first:?} ends");
                return Err(connection.wrong("to", message));
            }
            let signal = match connection.find("tl") {
                Some(light) => Some((light, connection.index("linkIndex")?)),
                None => None,
            };
            let turn = match connection.get("dir")? {
                "s" => Turn::Straight,
                "l" | "L" | "t" | "T" => Turn::Left,
                "r" | "R" => Turn::Right,
                other => return Err(connection.wrong("dir", format!("expected one of s l L r R t, found {other:?}"))),
            };
            let (points, request) = self.way_through(connection, from, to, &onward)?;
            self.connections.push(Connection { element: connection, from, to, turn, points, signal, request });
        }
        Ok(())
    }

    /// Which edge and which of its lanes for cars a connection means; none where the lane is not for cars.
    fn lane(
        &self,
        connection: Element<'x, 't>,
        edge: &'static str,
        lane: &'static str,
    ) -> Read<Option<(usize, usize)>> {
        let (name, number) = (connection.get(edge)?, connection.index(lane)?);
        let known = self.edge_names.get(name).copied();
        let edge = known.ok_or_else(|| connection.wrong(edge, format!("there is no edge {name:?}")))?;
        if let Some(at) = self.edges[edge].numbers.iter().position(|&known| known == number) {
            return Ok(Some((edge, at)));
        }
        let mut all = self.edges[edge].element.all("lane");
        match all.any(|lane| lane.index("index") == Ok(number)) {
            true => Ok(None),
            false => Err(connection.wrong(lane, format!("edge {name:?} has no lane {number}"))),
        }
    }

    /// The line of a connection through its junction, and its number there.
    fn way_through(
        &self,
        connection: Element<'x, 't>,
        from: (usize, usize),
        to: (usize, usize),
        onward: &BTreeMap<(&str, &str), &'x str>,
    ) -> Read<(Vec<Point>, Option<usize>)> {
        let junction = &self.junctions[self.edges[from.0].to];
        let (mut points, mut request) = (Vec::new(), None);
        let mut via = connection.find("via");
        for _ in 0..LONGEST_VIA {
            let Some(lane) = via else { break };
            let Some(line) = self.inside.get(lane) else {
                return Err(connection.wrong("via", format!("there is no internal lane {lane:?}")));
            };
            points.extend_from_slice(line);
            request = request.or(junction.inside.get(lane).copied());
            // `:junction_3_0` is lane 0 of the edge `:junction_3`.
            via = lane.rsplit_once('_').and_then(|ends| onward.get(&ends)).copied();
        }
        let end = |edge: (usize, usize)| self.edges[edge.0].lanes[edge.1].line.as_ref().map(|(line, _)| line);
        if points.len() < 2 {
            let ends = (end(from).and_then(|line| line.last()), end(to).and_then(|line| line.first()));
            points = ends.0.into_iter().chain(ends.1).copied().collect();
        }
        points.dedup();
        if points.len() < 2 {
            points = vec![points[0]; 2];
        }
        Ok((points, request))
    }

    /// Detectors measure what is known here anyway, but they must be on a lane that there is.
    fn check_detectors(&self, additional: &'x [Xml<'t>]) -> Read<()> {
        for more in additional {
            for element in more.root("additional")?.elements() {
                let detects =
                    ["laneAreaDetector", "e2Detector", "inductionLoop", "e1Detector"].contains(&element.name());
                let Some(lane) = element.find("lane").filter(|_| detects) else { continue };
                let edge = lane.rsplit_once('_').map(|(edge, _)| edge).unwrap_or(lane);
                if !self.edge_names.contains_key(edge) && !self.closed.contains_key(edge) {
                    return Err(element.wrong("lane", format!("there is no edge {edge:?} in the network")));
                }
            }
        }
        Ok(())
    }

    /// Lets connections lead to neighbouring lanes where they must.
    fn widen(&mut self) {
        let mut onward: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        // Those from one lane to one edge.
        let mut together: BTreeMap<((usize, usize), usize), Vec<&Connection<'_, '_>>> = BTreeMap::new();
        for connection in &self.connections {
            onward.entry(connection.from).or_default().push(connection.to.0);
            together.entry((connection.from, connection.to.0)).or_default().push(connection);
        }
        let mut more = Vec::new();
        for direct in together.values() {
            let connection = direct[0];
            let (to, lane) = connection.to;
            let reached = |lane: usize, edge: usize| onward.get(&(to, lane)).is_some_and(|edges| edges.contains(&edge));
            let mut wanted: Vec<usize> = (0..self.edges[to].lanes.len())
                .flat_map(|lane| onward.get(&(to, lane)).into_iter().flatten().copied())
                .collect();
            wanted.sort_unstable();
            wanted.dedup();
            let mut lanes: Vec<usize> = direct.iter().map(|other| other.to.1).collect();
            for edge in wanted {
                if lanes.iter().any(|&lane| reached(lane, edge)) {
                    continue;
                }
                let able = (0..self.edges[to].lanes.len()).filter(|&lane| reached(lane, edge));
                let Some(target) = able.min_by_key(|target| target.abs_diff(lane)) else { continue };
                lanes.push(target);
                let mut points = connection.points.clone();
                let first = self.edges[to].lanes[target].line.as_ref().map(|(line, _)| line[0]);
                let last = points.len() - 1;
                points[last] = first.unwrap_or(points[last]);
                more.push(Connection { to: (to, target), points, ..(*connection).clone() });
            }
        }
        self.connections.extend(more);
    }

    /// Roads, and crossings: a light each, then the junctions without one.
    fn finish(mut self, programmes: &BTreeMap<&'x str, Programme<'x>>) -> Read<(Vec<RoadPlan>, Vec<CrossingPlan>)> {
        self.widen();
        // The light of every junction.
        let mut lights: Vec<Option<&str>> = vec![None; self.junctions.len()];
        for connection in &self.connections {
            let Some((light, index)) = connection.signal else { continue };
            let Some(programme) = programmes.get(light) else {
                return Err(connection.element.wrong("tl", format!("there is no light {light:?}")));
            };
            let letters = programme.phases[0].1.len();
            if index >= letters {
                let message = format!("the light {light:?} has no signal {index}, only {letters}");
                return Err(connection.element.wrong("linkIndex", message));
            }
            let junction = self.edges[connection.from.0].to;
            match lights[junction] {
                Some(other) if other != light => {
                    let message = format!("the junction has another light, {other:?}: two at one are not simulated");
                    return Err(connection.element.wrong("tl", message));
                }
                _ => lights[junction] = Some(light),
            }
        }
        let (mut plans, mut crossing_of, mut by_light) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (junction, light) in self.junctions.iter().zip(&lights) {
            if let Some(light) = light
                && let Some(&(crossing, _)) = by_light.get(light)
            {
                crossing_of.push(crossing);
                continue;
            }
            let number = plans.len();
            let programme = light.and_then(|light| programmes.get(light));
            if let (Some(light), Some(programme)) = (light, programme) {
                by_light.insert(*light, (number, programme));
            }
            crossing_of.push(number);
            plans.push(CrossingPlan {
                name: light.unwrap_or(junction.id).to_owned(),
                point: junction.point,
                width_m: 0.0,
                boundary: false,
                controlled: light.is_some(),
                movements: Vec::new(),
                phases: Vec::new(),
                offset_s: programme.map_or(0.0, |programme| programme.offset_s),
            });
        }
        let movements = self.movements(&crossing_of, plans.len());
        self.add_movements(&mut plans, &movements, programmes)?;
        for (crossing, programme) in by_light.values() {
            let signal = |movement: &Vec<&Connection<'_, '_>>| movement[0].signal.map(|(_, index)| index);
            let signals: Vec<Option<usize>> = movements[*crossing].iter().map(signal).collect();
            plans[*crossing].phases = phases(programme, &signals);
        }
        for plan in &mut plans {
            plan.boundary = plan.movements.is_empty();
        }
        let road = |edge: Edge<'x, 't>| RoadPlan {
            name: edge.element.find("id").unwrap_or_default().to_owned(),
            from: crossing_of[edge.from],
            to: crossing_of[edge.to],
            points: edge.lanes[0].line.as_ref().map(|(line, _)| line.clone()).unwrap_or_default(),
            lanes: edge.lanes,
        };
        Ok((self.edges.into_iter().map(road).collect(), plans))
    }

    /// Connections of every crossing by movement: from one road to another under one signal.
    fn movements(&self, crossing_of: &[usize], crossings: usize) -> Vec<Movements<'_, 'x, 't>> {
        let mut all: Vec<Movements<'_, 'x, 't>> = vec![Vec::new(); crossings];
        for connection in &self.connections {
            let movements = &mut all[crossing_of[self.edges[connection.from.0].to]];
            let same = |first: &Connection<'_, '_>| {
                let ends = (first.from.0, first.to.0) == (connection.from.0, connection.to.0);
                ends && first.turn == connection.turn && first.signal == connection.signal
            };
            match movements.iter_mut().find(|known| same(known[0])) {
                Some(known) => known.push(connection),
                None => movements.push(vec![connection]),
            }
        }
        all
    }

    fn add_movements(
        &self,
        plans: &mut [CrossingPlan],
        movements: &[Movements<'_, 'x, 't>],
        programmes: &BTreeMap<&'x str, Programme<'x>>,
    ) -> Read<()> {
        let minor = |connection: &Connection<'_, '_>| {
            connection.signal.is_some_and(|(light, index)| {
                let phases = programmes.get(light).map(|programme| programme.phases.as_slice()).unwrap_or_default();
                let mut letters =
                    phases.iter().map(|(_, state)| state[index]).filter(|&letter| goes(letter)).peekable();
                letters.peek().is_some() && letters.all(|letter| letter != b'G')
            })
        };
        for (movements, plan) in movements.iter().zip(plans) {
            let mut links = 0;
            for movement in movements {
                let first = movement[0];
                let link = |connection: &&Connection<'x, 't>| {
                    let junction = self.edges[connection.from.0].to;
                    let (number, minor) = (connection.request.unwrap_or(usize::MAX), minor(connection));
                    let yields_to = self.junctions[junction].yields_to.get(number).cloned().unwrap_or_default();
                    LinkPlan {
                        from: connection.from.1,
                        to: connection.to.1,
                        points: connection.points.clone(),
                        right_of_way: Some(RightOfWay { junction, number, yields_to, minor }),
                    }
                };
                let movement: Vec<LinkPlan> = movement.iter().map(link).collect();
                links += movement.len();
                if links > MOST_LINKS {
                    let message = format!("more than the {MOST_LINKS} connections that a crossing may have");
                    return Err(first.element.error(message));
                }
                plan.movements.push(MovementPlan {
                    turn: first.turn,
                    from: first.from.0,
                    to: first.to.0,
                    links: movement,
                });
            }
        }
        Ok(())
    }
}

/// The phases of a programme for movements under these signals. Of two that give the same green a controller has one.
fn phases(programme: &Programme<'_>, signals: &[Option<usize>]) -> Vec<PhasePlan> {
    let mut plans: Vec<PhasePlan> = Vec::new();
    for (duration_s, state) in &programme.phases {
        let free = |signal: &Option<usize>| signal.is_none_or(|index| goes(state[index]));
        let movements: Vec<usize> = (0..signals.len()).filter(|&movement| free(&signals[movement])).collect();
        let changes = state.iter().any(|letter| b"yYu".contains(letter));
        let known = plans.iter().any(|plan| !plan.passing && plan.movements == movements);
        plans.push(PhasePlan { duration_s: *duration_s, movements, passing: changes || known });
    }
    plans
}

/// Whether cars may use a lane.
fn for_cars(lane: Element<'_, '_>) -> bool {
    let named = |list: &str| list.split_whitespace().any(|class| class == "passenger" || class == "all");
    match (lane.find("allow"), lane.find("disallow")) {
        (Some(allow), _) => named(allow),
        (None, Some(disallow)) => !named(disallow),
        (None, None) => true,
    }
}

fn lane(lane: Element<'_, '_>) -> Read<LanePlan> {
    let points = shape(lane)?;
    if points.len() < 2 {
        return Err(lane.wrong("shape", "a lane needs two different points or more"));
    }
    Ok(LanePlan {
        width_m: lane.positive_or("width", LANE_WIDTH_M)?,
        limit_mps: lane.positive("speed")?,
        line: Some((points, lane.positive("length")?)),
    })
}

/// The points of a lane, none of them twice in a row.
fn shape(lane: Element<'_, '_>) -> Read<Vec<Point>> {
    let text = lane.get("shape")?;
    let mut points = Vec::new();
    for point in text.split_whitespace() {
        let mut parts = point.split(',').map(str::parse::<f64>);
        let (Some(Ok(x)), Some(Ok(y))) = (parts.next(), parts.next()) else {
            return Err(lane.wrong("shape", format!("expected points like 1.5,-3, found {point:?}")));
        };
        if !(x.is_finite() && y.is_finite()) {
            return Err(lane.wrong("shape", format!("expected points like 1.5,-3, found {point:?}")));
        }
        points.push(Point::new(x, y));
    }
    points.dedup();
    Ok(points)
}

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

/// Who is on the road, as it is read.
struct Trips<'n, 'x, 't> {
    roads: BTreeMap<&'n str, usize>,
    fastest_mps: f64,
    kinds: BTreeMap<String, Kind>,
    routes: BTreeMap<String, Vec<usize>>,
    flows: Vec<(FlowPlan, Element<'x, 't>)>,
    random: u64,
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
        let mut start_s = begin_s;
        while start_s < end_s {
            if self.share() < chance {
                let route = route.clone();
                self.push(element, FlowPlan { kind, route, interval_s: ONCE_S, start_s, end_s: Some(start_s) })?;
            }
            start_s += 1.0;
        }
        Ok(())
    }

    fn push(&mut self, element: Element<'x, 't>, flow: FlowPlan) -> Read<()> {
        if self.flows.len() >= super::demand::MOST_VEHICLES {
            return Err(element.error(format!("more than {} vehicles and flows", super::demand::MOST_VEHICLES)));
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
