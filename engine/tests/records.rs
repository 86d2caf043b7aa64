//! Run folders: what is written reads back, and no crash changes a byte.

use isonomy_engine::constraint::Overrun;
use isonomy_engine::metrics::Returns;
use isonomy_engine::record::{self, Folder, Manifest, RecordError, SCHEMA};
use isonomy_engine::reference::Reference;
use isonomy_engine::run::{Checkpoint, Iteration};
use isonomy_engine::scenario::Evaluation;
use isonomy_engine::sim::{Earnings, Snapshot};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ITERATIONS: u64 = 14;

/// A run that is made up: every number follows from the iteration.
#[derive(Clone)]
struct Tale {
    groups: Vec<(&'static str, u32)>,
    tasks: Vec<&'static str>,
    lanes: u32,
    iterations: u64,
    every: Option<u32>,
    /// Value that one agent is paid in place of a number.
    odd: Option<f32>,
}

impl Tale {
    fn new() -> Tale {
        let groups = vec![("A", 2), ("B, \"the others\"", 1)];
        Tale {
            groups,
            tasks: vec!["upstream", "downstream"],
            lanes: 5,
            iterations: ITERATIONS,
            every: Some(4),
            odd: None,
        }
    }

    fn manifest(&self) -> Manifest {
        let text = "Scenario(\n    seed: 7, // <b>not bold</b>\n)\n".to_owned();
        let every = self.every.and_then(NonZeroU32::new);
        Manifest {
            schema: SCHEMA,
            isonomy: "0.1.0".to_owned(),
            scenario: "a tale".to_owned(),
            about: "Who earns <what>?".to_owned(),
            hash: Manifest::hash_of(&text),
            seed: 7,
            lanes: self.lanes,
            agents: self.groups.iter().map(|(_, agents)| agents).sum(),
            groups: self.spec().groups,
            tasks: self.tasks.iter().map(|&task| task.to_owned()).collect(),
            iterations: self.iterations,
            evaluation: every.map(|every| Evaluation { every, lanes: None, episodes: NonZeroU32::MIN }),
            references: Vec::new(),
            device: "cpu".to_owned(),
            adapter: None,
            command: ["isonomy", "run", "tale.ron"].map(str::to_owned).to_vec(),
            text,
        }
    }

    fn spec(&self) -> Spec {
        let group = |&(name, agents): &(&str, u32)| GroupSpec { name: name.to_owned(), agents };
        let task = |&name: &&str| TaskSpec { name: name.to_owned(), reward: (0.0, 1.0) };
        Spec {
            groups: self.groups.iter().map(group).collect(),
            tasks: self.tasks.iter().map(task).collect(),
            observation: Space::Discrete(6),
            action: Space::Discrete(2),
            time_limit: 20,
            terminal: Vec::new(),
        }
    }

    fn earnings(&self, number: u64, salt: u64) -> Earnings {
        let spec = self.spec();
        let count = (self.tasks.len() * self.lanes as usize) as u64 * u64::from(spec.agents());
        let value = |at: u64| ((number * 31 + at * 17 + salt * 7) % 101) as f32 / 10.0;
        let mut sums: Vec<f32> = (0..count).map(value).collect();
        if let (Some(odd), Some(first)) = (self.odd, sums.first_mut()) {
            *first = odd;
        }
        let returns = Returns::from_sums(&spec, &sums, 2);
        Earnings { returns, sums, episodes: 2, taught: Some(number as f64 / 3.0), measures: Vec::new() }
    }

