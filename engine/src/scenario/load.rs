//! From a file to a scenario, or to everything that is wrong with it.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::parts::{Part, Parts};
use super::schema::catalogue;
use super::source::{Source, Text, offset};
use super::tree::{self, Node, Tree, Value};
use super::{Bounds, Evaluation, Mistake, Scenario, check, path};
use crate::constraint::Constraint;
use crate::controller::Controller;
use crate::environment::Environment;
use crate::fairness::FairnessReward;
use crate::optimizer::Optimizer;
use crate::policy::Policy;
use crate::problem::Problem;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files of more bytes are refused unread.
const LARGEST: u64 = 16 << 20;
/// Files that may include one another.
const LONGEST: usize = 16;
/// Mistakes that are reported.
const ENOUGH: usize = 100;

/// A scenario without problems.
#[derive(Debug)]
pub struct Loaded {
    /// The scenario. Files that its environment names have been read.
    pub scenario: Scenario,
    /// A scenario file that says the same and needs no other file.
    pub text: String,
}

/// Reads a scenario file; each of `sets` is a `PATH=VALUE` that replaces or adds a value.
pub fn load(file: &Path, sets: &[String]) -> Result<Loaded, Diagnostics> {
    let (composer, source) = open(file)?;
    composer.load(source, sets)
}

/// Where in a scenario file, or in a set, a problem stands that showed only when the run was to begin.
pub fn place(file: &Path, sets: &[String], problem: Problem) -> Diagnostics {
    let (mut composer, source) = match open(file) {
        Ok(opened) => opened,
        Err(unreadable) => return unreadable,
    };
    let text = composer.composed(source, sets);
    let tree = tree::read(&text.text);
    composer.note(&text, of_problem(&text, &tree.root, problem));
    composer.report()
}

fn open(file: &Path) -> Result<(Composer, Source), Diagnostics> {
    let name = file.display().to_string();
    let text = read(file).map_err(|mistake| Diagnostics(vec![unreadable(&name, mistake)]))?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let canonical = file.canonicalize().into_iter().collect();
    Ok((Composer { sources: Vec::new(), found: Vec::new(), chain: canonical }, Source { name, text, folder }))
}

/// The same for a text; `name` is what it is called in messages, `folder` is where it looks for other files.
pub fn parse(text: &str, name: &str, folder: &Path, sets: &[String]) -> Result<Loaded, Diagnostics> {
    let source = Source { name: name.to_owned(), text: text.to_owned(), folder: folder.to_owned() };
    Composer { sources: Vec::new(), found: Vec::new(), chain: Vec::new() }.load(source, sets)
}

/// A file that cannot be read as text: where it stops being text, and why.
pub(super) fn unreadable(name: &str, (line, column, message): (usize, usize, String)) -> Diagnostic {
    Diagnostic { file: name.to_owned(), line, column, length: 1, source_line: None, message, help: None }
}

/// A file's text without byte order mark, or line, column and message of what keeps it from being read.
pub(super) fn read(file: &Path) -> Result<String, (usize, usize, String)> {
    let whole = |message: String| (1, 1, message);
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => whole("there is no such file".to_owned()),
        std::io::ErrorKind::PermissionDenied => whole("this file may not be read".to_owned()),
        _ => whole(format!("this file cannot be read: {error}")),
    };
    let too_large = || whole(format!("a scenario file has at most {} MiB, and this one has more", LARGEST >> 20));
    let about = file.metadata().map_err(io)?;
    if about.is_dir() {
        return Err(whole("this is a folder, not a scenario file".to_owned()));
    }
    if about.len() > LARGEST {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(io)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
            let last = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            let column = 1 + String::from_utf8_lossy(last).chars().count();
            Err((line, column, "this file is not text in UTF-8".to_owned()))
        }
    }
}

/// Puts a text together from files and sets, and collects what is wrong on the way.
struct Composer {
    sources: Vec<Source>,
    found: Vec<Diagnostic>,
    /// The files that include each other, the first one first.
    chain: Vec<PathBuf>,
}

