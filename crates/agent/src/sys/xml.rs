//! XML documents as a tree that can be changed and written back: what lxml keeps is kept (comments, instructions, the document
//! type, order of attributes, prefixes). Source: XML 1.0 and Namespaces in XML 1.0; the written form is libxml2's.

use std::collections::BTreeMap;

/// A node's place in [`Document::nodes`].
pub type Id = usize;

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The document itself.
    Root,
    /// An element.
    Element(Element),
    /// Text.
    Text(String),
    /// A CDATA section that stays one.
    Cdata(String),
    /// A comment.
    Comment(String),
    /// A processing instruction, as it stands between its marks.
    Instruction(String),
}

/// An element without its content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Element {
    /// Prefix; empty: none.
    pub prefix: String,
    /// Local name.
    pub name: String,
    /// Namespace; empty: none.
    pub namespace: String,
    /// Declarations that stand on it: prefix (empty: the default) and namespace.
    pub declared: Vec<(String, String)>,
    /// Attributes in their order.
    pub attributes: Vec<Attribute>,
}

/// An attribute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attribute {
    /// Prefix; empty: none.
    pub prefix: String,
    /// Local name.
    pub name: String,
    /// Namespace; empty: none.
    pub namespace: String,
    /// Value.
    pub value: String,
}

fn qualified(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_string() } else { format!("{prefix}:{name}") }
}

impl Element {
    /// `prefix:name`.
    pub fn qualified(&self) -> String {
        qualified(&self.prefix, &self.name)
    }

    /// `{namespace}name`, as lxml has it.
    pub fn clark(&self) -> String {
        clark(&self.namespace, &self.name)
    }
}

impl Attribute {
    /// `prefix:name`.
    pub fn qualified(&self) -> String {
        qualified(&self.prefix, &self.name)
    }

    /// `{namespace}name`, as lxml has it.
    pub fn clark(&self) -> String {
        clark(&self.namespace, &self.name)
    }
}

fn clark(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_string() } else { format!("{{{namespace}}}{name}") }
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The node above.
    pub parent: Option<Id>,
    /// The nodes inside.
    pub children: Vec<Id>,
}

/// A document. Node 0 is its root; nodes that were taken out stay in the list and are reached by nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// `<!DOCTYPE …>` as it was.
    pub doctype: Option<String>,
}

/// How a document is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// White space between elements is dropped.
    pub drop_blank: bool,
    /// CDATA sections stay what they are.
    pub keep_cdata: bool,
}

/// No document of a configuration is nested deeper.
const MAX_DEPTH: usize = 256;

