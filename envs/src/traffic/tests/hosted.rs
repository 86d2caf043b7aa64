//! The environment in the engine: scenarios, rules as plugins, measures, rewards.

use super::data;
use crate::traffic::reward::Payment;
use crate::traffic::{Streets, Traffic};
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use std::collections::BTreeMap;
use std::path::Path;

/// The metrics of a scenario file of the tree, with values replaced.
fn metrics(file: &str, sets: &[String]) -> BTreeMap<String, f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/traffic").join(file);
    let loaded = scenario::load(&path, sets).unwrap_or_else(|problems| panic!("{problems}"));
    let mut run =
        Run::new(loaded.scenario, Means { threads: 2, device: None }).unwrap_or_else(|error| panic!("{error}"));
    let iteration = run.next_iteration().expect("the processor cannot fail").expect("one iteration");
    iteration.metrics().into_iter().collect()
}

#[test]
fn a_folder_of_cityflow_gives_its_numbers() {
    let Some(data) = data() else { return };
    let folder = data.join("hangzhou_4x4");
    let sets = |controller: &str| {
        vec![
            format!("environment.Traffic.network=\"{}/roadnet.json\"", folder.display()),
            format!("environment.Traffic.demand=\"{}/flow_hz1.json\"", folder.display()),
            format!("controller={{\"{controller}\": ()}}"),
        ]
    };
    for (controller, travel, mean, worst) in [
        ("MaxPressure", 365.06, 71.4, 624.6),
        ("FixedTime", 575.56, 248.9, 639.0),
        ("LongestWaitFirst", 318.39, 20.4, f64::NAN),
    ] {
        let found = metrics("cityflow.ron", &sets(controller));
        assert!((found["average_travel_time_s"] - travel).abs() <= 0.01, "{controller}: {found:?}");
        assert!((found["wait_mean_s"] - mean).abs() <= 0.05, "{controller}: {found:?}");
        assert!(worst.is_nan() || (found["worst_movement_wait_s"] - worst).abs() <= 0.05, "{controller}: {found:?}");
    }
    let own = metrics(
        "cityflow.ron",
        &[sets("MaxPressure"), vec!["environment.Traffic.own_tables=true".to_owned()]].concat(),
    );
    assert!((own["average_travel_time_s"] - 525.28).abs() <= 0.01, "{own:?}");
}

#[test]
fn scenarios_of_the_tree_run() {
    for controller in [
        "FixedTime",
        "MaxPressure",
        "AdvancedPressure",
        "StarvationSafePressure",
        "Sotl",
        "MaxWave",
        "LongestWaitFirst",
        "Webster",
    ] {
        let sets = [
            format!("controller={{\"{controller}\": ()}}"),
            "environment.Traffic.duration_s=1200".to_owned(),
            "lanes=1".to_owned(),
        ];
        let found = metrics("grid_4x4.ron", &sets);
        eprintln!(
            "{controller}: {:.1} s, mean wait {:.1} s, worst movement {:.1} s",
            found["average_travel_time_s"], found["wait_mean_s"], found["worst_movement_wait_s"]
        );
        assert!((100.0..450.0).contains(&found["average_travel_time_s"]), "{controller}: {found:?}");
        assert!(found["vehicles_finished"] > 300.0, "{controller}: {found:?}");
    }
    let sets = [
        "environment.Traffic.rewards=[Fair(team: 0.3), Queue()]",
        "environment.Traffic.model=Queue()",
        "environment.Traffic.observation=SumoRl",
        "environment.Traffic.groups=Network",
        "environment.Traffic.duration_s=600",
    ];
    let queues = metrics("grid_4x4.ron", &sets.map(str::to_owned));
    assert!(
        queues["vehicles_finished"] > 100.0 && queues["groups.network.tasks.queue.return_mean"] < 0.0,
        "{queues:?}"
    );
    let dawdling = "environment.Traffic.following=Krauss(dawdling: 0.3)".to_owned();
    let dawdlers = metrics("grid_4x4.ron", &[dawdling, "environment.Traffic.duration_s=600".to_owned()]);
    assert!(dawdlers["vehicles_finished"] > 100.0, "{dawdlers:?}");
    let single = metrics("grid_4x4.ron", &["environment.Traffic.precision=Single".to_owned()]);
    let double = metrics("grid_4x4.ron", &[]);
    let [in_64_s, in_32_s] = [&double, &single].map(|of| of["average_travel_time_s"]);
    eprintln!("grid_4x4.ron: {in_64_s:.3} s, in 32 bits {in_32_s:.3} s");
    assert!((in_32_s / in_64_s - 1.0).abs() < 0.001, "{in_64_s} s, in 32 bits {in_32_s} s");
    let small = metrics("cityflow.ron", &[]);
    assert!(small["vehicles_finished"] > 1000.0, "{small:?}");
}

