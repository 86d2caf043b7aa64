//! Paths such as `environment.RiverSwim.groups[1].advance`: finding what they name, and replacing it.

use super::Mistake;
use super::schema::{Catalogue, Schema};
use super::source::{Source, Text};
use super::tree::{self, Node, Value};
use std::ops::Range;

/// The deepest node on a path, and what of the path leads nowhere from there.
pub(super) struct Found<'n, 'p> {
    pub(super) node: &'n Node,
    pub(super) rest: &'p str,
}

/// Walks from `root` along `path` as far as there is something. A key may contain dots; the longest that fits is taken.
pub(super) fn find<'n, 'p>(root: &'n Node, path: &'p str) -> Found<'n, 'p> {
    let mut node = root.unwrapped();
    let mut rest = path;
    while let Some((next, after)) = step(node, rest) {
        node = next.unwrapped();
        rest = after;
    }
    Found { node, rest }
}

fn step<'n, 'p>(node: &'n Node, rest: &'p str) -> Option<(&'n Node, &'p str)> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    if let (Value::Struct { name: Some(variant), .. } | Value::Tuple { name: Some(variant), .. }, Some(first)) =
        (&node.value, segment(rest))
        && first.0 == Segment::Name(variant)
    {
        return Some((node, first.1));
    }
    match &node.value {
        Value::List(items) | Value::Tuple { items, .. } => {
            let Segment::Index(index) = segment(rest)?.0 else { return None };
            Some((items.get(index)?, segment(rest)?.1))
        }
        Value::Struct { fields, .. } => {
            let (Segment::Name(name), after) = segment(rest)? else { return None };
            Some((&fields.iter().find(|field| field.name == name)?.value, after))
        }
        Value::Map(entries) => {
            let key = |key: &Node| match &key.value {
                Value::Text(key) | Value::Name(key) => after_key(rest, key),
                _ => None,
            };
            let fitting = entries.iter().filter_map(|(name, value)| Some((value, key(name)?)));
            fitting.min_by_key(|(_, after)| after.len())
        }
        _ => None,
    }
}

/// What follows `key` in a path that begins with it.
fn after_key<'p>(rest: &'p str, key: &str) -> Option<&'p str> {
    if let (Segment::Name(name), after) = segment(rest)?
        && rest.starts_with('"')
    {
        return (name == key).then_some(after);
    }
    let after = rest.strip_prefix(key)?;
    (after.is_empty() || after.starts_with(['.', '['])).then_some(after)
}

#[derive(Debug, PartialEq)]
enum Segment<'p> {
    Name(&'p str),
    Index(usize),
}

/// The first part of a path, and the rest. None where there is none, or none that makes sense.
fn segment(path: &str) -> Option<(Segment<'_>, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(inside) = path.strip_prefix('[') {
        let (index, after) = inside.split_once(']')?;
        return Some((Segment::Index(index.trim().parse().ok()?), after));
    }
    if let Some(inside) = path.strip_prefix('"') {
        let (name, after) = inside.split_once('"')?;
        return Some((Segment::Name(name), after));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| (Segment::Name(&path[..end]), &path[end..]))
}

/// The text with the value of one `--set` in it. `source` is the index of its source, whose text is `PATH=VALUE`.
pub(super) fn set(text: &Text, sources: &[Source], source: usize, catalogue: &Catalogue) -> Result<Text, Mistake> {
    let written = &sources[source].text;
    let Some(equals) = written.find('=') else {
        let help = Some("write PATH=VALUE, e.g. environment.RiverSwim.places=9".to_owned());
        return Err(Mistake { span: 0..written.len(), message: "expected `=` and a value".to_owned(), help });
    };
    let path = written[..equals].trim_end();
    if path == "include" {
        let message = "a file says itself what it includes".to_owned();
        return Err(Mistake { span: 0..path.len(), message, help: None });
    }
    let value = value_span(written, equals + 1)?;
    let read = tree::read(&text.text);
    if !read.mistakes.is_empty() {
        // They are reported by whoever asked.
        return Ok(text.clone());
    }
    let edit = Edit { sources, source, value };
    let found = find(&read.root, path);
    if found.rest.is_empty() && !path.is_empty() {
        return Ok(text.replace(found.node.span.clone(), edit.value()));
    }
    let at = after_dot(path, path.len() - found.rest.len());
    let schema = schema_at(catalogue, &path[..at]);
    let refuse = |message: String| Err(Mistake { span: at..path.len().max(at + 1), message, help: None });
    if segment(found.rest).is_none() {
        let what = if found.rest.is_empty() { "expected the path of a field" } else { "this is no path" };
        return refuse(what.to_owned());
    }
    if found.node.is_none() {
        return match edit.enclosed(at, path, schema) {
            Some(new) => Ok(text.replace(found.node.span.clone(), new)),
            None => refuse("a new list begins with [0]".to_owned()),
        };
    }
    let last = match &found.node.value {
        Value::Struct { fields, .. } => fields.last().map(|field| &field.value),
        Value::Map(entries) => entries.last().map(|(_, value)| value),
        Value::List(items) => items.last(),
        Value::Tuple { items, .. } if items.is_empty() => None,
        _ => {
            let written = tree::shorten(&text.text[found.node.span.clone()]);
            return refuse(format!("`{}` is {written}, which has no such part", path[..at].trim_end_matches('.')));
        }
    };
    let is_index = matches!(segment(found.rest), Some((Segment::Index(_), _)));
    let new = match &found.node.value {
        Value::List(list) => match segment(found.rest) {
            Some((Segment::Index(index), _)) if index == list.len() => edit.item(at, path, schema),
            _ if is_index => return refuse(format!("there are only {} here", list.len())),
            _ => return refuse("this is a list: its parts are [0], [1], …".to_owned()),
        },
        _ if is_index => return refuse("this is no list".to_owned()),
        Value::Map(_) => edit.entry(at, path, schema),
        _ => edit.field(at, path, schema),
    };
    let Some(new) = new else { return refuse("a new list begins with [0]".to_owned()) };
    Ok(match last.map(|node| node.span.end) {
        Some(end) => text.replace(end..end, edit.glue(", ", at).then(new)),
        None => {
            let end = found.node.opening(&text.text).end;
            text.replace(end..end, new)
        }
    })
}

