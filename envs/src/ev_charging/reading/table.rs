//! Tables of comma-separated values with a header.

use super::{Flaws, Lines};
use csv::{ByteRecord, ReaderBuilder};
use std::io::Read;

/// A column that a table may or must have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// As in the header.
    pub name: &'static str,
    /// Whether a table without it is refused.
    pub required: bool,
}

/// What to do with columns that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Somebody else's format has them.
    Ignored,
    /// In a format of our own they are misspelt.
    Refused,
}

/// A table, read row by row.
pub(crate) struct Table<'a> {
    reader: csv::Reader<Lines<Box<dyn Read + 'a>>>,
    record: ByteRecord,
    wanted: Vec<&'a str>,
    /// Where each wanted column is.
    at: Vec<Option<usize>>,
    header: Vec<String>,
    /// Whether rows may end early.
    short_rows: bool,
    ended: bool,
}

/// A row, and what may be said about it.
pub(crate) struct Row<'t, 'a> {
    table: &'t Table<'a>,
    /// Line in the file, from 1.
    pub line: u64,
}

impl<'a> Table<'a> {
    /// Reads the header.
    pub(crate) fn open(
        read: Box<dyn Read + 'a>,
        file: &str,
        columns: &[Column],
        others: Others,
    ) -> Result<Table<'a>, Flaws> {
        let wanted: Vec<(&'a str, bool)> = columns.iter().map(|column| (column.name, column.required)).collect();
        Table::open_any(read, file, &wanted, others)
    }

    /// The same for columns whose names are known only when running.
    pub(crate) fn open_any(
        read: Box<dyn Read + 'a>,
        file: &str,
        columns: &[(&'a str, bool)],
        others: Others,
    ) -> Result<Table<'a>, Flaws> {
        let lines = Lines { inner: read, since_newline: 0 };
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines);
        let mut record = ByteRecord::new();
        let mut flaws = Flaws::none(file);
        let known = || columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        match reader.read_byte_record(&mut record) {
            Err(error) => return Err(Flaws::one(file, "", error.to_string(), "")),
            Ok(false) => return Err(Flaws::one(file, "", "is empty", &format!("its header has: {}", known()))),
            Ok(true) => {}
        }
        let name = |field: &[u8]| String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned();
        let header: Vec<String> = record.iter().map(name).collect();
        for (index, name) in header.iter().enumerate() {
            let twice = header[..index].contains(name);
            let unknown = others == Others::Refused && !columns.iter().any(|(known, _)| known == name);
            if twice && columns.iter().any(|(known, _)| known == name) {
                flaws.add("line 1", format!("column {name:?} is there twice"), "name each column once");
            } else if unknown {
                flaws.add("line 1", format!("there is no column {name:?}"), &format!("the columns are: {}", known()));
            }
        }
        let at: Vec<Option<usize>> =
            columns.iter().map(|(wanted, _)| header.iter().position(|name| name == wanted)).collect();
        for ((name, required), at) in columns.iter().zip(&at) {
            if *required && at.is_none() {
                let found = header.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
                flaws.add(
                    "line 1",
                    format!("has no column {name:?}, but: {found}"),
                    "the first line names the columns",
                );
            }
        }
        let wanted = columns.iter().map(|(name, _)| *name).collect();
        flaws.or(Table { reader, record, wanted, at, header, short_rows: false, ended: false })
    }

    /// The same table where what a row does not have is empty.
    pub(crate) fn with_short_rows(self) -> Self {
        Table { short_rows: true, ..self }
    }

    /// Whether a column is there.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.at[column].is_some()
    }

    /// The names of all columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row that has as many fields as the header; others are flaws.
    pub(crate) fn next(&mut self, flaws: &mut Flaws) -> Option<Row<'_, 'a>> {
        while !self.ended {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    flaws.add("", error.to_string(), "");
                }
                Ok(true) => {
                    let line = self.record.position().map_or(0, |position| position.line());
                    let (fields, width) = (self.record.len(), self.header.len());
                    if fields == width || self.short_rows && fields < width {
                        return Some(Row { table: self, line });
                    }
                    let found = format!("has {fields} fields where the header has {width}");
                    flaws.add(&format!("line {line}"), found, "every row has every field, if only an empty one");
                }
            }
        }
        None
    }
}

impl Row<'_, '_> {
    /// The text of a column; empty where the table has no such column or the field is empty.
    pub(crate) fn text(&self, column: usize, flaws: &mut Flaws) -> Option<&str> {
        let Some(at) = self.table.at[column] else { return Some("") };
        let field = self.table.record.get(at).unwrap_or(&[]);
        match str::from_utf8(field) {
            Ok(text) => Some(text.trim()),
            Err(_) => {
                self.flaw(
                    column,
                    format!("found {:?}", shorten(&String::from_utf8_lossy(field))),
                    "UTF-8 would do",
                    flaws,
                );
                None
            }
        }
    }

    /// A finite number, which must be there.
    pub(crate) fn number(&self, column: usize, flaws: &mut Flaws) -> Option<f64> {
        let text = self.text(column, flaws)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            self.flaw(column, format!("found {:?}", shorten(text)), "a finite number would do", flaws);
        }
        number
    }

    /// A finite number, or nothing in an empty field. The outer `None` is a flaw.
    pub(crate) fn maybe_number(&self, column: usize, flaws: &mut Flaws) -> Option<Option<f64>> {
        if self.text(column, flaws)?.is_empty() { Some(None) } else { self.number(column, flaws).map(Some) }
    }

    /// Says that something is wrong with a field of this row.
    pub(crate) fn flaw(&self, column: usize, message: String, help: &str, flaws: &mut Flaws) {
        flaws.add(&self.place(column), message, help);
    }

    /// Line and column, in words.
    pub(crate) fn place(&self, column: usize) -> String {
        format!("line {}, column {:?}", self.line, self.table.wanted[column])
    }
}

/// As much of what was found as is worth printing.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
