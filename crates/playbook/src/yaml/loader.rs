//! Events of the YAML parser to a tree: anchors, merge keys, tags, duplicate keys, limits.

use super::{Kind, Node, scalar};
use base64::Engine as _;
use imgbuild_diag::{Diagnostic, Diagnostics, Position, Source, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Nodes that one document may have after its aliases are expanded; beyond it is an alias bomb.
const MAX_NODES: usize = 2_000_000;
/// Levels of nesting.
const MAX_DEPTH: usize = 200;

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Its strings may be rendered as templates.
    pub template: bool,
    /// What a duplicate key is.
    pub duplicate_keys: crate::settings::Reaction,
}

impl Default for Options {
    fn default() -> Self {
        Options { template: true, duplicate_keys: crate::settings::Reaction::Warn }
    }
}

/// Reads one document; `None` where the text is empty. Warnings go to `out`, as the error does.
#[expect(clippy::result_unit_err, reason = "the error is in `out`, with all others of the pass")]
pub fn load(source: &Arc<Source>, out: &mut Diagnostics) -> Result<Option<Node>, ()> {
    load_with(source, Options::default(), out)
}

/// [`load`] with options. `Err` means that `out` holds the error.
#[expect(clippy::result_unit_err, reason = "the error is in `out`, with all others of the pass")]
pub fn load_with(source: &Arc<Source>, options: Options, out: &mut Diagnostics) -> Result<Option<Node>, ()> {
    // A byte order mark is no content.
    let mut text = Cow::Borrowed(source.text().strip_prefix('\u{feff}').unwrap_or(source.text()));
    let mut moved: HashMap<usize, usize> = HashMap::new();
    loop {
        let mut found = Diagnostics::new();
        let mut loader = Loader {
            source,
            options,
            anchors: HashMap::new(),
            stack: Vec::new(),
            total: 0,
            out: &mut found,
            unsafe_at: None,
            moved: &moved,
            line: None,
        };
        let result = loader.document(&text);
        let line = loader.line;
        match result {
            Ok(node) => {
                out.extend(found);
                return Ok(node);
            }
            Err(error) => {
                if let Some((line, repaired)) = line.and_then(|(line, why)| indented(&text, line, why, &moved)) {
                    moved.insert(line, INDENT);
                    text = Cow::Owned(repaired);
                    continue;
                }
                out.extend(found);
                out.push(*error);
                return Err(());
            }
        }
    }
}

/// Spaces that [`indented`] puts in front of a line.
const INDENT: usize = 64;
/// What the parser says of a tab before a later line of a quoted scalar, and of nothing else; PyYAML folds it away.
const TAB_IN_QUOTES: &str = "tab cannot be used as indentation";
/// What the parser says of a later line of a quoted scalar, with the place where the scalar starts.
const WITHIN_QUOTES: &str = "invalid indentation in quoted scalar";
/// Lines that are indented at most.
const MAX_REPAIRS: usize = 500;

/// PyYAML takes flow collections and quoted scalars whose later lines are indented less than what they stand in (a `}` at the
/// start of a line); the parser does not. The text with that line indented, unless it was already. `why`: what the parser said.
fn indented(text: &str, line: usize, why: &str, moved: &HashMap<usize, usize>) -> Option<(usize, String)> {
    let line = if why == WITHIN_QUOTES {
        // Spaces at the start of a quoted scalar's later lines are folded away: the first one that is not indented yet.
        let later = text.lines().enumerate().skip(line).filter(|(_, l)| !l.trim().is_empty());
        later.map(|(index, _)| index + 1).find(|n| !moved.contains_key(n))?
    } else {
        line
    };
    let tab = [TAB_IN_QUOTES, WITHIN_QUOTES].contains(&why);
    if moved.contains_key(&line) || moved.len() >= MAX_REPAIRS {
        return None;
    }
    let mut out = String::with_capacity(text.len() + INDENT);
    for (number, part) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            // A tab at the start of a line is only allowed inside quotes; see [`TAB_IN_QUOTES`].
            if part.starts_with('\t') && !tab || part.trim().is_empty() {
                return None;
            }
            out.push_str(&" ".repeat(INDENT));
        }
        out.push_str(part);
    }
    Some((line, out))
}

type Step<T> = Result<T, Box<Diagnostic>>;

