//! What cannot be meant is refused, with its place and what would do. What can be meant survives being written down.

use super::{all, options, scenario};
use crate::TabularMdp;
use crate::tabular_mdp::{Group, Mdp, Task};
use isonomy_engine::environment::Environment;
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::path::Path;

/// The problems of an environment in RON, as `path: message (help)`.
fn problems(ron: &str) -> Vec<String> {
    let environment = options().from_str::<Box<dyn Environment>>(ron).unwrap_or_else(|error| panic!("{error}"));
    environment.check().iter().map(ToString::to_string).collect()
}

/// A river, some of whose parts are replaced.
fn river(replacements: &[(&str, &str)]) -> String {
    let ron = r#"{"RiverSwim": (places: 6, time_limit: 20,
        groups: [(name: "A", agents: 1, advance: 0.35, stay: 0.60, start: At(place: 0))],
        tasks: [(name: "swim", payments: [(place: 5, stroke: Right, reward: 1.0)])],
    )}"#;
    replacements.iter().fold(ron.to_owned(), |ron, (from, to)| ron.replacen(from, to, 1))
}

#[test]
fn rivers_that_cannot_be_meant() {
    assert_eq!(problems(&river(&[])), [""; 0]);
    let cases = [
        (("places: 6", "places: 1"), "places: 1 places make no river (a river has from 2 to 65536 places)"),
        (
            ("places: 6", "places: 4000000000"),
            "places: 4000000000 places make no river (a river has from 2 to 65536 places)",
        ),
        (
            ("stay: 0.60", "stay: 0.70"),
            "groups[0].stay: advance and stay sum to 1.0499999999999998 (their sum is at most 1; what remains is the chance to drift back)",
        ),
        (
            ("At(place: 0)", "At(place: 6)"),
            "groups[0].start.place: place 6 is outside the river (the river's 6 places are numbered from 0 to 5)",
        ),
        (
            ("At(place: 0)", "Chances([0.5, 0.5])"),
            "groups[0].start: 2 chances for 6 places (give one chance per place)",
        ),
        (
            ("At(place: 0)", "Chances([0.5, 0.25, 0.0, 0.0, 0.0, 0.0])"),
            "groups[0].start: the chances sum to 0.75 (they must sum to 1)",
        ),
        (
            ("place: 5, stroke", "place: 6, stroke"),
            "tasks[0].payments[0].place: place 6 is outside the river (the river's 6 places are numbered from 0 to 5)",
        ),
        (
            ("reward: 1.0", "reward: 1e300"),
            "tasks[0].payments[0].reward: too large for a 32-bit float (use smaller units)",
        ),
        (
            ("[(place: 5, stroke: Right, reward: 1.0)]", "[]"),
            "tasks[0].payments: this task pays nothing (give at least one payment)",
        ),
        (("name: \"A\"", "name: \"\""), "groups[0].name: the name is empty (tables and records need a name)"),
        (
            ("agents: 1,", "agents: 4000000000,"),
            "groups: 4000000000 agents in one lane (use at most 16777216 agents per lane, and more lanes)",
        ),
        (
            ("[(name: \"A\", agents: 1, advance: 0.35, stay: 0.60, start: At(place: 0))]", "[]"),
            "groups: there are no groups (give at least one)",
        ),
    ];
    for (replacement, expected) in cases {
        assert_eq!(problems(&river(&[replacement])), [expected]);
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let ron = river(&[("stay: 0.60", "stay: 0.70"), ("At(place: 0)", "At(place: 9)"), ("place: 5, s", "place: 7, s")]);
    assert_eq!(problems(&ron).len(), 3);
}

#[test]
fn types_refuse_what_no_river_has() {
    let cases = [
        ("agents: 1", "agents: 0"),
        ("advance: 0.35", "advance: -0.1"),
        ("advance: 0.35", "advance: NaN"),
        ("advance: 0.35", "advance: 1.5"),
        ("time_limit: 20", "time_limit: 0"),
        ("stroke: Right", "stroke: Up"),
        ("reward: 1.0", "reward: inf"),
        ("places: 6", "places: 6, colour: 3"),
    ];
    for (from, to) in cases {
        let ron = river(&[(from, to)]);
        assert!(options().from_str::<Box<dyn Environment>>(&ron).is_err(), "{to}");
    }
}

#[test]
fn banks_that_cannot_be_meant() {
    let bank = |repay: &str, start: &str| {
        problems(&format!(
            r#"{{"Lending": (time_limit: 5, repay: {repay}, groups: [
                (name: "A", agents: 1, start: {start}), (name: "A", agents: 1, start: [0.5, 0.5]),
            ])}}"#
        ))
    };
    let twice = "groups[1].name: groups[0] has the same name, \"A\" (give every one a name of its own)";
    assert_eq!(bank("[0.1, 0.2]", "[1.0, 0.0]"), [twice]);
    assert_eq!(
        bank("[0.1, 0.2]", "[0.5, 0.6]"),
        [twice, "groups[0].start: the chances sum to 1.1 (they must sum to 1)"]
    );
    assert_eq!(
        bank("[0.1, 0.2]", "[1.0]"),
        [twice, "groups[0].start: 1 chances for 2 credit scores (give as many as `repay` has)"]
    );
    assert!(bank("[]", "[]").iter().any(|problem| problem.starts_with("repay: 0 credit scores")));
}

