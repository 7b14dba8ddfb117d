//! `xml`: nodes of an XML file by XPath: counted, shown, set, added, removed. As Ansible's module on lxml: elements that a simple
//! path names are made, children are given as YAML or XML, a changed file gets a declaration.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::xml::{Attribute, Document, Element, Id, Kind, Reading};
use crate::sys::xpath::{Evaluator, Expression, Hit, Value as Found};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

struct Xml<'a> {
    ctx: &'a Ctx,
    document: Document,
    original: Document,
    prefixes: BTreeMap<String, String>,
}

/// What a path that names nothing yet asks for: the path in front, and what is to be there.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// An element, perhaps with text.
    Element(String, Option<String>),
    /// An attribute, perhaps with a value.
    Attribute(String, Option<String>),
    /// An element for which all of these hold.
    With(String, Vec<String>),
    /// Text of the element itself.
    Text(String),
}

fn is_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let one = |p: &&str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-' || c == '_')
            && p.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    parts.len() <= 2 && parts.iter().all(one)
}

/// Splits the last step off a path; `None`: it is none that says what to make.
fn last_step(path: &str) -> Option<(String, Wanted)> {
    let path = path.trim();
    // A slash in a predicate or in a text is none between steps.
    let (mut depth, mut quote, mut slash, mut bracket) = (0usize, None, None, None);
    for (at, c) in path.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => {
                if depth == 0 {
                    bracket = Some(at);
                }
                depth += 1;
            }
            (None, ']') => depth = depth.saturating_sub(1),
            (None, '/') if depth == 0 && !path[at + 1..].starts_with("text()") => {
                slash = Some(at);
                bracket = None;
            }
            _ => {}
        }
    }
    let unquoted = |t: &str| ['\'', '"'].iter().find_map(|q| t.strip_prefix(*q)?.strip_suffix(*q).map(str::to_string));
    let slash = slash?;
    let (front, last) = (path[..slash].to_string(), &path[slash + 1..]);
    if let Some(bracket) = bracket.filter(|b| *b > slash) {
        let (name, inside) = (&path[slash + 1..bracket], path[bracket + 1..].strip_suffix(']')?);
        return is_name(name).then(|| {
            (front, Wanted::With(name.into(), inside.split(" and ").map(|p| p.trim().to_string()).collect()))
        });
    }
    if let Some((name, value)) = last.split_once("/text()=") {
        return (is_name(name)).then(|| unquoted(value).map(|v| (front, Wanted::Element(name.into(), Some(v)))))?;
    }
    if let Some(value) = last.strip_prefix("text()=") {
        return unquoted(value).map(|v| (front, Wanted::Text(v)));
    }
    if let Some(attribute) = last.strip_prefix('@') {
        return match attribute.split_once('=') {
            Some((name, value)) if is_name(name) => {
                unquoted(value).map(|v| (front, Wanted::Attribute(name.into(), Some(v))))
            }
            None if is_name(attribute) => Some((front, Wanted::Attribute(attribute.into(), None))),
            _ => None,
        };
    }
    is_name(last).then(|| (front, Wanted::Element(last.into(), None)))
}

