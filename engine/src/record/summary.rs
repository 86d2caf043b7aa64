//! What a run came to: `summary.json`, and what `isonomy run --format json` prints.

use super::entry::{Entry, Names};
use super::manifest::Manifest;
use super::{RecordError, disk};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

/// A run in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// Everything random followed from it.
    pub seed: u64,
    /// Kind of device.
    pub device: String,
    /// Copies of the environment.
    pub lanes: u32,
    /// Agents in a lane.
    pub agents: u32,
    /// Steps of every lane, training only.
    pub steps: u64,
    /// Steps of all agents of all lanes, training only.
    pub agent_steps: u64,
    /// Wall-clock time of the process that finished the run. Not in `summary.json`, where it would differ every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Of the agent steps made in that time. Not in `summary.json` either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_steps_per_second: Option<f64>,
    /// Numbers of the last iteration: of its evaluation where there was one, else of its rollout.
    pub metrics: Named<f64>,
    /// What each group earned there.
    pub groups: Named<GroupSummary>,
}

/// What a group earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Its agents in a lane.
    pub agents: u32,
    /// Mean over lanes, episodes and agents of the return over all tasks.
    #[serde(with = "null_is_nan")]
    pub return_mean: f64,
    /// Standard error of that mean over lanes; 0 with one lane.
    #[serde(with = "null_is_nan")]
    pub standard_error: f64,
    /// The same for each task.
    pub tasks: Named<TaskSummary>,
}

/// What a group earned in a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSummary {
    /// Mean over lanes, episodes and agents.
    #[serde(with = "null_is_nan")]
    pub return_mean: f64,
    /// Standard error of that mean over lanes; 0 with one lane.
    #[serde(with = "null_is_nan")]
    pub standard_error: f64,
}

impl Summary {
    /// Of the last entry of a run, where there is one.
    pub(super) fn new(manifest: &Manifest, names: &Names, last: Option<&Entry>) -> Summary {
        let steps = last.map_or(0, |entry| entry.steps);
        Summary {
            scenario: manifest.scenario.clone(),
            seed: manifest.seed,
            device: manifest.device.clone(),
            lanes: manifest.lanes,
            agents: manifest.agents,
            steps,
            agent_steps: steps * u64::from(manifest.lanes) * u64::from(manifest.agents),
            seconds: None,
            agent_steps_per_second: None,
            metrics: Named(last.map_or(Vec::new(), |entry| metrics(names, entry))),
            groups: last.map_or_else(Named::default, |entry| entry.groups.clone()),
        }
    }

    /// Writes `summary.json`: what does not differ from one time to the next.
    pub(super) fn write(&self, folder: &Path) -> Result<(), RecordError> {
        let path = folder.join("summary.json");
        let timeless = Summary { seconds: None, agent_steps_per_second: None, ..self.clone() };
        let text = timeless.to_json().and_then(|json| serde_json::to_string_pretty(&json));
        let text = text.map_err(|error| RecordError::unreadable(&path, error))?;
        disk::write_bytes(&path, format!("{text}\n").as_bytes())
    }

    /// Adds how much of something was computed per second by the process that finished the run, where it is timed. Like
    /// that time it is for printing: what stands in `summary.json` does not differ from one time to the next.
    pub fn add_rate(&mut self, name: &str, count: f64) {
        if let Some(seconds) = self.seconds {
            self.metrics.0.push((format!("{name}_per_second"), count / seconds));
        }
    }

