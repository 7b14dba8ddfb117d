//! Arguments of OpenSSH's `ssh` (`ansible_ssh_common_args` and its sisters), as far as they mean something to us; what does
//! not is refused by name.

use super::options::{Options, Taken, name_and_value, unquote};
use std::path::PathBuf;

/// What arguments say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Args {
    /// As if they stood in a file, before all files.
    pub options: Options,
    /// `-F`.
    pub config: Option<PathBuf>,
}

/// Flags that change nothing here.
const NO_EFFECT: &str = "46aEgGkKnNqstTvxXyYf";

/// Reads argument strings in their order.
pub(crate) fn parse(strings: &[String]) -> Result<Args, String> {
    let mut args = Args::default();
    for string in strings {
        let mut words = split(string)?.into_iter();
        while let Some(word) = words.next() {
            let Some(flags) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                return Err(format!("the ssh argument {word:?} is not an option"));
            };
            for (at, flag) in flags.char_indices() {
                let rest = &flags[at + flag.len_utf8()..];
                let mut value = || {
                    let value = if rest.is_empty() { words.next() } else { Some(rest.to_owned()) };
                    value.ok_or_else(|| format!("the ssh argument -{flag} lacks its value"))
                };
                let mut set = |name: &str, value: &str| args.options.set(name, value);
                match flag {
                    'C' => drop(set("compression", "yes")),
                    'A' => drop(set("forwardagent", "yes")),
                    c if NO_EFFECT.contains(c) => {}
                    'o' => {
                        let text = value()?;
                        let Some((name, option)) = name_and_value(&text) else {
                            return Err(format!("the ssh argument -o {text:?} is no option with a value"));
                        };
                        if set(name, unquote(option)) == Taken::Unknown {
                            return Err(format!("the ssh option {name} (in the ssh arguments) is not supported"));
                        }
                        break;
                    }
                    'i' | 'l' | 'p' | 'J' | 'c' | 'L' | 'R' | 'P' => {
                        let name = match flag {
                            'i' => "identityfile",
                            'l' => "user",
                            'p' => "port",
                            'J' => "proxyjump",
                            'c' => "ciphers",
                            'L' => "localforward",
                            'P' => "tag",
                            _ => "remoteforward",
                        };
                        let text = value()?;
                        set(name, &text);
                        break;
                    }
                    'F' => {
                        args.config = Some(PathBuf::from(value()?));
                        break;
                    }
                    'S' | 'm' | 'e' | 'E' | 'B' | 'b' => {
                        // Control socket, MACs, escape character, log file, bind interface: nothing for us, except the
                        // addresses to bind to, which would change the route.
                        if matches!(flag, 'B' | 'b') {
                            return Err(format!("the ssh argument -{flag} is not supported"));
                        }
                        value()?;
                        break;
                    }
                    other => return Err(format!("the ssh argument -{other} is not supported")),
                }
            }
        }
    }
    Ok(args)
}

/// Splits as a shell does: blanks, quotes, backslashes.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote is not closed in {text:?}")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err(format!("a quote is not closed in {text:?}")),
                        },
                        Some(other) => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn usual_arguments() {
        let text = "-C -o ControlMaster=auto -oStrictHostKeyChecking=no -o 'UserKnownHostsFile /dev/null' -i ~/k -p2222 -vv -J a@b,c -F /x";
        let args = parse(&strings(text)).unwrap();
        let get = |name| args.options.get(name);
        assert_eq!(get("stricthostkeychecking"), Some("no"));
        assert_eq!(get("userknownhostsfile"), Some("/dev/null"));
        assert_eq!((get("port"), get("proxyjump"), get("compression")), (Some("2222"), Some("a@b,c"), Some("yes")));
        assert_eq!(args.options.all("identityfile"), ["~/k"]);
        assert_eq!(args.config, Some("/x".into()));
        let proxy = parse(&strings("-o ProxyCommand=\"ssh -W %h:%p -q user@jump\"")).unwrap();
        assert_eq!(proxy.options.get("proxycommand"), Some("ssh -W %h:%p -q user@jump"));
    }

    #[test]
    fn refusals_name_the_argument() {
        for (text, expected) in [
            ("-D 1080", "-D"),
            ("-o Frobnicate=yes", "Frobnicate"),
            ("host", "\"host\""),
            ("-o", "lacks"),
            ("-i 'x", "quote"),
        ] {
            let error = parse(&strings(text)).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
