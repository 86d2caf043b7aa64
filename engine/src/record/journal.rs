//! An append-only file of checksummed frames: length (u64), CRC-32C of length and payload (u32), payload; little endian.

use super::RecordError;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// A journal that is open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Opens or creates a journal and forgets everything after `length`.
    pub(super) fn open(path: &Path, length: u64) -> Result<Journal, RecordError> {
        let options = OpenOptions::new().create(true).append(true).clone();
        let file = options.open(path).map_err(RecordError::io("open", path))?;
        file.set_len(length).map_err(RecordError::io("cut", path))?;
        Ok(Journal { path: path.to_owned(), file, length })
    }

    /// Adds a frame. Where it does not fit, nothing of it stays.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<(), RecordError> {
        let head = head(payload);
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(payload));
        if let Err(error) = written {
            // Should this fail too, the checksum tells a torn frame from a whole one.
            let _ = self.file.set_len(self.length);
            return Err(RecordError::io("write", &self.path)(error));
        }
        self.length += (head.len() + payload.len()) as u64;
        Ok(())
    }

    /// Returns when everything is on the disk.
    pub(super) fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io("write", &self.path))
    }
}

fn head(payload: &[u8]) -> [u8; 12] {
    let length = (payload.len() as u64).to_le_bytes();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), payload).to_le_bytes();
    let mut head = [0; 12];
    head[..8].copy_from_slice(&length);
    head[8..].copy_from_slice(&checksum);
    head
}

/// The whole frames of a journal, up to the first that is torn.
pub(super) struct Frames {
    file: BufReader<File>,
    /// Bytes after the last whole frame.
    rest: u64,
    /// Where the last whole frame ended.
    pub(super) end: u64,
}

impl Frames {
    /// None where there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Frames>, RecordError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io("open", path)(error)),
        };
        let rest = file.metadata().map_err(RecordError::io("read", path))?.len();
        Ok(Some(Frames { file: BufReader::with_capacity(1 << 18, file), rest, end: 0 }))
    }
}

impl Iterator for Frames {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut found = [0; 12];
        self.file.read_exact(&mut found).ok()?;
        let length = u64::from_le_bytes(found[..8].try_into().ok()?);
        let whole = length.checked_add(12).filter(|&whole| whole <= self.rest)?;
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact(&mut payload).ok()?;
        if head(&payload) != found {
            self.rest = 0;
            return None;
        }
        self.rest -= whole;
        self.end += whole;
        Some(payload)
    }
}
