//! Networks as scenarios name them: sites that exist, and sites written out.

use super::grid::{Adds, Grid, Limit, Station};
use super::pilots::Pilots;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Where cars are charged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Network {
    /// The garage of Caltech: 54 stations at 208 V, two pods and one transformer.
    Caltech {
        /// Size of the transformer.
        #[serde(default = "kw_150")]
        transformer_kw: Positive,
        /// Primary amperes per kW and phase.
        #[serde(default = "per_277_volts")]
        primary: Primary,
    },
    /// The garage of JPL: 52 stations at 208 V on three floors, two transformers.
    Jpl {
        /// Transformer of the first floor.
        #[serde(default = "kw_45")]
        first_floor_kw: Positive,
        /// Transformer of the third and fourth floor.
        #[serde(default = "kw_150")]
        upper_floors_kw: Positive,
        /// Primary amperes per kW and phase.
        #[serde(default = "root_three")]
        primary: Primary,
    },
    /// An office: 8 stations at 208 V.
    Office001 {
        /// Size of the transformer.
        #[serde(default = "kw_50")]
        transformer_kw: Positive,
        /// Primary amperes per kW and phase.
        #[serde(default = "per_277_volts")]
        primary: Primary,
    },
    /// Equal stations on one phase behind one limit.
    Simple {
        /// The limit.
        kw: Positive,
        /// How many stations.
        stations: NonZeroU32,
        /// Their voltage.
        #[serde(default = "volts_208")]
        volts: Positive,
        /// Their kind.
        #[serde(default)]
        evse: Evse,
    },
    /// Stations and limits one by one.
    Custom {
        /// Stations in the order of their registration.
        stations: Vec<StationSpec>,
        /// Limits on their currents or their power.
        limits: Vec<LimitSpec>,
    },
    /// A tree of nodes with a limit in kW each, as in Chargax.
    Tree {
        /// Nodes; a node's parent stands before it.
        nodes: Vec<Node>,
        /// Stations and the node that each hangs on.
        stations: Vec<Leaf>,
    },
}

/// How the limit of the primary side of a transformer follows from its size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Primary {
    /// A third of the power at this voltage.
    Volts(Positive),
    /// This many times the secondary limit.
    Secondary(Positive),
}

/// Kinds of stations: which currents they can offer, in ampere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Evse {
    /// Anything from 0 to 32.
    #[default]
    Continuous,
    /// 0, and anything from 6 to 32 (SAE J1772).
    Deadband,
    /// 0, 6, 7, …, 32.
    AeroVironment,
    /// 0, 8, 16, 24, 32.
    ClipperCreek,
    /// 0 or 16, at 120 V.
    Level1,
    /// Three phases: √3 times the power of one; the voltage is between lines.
    ThreePhase {
        /// Largest current.
        amps: Positive,
    },
    /// Direct current: power is voltage times current.
    DirectCurrent {
        /// Largest current.
        amps: Positive,
    },
    /// Currents of one's own.
    Range {
        /// Smallest current above 0.
        least: NonNegative,
        /// Largest current.
        most: Positive,
        /// Distance of neighbouring currents; 0 for all between.
        #[serde(default = "zero")]
        stride: NonNegative,
    },
}

/// One or more equal stations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StationSpec {
    /// Name; a number is put behind it where there are several.
    pub name: String,
    /// How many.
    #[serde(default = "one")]
    pub count: NonZeroU32,
    /// Voltage.
    #[serde(default = "volts_208")]
    pub volts: Positive,
    /// Angle of the current: 30, -90 and 150 for the loads AB, BC and CA between lines.
    #[serde(default = "degrees_0")]
    pub phase_deg: Finite,
    /// Kind.
    #[serde(default)]
    pub evse: Evse,
    /// Largest current back to the grid.
    #[serde(default = "zero")]
    pub back_amps: NonNegative,
    /// Who runs it.
    #[serde(default)]
    pub operator: u32,
    /// Stations with the same number share one station's current.
    #[serde(default)]
    pub post: Option<u32>,
}

/// A limit on a weighted sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// Name in records.
    pub name: String,
    /// What it is a limit on, and the limit.
    pub most: Most,
    /// Coefficients by the name of a station or of a row of equal stations. Stations that are not named are not part.
    pub terms: std::collections::BTreeMap<String, Finite>,
}