    fn iteration(&self, number: u64) -> Iteration {
        let last = number == self.iterations;
        let evaluated = self.every.is_some_and(|every| last || number.is_multiple_of(u64::from(every)));
        let overrun = |value| Overrun { row: "A − B, upstream".to_owned(), value };
        Iteration {
            number,
            steps: number * 40,
            // Columns come and go, as they do where no episode ends in a rollout.
            training: (number > 2).then(|| self.earnings(number, 0)),
            evaluation: evaluated.then(|| self.earnings(number, 1)),
            exact: None,
            overruns: if number > 2 { vec![overrun(0.1 / number as f64), overrun(-1e-9)] } else { Vec::new() },
            unjudged: Vec::new(),
            fairness: Vec::new(),
            update: vec![("gradient_norm".to_owned(), 1.0 / number as f64)],
            state_hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn checkpoint(&self, done: u64) -> Checkpoint {
        let columns = (0..200).map(|at| (at * 7 + done) as u8).collect();
        let sim = Snapshot { step: done * 40, episodes: done, expected: None, columns };
        Checkpoint { done, sim, evaluation: None, learner: Some(vec![done as u8; 9]) }
    }

    /// Runs to the end from wherever the folder is, with a checkpoint every so many iterations.
    fn go_on(&self, path: &Path, every: u64) -> Result<(), RecordError> {
        let (mut folder, done) = self.open(path)?;
        for number in done + 1..=self.iterations {
            folder.write(&self.iteration(number))?;
            if number % every == 0 {
                folder.checkpoint(&self.checkpoint(number))?;
            }
        }
        self.end(&mut folder)
    }

    fn open(&self, path: &Path) -> Result<(Folder, u64), RecordError> {
        match Folder::resume(path) {
            Err(RecordError::NotARun { .. }) => Ok((Folder::create(path, self.manifest())?, 0)),
            Err(error) => Err(error),
            Ok(resumed) => {
                let done = resumed.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.done);
                if let Some(checkpoint) = resumed.checkpoint {
                    assert_eq!(checkpoint, self.checkpoint(done));
                }
                assert_eq!(resumed.manifest, self.manifest());
                Ok((resumed.folder, done))
            }
        }
    }

    fn end(&self, folder: &mut Folder) -> Result<(), RecordError> {
        folder.checkpoint(&self.checkpoint(self.iterations))?;
        let summary = folder.summary()?;
        folder.finish(&summary)
    }
}

/// Every file of a folder by its relative path, but for the one that times.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for file in fs::read_dir(next).expect("the folder can be read") {
            let path = file.expect("the folder can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with("timing.csv") {
                let bytes = fs::read(&path).expect("the file can be read");
                files.insert(path.strip_prefix(folder).expect("it is inside").to_owned(), bytes);
            }
        }
    }
    files
}

#[track_caller]
fn assert_same(left: &Path, right: &Path, when: &str) {
    let (left, right) = (contents(left), contents(right));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right), "{when}");
    for (name, bytes) in &left {
        assert!(bytes == &right[name], "{} differs: {when}", name.display());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy can be written");
    for file in fs::read_dir(from).expect("the folder can be read") {
        let file = file.expect("the folder can be read");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("the copy can be written");
        }
    }
}

/// A finished run that nothing disturbed.
fn undisturbed(tale: &Tale) -> (tempfile::TempDir, PathBuf) {
    let room = tempfile::tempdir().expect("there is room for a folder");
    let path = room.path().join("run");
    tale.go_on(&path, 5).expect("the run can be written");
    (room, path)
}

#[test]
fn a_finished_folder_holds_what_the_documentation_lists() {
    let (_room, path) = undisturbed(&Tale::new());
    let names: Vec<String> = contents(&path).keys().map(|name| name.display().to_string()).collect();
    let expected = [
        "DONE",
        "checkpoints/0000000014.checkpoint",
        "episodes.parquet",
        "events.out.tfevents.isonomy",
        "manifest.json",
        "metrics.csv",
        "report.html",
        "scenario.ron",
        "summary.json",
        "utilities.parquet",
    ];
    assert_eq!(names, expected);
    let documented = include_str!("../../docs/records.md");
    for name in names.iter().map(|name| name.split('/').next().unwrap_or(name)) {
        assert!(documented.contains(&format!("`{name}")), "docs/records.md does not mention {name}");
    }
    let timing = fs::read_to_string(path.join("timing.csv")).expect("there is a timing");
    assert_eq!(timing.lines().count() as u64, ITERATIONS + 1);
}

