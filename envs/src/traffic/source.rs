//! Where roads and vehicles come from: a file or a generator.

use super::network::demand::{Clock, Demand as Trips};
use super::network::generate::{Entries, Grid, MOST_CROSSINGS};
use super::network::{Network, cityflow};
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
    /// A CityFlow `roadnet.json`.
    File(String),
    /// Made up.
    Grid(Grid),
}

/// Where vehicles come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// A CityFlow `flow.json`.
    File(String),
    /// Made up, for a grid.
    Entries(Entries),
}

impl Roads {
    /// Makes a path stand on its own.
    pub(super) fn settle(&mut self, folder: &Path) {
        if let Roads::File(path) = self {
            *path = absolute(folder, path);
        }
    }

    pub(super) fn read(&self) -> Result<Network, Problem> {
        match self {
            Roads::File(path) => {
                let text = read(path, "network")?;
                cityflow::roadnet(path, &text).map_err(|error| Problem::at("network", error.to_string()))
            }
            Roads::Grid(grid) => {
                if u64::from(grid.rows.get()) * u64::from(grid.columns.get()) > u64::from(MOST_CROSSINGS) {
                    let message = format!("more than {MOST_CROSSINGS} crossings");
                    return Err(Problem::at("network", message).help("use fewer rows or columns"));
                }
                grid.network().map_err(|fault| Problem::at("network", format!("a road: {}", fault.message)))
            }
        }
    }
}

impl Demand {
    pub(super) fn settle(&mut self, folder: &Path) {
        if let Demand::File(path) = self {
            *path = absolute(folder, path);
        }
    }

    pub(super) fn read(&self, roads: &Roads, network: &Network, clock: Clock) -> Result<Trips, Problem> {
        match (self, roads) {
            (Demand::File(path), _) => {
                let text = read(path, "demand")?;
                cityflow::flows(path, &text, network, clock).map_err(|error| Problem::at("demand", error.to_string()))
            }
            (Demand::Entries(entries), Roads::Grid(grid)) => {
                let flows = grid.flows(entries, f64::from(clock.steps) * clock.step_s, clock.seed);
                Trips::build(network, &flows, clock).map_err(|fault| Problem::at("demand", fault.message))
            }
            (Demand::Entries(_), Roads::File(_)) => {
                let problem = Problem::at("demand", "entries can be made up for a grid only");
                Err(problem.help("name the flow.json that belongs to the network"))
            }
        }
    }
}

fn absolute(folder: &Path, path: &str) -> String {
    let joined = folder.join(path);
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

/// One of the two ways in which a source is written: a text, or a map of one entry.
trait Source: Sized {
    const GENERATOR: &'static str;
    const EXPECTED: &'static str;
    type Made: for<'de> Deserialize<'de> + Serialize;
    fn file(path: String) -> Self;
    fn made(made: Self::Made) -> Self;
}

impl Source for Roads {
    const GENERATOR: &'static str = "Grid";
    const EXPECTED: &'static str = "the path of a roadnet.json, or {\"Grid\": (…)}";
    type Made = Grid;

    fn file(path: String) -> Self {
        Roads::File(path)
    }

    fn made(made: Grid) -> Self {
        Roads::Grid(made)
    }
}

impl Source for Demand {
    const GENERATOR: &'static str = "Entries";
    const EXPECTED: &'static str = "the path of a flow.json, or {\"Entries\": (…)}";
    type Made = Entries;

    fn file(path: String) -> Self {
        Demand::File(path)
    }

    fn made(made: Entries) -> Self {
        Demand::Entries(made)
    }
}

struct SourceVisitor<S>(PhantomData<S>);

impl<'de, S: Source> Visitor<'de> for SourceVisitor<S> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::EXPECTED)
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<S, E> {
        Ok(S::file(path.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S, A::Error> {
        let Some(name) = map.next_key::<String>()? else { return Err(A::Error::custom("expected one entry")) };
        if name != S::GENERATOR {
            return Err(A::Error::custom(format!("there is no `{name}` here, only `{}`", S::GENERATOR)));
        }
        let made = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok(S::made(made)),
            Some(_) => Err(A::Error::custom("expected one entry")),
        }
    }
}

fn generated<S: Serializer, T: Serialize>(serializer: S, name: &str, made: &T) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, made)?;
    map.end()
}

fn either<S: Source>(generator: &mut SchemaGenerator) -> Schema
where
    S::Made: JsonSchema,
{
    let made = generator.subschema_for::<S::Made>();
    json_schema!({
        "description": S::EXPECTED,
        "anyOf": [
            { "type": "string" },
            { "type": "object", "additionalProperties": made, "minProperties": 1, "maxProperties": 1 },
        ],
    })
}

impl<'de> Deserialize<'de> for Roads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Demand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor(PhantomData))
    }
}

impl Serialize for Roads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Roads::File(path) => serializer.serialize_str(path),
            Roads::Grid(grid) => generated(serializer, Roads::GENERATOR, grid),
        }
    }
}

impl Serialize for Demand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Demand::File(path) => serializer.serialize_str(path),
            Demand::Entries(entries) => generated(serializer, Demand::GENERATOR, entries),
        }
    }
}

impl JsonSchema for Roads {
    fn schema_name() -> Cow<'static, str> {
        "Roads".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either::<Roads>(generator)
    }
}

impl JsonSchema for Demand {
    fn schema_name() -> Cow<'static, str> {
        "Demand".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either::<Demand>(generator)
    }
}
