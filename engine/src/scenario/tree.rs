//! RON as a tree that knows where everything stands, read to the end in spite of mistakes.
//!
//! The `ron` crate stays the authority on what a file means; it stops at the first mistake, and its values do not say
//! where they stood. This reader accepts what `ron` accepts, and goes on after a mistake with the next comma or bracket.

use super::Mistake;
use std::ops::Range;

/// Deeper nesting is refused, so that no input can exhaust the stack.
const DEEPEST: usize = 64;
/// After this many mistakes the rest is not read.
const ENOUGH: usize = 100;

/// A value and where it stands, in bytes of the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Value {
    /// `Name(field: value)`. Where something inside could not be read, it is `broken`: fields may be missing.
    Struct {
        name: Option<String>,
        fields: Vec<Field>,
        broken: bool,
    },
    /// `Name(value, value)`, and `()`.
    Tuple {
        name: Option<String>,
        items: Vec<Node>,
    },
    Map(Vec<(Node, Node)>),
    List(Vec<Node>),
    Text(String),
    Char,
    Bytes,
    Bool,
    /// Saturates: what does not fit 128 bits fits nothing that is asked for.
    Integer(i128),
    Float(f64),
    /// A bare word, such as a variant without fields.
    Name(String),
    /// Something that could not be read; the mistake has been noted.
    Invalid,
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) value: Node,
}

impl Field {
    /// From the name to the end of the value.
    pub(super) fn span(&self) -> Range<usize> {
        self.name_span.start..self.value.span.end
    }
}

impl Node {
    /// The field of that name, where this is a struct that has it.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// The fields, where this is a struct.
    pub(super) fn fields(&self) -> &[Field] {
        match &self.value {
            Value::Struct { fields, .. } => fields,
            _ => &[],
        }
    }

    /// What `Some(…)` holds, or the node itself.
    pub(super) fn unwrapped(&self) -> &Node {
        match &self.value {
            Value::Tuple { name: Some(name), items } if name == "Some" && items.len() == 1 => items[0].unwrapped(),
            _ => self,
        }
    }

    /// Whether this is `None`.
    pub(super) fn is_none(&self) -> bool {
        matches!(&self.value, Value::Name(name) if name == "None")
    }

    /// Where the bracket that opens this value stands, name included; the whole span where there is none.
    pub(super) fn opening(&self, text: &str) -> Range<usize> {
        match self.value {
            Value::Struct { .. } | Value::Tuple { .. } | Value::Map(_) | Value::List(_) => {
                let length = text[self.span.clone()].find(['(', '[', '{']).map_or(1, |at| at + 1);
                self.span.start..self.span.start + length
            }
            _ => self.span.clone(),
        }
    }
}

/// A whole file.
pub(super) struct Tree {
    pub(super) root: Node,
    /// Where the `#![enable(…)]` headers stand, if there are any.
    pub(super) headers: Range<usize>,
    pub(super) mistakes: Vec<Mistake>,
}

/// Reads a whole text.
pub(super) fn read(text: &str) -> Tree {
    let mut reader = Reader { text, at: 0, open: Vec::new(), mistakes: Vec::new(), gave_up: false, early: None };
    reader.skip_blank();
    let headers = reader.headers();
    if reader.peek().is_none() && !reader.gave_up {
        reader.give_up(0..0, "there is nothing here", None);
    }
    let root = reader.value();
    reader.skip_blank();
    if reader.at < text.len() {
        let word = reader.next_word();
        reader.mistake(word.clone(), format!("expected nothing more, found `{}`", text[word].escape_debug()), None);
    }
    Tree { root, headers, mistakes: reader.mistakes }
}