#[test]
fn metrics_read_back_to_the_bit() {
    let tale = Tale { odd: Some(f32::NAN), ..Tale::new() };
    let (_room, path) = undisturbed(&tale);
    let past = record::open(&path).expect("the folder can be read");
    assert_eq!(past.manifest, tale.manifest());
    assert_eq!(past.rows.len() as u64, ITERATIONS);
    for (row, number) in past.rows.iter().zip(1..) {
        let iteration = tale.iteration(number);
        assert_eq!((row.iteration, row.steps, row.state_hash), (number, iteration.steps, iteration.state_hash));
        let metrics = iteration.metrics();
        let written = row.values.iter().filter(|value| value.is_some()).count();
        assert_eq!(written, metrics.len(), "iteration {number}");
        let mut second = false;
        for (mut name, value) in metrics {
            if name == "overrun.A − B, upstream" && std::mem::replace(&mut second, true) {
                name += " (2)";
            }
            let at = past.columns.iter().position(|column| *column == name).expect("the column is there");
            let read = row.values[at].expect("the cell is filled");
            assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()), "{name} in {number}");
        }
    }
}

#[test]
fn the_summary_is_of_the_last_evaluation_and_found_by_path() {
    let tale = Tale::new();
    let (_room, path) = undisturbed(&tale);
    let summary = record::open(&path).expect("the folder can be read").summary.expect("the run is done");
    let evaluation = tale.iteration(ITERATIONS).evaluation.expect("the last is evaluated").returns;
    let near = |path: &str, value: f64| {
        let found = summary.get(path).unwrap_or_else(|| panic!("no {path}"));
        assert!((found - value).abs() < 1e-12, "{path}: {found}, not {value}");
    };
    near("gap", evaluation.largest_gap());
    near("metrics.gap_task_2", evaluation.gap(1));
    near("groups.A.return_mean", evaluation.totals()[0]);
    near("groups.B, \"the others\".tasks.downstream.return_mean", evaluation.get(1, 1));
    near("groups.A.tasks.upstream.standard_error", evaluation.standard_error[0]);
    near("gradient_norm", 1.0 / ITERATIONS as f64);
    assert_eq!(summary.get("evaluation.gap"), None);
    assert_eq!((summary.steps, summary.agent_steps), (560, 560 * 15));
    assert_eq!((summary.seconds, summary.agent_steps_per_second), (None, None));
    let resumed = Folder::resume(&path).expect("a finished run can be opened");
    assert!(resumed.folder.is_done());
    assert_eq!(resumed.checkpoint, Some(tale.checkpoint(ITERATIONS)));
    assert_eq!(resumed.folder.summary().expect("it can be read"), summary);
}

#[test]
fn tables_hold_every_lane_of_the_iterations_kept() {
    let tale = Tale::new();
    let (_room, path) = undisturbed(&tale);
    let table = |name: &str| {
        let file = File::open(path.join(name)).expect("the table is there");
        SerializedFileReader::new(file).expect("the table can be read")
    };
    let utilities = table("utilities.parquet");
    let about = utilities.metadata().file_metadata();
    assert!(about.created_by().is_some_and(|by| by.starts_with("isonomy ")));
    let schema =
        about.key_value_metadata().expect("there is metadata").iter().find(|pair| pair.key == "isonomy.schema");
    assert_eq!(schema.and_then(|pair| pair.value.clone()), Some(SCHEMA.to_string()));
    let mut rows = utilities.get_row_iter(None).expect("rows can be read");
    for number in [4, 8, 12, 14] {
        let iteration = tale.iteration(number);
        for (phase, earnings) in [("training", iteration.training), ("evaluation", iteration.evaluation)] {
            let earnings = earnings.expect("both phases are there");
            for lane in 0..tale.lanes as usize {
                for (group, members) in [("A", 0..2), ("B, \"the others\"", 2..3)] {
                    for (task, name) in tale.tasks.iter().enumerate() {
                        let row = rows.next().expect("there is a row").expect("it can be read");
                        assert_eq!(row.get_long(0).ok(), Some(number as i64));
                        assert_eq!(row.get_string(1).ok().map(String::as_str), Some(phase));
                        assert_eq!(row.get_int(2).ok(), Some(lane as i32));
                        assert_eq!(row.get_string(3).ok().map(String::as_str), Some(group));
                        assert_eq!(row.get_string(4).ok().map(String::as_str), Some(*name));
                        let sums = &earnings.sums[(task * 5 + lane) * 3..][members.clone()];
                        let sum: f64 = sums.iter().map(|&value| f64::from(value)).sum();
                        assert_eq!(row.get_double(5).ok(), Some(sum / (2 * sums.len()) as f64));
                    }
                }
            }
        }
    }
    assert!(rows.next().is_none());
    let episodes = table("episodes.parquet");
    assert_eq!(episodes.metadata().file_metadata().num_rows(), 4 * 2 * 5);
    let row = episodes.get_row_iter(None).expect("rows can be read").next();
    let row = row.expect("there is a row").expect("it can be read");
    assert_eq!(row.get_long(3).ok(), Some(2));
    let [mean, least, greatest, gap, jain, gini] = [4, 5, 6, 7, 8, 9].map(|at| row.get_double(at).expect("a number"));
    assert!(least < greatest && (mean - (least + greatest) / 2.0).abs() < 1e-12);
    assert!(gap > 0.0 && (0.5..1.0).contains(&jain) && (0.0..0.5).contains(&gini));
}