struct Parser<'a> {
    rest: &'a str,
    all: &'a str,
    document: Document,
    entities: BTreeMap<String, String>,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &str) -> String {
        let line = self.all[..self.all.len() - self.rest.len()].matches('\n').count() + 1;
        format!("{what}, line {line}")
    }

    fn until(&mut self, end: &str, what: &str) -> Result<&'a str, String> {
        let at = self.rest.find(end).ok_or_else(|| self.wrong(&format!("{what} has no end")))?;
        let (inside, rest) = self.rest.split_at(at);
        self.rest = &rest[end.len()..];
        Ok(inside)
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|c: char| c.is_whitespace() || "/>=<'\"?".contains(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || "-.".contains(c)) {
            return Err(self.wrong("a name is missing or begins with what names don't begin with"));
        }
        self.rest = rest;
        Ok(name)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Text with entities replaced.
    fn text(&self, raw: &str) -> Result<String, String> {
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            let end = rest[at..].find(';').ok_or_else(|| self.wrong("a & begins no entity"))? + at;
            let entity = &rest[at + 1..end];
            rest = &rest[end + 1..];
            let number = match entity.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => entity.strip_prefix('#').and_then(|n| n.parse().ok()),
            };
            match (entity, number.and_then(char::from_u32)) {
                (_, Some(c)) => out.push(c),
                ("lt", _) => out.push('<'),
                ("gt", _) => out.push('>'),
                ("amp", _) => out.push('&'),
                ("quot", _) => out.push('"'),
                ("apos", _) => out.push('\''),
                (name, _) => match self.entities.get(name) {
                    Some(text) => out.push_str(text),
                    None => return Err(self.wrong(&format!("Entity '{name}' not defined"))),
                },
            }
        }
        out.push_str(rest);
        Ok(out.replace("\r\n", "\n"))
    }

    fn doctype(&mut self) -> Result<(), String> {
        let start = self.rest;
        let (mut depth, mut quote) = (0usize, None);
        for (at, c) in start.char_indices() {
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '[') => depth += 1,
                (None, ']') => depth = depth.saturating_sub(1),
                (None, '>') if depth == 0 => {
                    let whole = &start[..at];
                    self.rest = &start[at + 1..];
                    self.document.doctype = Some(format!("<!DOCTYPE{whole}>"));
                    // Plain internal entities, which is all that configurations have.
                    for part in whole.split("<!ENTITY").skip(1) {
                        let words: Vec<&str> = part.split_whitespace().collect();
                        if let [name, value, ..] = words.as_slice()
                            && value.starts_with(['"', '\''])
                            && let Some(text) = part.split(['"', '\'']).nth(1)
                            && !text.contains(['&', '<', '%'])
                        {
                            self.entities.insert((*name).to_string(), text.to_string());
                        }
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.wrong("the document type has no end"))
    }

    fn element(
        &mut self,
        parent: Id,
        scope: &BTreeMap<String, String>,
    ) -> Result<(Id, bool, BTreeMap<String, String>), String> {
        let tag = self.name()?.to_string();
        let mut raw: Vec<(String, String)> = Vec::new();
        let empty = loop {
            self.space();
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                break true;
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                break false;
            }
            let name = self.name()?.to_string();
            self.space();
            self.rest =
                self.rest.strip_prefix('=').ok_or_else(|| self.wrong(&format!("attribute {name} has no value")))?;
            self.space();
            let quote = self.rest.chars().next().filter(|c| "\"'".contains(*c));
            let quote = quote.ok_or_else(|| self.wrong(&format!("the value of {name} stands in no quotes")))?;
            self.rest = &self.rest[1..];
            let value = self.until(&quote.to_string(), "a value")?;
            if value.contains('<') {
                return Err(self.wrong("a < in a value"));
            }
            let value = self.text(value)?.replace(['\n', '\t', '\r'], " ");
            if raw.iter().any(|(n, _)| *n == name) {
                return Err(self.wrong(&format!("Attribute {name} redefined")));
            }
            raw.push((name, value));
        };
        let mut scope = scope.clone();
        let mut element = Element::default();
        for (name, value) in &raw {
            let prefix = if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") };
            if let Some(prefix) = prefix {
                scope.insert(prefix.to_string(), value.clone());
                element.declared.push((prefix.to_string(), value.clone()));
            }
        }
        let split = |name: &str| match name.split_once(':') {
            Some((prefix, name)) => (prefix.to_string(), name.to_string()),
            None => (String::new(), name.to_string()),
        };
        (element.prefix, element.name) = split(&tag);
        element.namespace = scope.get(&element.prefix).cloned().unwrap_or_default();
        if !element.prefix.is_empty() && element.namespace.is_empty() {
            return Err(self.wrong(&format!("Namespace prefix {} on {} is not defined", element.prefix, element.name)));
        }
        for (name, value) in raw.into_iter().filter(|(n, _)| n != "xmlns" && !n.starts_with("xmlns:")) {
            let (prefix, name) = split(&name);
            let namespace =
                if prefix.is_empty() { String::new() } else { scope.get(&prefix).cloned().unwrap_or_default() };
            element.attributes.push(Attribute { prefix, name, namespace, value });
        }
        let id = self.document.add(parent, Kind::Element(element));
        Ok((id, empty, scope))
    }
}

