//! JSON that remembers where it stood: every complaint names file, line and path.

use std::fmt;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// The file, as the scenario names it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Names and indices that lead to the value: `roads[3].lanes[0].width`. Empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ImportError {}

/// Arrays and objects inside each other; more is refused before the stack runs out.
const DEEPEST: usize = 64;

/// A value and the byte at which it starts.
#[derive(Debug)]
struct Node {
    at: usize,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    List(Vec<Node>),
    /// In the order of the file; of two entries of one name the first counts.
    Map(Vec<(Box<str>, Node)>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }
}

/// A file that has been read.
#[derive(Debug)]
pub(super) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    root: Node,
}

impl<'t> Document<'t> {
    pub(super) fn parse(file: &'t str, text: &'t str) -> Result<Self, ImportError> {
        // Editors on some systems write a byte order mark.
        let begin = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut reader = Reader { text: text.as_bytes(), at: begin, depth: 0 };
        let read = reader.value().and_then(|root| {
            reader.skip_space();
            if reader.at < text.len() { Err("nothing may follow the document") } else { Ok(root) }
        });
        match read {
            Ok(root) => Ok(Document { file, text, root }),
            Err(message) => Err(complaint(file, text, reader.at, String::new(), message.to_owned())),
        }
    }

    pub(super) fn root(&self) -> Place<'_> {
        Place { document: self, node: &self.root, parent: None, step: Step::Root }
    }
}

fn complaint(file: &str, text: &str, at: usize, path: String, message: String) -> ImportError {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    // Bytes that continue a character do not count.
    let column = 1 + before[begin..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    ImportError { file: file.to_owned(), line, column, path, message }
}

/// A value in a document, and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    document: &'d Document<'d>,
    node: &'d Node,
    parent: Option<&'d Place<'d>>,
    step: Step<'d>,
}

#[derive(Clone, Copy)]
enum Step<'d> {
    Root,
    Field(&'d str),
    Index(usize),
}

impl<'d> Place<'d> {
    fn path(&self) -> String {
        let mut path = self.parent.map_or_else(String::new, Place::path);
        match self.step {
            Step::Root => {}
            Step::Field(name) if path.is_empty() => path.push_str(name),
            Step::Field(name) => path.extend([".", name]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
        path
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ImportError {
        complaint(self.document.file, self.document.text, self.node.at, self.path(), message.into())
    }

    fn expected(&self, what: &str) -> ImportError {
        self.error(format!("expected {what}, found {}", self.node.value.kind()))
    }

    /// The entry of that name, if there is one that is not null.
    pub(super) fn find(&'d self, name: &'static str) -> Result<Option<Place<'d>>, ImportError> {
        let Value::Map(entries) = &self.node.value else { return Err(self.expected("an object")) };
        let found = entries.iter().find(|(entry, node)| &**entry == name && !matches!(node.value, Value::Null));
        Ok(found.map(|(_, node)| Place { document: self.document, node, parent: Some(self), step: Step::Field(name) }))
    }

    pub(super) fn get(&'d self, name: &'static str) -> Result<Place<'d>, ImportError> {
        self.find(name)?.ok_or_else(|| self.error(format!("`{name}` is missing")))
    }

    pub(super) fn items(&'d self) -> Result<impl ExactSizeIterator<Item = Place<'d>>, ImportError> {
        let Value::List(nodes) = &self.node.value else { return Err(self.expected("a list")) };
        Ok(nodes.iter().enumerate().map(|(index, node)| Place {
            document: self.document,
            node,
            parent: Some(self),
            step: Step::Index(index),
        }))
    }

    pub(super) fn text(&self) -> Result<&'d str, ImportError> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected("a text")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, ImportError> {
        match &self.node.value {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.expected("true or false")),
        }
    }

    pub(super) fn number(&self) -> Result<f64, ImportError> {
        match &self.node.value {
            Value::Number(number) => Ok(*number),
            _ => Err(self.expected("a number")),
        }
    }

