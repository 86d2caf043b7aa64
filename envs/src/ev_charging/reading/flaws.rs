//! Everything that is wrong with one file.

use isonomy_engine::problem::Problem;
use std::fmt;

/// Flaws that are listed one by one; a wrong column easily has thousands.
const MOST_LISTED: usize = 20;

/// What is wrong with a file, flaw by flaw. An import that has any fails as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaws {
    file: String,
    list: Vec<String>,
    more: usize,
}

impl Flaws {
    /// None so far in the file that is called this.
    pub(crate) fn none(file: &str) -> Self {
        Flaws { file: file.to_owned(), list: Vec::new(), more: 0 }
    }

    /// A single one.
    pub(crate) fn one(file: &str, place: &str, message: impl Into<String>, help: &str) -> Self {
        let mut flaws = Flaws::none(file);
        flaws.add(place, message, help);
        flaws
    }

    /// Adds one. `place` is a line and a column or a JSON path, `help` says what would do; both may be empty.
    pub(crate) fn add(&mut self, place: &str, message: impl Into<String>, help: &str) {
        if self.list.len() == MOST_LISTED {
            self.more += 1;
            return;
        }
        let mut text = String::new();
        if !place.is_empty() {
            text.push_str(place);
            text.push_str(": ");
        }
        text.push_str(&message.into());
        if !help.is_empty() {
            text.push_str(&format!(" ({help})"));
        }
        self.list.push(text);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was read, unless it has flaws.
    pub(crate) fn or<T>(self, read: T) -> Result<T, Flaws> {
        if self.is_empty() { Ok(read) } else { Err(self) }
    }

    /// As a problem of the field of a scenario that names the file.
    pub fn problem(&self, path: &str) -> Problem {
        Problem::at(path, self.to_string())
    }
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flaw) in self.list.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{}: {flaw}", self.file)?;
        }
        if self.more > 0 { write!(f, "\n{}: {} more flaws of this kind", self.file, self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Flaws {}
