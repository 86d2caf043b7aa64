//! Named constants in WGSL: what twins know of the scenario that they are for.

use std::fmt::Write;

/// Constants, one a line.
#[derive(Default)]
pub(crate) struct Constants(pub(crate) String);

impl Constants {
    pub(crate) fn whole(&mut self, name: &str, value: usize) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "const {name} = {value}u;");
    }

    pub(crate) fn real(&mut self, name: &str, value: f64) {
        let _ = writeln!(self.0, "const {name} = f32({:e});", value as f32);
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
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
