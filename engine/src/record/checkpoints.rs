//! `checkpoints/`: what a run needs to go on. A file is whole or not there, and the newest two are kept.

use super::{RecordError, disk};
use crate::run::Checkpoint;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a file begins with, then CRC-32C of the rest, little endian, then the checkpoint in postcard.
const MAGIC: &[u8; 8] = b"isonomy1";

/// Writes a checkpoint and removes all but the newest two.
pub(super) fn write(folder: &Path, checkpoint: &Checkpoint) -> Result<(), RecordError> {
    let path = folder.join(format!("{:010}.checkpoint", checkpoint.done));
    let payload = postcard::to_stdvec(checkpoint).map_err(|error| RecordError::unreadable(&path, error))?;
    disk::write_whole(&path, |file| {
        let checksum = crc32c::crc32c(&payload).to_le_bytes();
        let parts = [&MAGIC[..], &checksum, &payload];
        parts.into_iter().try_for_each(|part| file.write_all(part)).map_err(RecordError::io("write", &path))
    })?;
    for (_, path) in list(folder)?.into_iter().skip(2) {
        disk::remove(&path)?;
    }
    Ok(())
}

/// Iterations done and path of every checkpoint, the newest first.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RecordError> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder).map_err(RecordError::io("read", folder))? {
        let path = file.map_err(RecordError::io("read", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(done) = name.strip_suffix(".checkpoint").and_then(|number| number.parse().ok()) {
            found.push((done, path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Reads a checkpoint; none where it is broken.
pub(super) fn read(path: &Path) -> Result<Option<Checkpoint>, RecordError> {
    let bytes = fs::read(path).map_err(RecordError::io("read", path))?;
    let checked = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<4>());
    let payload = checked.filter(|(checksum, payload)| crc32c::crc32c(payload).to_le_bytes() == **checksum);
    Ok(payload.and_then(|(_, payload)| postcard::from_bytes(payload).ok()))
}
