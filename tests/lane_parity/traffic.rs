//! Traffic: where every vehicle is, to the bit. Of vehicles that are moved one by one that holds where a device rounds every
//! operation by itself, as software adapters do, under CityFlow's law; others, and laws that take roots, which WGSL lets
//! nobody round alike, are compared by travel times.

use super::every::{device, file, with};
use super::{both, controller};
use isonomy::engine::columns::{Column, column};
use isonomy::engine::gpu::AdapterKind;
use isonomy::engine::network::{Activation, Mlp};
use isonomy::engine::policy::{Head, NetworkPolicy, PolicyRef};
use isonomy::engine::rollout::Rollout;
use isonomy::engine::run::{Means, Run};
use isonomy::engine::sim::Sim;
use isonomy::engine::spec::Space;
use isonomy::envs::traffic::state::{Chain, Choosing, Light, Occupied, Passage, Tally, Vehicle};
use std::fmt::Debug;
use std::path::Path;

/// Asserts that a column is the same, bit for bit.
fn same<C: Column + PartialEq + Debug>(sims: [&mut Sim; 2], what: &[&str]) {
    let [mine, theirs] = sims.map(|sim| column::<C>(sim.world()).to_vec());
    assert!(!mine.is_empty(), "{what:?}");
    for (row, (mine, theirs)) in mine.iter().zip(&theirs).enumerate() {
        assert_eq!(mine, theirs, "{what:?}: row {row} of {}", std::any::type_name::<C>());
    }
}

/// Asserts that every vehicle is where it is on the processor, with everything that is known about it, and so is every light.
fn same_traffic(host: &mut Sim, there: &mut Sim, what: &[&str]) {
    same::<Light>([&mut *host, &mut *there], what);
    same::<Chain>([&mut *host, &mut *there], what);
    same::<Vehicle>([&mut *host, &mut *there], what);
    same::<Occupied>([&mut *host, &mut *there], what);
    same::<Passage>([&mut *host, &mut *there], what);
    same::<Choosing>([&mut *host, &mut *there], what);
    same::<Tally>([&mut *host, &mut *there], what);
}

/// Compares columns in the middle and shortly before the end of an episode, what it came to, and the start of the next.
fn compare_traffic(path: &Path, sets: &[&str]) {
    let Some(device) = device() else { return };
    let [mut host, mut there] = both(path, sets, device);
    assert!(there.sim().is_on_device());
    let rounded = device.info().kind == AdapterKind::Software && !sets.iter().any(|set| set.contains(".following="));
    let exact = !sets.contains(&MICRO[0]) || rounded;
    let steps = host.sim().spec().time_limit as usize;
    for part in [steps / 2, steps - steps / 2 - 1, 1 + steps / 3] {
        for run in [&mut host, &mut there] {
            run.sim().advance(part).unwrap_or_else(|error| panic!("{sets:?}: {error}"));
        }
        if exact {
            same_traffic(host.sim(), there.sim(), sets);
        }
    }
    let [mine, theirs] = [&mut host, &mut there].map(|run| run.sim().take_returns().expect("an episode ended"));
    let measure = |measures: &[(String, f64)], what: &str| {
        measures.iter().find(|(name, _)| name == what).map(|(_, number)| *number).expect("every episode has it")
    };
    if exact {
        assert_eq!(mine.measures, theirs.measures, "{sets:?}");
    }
    let [mine_s, theirs_s] = [&mine, &theirs].map(|of| measure(&of.measures, "average_travel_time_s"));
    assert!((theirs_s / mine_s - 1.0).abs() < 0.01, "{sets:?}: {mine_s} s and {theirs_s} s");
    let finished = measure(&mine.measures, "vehicles_finished");
    assert!(finished > 20.0, "{sets:?}: hardly anybody arrived, {finished}");
}

const SMALL: [&str; 3] = [
    r#"environment.Traffic.network={"Grid": (rows: 2, columns: 3)}"#,
    r#"environment.Traffic.demand={"Entries": (main_per_h: 700, side_per_h: 400, left: 0.2, right: 0.2, buses: 0.2)}"#,
    "environment.Traffic.duration_s=600",
];