/// A container that is being filled.
struct Open {
    anchor: usize,
    span: Span,
    items: Vec<Node>,
    map: bool,
    tag: Option<String>,
    /// Nodes in it so far, aliases expanded.
    size: usize,
}

struct Loader<'a> {
    source: &'a Arc<Source>,
    options: Options,
    anchors: HashMap<usize, (Node, usize)>,
    stack: Vec<Open>,
    total: usize,
    out: &'a mut Diagnostics,
    /// Depth of the stack at which an `!unsafe` container was opened.
    unsafe_at: Option<usize>,
    /// Lines that were indented, and by how much.
    moved: &'a HashMap<usize, usize>,
    /// The line of an error about indentation, and what it says.
    line: Option<(usize, &'static str)>,
}

impl Loader<'_> {
    fn document(&mut self, text: &str) -> Step<Option<Node>> {
        let mut parser = Parser::new_from_str(text);
        let mut root = None;
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, at) = event.map_err(|e| {
                let quotes = [TAB_IN_QUOTES, WITHIN_QUOTES].into_iter().find(|why| e.info() == *why);
                self.line = e.info().contains("indent").then(|| (e.marker().line(), quotes.unwrap_or_default()));
                self.syntax(&e)
            })?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Box::new(
                            Diagnostic::error("expected a single document in the stream, but found another document")
                                .at(&self.span(at.start, at.end))
                                .help("put the documents into files of their own"),
                        ));
                    }
                }
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => {}
                Event::Alias(id) => {
                    let Some((node, size)) = self.anchors.get(&id).cloned() else {
                        return Err(Box::new(
                            Diagnostic::error("an alias to a node that contains the alias itself")
                                .at(&self.span(at.start, at.end)),
                        ));
                    };
                    self.add(node, size, size, &mut root)?;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let span = self.scalar_span(at.start, at.end, style);
                    let kind = self.scalar(&text, style, tag.as_deref(), &span)?;
                    let node = Node { span, kind };
                    if anchor > 0 {
                        self.anchors.insert(anchor, (node.clone(), 1));
                    }
                    self.add(node, 1, 1, &mut root)?;
                }
                Event::SequenceStart(anchor, tag) => self.open(anchor, tag.as_deref(), false, at.start, at.end)?,
                Event::MappingStart(anchor, tag) => self.open(anchor, tag.as_deref(), true, at.start, at.end)?,
                Event::SequenceEnd | Event::MappingEnd => self.close(&mut root)?,
            }
        }
        Ok(root)
    }

    fn open(&mut self, anchor: usize, tag: Option<&Tag>, map: bool, start: Marker, end: Marker) -> Step<()> {
        let span = self.span(start, end);
        if self.stack.len() >= MAX_DEPTH {
            return Err(Box::new(Diagnostic::error(format!("nested deeper than {MAX_DEPTH} levels")).at(&span)));
        }
        let tag = tag.map(tag_name);
        match tag.as_deref() {
            None | Some("!!seq" | "!!map" | "!!omap" | "!!pairs" | "!!set" | "!") => {}
            Some("!unsafe") => {
                self.unsafe_at.get_or_insert(self.stack.len());
            }
            Some("!vault" | "!vault-encrypted") => {
                return Err(Box::new(Diagnostic::error("the '!vault' tag requires a string value").at(&span)));
            }
            Some(other) => return Err(self.unknown_tag(other, &span)),
        }
        self.stack.push(Open { anchor, span, items: Vec::new(), map, tag, size: 1 });
        Ok(())
    }

    fn close(&mut self, root: &mut Option<Node>) -> Step<()> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        if self.unsafe_at == Some(self.stack.len()) {
            self.unsafe_at = None;
        }
        let kind = match open.tag.as_deref() {
            // PyYAML's list of pairs; a set leaves its keys.
            Some("!!omap" | "!!pairs") if !open.map => Kind::Seq(Arc::new(open.items.into_iter().map(pair).collect())),
            Some("!!set") if open.map => {
                let Kind::Map(entries) = self.mapping(open.items, None)? else { return Ok(()) };
                Kind::Seq(Arc::new(entries.iter().map(|(key, _)| key.clone()).collect()))
            }
            tag if open.map => self.mapping(open.items, tag)?,
            _ => Kind::Seq(Arc::new(open.items)),
        };
        let node = Node { span: open.span, kind };
        if open.anchor > 0 {
            self.anchors.insert(open.anchor, (node.clone(), open.size));
        }
        self.add(node, open.size, 1, root)
    }

    /// `counted`: what it adds to the document. A container adds itself, an alias all that it repeats.
    fn add(&mut self, node: Node, size: usize, counted: usize, root: &mut Option<Node>) -> Step<()> {
        self.total = self.total.saturating_add(counted);
        if self.total > MAX_NODES {
            return Err(Box::new(
                Diagnostic::error(format!(
                    "the document has more than {MAX_NODES} nodes once its aliases are expanded"
                ))
                .at(&node.span),
            ));
        }
        match self.stack.last_mut() {
            Some(open) => {
                open.size = open.size.saturating_add(size);
                open.items.push(node);
            }
            None => *root = Some(node),
        }
        Ok(())
    }

    /// Pairs to a mapping: merge keys first, then own keys, later ones win and keep the first one's place.
    fn mapping(&mut self, items: Vec<Node>, tag: Option<&str>) -> Step<Kind> {
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut own: Vec<(Node, Node)> = Vec::new();
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            if matches!(&key.kind, Kind::Str { text, plain: true, .. } if &**text == "<<") {
                self.merge(&key, &value, &mut merged)?;
                continue;
            }
            if matches!(key.kind, Kind::Seq(_) | Kind::Map(_)) {
                return Err(Box::new(
                    Diagnostic::error("a list or mapping can't be a mapping's key")
                        .at(&key.span)
                        .help("a value that starts with \"{{\" must be quoted: \"{{ name }}\""),
                ));
            }
            own.push((key, value));
        }
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(merged.len() + own.len());
        let mut index: HashMap<imgbuild_jinja::Key, usize> = HashMap::new();
        for (key, value) in merged {
            match index.get(&key.to_key()) {
                Some(at) => entries[*at] = (key, value),
                None => {
                    index.insert(key.to_key(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        let inherited = entries.len();
        for (key, value) in own {
            match index.get(&key.to_key()).copied() {
                Some(at) => {
                    if at >= inherited && tag != Some("!!pairs") {
                        self.duplicate(&key)?;
                    }
                    entries[at] = (key, value);
                }
                None => {
                    index.insert(key.to_key(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        Ok(Kind::Map(Arc::new(entries)))
    }

    /// `<<: *a` or `<<: [*a, *b]`; of several, the first that has a key wins.
    fn merge(&self, key: &Node, value: &Node, into: &mut Vec<(Node, Node)>) -> Step<()> {
        match &value.kind {
            Kind::Map(entries) => into.extend(entries.iter().cloned()),
            Kind::Seq(items) if items.iter().all(|i| i.as_map().is_some()) => {
                for item in items.iter().rev() {
                    into.extend(item.as_map().unwrap_or_default().iter().cloned());
                }
            }
            _ => {
                return Err(Box::new(
                    Diagnostic::error(format!(
                        "expected a mapping or list of mappings for merging, but found {}",
                        value.type_name()
                    ))
                    .at(&key.span),
                ));
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, key: &Node) -> Step<()> {
        use crate::settings::Reaction;
        let message = format!("Found duplicate mapping key '{}'.", key.scalar_text().unwrap_or_default());
        match self.options.duplicate_keys {
            Reaction::Ignore => {}
            Reaction::Warn => {
                self.out.push(Diagnostic::warning(message).at(&key.span).help("Using last defined value only."));
            }
            Reaction::Error => return Err(Box::new(Diagnostic::error(message).at(&key.span))),
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Step<Kind> {
        let plain = style == ScalarStyle::Plain;
        let template = self.options.template && self.unsafe_at.is_none();
        let string = |template| Kind::Str { text: Arc::from(text), template, plain };
        let implicit = |template| {
            if !plain {
                return string(template);
            }
            match scalar::resolve(text) {
                Kind::Str { .. } => string(template),
                other => other,
            }
        };
        let impossible = |why: String| {
            Box::new(
                Diagnostic::error(format!("YAML parsing failed: {why}"))
                    .at(span)
                    .help("this is read as a date: quote it if it is text"),
            )
        };
        if plain
            && matches!(tag.map(tag_name).as_deref(), None | Some("!unsafe"))
            && let Some(Err(why)) = imgbuild_jinja::Moment::parse(text)
        {
            return Err(impossible(why));
        }
        let Some(tag) = tag.map(tag_name) else { return Ok(implicit(template)) };
        let wrong = |what: &str| Box::new(Diagnostic::error(format!("{text:?} is no {what}")).at(span));
        match tag.as_str() {
            "!" | "!!str" => Ok(string(template)),
            "!unsafe" => Ok(implicit(false)),
            "!vault" | "!vault-encrypted" => Ok(Kind::Vault(Arc::from(text))),
            "!!null" => Ok(Kind::Null),
            "!!bool" => match scalar::resolve(&text.to_lowercase()) {
                Kind::Bool(b) => Ok(Kind::Bool(b)),
                _ => Err(wrong("boolean")),
            },
            "!!int" => match scalar::resolve(text) {
                kind @ (Kind::Int(_) | Kind::BigInt(_)) => Ok(kind),
                _ => Err(wrong("integer")),
            },
            "!!float" => match scalar::resolve(text) {
                Kind::Float(f) => Ok(Kind::Float(f)),
                Kind::Int(i) => Ok(Kind::Float(i as f64)),
                _ => text.parse().map(Kind::Float).map_err(|_| wrong("number")),
            },
            "!!timestamp" => match imgbuild_jinja::Moment::parse(text) {
                Some(moment) => Ok(Kind::Moment { text: Arc::from(text), moment: moment.map_err(impossible)? }),
                None => Err(wrong("date")),
            },
            "!!binary" => {
                let packed: String = text.split_whitespace().collect();
                let bytes =
                    base64::engine::general_purpose::STANDARD.decode(packed).map_err(|_| wrong("base64 text"))?;
                Ok(Kind::Bytes(bytes.into()))
            }
            // An empty value under a container's tag is that container, empty.
            "!!seq" | "!!omap" | "!!pairs" if text.is_empty() => Ok(Kind::Seq(Arc::default())),
            "!!map" | "!!set" if text.is_empty() => Ok(Kind::Map(Arc::default())),
            other => Err(self.unknown_tag(other, span)),
        }
    }

    fn unknown_tag(&self, tag: &str, span: &Span) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(format!("could not determine a constructor for the tag '{tag}'"))
                .at(span)
                .suggest(tag, ["!unsafe", "!vault", "!!str", "!!int", "!!float", "!!bool", "!!binary"]),
        )
    }

    fn syntax(&self, error: &ScanError) -> Box<Diagnostic> {
        let offset = self.at(*error.marker());
        let span = Span::new(self.source, offset..offset + 1);
        let mut diagnostic = Diagnostic::error(format!("YAML parsing failed: {}", error.info())).at(&span);
        let Position { line, .. } = span.position();
        let text = self.source.line(line);
        let value = text.split_once(": ").map_or("", |(_, v)| v.trim_start());
        if text.trim_start().starts_with('\t') || text.starts_with('\t') {
            diagnostic = diagnostic.help("tabs are usually invalid in YAML: indent with spaces");
        } else if value.starts_with("{{") {
            diagnostic =
                diagnostic.help(format!("a value that starts with a template must be quoted: \"{}\"", value.trim()));
        } else if value.contains(": ") {
            diagnostic = diagnostic.help("a colon followed by a space inside a value: quote the value");
        }
        Box::new(diagnostic)
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let (start, end) = (self.at(start), self.at(end));
        Span::new(self.source, start..end.max(start))
    }

    /// The offset of a place of the parser's text in the source.
    fn at(&self, mark: Marker) -> usize {
        let moved = self.moved.get(&mark.line()).copied().unwrap_or(0);
        self.source.offset(mark.line().max(1) as u32, mark.col().saturating_sub(moved) as u32 + 1)
    }

    /// The text of a scalar without its quotes; a block scalar from the first line of its text.
    fn scalar_span(&self, start: Marker, end: Marker, style: ScalarStyle) -> Span {
        let whole = self.span(start, end);
        let range = whole.range();
        match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if range.len() >= 2 => {
                Span::new(self.source, range.start + 1..range.end - 1)
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                // The parser's start is the header (`|`) or the first line of the text, depending on the text.
                let text = self.source.text().get(range.start..).unwrap_or_default();
                let header = text.starts_with(['|', '>']).then(|| text.find('\n')).flatten().map_or(0, |at| at + 1);
                let rest = &text[header..];
                let at = range.start + header + (rest.len() - rest.trim_start_matches(' ').len());
                Span::new(self.source, at..range.end.max(at))
            }
            _ => whole,
        }
    }
}

/// `!!str`, `!vault`.
fn tag_name(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) }
}

/// `a: 1` as `[a, 1]`.
fn pair(node: Node) -> Node {
    match &node.kind {
        Kind::Map(entries) if entries.len() == 1 => {
            let (key, value) = entries[0].clone();
            Node { span: node.span, kind: Kind::Seq(Arc::new(vec![key, value])) }
        }
        _ => node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut out = Diagnostics::new();
        match load(&Source::new("t.yml", text), &mut out) {
            Ok(node) => format!("{:?}", node.map(|n| n.to_value()).unwrap_or_default()),
            Err(()) => out.to_string(),
        }
    }

    #[test]
    fn merge_keys_and_anchors() {
        assert_eq!(
            value("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc:\n  <<: [{x: 9}, *a]\n"),
            r#"{"a":{"x":1,"y":2},"b":{"x":1,"y":3},"c":{"x":9,"y":2}}"#
        );
    }

    #[test]
    fn last_duplicate_wins_with_a_warning() {
        let mut out = Diagnostics::new();
        let node = load(&Source::new("t.yml", "a: 1\na: 2\n"), &mut out).unwrap().unwrap();
        assert_eq!(format!("{:?}", node.to_value()), r#"{"a":2}"#);
        assert_eq!(out.warnings().count(), 1);
    }

    #[test]
    fn tags() {
        let mut out = Diagnostics::new();
        let node = load(&Source::new("t.yml", "a: !unsafe '{{ x }}'\nb: !!str 12\nc: {{ x }}"), &mut out);
        assert!(node.is_err(), "an unquoted template is a mapping as a key");
        let node = load(&Source::new("t.yml", "a: !unsafe ['{{ x }}']\nb: !!str 12\n"), &mut out).unwrap().unwrap();
        let map = node.to_value();
        assert!(matches!(&map.get("a").unwrap().as_list().unwrap()[0], Value::Str(s) if !s.template));
        assert!(matches!(map.get("b"), Some(Value::Str(s)) if s.template && &*s.text == "12"));
        assert!(value("a: !wrong x").contains("constructor for the tag '!wrong'"));
    }

    #[test]
    fn places() {
        let mut out = Diagnostics::new();
        let node = load(&Source::new("t.yml", "- name: 'é {{ x }}'\n  cmd: |\n    one\n    two\n"), &mut out)
            .unwrap()
            .unwrap();
        let task = &node.as_seq().unwrap()[0];
        assert_eq!(task.get("name").unwrap().span.to_string(), "t.yml:1:10");
        assert_eq!(task.get("cmd").unwrap().span.to_string(), "t.yml:3:5");
    }

    #[test]
    fn flow_lines_may_start_anywhere() {
        assert_eq!(value("a:\n  b: {\n'x': 1,\n  y: [1,\n2]\n}\nc: 3\n"), r#"{"a":{"b":{"x":1,"y":[1,2]}},"c":3}"#);
        assert!(value("a:\n    b: 1\n  c: 2\n").starts_with("Error"));
    }

    #[test]
    fn quoted_lines_may_start_anywhere() {
        assert_eq!(
            value("a:\n  b: \"one\n two\n\nthree\n  four\"\n  c: 1\n"),
            r#"{"a":{"b":"one two\nthree four","c":1}}"#
        );
        assert_eq!(value("- a: 'x\ny'\n  b: \"x \\\ny\"\n"), r#"[{"a":"x y","b":"x y"}]"#);
        assert!(value("a:\n  b: \"one\ntwo\n").contains("t.yml:2:6"), "the place is where the quotes begin");
    }

    #[test]
    fn alias_bombs_end() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
        }
        assert!(value(&text).contains("aliases are expanded"), "{}", value(&text).len());
    }

    use imgbuild_jinja::Value;
}
