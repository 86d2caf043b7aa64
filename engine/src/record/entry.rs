//! What is recorded of every iteration.

use super::journal::Frames;
use super::summary::{GroupSummary, Named};
use super::{RecordError, csv, events};
use crate::run::Iteration;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// One iteration. A column is known from the first entry that has it: its name is `fresh` there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) steps: u64,
    pub(super) state_hash: u64,
    /// Names of the columns that no earlier entry has.
    pub(super) fresh: Vec<String>,
    /// One per column known so far.
    pub(super) values: Vec<Option<f64>>,
    /// Frames of utilities that belong to it.
    pub(super) kept: u32,
    /// What groups earned, in the evaluation if there was one, where utilities were kept.
    pub(super) groups: Named<GroupSummary>,
}

/// Names of the columns in the order in which they first appeared.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) all: Vec<String>,
    index: HashMap<String, usize>,
}

impl Names {
    pub(super) fn extend(&mut self, fresh: &[String]) {
        for name in fresh {
            self.index.insert(name.clone(), self.all.len());
            self.all.push(name.clone());
        }
    }

    /// The values of an iteration by column, and the names that it brings. A name that occurs twice is numbered.
    pub(super) fn sort(&mut self, iteration: &Iteration) -> (Vec<String>, Vec<Option<f64>>) {
        let known = self.all.len();
        let mut values = vec![None; known];
        for (name, value) in iteration.metrics() {
            let mut unique = name.clone();
            let mut count = 1;
            let at = loop {
                let Some(&at) = self.index.get(&unique) else {
                    self.extend(&[unique]);
                    values.push(None);
                    break self.all.len() - 1;
                };
                if values[at].is_none() {
                    break at;
                }
                count += 1;
                unique = format!("{name} ({count})");
            };
            values[at] = Some(value);
        }
        (self.all[known..].to_vec(), values)
    }
}

/// All entries of a journal, with the names they use and where each ends in the file.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) names: Names,
    pub(super) all: Vec<Entry>,
    pub(super) ends: Vec<u64>,
}

impl Entries {
    /// Reads up to the first entry that is torn or out of place.
    pub(super) fn read(path: &Path) -> Result<Entries, RecordError> {
        let mut entries = Entries::default();
        let Some(mut frames) = Frames::read(path)? else { return Ok(entries) };
        while let Some(frame) = frames.next() {
            let Ok(entry) = postcard::from_bytes::<Entry>(&frame) else { break };
            if entry.number != entries.all.len() as u64 + 1 {
                break;
            }
            entries.names.extend(&entry.fresh);
            entries.all.push(entry);
            entries.ends.push(frames.end);
        }
        Ok(entries)
    }

    /// Forgets what came after iteration `done`.
    pub(super) fn cut(&mut self, done: u64) {
        self.all.truncate(done as usize);
        self.ends.truncate(done as usize);
        self.names = Names::default();
        for entry in &self.all {
            self.names.extend(&entry.fresh);
        }
    }

    /// Where the last entry ends.
    pub(super) fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The text of `metrics.csv`.
    pub(super) fn csv(&self) -> String {
        let mut text = csv::header(&self.names.all);
        self.all.iter().for_each(|entry| csv::push_row(&mut text, entry, self.names.all.len()));
        text
    }
    /// The bytes of TensorBoard's file.
    pub(super) fn events(&self) -> Vec<u8> {
        let mut bytes = events::head();
        let mut known = 0;
        for entry in &self.all {
            known += entry.fresh.len();
            bytes.extend(events::event(&self.names.all[..known], entry));
        }
        bytes
    }
}
