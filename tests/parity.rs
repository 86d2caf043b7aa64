//! A device and the processor make the same rollouts of every scenario, to the bit.
//!
//! Runs on any adapter, a software one too. Where there is none, the tests say so and pass, unless
//! `ISONOMY_REQUIRE_GPU` is set.

mod every;

use every::{device, file, files, motley, name, own, sim, small, with};
use isonomy::engine::gpu::Device;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::rollout::Rollout;
use isonomy::engine::run::{Means, Run};
use std::path::{Path, PathBuf};

/// Whether a device rewrites a scenario's rewards, in arithmetic of its own.
fn shapes(file: &Path) -> bool {
    sim(small(file, 1, 1), 1, None).shape_twins().is_some_and(|twins| !twins.is_empty())
}

/// Scenarios that a device can run, and that come out the same to the bit.
fn with_twins() -> Vec<PathBuf> {
    let mut files = files();
    files.retain(|file| sim(small(file, 1, 1), 1, None).twin().is_some() && !shapes(file));
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

/// Fairness rewards with twins, and how far what a device teaches may be from what the processor does, in units of one
/// plus the largest return that a lane can have (a power of its own makes AlphaFair coarser).
const SHAPED: [(&str, f32); 9] = [
    (r#"{"WelfareWeighted": (welfare: {"SoftMin": (sharpness: 2.0)})}"#, 1e-6),
    (r#"{"AlphaFair": (alpha: 1.0, floor: 0.01)}"#, 1e-4),
    (r#"{"AlphaFair": (alpha: 0.5, floor: 0.01)}"#, 1e-4),
    (r#"{"AlphaFair": (alpha: 0.0, floor: 0.01)}"#, 0.0),
    (r#"{"LocalGlobal": (share: 0.3)}"#, 1e-6),
    (r#"{"GapPenalty": (strength: 1.5)}"#, 1e-6),
    (r#"{"FairEfficient": (ceiling: 1.0, softness: 0.1)}"#, 1e-5),
    (r#"{"InequityAversion": (envy: 5.0, guilt: 0.05)}"#, 1e-5),
    (
        r#"{"LocalGlobal": (share: 0.5)}, {"GapPenalty": (strength: 0.5)}, {"AlphaFair": (alpha: 2.0, floor: 0.1)}"#,
        1e-4,
    ),
];

/// The largest difference, as [`SHAPED`] counts.
fn furthest(host: &[f32], device: &[f32], most: f32) -> f32 {
    assert_eq!(host.len(), device.len());
    let apart = host.iter().zip(device).map(|(host, device)| (host - device).abs() / (1.0 + most));
    apart.fold(0.0, |far, apart| if apart.is_nan() { f32::INFINITY } else { far.max(apart) })
}

#[test]
fn rewards_that_a_device_shapes() {
    let Some(device) = device() else { return };
    // Two groups of two agents, and two tasks: lanes of four.
    let river = file("river_swim/two_currents.ron");
    let tasks = r#"environment.RiverSwim.tasks=[
        (name: "left", payments: [(place: 0, stroke: Left, reward: 0.25)]),
        (name: "right", payments: [(place: 1, stroke: Right, reward: 0.5), (place: 5, stroke: Right, reward: 1.0)]),
    ]"#;
    for (rewards, tolerance) in SHAPED {
        for lanes in [1, 133] {
            let what = format!("{rewards}, {lanes} lanes");
            let scenario =
                || with(&river, &[&format!("fairness=[{rewards}]"), tasks, &format!("lanes={lanes}")]).scenario;
            let (mut host, mut there) = (sim(scenario(), 2, None), sim(scenario(), 1, Some(device)));
            assert!(there.shape_twins().is_some_and(|twins| !twins.is_empty()), "{what}: no twin");
            let spec = host.spec().clone();
            let most = spec.time_limit as f32 * 0.5;
            for (number, policy) in [TabularPolicy::uniform(&spec, 1), motley(&spec)].iter().enumerate() {
                host.set_policy(policy);
                there.set_policy(policy);
                // Returns are taken in between, so that weights of expected returns change.
                let horizon = 2 * spec.time_limit as usize + 3;
                let found = there.rollout(horizon).unwrap_or_else(|error| panic!("{what}: {error}"));
                let expected = host.rollout(horizon).expect("the processor cannot fail");
                let far = furthest(&expected.shaped, &found.shaped, most);
                eprintln!("{what}, rollout {number}: {far:e} apart");
                assert!(far <= tolerance, "{what}, rollout {number}: {far:e} apart");
                let changed = expected.shaped != expected.reward;
                let idle = rewards.contains("alpha: 0.0") || (number == 0 && rewards.contains("WelfareWeighted"));
                assert!(changed || idle, "{what}: nothing was shaped");
                same_rollout(&what, &expected, &Rollout { shaped: expected.shaped.clone(), ..found });
                host.advance(5).expect("the processor cannot fail");
                there.advance(5).unwrap_or_else(|error| panic!("{what}: {error}"));
                let (mine, theirs) =
                    (host.take_returns().expect("one ended"), there.take_returns().expect("one ended"));
                assert_eq!(mine.sums, theirs.sums, "{what}");
                let (mine, theirs) = (mine.taught.expect("it is shaped"), theirs.taught.expect("it is shaped"));
                let reach = f64::from(tolerance) * f64::from(spec.time_limit) * f64::from(1.0 + most);
                assert!((mine - theirs).abs() <= reach, "{what}: taught {mine} and {theirs}");
            }
        }
    }
}

#[test]
fn what_remembers_is_shaped_by_the_processor() {
    let Some(device) = device() else { return };
    let river = file("river_swim/two_currents.ron");
    let rewards =
        r#"fairness=[{"LocalGlobal": (share: 0.5)}, {"InequityAversion": (envy: 5.0, guilt: 0.05, decay: 0.9)}]"#;
    let scenario = || with(&river, &[rewards, "lanes=65"]).scenario;
    let (mut host, mut there) = (sim(scenario(), 2, None), sim(scenario(), 1, Some(device)));
    assert_eq!(there.shape_twins(), None);
    for horizon in [33, 20] {
        let found = there.rollout(horizon).expect("the device should not fail");
        same_rollout("it is the same code", &host.rollout(horizon).expect("the processor cannot fail"), &found);
    }
    assert_eq!(host.take_returns(), there.take_returns());
}

#[test]
fn learning_from_rewards_that_a_device_shapes() {
    let Some(device) = device() else { return };
    let river = file("river_swim/two_currents.ron");
    assert!(shapes(&river));
    let run = |device| Run::new(small(&river, 300, 5), Means { threads: 2, device }).expect("it begins");
    let (mut host, mut there) = (run(None), run(Some(device)));
    let mut first = true;
    while let Some(mine) = host.next_iteration().expect("the processor cannot fail") {
        let theirs = there.next_iteration().expect("the device should not fail").expect("they are as long");
        let [mine, theirs] = [mine.training, theirs.training].map(|earnings| earnings.expect("episodes end"));
        if std::mem::take(&mut first) {
            assert_eq!(mine.returns, theirs.returns, "nobody has learned anything yet");
        }
        for (mine, theirs) in mine.returns.mean.iter().zip(&theirs.returns.mean) {
            assert!((mine - theirs).abs() <= 0.05 * mine.abs().max(0.01), "{mine} and {theirs}");
        }
        let (mine, theirs) = (mine.taught.expect("it is shaped"), theirs.taught.expect("it is shaped"));
        assert!((mine - theirs).abs() <= 0.05 * mine.abs().max(0.01), "taught {mine} and {theirs}");
    }
}