#[test]
fn iterations_are_thinned_where_utilities_would_not_fit() {
    let tale = Tale { lanes: 40_000, iterations: 1000, every: Some(1), ..Tale::new() };
    let room = tempfile::tempdir().expect("there is room for a folder");
    let mut folder = Folder::create(room.path(), tale.manifest()).expect("a folder can be begun");
    // 40,000 lanes, two phases, four cells: 320,000 rows an iteration, 52 of which fit; so every 20th is kept.
    let journal = |room: &Path| fs::metadata(room.join("journal/utilities")).expect("there is a journal").len();
    let light = Tale { every: None, ..tale.clone() };
    let mut kept = Vec::new();
    for number in 1..=41 {
        let before = journal(room.path());
        let heavy = number % 20 < 2;
        folder.write(&if heavy { tale.iteration(number) } else { light.iteration(number) }).expect("it is written");
        if journal(room.path()) > before {
            kept.push(number);
        }
    }
    assert_eq!(kept, [20, 40]);
}

/// Payloads of a TFRecord file.
fn payloads(mut bytes: &[u8]) -> Vec<&[u8]> {
    let masked = |data: &[u8]| crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let mut payloads = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let (checksum, rest) = rest.split_at(4);
        assert_eq!(checksum, masked(length));
        let (payload, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
        assert_eq!(rest[..4], masked(payload));
        payloads.push(payload);
        bytes = &rest[4..];
    }
    payloads
}

