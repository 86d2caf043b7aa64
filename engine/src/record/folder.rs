//! The folder of a run that goes on.

use super::entry::{Entries, Entry, Names};
use super::journal::{Frames, Journal};
use super::lanes::{self, Lanes};
use super::manifest::Manifest;
use super::summary::{Named, Summary};
use super::{RecordError, checkpoints, csv, disk, events, tables};
use crate::figure::Drawn;
use crate::run::{Checkpoint, Iteration};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) const ENTRIES: &str = "journal/entries";
/// What the environment drew.
pub(super) const FIGURES: &str = "figures.json";
pub(super) const UTILITIES: &str = "journal/utilities";

/// A run folder that is being written. After an error, drop it and [`resume`](Self::resume).
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    manifest: Manifest,
    names: Names,
    last: Option<Entry>,
    /// Iterations done in the newest good checkpoint.
    checkpoint: Option<u64>,
    /// What is open for writing; nothing once the run is done.
    files: Option<Files>,
    /// Whether an iteration may be half recorded.
    failed: bool,
    started: Instant,
    /// When the last iteration was written.
    lap: Instant,
    /// Steps that earlier processes made.
    steps_before: u64,
}

/// A run that can go on.
#[derive(Debug)]
pub struct Resumed {
    /// Where its records are written.
    pub folder: Folder,
    /// What was begun.
    pub manifest: Manifest,
    /// Where to go on; the beginning where there is none.
    pub checkpoint: Option<Checkpoint>,
}

impl Folder {
    /// Begins a run in a folder that is empty or not there.
    pub fn create(path: impl AsRef<Path>, manifest: Manifest) -> Result<Folder, RecordError> {
        let path = path.as_ref();
        fs::create_dir_all(path).map_err(RecordError::io("create", path))?;
        if path.join("manifest.json").exists() {
            return Err(RecordError::Exists { path: path.to_owned() });
        }
        for file in fs::read_dir(path).map_err(RecordError::io("read", path))? {
            // A beginning that was cut short leaves this one file.
            if file.map_err(RecordError::io("read", path))?.file_name() != "manifest.json.partial" {
                return Err(RecordError::NotEmpty { path: path.to_owned() });
            }
        }
        manifest.write(path)?;
        Ok(Folder::resume(path)?.folder)
    }

