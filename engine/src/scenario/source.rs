//! Text composed from pieces that remember where a user wrote them.

use super::{Diagnostic, Mistake};
use std::ops::Range;
use std::path::PathBuf;

/// Something that a user wrote: a file, or one `--set`.
pub(super) struct Source {
    /// What it is called in messages.
    pub(super) name: String,
    pub(super) text: String,
    /// What paths inside are relative to.
    pub(super) folder: PathBuf,
}

/// Text made of slices of [`Source`]s and of a little glue.
#[derive(Clone, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
struct Piece {
    length: usize,
    source: usize,
    /// Where in the source.
    at: usize,
    /// Whether it stands there exactly like this; glue has one place for all its bytes.
    verbatim: bool,
}

impl Text {
    /// A slice of a source.
    pub(super) fn verbatim(sources: &[Source], source: usize, range: Range<usize>) -> Self {
        let text = sources[source].text[range.clone()].to_owned();
        let piece = Piece { length: text.len(), source, at: range.start, verbatim: true };
        Text { text, pieces: vec![piece] }
    }

    /// What nobody wrote, but something written at this place made necessary.
    pub(super) fn glue(text: &str, source: usize, at: usize) -> Self {
        let piece = Piece { length: text.len(), source, at, verbatim: false };
        Text { text: text.to_owned(), pieces: vec![piece] }
    }

    /// One after the other.
    pub(super) fn then(mut self, next: Text) -> Self {
        self.text.push_str(&next.text);
        self.pieces.extend(next.pieces);
        self
    }

    /// A part of the text.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let mut pieces = Vec::new();
        let mut begin = 0;
        for piece in &self.pieces {
            let (from, to) = (range.start.max(begin), range.end.min(begin + piece.length));
            if from < to {
                let at = if piece.verbatim { piece.at + from - begin } else { piece.at };
                pieces.push(Piece { length: to - from, at, ..piece.clone() });
            }
            begin += piece.length;
        }
        Text { text: self.text[range].to_owned(), pieces }
    }

    /// The text with a part replaced.
    pub(super) fn replace(&self, range: Range<usize>, by: Text) -> Self {
        self.slice(0..range.start).then(by).then(self.slice(range.end..self.text.len()))
    }

    /// The source and the place in it from which a byte came.
    pub(super) fn origin(&self, at: usize) -> (usize, usize) {
        let mut begin = 0;
        for piece in &self.pieces {
            if at < begin + piece.length {
                return (piece.source, if piece.verbatim { piece.at + at - begin } else { piece.at });
            }
            begin += piece.length;
        }
        self.pieces.last().map_or((0, 0), |last| (last.source, last.at + if last.verbatim { last.length } else { 0 }))
    }

    /// A mistake in this text, as its author sees it.
    pub(super) fn diagnose(&self, sources: &[Source], mistake: Mistake) -> Diagnostic {
        let (source, at) = self.origin(mistake.span.start);
        let last =
            self.text[..mistake.span.end.min(self.text.len())].char_indices().next_back().map_or(0, |(at, _)| at);
        let end = match self.origin(last.max(mistake.span.start)) {
            (same, end) if same == source => end + usize::from(mistake.span.start < mistake.span.end),
            _ => at,
        };
        sources[source].diagnose(at..end.max(at), mistake)
    }
}

impl Source {
    /// A mistake at a place in this source.
    pub(super) fn diagnose(&self, span: Range<usize>, mistake: Mistake) -> Diagnostic {
        let (before, line, column, source_line) = position(&self.text, span.start);
        let rest = &source_line[before..];
        let length = rest.char_indices().take_while(|(at, _)| *at < span.len()).count();
        Diagnostic {
            file: self.name.clone(),
            line,
            column,
            length: length.max(1),
            source_line: Some(source_line.to_owned()),
            message: mistake.message,
            help: mistake.help,
        }
    }
}

/// Bytes of the line before `at`, the line's number and the column in characters, both from 1, and the line.
fn position(text: &str, at: usize) -> (usize, usize, usize, &str) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[begin..].find('\n').map_or(text.len(), |length| begin + length);
    let line = text[begin..end].trim_end_matches('\r');
    let before = (at - begin).min(line.len());
    (before, 1 + text[..begin].matches('\n').count(), 1 + line[..before].chars().count(), line)
}

/// The byte at which a line and a column in characters, both from 1, stand.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let begin = match line.checked_sub(2) {
        Some(earlier) => text.match_indices('\n').nth(earlier).map_or(text.len(), |(at, _)| at + 1),
        None => 0,
    };
    let rest = &text[begin..];
    rest.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| begin + at)
}
