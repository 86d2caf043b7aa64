//! Training in several domains, as scenarios describe it: the tables of the reference scenario, what is refused, and
//! recorded responses replayed.

mod every;

use every::{file, run, with};
use isonomy::engine::run::Iteration;
use isonomy::engine::scenario;
use std::process::{Command, Output};

/// The last iteration of a scenario with some of its values replaced.
fn last(name: &str, sets: &[&str]) -> Iteration {
    let mut run = run(with(&file(name), sets).scenario, 1);
    let all = std::iter::from_fn(|| run.next_iteration().expect("the processor cannot fail"));
    all.last().expect("there is an iteration")
}

fn metrics<const N: usize>(iteration: &Iteration, names: [&str; N]) -> [f64; N] {
    let all = iteration.metrics();
    names.map(|name| all.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {all:?}")).1)
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    close(found, expected, 1e-6);
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < tolerance);
    assert!(close, "{found:?}, not {expected:?}");
}

const ACCURACIES: [&str; 4] =
    ["groups.math.accuracy", "groups.code.accuracy", "groups.puzzle.accuracy", "worst_domain"];

#[test]
fn accuracies_after_fifty_steps() {
    for (sets, expected) in [
        (&[][..], [0.946795, 0.741073, 0.682459, 0.682459]),
        (&[r#"environment.CascadeSim.sampling={"Uniform": ()}"#][..], [0.903315, 0.795711, 0.880010, 0.795711]),
        (
            &[r#"environment.CascadeSim.weights={"WelfareGradient": (welfare: {"Nash": ()})}"#],
            [0.903490, 0.817008, 0.867174, 0.817008],
        ),
        (&[r#"environment.CascadeSim.weights={"GroupDro": (rate: 0.1)}"#], [0.890349, 0.840345, 0.870191, 0.840345]),
        (&[r#"environment.CascadeSim.sampling={"WorstFirst": ()}"#], [0.863317, 0.873090, 0.871465, 0.863317]),
        (&[r#"environment.CascadeSim.estimator={"Rloo": ()}"#], [0.953960, 0.780687, 0.712469, 0.712469]),
        (&[r#"environment.CascadeSim.estimator={"Grpo": (dialect: Limit)}"#], [0.994376, 0.932619, 0.903829, 0.903829]),
    ] {
        near(&metrics(&last("reasoning/tri.ron", sets), ACCURACIES), &expected);
    }
}

#[test]
fn a_domains_return_is_its_accuracy() {
    let trained = last("reasoning/tri.ron", &[]);
    let found = metrics(&trained, ["groups.math.return_mean", "groups.code.return_mean", "return_min"]);
    close(&found, &[0.946795, 0.741073, 0.682459], 2e-6);
}

#[test]
fn group_dro_ends_with_its_distribution() {
    let trained = last("reasoning/tri.ron", &[r#"environment.CascadeSim.weights={"GroupDro": (rate: 0.1)}"#]);
    let q = |name: &str| {
        let [weight, share] = metrics(&trained, [&format!("groups.{name}.weight"), &format!("groups.{name}.share")]);
        weight * share
    };
    near(&["math", "code", "puzzle"].map(q), &[0.214433, 0.426751, 0.358815]);
}

#[test]
fn plasticity_changes_the_numbers() {
    let [math] = metrics(&last("reasoning/tri.ron", &["environment.CascadeSim.plasticity=true"]), [ACCURACIES[0]]);
    close(&[math], &[0.941], 5e-4);
}

fn stages(order: &str) -> String {
    let stage = |domain: &str| format!(r#"(domains: ["{domain}"], steps: 17)"#);
    let stages: Vec<String> = order.split(' ').map(stage).collect();
    format!(r#"environment.CascadeSim.sampling={{"Cascade": (stages: [{}])}}"#, stages.join(", "))
}

#[test]
fn cascades_in_every_order() {
    for (order, accuracies, [mean, worst, gap, forgetting]) in [
        ("math code puzzle", [0.886738, 0.773317, 0.907258], [0.855771, 0.773317, 0.133941, 0.032833]),
        ("math puzzle code", [0.879582, 0.846439, 0.858772], [0.861598, 0.846439, 0.033143, 0.029190]),
        ("code math puzzle", [0.913645, 0.640123, 0.911152], [0.821640, 0.640123, 0.273521, 0.086909]),
        ("code puzzle math", [0.924506, 0.633732, 0.903614], [0.820617, 0.633732, 0.290774, 0.088663]),
        ("puzzle math code", [0.892039, 0.843282, 0.849346], [0.861556, 0.843282, 0.048757, 0.028911]),
        ("puzzle code math", [0.923096, 0.721715, 0.865878], [0.836896, 0.721715, 0.201381, 0.060720]),
    ] {
        let trained =
            last("reasoning/cascade.ron", &["lanes=1", "environment.CascadeSim.mode=Expected", &stages(order)]);
        near(&metrics(&trained, [ACCURACIES[0], ACCURACIES[1], ACCURACIES[2]]), &accuracies);
        near(&metrics(&trained, ["mean", "worst_domain", "gap", "forgetting"]), &[mean, worst, gap, forgetting]);
    }
}

#[test]
fn a_published_cascade() {
    let trained = last("reasoning/nemotron_cascade.ron", &[]);
    let names = ["mean", "worst_domain", "gap", "variance", "gini", "forgetting"];
    near(&metrics(&trained, names), &[0.70566667, 0.372, 0.507, 0.0278165556, 0.123603, 0.00916667]);
    let distilled = last("reasoning/nemotron_cascade.ron", &["environment.StageReplay.distil=1"]);
    near(&metrics(&distilled, ["mean", "forgetting"]), &[0.71483333, 0.0]);
}

/// Samples lie where expectations say, for every kind of estimator: by counts, by responses, over the batch.
#[test]
fn samples_follow_expectations() {
    let of = |mode: &str, estimator: &str| {
        let sets = [
            format!("environment.CascadeSim.mode={mode}"),
            format!(r#"environment.CascadeSim.estimator={estimator}"#),
            "environment.CascadeSim.steps=10".to_owned(),
            "environment.CascadeSim.plasticity=false".to_owned(),
            format!("lanes={}", if mode == "Sampled" { 200 } else { 1 }),
            tri_without_spread(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        metrics(&last("reasoning/tri.ron", &sets), [ACCURACIES[0], ACCURACIES[1], ACCURACIES[2]])
    };
    for estimator in [r#"{"DrGrpo": ()}"#, r#"{"Grpo": ()}"#, r#"{"Ngrpo": ()}"#, r#"{"Grpo": (dialect: Limit)}"#] {
        close(&of("Sampled", estimator), &of("Expected", estimator), 4e-3);
    }
    // With halves of one size and μ = 1/2, CANON is Dr. GRPO.
    let canon = of("Sampled", r#"{"Canon": (metric: Entropy, across: 0.5)}"#);
    close(&canon, &of("Expected", r#"{"DrGrpo": ()}"#), 4e-3);
}

fn tri_without_spread() -> String {
    let domain = |(name, share, difficulty): (&str, f64, f64)| {
        format!(
            "(name: \"{name}\", share: {share}, difficulty: {difficulty}, difficulty_spread: 0, length: (limit: None))"
        )
    };
    let all = [("math", 0.6, 0.0), ("code", 0.3, 0.5), ("puzzle", 0.1, 1.0)].map(domain).join(", ");
    format!("environment.CascadeSim.domains=[{all}]")
}

#[test]
fn combinations_that_cannot_work_are_refused() {
    for (sets, told) in [
        (
            &[r#"environment.CascadeSim.shaper={"DomainBonus": (bonus: [0, 0, 0.2])}"#][..],
            "DrGrpo cannot see what DomainBonus does",
        ),
        (
            &[
                r#"environment.CascadeSim.shaper={"DomainFactor": (factor: [1, 1, 2])}"#,
                r#"environment.CascadeSim.estimator={"Grpo": ()}"#,
            ],
            "Grpo cannot see what DomainFactor does",
        ),
        (
            &[
                r#"environment.CascadeSim.estimator={"Ngrpo": ()}"#,
                r#"environment.CascadeSim.filter={"DapoFilter": ()}"#,
            ],
            "drops the groups in which all fail",
        ),
        (
            &[
                r#"environment.CascadeSim.estimator={"Ngrpo": ()}"#,
                r#"environment.CascadeSim.filter={"Rsr": (filter: {"DapoFilter": ()})}"#,
            ],
            "drops the groups in which all fail",
        ),
        (
            &[r#"environment.CascadeSim.filter={"Rsr": (filter: {"DapoFilter": ()})}"#],
            "in expectation nothing is left over for the next step",
        ),
        (&[r#"environment.CascadeSim.estimator={"Copo": ()}"#], "which mode: Expected does not have"),
        (&[r#"environment.CascadeSim.estimator={"Gae": ()}"#], "needs the values of a critic"),
        (&[r#"environment.CascadeSim.estimator={"Gpg": ()}"#], "depend on the whole batch"),
        (&[r#"environment.CascadeSim.sampling={"Shares": (shares: [1, 1, 1])}"#], "the shares sum to 3"),
        (&[r#"environment.CascadeSim.weights={"GroupDro": (rate: 0.1, cap: 0.2)}"#], "cannot share 1"),
    ] {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let problems = scenario::load(&file("reasoning/tri.ron"), &sets).unwrap_err().to_string();
        assert!(problems.contains(told), "{problems}");
    }
    // A bonus that differs within a group, and a factor that the estimator does see, are fine.
    with(&file("reasoning/tri.ron"), &[r#"environment.CascadeSim.shaper={"DomainFactor": (factor: [1, 1, 2])}"#]);
}

/// VADE, dynamic sampling and recovery stand together, and surplus groups are used up rather than thrown away.
#[test]
fn groups_that_wait_are_counted() {
    let sets = [
        "environment.CascadeSim.mode=Sampled",
        r#"environment.CascadeSim.sampling={"Vade": (floor: 0.1)}"#,
        r#"environment.CascadeSim.filter={"Rsr": (filter: {"DapoFilter": ()})}"#,
        "lanes=4",
    ];
    let trained = last("reasoning/tri.ron", &sets);
    let [recovered, generated, dropped] = metrics(&trained, ["recovered", "generated", "dropped"]);
    // 50 steps of 128 prompts and 8 responses; who waits in the end is learned from no more.
    assert!(recovered > 0.0 && generated - dropped >= 50.0 * 1024.0, "{recovered} {generated} {dropped}");
    assert!(generated - dropped < 51.0 * 1024.0 && recovered < generated, "{recovered} {generated} {dropped}");
}

fn isonomy(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it starts")
}

#[test]
fn what_a_run_prints() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run");
    let out = folder.to_str().expect("a temporary folder's name is text");
    let output = isonomy(&["run", "scenarios/reasoning/tri.ron", "--format", "json", "--out", out]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    near(&[number(&summary["metrics"]["worst_domain"])], &[0.682459]);
    near(&[number(&summary["groups"]["math"]["accuracy"])], &[0.946795]);
}

/// Writes responses to a file and replays an estimator on them.
fn replay(text: &str, args: &[&str]) -> Output {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = scratch.path().join("rollouts.jsonl");
    std::fs::write(&path, text).expect("it can be written");
    let path = path.to_str().expect("a temporary folder's name is text");
    isonomy(&[&["advantages", "--in", path], args].concat())
}

/// Two prompts of math, one of them mixed, and one of code at which all fail.
fn recorded() -> String {
    let mut lines = Vec::new();
    for (prompt, domain, rewards) in [(1, "math", [1, 0, 0, 0]), (2, "math", [1, 1, 1, 1]), (3, "code", [0, 0, 0, 0])] {
        for (response, reward) in rewards.iter().enumerate() {
            let length = 10 + 5 * response;
            lines.push(format!(
                r#"{{"prompt": {prompt}, "response": {response}, "domain": "{domain}", "reward": {reward}, "length": {length}}}"#
            ));
        }
    }
    lines.join("\n")
}

#[test]
fn recorded_responses_are_replayed() {
    let of = |estimator: &str| {
        let output = replay(&recorded(), &["--estimator", estimator, "--format", "json"]);
        assert!(output.status.success(), "{output:?}");
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an array");
        let column = |row: usize, name: &str| rows[row][name].as_f64().expect("a number");
        [0, 1].map(|row| [column(row, "effective_weight"), column(row, "zero_signal"), column(row, "reward_shift")])
    };
    // Dr. GRPO learns nothing from code, NGRPO does: it pushes away from what failed.
    near(of("dr_grpo").as_flattened(), &[1.0, 0.5, 0.09375, 0.0, 1.0, 0.0]);
    let [math, code] = of("ngrpo");
    assert!(code[0] > 0.3 && code[1] == 0.0 && math[1] == 0.5, "{math:?} {code:?}");
    near(&[math[0] + code[0]], &[1.0]);
}

#[test]
fn a_broken_line_is_told_with_its_place() {
    let broken = recorded() + "\n{\"prompt\": 4, \"domain\": \"code\", \"reward\": }";
    let output = replay(&broken, &["--estimator", "grpo"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("rollouts.jsonl:13:43: expected value"), "{told}");
    let above = recorded() + "\n{\"prompt\": 4, \"domain\": \"code\", \"reward\": 2, \"response\": 0, \"length\": 1}";
    let output = replay(&above, &["--estimator", "ngrpo"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(":13:33: a reward of 2, but Ngrpo is made for at most 1"), "{told}");
    let output = replay(&recorded(), &["--estimator", "copo"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Copo needs final answers"), "{told}");
    let output = replay(&recorded(), &["--estimator", "grppo"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("did you mean Grpo?"), "{told}");
}
