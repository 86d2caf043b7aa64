//! Reads files that somebody else wrote, in bounded memory, and says which line of them is wrong.

mod flaws;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod time;

pub use flaws::Flaws;

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

/// More than this is not read from one file, so that a small compressed file cannot expand without end.
const MOST_BYTES: u64 = 1 << 30;

/// A line of a table that is longer than this is none.
const LONGEST_LINE: usize = 1 << 20;

/// The bytes of a file, unpacked where its first two bytes say that it is gzip.
pub(crate) fn open(path: &Path, name: &str) -> Result<Box<dyn Read>, Flaws> {
    let cannot = |error: io::Error| Flaws::one(name, "", format!("cannot read {}: {error}", path.display()), "");
    unpack(File::open(path).map_err(cannot)?).map_err(cannot)
}

/// The bytes of a stream, unpacked where it is gzip.
pub(crate) fn unpack(mut packed: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    packed.by_ref().take(2).read_to_end(&mut magic)?;
    let is_gzip = magic == [0x1f, 0x8b];
    let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(magic).chain(packed);
    let whole = BufReader::new(whole);
    Ok(if is_gzip {
        Box::new(Limited::new(BufReader::new(MultiGzDecoder::new(whole)), MOST_BYTES))
    } else {
        Box::new(Limited::new(whole, MOST_BYTES))
    })
}

/// Ends in an error where [`Read::take`] would end in silence.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R> Limited<R> {
    fn new(inner: R, most: u64) -> Self {
        Limited { inner, left: most }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(format!("is larger than {} MiB unpacked: split it", MOST_BYTES >> 20)))?;
        Ok(read)
    }
}

/// Ends in an error at a line that no table has.
struct Lines<R> {
    inner: R,
    since_newline: usize,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        for line in into[..read].split_inclusive(|&byte| byte == b'\n') {
            self.since_newline += line.len();
            if self.since_newline > LONGEST_LINE {
                return Err(io::Error::other(format!("has a line of more than {LONGEST_LINE} bytes: is it a table?")));
            }
            if line.ends_with(b"\n") {
                self.since_newline = 0;
            }
        }
        Ok(read)
    }
}
