//! The composed shader of every scenario is valid, which needs no adapter to find out.

mod every;

use every::{file, files, name, run, sim, small, with};
use isonomy::engine::gpu::compose;
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Asserts that a shader is well, and has one entry point that counts in one dimension.
fn validate(shader: &str, name: &str) {
    let module = wgsl::parse_str(shader).unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(shader)));
    let outcome = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    outcome.unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(shader)));
    let entry = module.entry_points.iter().find(|entry| entry.name == "rollout");
    let entry = entry.unwrap_or_else(|| panic!("{name}: no entry point"));
    assert_eq!(entry.stage, naga::ShaderStage::Compute, "{name}");
    assert_eq!(entry.workgroup_size[1..], [1, 1], "{name}: invocations are counted in one dimension");
}

#[test]
fn shaders_of_lanes_are_valid_with_who_acts_in_them() {
    let mut valid = 0;
    for file in files() {
        let Some(Ok(shader)) = sim(small(&file, 1, 1), 1, None).lane_shader() else { continue };
        validate(&shader, &name(&file));
        if let Some(Ok(shader)) = run(small(&file, 1, 1), 1).sim().lane_shader() {
            validate(&shader, &name(&file));
            valid += 1;
        }
    }
    assert!(valid >= 5, "days of EV charging, training runs, traffic and both kinds of data centres have twins");
}

#[test]
fn shaders_of_training_runs_are_valid_with_every_method() {
    let welfare = [r#""Nash": ()"#, r#""MaxMin": ()"#, r#""SoftMin": (sharpness: 5)"#, r#""AlphaFair": (alpha: 2)"#];
    let weights = welfare.iter().map(|welfare| format!(r#"weights={{"WelfareGradient": (welfare: {{{welfare}}})}}"#));
    let others = [
        r#"weights={"LocalGlobal": (welfare: {"Utilitarian": ()}, global: 0.5)}"#,
        r#"weights={"GroupDro": (rate: 0.1)}"#,
        r#"weights={"Floors": (floors: [0.8, 0.8, 0.8], rate: 0.5)}"#,
        r#"sampling={"Uniform": ()}"#,
        r#"sampling={"Shares": (shares: [0, 0.5, 0.5])}"#,
        r#"sampling={"WorstFirst": ()}"#,
        r#"sampling={"Vade": ()}"#,
        r#"sampling={"Cascade": (stages: [(domains: ["code"], steps: 25), (domains: ["math", "puzzle"], steps: 25)])}"#,
        r#"filter={"DapoFilter": ()}"#,
    ];
    let methods: Vec<String> = weights.chain(others.map(str::to_owned)).collect();
    for method in &methods {
        for mode in ["Expected", "Sampled"] {
            let sets = [format!("environment.CascadeSim.{method}"), format!("environment.CascadeSim.mode={mode}")];
            let scenario = with(&file("reasoning/tri.ron"), &sets.each_ref().map(String::as_str)).scenario;
            let shader = sim(scenario, 1, None).lane_shader().expect("its agents move together");
            validate(&shader.unwrap_or_else(|error| panic!("{sets:?}: {error}")), &format!("{sets:?}"));
        }
    }
}

#[test]
fn shaders_of_vehicles_one_by_one_are_valid_by_every_law() {
    for following in ["CityFlow", "Krauss(dawdling: 0.0)", "Idm()"] {
        let following = format!("environment.Traffic.following={following}");
        let sets = ["environment.Traffic.model=Micro", "environment.Traffic.precision=Single", &following];
        let scenario = with(&file("traffic/grid_4x4_queue.ron"), &sets).scenario;
        let shader = run(scenario, 1).sim().lane_shader().expect("its agents move together");
        validate(&shader.unwrap_or_else(|error| panic!("{sets:?}: {error}")), &following);
    }
}

#[test]
fn every_composed_shader_is_valid() {
    let (mut valid, mut shaped) = (0, 0);
    for file in files() {
        let sim = sim(small(&file, 1, 1), 1, None);
        let Some(twin) = sim.twin() else { continue };
        let shapes = sim.shape_twins().unwrap_or_default();
        shaped += usize::from(!shapes.is_empty());
        validate(&compose(sim.spec(), &twin, &shapes), &name(&file));
        valid += 1;
    }
    assert!(valid >= 10, "most scenarios have a twin");
    assert!(shaped >= 1, "some scenarios are shaped on the device");
}