    /// Goes on with a run: what was recorded after its last good checkpoint is forgotten.
    pub fn resume(path: impl AsRef<Path>) -> Result<Resumed, RecordError> {
        let path = path.as_ref();
        let manifest = Manifest::read(path)?;
        let lock = lock(path, "manifest.json")?;
        let held = path.join("checkpoints");
        if path.join("DONE").exists() {
            disk::remove(&path.join("journal"))?;
            let checkpoint = match checkpoints::list(&held)?.first() {
                Some((_, newest)) => checkpoints::read(newest)?,
                None => None,
            };
            let folder = Folder::new(path, &manifest, Entries::default(), checkpoint.as_ref(), None);
            return Ok(Resumed { folder, manifest, checkpoint });
        }
        for sub in [path.join("journal"), held.clone()] {
            fs::create_dir_all(&sub).map_err(RecordError::io("create", &sub))?;
        }
        [path, &held].into_iter().try_for_each(disk::sweep)?;
        disk::write_bytes(&path.join("scenario.ron"), manifest.text.as_bytes())?;
        let mut entries = Entries::read(&path.join(ENTRIES))?;
        let mut kept = Kept::read(&path.join(UTILITIES))?;
        let checkpoint = newest(&held, &entries, &kept)?;
        let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.done);
        entries.cut(done);
        kept.cut(done);
        let files = Files::open(path, lock, &entries, &kept)?;
        let folder = Folder::new(path, &manifest, entries, checkpoint.as_ref(), Some(files));
        Ok(Resumed { folder, manifest, checkpoint })
    }

    fn new(
        path: &Path,
        manifest: &Manifest,
        mut entries: Entries,
        checkpoint: Option<&Checkpoint>,
        files: Option<Files>,
    ) -> Folder {
        let (last, now) = (entries.all.pop(), Instant::now());
        Folder {
            path: path.to_owned(),
            manifest: manifest.clone(),
            names: entries.names,
            checkpoint: checkpoint.map(|checkpoint| checkpoint.done),
            files,
            failed: false,
            started: now,
            lap: now,
            steps_before: last.as_ref().map_or(0, |entry| entry.steps),
            last,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is run.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether everything has been written: then there is nothing to go on with.
    pub fn is_done(&self) -> bool {
        self.files.is_none()
    }

    /// Records the next iteration.
    pub fn write(&mut self, iteration: &Iteration) -> Result<(), RecordError> {
        self.usable()?;
        let last = self.last.as_ref().map_or(0, |entry| entry.number);
        if self.is_done() || iteration.number != last + 1 {
            return Err(RecordError::OutOfOrder { path: self.path.clone(), last, given: iteration.number });
        }
        let recorded = self.record(iteration);
        self.failed = recorded.is_err();
        recorded.map_err(|error| error.after(self.checkpoint))
    }

    fn usable(&self) -> Result<(), RecordError> {
        if self.failed { Err(RecordError::Failed { path: self.path.clone() }) } else { Ok(()) }
    }

    fn record(&mut self, iteration: &Iteration) -> Result<(), RecordError> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let kept = match lanes::keeps(&self.manifest, iteration) {
            true => Lanes::of(&self.manifest, iteration),
            false => Vec::new(),
        };
        kept.iter().try_for_each(|lanes| files.utilities.append(&lanes.to_bytes()))?;
        let (fresh, values) = self.names.sort(iteration);
        let entry = Entry {
            number: iteration.number,
            steps: iteration.steps,
            state_hash: iteration.state_hash,
            fresh,
            values,
            kept: kept.len() as u32,
            groups: Named(kept.last().map_or(Vec::new(), |lanes| lanes.groups(&self.manifest))),
        };
        files.append(&self.path, &self.names.all, &entry)?;
        let seconds = self.lap.elapsed().as_secs_f64();
        self.lap = Instant::now();
        let timing = format!("{},{seconds:.6},{:.6}\n", entry.number, self.started.elapsed().as_secs_f64());
        files.timing.write_all(timing.as_bytes()).map_err(RecordError::io("write", &self.path.join("timing.csv")))?;
        self.last = Some(entry);
        Ok(())
    }

    /// Makes everything recorded so far durable, and `checkpoint` the place to go on from.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.usable()?;
        let Some(files) = &self.files else { return Ok(()) };
        let last = self.last.as_ref().map_or(0, |entry| entry.number);
        if checkpoint.done != last {
            return Err(RecordError::OutOfOrder { path: self.path.clone(), last, given: checkpoint.done });
        }
        // The journals first: a checkpoint is only good with all that was recorded before it.
        let synced = files.utilities.sync().and_then(|()| files.entries.sync());
        let written = synced.and_then(|()| checkpoints::write(&self.path.join("checkpoints"), checkpoint));
        written.map_err(|error| error.after(self.checkpoint))?;
        self.checkpoint = Some(checkpoint.done);
        Ok(())
    }

    /// What the run came to so far, timed since the folder was created or resumed.
    pub fn summary(&self) -> Result<Summary, RecordError> {
        if self.is_done() {
            return Summary::read(&self.path);
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let mut summary = Summary::new(&self.manifest, &self.names, self.last.as_ref());
        let agents = u64::from(self.manifest.lanes) * u64::from(self.manifest.agents);
        let made = (summary.steps - self.steps_before) * agents;
        summary.agent_steps_per_second = Some(made as f64 / seconds);
        summary.seconds = Some(seconds);
        Ok(summary)
    }

    /// Keeps what the environment drew of an episode after the last iteration. Points that are no numbers are left out.
    pub fn draw(&mut self, mut drawn: Drawn) -> Result<(), RecordError> {
        self.usable()?;
        for curve in drawn.figures.iter_mut().flat_map(|figure| &mut figure.curves) {
            curve.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        }
        let path = self.path.join(FIGURES);
        let json = serde_json::to_vec(&drawn).map_err(|error| RecordError::unreadable(&path, error))?;
        disk::write_bytes(&path, &json)
    }

    /// Writes what is written at the end, and `DONE`. Where the run has a last checkpoint it is kept, so take one
    /// before.
    pub fn finish(&mut self, summary: &Summary) -> Result<(), RecordError> {
        self.usable()?;
        let finished = self.finish_files(summary);
        finished.map_err(|error| error.after(self.checkpoint))
    }

    fn finish_files(&mut self, summary: &Summary) -> Result<(), RecordError> {
        let Some(files) = &self.files else { return Ok(()) };
        files.sync(&self.path)?;
        tables::write(&self.path, &self.manifest, &self.path.join(UTILITIES))?;
        summary.write(&self.path)?;
        super::report(&self.path)?;
        let done = self.last.as_ref().map_or(0, |entry| entry.number);
        for (number, checkpoint) in checkpoints::list(&self.path.join("checkpoints"))? {
            if number != done {
                disk::remove(&checkpoint)?;
            }
        }
        disk::write_bytes(&self.path.join("DONE"), b"")?;
        self.files = None;
        disk::remove(&self.path.join("journal"))
    }
}

/// Files of a run that goes on.
#[derive(Debug)]
struct Files {
    /// Held and never written: other processes keep off while it is.
    _lock: File,
    entries: Journal,
    utilities: Journal,
    metrics: File,
    events: File,
    timing: File,
}

