//! A device and the processor make the same rollouts of every scenario, to the bit.
//!
//! Runs on any adapter, a software one too. Where there is none, the tests say so and pass, unless
//! `ISONOMY_REQUIRE_GPU` is set.

mod every;

use every::{file, files, motley, name, own, sim, small};
use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::rollout::Rollout;
use isonomy::engine::run::{Means, Run};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn open() -> Option<Device> {
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten())
}

/// Opened once for all tests.
fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let device = DEVICE.get_or_init(open).as_ref();
    match device {
        Some(device) => eprintln!("on {}", device.describe()),
        None if std::env::var_os("ISONOMY_REQUIRE_GPU").is_some() => {
            panic!("no adapter found, and ISONOMY_REQUIRE_GPU is set")
        }
        None => eprintln!("no adapter found: nothing was compared"),
    }
    device
}

/// Scenarios that a device can run.
fn with_twins() -> Vec<PathBuf> {
    let mut files = files();
    files.retain(|file| sim(small(file, 1, 1), 1, None).twin().is_some());
    assert!(files.len() >= 10, "most scenarios have a twin");
    files
}

fn same_rollout(what: &str, host: &Rollout, device: &Rollout) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(host.observation == device.observation, "{what}: observations");
    assert!(host.action == device.action, "{what}: actions");
    assert!(bits(&host.reward) == bits(&device.reward), "{what}: rewards");
    assert!(bits(&host.shaped) == bits(&device.shaped), "{what}: shaped rewards");
    assert!(host == device, "{what}: last observations");
}

/// Whole rollouts under several policies, one after the other: what one leaves behind, the next starts from.
fn compare(file: &Path, lanes: usize, device: &Device) {
    let what = format!("{}, {lanes} lanes", name(file));
    let mut host = sim(small(file, lanes, 1), 2, None);
    let mut there = sim(small(file, lanes, 1), 1, Some(device));
    let spec = host.spec().clone();
    for policy in [own(file), TabularPolicy::uniform(&spec, 1), motley(&spec)] {
        host.set_policy(&policy);
        there.set_policy(&policy);
        let horizon = spec.time_limit as usize + 1;
        let found = there.rollout(horizon).unwrap_or_else(|error| panic!("{what}: {error}"));
        same_rollout(&what, &host.rollout(horizon).expect("the processor cannot fail"), &found);
        assert!(host.snapshot() == there.snapshot(), "{what}: columns");
        assert_eq!(host.take_returns(), there.take_returns(), "{what}");
        host.advance(3).expect("the processor cannot fail");
        there.advance(3).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(host.hash(), there.hash(), "{what}: columns after returns only");
    }
}

#[test]
fn whole_rollouts() {
    let Some(device) = device() else { return };
    for file in with_twins() {
        for lanes in [1, 63, 65, 1757] {
            compare(&file, lanes, device);
        }
    }
}

#[test]
fn many_lanes() {
    let Some(device) = device() else { return };
    for name in ["river_swim/group_multi_task.ron", "lending/fixed.ron"] {
        compare(&file(name), 65536, device);
    }
}

#[test]
fn runs() {
    let Some(device) = device() else { return };
    for file in with_twins() {
        let run = |device| {
            let run = Run::new(small(&file, 300, 4), Means { threads: 2, device });
            run.unwrap_or_else(|error| panic!("{}: {error}", name(&file)))
        };
        let (mut host, mut there) = (run(None), run(Some(device)));
        while let Some(mine) = host.next_iteration().expect("the processor cannot fail") {
            let theirs = there.next_iteration().unwrap_or_else(|error| panic!("{}: {error}", name(&file)));
            assert_eq!(theirs.as_ref(), Some(&mine), "{}", name(&file));
        }
        assert!(host.checkpoint() == there.checkpoint(), "{}: checkpoints", name(&file));
    }
}
