//! What styles a text may be written in.

use super::resolve::is_text;

/// PyYAML's analysis of a scalar.
pub(super) struct Analysis {
    pub multiline: bool,
    pub flow_plain: bool,
    pub block_plain: bool,
    pub single_quoted: bool,
    pub block: bool,
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn analyze(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, flow_plain: false, block_plain: true, single_quoted: true, block: false };
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut block_indicators, mut flow_indicators, mut line_breaks, mut special) = (false, false, false, false);
    let (mut leading_space, mut leading_break, mut trailing_space, mut trailing_break) = (false, false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    if text.starts_with("---") || text.starts_with("...") {
        (block_indicators, flow_indicators) = (true, true);
    }
    let mut preceded = true;
    let blank_at = |i: usize| chars.get(i).is_none_or(|c| matches!(c, '\0' | ' ' | '\t' | '\r') || is_break(*c));
    let (mut previous_space, mut previous_break) = (false, false);
    for (i, &c) in chars.iter().enumerate() {
        let followed = blank_at(i + 1);
        if i == 0 {
            if "#,[]{}&*!|>'\"%@`".contains(c) {
                (flow_indicators, block_indicators) = (true, true);
            }
            if "?:".contains(c) {
                flow_indicators = true;
                block_indicators |= followed;
            }
            if c == '-' && followed {
                (flow_indicators, block_indicators) = (true, true);
            }
        } else {
            if ",?[]{}".contains(c) {
                flow_indicators = true;
            }
            if c == ':' {
                flow_indicators = true;
                block_indicators |= followed;
            }
            if c == '#' && preceded {
                (flow_indicators, block_indicators) = (true, true);
            }
        }
        if is_break(c) {
            line_breaks = true;
        }
        if !(c == '\n' || (' '..='~').contains(&c)) {
            let printable =
                c == '\u{85}' || ('\u{a0}'..='\u{d7ff}').contains(&c) || ('\u{e000}'..='\u{fffd}').contains(&c);
            special |= !printable || c == '\u{feff}';
        }
        if c == ' ' {
            leading_space |= i == 0;
            trailing_space |= i + 1 == chars.len();
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            leading_break |= i == 0;
            trailing_break |= i + 1 == chars.len();
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        preceded = matches!(c, '\0' | ' ' | '\t' | '\r') || is_break(c);
    }
    let mut a =
        Analysis { multiline: line_breaks, flow_plain: true, block_plain: true, single_quoted: true, block: true };
    if leading_space || leading_break || trailing_space || trailing_break {
        (a.flow_plain, a.block_plain) = (false, false);
    }
    if trailing_space {
        a.block = false;
    }
    if break_space {
        (a.flow_plain, a.block_plain, a.single_quoted) = (false, false, false);
    }
    if space_break || special {
        (a.flow_plain, a.block_plain, a.single_quoted, a.block) = (false, false, false, false);
    }
    if line_breaks {
        (a.flow_plain, a.block_plain) = (false, false);
    }
    a.flow_plain &= !flow_indicators;
    a.block_plain &= !block_indicators;
    a
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// PyYAML's choice. `plain`: the value is no text, so it is plain unless told otherwise. `wanted`: the caller's `default_style`.
pub(super) fn choose(text: &str, plain: bool, wanted: Option<char>, flow: bool, simple_key: bool) -> Style {
    let a = analyze(text);
    let implicit = plain || is_text(text);
    if wanted == Some('"') {
        return Style::Double;
    }
    if wanted.is_none() && implicit {
        let fits =
            !(simple_key && (text.is_empty() || a.multiline)) && (if flow { a.flow_plain } else { a.block_plain });
        if fits {
            return Style::Plain;
        }
    }
    if matches!(wanted, Some('|' | '>')) {
        return match wanted {
            _ if flow || simple_key || !a.block => Style::Double,
            Some('|') => Style::Literal,
            _ => Style::Folded,
        };
    }
    if a.single_quoted && !(simple_key && a.multiline) { Style::Single } else { Style::Double }
}