/// A limit and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Most {
    /// On the size of a sum of currents with their angles.
    Amps(Positive),
    /// On a sum of the sizes of currents, whatever their angles.
    AmpsWithoutAngles(Positive),
    /// On power.
    Kw(Positive),
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name in records.
    pub name: String,
    /// What may flow through it.
    pub kw: Positive,
    /// What leaves it, as a share of what enters.
    #[serde(default = "everything")]
    pub efficiency: Positive,
    /// The node that feeds it, by its place in the list; none for the root.
    #[serde(default)]
    pub parent: Option<usize>,
}

/// A station of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The node it hangs on, by its place in the list.
    pub node: usize,
    /// The station; of its angle nothing is used.
    pub station: StationSpec,
}

const AB: f64 = 30.0;
const BC: f64 = -90.0;
const CA: f64 = 150.0;
/// Voltage of a line against neutral, behind a transformer whose lines are 208 V apart.
const SECONDARY_VOLTS: f64 = 120.0;
/// Turns of the primary per turn of the secondary coil.
const TURNS: f64 = 4.0;

fn positive(x: f64) -> Positive {
    Positive::new(x).expect("a constant above 0")
}

fn kw_45() -> Positive {
    positive(45.0)
}

fn kw_50() -> Positive {
    positive(50.0)
}

fn kw_150() -> Positive {
    positive(150.0)
}

fn volts_208() -> Positive {
    positive(208.0)
}

fn everything() -> Positive {
    positive(1.0)
}

fn per_277_volts() -> Primary {
    Primary::Volts(positive(277.0))
}

