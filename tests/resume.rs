//! A run survives being killed at any moment: what `--resume` writes is what an uninterrupted run would have written.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const KILLS: u64 = 20;

/// The only file that is about this run of the program rather than about the scenario.
const DIFFERS: &str = "timing.csv";

fn isonomy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn begin(folder: &Path) -> Command {
    let mut command = isonomy();
    command.args(["run", "scenarios/river_swim/group_multi_task.ron", "--device", "cpu", "--threads", "1"]);
    command.args(["--set", "iterations=120", "--set", "lanes=512", "--checkpoint-every", "0.02", "--out"]).arg(folder);
    command
}

fn resume(folder: &Path) -> Command {
    let mut command = isonomy();
    command.args(["run", "--device", "cpu", "--threads", "2", "--checkpoint-every", "0.02", "--resume"]).arg(folder);
    command
}

/// Every file of a run but the one that may differ, by its path in the folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != DIFFERS) {
                let name = path.strip_prefix(folder).expect("inside").to_owned();
                files.insert(name, std::fs::read(path).expect("readable"));
            }
        }
    }
    files
}

#[test]
fn killed_twenty_times_and_still_the_same_bytes() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    // The command line is part of the manifest, so both runs are begun with the same words.
    let (whole, folder) = (scratch.path().join("whole/run"), scratch.path().join("killed/run"));
    let begin_in = |parent: &str| {
        let parent = scratch.path().join(parent);
        std::fs::create_dir_all(&parent).expect("a folder");
        let mut command = begin(Path::new("run"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        // A link in place of the scenarios' folder keeps the relative path of the command line the same.
        let link = parent.join("scenarios");
        if !link.exists() {
            std::os::unix::fs::symlink(root, link).expect("a link");
        }
        command.current_dir(parent);
        command
    };
    assert!(begin_in("whole").status().expect("runs").success());

    // How long a run may live, in milliseconds. It grows on machines too slow to get anything done in it.
    let mut longest = 120;
    let (mut kills, mut finished, mut checkpoints) = (0, 0, 0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    while kills < KILLS {
        let mut child = match folder.join("manifest.json").exists() {
            true => resume(&folder).spawn().expect("starts"),
            false => {
                let _ = std::fs::remove_dir_all(&folder);
                begin_in("killed").spawn().expect("starts")
            }
        };
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(5 + (random >> 33) % longest));
        match child.try_wait().expect("its state") {
            None => {
                child.kill().expect("killed");
                child.wait().expect("gone");
                kills += 1;
                let kept = std::fs::read_dir(folder.join("checkpoints")).into_iter().flatten().flatten();
                if kept.into_iter().any(|file| file.path().extension().is_some_and(|e| e == "checkpoint")) {
                    checkpoints += 1;
                } else {
                    longest = (longest * 3 / 2).min(10_000);
                }
            }
            Some(status) => {
                assert!(status.success(), "{status}");
                assert_eq!(contents(&folder), contents(&whole));
                std::fs::remove_dir_all(&folder).expect("removed");
                finished += 1;
            }
        }
    }
    assert!(checkpoints > 0, "no kill left a checkpoint to go on from");
    if folder.join("manifest.json").exists() {
        assert!(resume(&folder).status().expect("runs").success());
    } else {
        let _ = std::fs::remove_dir_all(&folder);
        assert!(begin_in("killed").status().expect("runs").success());
    }
    let (killed, whole) = (contents(&folder), contents(&whole));
    assert_eq!(killed.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, bytes) in &whole {
        assert!(killed[name] == *bytes, "{} differs after {kills} kills and {finished} ends", name.display());
    }
}
