//! A writer for the few XML shapes that the Query protocol uses.

use std::fmt::{Display, Write as _};

use quick_xml::escape::escape;

/// An XML document that grows.
#[derive(Debug, Default)]
pub struct Xml {
    out: String,
}

impl Xml {
    /// An empty fragment, for the inside of an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A document with its declaration.
    pub fn document() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }

    /// An opening tag with attributes.
    pub fn open_with(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.out, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.out, " {key}=\"{}\"", escape(*value));
        }
        self.out.push('>');
    }

    /// A closing tag.
    pub fn close(&mut self, name: &str) {
        let _ = write!(self.out, "</{name}>");
    }

    /// `<name>value</name>`
    pub fn text(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        let _ = write!(self.out, "<{name}>{}</{name}>", escape(value.as_str()));
    }

    /// The same when there is a value; nothing otherwise.
    pub fn opt(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element with elements inside.
    pub fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        let _ = write!(self.out, "<{name}>");
        inside(self);
        self.close(name);
    }

    /// `<name><item>…</item>…</name>`
    pub fn set<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.node(name, |x| {
            for item in items {
                x.node("item", |x| each(x, item));
            }
        });
    }

    /// A fragment that was written before.
    pub fn raw(&mut self, fragment: &str) {
        self.out.push_str(fragment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_text_and_nests() {
        let mut x = Xml::new();
        x.set("tagSet", [("a&b", "<1>"), ("c", "")], |x, (k, v)| {
            x.text("key", k);
            x.text("value", v);
        });
        x.opt("gone", None::<&str>);
        assert_eq!(
            x.finish(),
            "<tagSet><item><key>a&amp;b</key><value>&lt;1&gt;</value></item><item><key>c</key><value></value></item></tagSet>"
        );
    }
}
