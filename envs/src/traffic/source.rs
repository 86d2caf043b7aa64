//! Where roads and vehicles come from: a file or a generator.

use super::network::demand::{self, Clock};
use super::network::generate::{Arterial, Entries, Grid, MOST_CROSSINGS, Single, Trips};
use super::network::layout::{Ring, Town};
use super::network::{Network, cityflow, sumo};
use isonomy_engine::problem::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// Where roads come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Roads {
    /// A CityFlow `roadnet.json` or a SUMO `.net.xml`.
    File(String),
    /// Crossings in rows and columns.
    Grid(Grid),
    /// A main road.
    Arterial(Arterial),
    /// One crossing.
    Single(Single),
    /// A ring road.
    Ring(Ring),
    /// Streets by chance.
    Town(Town),
}

/// Where vehicles come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// A CityFlow `flow.json` or a SUMO `.rou.xml`.
    File(String),
    /// Made up, for a grid, an arterial or a single crossing.
    Entries(Entries),
    /// Made up, for any network.
    Trips(Trips),
}

impl Roads {
    /// Makes a path stand on its own.
    pub(super) fn settle(&mut self, folder: &Path) {
        if let Roads::File(path) = self {
            *path = absolute(folder, path);
        }
    }

    pub(super) fn read(&self, additional: &Additional) -> Result<Network, Problem> {
        match self {
            Roads::File(path) => {
                let text = read(path, "network")?;
                let network = match sumo::is_xml(&text) {
                    true => sumo::net(path, &text, &additional.files()),
                    false => cityflow::roadnet(path, &text),
                };
                network.map_err(|error| Problem::at("network", error.to_string()))
            }
            Roads::Grid(_) | Roads::Arterial(_) | Roads::Single(_) => {
                let Some(grid) = self.grid() else { return Ok(Network::default()) };
                if u64::from(grid.rows.get()) * u64::from(grid.columns.get()) > u64::from(MOST_CROSSINGS) {
                    let message = format!("more than {MOST_CROSSINGS} crossings");
                    return Err(Problem::at("network", message).help("use fewer rows or columns"));
                }
                grid.network().map_err(|fault| Problem::at("network", format!("a road: {}", fault.message)))
            }
            Roads::Ring(ring) => ring.network().map_err(|fault| Problem::at("network", fault.message)),
            Roads::Town(town) => town.network().map_err(|fault| Problem::at("network", fault.message)),
        }
    }

    /// The grid that this is, if it is one.
    fn grid(&self) -> Option<Grid> {
        match *self {
            Roads::Grid(grid) => Some(grid),
            Roads::Arterial(arterial) => Some(arterial.into()),
            Roads::Single(single) => Some(single.into()),
            Roads::File(_) | Roads::Ring(_) | Roads::Town(_) => None,
        }
    }
}

impl Demand {
    pub(super) fn settle(&mut self, folder: &Path) {
        if let Demand::File(path) = self {
            *path = absolute(folder, path);
        }
    }

    pub(super) fn read(
        &self,
        roads: &Roads,
        network: &Network,
        additional: &Additional,
        clock: Clock,
        begin_s: Option<f64>,
    ) -> Result<demand::Demand, Problem> {
        let until_s = f64::from(clock.steps) * clock.step_s;
        match (self, roads.grid()) {
            (Demand::File(path), _) => {
                let text = read(path, "demand")?;
                let xml = sumo::is_xml(&text);
                if !xml && (begin_s.is_some() || !additional.0.is_empty()) {
                    let field = if begin_s.is_some() { "begin_s" } else { "additional" };
                    let problem = Problem::at(field, format!("{path} is no file of SUMO's, which this is about"));
                    return Err(problem.help(format!("leave out `{field}`, or name a .rou.xml as `demand`")));
                }
                let trips = match xml {
                    true => sumo::routes(path, &text, &additional.files(), network, clock, begin_s),
                    false => cityflow::flows(path, &text, network, clock),
                };
                trips.map_err(|error| Problem::at("demand", error.to_string()))
            }
            (Demand::Entries(entries), Some(grid)) => {
                let flows = grid.flows(entries, until_s, clock.seed);
                demand::Demand::build(network, &flows, clock).map_err(|fault| Problem::at("demand", fault.message))
            }
            (Demand::Entries(_), None) => {
                let problem =
                    Problem::at("demand", "entries can be made up for a grid, an arterial or a single crossing");
                Err(problem.help("use `Trips`, or name the file of vehicles that belongs to the network"))
            }
            (Demand::Trips(trips), _) => {
                let Some(flows) = trips.flows(network, until_s, clock.seed) else {
                    let message =
                        "no road leads from outside through the network and out again, or nobody comes in time";
                    return Err(Problem::at("demand", message).help("name a file of vehicles"));
                };
                demand::Demand::build(network, &flows, clock).map_err(|fault| Problem::at("demand", fault.message))
            }
        }
    }
}

