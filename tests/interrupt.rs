//! A run that is interrupted, or whose disk is full, says so and can be resumed.

#![cfg(unix)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn isonomy(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run of many short iterations.
fn begin(iterations: u32, lanes: u32, folder: &Path) -> Command {
    let (iterations, lanes) = (format!("iterations={iterations}"), format!("lanes={lanes}"));
    let mut command = isonomy(&["run", "scenarios/river_swim/group_multi_task.ron", "--device", "cpu"]);
    command.args(["--set", &iterations, "--set", &lanes, "--out"]).arg(folder);
    command
}

fn resume(folder: &Path) -> Output {
    let mut command = isonomy(&["run", "--device", "cpu", "--resume"]);
    command.arg(folder).output().expect("it starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Files in a folder of a run's folder.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("checkpoints")).into_iter().flatten();
    entries.map(|entry| entry.expect("it can be listed").path()).collect()
}

/// Waits until a run has recorded a few iterations.
fn under_way(folder: &Path, child: &mut Child) {
    let begun = Instant::now();
    let rows = || std::fs::read_to_string(folder.join("metrics.csv")).map_or(0, |text| text.lines().count());
    while rows() < 5 {
        assert!(child.try_wait().expect("its state").is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was recorded in a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_first_interrupt_checkpoints() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run");
    // Enough iterations that they cannot be done before the signal comes.
    let mut child = begin(3000, 64, &folder).spawn().expect("it starts");
    under_way(&folder, &mut child);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is a kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping after this iteration"), "{said}");
    assert!(said.contains("interrupted after iteration "), "{said}");
    assert!(said.contains(&format!("isonomy run --resume {}", folder.display())), "{said}");
    assert!(output.stdout.is_empty(), "there is no result yet");
    assert!(!checkpoints(&folder).is_empty() && !folder.join("DONE").exists());

    // What there is can be looked at as if the run had ended.
    for command in ["verify", "report"] {
        let output = isonomy(&[command]).arg(&folder).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
    }
    assert!(folder.join("report.html").exists());

    let resumed = resume(&folder);
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    assert!(folder.join("DONE").exists());
    let rows = std::fs::read_to_string(folder.join("metrics.csv")).expect("it is there").lines().count();
    assert_eq!(rows, 1 + 3000);

    let again = resume(&folder);
    assert_eq!(again.status.code(), Some(0));
    assert!(stderr(&again).contains("is done already"), "{}", stderr(&again));
    // All but the rate, which is known only of what has just been run.
    let result = |output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.trim_end().rsplit_once('\n').map(|(result, _)| result.to_owned())
    };
    assert!(result(&again).is_some());
    assert_eq!(result(&again), result(&resumed));
}

#[test]
fn the_second_interrupt_leaves_at_once() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run");
    // One iteration takes much longer than the test, and keeps nothing that takes memory.
    let river = "scenarios/river_swim/group_riverswim.ron";
    let mut command = isonomy(&["run", river, "--device", "cpu", "--lanes", "1000", "--set", "horizon=100000000"]);
    let mut child = command.arg("--out").arg(&folder).spawn().expect("it starts");
    let begun = Instant::now();
    while !folder.join("manifest.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was begun in a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The handler is set right after the folder is made.
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..2 {
        assert!(child.try_wait().expect("its state").is_none(), "one interrupt waits for the iteration");
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is a kill");
        std::thread::sleep(Duration::from_millis(300));
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// A small file system of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where this user may not mount one.
    fn new(size: &str) -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "isonomy-test"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Disk(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_resumed_from() {
    let Some(disk) = Disk::new("64m") else {
        eprintln!("no file system can be mounted here: a full disk was not tried");
        return;
    };
    let folder = disk.0.path().join("run");
    let ballast = disk.0.path().join("ballast");
    let mut child = begin(3000, 16, &folder).args(["--checkpoint-every", "0.05"]).spawn().expect("it starts");
    under_way(&folder, &mut child);
    while checkpoints(&folder).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // All that is left, and more.
    let zeros = std::fs::File::open("/dev/zero").expect("there are zeros").take(128 << 20);
    let filled = std::io::copy(&mut { zeros }, &mut std::fs::File::create(&ballast).expect("a file"));
    assert!(filled.is_err(), "the disk should be full");
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.to_lowercase().contains("no space left"), "{said}");
    assert!(said.contains("the last good checkpoint is of iteration "), "{said}");
    assert!(said.contains("run with --resume"), "what to do next: {said}");
    assert!(!folder.join("DONE").exists());

    std::fs::remove_file(&ballast).expect("it can be removed");
    let resumed = resume(&folder);
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    let rows = std::fs::read_to_string(folder.join("metrics.csv")).expect("it is there").lines().count();
    assert_eq!(rows, 1 + 3000);
}
