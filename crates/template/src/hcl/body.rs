//! A body: attributes and blocks, read through a schema that says which are expected. Both syntaxes and `dynamic` blocks look the
//! same from outside.
//!
//! A body may be read in two steps (`partial`, then the rest), as where Packer takes its own keys before a plugin sees its options.

use super::dynamic::{self, Dynamic};
use super::expr::Expr;
use super::json_body;
use crate::value::{Node, Spanned};
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use indexmap::IndexMap;
use std::sync::Arc;

/// One `name = value`.
#[derive(Debug, Clone)]
pub(crate) struct Attr {
    pub(crate) name: Spanned<String>,
    pub(crate) expr: Expr,
}

/// One block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) kind: Spanned<String>,
    pub(crate) labels: Vec<Spanned<String>>,
    pub(crate) body: Body,
    /// Its header: type and labels.
    pub(crate) span: Span,
}

/// What stands in a file of native syntax.
#[derive(Debug, Default)]
pub(crate) struct Native {
    pub(crate) attributes: IndexMap<String, Attr>,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Debug, Clone)]
enum Written {
    Native(Arc<Native>),
    Json(Arc<Node>),
}

/// Attributes and blocks, not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    written: Written,
    span: Span,
    /// Names that an earlier step has taken.
    taken: Arc<[String]>,
    /// How `dynamic` blocks are expanded; without it they are blocks like any other.
    pub(super) dynamic: Option<Dynamic>,
}

/// What may stand in a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema<'a> {
    /// Attribute names, and whether they must be there.
    pub(crate) attributes: Vec<(&'a str, bool)>,
    /// Block types with the names of their labels.
    pub(crate) blocks: Vec<(&'a str, &'a [&'a str])>,
}

/// What stands in a body.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) attributes: IndexMap<String, Attr>,
    pub(crate) blocks: Vec<Block>,
}

impl Schema<'_> {
    fn attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|(known, _)| *known == name)
    }

    pub(super) fn block(&self, kind: &str) -> Option<&[&str]> {
        self.blocks.iter().find(|(known, _)| *known == kind).map(|(_, labels)| *labels)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| *name).chain(self.blocks.iter().map(|(kind, _)| *kind))
    }
}

impl Body {
    pub(super) fn native(written: Native, span: Span) -> Self {
        Body { written: Written::Native(Arc::new(written)), span, taken: Arc::default(), dynamic: None }
    }

    pub(super) fn json(node: Node) -> Self {
        let span = node.span.clone();
        Body { written: Written::Json(Arc::new(node)), span, taken: Arc::default(), dynamic: None }
    }

    /// Where it stands, its header included.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Everything, which must all be in the schema.
    pub(crate) fn content(&self, schema: &Schema<'_>, diags: &mut Diagnostics) -> Content {
        self.read(schema, false, diags)
    }

    /// What is in the schema, and a body of the rest.
    pub(crate) fn partial(&self, schema: &Schema<'_>, diags: &mut Diagnostics) -> (Content, Body) {
        let content = self.read(schema, true, diags);
        let taken = self.taken.iter().cloned().chain(schema.names().map(str::to_owned)).collect();
        (content, Body { taken, ..self.clone() })
    }

    /// All attributes; blocks are errors.
    pub(crate) fn attributes(&self, diags: &mut Diagnostics) -> IndexMap<String, Attr> {
        match &self.written {
            Written::Native(native) => {
                for block in &native.blocks {
                    let message = format!("Unexpected {:?} block: blocks are not allowed here", block.kind.value);
                    diags.push(
                        Diagnostic::error(message)
                            .at(&block.kind.span)
                            .help(format!("to give the argument {0:?} a value, write {0} = …", block.kind.value)),
                    );
                }
                native.attributes.clone()
            }
            Written::Json(node) => json_body::attributes(node, diags),
        }
    }

    /// The names that are written in it, those of `dynamic` blocks included, without what an earlier step has taken and without
    /// the arguments that `set` denies.
    pub(crate) fn names(&self, set: &dyn Fn(&Attr) -> bool) -> Vec<String> {
        let json;
        let (attributes, blocks) = match &self.written {
            Written::Native(native) => (&native.attributes, native.blocks.as_slice()),
            Written::Json(node) => {
                json = json_body::attributes(node, &mut Diagnostics::new());
                (&json, &[][..])
            }
        };
        let target = |block: &Block| match block.kind.as_str() {
            "dynamic" => block.labels.first().map_or_else(String::new, |label| label.value.clone()),
            kind => kind.to_owned(),
        };
        let arguments = attributes.values().filter(|attribute| set(attribute)).map(|a| a.name.value.clone());
        arguments.chain(blocks.iter().map(target)).filter(|name| !self.is_taken(name)).collect()
    }

