//! A device and the processor advance lanes alike. Where there is no adapter the tests say so and pass, unless
//! `ISONOMY_REQUIRE_GPU` is set.

use super::drinkers::{Drinkers, Kind, STEPS, rules, sim_on};
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::{Budget, Device, DeviceChoice, DeviceError};
use isonomy_engine::noise::Phase;
use isonomy_engine::sim::{BuildError, Setup, Sim};
use serde::{Deserialize, Serialize};

pub(crate) fn open() -> Option<Device> {
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    let device = choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten());
    match &device {
        Some(device) => eprintln!("on {}", device.describe()),
        None if std::env::var_os("ISONOMY_REQUIRE_GPU").is_some() => {
            panic!("no adapter found, and ISONOMY_REQUIRE_GPU is set")
        }
        None => eprintln!("no adapter found: nothing was compared"),
    }
    device
}

const KINDS: [Kind; 3] = [Kind::Device, Kind::Host, Kind::Storage];

/// Budgets that cut rollouts into many dispatches.
fn budgets() -> [Budget; 3] {
    let whole = Budget::default();
    [whole, Budget { trajectory: 1 << 10, ..whole }, Budget { steps: 3, work: 40, across: 2, ..whole }]
}

#[test]
fn everything_is_the_same() {
    let Some(device) = open() else { return };
    // Compiling takes longest, so not every combination.
    for (number, budget) in budgets().into_iter().enumerate() {
        let device = device.clone().with_budget(budget);
        for (index, kind) in KINDS.into_iter().enumerate() {
            for rule in &rules()[(number + index) % 2..][..1] {
                let lanes = [1, 17, 100][(number + 2 * index) % 3];
                let what = format!("{kind:?}, {rule:?}, {lanes} lanes, {budget:?}");
                let mut host = sim_on(kind, lanes, 2, rule, None);
                let mut there = sim_on(kind, lanes, 2, rule, Some(&device));
                assert!(there.is_on_device());
                for horizon in [2 * STEPS as usize + 1, 3, 9] {
                    let found = there.rollout(horizon).unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert!(host.rollout(horizon).expect("no device") == found, "{what}");
                    assert_eq!(host.snapshot(), there.snapshot(), "{what}");
                    assert_eq!(host.take_returns(), there.take_returns(), "{what}");
                    host.advance(5).expect("no device");
                    there.advance(5).unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(host.hash(), there.hash(), "{what}");
                }
                // What the host changes goes up again.
                let snapshot = host.snapshot();
                host.advance(7).expect("no device");
                there.step();
                assert!(there.restore(&snapshot));
                there.advance(7).expect("the device is well");
                assert_eq!(host.hash(), there.hash(), "{what}: restored");
            }
        }
    }
}

/// Twice the reward.
#[derive(Debug, Serialize, Deserialize)]
struct Twice {}

#[typetag::serde]
impl FairnessReward for Twice {
    fn shape(&self, batch: RewardBatch<'_>) {
        batch.shaped.iter_mut().for_each(|shaped| *shaped *= 2.0);
    }
}

#[test]
fn rewards_are_shaped_by_the_processor() {
    let Some(device) = open() else { return };
    for kind in KINDS {
        let sim = |device| {
            let setup = Setup { lanes: 50, seed: 5, phase: Phase::Training, threads: 2, device };
            Sim::new(&Drinkers { kind }, vec![Box::new(Twice {})], setup).expect("it fits")
        };
        let device = device.clone().with_budget(Budget { work: 100, ..Budget::default() });
        let (mut host, mut there) = (sim(None), sim(Some(&device)));
        let found = there.rollout(10).expect("the device is well");
        assert_eq!(host.rollout(10).expect("no device"), found, "{kind:?}");
        assert!(found.shaped.iter().zip(found.reward.iter()).all(|(shaped, reward)| *shaped == 2.0 * reward));
        host.advance(6).expect("no device");
        there.advance(6).expect("the device is well");
        assert_eq!(host.snapshot(), there.snapshot(), "{kind:?}");
        assert_eq!(host.take_returns(), there.take_returns(), "{kind:?}");
    }
}

#[test]
fn what_cannot_run_is_refused_with_the_reason() {
    let Some(device) = open() else { return };
    let setup = Setup { lanes: 3, seed: 1, phase: Phase::Training, threads: 1, device: Some(&device) };
    let Err(BuildError::Device(error)) = Sim::new(&Drinkers { kind: Kind::Twinless }, Vec::new(), setup) else {
        panic!("it was built")
    };
    assert!(error.to_string().contains("Drinkers") && error.to_string().contains("wells are too deep"), "{error}");
    let mut sim = Sim::new(&Drinkers { kind: Kind::Misspelt }, Vec::new(), setup).expect("nothing was compiled");
    let error = sim.prepare().expect_err("it is misspelt").to_string();
    assert!(error.contains("twin of Drinkers") && error.contains("wlel") && error.contains("line 27"), "{error}");
}

#[test]
fn a_lost_device_leaves_the_columns_of_the_host() {
    for kind in KINDS {
        let Some(device) = open() else { return };
        let mut sim = sim_on(kind, 20, 1, &rules()[1], Some(&device));
        sim.advance(6).expect("the device is well");
        let before = sim.snapshot();
        device.destroy();
        assert!(matches!(sim.advance(9), Err(DeviceError::Lost { .. })));
        assert!(matches!(sim.rollout(9), Err(DeviceError::Lost { .. })));
        assert_eq!(sim.snapshot(), before);
    }
}
