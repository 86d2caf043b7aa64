//! Files that are whole or not there.

use super::RecordError;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where a file is written before it takes its name.
pub(super) fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Writes a file that is there as a whole or not at all, whenever the machine stops.
pub(super) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let partial = partial(path);
    let file = File::create(&partial).map_err(RecordError::io("create", &partial))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let filled = fill(&mut writer).and_then(|()| {
        let file = writer.into_inner().map_err(|error| RecordError::io("write", path)(error.into_error()))?;
        file.sync_all().map_err(RecordError::io("write", path))
    });
    if filled.is_err() {
        // What did not fit would only take the space that is missing.
        let _ = fs::remove_file(&partial);
    }
    filled?;
    fs::rename(&partial, path).map_err(RecordError::io("rename", &partial))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Writes bytes as a whole or not at all.
pub(super) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    write_whole(path, |file| file.write_all(bytes).map_err(RecordError::io("write", path)))
}

/// Makes names durable: a rename is only on the disk when its folder is.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> Result<(), RecordError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all()).map_err(RecordError::io("write", path))
}

/// Names are durable by themselves where folders cannot be opened.
#[cfg(not(unix))]
pub(super) fn sync_folder(_path: &Path) -> Result<(), RecordError> {
    Ok(())
}

/// Removes a file or a folder, which need not be there.
pub(super) fn remove(path: &Path) -> Result<(), RecordError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(RecordError::io("remove", path)),
    }
}

/// Removes what a crash left half written.
pub(super) fn sweep(folder: &Path) -> Result<(), RecordError> {
    for file in fs::read_dir(folder).map_err(RecordError::io("read", folder))? {
        let path = file.map_err(RecordError::io("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "partial") {
            remove(&path)?;
        }
    }
    Ok(())
}
