//! The book says what the program says.

use std::process::Command;

/// `BLESS=1 cargo test --test book` writes the page anew.
#[test]
fn the_page_of_plugins_is_what_explain_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_isonomy")).args(["explain", "--all"]).output().expect("runs");
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).expect("text");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shelf.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(page, &printed).expect("written");
    }
    let written = std::fs::read_to_string(page).unwrap_or_default();
    assert!(written == printed, "docs/shelf.md is out of date: BLESS=1 cargo test --test book");
}