#[test]
fn tables_that_cannot_be_meant() {
    let inline = super::text("tabular_mdp/inline.ron");
    let check = |from: &str, to: &str| -> Vec<String> {
        assert!(inline.contains(from), "{from}");
        let environment = super::parse(&inline.replacen(from, to, 1)).unwrap();
        environment.check().iter().map(ToString::to_string).collect()
    };
    let cases = [
        (
            ("[0.0, 0.9, 0.1]", "[0.0, 0.9, 0.2]"),
            "mdp.groups[1].next[0][1]: the chances of group \"B\" in state 0 after action 1 sum to 1.1 (they must sum to 1)",
        ),
        (
            ("[0.0, 0.9, 0.1]", "[0.0, 1.1, -0.1]"),
            "mdp.groups[1].next[0][1][1]: the chances of group \"B\" in state 0 after action 1: 1.1 is no chance (chances are from 0 to 1)",
        ),
        (
            ("[0.0, 0.9, 0.1]", "[0.0, NaN, 0.1]"),
            "mdp.groups[1].next[0][1][1]: the chances of group \"B\" in state 0 after action 1: NaN is no chance (chances are from 0 to 1)",
        ),
        (
            ("[0.0, 0.9, 0.1]", "[0.9, 0.1]"),
            "mdp.groups[1].next[0][1]: the chances of group \"B\" in state 0 after action 1: 2 chances for 3 states (give one chance per state)",
        ),
        (
            ("terminal: [2]", "terminal: [2, 3]"),
            "mdp.terminal[1]: there is no state 3 (the 3 states are numbered from 0 to 2)",
        ),
        (
            ("[[0.0, 0.0], [1.0, 1.0], []]", "[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]"),
            "mdp.tasks[0].reward[2]: state 2 is terminal and pays nothing (leave its row empty; pay for the way there)",
        ),
        (
            ("[[0.0, 0.0], [1.0, 1.0], []]", "[[0.0, 0.0], [1.0], []]"),
            "mdp.tasks[0].reward[1]: 1 rewards for 2 actions (give one reward per action)",
        ),
        (
            ("[[0.0, 0.0], [1.0, 1.0], []]", "[[0.0, 0.0], [1.0, inf], []]"),
            "mdp.tasks[0].reward[1][1]: inf is not a finite 32-bit float",
        ),
        (
            ("reward: [[0.0, 0.0], [1.0, 1.0], []]", "reward: []"),
            "mdp.tasks[0].reward: no rewards here, and none of its own in group \"A\" (give `[states][actions]`)",
        ),
        (
            ("start: [1.0, 0.0, 0.0]", "start: [0.5, 0.0, 0.0]"),
            "mdp.groups[0].start: the start of group \"A\" sum to 0.5 (they must sum to 1)",
        ),
    ];
    for ((from, to), expected) in cases {
        assert_eq!(check(from, to), [expected]);
    }
    assert!(check("states: 3", "states: 4000000000").len() > 3);
    assert_eq!(problems(r#"{"TabularMdp": ()}"#), ["no MDP is given (give either `mdp` or `file`)"]);
    assert_eq!(problems(r#"{"TabularMdp": (file: "x.json")}"#), ["file: x.json has not been read"]);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let resolve = |name: &str, text: Option<&[u8]>| {
        if let Some(text) = text {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut mdp = TabularMdp { file: Some(name.to_owned()), mdp: None };
        mdp.resolve(folder.path()).map_err(|problem| problem.to_string())
    };
    let good = std::fs::read(super::folder().join("tabular_mdp/two_steps.json")).unwrap();
    assert_eq!(resolve("good.json", Some(&good)), Ok(()));
    let error = |name: &str, text: Option<&[u8]>| resolve(name, text).unwrap_err();
    assert!(error("absent.json", None).starts_with("file: cannot read "));
    assert!(error("empty.json", Some(b"")).contains("EOF"));
    assert!(error("binary.ron", Some(&[0xff, 0xfe, 0])).starts_with("file: cannot read "));
    assert!(error("mdp.yaml", Some(&good)).contains(".json or .ron"));
    let bad = String::from_utf8(good).unwrap().replace("0.9, 0.1", "0.9, 0.2");
    let message = error("bad.json", Some(bad.as_bytes()));
    assert!(message.contains("bad.json: groups[1].next[0][1]:") && message.contains("sum to 1.1"), "{message}");
}

#[test]
fn every_environment_can_be_exported() {
    for (name, environment) in all() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let copy = TabularMdp::from_model(&spec, &model);
        assert_eq!(copy.check(), [], "{name}");
        assert_near(&copy.model().unwrap(), &model);
        assert_eq!(copy.spec().groups, spec.groups);
    }
}

#[test]
fn scenarios_survive_being_written_down() {
    for (name, environment) in all() {
        let json = serde_json::to_string(&*environment).unwrap();
        let ron = options().to_string(&*environment).unwrap();
        let from_json: Box<dyn Environment> = serde_json::from_str(&json).unwrap();
        let from_ron: Box<dyn Environment> = options().from_str(&ron).unwrap_or_else(|e| panic!("{name}: {e}\n{ron}"));
        assert_eq!(serde_json::to_string(&*from_ron).unwrap(), json, "{name}");
        assert_eq!(from_ron.model(), environment.model(), "{name}");
        assert_near(&from_json.model().unwrap(), &environment.model().unwrap());
    }
}

#[test]
fn a_file_is_taken_into_the_scenario() {
    let environment = scenario("tabular_mdp/from_file.ron");
    let json = serde_json::to_value(&*environment).unwrap();
    assert!(json["TabularMdp"].get("file").is_none() && json["TabularMdp"].get("mdp").is_some());
    let mut both = TabularMdp { file: Some("two_steps.json".to_owned()), mdp: None };
    both.resolve(&super::folder().join("tabular_mdp")).unwrap();
    both.file = Some("two_steps.json".to_owned());
    both.resolve(Path::new("/nowhere")).unwrap();
    assert_eq!(both.check().len(), 1);
}

fn assert_near(found: &isonomy_engine::model::TabularModel, expected: &isonomy_engine::model::TabularModel) {
    let pairs = [(&found.start, &expected.start), (&found.next, &expected.next), (&found.reward, &expected.reward)];
    for (found, expected) in pairs {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{found} is not {expected}");
        }
    }
}

fn count(value: usize) -> NonZeroU32 {
    NonZeroU32::new(value as u32).unwrap()
}

/// Distributions over `n` states, often with zeros.
fn chances(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![Just(0.0), 0.001..1.0_f64], n).prop_map(|mut weights| {
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            weights[0] = 1.0;
            return weights;
        }
        weights.iter().map(|weight| weight / sum).collect()
    })
}