/// The position after blanks and comments.
pub(super) fn skip_blank(text: &str, at: usize) -> usize {
    let mut reader = Reader { text, at, open: Vec::new(), mistakes: Vec::new(), gave_up: false, early: None };
    reader.skip_blank();
    reader.at
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The brackets that are open, and where.
    open: Vec<(char, usize)>,
    mistakes: Vec<Mistake>,
    /// Whether the rest makes no sense, and was skipped.
    gave_up: bool,
    /// Where a list was taken to end although nothing closes it.
    early: Option<usize>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.take();
        }
        found
    }

    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    /// The word, or the one character, that comes next.
    fn next_word(&self) -> Range<usize> {
        let part = |c: char| c == '_' || c.is_alphanumeric();
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        if (1..=40).contains(&length) { self.at..self.at + length } else { self.here() }
    }

    /// Whether a bare word and a colon come next.
    fn at_field(&self) -> bool {
        let word = self.next_word();
        let starts = self.peek().is_some_and(|c| c == '_' || c.is_alphabetic());
        starts && self.text[word.end..].trim_start().starts_with(':')
    }

    fn end_of_line(&self) -> usize {
        self.rest().find(['\r', '\n']).map_or(self.text.len(), |length| self.at + length)
    }

    fn mistake(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        // A second mistake at the same place is the same mistake.
        if self.gave_up || self.mistakes.last().is_some_and(|last| last.span.start == span.start) {
            return;
        }
        self.mistakes.push(Mistake { span, message: message.into(), help });
        if self.mistakes.len() >= ENOUGH {
            self.at = self.text.len();
            self.gave_up = true;
        }
    }

    fn give_up(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.mistake(span, message, help);
        self.at = self.text.len();
        self.gave_up = true;
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = |c: char| c.is_whitespace() || matches!(c, '\u{200E}' | '\u{200F}');
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(blank).len();
            if self.rest().starts_with("//") {
                self.at = self.end_of_line();
            } else if self.rest().starts_with("/*") {
                self.block_comment();
            } else {
                return;
            }
        }
    }

    fn block_comment(&mut self) {
        let begin = self.at;
        let mut depth = 0;
        loop {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if self.peek().is_some() {
                self.take();
            } else {
                return self.give_up(begin..begin + 2, "this comment is never closed", Some("add `*/`".into()));
            }
        }
    }

    /// `#![enable(…)]` and the like; `ron` looks inside.
    fn headers(&mut self) -> Range<usize> {
        let begin = self.at;
        let mut end = self.at;
        while self.rest().starts_with('#') {
            let from = self.at;
            match self.rest().find(']') {
                Some(length) => self.at += length + 1,
                None => self.give_up(from..from + 1, "this header is never closed", Some("add `]`".into())),
            }
            end = self.at;
            self.skip_blank();
        }
        begin..end
    }

    fn value(&mut self) -> Node {
        self.skip_blank();
        let begin = self.at;
        let value = self.bare_value();
        Node { span: begin..self.at, value }
    }

    fn bare_value(&mut self) -> Value {
        if self.open.len() >= DEEPEST {
            self.give_up(self.here(), format!("nested deeper than {DEEPEST} levels"), None);
            return Value::Invalid;
        }
        match self.peek() {
            Some('(') => self.parentheses(None),
            Some('[') => {
                let mut items = Vec::new();
                self.sequence(']', |reader| items.push(reader.value()));
                Value::List(items)
            }
            Some('{') => {
                let mut entries = Vec::new();
                self.sequence('}', |reader| entries.extend(reader.entry()));
                Value::Map(entries)
            }
            Some('"') => self.string(),
            Some('\'') => self.char(),
            Some('0'..='9' | '+' | '-' | '.') => self.number(),
            Some(c) if c == '_' || c.is_alphabetic() => self.word(),
            Some(_) => self.junk(),
            None => {
                self.mistake(self.at..self.at, "expected a value, found the end of the file", None);
                Value::Invalid
            }
        }
    }

    /// Skips to where a next value may begin.
    fn junk(&mut self) -> Value {
        let found = self.peek().unwrap_or_default();
        self.mistake(self.here(), format!("expected a value, found `{}`", found.escape_debug()), None);
        let length = self.rest().find([',', ')', ']', '}', '\n']).unwrap_or(self.rest().len());
        self.at += length;
        Value::Invalid
    }

    /// Reads until the closing bracket, `each` reading what stands between commas. False where something could not be read.
    fn sequence(&mut self, close: char, mut each: impl FnMut(&mut Self)) -> bool {
        let begin = self.at;
        let before = self.mistakes.len();
        let bracket = self.peek().unwrap_or_default();
        self.open.push((bracket, begin));
        self.take();
        loop {
            self.skip_blank();
            match self.peek() {
                None => {
                    let help = Some(format!("add `{close}`"));
                    self.give_up(begin..begin + 1, format!("this `{bracket}` is never closed"), help);
                    break;
                }
                Some(c) if c == close => {
                    self.take();
                    break;
                }
                Some(found @ (')' | ']' | '}')) => {
                    let help = Some(format!("the `{bracket}` opened on line {} is still open", self.line(begin)));
                    self.mistake(self.here(), format!("expected `{close}`, found `{found}`"), help);
                    // Whoever opened that one closes here; where nobody did, it is one too many.
                    if self.open.iter().any(|&(open, _)| closes(open, found)) {
                        break;
                    }
                    self.take();
                    continue;
                }
                Some(_) => {}
            }
            let from = self.at;
            if close == ']' && self.open.len() > 1 && self.at_field() {
                // Somebody forgot to close the list: the field belongs further out.
                let help = Some(format!("add `]` before line {}", self.line(from)));
                self.mistake(begin..begin + 1, "this list is never closed", help);
                self.early = Some(from);
                break;
            }
            each(self);
            self.skip_blank();
            match self.peek() {
                Some(',') => self.take(),
                None | Some(')' | ']' | '}') => {}
                Some(_) if self.gave_up || self.early == Some(self.at) => {}
                Some(_) => {
                    let word = self.next_word();
                    let message =
                        format!("expected `,` or `{close}`, found `{}`", self.text[word.clone()].escape_debug());
                    self.mistake(word, message, None);
                    if self.at == from {
                        self.take();
                    }
                }
            }
        }
        self.open.pop();
        self.mistakes.len() == before && !self.gave_up
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text[..at].matches('\n').count()
    }

    fn parentheses(&mut self, name: Option<String>) -> Value {
        let (mut fields, mut items) = (Vec::new(), Vec::new());
        let whole = self.sequence(')', |reader| {
            let value = reader.value();
            match reader.separator(&value) {
                Some((name, name_span)) => fields.push(Field { name, name_span, value: reader.value() }),
                None => items.push(value),
            }
        });
        if fields.is_empty() {
            return if whole { Value::Tuple { name, items } } else { Value::Invalid };
        }
        for item in &items {
            if !matches!(item.value, Value::Invalid) {
                self.mistake(item.span.clone(), "expected `field: value`", None);
            }
        }
        Value::Struct { name, fields, broken: !whole || !items.is_empty() }
    }

    /// Takes the colon after a field's name; none where what was read is no name of a field.
    fn separator(&mut self, name: &Node) -> Option<(String, Range<usize>)> {
        let end = self.at;
        self.skip_blank();
        let found = self.peek().filter(|c| matches!(c, ':' | '='));
        let (Some(found), Value::Name(word) | Value::Text(word)) = (found, &name.value) else {
            self.at = end;
            return None;
        };
        if found == '=' {
            self.mistake(self.here(), "expected `:`, found `=`", None);
        }
        if let Value::Text(_) = name.value {
            self.mistake(name.span.clone(), "the name of a field stands without quotes", None);
        }
        self.take();
        Some((word.clone(), name.span.clone()))
    }

    fn entry(&mut self) -> Option<(Node, Node)> {
        let key = self.value();
        self.skip_blank();
        if !self.eat(':') {
            let found = self.peek().map_or("the end of the file".to_owned(), |c| format!("`{}`", c.escape_debug()));
            let was_read = !matches!(key.value, Value::Invalid);
            if was_read {
                self.mistake(self.here(), format!("expected `:` and a value, found {found}"), None);
            }
            if !self.eat('=') {
                return None;
            }
        }
        Some((key, self.value()))
    }

    fn word(&mut self) -> Value {
        for (start, raw) in [("r\"", true), ("r#\"", true), ("r##", true), ("br\"", true), ("br#", true)] {
            if raw && self.rest().starts_with(start) {
                return self.raw_string();
            }
        }
        if self.rest().starts_with("b\"") {
            self.take();
            return if let Value::Text(_) = self.string() { Value::Bytes } else { Value::Invalid };
        }
        if self.rest().starts_with("b'") {
            self.take();
            return if let Value::Char = self.char() { Value::Integer(0) } else { Value::Invalid };
        }
        let raw = self.rest().starts_with("r#");
        if raw {
            self.at += 2;
        }
        let part = |c: char| c == '_' || c.is_alphanumeric() || (raw && matches!(c, '.' | '+' | '-'));
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        self.at += length;
        match word.as_str() {
            "true" | "false" => return Value::Bool,
            "inf" | "inff32" | "inff64" => return Value::Float(f64::INFINITY),
            "NaN" | "NaNf32" | "NaNf64" => return Value::Float(f64::NAN),
            _ => {}
        }
        let end = self.at;
        self.skip_blank();
        if self.peek() == Some('(') {
            return self.parentheses(Some(word));
        }
        self.at = end;
        Value::Name(word)
    }

    fn number(&mut self) -> Value {
        let begin = self.at;
        let hexadecimal = self.rest().trim_start_matches(['+', '-']).starts_with("0x");
        let mut before = ' ';
        while let Some(c) = self.peek() {
            let sign = matches!(c, '+' | '-');
            let exponent = matches!(before, 'e' | 'E') && !hexadecimal;
            if !(c == '.' || c == '_' || c.is_alphanumeric() || sign && (self.at == begin || exponent)) {
                break;
            }
            before = c;
            self.take();
        }
        let written = &self.text[begin..self.at];
        number(written).unwrap_or_else(|| {
            self.mistake(begin..self.at, format!("`{}` is not a number", shorten(written)), None);
            Value::Invalid
        })
    }

    fn char(&mut self) -> Value {
        let begin = self.at;
        let line = &self.text[begin..self.end_of_line()];
        let mut escaped = false;
        for (at, c) in line.char_indices().skip(1) {
            match c {
                '\'' if !escaped && at > 1 => {
                    self.at = begin + at + 1;
                    return Value::Char;
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        self.at = begin + line.len();
        self.mistake(begin..begin + 1, "this quote is never closed", Some("a text stands between `\"`".into()));
        Value::Invalid
    }

    fn string(&mut self) -> Value {
        let begin = self.at;
        self.take();
        let mut written = String::new();
        while let Some(c) = self.peek() {
            self.take();
            match c {
                '"' => return Value::Text(written),
                '\\' => self.escape(&mut written),
                _ => written.push(c),
            }
        }
        self.give_up(begin..begin + 1, "this text is never closed", Some("add `\"`".into()));
        Value::Invalid
    }

    /// What follows a backslash. What is wrong with numbers is left for `ron` to refuse.
    fn escape(&mut self, written: &mut String) {
        let Some(c) = self.peek() else { return };
        self.take();
        if !matches!(c, 'n' | 'r' | 't' | '0' | 'x' | 'u' | '\n' | '\r' | '\'' | '"' | '\\') {
            let help = Some("a backslash itself is written `\\\\`".to_owned());
            let span = self.at - c.len_utf8() - 1..self.at;
            self.mistake(span, format!("there is no escape `\\{}`", c.escape_debug()), help);
        }
        match c {
            'n' => written.push('\n'),
            'r' => written.push('\r'),
            't' => written.push('\t'),
            '0' => written.push('\0'),
            'x' | 'u' => {
                let digits: String = self.rest().chars().take(8).collect();
                let (code, length) = match digits.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
                    Some((inside, _)) => (inside.to_owned(), inside.len() + 2),
                    None => (digits.chars().take(2).collect(), digits.chars().take(2).map(char::len_utf8).sum()),
                };
                if let Some(c) = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
                    written.push(c);
                    self.at += length;
                }
            }
            '\n' | '\r' => {
                let rest = self.rest();
                self.at += rest.len() - rest.trim_start().len();
            }
            other => written.push(other),
        }
    }

    fn raw_string(&mut self) -> Value {
        let begin = self.at;
        let bytes = self.eat('b');
        self.take();
        let hashes = self.rest().len() - self.rest().trim_start_matches('#').len();
        self.at += hashes;
        if !self.eat('"') {
            self.mistake(begin..self.at, "expected `\"`", None);
            return Value::Invalid;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        match self.rest().find(&end) {
            Some(length) => {
                let written = self.rest()[..length].to_owned();
                self.at += length + end.len();
                if bytes { Value::Bytes } else { Value::Text(written) }
            }
            None => {
                self.give_up(begin..begin + 1, "this text is never closed", Some(format!("add `{end}`")));
                Value::Invalid
            }
        }
    }
}

fn closes(open: char, close: char) -> bool {
    matches!((open, close), ('(', ')') | ('[', ']') | ('{', '}'))
}

/// The number that is written, if one is.
fn number(written: &str) -> Option<Value> {
    let plain: String = written.chars().filter(|&c| c != '_').collect();
    let (sign, body) = match plain.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = body.strip_prefix(prefix) {
            let digits = digits.split(['u', 'i']).next()?;
            return whole(digits, radix, sign);
        }
    }
    let infinite =
        |c: &str, word: &str| c == word || c.strip_prefix(word).is_some_and(|end| end == "f32" || end == "f64");
    if infinite(body, "inf") {
        return Some(Value::Float(f64::from(sign as i32) * f64::INFINITY));
    }
    if infinite(body, "NaN") {
        return Some(Value::Float(f64::NAN));
    }
    let suffix = ["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64"];
    let digits = suffix.iter().find_map(|suffix| body.strip_suffix(suffix)).unwrap_or(body);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole(digits, 10, sign);
    }
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let value: f64 = digits.bytes().all(allowed).then(|| digits.parse().ok())??;
    Some(Value::Float(f64::from(sign as i32) * value))
}

fn whole(digits: &str, radix: u32, sign: i128) -> Option<Value> {
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    valid.then(|| Value::Integer(i128::from_str_radix(digits, radix).map_or(sign * i128::MAX, |value| sign * value)))
}

/// At most 40 characters of what was written.
pub(super) fn shorten(written: &str) -> String {
    match written.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &written[..end]),
        None => written.to_owned(),
    }
}
