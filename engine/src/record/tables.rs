//! `utilities.parquet` and `episodes.parquet`, made from the journal of utilities in one pass each.

use super::journal::Frames;
use super::lanes::{Lanes, Phase};
use super::manifest::Manifest;
use super::{RecordError, SCHEMA, disk};
use crate::metrics::{Returns, gini, jain};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::Path;
use std::sync::Arc;

pub(super) const UTILITIES: &str = "utilities.parquet";
pub(super) const EPISODES: &str = "episodes.parquet";

const UTILITY_COLUMNS: &str = "message utilities {
    required int64 iteration;
    required binary phase (string);
    required int32 lane;
    required binary group (string);
    required binary task (string);
    required double utility;
}";

const EPISODE_COLUMNS: &str = "message episodes {
    required int64 iteration;
    required binary phase (string);
    required int32 lane;
    required int64 episodes;
    required double return_mean;
    required double return_min;
    required double return_max;
    required double gap;
    required double jain;
    required double gini;
}";

/// Rows of a row group, give or take those of one iteration.
const GROUP_ROWS: usize = 1 << 20;

type Writer<'a> = SerializedFileWriter<&'a mut BufWriter<File>>;
type Group<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut BufWriter<File>>;

/// Writes both tables of a folder.
pub(super) fn write(folder: &Path, manifest: &Manifest, journal: &Path) -> Result<(), RecordError> {
    let cells = manifest.cells();
    table(&folder.join(UTILITIES), UTILITY_COLUMNS, journal, cells, |group, frames| {
        utilities(group, manifest, frames)
    })?;
    table(&folder.join(EPISODES), EPISODE_COLUMNS, journal, cells, |group, frames| episodes(group, manifest, frames))
}

/// Writes a table of everything in the journal, some whole iterations to a row group.
fn table(
    path: &Path,
    schema: &str,
    journal: &Path,
    cells: usize,
    write: impl Fn(&mut Group<'_, '_>, &[Lanes]) -> Result<(), ParquetError>,
) -> Result<(), RecordError> {
    disk::write_whole(path, |file| {
        let failed = |error| failure(path, error);
        let schema = Arc::new(parse_message_type(schema).map_err(failed)?);
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties())).map_err(failed)?;
        let mut frames = Vec::new();
        let mut values = 0;
        for frame in Frames::read(journal)?.into_iter().flatten() {
            let torn = || RecordError::unreadable(journal, "a frame holds no utilities");
            let lanes = Lanes::from_bytes(&frame).filter(|lanes| lanes.utilities.len() % cells == 0);
            let lanes = lanes.ok_or_else(torn)?;
            values += lanes.utilities.len();
            frames.push(lanes);
            if values >= GROUP_ROWS {
                flush(&mut writer, &frames, &write).map_err(failed)?;
                frames.clear();
                values = 0;
            }
        }
        if !frames.is_empty() {
            flush(&mut writer, &frames, &write).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(())
    })
}

fn flush(
    writer: &mut Writer<'_>,
    frames: &[Lanes],
    write: impl Fn(&mut Group<'_, '_>, &[Lanes]) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    write(&mut group, frames)?;
    group.close()?;
    Ok(())
}

