//! Climbing must lead up.

use hill_climb as _;
use isonomy as _;
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use std::path::Path;

fn climb() -> Run {
    let loaded = scenario::load(Path::new("scenario.ron"), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    Run::new(loaded.scenario, Means { threads: 1, device: None }).expect("builds")
}

#[test]
fn the_best_never_falls_and_rises_in_the_end() {
    let mut run = climb();
    let mut best = Vec::new();
    while let Some(iteration) = run.next_iteration().expect("the processor does not fail") {
        best.push(iteration.update.iter().find(|(name, _)| name == "best").expect("reported").1);
    }
    assert!(best.is_sorted());
    assert!(best[best.len() - 1] > best[0] * 1.2, "{} to {}", best[0], best[best.len() - 1]);
}

#[test]
fn a_checkpoint_goes_on_to_the_same_future() {
    let (mut whole, mut half) = (climb(), climb());
    for _ in 0..5 {
        whole.next_iteration().expect("the processor does not fail");
        half.next_iteration().expect("the processor does not fail");
    }
    let mut other = climb();
    assert!(other.restore(&half.checkpoint()));
    assert_eq!(whole.next_iteration().expect("runs"), other.next_iteration().expect("runs"));
}
