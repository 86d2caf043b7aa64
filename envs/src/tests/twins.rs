//! The shaders are valid, and their structs and tables are laid out like the host's.

use super::{all, dynamics};
use isonomy_engine::gpu::Twin;
use naga::front::wgsl;
use naga::proc::Layouter;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, TypeInner};

/// What the engine puts in front of every twin.
const PASSES: &str = "fn passes(word: u32, threshold: u32) -> bool {
    return word >= threshold && threshold != 0xffffffffu;
}\n";

fn module(twin: &Twin) -> Module {
    let source = format!("{PASSES}{}", twin.source);
    let module = wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&source)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    if let Err(error) = validator.validate(&module) {
        panic!("{}", error.emit_to_string(&source));
    }
    module
}

#[test]
fn twins_define_what_the_engine_calls() {
    for (name, environment) in all() {
        let module = module(&dynamics(&*environment).twin().unwrap());
        for (function, parameters) in [("begin", 2), ("move_on", 4), ("pay", 6)] {
            let found = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(function));
            let (_, found) = found.unwrap_or_else(|| panic!("{name}: no {function}"));
            assert_eq!(found.arguments.len(), parameters, "{name}: {function}");
        }
    }
}

#[test]
fn tables_are_bound_in_order_and_hold_whole_entries() {
    for (name, environment) in all() {
        let twin = dynamics(&*environment).twin().unwrap();
        let module = module(&twin);
        let bound = |binding: usize| {
            module.global_variables.iter().map(|(_, variable)| variable).find(|variable| {
                let place = variable.binding.as_ref();
                place.is_some_and(|place| place.group == 1 && place.binding as usize == binding)
            })
        };
        for (binding, table) in twin.tables.iter().enumerate() {
            let variable = bound(binding).unwrap_or_else(|| panic!("{name}: nothing at binding {binding}"));
            assert_eq!(variable.name.as_deref(), Some(table.name), "{name}: binding {binding}");
            assert!(matches!(variable.space, AddressSpace::Storage { .. }), "{name}: {}", table.name);
            let TypeInner::Array { stride, .. } = module.types[variable.ty].inner else {
                panic!("{name}: {} is no array", table.name);
            };
            assert!(!table.bytes.is_empty(), "{name}: {} is empty", table.name);
            assert_eq!(table.bytes.len() % stride as usize, 0, "{name}: {}", table.name);
        }
        assert!(bound(twin.tables.len()).is_none(), "{name}: the shader binds more than there is");
    }
}

/// Asserts that a struct of the shader has the host's size and the host's fields where the host has them.
pub(crate) fn assert_layout(source: &'static str, name: &str, size: usize, fields: &[(&str, usize)]) {
    let module = module(&Twin { source, tables: Vec::new() });
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let (handle, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap();
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    assert_eq!(*span as usize, size, "{name}");
    assert_eq!(layouter[handle].size as usize, size, "{name}");
    let found: Vec<(&str, usize)> =
        members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
    assert_eq!(found, fields, "{name}");
}
