//! The queue model against the micro model: travel times close, controllers in the same order.

use super::{load, run};
use crate::traffic::controller::{Choose, FixedTime, LongestWaitFirst, MaxPressure, Sotl};
use crate::traffic::metrics::Summary;
use crate::traffic::queue::Model;

#[test]
fn travel_times_are_those_of_the_micro_model_within_a_few_percent() {
    let rules: [Option<&dyn Choose>; 5] = [
        None,
        Some(&FixedTime::default()),
        Some(&MaxPressure::default()),
        Some(&Sotl::default()),
        Some(&LongestWaitFirst::default()),
    ];
    let mut errors = Vec::new();
    for (folder, flow, times) in [
        ("hangzhou_4x4", "flow_hz1.json", [525.28, 575.56, 365.06, 354.13, 318.39]),
        ("hangzhou_4x4", "flow_hz2_5816.json", [f64::NAN, 563.88, 446.91, f64::NAN, f64::NAN]),
        ("jinan_3x4", "flow_jn1.json", [444.84, 514.14, 374.56, f64::NAN, f64::NAN]),
        ("jinan_3x4", "flow_jn2_2000.json", [f64::NAN, 425.31, 328.96, f64::NAN, f64::NAN]),
        ("manhattan_16x3", "flow.json", [f64::NAN, f64::NAN, 203.08, f64::NAN, f64::NAN]),
    ] {
        let Some(world) = load(folder, flow) else { return };
        let world = world.moved_by(Model::queue());
        let mut found = Vec::new();
        for (rule, expected) in rules.into_iter().zip(times).filter(|(_, expected)| !expected.is_nan()) {
            let begun = std::time::Instant::now();
            let mut lane = run(&world, rule, 10);
            let rate = lane.tally.updates as f64 / begun.elapsed().as_secs_f64() / 1e6;
            let summary = Summary::of(&world, lane.state().shown());
            let error = summary.average_travel_time_s / expected - 1.0;
            eprintln!("{folder}/{flow} {rule:?}: {:+.1} %, {rate:.1} M/s", 100.0 * error);
            errors.push(error.abs());
            assert!(error.abs() < 0.12, "{folder}/{flow} {rule:?}: {:+.1} %", 100.0 * error);
            found.push((expected, summary.average_travel_time_s));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(found.is_sorted_by(|a, b| a.1 <= b.1), "{folder}/{flow}: another order, {found:?}");
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    eprintln!("mean error {:.1} %", 100.0 * mean);
    assert!(mean < 0.06, "{mean}");
}
