//! What can go wrong with a run folder.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run folder could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Something else lives there.
    #[error("{} is not empty and holds no run: choose another folder with --out", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A run lives there already.
    #[error("{} holds a run already: continue it with --resume, or choose another folder with --out", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// No run lives there.
    #[error("{} holds no run (there is no manifest.json): start one there with --out", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// Something other than a suite lives there.
    #[error("{} is not empty and holds no suite: choose another folder with --record", path.display())]
    NotASuite {
        /// The folder.
        path: PathBuf,
    },
    /// A suite lives there already.
    #[error("{} holds a suite already: go on with it with --resume, or choose another folder with --record", path.display())]
    SuiteExists {
        /// The folder.
        path: PathBuf,
    },
    /// No suite lives there.
    #[error("{} holds no suite (there is no suite.json): start one there with --record", path.display())]
    NoSuite {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by a version that means other things by the same names.
    #[error(
        "{} has schema {found}, this isonomy reads schema {known}: use the version that the manifest names",
        path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// What this version writes and reads.
        known: u32,
    },
    /// A file does not hold what it should.
    #[error("{} cannot be understood: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The disk, the quota or the largest allowed file is full.
    #[error(
        "no space left for {}: {}; free space and run with --resume",
        path.display(),
        match checkpoint {
            Some(done) => format!("the last good checkpoint is of iteration {done}"),
            None => "there is no checkpoint yet, the run would start again".to_owned(),
        }
    )]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// Iterations done in the last good checkpoint.
        checkpoint: Option<u64>,
    },
    /// Another process writes there.
    #[error("{} is being written by another process: wait until it ends, or stop it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The iterations do not follow each other.
    #[error("{} ends with iteration {last}, so iteration {given} cannot follow", path.display())]
    OutOfOrder {
        /// The folder.
        path: PathBuf,
        /// The last one recorded.
        last: u64,
        /// The one that was to be written.
        given: u64,
    },
    /// An earlier write failed, and what follows would not fit to what is there.
    #[error("an earlier write to {} failed: run with --resume", path.display())]
    Failed {
        /// The folder.
        path: PathBuf,
    },
    /// Anything else that the system reports.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RecordError {
    /// Makes an error of the system's one; `doing` is a verb.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
        move |source| {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            let path = path.to_owned();
            match source.kind() {
                StorageFull | QuotaExceeded | FileTooLarge => RecordError::Full { path, checkpoint: None },
                _ => RecordError::Io { doing, path, source },
            }
        }
    }

    pub(super) fn unreadable(path: &Path, reason: impl std::fmt::Display) -> RecordError {
        RecordError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Says which checkpoint a full disk leaves.
    pub(super) fn after(self, done: Option<u64>) -> RecordError {
        match self {
            RecordError::Full { path, .. } => RecordError::Full { path, checkpoint: done },
            other => other,
        }
    }
}