    /// What all expressions in it refer to.
    pub(crate) fn references(&self) -> Vec<(Vec<String>, Span)> {
        match &self.written {
            Written::Native(native) => {
                let own = native.attributes.values().flat_map(|attribute| attribute.expr.references());
                own.chain(native.blocks.iter().flat_map(|block| block.body.references())).collect()
            }
            Written::Json(node) => Expr::json((**node).clone()).references(),
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.taken.iter().any(|taken| taken == name)
    }

    fn read(&self, schema: &Schema<'_>, partial: bool, diags: &mut Diagnostics) -> Content {
        let mut content = match &self.written {
            Written::Native(native) => self.read_native(native, schema, partial, diags),
            Written::Json(node) => {
                json_body::read(node, schema, self.dynamic.is_some(), &|name| partial || self.is_taken(name), diags)
            }
        };
        for (name, required) in &schema.attributes {
            if *required && !content.attributes.contains_key(*name) {
                let message = format!("Missing required argument: {name:?} must be set here");
                diags.push(Diagnostic::error(message).at(&self.header()));
            }
        }
        if let Some(dynamic) = &self.dynamic {
            dynamic::expand(&mut content, schema, dynamic, diags);
        }
        content
    }

    /// The first line of the place.
    fn header(&self) -> Span {
        let range = self.span.range();
        let text = self.span.source().text().get(range.clone()).unwrap_or("");
        let line = text.find('\n').unwrap_or(text.len());
        Span::new(self.span.source(), range.start..range.start + line)
    }

    fn read_native(&self, native: &Native, schema: &Schema<'_>, partial: bool, diags: &mut Diagnostics) -> Content {
        let mut content = Content::default();
        for (name, attr) in &native.attributes {
            if schema.attribute(name) {
                content.attributes.insert(name.clone(), attr.clone());
            } else if partial || self.is_taken(name) {
                // Somebody else's.
            } else if schema.block(name).is_some() {
                let message = format!("Unsupported argument: no argument named {name:?} is expected here");
                let help = format!("{name:?} is a block: write {name} {{ … }} without the equals sign");
                diags.push(Diagnostic::error(message).at(&attr.name.span).help(help));
            } else {
                let message = format!("Unsupported argument: no argument named {name:?} is expected here");
                diags.push(Diagnostic::error(message).at(&attr.name.span).suggest(name, schema.names()));
            }
        }
        for block in &native.blocks {
            let kind = block.kind.as_str();
            if kind == "dynamic" && self.dynamic.is_some() {
                // Its label says whose it is; see `dynamic::expand`.
                let target = block.labels.first().map_or("", |l| l.as_str());
                if schema.block(target).is_some() {
                    content.blocks.push(block.clone());
                } else if !(partial || self.is_taken(target)) {
                    let message = format!("Unsupported block type: blocks of type {target:?} are not expected here");
                    let place = block.labels.first().map_or(&block.span, |l| &l.span);
                    diags.push(Diagnostic::error(message).at(place).suggest(target, schema.names()));
                }
                continue;
            }
            let Some(labels) = schema.block(kind) else {
                // An argument of ours is nobody else's block.
                if partial && !schema.attribute(kind) || self.is_taken(kind) {
                    continue;
                }
                let message = format!("Unsupported block type: blocks of type {kind:?} are not expected here");
                let error = Diagnostic::error(message).at(&block.kind.span);
                diags.push(if schema.attribute(kind) {
                    error.help(format!("{kind:?} is an argument: write {kind} = … with an equals sign"))
                } else {
                    error.suggest(kind, schema.names())
                });
                continue;
            };
            if let Some(problem) = labelling(block, labels) {
                diags.push(problem);
                continue;
            }
            content.blocks.push(block.clone());
        }
        content
    }
}

/// What is wrong with a block's labels.
fn labelling(block: &Block, wanted: &[&str]) -> Option<Diagnostic> {
    let kind = block.kind.as_str();
    let shape = || match wanted {
        [] => format!("a {kind:?} block has no labels"),
        _ => format!("a {kind:?} block has {} label(s): {}", wanted.len(), wanted.join(", ")),
    };
    if let Some(extra) = block.labels.get(wanted.len()) {
        return Some(Diagnostic::error(format!("Extraneous label for {kind}: {}", shape())).at(&extra.span));
    }
    let missing = wanted.get(block.labels.len())?;
    Some(Diagnostic::error(format!("Missing {missing} for {kind}: {}", shape())).at(&block.span))
}