impl Composer {
    fn load(mut self, source: Source, sets: &[String]) -> Result<Loaded, Diagnostics> {
        let text = self.composed(source, sets);
        let tree = tree::read(&text.text);
        let scenario = self.judge(&text, &tree);
        match scenario {
            Some((scenario, text)) if self.found.is_empty() => Ok(Loaded { scenario, text }),
            _ => Err(self.report()),
        }
    }

    /// A source with what it includes, and with its sets.
    fn composed(&mut self, source: Source, sets: &[String]) -> Text {
        let main = self.add(source);
        let mut text = self.compose(main);
        // Edits of what cannot be read would only add to the confusion.
        if self.found.is_empty() {
            for set in sets {
                let folder = self.sources[main].folder.clone();
                let source = self.add(Source { name: "--set".to_owned(), text: set.clone(), folder });
                match path::set(&text, &self.sources, source, catalogue()) {
                    Ok(new) => text = new,
                    Err(mistake) => {
                        let span = mistake.span.clone();
                        self.found.push(self.sources[source].diagnose(span, mistake));
                    }
                }
            }
        }
        text
    }

    fn add(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    fn report(self) -> Diagnostics {
        let order = |found: &Diagnostic| {
            // Files in the order in which they were read.
            self.sources.iter().position(|source| source.name == found.file).unwrap_or_default()
        };
        let mut found = self.found.clone();
        found.sort_by_key(|one| (order(one), one.line, one.column));
        let mut once: Vec<Diagnostic> = Vec::new();
        for one in found {
            if !once.contains(&one) {
                once.push(one);
            }
        }
        once.truncate(ENOUGH);
        Diagnostics(once)
    }

    fn note(&mut self, text: &Text, mistake: Mistake) {
        let diagnostic = text.diagnose(&self.sources, mistake);
        self.found.push(diagnostic);
    }

    /// The text of a source, its `include` replaced by the fields that it does not have itself.
    fn compose(&mut self, source: usize) -> Text {
        let text = Text::verbatim(&self.sources, source, 0..self.sources[source].text.len());
        let tree = tree::read(&text.text);
        if !tree.mistakes.is_empty() {
            // Those of the outermost file are noted when the composed text is judged.
            if source > 0 {
                tree.mistakes.into_iter().for_each(|mistake| self.note(&text, mistake));
            }
            return text;
        }
        let Some(include) = tree.root.field("include") else { return text };
        let inherited = match &include.value.value {
            Value::Text(file) => self.included(&text, source, &include.value, file),
            _ => {
                let span = include.value.span.clone();
                let help = Some("write include: \"other.ron\"".to_owned());
                self.note(&text, Mistake { span, message: "expected the name of a file".to_owned(), help });
                None
            }
        };
        let mut fields = Text::default();
        if let Some((base, base_tree)) = &inherited {
            for field in base_tree.root.fields() {
                if tree.root.field(&field.name).is_none() {
                    if !fields.text.is_empty() {
                        fields = fields.then(Text::glue(",\n    ", source, include.name_span.start));
                    }
                    fields = fields.then(base.slice(field.span()));
                }
            }
        }
        let mut gone = include.span();
        if fields.text.is_empty() {
            let after = tree::skip_blank(&text.text, gone.end);
            if text.text[after..].starts_with(',') {
                gone.end = after + 1;
            }
        }
        text.replace(gone, fields)
    }

    /// The composed text of an included file; none where there is something wrong with it, which has been noted.
    fn included(&mut self, text: &Text, source: usize, place: &Node, file: &str) -> Option<(Text, Tree)> {
        let path = self.sources[source].folder.join(file);
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        let refusal = if self.chain.contains(&canonical) {
            Some((format!("`{file}` includes itself, directly or by way of others"), "break the circle"))
        } else if self.chain.len() >= LONGEST {
            Some((format!("more than {LONGEST} files include one another"), "put some of them together"))
        } else {
            None
        };
        let outcome = match refusal {
            Some((message, help)) => Err((message, Some(help.to_owned()))),
            None => read(&path).map_err(|(line, column, message)| {
                let help = format!("it is looked for at {}", path.display());
                let at =
                    if (line, column) == (1, 1) { String::new() } else { format!(" (line {line}, column {column})") };
                (format!("`{file}` cannot be included: {message}{at}"), Some(help))
            }),
        };
        let content = match outcome {
            Ok(content) => content,
            Err((message, help)) => {
                self.note(text, Mistake { span: place.span.clone(), message, help });
                return None;
            }
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let included = self.add(Source { name: path.display().to_string(), text: content, folder });
        let before = self.found.len();
        self.chain.push(canonical);
        let base = self.compose(included);
        self.chain.pop();
        let tree = tree::read(&base.text);
        if !matches!(tree.root.value, Value::Struct { .. } | Value::Tuple { .. }) && self.found.len() == before {
            let message = "expected fields in parentheses, as in any scenario".to_owned();
            self.note(&base, Mistake { span: tree.root.opening(&base.text), message, help: None });
        }
        if base.text[tree.headers.clone()].contains("enable") {
            let message = "an included file cannot enable extensions of RON".to_owned();
            let help = Some("enable them in the file that includes it".to_owned());
            self.note(&base, Mistake { span: tree.headers.clone(), message, help });
        }
        (self.found.len() == before).then_some((base, tree))
    }

    /// All that is wrong with a composed text; the scenario where nothing is, with the text that stands for it.
    fn judge(&mut self, text: &Text, tree: &Tree) -> Option<(Scenario, String)> {
        // What an included file or a set would have added is not missing.
        let whole = self.found.is_empty();
        let mut mistakes = tree.mistakes.clone();
        mistakes.extend(check::check(&text.text, &tree.root, catalogue(), whole));
        let clean = whole && mistakes.is_empty();
        let scenario = if clean { self.scenario(text, tree, &mut mistakes) } else { None };
        if !clean {
            self.salvage(text, tree, whole, &mut mistakes);
        }
        mistakes.into_iter().for_each(|mistake| self.note(text, mistake));
        scenario
    }

    /// The scenario of a text that the schema allows.
    fn scenario(&self, text: &Text, tree: &Tree, mistakes: &mut Vec<Mistake>) -> Option<(Scenario, String)> {
        let mut scenario: Scenario = match options().from_str(&text.text) {
            Ok(scenario) => scenario,
            Err(error) => {
                mistakes.push(of_ron(&text.text, 0, &error));
                return None;
            }
        };
        let before = options().to_string(&scenario.environment).ok();
        if let Err(problem) = self.resolve(&mut *scenario.environment, text, tree) {
            mistakes.push(of_problem(text, &tree.root, problem));
            return None;
        }
        let problems = scenario.problems();
        mistakes.extend(problems.into_iter().map(|problem| of_problem(text, &tree.root, problem)));
        let after = options().to_string(&scenario.environment).ok();
        let mut own = text.text.clone();
        if before != after {
            own.replace_range(tree.root.field("environment")?.value.span.clone(), &after?);
        }
        Some((scenario, own))
    }

    /// Lets the environment read its files, relative to the one in which it is written.
    fn resolve(&self, environment: &mut dyn Environment, text: &Text, tree: &Tree) -> Result<(), Problem> {
        let at = tree.root.field("environment").map_or(0, |field| field.value.span.start);
        let folder = &self.sources[text.origin(at).0].folder;
        let slot = format!("environment.{}", environment.typetag_name());
        environment.resolve(folder).map_err(|problem| problem.under(&slot))
    }

    /// What else is wrong with a text that has mistakes: asks every part that has none. `whole` is whether all parts
    /// are there.
    fn salvage(&self, text: &Text, tree: &Tree, whole: bool, mistakes: &mut Vec<Mistake>) {
        let mut reader = PartReader { text: &text.text, tree, mistakes };
        let mut environment: Option<Box<dyn Environment>> = reader.field("environment").owned();
        let controller: Part<Box<dyn Controller>> = reader.field("controller");
        let policy: Part<Box<dyn Policy>> = reader.field("policy");
        let optimizer: Part<Box<dyn Optimizer>> = reader.field("optimizer");
        let fairness: Part<Vec<(usize, Box<dyn FairnessReward>)>> = reader.list("fairness");
        let constraints: Vec<(usize, Box<dyn Constraint>)> = reader.list("constraints").owned().unwrap_or_default();
        let expect: Option<BTreeMap<String, Bounds>> = reader.field("expect").owned();
        let (lanes, horizon) = (reader.field("lanes").owned(), reader.field("horizon").owned());
        let evaluation: Option<Evaluation> = reader.field("evaluation").owned();
        let mut problems = Vec::new();
        if let Some(read) = &mut environment
            && let Err(problem) = self.resolve(&mut **read, text, tree)
        {
            problems.push(problem);
            environment = None;
        }
        let fairness = fairness.map(|list| list.iter().map(|(index, one)| (*index, &**one)).collect());
        let parts = Parts {
            environment: environment.as_deref(),
            lanes,
            horizon,
            evaluation,
            controller: controller.map(|one| &**one),
            policy: policy.map(|one| &**one),
            optimizer: optimizer.map(|one| &**one),
            fairness,
            constraints: constraints.iter().map(|(index, one)| (*index, &**one)).collect(),
            expect: expect.as_ref(),
        };
        let known = |field: &tree::Field| catalogue().scenario().property(&field.name).is_some();
        let readable = matches!(&tree.root.value, Value::Struct { broken: false, .. });
        let complete = whole && readable && tree.root.fields().iter().all(known);
        problems.extend(parts.problems(complete));
        mistakes.extend(problems.into_iter().map(|problem| of_problem(text, &tree.root, problem)));
    }
}

/// Reads single fields of a text that has mistakes elsewhere.
struct PartReader<'a> {
    text: &'a str,
    tree: &'a Tree,
    mistakes: &'a mut Vec<Mistake>,
}

impl PartReader<'_> {
    fn field<T: DeserializeOwned>(&mut self, name: &str) -> Part<T> {
        match self.tree.root.field(name) {
            Some(field) => self.value(&field.value),
            None => Part::Absent,
        }
    }

