//! Training runs: skills and what they are measured by, in expectation and drawn.

use super::both;
use super::every::{device, file, with};
use isonomy::engine::columns::column;
use isonomy::engine::run::{Means, Run};
use isonomy::envs::reasoning::cascade_sim::Skill;

/// A field of `CascadeSim`.
fn cascade(set: &str) -> String {
    format!("environment.CascadeSim.{set}")
}

/// Compares what training runs are measured by at their end. Returns by how much the measures are apart, at most: counts of
/// responses and lengths as parts of themselves.
fn cascade_measures(name: &str, sets: &[&str]) -> f64 {
    let Some(device) = device() else { return 0.0 };
    let [mine, theirs] = both(&file(name), sets, device).map(|mut run| {
        let steps = run.sim().spec().time_limit as usize;
        run.sim().advance(steps).unwrap_or_else(|error| panic!("{name} {sets:?}: {error}"));
        run.sim().take_returns().expect("a training run ended")
    });
    let mut apart: f64 = 0.0;
    let generated = mine.measures.iter().find(|(measure, _)| measure == "generated").map_or(1.0, |(_, count)| *count);
    for ((measure, mine), (_, theirs)) in mine.measures.iter().zip(&theirs.measures) {
        // What is dropped is a difference of counts in single precision.
        let scale = if measure == "dropped" { generated } else { mine.abs() };
        let part = (mine - theirs).abs() / scale.max(1.0);
        assert!(part.is_finite(), "{name} {sets:?}: {measure} {mine} and {theirs}");
        if part > 1e-5 {
            eprintln!("{name} {sets:?}: {measure} {mine} and {theirs}");
        }
        apart = apart.max(part);
    }
    for (mine, theirs) in mine.sums.iter().zip(&theirs.sums) {
        apart = apart.max(f64::from((mine - theirs).abs()));
    }
    apart
}

const CASCADE_WEIGHTS: [&str; 9] = [
    "None",
    r#"{"WelfareGradient": (welfare: {"Nash": ()})}"#,
    r#"{"WelfareGradient": (welfare: {"MaxMin": ()})}"#,
    r#"{"WelfareGradient": (welfare: {"SoftMin": (sharpness: 5)}, floor: 0.3)}"#,
    r#"{"WelfareGradient": (welfare: {"AlphaFair": (alpha: 2)})}"#,
    r#"{"WelfareGradient": (welfare: {"Utilitarian": ()})}"#,
    r#"{"LocalGlobal": (welfare: {"Nash": ()}, global: 0.5)}"#,
    r#"{"GroupDro": (rate: 0.1, cap: 0.4, reducible: true)}"#,
    r#"{"Floors": (floors: [0.8, 0.8, 0.9], rate: 0.5)}"#,
];

const CASCADE_SAMPLING: [&str; 6] = [
    r#"{"Proportional": ()}"#,
    r#"{"Uniform": ()}"#,
    r#"{"Shares": (shares: [0.2, 0.3, 0.5])}"#,
    r#"{"WorstFirst": ()}"#,
    r#"{"Vade": (floor: 0.1)}"#,
    r#"{"Cascade": (stages: [(domains: ["math"], steps: 17), (domains: ["puzzle", "code"], steps: 33)])}"#,
];

const CASCADE_ESTIMATORS: [&str; 8] = [
    r#"{"DrGrpo": ()}"#,
    r#"{"Rloo": ()}"#,
    r#"{"Grpo": ()}"#,
    r#"{"Grpo": (dialect: Trl)}"#,
    r#"{"Grpo": (dialect: Population)}"#,
    r#"{"Reinforce": ()}"#,
    r#"{"Ngrpo": ()}"#,
    r#"{"GrpoPassK": ()}"#,
];

