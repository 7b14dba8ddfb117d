//! Source texts and places in them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One text that a user gave us, with the name that they gave it (a path, `-`, `-var name`).
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<u32>,
}

/// A line and column as editors count them: both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Source {
    /// Takes a text under the name that is shown in messages.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
            .collect();
        Arc::new(Source { name: name.into(), text, line_starts })
    }

    /// The name shown in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset; an offset past the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start as usize <= offset) - 1;
        let start = self.line_starts[line] as usize;
        Position { line: line as u32 + 1, column: self.text[start..offset].chars().count() as u32 + 1 }
    }

    /// The text of a line (from 1) without its line end.
    pub fn line(&self, line: u32) -> &str {
        let index = (line.max(1) - 1) as usize;
        let Some(start) = self.line_starts.get(index) else { return "" };
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |e| *e as usize);
        self.text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The byte offset of a line and column, both from 1; clamped to the text.
    pub fn offset(&self, line: u32, column: u32) -> usize {
        let index = (line.max(1) - 1) as usize;
        let Some(start) = self.line_starts.get(index) else { return self.text.len() };
        let rest = &self.text[*start as usize..];
        let skip = rest.char_indices().nth(column.max(1) as usize - 1).map_or(rest.len(), |(i, _)| i);
        *start as usize + skip
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?}, {} bytes)", self.name, self.text.len())
    }
}

/// A range of bytes in a [`Source`]. Cheap to clone.
#[derive(Clone)]
pub struct Span {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Span {
    /// A span of `range` in `source`.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Span { source: Arc::clone(source), start: range.start as u32, end: range.end.max(range.start) as u32 }
    }

    /// The text that this span lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Byte range in the source.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether both are one place of one text. (`==` says nothing: spans never make two values differ.)
    pub fn is_at(&self, other: &Span) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.range() == other.range()
    }

    /// Where the span starts.
    pub fn position(&self) -> Position {
        self.source.position(self.start as usize)
    }

    /// A span inside this one, `range` counted from this span's start. Used for a part of a string value; the caller
    /// answers for the value being written without escapes.
    pub fn sub(&self, range: Range<usize>) -> Self {
        let start = (self.start as usize + range.start).min(self.source.text.len());
        let end = (self.start as usize + range.end).min(self.source.text.len());
        Span::new(&self.source, start..end)
    }
}

/// `name:line:column`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.position();
        write!(f, "{}:{}:{}", self.source.name, at.line, at.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Spans are where a value was written, not what it is: they never make two values differ.
impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let source = Source::new("t", "ab\nçde\n");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(5), Position { line: 2, column: 2 });
        assert_eq!(source.position(99), Position { line: 3, column: 1 });
        assert_eq!(source.offset(2, 2), 5);
        assert_eq!(source.line(2), "çde");
        assert_eq!(Span::new(&source, 5..6).to_string(), "t:2:2");
    }
}