/// Rules with twins.
const LIGHTS: [&str; 7] = [
    r#"{"FixedTime": ()}"#,
    r#"{"MaxPressure": ()}"#,
    r#"{"MaxPressure": (dialect: XLight)}"#,
    r#"{"Sotl": ()}"#,
    r#"{"MaxWave": ()}"#,
    r#"{"LongestWaitFirst": ()}"#,
    r#"{"LongestWaitFirst": (keep: 1.25, min_green_s: 5)}"#,
];

/// Vehicles one by one, in 32 bits as on a device.
const MICRO: [&str; 2] = ["environment.Traffic.model=Micro", "environment.Traffic.precision=Single"];

#[test]
fn vehicles_one_by_one() {
    let [network, demand, duration] = SMALL;
    let crowd =
        r#"environment.Traffic.demand={"Entries": (main_per_h: 2500, side_per_h: 2500, left: 0.3, buses: 0.1)}"#;
    let town = r#"environment.Traffic.network={"Town": (crossings: 9, seed: 3)}"#;
    let trips = r#"environment.Traffic.demand={"Trips": (entry_per_h: 500)}"#;
    let dense = r#"environment.Traffic.network={"Grid": (rows: 2, columns: 3, block_m: 40)}"#;
    let wave = controller(r#"{"MaxWave": ()}"#);
    let longest = controller(r#"{"LongestWaitFirst": ()}"#);
    let krauss = "environment.Traffic.following=Krauss(dawdling: 0.0)";
    for sets in [
        vec![network, demand, duration, "lanes=3"],
        vec![network, demand, duration, "lanes=1", &wave],
        vec![network, crowd, duration, "lanes=2", &longest],
        vec![network, demand, duration, "lanes=1", krauss],
        vec![network, demand, duration, "lanes=1", "environment.Traffic.following=Idm()"],
        vec![
            network,
            demand,
            duration,
            "lanes=1",
            "environment.Traffic.step_s=0.5",
            "environment.Traffic.decision_s=7.5",
            "environment.Traffic.own_tables=true",
        ],
        // Everybody may go at once, so conflict points decide.
        vec![town, trips, duration, "lanes=2"],
        // Ways that are passed within a step, and doors behind doors.
        vec![dense, crowd, duration, "lanes=1"],
    ] {
        compare_traffic(&file("traffic/grid_4x4_queue.ron"), &[&MICRO[..], &sets].concat());
    }
}

#[test]
fn traffic_by_every_rule() {
    for rule in LIGHTS {
        let sets = [&controller(rule), "environment.Traffic.duration_s=600", "lanes=1"];
        compare_traffic(&file("traffic/grid_4x4_queue.ron"), &sets);
    }
}

#[test]
fn traffic_of_all_kinds() {
    let [network, demand, duration] = SMALL;
    let crowd = r#"environment.Traffic.demand={"Entries": (main_per_h: 2500, side_per_h: 2500, left: 0.3)}"#;
    let town = r#"environment.Traffic.network={"Town": (crossings: 9, seed: 3)}"#;
    let trips = r#"environment.Traffic.demand={"Trips": (entry_per_h: 500)}"#;
    let longest = controller(r#"{"LongestWaitFirst": ()}"#);
    for sets in [
        vec![network, demand, duration, "lanes=3"],
        vec![network, crowd, duration, "lanes=1"],
        vec![network, crowd, duration, "lanes=1", "environment.Traffic.max_green_s=40", &longest],
        vec![network, demand, duration, "lanes=2", "environment.Traffic.own_tables=true"],
        vec![network, demand, duration, "lanes=1", "environment.Traffic.clearance_s=0", &longest],
        vec![
            network,
            demand,
            duration,
            "lanes=1",
            "environment.Traffic.step_s=0.5",
            "environment.Traffic.decision_s=7.5",
        ],
        vec![
            network,
            demand,
            duration,
            "lanes=1",
            "environment.Traffic.min_green_s=12.3",
            "environment.Traffic.decision_s=5",
        ],
        vec![network, demand, duration, "lanes=1", "environment.Traffic.signals=XLight"],
        vec![network, demand, duration, "lanes=1", "environment.Traffic.signals=Resco", &longest],
        vec![network, demand, duration, "lanes=1", "environment.Traffic.signals=SumoRl", &longest],
        vec![town, trips, duration, "lanes=5", "environment.Traffic.signals=YellowAndAllRed"],
    ] {
        compare_traffic(&file("traffic/grid_4x4_queue.ron"), &sets);
    }
}

#[test]
fn traffic_as_it_is_seen_and_paid_for() {
    let Some(device) = device() else { return };
    let all = "environment.Traffic.rewards=[Fair(), Queue(), Pressure(), PressLight(), Halt(), QueueAndWait(), \
               WaitDifference(), Speed(), WaitingShare(), QueuePressure()]";
    let costs = "environment.Traffic.costs=[Starved(after_s: 20), BehindNetwork(), LongestWait()]";
    // What is paid is looked at once: shaders of everything take a software adapter long to compile.
    let queue = "environment.Traffic.rewards=[Queue()]";
    let queues = &["environment.Traffic.clearance_s=5"][..];
    for (model, observation, paid) in [
        (queues, "Fair", [all, costs]),
        (queues, "FairLocal", [queue; 2]),
        (queues, "LaneCounts", [queue; 2]),
        (queues, "PressLight", [queue; 2]),
        (queues, "MovementPressure", [queue; 2]),
        (queues, "QueuePressure", [queue; 2]),
        (queues, "DrqNorm", [queue; 2]),
        (queues, "WaveAndWait", [queue; 2]),
        (queues, "SumoRl", [queue; 2]),
        (queues, "FairLight", [queue; 2]),
        (&MICRO, "Fair", [all, costs]),
        (&MICRO, "DrqNorm", [queue; 2]),
        (&MICRO, "WaveAndWait", [queue; 2]),
    ] {
        if model.len() > 1 && device.info().kind != AdapterKind::Software {
            continue;
        }
        let observation = format!("environment.Traffic.observation={observation}");
        let sets = [&SMALL[..], model, &paid, &[&observation, "lanes=2"]].concat();
        let [mut host, mut there] = both(&file("traffic/grid_4x4_queue.ron"), &sets, device);
        let horizon = host.sim().spec().time_limit as usize + 5;
        let [mine, theirs] =
            [&mut host, &mut there].map(|run| run.sim().rollout(horizon).unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(mine.action, theirs.action, "{observation}");
        let close = |mine: &[f32], theirs: &[f32], what: &str| {
            assert!(mine.len() == theirs.len() && mine.iter().any(|number| *number != 0.0), "{observation}: {what}");
            let apart = |(mine, theirs): (&f32, &f32)| (mine - theirs).abs() / mine.abs().max(1.0);
            let most = mine.iter().zip(theirs).map(apart).fold(0.0, f32::max);
            eprintln!("{observation}: {what} at most {most:.1e} apart");
            assert!(most <= 1e-5, "{observation}: {what} are {most:e} apart");
        };
        close(&mine.features, &theirs.features, "features");
        close(&mine.final_features, &theirs.final_features, "last features");
        let paid = |rollout: &Rollout, task: usize| {
            let at = (0..rollout.horizon).map(|t| (t * rollout.tasks + task) * rollout.rows());
            at.flat_map(|at| rollout.reward[at..at + rollout.rows()].to_vec()).collect::<Vec<f32>>()
        };
        for task in 0..mine.tasks {
            close(&paid(&mine, task), &paid(&theirs, task), &format!("rewards of task {task}"));
        }
    }
}

#[test]
fn traffic_by_a_network() {
    // Counts are the same on both, so what the network is told is as well.
    by_a_network("traffic/grid_4x4_queue.ron", &["environment.Traffic.observation=LaneCounts", "lanes=3"]);
}

#[test]
fn traffic_by_networks_that_decide_other_things_than_greens() {
    // Vehicles wait everywhere, so a longest green ends one.
    let town = r#"environment.Traffic.network={"Town": (crossings: 9, seed: 3)}"#;
    let trips = r#"environment.Traffic.demand={"Trips": (entry_per_h: 500)}"#;
    let [sumo, counts] = ["environment.Traffic.signals=SumoRl", "environment.Traffic.observation=LaneCounts"];
    let [masks, most] = ["environment.Traffic.masks=true", "environment.Traffic.max_green_s=20"];
    for sets in [
        vec![town, trips, "environment.Traffic.signals=YellowAndAllRed"],
        vec![sumo, most, "environment.Traffic.actions=Switch"],
        vec![sumo, "environment.Traffic.actions=Timed(durations_s: [4, 9.5, 20])", "environment.Traffic.decision_s=3"],
        vec![most, "environment.Traffic.actions=Timed(durations_s: [20])", "environment.Traffic.decision_s=7"],
    ] {
        let queues = "environment.Traffic.model=Queue()";
        by_a_network("traffic/grid_4x4_learned.ron", &[&[queues, counts, masks, "lanes=2"], &sets[..]].concat());
    }
}

fn by_a_network(name: &str, sets: &[&str]) {
    let Some(device) = device() else { return };
    let sets = [&SMALL[..], sets].concat();
    let mut sims = both(&file(name), &sets, device);
    let spec = sims[0].sim().spec().clone();
    let Space::Real { size, .. } = spec.observation else { panic!("a crossing sees numbers") };
    let net = Mlp::new(vec![size as usize, 16, spec.action.count() as usize], Activation::Tanh, 2.0, 3, 0);
    let head = if matches!(spec.action, Space::Masked(_)) { Head::Masked } else { Head::Categorical };
    let policy = NetworkPolicy { net, head, identities: 0 };
    let [mine, theirs] = sims.each_mut().map(|run| {
        assert!(run.sim().set_parametric(PolicyRef::Network(&policy)));
        run.sim().rollout(40).unwrap_or_else(|error| panic!("{error}"))
    });
    let first = (0..mine.action.len()).map(|index| mine.action.get(index)).collect::<std::collections::BTreeSet<u32>>();
    assert!(first.len() > 1, "{first:?}");
    assert_eq!(mine.action, theirs.action);
    assert_eq!(mine.features, theirs.features);
    let [host, there] = &mut sims;
    same_traffic(host.sim(), there.sim(), &sets);
}

#[test]
fn traffic_of_hangzhou() {
    let Ok(data) = std::env::var("ISONOMY_DATA") else {
        return eprintln!("SKIPPED: ISONOMY_DATA does not name the folder of the traffic networks");
    };
    let folder = format!("{data}/traffic/hangzhou_4x4");
    let network = format!("environment.Traffic.network=\"{folder}/roadnet.json\"");
    let demand = format!("environment.Traffic.demand=\"{folder}/flow_hz1.json\"");
    for rule in [r#"{"FixedTime": ()}"#, r#"{"MaxPressure": ()}"#] {
        let sets = [&network, &demand, &controller(rule), "environment.Traffic.duration_s=900", "lanes=1"];
        compare_traffic(&file("traffic/grid_4x4_queue.ron"), &sets.map(|set| set as &str));
        let sets = [&sets.map(|set| set as &str)[..], &MICRO].concat();
        compare_traffic(&file("traffic/grid_4x4_queue.ron"), &sets);
    }
}

#[test]
fn traffic_that_has_no_twin_is_left_to_the_processor() {
    let Some(device) = device() else { return };
    for (set, reason) in [
        (&["environment.Traffic.model=Micro"][..], "one by one in 64 bits"),
        (&["environment.Traffic.rewards=[Telescoping()]"][..], "more digits"),
        (&["environment.Traffic.step_s=0.1"][..], "1/1024"),
        (&["environment.Traffic.observation=Ma2c"][..], "what neighbours see"),
        (&["environment.Traffic.rewards=[QueueAndWait(neighbours: 0.9)]"][..], "what `neighbours` earn"),
        (&["environment.Traffic.duration_s=20000"][..], "16384 s"),
        (&[r#"controller={"MaxPressure": (dialect: Efficient)}"#][..], "fractions"),
        (&[r#"controller={"Webster": ()}"#][..], "this rule has no WGSL twin"),
        (&[r#"controller={"LongestWaitFirst": (keep: 1.1)}"#][..], "1/256"),
        (&[MICRO[0], MICRO[1], "environment.Traffic.following=Krauss(dawdling: 0.3)"], "drivers that dawdle"),
    ] {
        let sets = [&SMALL[..2], set, &["lanes=1"]].concat();
        let scenario = with(&file("traffic/grid_4x4_queue.ron"), &sets).scenario;
        let refused = Run::new(scenario, Means { threads: 1, device: Some(device) }).err();
        let refused = refused.unwrap_or_else(|| panic!("{set:?} has a twin")).to_string();
        assert!(refused.contains(reason), "{set:?}: {refused}");
    }
    let scenario = with(&file("traffic/shared_cycle.ron"), &["environment.Traffic.model=Queue()"]).scenario;
    let refused = Run::new(scenario, Means { threads: 1, device: Some(device) }).err().expect("no twin").to_string();
    assert!(refused.contains("`Split` has no WGSL twin"), "{refused}");
}