impl Document {
    /// Reads a document. The error says where.
    pub fn parse(text: &str, how: Reading) -> Result<Self, String> {
        let root = Node { kind: Kind::Root, parent: None, children: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document = Document { nodes: vec![root], doctype: None };
        let mut parser = Parser { rest: text, all: text, document, entities: BTreeMap::new() };
        if parser.rest.starts_with("<?xml") && parser.rest[5..].starts_with(char::is_whitespace) {
            parser.until("?>", "the declaration")?;
        }
        let xml = ("xml".to_string(), "http://www.w3.org/XML/1998/namespace".to_string());
        let mut open: Vec<(Id, BTreeMap<String, String>)> = vec![(0, BTreeMap::from([xml]))];
        while !parser.rest.is_empty() {
            let Some((current, scope)) = open.last().map(|(id, scope)| (*id, scope.clone())) else { break };
            if let Some(rest) = parser.rest.strip_prefix("<!--") {
                parser.rest = rest;
                let inside = parser.until("-->", "a comment")?.to_string();
                parser.document.add(current, Kind::Comment(inside));
            } else if let Some(rest) = parser.rest.strip_prefix("<![CDATA[") {
                parser.rest = rest;
                let inside = parser.until("]]>", "a CDATA section")?.to_string();
                let kind = if how.keep_cdata { Kind::Cdata(inside) } else { Kind::Text(inside) };
                parser.document.append_text(current, kind);
            } else if let Some(rest) = parser.rest.strip_prefix("<?") {
                parser.rest = rest;
                let inside = parser.until("?>", "an instruction")?.to_string();
                parser.document.add(current, Kind::Instruction(inside));
            } else if let Some(rest) = parser.rest.strip_prefix("<!DOCTYPE").filter(|_| current == 0) {
                parser.rest = rest;
                parser.doctype()?;
            } else if let Some(rest) = parser.rest.strip_prefix("</") {
                parser.rest = rest;
                let name = parser.until(">", "a tag")?.trim_end();
                match &parser.document.nodes[current].kind {
                    Kind::Element(e) if e.qualified() == name => drop(open.pop()),
                    Kind::Element(e) => {
                        let mine = e.qualified();
                        return Err(parser.wrong(&format!("Opening and ending tag mismatch: {mine} and {name}")));
                    }
                    _ => return Err(parser.wrong(&format!("</{name}> ends nothing"))),
                }
            } else if let Some(rest) = parser.rest.strip_prefix('<') {
                parser.rest = rest;
                if current == 0 && parser.document.root_element().is_some() {
                    return Err(parser.wrong("Extra content at the end of the document"));
                }
                if open.len() > MAX_DEPTH {
                    return Err(parser.wrong("the document is nested too deeply"));
                }
                let (id, empty, inner) = parser.element(current, &scope)?;
                if !empty {
                    open.push((id, inner));
                }
            } else {
                let end = parser.rest.find('<').unwrap_or(parser.rest.len());
                let (raw, rest) = parser.rest.split_at(end);
                let text = parser.text(raw)?;
                if current == 0 && !text.trim().is_empty() {
                    return Err(parser.wrong("text outside of the root element"));
                }
                parser.rest = rest;
                if current != 0 {
                    parser.document.append_text(current, Kind::Text(text));
                }
            }
        }
        if open.len() > 1 {
            return Err(parser.wrong("Premature end of data: an element has no end"));
        }
        let mut document = parser.document;
        let root = document.root_element().ok_or("Document is empty")?;
        if how.drop_blank {
            document.drop_blank(root);
        }
        Ok(document)
    }

    /// Adds a node at the end of another; its place.
    pub fn add(&mut self, parent: Id, kind: Kind) -> Id {
        self.nodes.push(Node { kind, parent: Some(parent), children: Vec::new() });
        let id = self.nodes.len() - 1;
        self.nodes[parent].children.push(id);
        id
    }

    fn append_text(&mut self, parent: Id, kind: Kind) {
        if let (Kind::Text(more), Some(last)) = (&kind, self.nodes[parent].children.last().copied())
            && let Kind::Text(text) = &mut self.nodes[last].kind
        {
            text.push_str(more);
            return;
        }
        self.add(parent, kind);
    }

    /// The element that holds all others.
    pub fn root_element(&self) -> Option<Id> {
        self.elements(0).next()
    }

    /// The elements right inside a node.
    pub fn elements(&self, of: Id) -> impl DoubleEndedIterator<Item = Id> + '_ {
        self.nodes[of].children.iter().copied().filter(|c| matches!(self.nodes[*c].kind, Kind::Element(_)))
    }

