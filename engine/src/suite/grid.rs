//! Grids: every combination of some values at some places of a scenario.

use super::Method;
use crate::problem::Problem;
use ron::value::RawValue;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// A place of the scenario, and the values that it is tried with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The place, as in `--set`.
    pub path: String,
    /// What is put there, one after the other: a list of anything that a scenario could say there, or a map of it by name.
    #[serde(deserialize_with = "options")]
    pub values: Vec<Choice>,
    /// What stands above the column; the last name of the path if not given.
    #[serde(default)]
    pub heading: String,
}

impl Axis {
    /// What stands above the column.
    pub fn title(&self) -> &str {
        let last = self.path.rsplit('.').next().unwrap_or(&self.path);
        if self.heading.is_empty() { last } else { &self.heading }
    }
}

/// One of the values of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is called in tables; as it is written, if it has no name.
    pub name: String,
    /// As it is written.
    pub value: String,
}

/// The values of an axis.
fn options<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Choice>, D::Error> {
    struct Options;
    impl<'de> Visitor<'de> for Options {
        type Value = Vec<Choice>;

        fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            text.write_str("a list of values, or a map from names to values")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Choice>, A::Error> {
            let mut choices = Vec::new();
            while let Some(raw) = list.next_element::<Box<RawValue>>()? {
                let value = raw.trim().get_ron().to_owned();
                choices.push(Choice { name: value.clone(), value });
            }
            Ok(choices)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut named: A) -> Result<Vec<Choice>, A::Error> {
            let mut choices = Vec::new();
            while let Some((name, raw)) = named.next_entry::<String, Box<RawValue>>()? {
                choices.push(Choice { name, value: raw.trim().get_ron().to_owned() });
            }
            Ok(choices)
        }
    }
    from.deserialize_any(Options)
}

/// A value at a place of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The place, as in `--set`.
    pub path: String,
    /// What is put there.
    pub value: String,
    /// What that is called.
    pub name: String,
}

/// A run of the suite at one point of its grid; with every seed it is a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Index of the run in the suite.
    pub method: usize,
    /// Where in the grid.
    pub settings: Vec<Setting>,
}

impl Cell {
    /// What is put at a place, by its name.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.path == path).map(|setting| setting.name.as_str())
    }

    /// The settings in words, each behind a comma.
    pub fn in_words(&self) -> String {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        self.settings.iter().map(|setting| format!(", {} = {}", last(&setting.path), setting.name)).collect()
    }
}

/// Points of the largest grid.
const MOST: usize = 100_000;

impl Method {
    /// All points of the grid, the last axis fastest.
    pub(super) fn cells(&self, method: usize) -> Vec<Cell> {
        let mut cells = vec![Cell { method, settings: Vec::new() }];
        for axis in &self.grid {
            let with = |cell: &Cell, Choice { name, value }: &Choice| {
                let mut cell = cell.clone();
                cell.settings.push(Setting { path: axis.path.clone(), value: value.clone(), name: name.clone() });
                cell
            };
            cells = cells.iter().flat_map(|cell| axis.values.iter().map(move |choice| with(cell, choice))).collect();
        }
        cells
    }

    /// What is wrong with the grid itself.
    pub(super) fn grid_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, axis) in self.grid.iter().enumerate() {
            if axis.values.is_empty() {
                problems.push(Problem::at(format!("grid[{index}].values"), "an axis needs at least one value"));
            }
            for (at, Choice { name, value }) in axis.values.iter().enumerate() {
                if axis.values[..at].iter().any(|other| other.name == *name || other.value == *value) {
                    let message = format!("{name} is there already");
                    problems.push(Problem::at(format!("grid[{index}].values[{at}]"), message));
                }
            }
            if self.grid[..index].iter().any(|other| other.path == axis.path) {
                let message = "another axis of this grid has this path too";
                problems.push(Problem::at(format!("grid[{index}].path"), message));
            }
        }
        let points = self.grid.iter().try_fold(1_usize, |points, axis| points.checked_mul(axis.values.len()));
        if points.is_none_or(|points| points > MOST) {
            problems.push(Problem::at("grid", format!("a grid has at most {MOST} points, and this one has more")));
        }
        problems
    }
}

/// The seeds of a suite: a list, or `(first: 1, count: 40)`.
pub(super) fn seeds<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
    struct Seeds;
    impl<'de> Visitor<'de> for Seeds {
        type Value = Vec<u64>;

        fn expecting(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            text.write_str("a list of seeds, or (first: 1, count: 40)")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u64>, A::Error> {
            let mut seeds = Vec::new();
            while let Some(seed) = list.next_element()? {
                seeds.push(seed);
            }
            Ok(seeds)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Vec<u64>, A::Error> {
            let (mut first, mut count) = (None, None);
            while let Some(name) = fields.next_key::<String>()? {
                match name.as_str() {
                    "first" => first = Some(fields.next_value::<u64>()?),
                    "count" => count = Some(fields.next_value::<u32>()?),
                    _ => {
                        fields.next_value::<IgnoredAny>()?;
                        return Err(A::Error::unknown_field(&name, &["first", "count"]));
                    }
                }
            }
            let first = first.ok_or_else(|| A::Error::missing_field("first"))?;
            let count = u64::from(count.ok_or_else(|| A::Error::missing_field("count"))?);
            if count > MOST as u64 {
                return Err(A::Error::custom(format!("at most {MOST} seeds, and these are {count}")));
            }
            match first.checked_add(count) {
                Some(end) => Ok((first..end).collect()),
                None => Err(A::Error::custom("the last of these seeds does not fit in 64 bits")),
            }
        }
    }
    from.deserialize_any(Seeds)
}