impl Xml<'_> {
    fn find(&self, path: &str, at: Id) -> Result<Found, Fail> {
        let expression = Expression::parse(path).or_fail(format!("Syntax error in xpath expression: {path}"))?;
        let evaluator = Evaluator::new(&self.document, &self.prefixes);
        evaluator.evaluate(&expression, at).map_err(|why| {
            let root = self.document.root_element().and_then(|r| self.document.element(r));
            let hint = if root.is_some_and(|r| !r.declared.is_empty()) && !path.contains(':') {
                "XML document has namespace(s) defined, but no namespace prefix(es) used in xpath!\n"
            } else {
                ""
            };
            Fail::new(format!("{hint}Xpath {path} causes a failure: {why}"))
        })
    }

    fn root(&self) -> Id {
        self.document.root_element().unwrap_or_default()
    }

    fn hits(&self, path: &str, at: Id) -> Result<Vec<Hit>, Fail> {
        Ok(match self.find(path, at)? {
            Found::Set(set) => set,
            _ => Vec::new(),
        })
    }

    fn nodes(&self, path: &str, at: Id) -> Result<Vec<Id>, Fail> {
        let node = |hit: Hit| match hit {
            Hit::Node(id) if !matches!(self.document.nodes[id].kind, Kind::Text(_) | Kind::Cdata(_)) => Some(id),
            _ => None,
        };
        Ok(self.hits(path, at)?.into_iter().filter_map(node).collect())
    }

    /// Whether a path finds a node, or a comparison is true.
    fn holds(&self, path: &str, at: Id) -> bool {
        match self.find(path, at) {
            Ok(Found::Boolean(on)) => on,
            _ => self.nodes(path, at).is_ok_and(|n| !n.is_empty()),
        }
    }

    /// Prefix, name and namespace of a name as it is written.
    fn resolve(&self, name: &str) -> Result<(String, String, String), Fail> {
        // lxml's own way: {namespace}name.
        if let Some((uri, name)) = name.strip_prefix('{').and_then(|n| n.split_once('}')) {
            let known = self.prefixes.iter().find(|(_, u)| *u == uri).map(|(p, _)| p.clone());
            return Ok((known.unwrap_or_else(|| "ns0".into()), name.to_string(), uri.to_string()));
        }
        let Some((prefix, name)) = name.split_once(':') else {
            return Ok((String::new(), name.to_string(), String::new()));
        };
        let uri =
            self.prefixes.get(prefix).ok_or_else(|| Fail::new(format!("the namespace of {prefix:?} is not given")))?;
        Ok((prefix.to_string(), name.to_string(), uri.clone()))
    }

    /// An element that hangs nowhere yet.
    fn make(&mut self, name: &str) -> Result<Id, Fail> {
        let (prefix, name, namespace) = self.resolve(name)?;
        if !is_name(&name) {
            crate::fail!("Invalid tag name '{name}'");
        }
        let element = Element { prefix, name, namespace, ..Element::default() };
        self.document.nodes.push(crate::sys::xml::Node {
            kind: Kind::Element(element),
            parent: None,
            children: Vec::new(),
        });
        Ok(self.document.nodes.len() - 1)
    }

    /// Hangs an element into another, declaring a prefix that is not known there, or taking over the one that is.
    fn hang(&mut self, parent: Id, at: usize, id: Id) {
        let found = self.document.element(id).map(|e| (e.prefix.clone(), e.namespace.clone()));
        if let Some((prefix, namespace)) = found.filter(|(_, n)| !n.is_empty()) {
            let here = self.document.namespace(parent, &prefix);
            let default = self.document.namespace(parent, "");
            if let Some(element) = self.document.element_mut(id) {
                if default.as_ref() == Some(&namespace) {
                    element.prefix.clear();
                } else if here.as_ref() != Some(&namespace) && element.declared.is_empty() {
                    element.declared.push((prefix, namespace));
                }
            }
        }
        self.document.insert(parent, at, id);
    }

    fn append(&mut self, parent: Id, id: Id) {
        let at = self.document.nodes[parent].children.len();
        self.hang(parent, at, id);
    }

    fn attribute(&self, id: Id, name: &str) -> Result<Option<String>, Fail> {
        let (_, local, namespace) = self.resolve(name)?;
        let all = self.document.element(id).map(|e| e.attributes.as_slice()).unwrap_or_default();
        Ok(all.iter().find(|a| a.name == local && a.namespace == namespace).map(|a| a.value.clone()))
    }

    fn set_attribute(&mut self, id: Id, name: &str, value: &str) -> Result<bool, Fail> {
        let (prefix, local, namespace) = self.resolve(name)?;
        let declared = self.document.namespace(id, &prefix);
        let Some(element) = self.document.element_mut(id) else { return Ok(false) };
        if let Some(old) = element.attributes.iter_mut().find(|a| a.name == local && a.namespace == namespace) {
            let changed = old.value != value;
            old.value = value.to_string();
            return Ok(changed);
        }
        if !namespace.is_empty() && declared.as_ref() != Some(&namespace) {
            element.declared.push((prefix.clone(), namespace.clone()));
        }
        element.attributes.push(Attribute { prefix, name: local, namespace, value: value.to_string() });
        Ok(true)
    }

    /// Makes what a path names, from its end to its beginning.
    fn ensure(&mut self, path: &str, at: Id, depth: usize) -> Result<(), Fail> {
        let Some((front, wanted)) = last_step(path).filter(|_| depth < 64) else {
            crate::fail!("Can't process Xpath {path} in order to spawn nodes! tree is {}", self.document.write(true));
        };
        let front_path = if front.is_empty() { ".".to_string() } else { front.clone() };
        if !front.is_empty() && self.nodes(&front, at)?.is_empty() {
            self.ensure(&front, at, depth + 1)?;
        }
        for parent in self.nodes(&front_path, at)? {
            match &wanted {
                Wanted::Element(name, value) => {
                    let id = self.make(name)?;
                    self.append(parent, id);
                    self.document.set_text(id, value.as_deref());
                }
                Wanted::Text(value) => self.document.set_text(parent, Some(value)),
                Wanted::Attribute(name, value) => {
                    // One that is there and whose value does not matter is set to nothing, as Ansible does.
                    if self.attribute(parent, name)?.as_deref() != value.as_deref() {
                        self.set_attribute(parent, name, value.as_deref().unwrap_or_default())?;
                    }
                }
                Wanted::With(name, conditions) => {
                    let id = self.make(name)?;
                    self.append(parent, id);
                    for condition in conditions {
                        self.ensure(&format!("./{condition}"), id, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Children as a task gives them, hanging nowhere yet.
    fn children(&mut self, given: &[Value]) -> Result<Vec<Id>, Fail> {
        let mut out = Vec::new();
        for child in given {
            if self.ctx.args.text("input_type") == "xml" {
                let other = Document::parse(&text(child), Reading::default())
                    .map_err(|why| Fail::new(format!("Error while parsing child element: {why}")))?;
                let root = other.root_element().unwrap_or_default();
                out.push(self.document.adopt(&other, root));
                continue;
            }
            out.push(match child {
                Value::String(name) => self.make(name)?,
                Value::Object(map) => self.child(map)?,
                _ => crate::fail!("Invalid child type: Children must be either strings or hashes."),
            });
        }
        Ok(out)
    }

    fn child(&mut self, map: &Map<String, Value>) -> Result<Id, Fail> {
        let Some((name, content)) = map.iter().next().filter(|_| map.len() == 1) else {
            crate::fail!("Can only create children from hashes with one key");
        };
        let id = self.make(name)?;
        let Value::Object(content) = content else {
            if !content.is_null() {
                self.document.set_text(id, Some(&text(content)));
            }
            return Ok(id);
        };
        for (key, value) in content.iter().filter(|(k, _)| *k != "_" && *k != "+value") {
            self.set_attribute(id, key, &text(value))?;
        }
        match content.get("_") {
            None | Some(Value::Null) => {}
            Some(Value::Array(inner)) => {
                for child in self.children(inner)? {
                    self.append(id, child);
                }
            }
            Some(_) => crate::fail!("Invalid children type: must be list."),
        }
        if let Some(value) = content.get("+value").filter(|v| !v.is_null()) {
            self.document.set_text(id, Some(&text(value)));
        }
        Ok(id)
    }

    fn written(document: &Document, id: Id) -> String {
        let mut out = String::new();
        document.write_node(id, None, &mut out);
        out
    }

    fn set_children(&mut self, path: &str, given: &[Value]) -> Result<(), Fail> {
        let children = self.children(given)?;
        let wanted: Vec<String> = children.iter().map(|c| Self::written(&self.document, *c)).collect();
        for parent in self.nodes(path, self.root())? {
            let have: Vec<Id> = self.document.elements(parent).collect();
            let same = have.len() == wanted.len()
                && have.iter().zip(&wanted).all(|(h, w)| Self::written(&self.document, *h) == *w);
            if !same {
                have.into_iter().for_each(|h| self.document.remove(h));
                for child in &children {
                    // A node hangs in one place only: the last match has it, as with lxml.
                    if let Some(old) = self.document.nodes[*child].parent {
                        self.document.nodes[old].children.retain(|c| c != child);
                    }
                    self.append(parent, *child);
                }
            }
        }
        Ok(())
    }

    fn add_children(&mut self, path: &str, given: &[Value]) -> Result<(), Fail> {
        let targets = self.nodes(path, self.root())?;
        if targets.is_empty() {
            return Ok(());
        }
        let children = self.children(given)?;
        let before = self.ctx.args.bool("insertbefore");
        if before || self.ctx.args.bool("insertafter") {
            let target = if before { targets.first() } else { targets.last() };
            let Some((target, parent)) = target.and_then(|t| Some((*t, self.document.nodes[*t].parent?))) else {
                return Ok(());
            };
            let at = self.document.nodes[parent].children.iter().position(|c| *c == target).unwrap_or_default();
            let mut at = if before { at } else { at + 1 };
            // Behind an element's text, which belongs to it.
            if !before {
                let more = &self.document.nodes[parent].children[at..];
                at += more
                    .iter()
                    .take_while(|c| matches!(self.document.nodes[**c].kind, Kind::Text(_) | Kind::Cdata(_)))
                    .count();
            }
            for child in children {
                self.hang(parent, at, child);
                at += 1;
            }
            return Ok(());
        }
        for parent in targets {
            for child in &children {
                if let Some(old) = self.document.nodes[*child].parent {
                    self.document.nodes[old].children.retain(|c| c != child);
                }
                self.append(parent, *child);
            }
        }
        Ok(())
    }

    fn set_value(&mut self, path: &str, attribute: Option<&str>, value: &str) -> Result<(), Fail> {
        if self.nodes(path, self.root())?.is_empty() {
            self.ensure(path, self.root(), 0)?;
        }
        let nodes = self.nodes(path, self.root())?;
        if nodes.is_empty() {
            crate::fail!("Xpath {path} does not reference a node! tree is {}", self.document.write(true));
        }
        for id in nodes {
            match attribute {
                Some(name) => drop(self.set_attribute(id, name, value)?),
                None => self.document.set_text(id, Some(value)),
            }
        }
        Ok(())
    }

    fn delete(&mut self, path: &str) -> Result<(), Fail> {
        let mut attributes = Vec::new();
        for hit in self.hits(path, self.root())? {
            match hit {
                Hit::Attribute(id, n) => attributes.push((id, n)),
                Hit::Node(id) if Some(id) == self.document.root_element() => {
                    crate::fail!("Couldn't delete xpath target: {path} (the root element can't go)");
                }
                Hit::Node(id) => self.document.remove(id),
            }
        }
        attributes.sort_unstable();
        for (id, n) in attributes.into_iter().rev() {
            if let Some(element) = self.document.element_mut(id) {
                element.attributes.remove(n);
            }
        }
        Ok(())
    }

    /// Where a node is, as libxml2 writes it.
    fn place(&self, id: Id) -> String {
        let Some(element) = self.document.element(id) else { return String::new() };
        let parent = self.document.nodes[id].parent.unwrap_or_default();
        let default = element.prefix.is_empty() && !element.namespace.is_empty();
        let same = |other: &Id| {
            default
                || self.document.element(*other).is_some_and(|e| e.name == element.name && e.prefix == element.prefix)
        };
        let alike: Vec<Id> = self.document.elements(parent).filter(same).collect();
        let name = if default { "*".to_string() } else { element.qualified() };
        let index = alike.iter().position(|c| *c == id).unwrap_or_default() + 1;
        let index = if alike.len() > 1 { format!("[{index}]") } else { String::new() };
        let above = if parent == 0 { String::new() } else { self.place(parent) };
        format!("{above}/{name}{index}")
    }

    /// The root element without white space between elements: what counts as the document.
    fn core(document: &Document) -> String {
        let mut copy = document.clone();
        let root = copy.root_element().unwrap_or_default();
        copy.drop_blank(root);
        Self::written(&copy, root)
    }

    fn finish(self, path: Option<&str>, more: Outcome) -> Result<Outcome, Fail> {
        let args = &self.ctx.args;
        let pretty = args.bool("pretty_print");
        let changed = Self::core(&self.original) != Self::core(&self.document);
        let namespaces = args.given("namespaces").cloned().unwrap_or(json!({}));
        let mut out = crate::out! {
            "changed": changed,
            "actions": {"xpath": path, "namespaces": namespaces, "state": args.text("state")},
        };
        out.extend(more);
        if changed && self.ctx.diff {
            let shown = json!({"before": self.original.write(true), "after": self.document.write(true)});
            out.insert("diff".into(), shown);
        }
        self.save(&mut out, changed, pretty)?;
        Ok(out)
    }

    fn save(&self, out: &mut Outcome, changed: bool, pretty: bool) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let content = self.document.write(pretty);
        if let Some(file) = args.path("path").filter(|_| changed && !self.ctx.check) {
            if args.bool("backup")
                && let Some(copy) = files::backup(&file)?
            {
                out.insert("backup_file".into(), copy.into());
            }
            files::write(self.ctx, &file, content.as_bytes(), false)?;
        }
        if args.given("xmlstring").is_some() {
            out.insert("xmlstring".into(), content.into());
        }
        Ok(())
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.str("xpath");
    let pretty = args.bool("pretty_print");
    let (content, named) = match (args.str("xmlstring").filter(|x| !x.is_empty()), args.path("path")) {
        (Some(content), _) => (content, "xml_string".to_string()),
        (None, Some(file)) if file.is_file() => {
            let content = std::fs::read_to_string(&file).at("can't read", &file)?;
            (content, file.display().to_string())
        }
        (None, file) => {
            crate::fail!("The target XML source '{}' does not exist.", file.unwrap_or_default().display())
        }
    };
    let how = Reading { drop_blank: pretty, keep_cdata: !args.bool("strip_cdata_tags") };
    let document = Document::parse(&content, how)
        .map_err(|why| Fail::new(format!("Error while parsing document: {named} ({why})")))?;
    let prefixes = match args.given("namespaces") {
        Some(Value::Object(all)) => all.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        _ => BTreeMap::new(),
    };
    let mut xml = Xml { ctx, original: document.clone(), document, prefixes };
    let Some(path) = path else {
        // Nothing but the layout.
        let written = xml.document.write(pretty);
        let mut out = crate::out! {"changed": written != content};
        let changed = written != content && args.given("path").is_some();
        xml.save(&mut out, changed, pretty)?;
        return Ok(out);
    };
    Expression::parse(&path)
        .map_err(|why| Fail::new(format!("Syntax error in xpath expression: {path} ({why})")))
        .or_else(|why| {
            if last_step(&path).is_some() && args.text("state") == "present" {
                Ok(Expression::parse(".").or_fail("")?)
            } else {
                Err(why)
            }
        })?;
    if args.bool("print_match") {
        let places: Vec<String> = xml.nodes(&path, xml.root())?.iter().map(|n| xml.place(*n)).collect();
        let list: Vec<String> = places.iter().map(|p| format!("\"{p}\"")).collect();
        let msg = format!("selector '{path}' match: [{}]", list.join(", "));
        return xml.finish(Some(&path), crate::out! {"msg": msg, "matches": []});
    }
    if args.bool("count") {
        let hits = xml.hits(&format!("/{path}"), xml.root()).or_else(|_| xml.hits(&path, xml.root()))?.len();
        return xml.finish(Some(&path), crate::out! {"msg": format!("found {hits} nodes"), "count": hits});
    }
    if let Some(what) = args.str("content") {
        let nodes = xml.nodes(&path, xml.root())?;
        if nodes.is_empty() {
            crate::fail!("Xpath {path} does not reference a node!");
        }
        let one = |id: &Id| {
            let element = xml.document.element(*id)?;
            let value = match what.as_str() {
                "attribute" => {
                    element.attributes.iter().map(|a| (a.clark(), json!(a.value))).collect::<Map<_, _>>().into()
                }
                _ => json!(xml.document.text(*id)),
            };
            Some(Map::from_iter([(element.clark(), value)]))
        };
        let matches: Vec<_> = nodes.iter().filter_map(one).collect();
        let more = crate::out! {"msg": matches.len(), "count": matches.len(), "matches": matches};
        return xml.finish(Some(&path), more);
    }
    if args.text("state") == "absent" {
        xml.delete(&path)?;
    } else if let Some(Value::Array(given)) = args.given("set_children") {
        xml.set_children(&path, given)?;
    } else if let Some(Value::Array(given)) =
        args.given("add_children").filter(|v| v.as_array().is_some_and(|a| !a.is_empty()))
    {
        xml.add_children(&path, given)?;
    } else if let Some(value) = args.str("value") {
        let attribute = args.str("attribute");
        xml.set_value(&path, attribute.as_deref(), &value)?;
    } else if !xml.holds(&path, xml.root()) {
        xml.ensure(&path, xml.root(), 0)?;
    }
    xml.finish(Some(&path), Outcome::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    const BEERS: &str = "<business type=\"bar\">\n  <name>Tasty</name>\n  <beers>\n    <beer>Rochefort</beer>\n    <beer>Alesmith</beer>\n  </beers>\n  <rating subjective=\"true\">10</rating>\n</business>\n";

    #[test]
    fn last_steps() {
        for (path, want) in [
            ("/a/b", Some(("/a", Wanted::Element("b".into(), None)))),
            ("/a/b/text()='x/y'", Some(("/a", Wanted::Element("b".into(), Some("x/y".into()))))),
            ("/a/@b", Some(("/a", Wanted::Attribute("b".into(), None)))),
            ("/a/p:c/@b='1'", Some(("/a/p:c", Wanted::Attribute("b".into(), Some("1".into()))))),
            (
                "/a/b[@c='1' and d/text()='2']",
                Some(("/a", Wanted::With("b".into(), vec!["@c='1'".into(), "d/text()='2'".into()]))),
            ),
            ("/a/text()='z'", Some(("", Wanted::Element("a".into(), Some("z".into()))))),
            ("/a/*", None),
        ] {
            assert_eq!(last_step(path), want.map(|(f, w)| (f.to_string(), w)), "{path}");
        }
    }

    #[test]
    fn nodes_are_set_once() {
        let dir = Scratch::new();
        let cases: &[(Value, &str, &str)] = &[
            (json!({"xpath": "/business/rating", "value": 11}), "subjective=\"true\">10", "subjective=\"true\">11"),
            (
                json!({"xpath": "/business/rating", "attribute": "subjective", "value": "false"}),
                "\"true\"",
                "\"false\"",
            ),
            (json!({"xpath": "/business/rating/@subjective", "state": "absent"}), " subjective=\"true\"", ""),
            (
                json!({"xpath": "/business/beers/beer[text()='Alesmith']", "state": "absent"}),
                "<beer>Alesmith</beer>\n  ",
                "",
            ),
            (json!({"xpath": "/business/phone/text()='1'"}), "</rating>\n", "</rating>\n<phone>1</phone>"),
            (json!({"xpath": "/business/site", "value": "x"}), "</rating>\n", "</rating>\n<site>x</site>"),
            (
                json!({"xpath": "/business/beers", "set_children": ["beer", {"beer": "A"}, {"beer": {"id": "7", "+value": "B", "_": ["x"]}}]}),
                "\n    <beer>Rochefort</beer>\n    <beer>Alesmith</beer>\n  ",
                "\n    <beer/><beer>A</beer><beer id=\"7\">B<x/></beer>",
            ),
        ];
        for (args, from, to) in cases {
            let file = dir.file("x", BEERS);
            let mut args = args.clone();
            args["path"] = json!(file);
            let out = run(&Ctx::test("xml", args.clone())).unwrap();
            assert_eq!(out["changed"], true, "{args}");
            let want = format!("<?xml version='1.0' encoding='UTF-8'?>\n{}", BEERS.replace(from, to).trim_end());
            assert_eq!(dir.read("x"), want, "{args}");
            assert_eq!(run(&Ctx::test("xml", args.clone())).unwrap()["changed"], false, "{args}");
        }
    }

    #[test]
    fn what_is_told() {
        let call = |more: Value| {
            let mut args = json!({"xmlstring": BEERS});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("xml", args))
        };
        assert_eq!(call(json!({"xpath": "/business/beers/beer", "count": true})).unwrap()["count"], 2);
        let text = call(json!({"xpath": "/business/beers/beer", "content": "text"})).unwrap();
        assert_eq!(text["matches"], json!([{"beer": "Rochefort"}, {"beer": "Alesmith"}]));
        let attributes = call(json!({"xpath": "/business/rating", "content": "attribute"})).unwrap();
        assert_eq!(attributes["matches"], json!([{"rating": {"subjective": "true"}}]));
        let places = call(json!({"xpath": "//beer", "print_match": true})).unwrap();
        assert_eq!(
            places["msg"],
            "selector '//beer' match: [\"/business/beers/beer[1]\", \"/business/beers/beer[2]\"]"
        );
        let added =
            call(json!({"xpath": "//beer[1]", "add_children": [{"beer": "New"}], "insertbefore": true})).unwrap();
        assert!(added["xmlstring"].as_str().unwrap().contains("<beer>New</beer><beer>Rochefort"));
        let pretty = call(json!({"pretty_print": true})).unwrap();
        assert!(pretty["xmlstring"].as_str().unwrap().ends_with("</rating>\n</business>\n"));
        assert!(call(json!({"xpath": "/x[", "count": true})).is_err());
        let spaced =
            json!({"xmlstring": "<a xmlns='u'><b/></a>", "xpath": "/p:a/p:b", "namespaces": {"p": "u"}, "value": "1"});
        assert!(call(spaced).unwrap()["xmlstring"].as_str().unwrap().ends_with("<a xmlns=\"u\"><b>1</b></a>"));
    }
}
