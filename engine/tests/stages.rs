//! The World refuses what could run in two orders, and what does not keep the promise of its spec.

use bevy_ecs::prelude::*;
use isonomy_engine::columns;
use isonomy_engine::columns::{Reward, only, scalars};
use isonomy_engine::environment::Environment;
use isonomy_engine::noise::Phase;
use isonomy_engine::sim::{BuildError, Builder, Clock, Setup, Sim, Stage};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use serde::{Deserialize, Serialize};

columns! {
    /// What an agent sees.
    Seen(u32);
    /// What it does.
    Done(u32);
    /// What a lane has counted.
    Count(u32);
}

/// How the systems are added.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Order {
    Said,
    Unsaid,
    MissingRows,
}

/// A lane counts what its agents do; everybody is paid the count.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counting(Order);

#[typetag::serde]
impl Environment for Counting {
    fn spec(&self) -> Spec {
        Spec {
            groups: vec![GroupSpec { name: "A".into(), agents: 2 }, GroupSpec { name: "B".into(), agents: 1 }],
            tasks: vec![TaskSpec { name: "count".into(), reward: (0.0, 12.0) }],
            observation: Space::Discrete(2),
            action: Space::Discrete(2),
            time_limit: 4,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        if self.0 == Order::MissingRows {
            return;
        }
        sim.spawn_agents(|_, agent| (Seen(agent as u32 % 2), Done(0))).spawn_lanes(|_| (Count(0),));
        sim.interface::<Seen, Done>().add_systems(Stage::Reset, begin);
        match self.0 {
            Order::Said => sim.add_systems(Stage::Transition, (count, pay).chain()),
            _ => sim.add_systems(Stage::Transition, (count, pay)),
        };
    }
}

fn count(mut agents: Query<&Done>, mut lanes: Query<&mut Count>) {
    let (Some(done), Some(mut counts)) = (only(&mut agents), only(&mut lanes)) else { return };
    for (count, done) in scalars::<_, u32>(&mut counts).iter_mut().zip(done.chunks_exact(3)) {
        *count += done.iter().map(|done| done.0).sum::<u32>();
    }
}

fn pay(mut lanes: Query<&Count>, mut ledger: Query<&mut Reward>) {
    let (Some(counts), Some(mut rewards)) = (only(&mut lanes), only(&mut ledger)) else { return };
    for (reward, count) in scalars::<_, f32>(&mut rewards).chunks_exact_mut(3).zip(counts) {
        reward.fill(count.0 as f32);
    }
}

fn begin(clock: Res<Clock>, mut lanes: Query<&mut Count>) {
    assert!(clock.ends(), "systems of this stage run at the end of an episode only");
    if let Some(mut counts) = only(&mut lanes) {
        scalars::<_, u32>(&mut counts).fill(0);
    }
}

fn build(order: Order) -> Result<Sim, BuildError> {
    Sim::new(
        &Counting(order),
        Vec::new(),
        Setup { lanes: 5, seed: 1, phase: Phase::Training, threads: 1, device: None },
    )
}

#[test]
fn an_order_that_nobody_said_is_refused() {
    match build(Order::Unsaid).map(drop) {
        Err(BuildError::Schedule(reason)) => assert!(reason.contains("Ambig"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_that_were_promised_must_be_there() {
    match build(Order::MissingRows).map(drop) {
        Err(BuildError::Rows { found: 0, expected: 15 }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn systems_run_in_the_order_of_stages_and_a_restored_lane_goes_on() {
    let mut sim = build(Order::Said).expect("builds");
    assert!(!sim.is_fused());
    let rollout = sim.rollout(6).expect("runs");
    for t in 0..6 {
        for lane in 0..5 {
            let row = (t * 5 + lane) * 3;
            let done: u32 = (0..3).map(|agent| rollout.action.get(row + agent)).sum();
            let before = if t % 4 == 0 { 0.0 } else { rollout.reward[row - 15] };
            assert_eq!(rollout.reward[row..row + 3], [before + done as f32; 3]);
        }
    }
    let snapshot = sim.snapshot();
    let ahead = sim.rollout(5).expect("runs");
    let mut other = build(Order::Said).expect("builds");
    assert!(other.restore(&snapshot));
    assert_eq!(other.rollout(5).expect("runs"), ahead);
    assert_eq!(columns::column::<Count>(other.world()), columns::column::<Count>(sim.world()));
}
