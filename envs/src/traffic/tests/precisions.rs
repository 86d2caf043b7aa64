//! The micro model in 32 bits beside the one in 64.

use super::{load, run};
use crate::traffic::controller::{Choose, FixedTime, LongestWaitFirst, MaxPressure, Sotl};
use crate::traffic::precision::Precision;

/// Average travel times of an hour in both precisions, and how far they are apart relative to the first.
fn apart(folder: &str, flow: &str, rule: Option<&dyn Choose>) -> Option<f64> {
    let [double, single] = [Precision::Double, Precision::Single].map(|precision| {
        let world = load(folder, flow)?.computed_in(precision);
        let mut lane = run(&world, rule, 10);
        Some(world.average_travel_time_s(&lane.state().shown()))
    });
    let (double, single) = (double?, single?);
    let apart = single / double - 1.0;
    eprintln!("{folder}/{flow} {rule:?}: {double:.2} s, in 32 bits {single:.2} s, {:+.3} %", 100.0 * apart);
    Some(apart)
}

#[test]
fn travel_times_in_32_bits() {
    let rules: [Option<&dyn Choose>; 5] = [
        None,
        Some(&FixedTime::default()),
        Some(&MaxPressure::default()),
        Some(&Sotl::default()),
        Some(&LongestWaitFirst::default()),
    ];
    let mut found = Vec::new();
    for (folder, flow) in [
        ("syn_1x1", "flow_800.json"),
        ("syn_1x1", "flow_1600.json"),
        ("syn_1x1", "flow_2400.json"),
        ("syn_2x2", "flow.json"),
        ("hangzhou_4x4", "flow_hz1.json"),
    ] {
        for rule in rules {
            let Some(apart) = apart(folder, flow, rule) else { return };
            assert!(apart.abs() < 0.02, "{folder}/{flow} {rule:?}: {apart}");
            found.push(apart);
        }
    }
    let mean = found.iter().map(|apart| apart.abs()).sum::<f64>() / found.len() as f64;
    assert!(mean < 0.001, "{mean}");
}
