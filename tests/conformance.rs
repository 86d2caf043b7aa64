//! What is asked of every scenario of the tree.

mod every;

use every::{files, lanes, motley, name, run, sim, small, with};
use isonomy::engine::columns::{self, Utility};
use isonomy::engine::rollout::Rollout;
use isonomy::engine::run::{Iteration, Run};
use isonomy::engine::scenario::{Scenario, parse};
use isonomy::engine::sim::{Sim, Snapshot};
use isonomy::engine::spec::Space;
use proptest::prelude::*;
use std::path::Path;

/// More than two episodes; the last step is within one.
fn steps(sim: &Sim) -> usize {
    2 * sim.spec().time_limit as usize + 1
}

/// The simulation of a scenario in which everything may happen.
fn motley_sim(scenario: Scenario, threads: usize) -> Sim {
    let mut sim = sim(scenario, threads, None);
    let policy = motley(sim.spec());
    sim.set_policy(&policy);
    sim
}

fn rollout(sim: &mut Sim, horizon: usize) -> Rollout {
    sim.rollout(horizon).expect("the processor cannot fail")
}

/// What the iterations to come show, as text: a NaN is to be equal to itself.
fn iterations(run: &mut Run) -> Vec<String> {
    let next = || run.next_iteration().expect("the processor cannot fail");
    std::iter::from_fn(next).map(|iteration: Iteration| format!("{iteration:?}")).collect()
}

/// A typed scenario as a file, and as it is compared.
fn written(scenario: &Scenario) -> String {
    ron::ser::to_string_pretty(scenario, ron::ser::PrettyConfig::default()).expect("a scenario can be written")
}

#[test]
fn loads_and_survives_being_written_down() {
    for file in files() {
        let loaded = with(&file, &[]);
        let text = written(&loaded.scenario);
        for copy in [&text, &loaded.text] {
            let again = parse(copy, "copy", Path::new("nowhere"), &[]);
            let again = again.unwrap_or_else(|problems| panic!("{}: {problems}\n{copy}", name(&file)));
            assert_eq!(written(&again.scenario), text, "{}", name(&file));
        }
        assert!(!loaded.scenario.about.is_empty(), "{} does not say what it asks", name(&file));
    }
}

#[test]
fn stays_inside_its_spec() {
    for file in files() {
        let scenario = small(&file, lanes(&file, 65), 1);
        let motley = scenario.environment.spec().action.is_discrete();
        // Its own policy, then one in which everything may happen.
        let mut run = run(scenario, 1);
        for motley in [false, motley] {
            if motley {
                let policy = self::motley(run.sim().spec());
                run.sim().set_policy(&policy);
            }
            let horizon = steps(run.sim());
            let rollout = rollout(run.sim(), horizon);
            inside(&name(&file), run.sim(), &rollout);
        }
    }
}

fn inside(name: &str, sim: &Sim, rollout: &Rollout) {
    let (spec, rows) = (sim.spec(), rollout.rows());
    let mut actions = (0..rollout.action.len()).map(|at| rollout.action.get(at));
    match spec.action {
        Space::Discrete(count) => assert!(actions.all(|action| action < count), "{name}: an action"),
        Space::Masked(count) => {
            assert!(actions.all(|action| action < count), "{name}: an action");
            for features in rollout.features.chunks_exact(rollout.size) {
                let mask = &features[rollout.size - count as usize..];
                assert!(mask.iter().all(|free| [0.0, 1.0].contains(free)), "{name}: {mask:?} is no mask");
                assert!(mask.contains(&1.0), "{name}: nothing can be chosen");
            }
        }
        Space::Real { .. } => assert!(actions.all(|bits| f32::from_bits(bits).is_finite()), "{name}: an action"),
    }
    if let Space::Real { size, low, high } = spec.observation {
        assert_eq!(rollout.size, size as usize, "{name}");
        for seen in [&rollout.features, &rollout.final_features, &rollout.next_features] {
            let outside = seen.iter().find(|seen| !(low..=high).contains(*seen));
            assert_eq!(outside, None, "{name}: a feature is not in {low}..={high}");
        }
    }
    for seen in [&rollout.observation, &rollout.final_observation, &rollout.next_observation] {
        assert!((0..seen.len()).all(|at| seen.get(at) < spec.observation.count()), "{name}: an observation");
    }
    for (at, reward) in rollout.reward.iter().enumerate() {
        let (low, high) = spec.tasks[at / rows % rollout.tasks].reward;
        assert!((low..=high).contains(reward), "{name}: {reward} is not in {low}..={high}");
    }
    assert!(rollout.shaped.iter().all(|shaped| shaped.is_finite()), "{name}: a shaped reward");
    // Whoever has terminated stays, and earns nothing until the clock starts the next episode.
    for at in 0..rollout.observation.len() {
        let (t, row) = (at / rows, at % rows);
        if !spec.terminal.contains(&rollout.observation.get(at)) {
            continue;
        }
        let earned = (0..rollout.tasks).map(|task| rollout.reward[(t * rollout.tasks + task) * rows + row]);
        assert!(earned.into_iter().all(|reward| reward == 0.0), "{name}: a terminal state pays");
        if !rollout.truncated(t) && t + 1 < rollout.horizon {
            assert_eq!(rollout.observation.get(at + rows), rollout.observation.get(at), "{name}: a way out of the end");
        }
    }
}

