//! Networks that learn, as a user would run them.

#![cfg(feature = "neural")]

mod every;

use every::{file, run, small};

#[test]
fn a_training_run_tells_its_gain_with_an_interval() {
    let mut scenario = small(&file("reasoning/tasks_small.ron"), 3, 16);
    scenario.iterations = 1.try_into().expect("one");
    scenario.horizon = Some(2.try_into().expect("two"));
    let mut run = run(scenario, 2);
    let iteration = run.next_iteration().expect("the processor cannot fail").expect("there is one");
    let earnings = iteration.training.as_ref().expect("an episode has ended");
    let (lanes, agents) = (3, 2);
    // Sums are [tasks, lanes, agents]; the second task is the gain.
    let gain: Vec<f64> = earnings.sums[lanes * agents..]
        .chunks_exact(agents)
        .map(|lane| lane.iter().map(|gain| f64::from(*gain)).sum::<f64>() / agents as f64)
        .collect();
    let mean = gain.iter().sum::<f64>() / 3.0;
    let error = (gain.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / 2.0 / 3.0).sqrt();
    let metrics = iteration.metrics();
    let metric = |name: &str| metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1;
    assert!((metric("gain") - mean).abs() < 1e-6 && (metric("gain.standard_error") - error).abs() < 1e-6);
    assert!((metric("mean") - metric("mean_before") - mean).abs() < 1e-6);
    assert_eq!((metric("updates") <= 2.0, metric("generated")), (true, 16.0));
    for name in ["before", "accuracy", "majority", "above_majority"] {
        assert!(metric(&format!("groups.bool 2.{name}")).is_finite());
    }
    assert!(metric("groups.bool 2.majority") > 0.4 && metric("groups.rev 2.majority") < 0.1);
}
