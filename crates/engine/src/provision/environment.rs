//! `environment_vars`, `env`, `env_var_format` and the variables that Packer always sets.

use super::block::{error, strings};
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Reader, UNKNOWN};
use std::collections::BTreeMap;

/// Variables of a script, sorted by name as Packer sorts them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Environment {
    /// What the template gives.
    own: BTreeMap<String, String>,
    /// What every script gets.
    given: BTreeMap<String, String>,
}

impl Environment {
    /// Reads both options; an entry that is not `K=V` is an error at its place.
    pub(crate) fn read(reader: &Reader, diags: &mut Diagnostics) -> Self {
        let mut own = BTreeMap::new();
        for entry in strings(reader, "environment_vars") {
            match entry.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    own.insert(name.to_owned(), value.to_owned());
                }
                // It holds what a data source will say.
                _ if entry.as_str() == UNKNOWN => {}
                // The entry may be a password that lost its name: it is not repeated.
                _ => error(diags, &entry.span, "Environment variable not in format 'key=value'"),
            }
        }
        if let Some(map) = reader.map("env") {
            own.extend(map.value.into_iter().map(|(name, value)| (name, value.value)));
        }
        Environment { own, given: BTreeMap::new() }
    }

    /// Adds what every script gets. The template's own values win, as in Packer.
    pub(crate) fn with_build(mut self, name: &str, builder_type: &str, http: Option<&str>) -> Self {
        self.given.insert("PACKER_BUILD_NAME".into(), name.into());
        self.given.insert("PACKER_BUILDER_TYPE".into(), builder_type.into());
        if let Some((ip, port)) = http.and_then(|address| address.rsplit_once(':')) {
            self.given.insert("PACKER_HTTP_ADDR".into(), format!("{ip}:{port}"));
            self.given.insert("PACKER_HTTP_IP".into(), ip.into());
            self.given.insert("PACKER_HTTP_PORT".into(), port.into());
        }
        self
    }

    /// Adds one that every script gets.
    pub(crate) fn give(&mut self, name: &str, value: impl Into<String>) {
        self.given.insert(name.to_owned(), value.into());
    }

    /// Whether the template gives variables, any of which may be a secret.
    pub(crate) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// All variables.
    pub(crate) fn all(&self) -> BTreeMap<&str, &str> {
        self.given.iter().chain(&self.own).map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    /// Variables by reference: the text of a file that sets the references, and what stands in the place of the variables.
    pub(crate) fn by_reference(&self) -> (String, String) {
        let names: Vec<String> = self.all().into_keys().map(str::to_owned).collect();
        let references: BTreeMap<String, String> = self
            .all()
            .into_values()
            .enumerate()
            .map(|(n, value)| (format!("imgbuild_{n:03}"), value.to_owned()))
            .collect();
        let used = names.iter().zip(references.keys()).map(|(name, reference)| format!("{name}=\"${reference}\" "));
        let used = used.collect();
        let file = Environment { own: references, given: BTreeMap::new() };
        (file.flatten("%s='%s'\n"), used)
    }

    /// All variables by a format with two `%s`, values escaped for single quotes.
    pub(crate) fn flatten(&self, format: &str) -> String {
        let escape = |value: &str| value.replace('\'', r#"'"'"'"#);
        self.all().into_iter().map(|(name, value)| fill(format, name, &escape(value))).collect()
    }
}

/// Go's `Sprintf` as far as it can be meant here: `%s` twice, `%q` (quoted), `%%`.
fn fill(format: &str, name: &str, value: &str) -> String {
    let mut out = String::new();
    let mut values = [name, value].into_iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('s' | 'v') => out.push_str(values.next().unwrap_or("%!s(MISSING)")),
            Some('q') => out.push_str(&format!("{:?}", values.next().unwrap_or_default())),
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_for_values() {
        let own = BTreeMap::from([("A".into(), "it's".into()), ("B".into(), "2".into())]);
        let environment = Environment { own, ..Environment::default() };
        let (file, used) = environment.by_reference();
        assert_eq!(file, "imgbuild_000='it'\"'\"'s'\nimgbuild_001='2'\n");
        assert_eq!(used, "A=\"$imgbuild_000\" B=\"$imgbuild_001\" ");
    }

    #[test]
    fn own_values_win_and_are_escaped_and_sorted() {
        let mut environment = Environment::default().with_build("b", "null", Some("10.0.0.1:8080"));
        environment.own.insert("Z".into(), "it's".into());
        environment.own.insert("PACKER_BUILD_NAME".into(), "mine".into());
        assert_eq!(
            environment.flatten("%s='%s' "),
            r#"PACKER_BUILDER_TYPE='null' PACKER_BUILD_NAME='mine' PACKER_HTTP_ADDR='10.0.0.1:8080' PACKER_HTTP_IP='10.0.0.1' PACKER_HTTP_PORT='8080' Z='it'"'"'s' "#
        );
        assert_eq!(fill("export %s=%q%%\n", "a", "b"), "export a=\"b\"%\n");
    }
}