#[test]
fn the_seed_decides() {
    for file in files() {
        let of_seed = |offset: u64| {
            let mut scenario = small(&file, lanes(&file, 100), 1);
            scenario.seed = scenario.seed.wrapping_add(offset);
            let mut sim = motley_sim(scenario, 1);
            let horizon = steps(&sim);
            (rollout(&mut sim, horizon), sim.snapshot())
        };
        let (first, again, other) = (of_seed(0), of_seed(0), of_seed(1));
        assert!(first == again, "{}: the same seed, other bytes", name(&file));
        // Where there is a single action and nothing is drawn, seeds have nothing to decide.
        let decides = sim(small(&file, 1, 1), 1, None).spec().action.count() > 1;
        assert!(!decides || first != other, "{}: another seed, the same bytes", name(&file));
    }
}

#[test]
fn threads_change_nothing() {
    for file in files() {
        let of_threads = |threads: usize| {
            let mut sim = motley_sim(small(&file, lanes(&file, 517), 1), threads);
            let horizon = sim.spec().time_limit as usize + 1;
            let trajectory = rollout(&mut sim, horizon);
            (trajectory, sim.snapshot(), iterations(&mut run(small(&file, lanes(&file, 517), 2), threads)))
        };
        let one = of_threads(1);
        assert!(one == of_threads(2), "{}: two threads", name(&file));
        assert!(one == of_threads(7), "{}: seven threads", name(&file));
    }
}

/// What one agent saw and did in one step, as bits.
fn seen_and_done(rollout: &Rollout, at: usize) -> Vec<u32> {
    let mut all = vec![rollout.action.get(at)];
    match rollout.size {
        0 => all.push(rollout.observation.get(at)),
        size => all.extend(rollout.features[at * size..][..size].iter().map(|seen| seen.to_bits())),
    }
    all
}

/// All that happened in lane 3, as numbers that can be compared.
fn third(rollout: &Rollout) -> Vec<u32> {
    let (rows, mut all) = (rollout.rows(), Vec::new());
    for t in 0..rollout.horizon {
        for row in 3 * rollout.agents..4 * rollout.agents {
            all.extend(seen_and_done(rollout, t * rows + row));
            for task in 0..rollout.tasks {
                let at = (t * rollout.tasks + task) * rows + row;
                all.push(rollout.reward[at].to_bits());
                all.extend(rollout.shaped.get(at).map(|shaped| shaped.to_bits()));
            }
        }
    }
    all
}

#[test]
fn lanes_do_not_know_of_each_other() {
    for file in files() {
        let among = |wanted: usize| {
            let mut sim = motley_sim(small(&file, lanes(&file, wanted), 1), 2);
            let horizon = steps(&sim);
            third(&rollout(&mut sim, horizon))
        };
        assert!(among(4) == among(400), "{}: lane 3 among 4 and among 400", name(&file));
    }
}

#[test]
fn fused_rollouts_are_those_of_the_schedule() {
    for file in files() {
        for lanes in [1, 63, 300].map(|wanted| lanes(&file, wanted)) {
            let (mut fused, mut scheduled) =
                (motley_sim(small(&file, lanes, 1), 2), motley_sim(small(&file, lanes, 1), 1));
            // The second rollout begins within an episode, and fairness rewards know what was earned before.
            for horizon in [steps(&fused), 3] {
                let mine = rollout(&mut fused, horizon);
                let mut theirs = scheduled.room(horizon);
                scheduled.run_schedule(horizon, Some(&mut theirs));
                assert!(mine == theirs, "{}: trajectories of {lanes} lanes", name(&file));
                assert!(fused.snapshot() == scheduled.snapshot(), "{}: columns of {lanes} lanes", name(&file));
                assert_eq!(fused.take_returns(), scheduled.take_returns(), "{}", name(&file));
            }
        }
    }
}