    pub(super) fn index(&self) -> Result<usize, ImportError> {
        let number = self.number()?;
        if number < 0.0 || number.fract() != 0.0 || number > f64::from(u32::MAX) {
            return Err(self.error(format!("expected a whole number, 0 or above, found {number}")));
        }
        Ok(number as usize)
    }

    pub(super) fn positive(&self) -> Result<f64, ImportError> {
        let number = self.number()?;
        if number > 0.0 { Ok(number) } else { Err(self.error(format!("expected a number above 0, found {number}"))) }
    }

    pub(super) fn non_negative(&self) -> Result<f64, ImportError> {
        let number = self.number()?;
        if number >= 0.0 {
            Ok(number)
        } else {
            Err(self.error(format!("expected a number, 0 or above, found {number}")))
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Read<Node> {
        self.skip_space();
        let at = self.at;
        let value = match self.peek() {
            None => return Err("the file ends where a value should stand"),
            Some(b'{') => self.nested(Reader::map)?,
            Some(b'[') => self.nested(Reader::list)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(_) => self.word()?,
        };
        Ok(Node { at, value })
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        if self.depth == DEEPEST {
            return Err("lists and objects are nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        let value = inside(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Read<Value> {
        let mut nodes = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(nodes));
        }
        loop {
            nodes.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                None => return Err("the file ends inside a list"),
                Some(_) => return Err("expected `,` or `]`"),
            }
        }
        self.at += 1;
        Ok(Value::List(nodes))
    }

    fn map(&mut self) -> Read<Value> {
        let mut entries = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            self.skip_space();
            let name = match self.peek() {
                Some(b'"') => self.string()?,
                None => return Err("the file ends inside an object"),
                Some(_) => return Err("expected a name in quotation marks"),
            };
            self.skip_space();
            match self.peek() {
                Some(b':') => self.at += 1,
                None => return Err("the file ends inside an object"),
                Some(_) => return Err("expected `:`"),
            }
            entries.push((name, self.value()?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                None => return Err("the file ends inside an object"),
                Some(_) => return Err("expected `,` or `}`"),
            }
        }
        self.at += 1;
        Ok(Value::Map(entries))
    }

    fn word(&mut self) -> Read<Value> {
        let rest = &self.text[self.at..];
        for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("expected a value")
    }

    fn number(&mut self) -> Read<f64> {
        let begin = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        let written = std::str::from_utf8(&self.text[begin..self.at]).unwrap_or_default();
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(as_cityflow_reads(written).unwrap_or(number)),
            found => {
                self.at = begin;
                Err(if found.is_ok() { "the number is too large" } else { "this is no number" })
            }
        }
    }

    fn string(&mut self) -> Read<Box<str>> {
        let begin = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                self.at = begin;
                return Err("the file ends inside this text");
            };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => self.escaped(&mut bytes)?,
                0..0x20 => return Err("a line cannot end inside a text"),
                byte => bytes.push(byte),
            }
        }
        // The file is UTF-8, and only whole characters were added to what it says.
        String::from_utf8(bytes).map(String::into_boxed_str).map_err(|_| "this text is not UTF-8")
    }

    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Read<()> {
        let escape = self.peek();
        self.at += 1;
        bytes.push(match escape {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let character = self.unicode()?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err("unknown escape in a text"),
        });
        Ok(())
    }

    /// Four hexadecimal digits, or twice four for a character beyond the first 65,536.
    fn unicode(&mut self) -> Read<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or("this escape is no character");
        }
        if !self.text[self.at..].starts_with(b"\\u") {
            return Err("this escape is half a character");
        }
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err("this escape is half a character");
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or("this escape is no character")
    }

    fn four_digits(&mut self) -> Read<u32> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let number =
            digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("expected four hex digits")?;
        self.at += 4;
        Ok(number)
    }
}

/// Powers of ten that are exact.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Digits that are read; the rest is cut off.
const DIGITS: u32 = 17;