#[derive(Debug, PartialEq)]
enum Field<'a> {
    Whole(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// Fields of a protocol buffer, by number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = bytes.split_first().expect("a number ends");
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < &0x80 {
                break;
            }
        }
        value
    }
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Whole(varint(&mut bytes)),
            1 => Field::Double(f64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight bytes"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Float(f32::from_le_bytes(take(&mut bytes, 4).try_into().expect("four bytes"))),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

#[test]
fn events_are_those_of_tensorboard() {
    let tale = Tale::new();
    let (_room, path) = undisturbed(&tale);
    let bytes = fs::read(path.join("events.out.tfevents.isonomy")).expect("there are events");
    let payloads = payloads(&bytes);
    assert_eq!(fields(payloads[0]), [(1, Field::Double(0.0)), (3, Field::Bytes(b"brain.Event:2"))]);
    assert_eq!(payloads.len() as u64, ITERATIONS + 1);
    for (number, payload) in (1..).zip(&payloads[1..]) {
        let event = fields(payload);
        let [(1, wall), (2, step), (5, Field::Bytes(summary))] = &event[..] else { panic!("{event:?}") };
        assert_eq!((wall, step), (&Field::Double(number as f64), &Field::Whole(number)));
        let metrics = tale.iteration(number).metrics();
        let scalars = fields(summary);
        assert_eq!(scalars.len(), metrics.len());
        let norm = scalars.iter().find_map(|(_, scalar)| {
            let Field::Bytes(scalar) = scalar else { panic!("{scalar:?}") };
            match &fields(scalar)[..] {
                [(1, Field::Bytes(b"training/gradient_norm")), (2, Field::Float(value))] => Some(*value),
                _ => None,
            }
        });
        assert_eq!(norm, Some(1.0 / number as f32));
    }
}

#[test]
fn when_checkpoints_are_taken_changes_no_byte() {
    let tale = Tale::new();
    let (_room, path) = undisturbed(&tale);
    for every in [1, 2, 1000] {
        let room = tempfile::tempdir().expect("there is room for a folder");
        tale.go_on(room.path(), every).expect("the run can be written");
        assert_same(&path, room.path(), &format!("checkpoints every {every}"));
    }
}

/// Numbers that are random and always the same.
struct Dice(TestRng);

impl Dice {
    fn new() -> Dice {
        Dice(TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    }

    fn below(&mut self, bound: u64) -> u64 {
        use proptest::prelude::Rng;
        self.0.next_u64() % bound.max(1)
    }
}

/// Shortens what was not synced, as a power cut does.
fn cut_tails(folder: &Path, dice: &mut Dice) {
    for name in ["journal/entries", "journal/utilities", "metrics.csv", "events.out.tfevents.isonomy", "timing.csv"] {
        let Ok(file) = File::options().write(true).open(folder.join(name)) else { continue };
        let length = file.metadata().expect("the file is there").len();
        if dice.below(2) == 0 {
            file.set_len(dice.below(length + 1)).expect("the file can be cut");
        }
    }
}

#[test]
fn a_crash_after_any_operation_changes_no_byte() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let (live, mut crashes) = (room.path().join("live"), Vec::new());
    let mut crash = |live: &Path| {
        let copied = room.path().join(format!("crash {}", crashes.len()));
        copy(live, &copied);
        crashes.push(copied);
    };
    let mut folder = Folder::create(&live, tale.manifest()).expect("a folder can be begun");
    crash(&live);
    for number in 1..=ITERATIONS {
        folder.write(&tale.iteration(number)).expect("it is written");
        crash(&live);
        if number % 3 == 0 {
            folder.checkpoint(&tale.checkpoint(number)).expect("it is written");
            crash(&live);
        }
    }
    tale.end(&mut folder).expect("the run can end");
    crash(&live);
    let mut dice = Dice::new();
    for crashed in &crashes {
        for attempt in 0..6 {
            let again = room.path().join("again");
            copy(crashed, &again);
            if attempt > 0 && !again.join("DONE").exists() {
                cut_tails(&again, &mut dice);
            }
            tale.go_on(&again, 1 + dice.below(7)).expect("the run can go on");
            assert_same(&path, &again, &format!("{}, attempt {attempt}", crashed.display()));
            fs::remove_dir_all(&again).expect("the copy can be removed");
        }
    }
}

#[test]
fn a_crash_while_finishing_changes_no_byte() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let before = room.path().join("before");
    let mut folder = Folder::create(&before, tale.manifest()).expect("a folder can be begun");
    (1..=ITERATIONS).for_each(|number| folder.write(&tale.iteration(number)).expect("it is written"));
    folder.checkpoint(&tale.checkpoint(ITERATIONS)).expect("it is written");
    drop(folder);
    let order = ["utilities.parquet", "episodes.parquet", "summary.json", "report.html", "DONE"];
    for finished in 0..=order.len() {
        let again = room.path().join(format!("finished {finished}"));
        copy(&before, &again);
        for name in &order[..finished] {
            fs::copy(path.join(name), again.join(name)).expect("the file can be copied");
        }
        if let Some(next) = order.get(finished) {
            let bytes = fs::read(path.join(next)).expect("the file can be read");
            fs::write(again.join(format!("{next}.partial")), &bytes[..bytes.len() / 2]).expect("it can be written");
            fs::write(again.join("checkpoints/0000000099.checkpoint.partial"), "half").expect("it can be written");
        } else {
            fs::remove_file(again.join("journal/entries")).expect("the journal can be removed");
        }
        tale.go_on(&again, 3).expect("the run can go on");
        assert_same(&path, &again, &format!("{finished} files were finished"));
    }
}

