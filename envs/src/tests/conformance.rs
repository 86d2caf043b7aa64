//! What no environment may depend on: the path, threads, lanes beside it, interruptions.

use super::{all, motley, sim};
use isonomy_engine::rollout::Rollout;

/// More than two episodes, ending within one.
fn steps(time_limit: u32) -> usize {
    2 * time_limit as usize + 1
}

#[test]
fn fused_and_scheduled_rollouts_are_the_same() {
    for (name, environment) in all() {
        let spec = environment.spec();
        for lanes in [1, 63, 300] {
            let (mut fused, mut scheduled) = (sim(&*environment, lanes, 1), sim(&*environment, lanes, 1));
            assert!(fused.is_fused(), "{name}");
            fused.set_policy(&motley(&spec));
            scheduled.set_policy(&motley(&spec));
            let mine = fused.rollout(steps(spec.time_limit)).unwrap();
            let mut theirs = scheduled.room(steps(spec.time_limit));
            scheduled.run_schedule(steps(spec.time_limit), Some(&mut theirs));
            assert!(mine == theirs, "{name}: trajectories of {lanes} lanes differ");
            assert!(fused.snapshot() == scheduled.snapshot(), "{name}: columns of {lanes} lanes differ");
            assert_eq!(fused.take_returns(), scheduled.take_returns(), "{name}");
        }
    }
}

#[test]
fn threads_change_nothing() {
    for (name, environment) in all() {
        let spec = environment.spec();
        let run = |threads: usize| {
            let mut sim = sim(&*environment, 1757, threads);
            sim.set_policy(&motley(&spec));
            let rollout = sim.rollout(spec.time_limit as usize + 1).unwrap();
            (rollout, sim.snapshot())
        };
        let one = run(1);
        assert!(one == run(2), "{name}: two threads");
        assert!(one == run(7), "{name}: seven threads");
    }
}

#[test]
fn lanes_do_not_know_of_each_other() {
    for (name, environment) in all() {
        let spec = environment.spec();
        let third = |lanes: usize| {
            let mut sim = sim(&*environment, lanes, 2);
            sim.set_policy(&motley(&spec));
            lane(&sim.rollout(steps(spec.time_limit)).unwrap(), 3)
        };
        assert!(third(4) == third(400), "{name}: lane 3 among 4 and among 400");
    }
}

/// All that happened in one lane, as text that can be compared.
fn lane(rollout: &Rollout, lane: usize) -> Vec<(u32, u32, Vec<u32>)> {
    let rows = rollout.rows();
    let of = |(t, row): (usize, usize)| {
        let reward = (0..rollout.tasks).map(|m| rollout.reward[(t * rollout.tasks + m) * rows + row].to_bits());
        (rollout.observation.get(t * rows + row), rollout.action.get(t * rows + row), reward.collect())
    };
    let agents = lane * rollout.agents..(lane + 1) * rollout.agents;
    (0..rollout.horizon).flat_map(|t| agents.clone().map(move |row| (t, row))).map(of).collect()
}

#[test]
fn a_snapshot_leads_to_the_same_future() {
    for (name, environment) in all() {
        let spec = environment.spec();
        let mut once = sim(&*environment, 65, 1);
        once.set_policy(&motley(&spec));
        once.advance(spec.time_limit as usize / 2 + 1).unwrap();
        let snapshot = once.snapshot();
        let future = once.rollout(steps(spec.time_limit)).unwrap();
        let mut again = sim(&*environment, 65, 1);
        again.set_policy(&motley(&spec));
        assert!(again.restore(&snapshot), "{name}");
        assert!(again.rollout(steps(spec.time_limit)).unwrap() == future, "{name}: another future");
        assert_eq!(again.hash(), once.hash(), "{name}");
        let mut other = sim(&*environment, 64, 1);
        assert!(!other.restore(&snapshot), "{name}: 64 lanes restored a snapshot of 65");
    }
}

#[test]
fn observations_actions_and_rewards_are_as_specified() {
    for (name, environment) in all() {
        let spec = environment.spec();
        let mut sim = sim(&*environment, 100, 1);
        sim.set_policy(&motley(&spec));
        let rollout = sim.rollout(steps(spec.time_limit)).unwrap();
        for index in 0..rollout.observation.len() {
            assert!(rollout.observation.get(index) < spec.observation.count(), "{name}");
            assert!(rollout.action.get(index) < spec.action.count(), "{name}");
        }
        for (index, reward) in rollout.reward.iter().enumerate() {
            let (low, high) = spec.tasks[index / rollout.rows() % rollout.tasks].reward;
            assert!((low..=high).contains(reward), "{name}: {reward} is not in {low}..={high}");
        }
    }
}