prop_compose! {
    fn mdps()(states in 1..5_usize, actions in 1..4_usize, groups in 1..4_usize, tasks in 1..3_usize)(
        time_limit in 1..8_usize,
        starts in prop::collection::vec(chances(states), groups),
        next in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(chances(states), actions), states), groups,
        ),
        rewards in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(-5.0..5.0_f64, actions), states), tasks,
        ),
        agents in prop::collection::vec(1..4_usize, groups),
        terminal in prop::option::of(0..states),
    ) -> TabularMdp {
        let ends = |state: usize| Some(state) == terminal;
        let group = |z: usize| Group {
            name: format!("group {z}"),
            agents: count(agents[z]),
            start: starts[z].clone(),
            next: (0..starts[z].len()).map(|s| if ends(s) { Vec::new() } else { next[z][s].clone() }).collect(),
            reward: None,
        };
        let task = |(m, reward): (usize, &Vec<Vec<f64>>)| Task {
            name: format!("task {m}"),
            reward: (0..reward.len()).map(|s| if ends(s) { Vec::new() } else { reward[s].clone() }).collect(),
        };
        TabularMdp { file: None, mdp: Some(Mdp {
            time_limit: count(time_limit),
            states: count(starts[0].len()),
            actions: count(rewards[0][0].len()),
            groups: (0..starts.len()).map(group).collect(),
            tasks: rewards.iter().enumerate().map(task).collect(),
            terminal: terminal.into_iter().map(|state| state as u32).collect(),
        }) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mdp_survives_being_written_down(mdp in mdps()) {
        prop_assert_eq!(mdp.check(), []);
        let ron = options().to_string(&mdp).unwrap();
        let again: TabularMdp = options().from_str(&ron).unwrap();
        prop_assert_eq!(&again, &mdp);
        let json: TabularMdp = serde_json::from_str(&serde_json::to_string(&mdp).unwrap()).unwrap();
        assert_near(&json.model().unwrap(), &mdp.model().unwrap());
        prop_assert_eq!(json.spec().groups, mdp.spec().groups);
    }

    #[test]
    fn returns_stay_within_what_rewards_allow(mdp in mdps()) {
        let (spec, model) = (mdp.spec(), mdp.model().unwrap());
        let returns = model.evaluate(&spec, &super::motley(&spec));
        for group in 0..model.groups {
            for (task, bounds) in spec.tasks.iter().enumerate() {
                let steps = f64::from(spec.time_limit);
                let (low, high) = (steps * f64::from(bounds.reward.0), steps * f64::from(bounds.reward.1));
                let value = returns.get(group, task);
                prop_assert!(value >= low - 1e-5 && value <= high + 1e-5, "{value} is not in {low}..{high}");
            }
            let weights = vec![1.0; model.tasks];
            let plan = model.evaluate(&spec, &model.plan(&weights).policy(&spec));
            prop_assert!(plan.totals()[group] >= returns.totals()[group] - 1e-9, "a plan is no worse than chance");
        }
    }
}
