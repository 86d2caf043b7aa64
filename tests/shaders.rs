//! The composed shader of every scenario is valid, which needs no adapter to find out.

mod every;

use every::{files, name, sim, small};
use isonomy::engine::gpu::compose;
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_composed_shader_is_valid() {
    let (mut valid, mut shaped) = (0, 0);
    for file in files() {
        let sim = sim(small(&file, 1, 1), 1, None);
        let Some(twin) = sim.twin() else { continue };
        let shapes = sim.shape_twins().unwrap_or_default();
        shaped += usize::from(!shapes.is_empty());
        let shader = compose(sim.spec(), &twin, &shapes);
        let module = wgsl::parse_str(&shader)
            .unwrap_or_else(|error| panic!("{}: {}", name(&file), error.emit_to_string(&shader)));
        let outcome = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
        outcome.unwrap_or_else(|error| panic!("{}: {}", name(&file), error.emit_to_string(&shader)));
        let entry = module.entry_points.iter().find(|entry| entry.name == "rollout");
        let entry = entry.unwrap_or_else(|| panic!("{}: no entry point", name(&file)));
        assert_eq!(entry.stage, naga::ShaderStage::Compute, "{}", name(&file));
        assert_eq!(entry.workgroup_size[1..], [1, 1], "{}: rows are counted in one dimension", name(&file));
        valid += 1;
    }
    assert!(valid >= 10, "most scenarios have a twin");
    assert!(shaped >= 1, "some scenarios are shaped on the device");
}
