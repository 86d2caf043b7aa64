//! `manifest.json`: what was run, by what, on what. It holds no clock: the same command writes the same bytes.

use super::{RecordError, SCHEMA, disk};
use crate::reference::Reference;
use crate::scenario::{Evaluation, Scenario};
use crate::spec::GroupSpec;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What identifies a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's files, [`SCHEMA`].
    pub schema: u32,
    /// Version of isonomy.
    pub isonomy: String,
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario asks.
    pub about: String,
    /// XXH3 (64 bits) of the text, in hexadecimal.
    pub hash: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Copies of the environment.
    pub lanes: u32,
    /// Agents in a lane.
    pub agents: u32,
    /// Groups in order.
    pub groups: Vec<GroupSpec>,
    /// Tasks in order.
    pub tasks: Vec<String>,
    /// Iterations of a whole run.
    pub iterations: u64,
    /// When and how the policy is evaluated.
    pub evaluation: Option<Evaluation>,
    /// What metrics are to be compared with, for the report. Earlier folders have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Kind of device: `cpu`, `gpu` or `software`.
    pub device: String,
    /// Name of the adapter, where there is one.
    pub adapter: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// The scenario as composed, a RON text: `scenario.ron`.
    pub text: String,
}

impl Manifest {
    /// The manifest of a scenario whose composed text is `text`, on the processor without a command line and references.
    pub fn new(name: &str, scenario: &Scenario, text: &str) -> Manifest {
        let spec = scenario.environment.spec();
        Manifest {
            schema: SCHEMA,
            isonomy: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: name.to_owned(),
            about: scenario.about.clone(),
            hash: Manifest::hash_of(text),
            seed: scenario.seed,
            lanes: scenario.lanes.get(),
            agents: spec.agents(),
            tasks: spec.tasks.into_iter().map(|task| task.name).collect(),
            groups: spec.groups,
            iterations: u64::from(scenario.iterations.get()),
            evaluation: scenario.evaluation,
            references: Vec::new(),
            device: "cpu".to_owned(),
            adapter: None,
            command: Vec::new(),
            text: text.to_owned(),
        }
    }

    /// XXH3 (64 bits) of a text, in hexadecimal.
    pub fn hash_of(text: &str) -> String {
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }

    /// Cells of a lane's utilities, groups times tasks.
    pub(super) fn cells(&self) -> usize {
        self.groups.len() * self.tasks.len()
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), RecordError> {
        let path = folder.join("manifest.json");
        let mut text = serde_json::to_string_pretty(self).map_err(|error| RecordError::unreadable(&path, error))?;
        text.push('\n');
        disk::write_bytes(&path, text.as_bytes())
    }

    /// Reads the manifest of a run folder.
    pub(super) fn read(folder: &Path) -> Result<Manifest, RecordError> {
        let path = folder.join("manifest.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecordError::NotARun { path: folder.to_owned() });
            }
            Err(error) => return Err(RecordError::io("read", &path)(error)),
        };
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let unreadable = |error: serde_json::Error| RecordError::unreadable(&path, error);
        let Version { schema: found } = serde_json::from_str(&text).map_err(unreadable)?;
        if found != SCHEMA {
            return Err(RecordError::Version { path, found, known: SCHEMA });
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(unreadable)?;
        if manifest.hash != Manifest::hash_of(&manifest.text) {
            return Err(RecordError::unreadable(&path, "its hash is not that of its scenario's text"));
        }
        Ok(manifest)
    }
}
