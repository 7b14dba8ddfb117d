//! How many spaces stand before each token.
//!
//! A line has up to three cells: what leads, the assignment (`=` and what follows, if it is whole on this line), and a trailing
//! comment. Indentation is decided for lines, spacing inside of cells, columns between them.

use super::token::{Kind, Token};
use std::ops::Range;

/// One line: its cells as ranges of tokens, one after the other.
struct Line {
    lead: Range<usize>,
    assign: Range<usize>,
    comment: Range<usize>,
}

/// The spaces before each token, in order.
pub(super) fn layout(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut spaces: Vec<usize> = tokens.iter().map(|t| t.blanks).collect();
    let lines = lines(tokens);
    indent(tokens, &lines, &mut spaces);
    for line in &lines {
        inside(tokens, line.lead.clone(), &mut spaces);
        if let Some(first) = spaces.get_mut(line.assign.start).filter(|_| !line.assign.is_empty()) {
            *first = 1;
        }
        inside(tokens, line.assign.clone(), &mut spaces);
    }
    let width = |spaces: &[usize], cell: &Range<usize>| -> usize {
        cell.clone().map(|i| spaces[i] + tokens[i].columns()).sum()
    };
    align(&lines, &mut spaces, |l| &l.assign, |l, s| width(s, &l.lead));
    align(&lines, &mut spaces, |l| &l.comment, |l, s| width(s, &l.lead) + width(s, &l.assign));
    spaces
}

fn lines(tokens: &[Token<'_>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (i, token) in tokens.iter().enumerate() {
        if token.ends_line() {
            lines.push(cells(tokens, start..i + 1));
            start = i + 1;
        } else if token.kind == Kind::End && start < i {
            lines.push(cells(tokens, start..i));
        }
    }
    lines
}

fn cells(tokens: &[Token<'_>], line: Range<usize>) -> Line {
    let Range { start, mut end } = line;
    let comment = if end - start > 1 && tokens[end - 1].kind == Kind::Comment { end - 1..end } else { end..end };
    end = comment.start;
    // The first `=` decides; with brackets that stay open it begins an expression of several lines, which is not moved.
    let equals = (start + 1..end).find(|&i| tokens[i].kind == Kind::Assign);
    let whole = |i: &usize| tokens[*i..end].iter().map(Token::depth).sum::<isize>() == 0;
    let assign = equals.filter(whole).unwrap_or(end);
    Line { lead: start..assign, assign: assign..end, comment }
}

/// Indents lines by the lines that still hold open brackets: a line that opens several is one step, and closing them one by one
/// steps back only with the last.
fn indent(tokens: &[Token<'_>], lines: &[Line], spaces: &mut [usize]) {
    let mut open: Vec<isize> = Vec::new();
    for line in lines {
        let first = line.lead.start;
        if tokens[first].kind == Kind::Newline {
            spaces[first] = 0;
            continue;
        }
        let mut net = 0;
        for token in &tokens[line.lead.clone()] {
            net += token.depth();
            if token.kind == Kind::OpenHeredoc {
                break;
            }
        }
        net += tokens[line.assign.clone()].iter().map(Token::depth).sum::<isize>();
        let mut closed = -net;
        while closed > 0 {
            let Some(last) = open.last_mut() else { break };
            if closed < *last {
                *last -= closed;
                break;
            }
            closed -= *last;
            open.pop();
        }
        spaces[first] = 2 * open.len();
        if net > 0 {
            open.push(net);
        }
    }
}

/// Spaces between the tokens of one cell.
fn inside(tokens: &[Token<'_>], cell: Range<usize>, spaces: &mut [usize]) {
    for i in cell.start + 1..cell.end {
        let before = if i - 1 > cell.start { Some(tokens[i - 2]) } else { None };
        spaces[i] = usize::from(apart(before, tokens[i - 1], tokens[i]));
    }
}

/// Whether a space stands between `left` and `right`; `before` is the token before `left` in the same cell.
fn apart(before: Option<Token<'_>>, left: Token<'_>, right: Token<'_>) -> bool {
    use Kind::*;
    match (left.kind, right.kind) {
        (_, Newline) => false,
        // Calls, attributes, arguments.
        (Ident, OpenParen) | (Ident, DoubleColon) | (DoubleColon, Ident) => false,
        (Dot, _) | (_, Dot) | (_, Comma | Ellipsis) => false,
        (Comma, _) => true,
        // Nothing is added to a text.
        (Literal | OpenQuote | OpenHeredoc, _) | (_, Literal | CloseQuote | CloseHeredoc) => false,
        // `[for x in [a]: x]` is no index.
        (Ident, _) if left.text == "in" && before.is_some_and(|b| b.kind == Ident) => true,
        (Ident | Number, OpenBracket) => false,
        (_, OpenBracket) if left.depth() < 0 => false,
        (Bang, _) => false,
        (Minus, _) => !before.is_none_or(|b| negates(b.kind)),
        (OpenBrace, CloseBrace) => false,
        (OpenBrace, _) | (_, CloseBrace) => true,
        (OpenTemplate, OpenBrace) | (CloseBrace, CloseTemplate) => true,
        (CloseTemplate, OpenTemplate) => false,
        _ => left.depth() <= 0 && right.depth() >= 0,
    }
}

/// Whether a minus after this is a sign.
fn negates(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        OpenParen
            | OpenBrace
            | OpenBracket
            | Assign
            | Colon
            | Comma
            | Question
            | Arithmetic
            | Minus
            | Comparison
            | Logic
            | Bang
    )
}

/// Puts the cells of neighbouring lines that have one into one column.
fn align(
    lines: &[Line],
    spaces: &mut [usize],
    cell: impl Fn(&Line) -> &Range<usize>,
    width: impl Fn(&Line, &[usize]) -> usize,
) {
    for chain in lines.split(|line| cell(line).is_empty()) {
        let widths: Vec<usize> = chain.iter().map(|line| width(line, spaces)).collect();
        let widest = widths.iter().copied().max().unwrap_or(0);
        for (line, own) in chain.iter().zip(widths) {
            spaces[cell(line).start] = widest - own + 1;
        }
    }
}
