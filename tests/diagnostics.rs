//! What is said about files that cannot be meant. Every file of `tests/bad` has a snapshot.

use isonomy::engine::scenario::{Diagnostics, load, parse};
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/bad").expect("the folder is in the tree");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ron"));
    files.sort();
    files
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn every_bad_file_is_refused_and_says_why() {
    let files = files();
    assert!(files.len() >= 50);
    for file in files {
        let problems = load(&file, &[]).expect_err(&format!("{} is bad", file.display()));
        let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
        snapshot(&name, &problems.to_string());
    }
}