#[test]
fn every_observation_and_reward_stays_inside() {
    use isonomy_engine::lanes::{At, LaneDynamics, LaneState};
    let all = "[Fair(), Queue(), Pressure(), PressLight(), Halt(), QueueAndWait(neighbours: 0.9), WaitDifference(), Speed(), WaitingShare(), Telescoping(), QueuePressure()]";
    for observation in [
        "Fair",
        "FairLocal",
        "LaneCounts",
        "PressLight",
        "MovementPressure",
        "DrqNorm",
        "WaveAndWait",
        "Ma2c",
        "QueuePressure",
        "SumoRl",
        "FairLight",
    ] {
        let text = format!(
            "(network: {{\"Grid\": (rows: 2, columns: 2)}}, demand: {{\"Entries\": (main_per_h: 900, side_per_h: 500, buses: 0.2)}}, duration_s: 600, observation: {observation}, rewards: {all}, costs: [Starved(after_s: 60), BehindNetwork(), BusesBehindCars(), LongestWait()])"
        );
        let traffic: Traffic = ron::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        use isonomy_engine::environment::Environment;
        let spec = traffic.spec();
        let isonomy_engine::spec::Space::Real { size, low, high } = spec.observation else { panic!("numbers") };
        let streets = Streets::new(&traffic, traffic.world().expect("a network").clone());
        type Columns = <Streets as LaneDynamics>::State;
        let mut lane = crate::traffic::host::Columns::new(&streets);
        let at = |elapsed| At { lane: 0, episode: 0, elapsed, words: &[] };
        streets.start(at(0), lane.view());
        let (mut seen, mut paid) = (vec![0.0; 4 * size as usize], vec![0.0; 4 * spec.tasks.len()]);
        let (mut returned, mut starved) = (0.0, 0.0);
        for step in 0..spec.time_limit {
            streets.observe(at(step), Columns::shared(&lane.view()), &mut seen);
            assert!(seen.iter().all(|seen| (low..=high).contains(seen)), "{observation}: {seen:?}");
            let action: Vec<u32> = (0..4).map(|agent| (agent + step / 3) % 9).collect();
            streets.step(at(step), &action, lane.view(), &mut paid);
            for (task, paid) in spec.tasks.iter().zip(paid.chunks_exact(4)) {
                let inside = |paid: &f32| (task.reward.0..=task.reward.1).contains(paid);
                assert!(paid.iter().all(inside), "{}: {paid:?} in {:?}", task.name, task.reward);
            }
            starved += paid[11 * 4..12 * 4].iter().sum::<f32>();
            // What waits between two lights counts for one and against the other.
            let (world, queues) = (streets.world(), lane.view().1);
            let outside = |way: u32| world.network.crossings[world.network.roads[way as usize].from as usize].boundary;
            let entering = world.network.lanes.iter().zip(&*queues).filter(|(lane, _)| outside(lane.road));
            let entering: u32 =
                entering.filter(|(lane, _)| !lane.leaving.is_empty()).map(|(_, chain)| chain.waiting).sum();
            assert_eq!(paid[10 * 4..11 * 4].iter().sum::<f32>(), -(entering as f32));
            returned += paid[9 * 4..10 * 4].iter().map(|&paid| f64::from(paid)).sum::<f64>();
        }
        assert!(seen.iter().any(|&seen| seen != 0.0), "{observation}");
        // What is given at the end: the longest wait in units of 600 s, the same to all.
        let longest = lane.vehicles.iter().map(|vehicle| vehicle.waited).max().unwrap_or(0);
        assert!(starved > 0.0 && paid[14 * 4..] == [longest as f32 / 600.0; 4], "{starved}, {longest}: {paid:?}");
        let final_waits = lane.vehicles.iter().map(|vehicle| f64::from(vehicle.waited).powi(2) / 2.0 / 1000.0);
        let expected = -final_waits.sum::<f64>();
        assert!((returned / expected - 1.0).abs() < 1e-4, "{returned} is not {expected}");
    }
    assert!(matches!(Payment::fair(), Payment::Fair { .. }));
}

#[test]
fn neighbours_are_seen_and_paid_for() {
    use isonomy_engine::lanes::{At, LaneDynamics, LaneState};
    let text = "(network: {\"Grid\": (rows: 1, columns: 3)}, demand: {\"Entries\": (main_per_h: 900, side_per_h: 500)}, duration_s: 300, observation: Ma2c, rewards: [QueueAndWait(neighbours: 0.5), QueueAndWait()])";
    let traffic: Traffic = ron::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let streets = Streets::new(&traffic, traffic.world().expect("a network").clone());
    let mut lane = crate::traffic::host::Columns::new(&streets);
    let at = |elapsed| At { lane: 0, episode: 0, elapsed, words: &[] };
    streets.start(at(0), lane.view());
    // Twelve lanes come to each, and the one in the middle has two neighbours.
    let (mut seen, mut paid) = (vec![0.0; 3 * 12 * 4], vec![0.0; 6]);
    let mut waves = 0.0;
    for step in 0..30 {
        streets.step(at(step), &[0; 3], lane.view(), &mut paid);
        let own = &paid[3..];
        let expected = [own[0] + 0.5 * own[1], own[1] + 0.5 * (own[0] + own[2]), own[2] + 0.5 * own[1]];
        assert!(paid[..3].iter().zip(expected).all(|(paid, expected)| (paid - expected).abs() < 1e-3), "{paid:?}");
        streets.observe(at(step), <Streets as LaneDynamics>::State::shared(&lane.view()), &mut seen);
        let wave = |crossing: usize, lane: usize| seen[crossing * 48 + 2 * lane];
        for lane in 0..12 {
            let sent = |crossing: usize, neighbour: usize| seen[crossing * 48 + 24 + neighbour * 12 + lane];
            let expected = [0.9 * wave(1, lane), 0.9 * wave(0, lane), 0.9 * wave(2, lane), 0.9 * wave(1, lane)];
            let found = [sent(0, 0), sent(1, 0), sent(1, 1), sent(2, 0)];
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{found:?}");
            assert_eq!([sent(0, 1), sent(2, 1)], [0.0; 2]);
            waves += wave(1, lane);
        }
    }
    assert!(waves > 0.0);
}