#[test]
fn a_broken_checkpoint_gives_way_to_the_one_before() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let live = room.path().join("live");
    let mut folder = Folder::create(&live, tale.manifest()).expect("a folder can be begun");
    for number in 1..=8 {
        folder.write(&tale.iteration(number)).expect("it is written");
        if number % 2 == 0 {
            folder.checkpoint(&tale.checkpoint(number)).expect("it is written");
        }
    }
    drop(folder);
    let newest = "checkpoints/0000000008.checkpoint";
    let whole = fs::read(live.join(newest)).expect("there is a checkpoint");
    assert_eq!(fs::read_dir(live.join("checkpoints")).expect("it can be read").count(), 2);
    let broken = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases = [broken(0), broken(9), broken(12), broken(whole.len() - 1), whole[..20].to_vec(), Vec::new()];
    for (index, bytes) in cases.iter().enumerate() {
        let again = room.path().join(format!("broken {index}"));
        copy(&live, &again);
        fs::write(again.join(newest), bytes).expect("it can be broken");
        let resumed = Folder::resume(&again).expect("the run can go on");
        assert_eq!(resumed.checkpoint, Some(tale.checkpoint(6)), "case {index}");
        drop(resumed);
        tale.go_on(&again, 5).expect("the run can go on");
        assert_same(&path, &again, &format!("case {index}"));
    }
}

#[test]
fn folders_that_cannot_be_written_are_refused_with_the_reason() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let say = |result: Result<Folder, RecordError>| result.expect_err("it is refused").to_string();
    let text = say(Folder::create(&path, tale.manifest()));
    assert!(text.contains("holds a run already") && text.contains("--resume"), "{text}");
    let other = room.path().join("other");
    fs::create_dir(&other).and_then(|()| fs::write(other.join("letter.txt"), "dear")).expect("it can be written");
    let text = say(Folder::create(&other, tale.manifest()));
    assert!(text.contains("not empty") && text.contains("--out"), "{text}");
    let text = say(Folder::resume(&other).map(|resumed| resumed.folder));
    assert!(text.contains("holds no run"), "{text}");
    let text = say(Folder::create(other.join("letter.txt/run"), tale.manifest()));
    assert!(text.starts_with("cannot create ") && text.contains("letter.txt"), "{text}");

    let live = room.path().join("live");
    let mut folder = Folder::create(&live, tale.manifest()).expect("a folder can be begun");
    let text = say(Folder::resume(&live).map(|resumed| resumed.folder));
    assert!(text.contains("another process"), "{text}");
    assert!(matches!(folder.write(&tale.iteration(2)), Err(RecordError::OutOfOrder { last: 0, given: 2, .. })));
    assert!(matches!(folder.checkpoint(&tale.checkpoint(3)), Err(RecordError::OutOfOrder { .. })));
    drop(folder);

    let manifest = fs::read_to_string(live.join("manifest.json")).expect("there is a manifest");
    for (from, to, reason) in [
        ("\"schema\": 1", "\"schema\": 99", "schema 99"),
        ("not bold", "bold", "hash"),
        ("\"seed\": 7", "\"seed\": ", "cannot be understood"),
        ("{", "\0", "cannot be understood"),
    ] {
        fs::write(live.join("manifest.json"), manifest.replacen(from, to, 1)).expect("it can be written");
        let text = say(Folder::resume(&live).map(|resumed| resumed.folder));
        assert!(text.contains(reason) && text.contains("manifest.json"), "{text}");
        assert_eq!(record::open(&live).expect_err("it is refused").to_string(), text);
    }
}

