//! A run folder read back, whether the run is done or not.

use super::manifest::Manifest;
use super::summary::Summary;
use super::{RecordError, checkpoints, csv, folder};
use crate::figure::Drawn;
use crate::run::Checkpoint;
use std::fs;
use std::path::{Path, PathBuf};

/// What a run folder says.
#[derive(Clone, Debug)]
pub struct Past {
    /// Where it is.
    pub path: PathBuf,
    /// What was run.
    pub manifest: Manifest,
    /// Names of the values of every row.
    pub columns: Vec<String>,
    /// The iterations recorded.
    pub rows: Vec<Row>,
    /// What the run came to, where it is done.
    pub summary: Option<Summary>,
    /// What the environment drew of an episode after the last iteration; nothing where it draws nothing.
    pub drawn: Drawn,
}

/// A row of `metrics.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The iteration, from 1.
    pub iteration: u64,
    /// Steps since the beginning.
    pub steps: u64,
    /// Hash of all columns and of the learner after the update.
    pub state_hash: u64,
    /// One per column; none where the cell is empty.
    pub values: Vec<Option<f64>>,
}

/// Reads a run folder. A last row that is half written is left out.
pub fn open(path: impl AsRef<Path>) -> Result<Past, RecordError> {
    let path = path.as_ref();
    let manifest = Manifest::read(path)?;
    let summary = path.join("DONE").exists().then(|| Summary::read(path)).transpose()?;
    let figures = path.join(folder::FIGURES);
    let drawn = match text(&figures)?.as_str() {
        "" => Drawn::default(),
        json => serde_json::from_str(json).map_err(|error| RecordError::unreadable(&figures, error))?,
    };
    let file = path.join("metrics.csv");
    let text = text(&file)?;
    let mut lines = csv::lines(&text).into_iter();
    let mut columns = lines.next().unwrap_or_default();
    columns.drain(..csv::FIXED.len().min(columns.len()));
    let row = |(at, fields): (usize, Vec<String>)| {
        let parsed = Row::parse(&fields).filter(|row| row.values.len() == columns.len());
        parsed.ok_or_else(|| RecordError::unreadable(&file, format!("line {} is no iteration", at + 2)))
    };
    let rows = lines.enumerate().map(row).collect::<Result<_, _>>()?;
    Ok(Past { path: path.to_owned(), manifest, columns, rows, summary, drawn })
}

/// What a file holds, nothing where it is not there.
fn text(file: &Path) -> Result<String, RecordError> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(RecordError::io("read", file)),
    }
}

impl Row {
    fn parse(fields: &[String]) -> Option<Row> {
        let ([iteration, steps, state_hash], values) = fields.split_first_chunk::<3>()?;
        let value = |field: &String| match field.as_str() {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some(Row {
            iteration: iteration.parse().ok()?,
            steps: steps.parse().ok()?,
            state_hash: u64::from_str_radix(state_hash, 16).ok()?,
            values: values.iter().map(value).collect::<Option<_>>()?,
        })
    }
}

impl Past {
    /// The newest checkpoint that is whole; none where there is none.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, RecordError> {
        let folder = self.path.join("checkpoints");
        if !folder.exists() {
            return Ok(None);
        }
        for (_, path) in checkpoints::list(&folder)? {
            if let Some(checkpoint) = checkpoints::read(&path)? {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }

    /// The values of a column, one per row; none where there is no such column.
    pub fn column(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let at = self.columns.iter().position(|column| column == name)?;
        Some(self.rows.iter().map(|row| row.values[at]).collect())
    }
}