#[test]
fn cascades_in_expectation() {
    let mut worst: f64 = 0.0;
    let mut compare = |name: &str, sets: &[&str]| {
        let apart = cascade_measures(name, sets);
        eprintln!("{name} {sets:?}: {apart:.1e}");
        assert!(apart < 1e-4, "{name} {sets:?}: {apart}");
        worst = worst.max(apart);
    };
    let tri = "reasoning/tri.ron";
    for lanes in ["lanes=1", "lanes=3", "lanes=65"] {
        compare(tri, &[lanes]);
        // Domains ask for more or less by chance, which moves their shares.
        compare(tri, &[lanes, r#"controller={"Uniform": ()}"#]);
    }
    for weights in CASCADE_WEIGHTS {
        compare(tri, &[&cascade(&format!("weights={weights}"))]);
    }
    for sampling in CASCADE_SAMPLING {
        compare(tri, &[&cascade(&format!("sampling={sampling}"))]);
    }
    for estimator in CASCADE_ESTIMATORS {
        compare(tri, &[&cascade(&format!("estimator={estimator}"))]);
    }
    compare(tri, &[&cascade(r#"filter={"DapoFilter": ()}"#)]);
    compare(tri, &[&cascade("responses=1024"), &cascade("plasticity=true")]);
    for name in ["cascade", "collapse", "conflict", "hard_tail", "impossible", "length", "long_tail"] {
        compare(&format!("reasoning/{name}.ron"), &["lanes=2", &cascade("mode=Expected")]);
    }
    eprintln!("at most {worst:.1e}");
}

/// Prompts and right answers of every domain of every lane in the step that was made, where nothing is remembered of the
/// steps before and no group is dropped.
fn answers(run: &mut Run, prompts: f64, responses: f64) -> Vec<[i64; 2]> {
    let of = |skill: &Skill| {
        let drawn = skill.share * prompts;
        [drawn.round() as i64, (skill.accuracy * drawn * responses).round() as i64]
    };
    column::<Skill>(run.sim().world()).iter().map(of).collect()
}

#[test]
fn cascades_draw_the_same_answers() {
    let Some(device) = device() else { return };
    let (mut all, mut apart, mut furthest) = (0, 0, 0.0f64);
    for (name, lanes) in [("cascade", 63), ("collapse", 1), ("hard_tail", 33), ("length", 65), ("conflict", 7)] {
        let sets = [format!("lanes={lanes}"), cascade("momentum=0"), cascade("prompts=100")];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let [mut host, mut there] = both(&file(&format!("reasoning/{name}.ron")), &sets, device);
        assert!(there.sim().is_on_device());
        for _ in 0..20 {
            for run in [&mut host, &mut there] {
                run.sim().advance(1).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let [mine, theirs] = [&mut host, &mut there].map(|run| answers(run, 100.0, 8.0));
            let skills = [&mut host, &mut there].map(|run| column::<Skill>(run.sim().world()).to_vec());
            for (index, (mine, theirs)) in mine.iter().zip(&theirs).enumerate() {
                all += mine[1];
                apart += (mine[1] - theirs[1]).abs();
                assert!(
                    (mine[0] - theirs[0]).abs() <= 1 && (mine[1] - theirs[1]).abs() <= 9,
                    "{name}: {mine:?} {theirs:?}"
                );
                if mine == theirs {
                    furthest = furthest.max((skills[0][index].skill - skills[1][index].skill).abs());
                }
            }
            // Both go on from where the processor is.
            let snapshot = host.sim().snapshot();
            assert!(there.sim().restore(&snapshot));
        }
    }
    eprintln!("{apart} of {all} right answers differ; skills are at most {furthest:.1e} apart");
    assert!(all > 100_000 && apart <= all / 100_000, "{apart} of {all}");
}

#[test]
fn cascades_of_samples_end_alike() {
    let Some(device) = device() else { return };
    let method = [cascade(r#"weights={"GroupDro": (rate: 0.1)}"#), cascade(r#"estimator={"Grpo": ()}"#)];
    let filter = [cascade(r#"filter={"DapoFilter": ()}"#), cascade("prompts=37"), cascade("kl=0.05")];
    for (name, lanes, sets) in [
        ("tri", 65, &[cascade("mode=Sampled")][..]),
        ("tri", 33, &[cascade("mode=Sampled"), cascade(r#"sampling={"Vade": (floor: 0.1)}"#)]),
        ("cascade", 63, &[]),
        ("collapse", 33, &method),
        ("hard_tail", 17, &[]),
        ("length", 33, &filter),
        (
            "impossible",
            5,
            &[cascade("responses=64"), cascade("bids=[1]"), r#"controller={"Always": (action: 0)}"#.to_owned()],
        ),
    ] {
        let lanes = format!("lanes={lanes}");
        let sets: Vec<&str> = sets.iter().map(String::as_str).chain([&*lanes]).collect();
        let [mut host, mut there] = both(&file(&format!("reasoning/{name}.ron")), &sets, device);
        assert!(there.sim().is_on_device(), "{name}");
        let steps = host.sim().spec().time_limit as usize;
        for run in [&mut host, &mut there] {
            run.sim().advance(steps - 1).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let agents = host.sim().spec().agents() as usize;
        let skills = [&mut host, &mut there].map(|run| column::<Skill>(run.sim().world()).to_vec());
        let lane = |(mine, theirs): (&[Skill], &[Skill])| {
            mine.iter().zip(theirs).map(|(mine, theirs)| (mine.skill - theirs.skill).abs()).fold(0.0, f64::max)
        };
        let mut apart: Vec<f64> =
            skills[0].chunks_exact(agents).zip(skills[1].chunks_exact(agents)).map(lane).collect();
        apart.sort_by(f64::total_cmp);
        let parted = apart.iter().filter(|apart| **apart > 1e-4).count();
        eprintln!(
            "{name} {sets:?}: {parted} of {} runs parted, skills at most {:.1e} apart",
            apart.len(),
            apart[apart.len() - 1]
        );
        // Who draws one answer more goes its own way from there, and not far.
        assert!(parted * 10 <= apart.len() && apart.iter().all(|apart| *apart < 0.1), "{name}: {apart:?}");
        for run in [&mut host, &mut there] {
            run.sim().advance(1).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let [mine, theirs] = [&mut host, &mut there].map(|run| run.sim().take_returns().expect("a training run ended"));
        for ((measure, mine), (_, theirs)) in mine.measures.iter().zip(&theirs.measures) {
            let most = 1e-4 * mine.abs().max(1.0) + if parted > 0 { 5e-3 } else { 0.0 };
            assert!((mine - theirs).abs() <= most, "{name}: {measure} {mine} and {theirs}");
        }
    }
}

#[test]
fn cascades_without_a_twin_are_refused() {
    let Some(device) = device() else { return };
    for (set, reason) in [
        (r#"estimator={"Copo": ()}"#, "Copo looks at the whole batch"),
        (r#"estimator={"Opo": ()}"#, "Opo looks at lengths"),
        (r#"loss={"Gmpo": ()}"#, "a `loss`"),
        (r#"sampling={"Equitable": (aggregate: Max)}"#, "Equitable"),
        (r#"weights={"WelfareGradient": (welfare: {"Jain": ()})}"#, "Jain has no WGSL twin"),
        ("responses=65", "groups of 65 responses"),
    ] {
        let scenario = with(&file("reasoning/length.ron"), &[&cascade(set), "lanes=1"]).scenario;
        let refused =
            Run::new(scenario, Means { threads: 1, device: Some(device) }).err().expect("there is no such twin");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}