#[test]
fn a_run_that_goes_on_can_be_read_and_reported() {
    let tale = Tale::new();
    let room = tempfile::tempdir().expect("there is room for a folder");
    let mut folder = Folder::create(room.path(), tale.manifest()).expect("a folder can be begun");
    let page = |when: &str| {
        let path = record::report(room.path()).unwrap_or_else(|error| panic!("{when}: {error}"));
        fs::read_to_string(path).expect("the page can be read")
    };
    let html = page("at the beginning");
    assert!(html.contains("No episode has ended yet") && html.contains("Not done: 0 of 14 iterations"));
    (1..=5).for_each(|number| folder.write(&tale.iteration(number)).expect("it is written"));
    let metrics = room.path().join("metrics.csv");
    let text = fs::read_to_string(&metrics).expect("there are metrics");
    fs::write(&metrics, &text[..text.len() - 3]).expect("it can be cut");
    let past = record::open(room.path()).expect("the folder can be read");
    assert_eq!(past.rows.last().map(|row| row.iteration), Some(4), "a half written row is left out");
    assert_eq!(past.summary, None);
    let html = page("in the middle");
    assert!(html.contains("Evaluation of iteration 4") && html.matches("<svg").count() == 6);
}

#[test]
fn reference_lines_are_kept_and_drawn() {
    let tale = Tale::new();
    let room = tempfile::tempdir().expect("there is room for a folder");
    let mut manifest = tale.manifest();
    manifest.references = vec![
        Reference::level("gap_task_1", "tolerance", 0.5),
        Reference::level("gap_task_2", "tolerance", 0.5),
        Reference::level("groups.A.return_mean", "A at best", 12.0),
        Reference::slope("gradient_norm", "for ever <so>", 0.25),
        Reference::root("gradient_norm", "growing with √iterations"),
        Reference::level("never_reported", "nothing", 1.0),
    ];
    let mut folder = Folder::create(room.path(), manifest.clone()).expect("a folder can be begun");
    (1..=4).for_each(|number| folder.write(&tale.iteration(number)).expect("it is written"));
    assert_eq!(record::open(room.path()).expect("the folder can be read").manifest, manifest);
    let page = || fs::read_to_string(record::report(room.path()).expect("it is made")).expect("it can be read");
    let html = page();
    // One line stands for the two equal tolerances, and belongs to neither.
    for line in [
        "<li class=\"guide\">tolerance: 0.5</li>",
        "<li class=\"guide c0\">A at best: 12</li>",
        "for ever &lt;so&gt;</li>",
        "growing with √iterations</li>",
        "<h2>Gradient norm</h2>",
        "The run has not reported it yet.",
    ] {
        assert!(html.contains(line), "{line}");
    }
    assert!(!html.contains("<so>"));
    // A folder from before there were lines.
    let file = room.path().join("manifest.json");
    let mut older: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).expect("it is there")).expect("it is JSON");
    older.as_object_mut().and_then(|fields| fields.remove("references")).expect("they were written");
    fs::write(&file, older.to_string()).expect("it can be written");
    let html = page();
    assert!(!html.contains("class=\"guide") && !html.contains("Gradient norm"));
}

#[test]
fn reports_render_whatever_was_run() {
    let tale = Tale::new();
    let many: Vec<(&str, u32)> =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"].map(|name| (name, 1)).into();
    for (what, tale, plots) in [
        ("two groups", tale.clone(), 6),
        ("one group and one task", Tale { groups: vec![("all", 3)], tasks: vec!["return"], ..tale.clone() }, 4),
        ("many groups", Tale { groups: many, lanes: 30, ..tale.clone() }, 6),
        ("a NaN", Tale { odd: Some(f32::NAN), ..tale.clone() }, 6),
        ("an infinity", Tale { odd: Some(f32::INFINITY), ..tale.clone() }, 6),
        ("one lane, one iteration", Tale { lanes: 1, iterations: 1, ..tale.clone() }, 5),
        ("no evaluation", Tale { every: None, ..tale.clone() }, 6),
        ("many iterations", Tale { iterations: 700, ..tale.clone() }, 6),
    ] {
        let (_room, path) = undisturbed(&tale);
        let html = fs::read_to_string(path.join("report.html")).expect("there is a report");
        let found = html.matches("<svg").count();
        assert!(found <= plots && found >= plots.min(2) - usize::from(tale.iterations == 1), "{what}: {found} plots");
        assert!(!html.contains("NaN") && !html.contains("inf\"") && !html.contains("inf "), "{what}");
        assert!(html.contains("&lt;b&gt;not bold") && !html.contains("<b>not bold"), "{what}");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!html.contains(outside), "{what}: {outside}");
        }
        assert!(html.len() < 500_000, "{what}: {} bytes", html.len());
        let again = record::report(&path).and_then(|_| record::open(&path)).expect("it can be made again");
        assert_eq!(fs::read_to_string(again.path.join("report.html")).ok(), Some(html), "{what}");
    }
}