    /// As JSON. What an environment measures of a group, `groups.NAME.accuracy`, stands in the group's object too.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        let mut json = serde_json::to_value(self)?;
        for (name, _) in &self.groups.0 {
            let (Some(own), of_group) = (json["groups"][name].as_object_mut(), format!("groups.{name}.")) else {
                continue;
            };
            for (metric, value) in &self.metrics.0 {
                if let Some(measure) = metric.strip_prefix(&of_group)
                    && !own.contains_key(measure)
                {
                    own.insert(measure.to_owned(), serde_json::to_value(value)?);
                }
            }
        }
        Ok(json)
    }

    /// Reads `summary.json`.
    pub(super) fn read(folder: &Path) -> Result<Summary, RecordError> {
        let path = folder.join("summary.json");
        let text = fs::read_to_string(&path).map_err(RecordError::io("read", &path))?;
        serde_json::from_str(&text).map_err(|error| RecordError::unreadable(&path, error))
    }

    /// A number by its path in the JSON: `gap` or `metrics.gap`, `groups.A.tasks.upstream.return_mean`.
    pub fn get(&self, path: &str) -> Option<f64> {
        let metric = self.metrics.get(path.strip_prefix("metrics.").unwrap_or(path));
        metric.copied().or_else(|| {
            // Names may hold dots, so they are matched from the left rather than split.
            let path = path.strip_prefix("groups.")?;
            self.groups
                .0
                .iter()
                .find_map(|(name, group)| group.get(path.strip_prefix(name.as_str())?.strip_prefix('.')?))
        })
    }
}

impl GroupSummary {
    fn get(&self, path: &str) -> Option<f64> {
        match path {
            "return_mean" => Some(self.return_mean),
            "standard_error" => Some(self.standard_error),
            _ => {
                let path = path.strip_prefix("tasks.")?;
                let of = |name: &str| path.strip_prefix(name)?.strip_prefix('.');
                self.tasks.0.iter().find_map(|(name, task)| match of(name)? {
                    "return_mean" => Some(task.return_mean),
                    "standard_error" => Some(task.standard_error),
                    _ => None,
                })
            }
        }
    }
}

/// What is known of the last iteration: returns of the evaluation under the plain names, where there was one.
fn metrics(names: &Names, entry: &Entry) -> Vec<(String, f64)> {
    let evaluation = "evaluation.";
    let values = names.all.iter().zip(&entry.values);
    let known: Vec<(&str, f64)> = values.filter_map(|(name, value)| Some((name.as_str(), (*value)?))).collect();
    let evaluated = known.iter().any(|(name, _)| name.starts_with(evaluation));
    let replaced = |name: &str| known.iter().any(|(other, _)| other.strip_prefix(evaluation) == Some(name));
    let kept = known.iter().filter(|(name, _)| !evaluated || !replaced(name));
    let plain = kept.map(|(name, value)| (name.strip_prefix(evaluation).unwrap_or(name), *value));
    // Returns of groups stand in the groups themselves; what the environment measures of them stands here.
    let of_returns = |name: &str| name.starts_with("groups.") && name.ends_with(".return_mean");
    plain.filter(|(name, _)| !of_returns(name)).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Values by name, in order: an object in JSON. A number that JSON does not know is null.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

impl<T> Named<T> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(mine, _)| mine == name).map(|(_, value)| value)
    }
}

/// What stands in a [`Named`] map: in JSON an object or a number.
pub trait Cell: Sized {
    /// Whether null may stand for it.
    const NULL: Option<Self>;
}

impl Cell for f64 {
    const NULL: Option<f64> = Some(f64::NAN);
}

impl Cell for TaskSummary {
    const NULL: Option<TaskSummary> = None;
}

impl Cell for GroupSummary {
    const NULL: Option<GroupSummary> = None;
}

/// A number that JSON does not know is null there, and comes back as NaN.
mod null_is_nan {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Some(value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The option is what is read back, in formats that write one down.
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Some(value))))
    }
}

impl<'de, T: Deserialize<'de> + Cell> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Cell> Visitor<'de> for Pairs<T> {
            type Value = Named<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<T>>()? {
                    let value = value.or(T::NULL).ok_or_else(|| serde::de::Error::custom("null is no value"))?;
                    pairs.push((name, value));
                }
                Ok(Named(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}
