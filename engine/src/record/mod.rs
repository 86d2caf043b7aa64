//! What a run leaves behind: one folder, described file by file in `docs/records.md`.
//!
//! While a run goes on, two append-only journals hold everything that is recorded; `metrics.csv` and the TensorBoard
//! events are copies of them that people can watch. After a crash the journals are cut back to the last good
//! checkpoint and the copies are made again. At the end the journals become Parquet tables and are removed. So the bytes
//! of a folder depend on the scenario alone: not on crashes, and not on when checkpoints were taken.

mod checkpoints;
mod comparison;
mod csv;
mod disk;
mod entry;
mod error;
mod events;
mod folder;
mod journal;
mod lanes;
mod manifest;
mod past;
mod plot;
mod report;
mod summary;
mod tables;
mod trials;

pub use comparison::comparison;
pub use error::RecordError;
pub use folder::{Folder, Resumed};
pub use manifest::Manifest;
pub use past::{Past, Row, open};
pub use report::report;
pub use summary::{Cell, GroupSummary, Named, Summary, TaskSummary};
pub use trials::Trials;

/// Version of the files' meaning, in the manifest and in the metadata of every Parquet file.
pub const SCHEMA: u32 = 1;
