//! OpenSSH's client options as far as they mean something to us. Source: ssh_config(5). The first value of an option wins,
//! as it does there; command line arguments are read before files.

use std::collections::BTreeMap;

/// Options that change nothing here: they are about OpenSSH's own process, terminal, logging, or multiplexing (we keep one
/// connection anyway), or widen what we offer already.
const NO_EFFECT: &[&str] = &[
    "addkeystoagent",
    "canonicaldomains",
    "checkhostip",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forwardx11",
    "forwardx11trusted",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "hostbasedauthentication",
    "ignoreunknown",
    "ipqos",
    "loglevel",
    "logverbose",
    "macs",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "rekeylimit",
    "requesttty",
    "requiredrsasize",
    "sendenv",
    "streamlocalbindunlink",
    "syslogfacility",
    "tcpkeepalive",
    "updatehostkeys",
    "usekeychain",
    "verifyhostkeydns",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

/// Options with one value that we follow.
const SINGLE: &[&str] = &[
    "batchmode",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "forwardagent",
    "globalknownhostsfile",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "pubkeyauthentication",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tag",
    "user",
    "userknownhostsfile",
];

/// Options that may be given more than once.
const MANY: &[&str] = &["certificatefile", "identityfile", "localforward", "remoteforward"];

/// Options that were found, by lower-case name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Options {
    single: BTreeMap<&'static str, String>,
    many: BTreeMap<&'static str, Vec<String>>,
}

/// What became of an option.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    Yes,
    /// OpenSSH knows it; here it changes nothing.
    NoEffect,
    /// Not one that we follow.
    Unknown,
}

impl Options {
    /// Takes an option unless it was set before.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Taken {
        let name = name.to_ascii_lowercase();
        // Names that OpenSSH has replaced.
        let name = match name.as_str() {
            "challengeresponseauthentication" | "keyboardinteractiveauthentication" => "kbdinteractiveauthentication",
            "dsaauthentication" | "rsaauthentication" => return Taken::NoEffect,
            other => other,
        };
        if let Some(known) = SINGLE.iter().find(|known| **known == name) {
            // Each of the two switches the other off when it comes first.
            let shadowed = match *known {
                "proxyjump" => self.single.contains_key("proxycommand"),
                "proxycommand" => self.single.contains_key("proxyjump"),
                _ => false,
            };
            if !shadowed {
                self.single.entry(known).or_insert_with(|| value.to_owned());
            }
            return Taken::Yes;
        }
        if let Some(known) = MANY.iter().find(|known| **known == name) {
            let values = self.many.entry(known).or_default();
            // A file that is read a second time (`Match final`) names nothing new.
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
            return Taken::Yes;
        }
        if NO_EFFECT.contains(&name) { Taken::NoEffect } else { Taken::Unknown }
    }

    /// The value of an option with one value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    /// All values of an option.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.many.get(name).map_or(&[], Vec::as_slice)
    }

    /// A switch; `default` where it is not set or not readable.
    pub(crate) fn on(&self, name: &str, default: bool) -> bool {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "true") => true,
            Some("no" | "false") => false,
            _ => default,
        }
    }
}

/// Splits a line of options: an optional `=` between name and value.
pub(crate) fn name_and_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '=')?;
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    if name.is_empty() || value.is_empty() { None } else { Some((name, value)) }
}

/// Takes one pair of double quotes off.
pub(crate) fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_wins_and_lists_grow() {
        let mut options = Options::default();
        for (name, value) in [("User", "a"), ("user", "b"), ("IdentityFile", "x"), ("IdentityFile", "y")] {
            assert_eq!(options.set(name, value), Taken::Yes);
        }
        assert_eq!(options.get("user"), Some("a"));
        assert_eq!(options.all("identityfile"), ["x", "y"]);
        options.set("ProxyCommand", "none");
        options.set("ProxyJump", "j");
        assert_eq!(options.get("proxyjump"), None);
        assert_eq!(options.set("ControlMaster", "auto"), Taken::NoEffect);
        assert_eq!(options.set("NoSuchThing", "auto"), Taken::Unknown);
    }

    #[test]
    fn spellings() {
        for (text, expected) in [
            ("Port 22", Some(("Port", "22"))),
            ("Port=22", Some(("Port", "22"))),
            ("Port = 22 ", Some(("Port", "22"))),
            ("ProxyCommand ssh -W %h:%p x=y", Some(("ProxyCommand", "ssh -W %h:%p x=y"))),
            ("Port", None),
        ] {
            assert_eq!(name_and_value(text), expected);
        }
        assert_eq!(unquote("\"a b\""), "a b");
    }
}