/// Nothing here may differ from one run to the next.
fn properties() -> WriterProperties {
    let schema = KeyValue::new("isonomy.schema".to_owned(), SCHEMA.to_string());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("isonomy ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![schema]))
        .set_compression(Compression::ZSTD(ZstdLevel::default()));
    for counting in ["iteration", "lane", "episodes"] {
        properties = properties
            .set_column_dictionary_enabled(counting.into(), false)
            .set_column_encoding(counting.into(), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

fn failure(path: &Path, error: ParquetError) -> RecordError {
    let source = match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => *error,
            Err(error) => std::io::Error::other(error),
        },
        other => std::io::Error::other(other),
    };
    RecordError::io("write", path)(source)
}

/// Writes the next column: `rows` values of every frame.
fn column<T: DataType>(
    group: &mut Group<'_, '_>,
    frames: &[Lanes],
    rows: impl Fn(&Lanes) -> usize,
    mut value: impl FnMut(&Lanes, usize) -> T::T,
) -> Result<(), ParquetError> {
    const BATCH: usize = 8192;
    let missing = || ParquetError::General("the schema has fewer columns".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let mut batch = Vec::with_capacity(BATCH);
    for lanes in frames {
        let rows = rows(lanes);
        for first in (0..rows).step_by(BATCH) {
            batch.extend((first..rows.min(first + BATCH)).map(|row| value(lanes, row)));
            column.typed::<T>().write_batch(&batch, None, None)?;
            batch.clear();
        }
    }
    column.close()
}

fn name(name: &str) -> ByteArray {
    ByteArray::from(name)
}

fn phase_names() -> impl Fn(&Lanes) -> ByteArray {
    let [training, evaluation] = [Phase::Training, Phase::Evaluation].map(|phase| name(phase.name()));
    move |lanes| match lanes.phase {
        Phase::Training => training.clone(),
        Phase::Evaluation => evaluation.clone(),
    }
}

/// A row per lane, group and task, in this order.
fn utilities(group: &mut Group<'_, '_>, manifest: &Manifest, frames: &[Lanes]) -> Result<(), ParquetError> {
    let (cells, tasks) = (manifest.cells(), manifest.tasks.len());
    let (phase, rows) = (phase_names(), |lanes: &Lanes| lanes.utilities.len());
    let group_names: Vec<ByteArray> = manifest.groups.iter().map(|group| name(&group.name)).collect();
    let task_names: Vec<ByteArray> = manifest.tasks.iter().map(|task| name(task)).collect();
    column::<Int64Type>(group, frames, rows, |lanes, _| lanes.iteration as i64)?;
    column::<ByteArrayType>(group, frames, rows, |lanes, _| phase(lanes))?;
    column::<Int32Type>(group, frames, rows, |_, row| (row / cells) as i32)?;
    column::<ByteArrayType>(group, frames, rows, |_, row| group_names[row % cells / tasks].clone())?;
    column::<ByteArrayType>(group, frames, rows, |_, row| task_names[row % tasks].clone())?;
    column::<DoubleType>(group, frames, rows, |lanes, row| lanes.utilities[row])
}

/// A row per lane: the numbers of `metrics.csv`, of one lane.
fn episodes(group: &mut Group<'_, '_>, manifest: &Manifest, frames: &[Lanes]) -> Result<(), ParquetError> {
    let cells = manifest.cells();
    let (phase, rows) = (phase_names(), |lanes: &Lanes| lanes.utilities.len() / cells);
    column::<Int64Type>(group, frames, rows, |lanes, _| lanes.iteration as i64)?;
    column::<ByteArrayType>(group, frames, rows, |lanes, _| phase(lanes))?;
    column::<Int32Type>(group, frames, rows, |_, row| row as i32)?;
    column::<Int64Type>(group, frames, rows, |lanes, _| lanes.episodes as i64)?;
    let numbers: Vec<[f64; 6]> = frames.iter().flat_map(|lanes| numbers(manifest, lanes)).collect();
    for at in 0..6 {
        // Rows are asked for in order.
        let mut of_rows = numbers.iter();
        column::<DoubleType>(group, frames, rows, |_, _| of_rows.next().map_or(f64::NAN, |numbers| numbers[at]))?;
    }
    Ok(())
}

/// Mean, least and greatest return of the groups, gap, Jain's and the Gini index, of every lane.
fn numbers(manifest: &Manifest, lanes: &Lanes) -> Vec<[f64; 6]> {
    let mut returns = Returns {
        groups: manifest.groups.iter().map(|group| group.name.clone()).collect(),
        tasks: manifest.tasks.clone(),
        mean: Vec::new(),
        standard_error: Vec::new(),
    };
    let of_lane = |lane: &[f64]| {
        returns.mean.clear();
        returns.mean.extend_from_slice(lane);
        let totals = returns.totals();
        let mean = totals.iter().sum::<f64>() / totals.len() as f64;
        let least = totals.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        [mean, least, greatest, returns.largest_gap(), jain(&totals), gini(&totals)]
    };
    lanes.utilities.chunks_exact(manifest.cells()).map(of_lane).collect()
}

/// The utilities that were kept last, of the evaluation where there was one. None where there are none.
pub(super) fn last(folder: &Path, journal: &Path) -> Result<Option<Lanes>, RecordError> {
    if !folder.join("DONE").exists() {
        let frames = Frames::read(journal)?;
        return Ok(frames.into_iter().flatten().last().and_then(|frame| Lanes::from_bytes(&frame)));
    }
    let path = folder.join(UTILITIES);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RecordError::io("open", &path)(error)),
    };
    last_of_table(file).map_err(|error| RecordError::unreadable(&path, error))
}

fn last_of_table(file: File) -> Result<Option<Lanes>, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let Some(last) = reader.num_row_groups().checked_sub(1) else { return Ok(None) };
    let group = reader.get_row_group(last)?;
    let iterations = values::<Int64Type>(&*group, 0)?;
    let phases = values::<ByteArrayType>(&*group, 1)?;
    let (Some(&iteration), Some(phase)) = (iterations.last(), phases.last()) else { return Ok(None) };
    let same = iterations.iter().zip(&phases).rev().take_while(|(i, p)| **i == iteration && *p == phase).count();
    let utilities = values::<DoubleType>(&*group, 5)?.split_off(iterations.len() - same);
    let evaluated = phase.data() == Phase::Evaluation.name().as_bytes();
    let phase = if evaluated { Phase::Evaluation } else { Phase::Training };
    Ok(Some(Lanes { iteration: iteration as u64, phase, episodes: 0, utilities }))
}

fn values<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Result<Vec<T::T>, ParquetError> {
    let rows = group.metadata().num_rows() as usize;
    let mut values = Vec::with_capacity(rows);
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    while values.len() < rows && reader.read_records(rows, None, None, &mut values)?.0 > 0 {}
    Ok(values)
}
