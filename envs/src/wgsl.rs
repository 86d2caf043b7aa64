//! Named constants in WGSL: what twins know of the scenario that they are for.

use isonomy_engine::gpu::{constants, real_constants};
use std::fmt::Write;

/// Constants, one a line.
#[derive(Default)]
pub(crate) struct Constants(pub(crate) String);

impl Constants {
    pub(crate) fn whole(&mut self, name: &str, value: usize) {
        self.0.push_str(&constants(&[(name, value as u32)]));
    }

    pub(crate) fn real(&mut self, name: &str, value: f64) {
        self.0.push_str(&real_constants(&[(name, value)]));
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "const {name} = {value};");
    }

    /// Names of alternatives, counted from 0, and which one it is.
    pub(crate) fn one_of(&mut self, name: &str, names: &[&str], which: &str) {
        for (index, alternative) in names.iter().enumerate() {
            self.whole(alternative, index);
            if *alternative == which {
                self.whole(name, index);
            }
        }
    }
}