fn root_three() -> Primary {
    Primary::Secondary(positive(3_f64.sqrt()))
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn degrees_0() -> Finite {
    Finite::new(0.0).expect("a constant")
}

fn zero() -> NonNegative {
    NonNegative::new(0.0).expect("a constant")
}

impl Evse {
    /// The currents of this kind.
    pub fn pilots(self) -> Pilots {
        let pilots = |least: f64, most: f64, stride: f64| Pilots { least, most, stride };
        match self {
            Evse::Continuous => pilots(0.0, 32.0, 0.0),
            Evse::Deadband => pilots(6.0, 32.0, 0.0),
            Evse::AeroVironment => pilots(6.0, 32.0, 1.0),
            Evse::ClipperCreek => pilots(8.0, 32.0, 8.0),
            Evse::Level1 => pilots(16.0, 16.0, 16.0),
            Evse::ThreePhase { amps } | Evse::DirectCurrent { amps } => pilots(0.0, amps.get(), 0.0),
            Evse::Range { least, most, stride } => pilots(least.get(), most.get(), stride.get()),
        }
    }

    fn kw_per_amp(self, volts: f64) -> f64 {
        match self {
            Evse::ThreePhase { .. } => 3_f64.sqrt() * volts / 1000.0,
            _ => volts / 1000.0,
        }
    }

    fn check(self) -> Option<Problem> {
        let Evse::Range { least, most, stride } = self else { return None };
        let (least, most, stride) = (least.get(), most.get(), stride.get());
        if least > most {
            return Some(Problem::at("least", format!("{least} A is more than the most, {most} A")));
        }
        let steps = if stride > 0.0 { (most - least) / stride } else { 0.0 };
        ((steps - steps.round()).abs() > 1e-9).then(|| {
            Problem::at("stride", format!("{most} A is not a whole number of strides of {stride} A above {least} A"))
                .help("most = least + k · stride")
        })
    }
}

impl StationSpec {
    fn stations(&self) -> impl Iterator<Item = Station> {
        let count = self.count.get();
        (1..=count).map(move |number| Station {
            name: if count == 1 { self.name.clone() } else { format!("{}-{number}", self.name) },
            kw_per_amp: self.evse.kw_per_amp(self.volts.get()),
            phase_deg: self.phase_deg.get(),
            pilots: self.evse.pilots(),
            most_back: self.back_amps.get(),
            operator: self.operator,
            post: self.post,
        })
    }
}

/// A site under construction: stations by the load they are between lines.
#[derive(Default)]
struct Site {
    stations: Vec<Station>,
    limits: Vec<Limit>,
}

/// Stations of one panel by phase pair.
#[derive(Clone, Default)]
struct Panel {
    ab: Vec<usize>,
    bc: Vec<usize>,
    ca: Vec<usize>,
}

impl Panel {
    fn and(&self, other: &Panel) -> Panel {
        let join = |a: &[usize], b: &[usize]| [a, b].concat();
        Panel { ab: join(&self.ab, &other.ab), bc: join(&self.bc, &other.bc), ca: join(&self.ca, &other.ca) }
    }

    /// Terms of `ab` AB + `bc` BC + `ca` CA.
    fn terms(&self, ab: f64, bc: f64, ca: f64) -> Vec<(usize, f64)> {
        let of = |stations: &[usize], by: f64| stations.iter().map(|&i| (i, by)).collect::<Vec<_>>();
        let mut terms = [of(&self.ab, ab), of(&self.bc, bc), of(&self.ca, ca)].concat();
        terms.retain(|term| term.1 != 0.0);
        terms
    }
}

impl Site {
    /// Adds stations at 208 V, named by the words of `names` behind `prefix`; a word without its first part repeats the
    /// one before.
    fn add(&mut self, prefix: &str, names: &str, phase_deg: f64, evse: Evse) -> Vec<usize> {
        let begin = self.stations.len();
        self.stations.extend(names.split_whitespace().map(|name| Station {
            name: format!("{prefix}{name}"),
            kw_per_amp: 0.208,
            phase_deg,
            pilots: evse.pilots(),
            most_back: 0.0,
            operator: 0,
            post: None,
        }));
        (begin..self.stations.len()).collect()
    }

    fn limit(&mut self, name: String, most: f64, terms: Vec<(usize, f64)>) {
        self.limits.push(Limit { name, most, adds: Adds::Phasors, terms });
    }

    /// The currents in the lines a, b, c that feed a panel.
    fn lines(&mut self, name: &str, panel: &Panel, most: f64) {
        for (line, [ab, bc, ca]) in [("a", [1.0, 0.0, -1.0]), ("b", [-1.0, 1.0, 0.0]), ("c", [0.0, -1.0, 1.0])] {
            self.limit(format!("{name} {line}"), most, panel.terms(ab, bc, ca));
        }
    }

    /// Both sides of a delta-wye transformer.
    fn transformer(&mut self, name: &str, panel: &Panel, kw: f64, primary: Primary) {
        let secondary_amps = kw * 1000.0 / 3.0 / SECONDARY_VOLTS;
        let primary_amps = match primary {
            Primary::Volts(volts) => kw * 1000.0 / 3.0 / volts.get(),
            Primary::Secondary(times) => secondary_amps * times.get(),
        };
        self.lines(&format!("{name} secondary"), panel, secondary_amps);
        let of = [("A", [1.0, 1.0, -2.0]), ("B", [-2.0, 1.0, 1.0]), ("C", [1.0, -2.0, 1.0])];
        for (line, times) in of {
            let [ab, bc, ca] = times.map(|times| times / TURNS);
            self.limit(format!("{name} primary {line}"), primary_amps, panel.terms(ab, bc, ca));
        }
    }

    fn grid(self) -> Grid {
        Grid::new(self.stations, self.limits)
    }
}

fn caltech(transformer_kw: f64, primary: Primary) -> Grid {
    const POD_AMPS: f64 = 80.0;
    let mut site = Site::default();
    let av = Evse::AeroVironment;
    let mut add = |names, phase, evse| site.add("CA-", names, phase, evse);
    let rest = add("308 508 303 513 310 506 316 500 318 498", AB, av);
    let av_pod = add("324 325 326 327 489 490 491 492", AB, av);
    let cc_pod = add("322 493 496 320 495 321 323 494", AB, Evse::ClipperCreek);
    let bc = add("304 512 305 511 313 503 311 505 317 499 148 149 212 213", BC, av);
    let ca = add("307 509 309 507 306 510 315 501 319 497 312 504 314 502", CA, av);
    let panel = Panel { ab: [rest, av_pod.clone(), cc_pod.clone()].concat(), bc, ca };
    for (name, pod) in [("AV pod", av_pod), ("CC pod", cc_pod)] {
        site.limit(name.into(), POD_AMPS, pod.into_iter().map(|station| (station, 1.0)).collect());
    }
    site.transformer("transformer", &panel, transformer_kw, primary);
    site.grid()
}

fn jpl(first_floor_kw: f64, upper_floors_kw: f64, primary: Primary) -> Grid {
    const SUB_PANEL_AMPS: f64 = 100.0;
    const FLOOR_AMPS: f64 = 225.0;
    let mut site = Site::default();
    let mut panel = |floor: &str, ab: &str, bc: &str, ca: &str| {
        let prefix = format!("AG-{floor}");
        let mut add = |names, phase| site.add(&prefix, names, phase, Evse::AeroVironment);
        Panel { ab: add(ab, AB), bc: add(bc, BC), ca: add(ca, CA) }
    };
    let first = panel("1F", "12 14", "", "11 13");
    let second = panel("1F", "03 06", "01 04", "02 05");
    let main = panel("1F", "10", "07 09", "08");
    let third = panel("3F", "16 17 20 23 25 26 29 33", "18 21 27 30 31", "15 19 22 24 28 32");
    let fourth = panel("4F", "35 36 39 42 44 45 48 52", "37 40 46 49 50", "34 38 41 43 47 51");
    site.lines("sub-panel 1", &first, SUB_PANEL_AMPS);
    site.lines("sub-panel 2", &second, SUB_PANEL_AMPS);
    site.transformer("first floor", &first.and(&second).and(&main), first_floor_kw, primary);
    site.lines("third floor", &third, FLOOR_AMPS);
    site.lines("fourth floor", &fourth, FLOOR_AMPS);
    site.transformer("upper floors", &third.and(&fourth), upper_floors_kw, primary);
    site.grid()
}

fn office(transformer_kw: f64, primary: Primary) -> Grid {
    let mut site = Site::default();
    let mut panel = Panel::default();
    for (number, phase) in (1..=8).zip([AB, BC, CA].into_iter().cycle()) {
        let station = site.add("", &format!("{number:02}"), phase, Evse::AeroVironment);
        let stations = [&mut panel.ab, &mut panel.bc, &mut panel.ca];
        stations[(number - 1) % 3].extend(station);
    }
    site.transformer("transformer", &panel, transformer_kw, primary);
    site.grid()
}

fn simple(kw: f64, count: u32, volts: f64, evse: Evse) -> Grid {
    let name = "station".to_string();
    let volts_spec = positive(volts);
    let row = StationSpec {
        name,
        count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
        volts: volts_spec,
        phase_deg: degrees_0(),
        evse,
        back_amps: zero(),
        operator: 0,
        post: None,
    };
    let terms = (0..count as usize).map(|station| (station, 1.0)).collect();
    let limit = Limit { name: "site".into(), most: kw * 1000.0 / volts, adds: Adds::Phasors, terms };
    Grid::new(row.stations().collect(), vec![limit])
}

fn custom(rows: &[StationSpec], limits: &[LimitSpec]) -> Grid {
    let stations: Vec<Station> = rows.iter().flat_map(StationSpec::stations).collect();
    let row_of: Vec<&str> =
        rows.iter().flat_map(|row| std::iter::repeat_n(row.name.as_str(), row.count.get() as usize)).collect();
    let limit = |limit: &LimitSpec| {
        let coefficient = |i: usize| limit.terms.get(&stations[i].name).or_else(|| limit.terms.get(row_of[i]));
        let terms = (0..stations.len()).filter_map(|i| Some((i, coefficient(i)?.get()))).collect();
        let (most, adds) = match limit.most {
            Most::Amps(most) => (most, Adds::Phasors),
            Most::AmpsWithoutAngles(most) => (most, Adds::Magnitudes),
            Most::Kw(most) => (most, Adds::Power),
        };
        Limit { name: limit.name.clone(), most: most.get(), adds, terms }
    };
    let limits = limits.iter().map(limit).collect();
    Grid::new(stations, limits)
}

fn tree(nodes: &[Node], leaves: &[Leaf]) -> Grid {
    let mut stations = Vec::new();
    let mut terms = vec![Vec::new(); nodes.len()];
    for leaf in leaves {
        for station in leaf.station.stations() {
            // What a station draws is more further up: every node loses its share.
            let (mut at, mut entering) = (Some(leaf.node), 1.0);
            while let Some(node) = at {
                entering /= nodes[node].efficiency.get();
                terms[node].push((stations.len(), entering));
                at = nodes[node].parent;
            }
            stations.push(station);
        }
    }
    let limit = |(node, terms): (&Node, Vec<(usize, f64)>)| Limit {
        name: node.name.clone(),
        most: node.kw.get(),
        adds: Adds::Power,
        terms,
    };
    let limits = nodes.iter().zip(terms).map(limit).collect();
    Grid::new(stations, limits)
}

/// More stations on one site than anybody means; what a step needs for each of them stays in the cache.
const MOST_STATIONS: u32 = 4096;

impl Network {
    /// Stations and limits.
    pub fn grid(&self) -> Grid {
        match self {
            Network::Caltech { transformer_kw, primary } => caltech(transformer_kw.get(), *primary),
            Network::Jpl { first_floor_kw, upper_floors_kw, primary } => {
                jpl(first_floor_kw.get(), upper_floors_kw.get(), *primary)
            }
            Network::Office001 { transformer_kw, primary } => office(transformer_kw.get(), *primary),
            Network::Simple { kw, stations, volts, evse } => simple(kw.get(), stations.get(), volts.get(), *evse),
            Network::Custom { stations, limits } => custom(stations, limits),
            Network::Tree { nodes, stations } => tree(nodes, stations),
        }
    }

    /// What makes no sense.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Network::Simple { stations, evse, .. } => {
                let evse = evse.check().map(|problem| problem.under("evse"));
                evse.into_iter().chain(too_many("stations", stations.get())).collect()
            }
            Network::Custom { stations, limits } => {
                let rows = stations.iter().enumerate().map(|(i, row)| (format!("stations[{i}]"), row));
                let mut problems = check_stations(rows);
                problems.extend(limits.iter().enumerate().flat_map(|(i, limit)| check_limit(i, limit, stations)));
                problems
            }
            Network::Tree { nodes, stations } => {
                let rows = stations.iter().enumerate();
                let mut problems =
                    check_stations(rows.map(|(i, leaf)| (format!("stations[{i}].station"), &leaf.station)));
                problems.extend(check_nodes(nodes));
                let lost = stations.iter().enumerate().filter(|(_, leaf)| leaf.node >= nodes.len());
                problems.extend(lost.map(|(i, leaf)| no_node(format!("stations[{i}].node"), leaf.node, nodes.len())));
                problems
            }
            _ => Vec::new(),
        }
    }
}