impl Files {
    /// Opens everything as it was after the last of `entries`.
    fn open(path: &Path, lock: File, entries: &Entries, kept: &Kept) -> Result<Files, RecordError> {
        disk::write_bytes(&path.join("metrics.csv"), entries.csv().as_bytes())?;
        disk::write_bytes(&path.join(events::NAME), &entries.events())?;
        disk::write_bytes(&path.join("timing.csv"), timing(path, entries.all.len()).as_bytes())?;
        Ok(Files {
            _lock: lock,
            entries: Journal::open(&path.join(ENTRIES), entries.end())?,
            utilities: Journal::open(&path.join(UTILITIES), kept.end())?,
            metrics: append(&path.join("metrics.csv"))?,
            events: append(&path.join(events::NAME))?,
            timing: append(&path.join("timing.csv"))?,
        })
    }

    fn append(&mut self, path: &Path, names: &[String], entry: &Entry) -> Result<(), RecordError> {
        let bytes = postcard::to_stdvec(entry).map_err(|error| RecordError::unreadable(&path.join(ENTRIES), error))?;
        self.entries.append(&bytes)?;
        let metrics = path.join("metrics.csv");
        if entry.fresh.is_empty() {
            let mut row = String::new();
            csv::push_row(&mut row, entry, names.len());
            self.metrics.write_all(row.as_bytes()).map_err(RecordError::io("write", &metrics))?;
        } else {
            // Earlier rows get empty cells in the new columns.
            disk::write_bytes(&metrics, Entries::read(&path.join(ENTRIES))?.csv().as_bytes())?;
            self.metrics = append(&metrics)?;
        }
        let event = events::event(names, entry);
        self.events.write_all(&event).map_err(RecordError::io("write", &path.join(events::NAME)))
    }

    fn sync(&self, path: &Path) -> Result<(), RecordError> {
        self.utilities.sync()?;
        self.entries.sync()?;
        for (file, name) in [(&self.metrics, "metrics.csv"), (&self.events, events::NAME), (&self.timing, "timing.csv")]
        {
            file.sync_data().map_err(RecordError::io("write", &path.join(name)))?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> Result<File, RecordError> {
    OpenOptions::new().append(true).open(path).map_err(RecordError::io("open", path))
}

/// What is known of the time that the first `rows` iterations took.
fn timing(path: &Path, rows: usize) -> String {
    let old = fs::read_to_string(path.join("timing.csv")).unwrap_or_default();
    let kept = old.split_inclusive('\n').skip(1).take(rows).filter(|line| line.ends_with('\n'));
    std::iter::once("iteration,seconds,since_start\n").chain(kept).collect()
}

/// Takes the folder for this process, by a file that is always in it.
pub(super) fn lock(path: &Path, file: &str) -> Result<File, RecordError> {
    let file = path.join(file);
    let file = File::open(&file).map_err(RecordError::io("open", &file))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(RecordError::Busy { path: path.to_owned() }),
        // Some file systems know no locks.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(file),
    }
}

/// The frames in the journal of utilities: whose they are and where they end.
pub(super) struct Kept {
    frames: Vec<(u64, u64)>,
}

impl Kept {
    fn read(path: &Path) -> Result<Kept, RecordError> {
        let mut kept = Kept { frames: Vec::new() };
        let Some(mut frames) = Frames::read(path)? else { return Ok(kept) };
        while let Some(frame) = frames.next() {
            let Some(number) = frame.first_chunk::<8>() else { break };
            kept.frames.push((u64::from_le_bytes(*number), frames.end));
        }
        Ok(kept)
    }

    fn up_to(&self, done: u64) -> usize {
        self.frames.partition_point(|(number, _)| *number <= done)
    }

    fn cut(&mut self, done: u64) {
        self.frames.truncate(self.up_to(done));
    }

    fn end(&self) -> u64 {
        self.frames.last().map_or(0, |(_, end)| *end)
    }
}

/// The newest checkpoint that is whole and that the journals reach. Those after it are removed.
fn newest(folder: &Path, entries: &Entries, kept: &Kept) -> Result<Option<Checkpoint>, RecordError> {
    for (done, path) in checkpoints::list(folder)? {
        let before = entries.all.get(..done as usize);
        let reached = before
            .is_some_and(|entries| entries.iter().map(|entry| entry.kept as usize).sum::<usize>() == kept.up_to(done));
        let checkpoint = checkpoints::read(&path)?.filter(|checkpoint| reached && checkpoint.done == done);
        if checkpoint.is_some() {
            return Ok(checkpoint);
        }
        disk::remove(&path)?;
    }
    Ok(None)
}