/// A decimal number as CityFlow takes it, whose reader (RapidJSON at its normal precision) may miss the nearest 64-bit
/// number by one: coordinates of real networks do differ. None where both agree for certain or the number is unusual.
fn as_cityflow_reads(written: &str) -> Option<f64> {
    let unsigned = written.trim_start_matches('-');
    let (whole, decimals) = unsigned.split_once('.')?;
    if whole.len() > 15 || decimals.contains(['e', 'E']) {
        return None;
    }
    let mut exact: u64 = whole.parse().ok()?;
    let mut digits = if exact == 0 { 0 } else { whole.len() as u32 };
    let mut rest = decimals.bytes();
    let mut places = 0;
    while exact < 1 << 53 {
        let Some(digit) = rest.next() else { break };
        exact = exact * 10 + u64::from(digit - b'0');
        places += 1;
        digits += u32::from(exact != 0);
    }
    let mut number = exact as f64;
    for digit in rest {
        if digits < DIGITS {
            number = number * 10.0 + f64::from(digit - b'0');
            places += 1;
            digits += 1;
        }
    }
    let number = number / TENS.get(places)?;
    Some(if written.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Document::parse("net.json", text).expect_err("refused").to_string()
    }

    #[test]
    fn values_know_their_place() {
        let text = "{\n  \"roads\": [\n    {\"id\": \"\\u00e4\\ud83d\\ude00\", \"length\": -3}\n  ]\n}";
        let document = Document::parse("net.json", text).expect("valid");
        let root = document.root();
        let roads = root.get("roads").expect("there");
        let road = roads.items().expect("a list").next().expect("one");
        assert_eq!(road.get("id").and_then(|id| id.text().map(str::to_owned)), Ok("ä😀".to_owned()));
        let length = road.get("length").expect("there");
        assert_eq!(
            length.positive().expect_err("negative").to_string(),
            "net.json:3:44: roads[0].length: expected a number above 0, found -3"
        );
        assert_eq!(
            road.get("lanes").map(|_| ()).expect_err("missing").to_string(),
            "net.json:3:5: roads[0]: `lanes` is missing"
        );
    }

    #[test]
    fn numbers_are_read_as_cityflow_reads_them() {
        for same in ["0.5", "-3.25", "11.111", "299.99", "0.1"] {
            assert_eq!(as_cityflow_reads(same), same.parse().ok());
        }
        // One bit beside the nearest.
        let (found, nearest) = (as_cityflow_reads("-3.7199999999999998"), -3.719_999_999_999_999_8f64);
        assert_eq!(found.map(f64::to_bits), Some(nearest.to_bits() + 1));
        assert_eq!(as_cityflow_reads("12"), None);
        assert_eq!(as_cityflow_reads("1.5e3"), None);
    }

    #[test]
    fn broken_files_are_refused_where_they_break() {
        assert_eq!(refused(""), "net.json:1:1: the file ends where a value should stand");
        assert_eq!(refused("{\"a\": [1, 2"), "net.json:1:12: the file ends inside a list");
        assert_eq!(refused("{\"a\": \"b"), "net.json:1:7: the file ends inside this text");
        assert_eq!(refused("[1e999]"), "net.json:1:2: the number is too large");
        assert_eq!(refused("[1.2.3]"), "net.json:1:2: this is no number");
        assert_eq!(refused("[1,\n 2} "), "net.json:2:3: expected `,` or `]`");
        assert_eq!(refused("[] []"), "net.json:1:4: nothing may follow the document");
        assert_eq!(refused("\"\\ud800\""), "net.json:1:8: this escape is half a character");
        assert!(refused(&"[".repeat(100_000)).ends_with("nested too deeply"));
    }

    #[test]
    fn no_beginning_of_a_file_is_a_panic() {
        let text = "{\"a\": [1, -2.5e3, true, null, \"x\\n\\u0041\"], \"b\": {\"c\": false}}";
        assert!(Document::parse("net.json", text).is_ok());
        for end in 0..text.len() {
            assert!(Document::parse("net.json", &text[..end]).is_err(), "{}", &text[..end]);
        }
    }
}
