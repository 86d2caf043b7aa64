//! Whatever stands in a scenario file or after `--set`, the loader answers.
//!
//! The input is a file, then sets, with NUL between them.
#![no_main]

use isonomy::engine::scenario::parse;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let sets: Vec<String> = parts.take(4).map(str::to_owned).collect();
    if let Err(problems) = parse(file, "fuzz", Path::new("nowhere"), &sets) {
        assert!(!problems.0.is_empty());
        assert!(!problems.to_string().is_empty());
    }
});