    /// The element at a place.
    pub fn element(&self, id: Id) -> Option<&Element> {
        match &self.nodes[id].kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The element at a place, to be changed.
    pub fn element_mut(&mut self, id: Id) -> Option<&mut Element> {
        match &mut self.nodes[id].kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    fn is_text(&self, id: Id) -> bool {
        matches!(self.nodes[id].kind, Kind::Text(_) | Kind::Cdata(_))
    }

    /// The text before the first element, comment or instruction inside; `None`: there is none.
    pub fn text(&self, of: Id) -> Option<String> {
        let texts = self.nodes[of].children.iter().take_while(|c| self.is_text(**c));
        let parts: Vec<&str> = texts
            .filter_map(|c| match &self.nodes[*c].kind {
                Kind::Text(t) | Kind::Cdata(t) => Some(t.as_str()),
                _ => None,
            })
            .collect();
        (!parts.is_empty()).then(|| parts.concat())
    }

    /// Replaces that text.
    pub fn set_text(&mut self, of: Id, text: Option<&str>) {
        let count = self.nodes[of].children.iter().take_while(|c| self.is_text(**c)).count();
        self.nodes[of].children.drain(..count);
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            let id = self.add(of, Kind::Text(text.to_string()));
            self.nodes[of].children.pop();
            self.nodes[of].children.insert(0, id);
        }
    }

    /// Takes a node out, with the text behind it, as lxml does.
    pub fn remove(&mut self, id: Id) {
        let Some(parent) = self.nodes[id].parent.take() else { return };
        let Some(at) = self.nodes[parent].children.iter().position(|c| *c == id) else { return };
        let tail = self.nodes[parent].children[at + 1..].iter().take_while(|c| self.is_text(**c)).count();
        self.nodes[parent].children.drain(at..=at + tail);
    }

    /// Puts a node that hangs nowhere into another, at this place among its children.
    pub fn insert(&mut self, parent: Id, at: usize, id: Id) {
        self.nodes[id].parent = Some(parent);
        self.nodes[parent].children.insert(at, id);
    }

    /// A copy of another document's node, that hangs nowhere yet.
    pub fn adopt(&mut self, other: &Document, id: Id) -> Id {
        self.nodes.push(Node { kind: other.nodes[id].kind.clone(), parent: None, children: Vec::new() });
        let mine = self.nodes.len() - 1;
        for child in &other.nodes[id].children {
            let child = self.adopt(other, *child);
            self.nodes[child].parent = Some(mine);
            self.nodes[mine].children.push(child);
        }
        mine
    }

    /// The namespace of a prefix at a node.
    pub fn namespace(&self, mut at: Id, prefix: &str) -> Option<String> {
        loop {
            if let Some((_, uri)) = self.element(at).and_then(|e| e.declared.iter().find(|(p, _)| p == prefix)) {
                return Some(uri.clone());
            }
            at = self.nodes[at].parent?;
        }
    }

    /// White space between elements, where nothing but elements stands.
    pub fn drop_blank(&mut self, of: Id) {
        let children = self.nodes[of].children.clone();
        let blank = |id: &Id| matches!(&self.nodes[*id].kind, Kind::Text(t) if t.trim().is_empty());
        let only_blank = children.iter().filter(|c| self.is_text(**c)).all(blank);
        if only_blank && children.iter().any(|c| !self.is_text(*c)) {
            let kept: Vec<Id> = children.iter().copied().filter(|c| !blank(c)).collect();
            self.nodes[of].children = kept;
        }
        for child in self.nodes[of].children.clone() {
            self.drop_blank(child);
        }
    }

    /// The whole document with its declaration. `pretty`: indented where an element holds no text.
    pub fn write(&self, pretty: bool) -> String {
        let mut out = String::from("<?xml version='1.0' encoding='UTF-8'?>\n");
        if let Some(doctype) = &self.doctype {
            out.push_str(doctype);
            out.push('\n');
        }
        let root = self.root_element();
        let mut behind = false;
        for id in self.nodes[0].children.iter().filter(|c| !self.is_text(**c)) {
            if behind {
                out.push('\n');
            }
            self.write_node(*id, pretty.then_some(0), &mut out);
            behind |= Some(*id) == root;
            if !behind {
                out.push('\n');
            }
        }
        if pretty {
            out.push('\n');
        }
        out
    }

    /// One node, without what stands behind it.
    pub fn write_node(&self, id: Id, indent: Option<usize>, out: &mut String) {
        match &self.nodes[id].kind {
            Kind::Root => {}
            Kind::Text(text) => escape(text, false, out),
            Kind::Cdata(text) => out.push_str(&format!("<![CDATA[{text}]]>")),
            Kind::Comment(text) => out.push_str(&format!("<!--{text}-->")),
            Kind::Instruction(text) => out.push_str(&format!("<?{text}?>")),
            Kind::Element(element) => {
                let name = element.qualified();
                out.push_str(&format!("<{name}"));
                for (prefix, uri) in &element.declared {
                    out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
                    out.push_str(prefix);
                    out.push_str("=\"");
                    escape(uri, true, out);
                    out.push('"');
                }
                for attribute in &element.attributes {
                    out.push_str(&format!(" {}=\"", attribute.qualified()));
                    escape(&attribute.value, true, out);
                    out.push('"');
                }
                let children = &self.nodes[id].children;
                if children.is_empty() {
                    out.push_str("/>");
                    return;
                }
                out.push('>');
                let inner = indent.filter(|_| !children.iter().any(|c| self.is_text(*c)));
                for child in children {
                    if let Some(depth) = inner {
                        out.push('\n');
                        out.push_str(&"  ".repeat(depth + 1));
                    }
                    self.write_node(*child, inner.map(|d| d + 1), out);
                }
                if let Some(depth) = inner {
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth));
                }
                out.push_str(&format!("</{name}>"));
            }
        }
    }
}

fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back() {
        for (text, want) in [
            ("<a/>", "<a/>"),
            (
                "<?xml version=\"1.0\"?>\n<!-- c -->\n<a  x = 'q\"' y=\"2\"  ><b/> t <c></c></a>\n",
                "<!-- c -->\n<a x=\"q&quot;\" y=\"2\"><b/> t <c/></a>",
            ),
            (
                "<a xmlns=\"u\" xmlns:p=\"v\"><p:b p:c=\"1\">&lt;&amp;&#65;</p:b><?pi x?></a>",
                "<a xmlns=\"u\" xmlns:p=\"v\"><p:b p:c=\"1\">&lt;&amp;A</p:b><?pi x?></a>",
            ),
            (
                "<!DOCTYPE a [<!ENTITY e \"x\">]>\n<a>&e;<![CDATA[<b>]]></a>",
                "<!DOCTYPE a [<!ENTITY e \"x\">]>\n<a>x&lt;b&gt;</a>",
            ),
        ] {
            let document = Document::parse(text, Reading::default()).unwrap();
            assert_eq!(document.write(false), format!("<?xml version='1.0' encoding='UTF-8'?>\n{want}"), "{text}");
        }
        let cdata = Document::parse("<a><![CDATA[<b>]]></a>", Reading { keep_cdata: true, drop_blank: false }).unwrap();
        assert!(cdata.write(false).ends_with("<a><![CDATA[<b>]]></a>"));
        let pretty =
            Document::parse("<a> <b><c>t</c></b> </a>", Reading { drop_blank: true, keep_cdata: false }).unwrap();
        assert!(pretty.write(true).ends_with("<a>\n  <b>\n    <c>t</c>\n  </b>\n</a>\n"), "{}", pretty.write(true));
        for wrong in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a>&x;</a>",
            "<p:a/>",
            "x",
            "<a><!-- </a>",
        ] {
            assert!(Document::parse(wrong, Reading::default()).is_err(), "{wrong}");
        }
        assert!(Document::parse(&"<a>".repeat(100_000), Reading::default()).is_err());
    }

    #[test]
    fn nodes_go_with_the_text_behind_them() {
        let mut document = Document::parse("<a>x<b/>y<c/>z</a>", Reading::default()).unwrap();
        let root = document.root_element().unwrap();
        let b = document.elements(root).next().unwrap();
        document.remove(b);
        assert_eq!(document.text(root).as_deref(), Some("x"));
        document.set_text(root, Some("w"));
        assert!(document.write(false).ends_with("<a>w<c/>z</a>"));
    }
}
