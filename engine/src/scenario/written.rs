//! RON files other than scenarios, read with the same care for where something was written.

use super::check::nearest;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::load::{of_problem, of_ron, options, read, unreadable};
use super::source::{Source, Text};
use super::tree::{self, Tree, Value};
use crate::problem::Problem;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A file that someone wrote, as text and as a tree.
pub(crate) struct Written {
    sources: [Source; 1],
    text: Text,
    tree: Tree,
}

impl Written {
    /// Reads the text of a file; what is wrong with it comes with [`Written::value`].
    pub(crate) fn open(file: &Path) -> Result<Written, Diagnostics> {
        let name = file.display().to_string();
        let text = read(file).map_err(|mistake| Diagnostics(vec![unreadable(&name, mistake)]))?;
        let sources = [Source { name, text, folder: file.parent().unwrap_or(Path::new("")).to_owned() }];
        let text = Text::verbatim(&sources, 0, 0..sources[0].text.len());
        let tree = tree::read(&text.text);
        Ok(Written { sources, text, tree })
    }

    /// What the file makes a value of: `Scenario` in `Scenario(…)`.
    pub(crate) fn kind(&self) -> Option<&str> {
        match &self.tree.root.value {
            Value::Struct { name, .. } | Value::Tuple { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    /// The file's text.
    pub(crate) fn text(&self) -> &str {
        &self.text.text
    }

    /// What paths in the file are relative to.
    pub(crate) fn folder(&self) -> &Path {
        &self.sources[0].folder
    }

    /// The value that the file is of.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, Diagnostics> {
        let mut mistakes = self.tree.mistakes.clone();
        if mistakes.is_empty() {
            let error = match options().from_str(&self.text.text) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let mut mistake = of_ron(&self.text.text, 0, &error);
            if let ron::Error::NoSuchStructField { expected, found, .. } = &error.code {
                let near = nearest(found, expected).map_or(String::new(), |near| format!("did you mean `{near}`? "));
                mistake.message = format!("unknown field `{found}`");
                mistake.help = Some(format!("{near}The fields are {}", expected.join(", ")));
            }
            mistakes.push(mistake);
        }
        let of = |mistake| self.text.diagnose(&self.sources, mistake);
        Err(Diagnostics(mistakes.into_iter().map(of).collect()))
    }

    /// A problem with the value at the place that its path names.
    pub(crate) fn diagnose(&self, problem: Problem) -> Diagnostic {
        self.text.diagnose(&self.sources, of_problem(&self.text, &self.tree.root, problem))
    }
}