/// Where the child of a test finds its folder.
const CHILD: &str = "ISONOMY_RECORDS_CHILD";

fn child(limit: Option<u32>, folder: &Path) -> Command {
    let this = std::env::current_exe().expect("this test is a program");
    let mut command = match limit {
        None => Command::new(this),
        Some(blocks) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")).arg(this);
            command
        }
    };
    command.args(["--exact", "writes_in_a_process_of_its_own", "--ignored", "--nocapture"]).env(CHILD, folder);
    command
}

#[test]
#[ignore = "started by other tests, in a process that can be killed"]
fn writes_in_a_process_of_its_own() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let path = PathBuf::from(path);
    if let Err(error) = Tale::new().go_on(&path, 2) {
        eprintln!("{error}");
        std::process::exit(7);
    }
}

#[test]
fn a_process_killed_at_any_moment_changes_no_byte() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let mut dice = Dice::new();
    let mut kills = 0;
    for run in 0..40 {
        let live = room.path().join(format!("killed {run}"));
        for _ in 0..6 {
            let mut process = child(None, &live).stdout(std::process::Stdio::null()).spawn().expect("it starts");
            std::thread::sleep(Duration::from_micros(500 + dice.below(25_000)));
            let _ = process.kill();
            kills += usize::from(!process.wait().expect("it ends").success());
        }
        tale.go_on(&live, 2).expect("the run can go on");
        assert_same(&path, &live, &format!("run {run}"));
        if kills >= 60 {
            break;
        }
    }
    assert!(kills >= 20, "only {kills} processes were killed before they were done");
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_a_clear_error_and_the_checkpoint_is_good() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let mut full = 0;
    for blocks in [3, 6, 9, 12, 15] {
        let live = room.path().join(format!("{blocks} blocks"));
        let output = child(Some(blocks), &live).output().expect("it runs");
        if output.status.code() == Some(7) {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let clear = text.contains("no space left for") && text.contains("free space and run with --resume");
            assert!(clear, "{blocks} blocks: {text}");
            full += 1;
        }
        tale.go_on(&live, 2).expect("the run can go on");
        assert_same(&path, &live, &format!("{blocks} blocks"));
    }
    assert!(full >= 2, "only {full} of the limits were reached");
}

/// A disk of a certain size.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path, options: &str) -> Option<Disk> {
        fs::create_dir_all(path).expect("a folder can be made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Disk(path.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_clear_error_and_the_checkpoint_is_good() {
    let tale = Tale::new();
    let (room, path) = undisturbed(&tale);
    let mut checkpoints = 0;
    for kilobytes in [24, 40, 48, 56, 64, 80, 96] {
        let disk = room.path().join(format!("{kilobytes} kB"));
        let Some(_disk) = Disk::mount(&disk, &format!("size={kilobytes}k")) else {
            eprintln!("not tested: this user may not mount a tmpfs");
            return;
        };
        let live = disk.join("run");
        match tale.go_on(&live, 2) {
            Err(error @ RecordError::Full { checkpoint, .. }) => {
                checkpoints += usize::from(checkpoint.is_some());
                assert!(error.to_string().contains("no space left for"), "{error}");
                let grown = Command::new("mount").args(["-o", "remount,size=8m"]).arg(&disk).output();
                assert!(grown.is_ok_and(|output| output.status.success()), "the disk can grow");
                let resumed = tale.open(&live).expect("the run can go on");
                assert_eq!(resumed.1, checkpoint.unwrap_or(0), "the error names the checkpoint that is there");
            }
            other => other.expect("a disk is full or not"),
        }
        tale.go_on(&live, 2).expect("the run can go on");
        assert_same(&path, &live, &format!("{kilobytes} kB"));
    }
    assert!(checkpoints >= 2, "only {checkpoints} disks were full after a checkpoint");
}