#[test]
fn a_checkpoint_leads_to_the_same_future() {
    for file in files() {
        let begin = || {
            let mut scenario = small(&file, lanes(&file, 33), 1);
            scenario.iterations = 6.try_into().expect("six is not zero");
            run(scenario, 2)
        };
        let mut whole = begin();
        // Rollouts begin and end within an episode from here on.
        let odd = whole.sim().spec().time_limit as usize / 2 + 1;
        whole.sim().advance(odd).expect("the processor cannot fail");
        for _ in 0..3 {
            whole.next_iteration().expect("the processor cannot fail");
        }
        let checkpoint = whole.checkpoint();
        let future = iterations(&mut whole);
        assert_eq!(future.len(), 3, "{}", name(&file));

        let mut again = begin();
        assert!(again.restore(&checkpoint), "{}", name(&file));
        assert_eq!((again.done(), again.checkpoint() == checkpoint), (3, true), "{}", name(&file));
        assert!(iterations(&mut again) == future, "{}: another future", name(&file));
        assert!(again.policy() == whole.policy(), "{}: another policy", name(&file));
        // Going back in the run itself leads there too.
        assert!(whole.restore(&checkpoint), "{}", name(&file));
        assert!(iterations(&mut whole) == future, "{}: another future the second time", name(&file));

        let mut smaller = run(small(&file, lanes(&file, 33) - 1, 6), 1);
        assert!(!smaller.restore(&checkpoint), "{}: it took a checkpoint of one lane more", name(&file));
    }
}

#[test]
fn a_reset_lane_is_a_new_one() {
    let mut compared = 0;
    for file in files() {
        let begin = || motley_sim(small(&file, lanes(&file, 65), 1), 1);
        let (mut old, mut new) = (begin(), begin());
        let limit = old.spec().time_limit as usize;
        old.advance(limit).expect("the processor cannot fail");
        old.take_returns();
        let utility = columns::column::<Utility>(old.world());
        assert!(utility.iter().all(|utility| utility.0 == 0.0), "{}: something is left", name(&file));
        let certain = |model: isonomy::engine::model::TabularModel| model.start.iter().all(|&p| p == 0.0 || p == 1.0);
        if !small(&file, 1, 1).environment.model().is_some_and(certain) {
            continue;
        }
        compared += 1;
        // The new lane's clock is put forward, so that both are given the same noise.
        let (step, expected) = (old.steps(), old.snapshot().expected);
        let late = Snapshot { step, expected, ..new.snapshot() };
        assert!(new.restore(&late));
        let horizon = steps(&old);
        assert!(rollout(&mut old, horizon) == rollout(&mut new, horizon), "{}", name(&file));
        assert!(columns::column::<Utility>(old.world()) == columns::column::<Utility>(new.world()), "{}", name(&file));
    }
    assert!(compared >= 3, "only {compared} scenarios start with certainty");
}

/// What can be done to a simulation.
#[derive(Clone, Debug)]
enum Deed {
    Step,
    Advance(usize),
    Rollout(usize),
    Keep,
    GoBack(prop::sample::Index),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        Just(Deed::Step),
        (0..25_usize).prop_map(Deed::Advance),
        (0..25_usize).prop_map(Deed::Rollout),
        Just(Deed::Keep),
        any::<prop::sample::Index>().prop_map(Deed::GoBack),
    ];
    prop::collection::vec(deed, 1..10)
}

/// Part of a rollout as numbers: what was seen, done and earned in some of its steps.
fn part(rollout: &Rollout, steps: std::ops::Range<usize>) -> Vec<u32> {
    let rows = rollout.rows();
    let cells = steps.start * rows..steps.end * rows;
    let mut all: Vec<u32> = cells.flat_map(|at| seen_and_done(rollout, at)).collect();
    for earned in [&rollout.reward, &rollout.shaped] {
        let per_step = earned.len() / rollout.horizon.max(1);
        all.extend(earned[steps.start * per_step..steps.end * per_step].iter().map(|earned| earned.to_bits()));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done, and in whatever order: a simulation at a step is the simulation at that step.
    #[test]
    fn the_past_does_not_matter(which in any::<prop::sample::Index>(), deeds in deeds(), threads in 1..4_usize) {
        let file = which.get(&files()).clone();
        let begin = || motley_sim(small(&file, lanes(&file, 17), 1), threads);
        let longest = deeds.len() * 25;
        let mut plain = begin();
        let mut hashes = vec![plain.hash()];
        for _ in 0..longest {
            plain.step();
            hashes.push(plain.hash());
        }
        let mut whole = plain.room(0);
        if deeds.iter().any(|deed| matches!(deed, Deed::Rollout(_))) {
            plain = begin();
            whole = plain.room(longest);
            plain.run_schedule(longest, Some(&mut whole));
        }

        let mut sim = begin();
        let mut kept = vec![sim.snapshot()];
        for deed in deeds {
            let before = sim.steps() as usize;
            match deed {
                Deed::Step => sim.step(),
                Deed::Advance(horizon) => sim.advance(horizon)?,
                Deed::Rollout(horizon) => {
                    let rollout = sim.rollout(horizon)?;
                    prop_assert!(part(&rollout, 0..horizon) == part(&whole, before..before + horizon));
                }
                Deed::Keep => kept.push(sim.snapshot()),
                Deed::GoBack(to) => prop_assert!(sim.restore(to.get(&kept))),
            }
            prop_assert_eq!(sim.hash(), hashes[sim.steps() as usize], "{} at step {}", name(&file), sim.steps());
        }
    }
}
