//! What is wrong with a scenario file, as text that an editor can jump to.

use std::fmt;

/// Characters of a source line that are shown; longer lines are cut around the caret.
const SHOWN: usize = 120;

/// A mistake, where its author made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, or `--set`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters that are meant, at least 1.
    pub length: usize,
    /// The line as written; none where the file could not be read.
    pub source_line: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would do.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if let Some(line) = &self.source_line {
            let (line, column, length) = window(line, self.column - 1, self.length);
            let gutter = self.line.to_string();
            let margin = " ".repeat(gutter.len());
            write!(f, "\n{margin} |\n{gutter} | {line}\n{margin} | {}{}", " ".repeat(column), "^".repeat(length))?;
        }
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\nhelp: {help}"))
    }
}

/// The part of a line around `length` characters from `column` on, and where they stand in it.
fn window(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let characters: Vec<char> = line.chars().map(plain).collect();
    if characters.len() <= SHOWN {
        return (characters.iter().collect(), column, length);
    }
    let from = column.saturating_sub(SHOWN / 2).min(characters.len() - SHOWN);
    let to = from + SHOWN;
    let mut shown: String = characters[from..to].iter().collect();
    let mut at = column - from;
    if from > 0 {
        shown = format!("…{shown}");
        at += 1;
    }
    if to < characters.len() {
        shown.push('…');
    }
    (shown, at, length.min(SHOWN.saturating_sub(column - from)).max(1))
}

/// Every mistake of a scenario, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
