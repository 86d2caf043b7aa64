//! What is known about every stage: worked numbers, degenerate cases, and what must hold for any estimator.

mod estimators;
mod properties;
mod stages;

use isonomy_engine::advantage::{AdvantageEstimator, Responses};

fn estimator(text: &str) -> Box<dyn AdvantageEstimator> {
    ron::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn near(found: &[f64], expected: &[f64]) {
    close(found, expected, 2e-6);
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{found:?}, not {expected:?}");
    let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < tolerance);
    assert!(close, "{found:?}, not {expected:?}");
}

/// Advantages of responses in these groups, of one token each.
fn of_groups(estimator: &dyn AdvantageEstimator, groups: &[&[f64]]) -> Vec<f64> {
    let group: Vec<u32> = groups.iter().enumerate().flat_map(|(g, of)| vec![g as u32; of.len()]).collect();
    let reward = groups.concat();
    of_batch(estimator, &Responses { group: &group, reward: &reward, ..Default::default() })
}

fn of_batch(estimator: &dyn AdvantageEstimator, batch: &Responses<'_>) -> Vec<f64> {
    for signal in estimator.needs() {
        assert!(signal.is_in(batch), "{estimator:?} needs {}", signal.name());
    }
    let mut advantage = vec![f64::NAN; batch.len() * batch.width()];
    estimator.estimate(batch, &mut advantage);
    advantage
}

const A: &[f64] = &[1.0, 0.0, 0.0, 0.0];
const B: &[f64] = &[1.0, 1.0, 0.0, 1.0];
const C: &[f64] = &[0.0; 4];
const D: &[f64] = &[1.0; 4];
