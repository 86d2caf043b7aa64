//! The folder of a suite: which of its runs are made, whatever interrupts the others.
//!
//! `suite.json` holds the suite with all its scenarios, the journal one frame per finished run. From these the suite can be
//! gone on with anywhere. `runs.csv` and `runs.parquet` are made of them whenever the suite ends, early or not.

use super::journal::{Frames, Journal};
use super::{RecordError, SCHEMA, disk, folder};
use crate::suite::{Kept, Outcome, Plan, Trial};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Kind, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SUITE: &str = "suite.json";
const JOURNAL: &str = "runs.journal";
const CSV: &str = "runs.csv";
const PARQUET: &str = "runs.parquet";

/// The folder of a suite that is being carried out.
#[derive(Debug)]
pub struct Trials {
    path: PathBuf,
    journal: Journal,
    /// Keeps other processes out.
    _lock: File,
}

/// What `suite.json` says.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: u32,
    isonomy: String,
    #[serde(flatten)]
    kept: Kept,
}

impl Trials {
    /// Begins in a folder that is empty or not there.
    pub fn create(path: impl AsRef<Path>, plan: &Plan) -> Result<Trials, RecordError> {
        let path = path.as_ref();
        fs::create_dir_all(path).map_err(RecordError::io("create", path))?;
        if path.join(SUITE).exists() {
            return Err(RecordError::SuiteExists { path: path.to_owned() });
        }
        for file in fs::read_dir(path).map_err(RecordError::io("read", path))? {
            // A beginning that was cut short leaves this one file.
            if file.map_err(RecordError::io("read", path))?.file_name() != "suite.json.partial" {
                return Err(RecordError::NotASuite { path: path.to_owned() });
            }
        }
        let written = Written { schema: SCHEMA, isonomy: env!("CARGO_PKG_VERSION").to_owned(), kept: plan.keep() };
        let file = path.join(SUITE);
        let text = serde_json::to_vec_pretty(&written).map_err(|error| RecordError::unreadable(&file, error))?;
        disk::write_bytes(&file, &text)?;
        Trials::open(path, 0, folder::lock(path, SUITE)?)
    }