/// SUMO's `.add.xml` files, as they were read.
#[derive(Default)]
pub(super) struct Additional(Vec<(String, String)>);

impl Additional {
    pub(super) fn read(paths: &[String]) -> Result<Self, Problem> {
        let texts = paths
            .iter()
            .enumerate()
            .map(|(index, path)| Ok((path.clone(), read(path, &format!("additional[{index}]"))?)));
        texts.collect::<Result<_, _>>().map(Additional)
    }

    fn files(&self) -> Vec<sumo::File<'_>> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
    }
}

/// A path that stands on its own: relative to the scenario's folder or, if nothing is there, to where the program was
/// started, because that is what `--set` on a command line means.
pub(super) fn absolute(folder: &Path, path: &str) -> String {
    let beside = folder.join(path);
    let joined = if beside.exists() || !Path::new(path).exists() { beside } else { path.into() };
    std::path::absolute(&joined).unwrap_or(joined).to_string_lossy().into_owned()
}

fn read(path: &str, field: &str) -> Result<String, Problem> {
    let wrong = |error: String| Problem::at(field, format!("cannot read {path}: {error}"));
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > cityflow::LONGEST_FILE {
        return Err(wrong(format!("it has more than {} bytes", cityflow::LONGEST_FILE)));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

/// The ways in which a source is written: a text, or a map of one entry.
macro_rules! source {
    ($source:ident, $file:literal, [$($name:ident: $example:literal),*]) => {
        impl $source {
            /// Names of what makes one up.
            const GENERATORS: &'static [&'static str] = &[$(stringify!($name)),*];
            const EXPECTED: &'static str = concat!("the path of ", $file, $(", or ", $example),*);
        }

        impl<'de> Visitor<'de> for SourceVisitor<$source> {
            type Value = $source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($source::EXPECTED)
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<$source, E> {
                Ok($source::File(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$source, A::Error> {
                let Some(name) = map.next_key::<String>()? else { return Err(A::Error::custom("expected one entry")) };
                let made = match name.as_str() {
                    $(stringify!($name) => $source::$name(map.next_value()?),)*
                    _ => {
                        let known = $source::GENERATORS.join("`, `");
                        return Err(A::Error::custom(format!("there is no `{name}` here, only `{known}`")));
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(made),
                    Some(_) => Err(A::Error::custom("expected one entry")),
                }
            }
        }

        impl<'de> Deserialize<'de> for $source {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(SourceVisitor::<$source>(PhantomData))
            }
        }

        impl Serialize for $source {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $source::File(path) => serializer.serialize_str(path),
                    $($source::$name(made) => {
                        let mut map = serializer.serialize_map(Some(1))?;
                        map.serialize_entry(stringify!($name), made)?;
                        map.end()
                    })*
                }
            }
        }

        impl JsonSchema for $source {
            fn schema_name() -> Cow<'static, str> {
                stringify!($source).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let made = [$(generator.subschema_for::<$name>()),*];
                json_schema!({
                    "description": $source::EXPECTED,
                    "anyOf": [
                        { "type": "string" },
                        { "type": "object", "additionalProperties": { "anyOf": made }, "minProperties": 1, "maxProperties": 1 },
                    ],
                })
            }
        }
    };
}

struct SourceVisitor<S>(PhantomData<S>);

source!(Roads, "a roadnet.json or a .net.xml", [
    Grid: "{\"Grid\": (…)}", Arterial: "{\"Arterial\": (…)}", Single: "{\"Single\": (…)}", Ring: "{\"Ring\": (…)}",
    Town: "{\"Town\": (…)}"
]);
source!(Demand, "a flow.json or a .rou.xml", [Entries: "{\"Entries\": (…)}", Trips: "{\"Trips\": (…)}"]);
