//! The file in which a warm start is kept.
//!
//! Eight bytes `ISONOMYW`, the hash of what it depends on, the number of parameters (each 8 bytes, little-endian), the parameters
//! as `f32`, and the hash of all before.

use isonomy_engine::problem::Problem;
use std::fs;
use std::io;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"ISONOMYW";

/// The parameters in a file; none where there is no such file.
pub(super) fn read(path: &Path, plan: u64, parameters: usize) -> Result<Option<Vec<f32>>, Problem> {
    let problem = |message: String| {
        let help = "remove the file, and the warm start is made anew; or name another file";
        Problem::at("checkpoint", format!("{}: {message}", path.display())).help(help)
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("it cannot be read: {error}"))),
    };
    let number = |at: usize| bytes.get(at..at + 8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if !bytes.starts_with(MAGIC) {
        return Err(problem("it is no warm start".to_owned()));
    }
    let whole = 24 + 4 * parameters + 8;
    let (own, count) = (number(8), number(16));
    if (own, count) != (Some(plan), Some(parameters as u64)) {
        return Err(problem("it is the warm start of another model, other domains or another warm_start".to_owned()));
    }
    if bytes.len() != whole || number(whole - 8) != Some(xxh3_64(&bytes[..whole - 8])) {
        return Err(problem("it is damaged".to_owned()));
    }
    let numbers = bytes[24..whole - 8].chunks_exact(4).filter_map(|bytes| bytes.first_chunk());
    Ok(Some(numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()))
}

/// Writes the file whole or not at all.
pub(super) fn write(path: &Path, plan: u64, parameters: &[f32]) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(plan.to_le_bytes());
    bytes.extend((parameters.len() as u64).to_le_bytes());
    bytes.extend(parameters.iter().flat_map(|parameter| parameter.to_le_bytes()));
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    fs::write(&beside, bytes)?;
    fs::rename(beside, path)
}