    /// The entries of a list that can be read.
    fn list<T: DeserializeOwned>(&mut self, name: &str) -> Part<Vec<(usize, T)>> {
        let Some(field) = self.tree.root.field(name) else { return Part::Absent };
        let Value::List(items) = &field.value.value else { return Part::Unreadable };
        if items.is_empty() {
            return Part::Absent;
        }
        let read = |(index, item)| self.value(item).owned().map(|value| (index, value));
        Part::Read(items.iter().enumerate().filter_map(read).collect())
    }

    fn value<T: DeserializeOwned>(&mut self, node: &Node) -> Part<T> {
        let node = node.unwrapped();
        if node.is_none() {
            return Part::Absent;
        }
        let inside = |mistake: &Mistake| node.span.contains(&mistake.span.start);
        if matches!(node.value, Value::Invalid) || self.mistakes.iter().any(inside) {
            return Part::Unreadable;
        }
        let headers = &self.text[self.tree.headers.clone()];
        let slice = format!("{headers}{}", &self.text[node.span.clone()]);
        match options().from_str(&slice) {
            Ok(value) => Part::Read(value),
            Err(error) => {
                let mut mistake = of_ron(&slice, headers.len(), &error);
                mistake.span = node.span.start + mistake.span.start..node.span.start + mistake.span.end;
                self.mistakes.push(mistake);
                Part::Unreadable
            }
        }
    }
}

/// How scenario files are read.
pub(crate) fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES)
}

/// A problem at the place that its path names.
pub(super) fn of_problem(text: &Text, root: &Node, problem: Problem) -> Mistake {
    let node = path::find(root, &problem.path).node;
    let span = if problem.path.is_empty() { node.opening(&text.text) } else { node.span.clone() };
    Mistake { span, message: problem.message, help: problem.help }
}

/// What `ron` has to say about a text that the schema allows; places are counted from `origin`.
pub(super) fn of_ron(text: &str, origin: usize, error: &ron::error::SpannedError) -> Mistake {
    let at = |position: &ron::error::Position| offset(text, position.line, position.col).saturating_sub(origin);
    let (start, end) = (at(&error.span.start), at(&error.span.end));
    let mut message = error.code.to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Mistake { span: start..end.max(start), message, help: None }
}