fn too_many(path: &str, stations: u32) -> Option<Problem> {
    (stations > MOST_STATIONS).then(|| {
        Problem::at(path, format!("{stations} stations on one site")).help(format!("use at most {MOST_STATIONS}"))
    })
}

fn no_node(path: String, node: usize, nodes: usize) -> Problem {
    Problem::at(path, format!("there is no node {node}")).help(format!("the {nodes} nodes are counted from 0"))
}

fn check_stations<'a>(rows: impl Iterator<Item = (String, &'a StationSpec)>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut count: u32 = 0;
    for (here, row) in rows {
        problems.extend(row.evse.check().map(|problem| problem.under("evse").under(&here)));
        if names.contains(&row.name.as_str()) {
            problems.push(Problem::at(format!("{here}.name"), format!("there is another station \"{}\"", row.name)));
        }
        names.push(&row.name);
        count = count.saturating_add(row.count.get());
    }
    if count == 0 {
        problems.push(Problem::at("stations", "there are no stations").help("give at least one"));
    }
    problems.extend(too_many("stations", count));
    problems
}

fn check_limit(index: usize, limit: &LimitSpec, rows: &[StationSpec]) -> Vec<Problem> {
    let here = format!("limits[{index}].terms");
    if limit.terms.is_empty() {
        return vec![Problem::at(here, "this limit is on nothing").help("name stations and their coefficients")];
    }
    let known = |name: &String| {
        rows.iter().any(|row| row.name == *name || (row.count.get() > 1 && row.stations().any(|s| s.name == *name)))
    };
    let unknown = limit.terms.keys().filter(|name| !known(name));
    unknown
        .map(|name| {
            Problem::at(here.clone(), format!("there is no station \"{name}\"")).help("stations are named above")
        })
        .collect()
}

fn check_nodes(nodes: &[Node]) -> Vec<Problem> {
    if nodes.is_empty() {
        return vec![Problem::at("nodes", "a tree without nodes").help("give at least the root")];
    }
    let mut problems = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if node.parent.is_some_and(|parent| parent >= index) {
            let path = format!("nodes[{index}].parent");
            problems
                .push(Problem::at(path, "a node's parent stands before it").help("sort the nodes from the root down"));
        }
        if node.efficiency.get() > 1.0 {
            let path = format!("nodes[{index}].efficiency");
            problems.push(Problem::at(path, "more would leave the node than enters it").help("a share up to 1"));
        }
    }
    problems
}
