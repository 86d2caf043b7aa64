//! Reads SUMO's files: a network (`.net.xml`), vehicles (`.rou.xml`), and what is added to both (`.add.xml`).
//!
//! Format: Lopez et al. 2018, *Microscopic Traffic Simulation using SUMO* (ITSC), and SUMO's documentation. What a light
//! controls becomes one crossing, with a movement for every two roads and every signal; the states of its programme that
//! give somebody green and nobody yellow are what a controller may choose. Junctions without a light are crossings where
//! everybody may go and the file's `request` rows say who yields. Edges without a lane for cars are left out.
//!
//! Nobody changes lanes here, so a connection may also lead to a neighbouring lane where none of those that it leads to
//! goes on to some road that its edge leads to.

mod light;
mod trips;

pub use trips::routes;

use super::json::ImportError;
use super::xml::{Element, Xml};
use super::{CrossingPlan, LanePlan, LinkPlan, MovementPlan, Network, Point, RightOfWay, RoadPlan, Turn};
use light::Programmes;
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
    let programmes = light::programmes(root, &more)?;
    let mut plan = Plan::default();
    plan.read_edges(root)?;
    plan.read_junctions(root)?;
    plan.read_connections(root)?;
    plan.check_detectors(&more)?;
    let edges: Vec<Element<'_, '_>> = plan.edges.iter().map(|edge| edge.element).collect();
    let (roads, crossings) = plan.finish(&programmes)?;
    Network::build(roads, crossings).map_err(|fault| edges[fault.road].error(fault.message))
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
    fn finish(mut self, programmes: &Programmes<'x>) -> Read<(Vec<RoadPlan>, Vec<CrossingPlan>)> {
        self.widen();
        // The light of every junction.
        let mut lights: Vec<Option<&str>> = vec![None; self.junctions.len()];
        for connection in &self.connections {
            let Some((light, index)) = connection.signal else { continue };
            let Some(programme) = programmes.get(light) else {
                return Err(connection.element.wrong("tl", format!("there is no light {light:?}")));
            };
            let letters = programme.signals();
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
            plans[*crossing].phases = programme.plans(&signals);
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
        programmes: &Programmes<'x>,
    ) -> Read<()> {
        let minor = |connection: &Connection<'_, '_>| {
            let yields = |(light, index)| programmes.get(light).is_some_and(|programme| programme.yields(index));
            connection.signal.is_some_and(yields)
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