/// Where the value stands; it must be one.
fn value_span(written: &str, from: usize) -> Result<Range<usize>, Mistake> {
    let mut read = tree::read(&written[from..]);
    if let Some(mut mistake) = read.mistakes.drain(..).next() {
        mistake.span = from + mistake.span.start..from + mistake.span.end;
        if written[from..].trim().is_empty() {
            mistake.message = "expected a value".to_owned();
        }
        return Err(mistake);
    }
    Ok(from + read.root.span.start..from + read.root.span.end)
}

/// What a `--set` writes.
struct Edit<'a> {
    sources: &'a [Source],
    source: usize,
    value: Range<usize>,
}

impl Edit<'_> {
    fn value(&self) -> Text {
        Text::verbatim(self.sources, self.source, self.value.clone())
    }

    fn glue(&self, text: &str, at: usize) -> Text {
        Text::glue(text, self.source, at)
    }

    /// The name at `at` in `path` as it stands in the set, and what follows it.
    fn name(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<(Text, usize)> {
        let quote = usize::from(path[at..].starts_with('"'));
        let begin = at + quote;
        let end = match quote {
            0 => begin + key_length(&path[begin..], schema),
            _ => begin + path[begin..].find('"')?,
        };
        Some((Text::verbatim(self.sources, self.source, begin..end), end + quote))
    }

    /// `name: …`.
    fn field(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<Text> {
        let (name, after) = self.name(at, path, None)?;
        let inner = schema.and_then(|schema| schema.inner().property(&name.text));
        Some(name.then(self.glue(": ", at)).then(self.rest(after, path, inner)?))
    }

    /// `"name": …`.
    fn entry(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<Text> {
        let values = schema.and_then(|schema| schema.inner().values());
        let (name, after) = self.name(at, path, values)?;
        let inner = match schema.and_then(|schema| schema.inner().slot()) {
            Some(kind) => super::schema::catalogue().plugin(kind, &name.text),
            None => values,
        };
        let quoted = self.glue("\"", at).then(name).then(self.glue("\": ", after));
        Some(quoted.then(self.rest(after, path, inner)?))
    }

    /// What stands at an index.
    fn item(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<Text> {
        let (_, after) = segment(&path[at..])?;
        let inner = schema.and_then(|schema| schema.inner().sub("items"));
        self.rest(path.len() - after.len(), path, inner)
    }

    fn rest(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<Text> {
        let at = after_dot(path, at);
        if at >= path.len() { Some(self.value()) } else { self.enclosed(at, path, schema) }
    }

    /// The rest of the path as a new struct, map or list. None where it begins with an index that is not 0.
    fn enclosed(&self, at: usize, path: &str, schema: Option<Schema<'_>>) -> Option<Text> {
        let map = schema.is_some_and(|schema| schema.inner().slot().is_some() || schema.inner().values().is_some());
        let (open, inner, close) = match segment(&path[at..])? {
            (Segment::Index(0), _) => ("[", self.item(at, path, schema)?, "]"),
            (Segment::Index(_), _) => return None,
            (Segment::Name(_), _) if map => ("{", self.entry(at, path, schema)?, "}"),
            (Segment::Name(_), _) => ("(", self.field(at, path, schema)?, ")"),
        };
        Some(self.glue(open, at).then(inner).then(self.glue(close, self.value.end)))
    }
}

fn after_dot(path: &str, at: usize) -> usize {
    at + usize::from(path[at..].starts_with('.'))
}

/// Bytes of a key that is not there yet. Where what a map holds has fields, the key ends before the first of them.
fn key_length(path: &str, values: Option<Schema<'_>>) -> usize {
    let first = path.find(['.', '[']).unwrap_or(path.len());
    let Some(values) = values.map(Schema::inner) else { return first };
    let is_field = |&(at, _): &(usize, &str)| matches!(segment(&path[at..]), Some((Segment::Name(name), _)) if values.property(name).is_some());
    path.match_indices('.').find(is_field).map_or(path.len(), |(at, _)| at)
}

/// The schema of what stands at a path, as far as the path makes sense.
fn schema_at<'a>(catalogue: &'a Catalogue, path: &str) -> Option<Schema<'a>> {
    let mut schema = catalogue.scenario();
    let mut rest = path;
    while !rest.is_empty() {
        let here = schema.inner();
        let (first, after) = segment(rest)?;
        schema = match first {
            Segment::Index(_) => here.sub("items")?,
            Segment::Name(name) => match here.slot() {
                Some(kind) => catalogue.plugin(kind, name)?,
                None => here.property(name).or(here.values())?,
            },
        };
        rest = after;
    }
    Some(schema)
}