    /// Goes on with a suite: its plan, and the runs that are made.
    pub fn resume(path: impl AsRef<Path>) -> Result<(Trials, Plan, Vec<Trial>), RecordError> {
        let path = path.as_ref();
        let file = path.join(SUITE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecordError::NoSuite { path: path.to_owned() });
            }
            Err(error) => return Err(RecordError::io("read", &file)(error)),
        };
        let unreadable = |reason: String| RecordError::unreadable(&file, reason);
        let written: Written = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if written.schema != SCHEMA {
            return Err(RecordError::Version { path: file, found: written.schema, known: SCHEMA });
        }
        // First: another process might still add to the journal.
        let lock = folder::lock(path, SUITE)?;
        let plan = Plan::again(written.kept).map_err(unreadable)?;
        let journal = path.join(JOURNAL);
        let (mut trials, mut end) = (Vec::new(), 0);
        if let Some(mut frames) = Frames::read(&journal)? {
            while let Some(frame) = frames.next() {
                let trial: Trial =
                    postcard::from_bytes(&frame).map_err(|error| RecordError::unreadable(&journal, error))?;
                let values = if let Outcome::Done(values) = &trial.outcome { values.len() } else { plan.columns() };
                if trial.cell >= plan.cells.len() || values != plan.columns() {
                    return Err(RecordError::unreadable(&journal, "it is of another suite"));
                }
                trials.push(trial);
                end = frames.end;
            }
        }
        disk::sweep(path)?;
        Ok((Trials::open(path, end, lock)?, plan, trials))
    }

    fn open(path: &Path, end: u64, lock: File) -> Result<Trials, RecordError> {
        Ok(Trials { path: path.to_owned(), journal: Journal::open(&path.join(JOURNAL), end)?, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps runs that came to an end; returns when they are on the disk.
    pub fn keep(&mut self, trials: &[Trial]) -> Result<(), RecordError> {
        for trial in trials {
            let frame =
                postcard::to_stdvec(trial).map_err(|error| RecordError::unreadable(&self.path.join(JOURNAL), error))?;
            self.journal.append(&frame)?;
        }
        self.journal.sync()
    }

    /// Writes the tables of all runs that came to an end.
    pub fn write(&self, plan: &Plan, trials: &[Trial]) -> Result<(), RecordError> {
        let csv = self.path.join(CSV);
        disk::write_bytes(&csv, format!("{}\n", plan.csv(trials)).as_bytes())?;
        let parquet = self.path.join(PARQUET);
        disk::write_whole(&parquet, |file| {
            table(file, plan, trials).map_err(|error| RecordError::io("write", &parquet)(std::io::Error::other(error)))
        })
    }
}

type Group<'a, 'b, W> = SerializedRowGroupWriter<'a, &'b mut W>;

/// The columns of `runs.csv`, with their types.
fn table(file: &mut BufWriter<File>, plan: &Plan, trials: &[Trial]) -> Result<(), ParquetError> {
    let ended: Vec<&Trial> = trials.iter().filter(|trial| trial.outcome != Outcome::Stopped).collect();
    let (places, metrics) = (plan.places(), plan.metrics());
    let mut fields = vec![text("method", Repetition::REQUIRED)?];
    for place in &places {
        fields.push(text(place, Repetition::OPTIONAL)?);
    }
    let seed = Type::primitive_type_builder("seed", Kind::INT64).with_repetition(Repetition::REQUIRED);
    fields.push(Arc::new(seed.with_converted_type(ConvertedType::UINT_64).build()?));
    for metric in &metrics {
        let metric = Type::primitive_type_builder(metric, Kind::DOUBLE).with_repetition(Repetition::OPTIONAL);
        fields.push(Arc::new(metric.build()?));
    }
    fields.push(text("failure", Repetition::OPTIONAL)?);
    let schema = Arc::new(Type::group_type_builder("runs").with_fields(fields).build()?);
    let version = KeyValue::new("isonomy.schema".to_owned(), SCHEMA.to_string());
    let properties = WriterProperties::builder()
        .set_created_by(concat!("isonomy ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![version]))
        .set_compression(Compression::ZSTD(ZstdLevel::default()));
    let mut writer = SerializedFileWriter::new(&mut *file, schema, Arc::new(properties.build()))?;
    let mut group = writer.next_row_group()?;
    let name = |text: &str| Some(ByteArray::from(text));
    column::<ByteArrayType, _>(&mut group, false, ended.iter().map(|trial| name(&plan.method(trial.cell).name)))?;
    for place in &places {
        let value = |trial: &&Trial| plan.cells[trial.cell].value(place).and_then(name);
        column::<ByteArrayType, _>(&mut group, true, ended.iter().map(value))?;
    }
    column::<Int64Type, _>(&mut group, false, ended.iter().map(|trial| Some(trial.seed as i64)))?;
    for index in 0..metrics.len() {
        let value = |trial: &&Trial| if let Outcome::Done(values) = &trial.outcome { values[index] } else { None };
        column::<DoubleType, _>(&mut group, true, ended.iter().map(value))?;
    }
    let failure = |trial: &&Trial| if let Outcome::Failed(reason) = &trial.outcome { name(reason) } else { None };
    column::<ByteArrayType, _>(&mut group, true, ended.iter().map(failure))?;
    group.close()?;
    writer.close()?;
    file.flush()?;
    Ok(())
}

fn text(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let kind = Type::primitive_type_builder(name, Kind::BYTE_ARRAY).with_converted_type(ConvertedType::UTF8);
    Ok(Arc::new(kind.with_repetition(repetition).build()?))
}

/// Writes the next column, with gaps where it is optional.
fn column<T: DataType, W: Write + Send>(
    group: &mut Group<'_, '_, W>,
    optional: bool,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let values: Vec<Option<T::T>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&there, optional.then_some(&levels[..]), None)?;
    column.close()
}
