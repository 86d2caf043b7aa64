//! What is known about curricula.

use super::*;
use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::Curriculum;

const NAMES: [&str; 3] = ["math", "code", "puzzle"];

fn shares(curriculum: &dyn Curriculum, step: u32, accuracy: [f64; 3]) -> Vec<f64> {
    let sampler = curriculum.begin(&NAMES);
    let mut memory = vec![0.0; sampler.memory() * 3];
    sampler.start(&mut memory);
    let data = [0.6, 0.3, 0.1];
    let progress = Progress { step, accuracy: &accuracy, best: &accuracy, data: &data, sampled: &data };
    let mut share = vec![f64::NAN; 3];
    sampler.share(&progress, &mut memory, &mut share);
    share
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 2e-6);
    assert!(close, "{found:?}, not {expected:?}");
}

#[test]
fn shares_of_the_plain_ones() {
    let accuracy = [0.5, 0.2, 0.2];
    near(&shares(&Uniform {}, 0, accuracy), &[1.0 / 3.0; 3]);
    near(&shares(&Proportional {}, 0, accuracy), &[0.6, 0.3, 0.1]);
    near(&shares(&WorstFirst {}, 0, accuracy), &[0.0, 1.0, 0.0]);
    let given: Box<dyn Curriculum> = ron::from_str(r#"{"Shares": (shares: [0.5, 0.25, 0.25])}"#).unwrap();
    near(&shares(&*given, 0, accuracy), &[0.5, 0.25, 0.25]);
}

fn cascade(text: &str) -> Box<dyn Curriculum> {
    ron::from_str(&format!(r#"{{"Cascade": (stages: {text})}}"#)).unwrap()
}

#[test]
fn stages_follow_each_other() {
    let two = cascade(r#"[(domains: ["puzzle"], steps: 2), (domains: ["math", "code"], steps: 3)]"#);
    assert!(two.check(&NAMES, 5).is_empty());
    for (step, expected) in [(0, [0.0, 0.0, 1.0]), (1, [0.0, 0.0, 1.0]), (2, [2.0 / 3.0, 1.0 / 3.0, 0.0])] {
        near(&shares(&*two, step, [0.5; 3]), &expected);
    }
    let sampler = two.begin(&NAMES);
    assert_eq!((0..7).filter(|&step| sampler.judges(step)).collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn cascades_that_cannot_be_meant_are_refused() {
    for (text, path) in [
        ("[]", "stages"),
        (r#"[(domains: ["maths"], steps: 5)]"#, "stages[0].domains[0]"),
        ("[(domains: [], steps: 5)]", "stages[0].domains"),
        (r#"[(domains: ["math"], steps: 4)]"#, "stages"),
    ] {
        let paths: Vec<_> = cascade(text).check(&NAMES, 5).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, [path], "{text}");
    }
    let few: Box<dyn Curriculum> = ron::from_str(r#"{"Shares": (shares: [0.5, 0.25, 0.2])}"#).unwrap();
    assert_eq!(few.check(&NAMES, 5)[0].path, "shares");
}

#[test]
fn vade_scores_and_counts() {
    near(&[0.1, 0.25, 1.0 / 3.0, 0.5, 0.75].map(score), &[0.081000, 0.140625, 0.148148, 0.125000, 0.046875]);
    near(&[expected_score(6.9, 2.9), expected_score(1.9, 7.9)], &[0.062486, 0.106964]);
    let vade: Box<dyn Curriculum> = ron::from_str(r#"{"Vade": ()}"#).unwrap();
    let sampler = vade.begin(&["a", "b"]);
    let mut memory = [1.0; 4];
    sampler.hear(&[6.0, 1.0], &[2.0, 7.0], &mut memory);
    near(&memory, &[6.9, 2.9, 1.9, 7.9]);
}

#[test]
fn vade_keeps_its_floor() {
    let vade: Box<dyn Curriculum> = ron::from_str(r#"{"Vade": (floor: 0.3)}"#).unwrap();
    let share = shares(&*vade, 0, [0.5; 3]);
    near(&[share.iter().sum()], &[1.0]);
    near(&share, &[0.1 + 0.7 * 0.6, 0.1 + 0.7 * 0.3, 0.1 + 0.7 * 0.1]);
}
