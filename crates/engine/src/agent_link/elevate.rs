//! Command lines that become another user. Source: ansible-core's become plugins (sudo, su, doas), options and defaults.

use crate::shell_quote::quote;
use imgbuild_playbook::target::Become;

/// What sudo shows when it wants a password: nothing else looks like it.
pub(crate) const PROMPT: &str = "[imgbuild] password:";

/// How a command is wrapped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Elevation {
    /// The words before `/bin/sh -c SCRIPT`; for `su`, `-c` takes the whole command.
    words: String,
    su: bool,
    /// How the question for a password ends, where one can come.
    pub prompt: Option<&'static str>,
}

impl Elevation {
    /// For these settings; the error is the sentence that Ansible's users know or one that names what is missing.
    pub(crate) fn new(become_: &Become) -> Result<Self, String> {
        let user = if become_.user.is_empty() { "root" } else { become_.user.as_str() };
        let method = if become_.method.is_empty() { "sudo" } else { become_.method.as_str() };
        let method =
            method.strip_prefix("ansible.builtin.").or(method.strip_prefix("community.general.")).unwrap_or(method);
        let exe = if become_.exe.is_empty() { method } else { become_.exe.as_str() };
        let password = become_.password.is_some();
        let words = match method {
            "sudo" => {
                let mut flags: Vec<&str> = if become_.flags.is_empty() {
                    vec!["-H", "-S", "-n"]
                } else {
                    become_.flags.split_ascii_whitespace().collect()
                };
                let mut words = vec![exe.to_owned()];
                if password {
                    // -n would refuse to ask; -S must be there to read what we send.
                    flags.retain(|flag| !["-n", "--non-interactive"].contains(flag));
                    words.extend(flags.iter().map(|flag| (*flag).to_owned()));
                    if !flags.contains(&"-S") {
                        words.push("-S".into());
                    }
                    words.extend(["-p".into(), quote(PROMPT)]);
                } else {
                    words.extend(flags.iter().map(|flag| (*flag).to_owned()));
                }
                words.extend(["-u".into(), quote(user)]);
                words.join(" ")
            }
            "su" => {
                let flags = if become_.flags.is_empty() { String::new() } else { format!("{} ", become_.flags) };
                format!("{exe} {flags}{}", quote(user))
            }
            "doas" => {
                let flags = if become_.flags.is_empty() { "-n".to_owned() } else { become_.flags.clone() };
                if password {
                    return Err("become_method doas with a password needs a terminal, which imgbuild does not give it: allow it with nopass in doas.conf, or use sudo".into());
                }
                format!("{exe} {flags} -u {}", quote(user))
            }
            other => return Err(format!("the become method {other:?} is not supported; sudo, su and doas are")),
        };
        let prompt = match method {
            "su" => Some(":"),
            _ => password.then_some(PROMPT),
        };
        Ok(Elevation { words, su: method == "su", prompt })
    }

    /// `script` run by `/bin/sh` as that user.
    pub(crate) fn wrap(&self, script: &str) -> String {
        if self.su {
            return format!("{} -c {}", self.words, quote(&format!("/bin/sh -c {}", quote(script))));
        }
        format!("{} /bin/sh -c {}", self.words, quote(script))
    }
}

/// What sudo, su or doas said when they refused, as Ansible's messages.
pub(crate) fn refusal(said: &str, password: bool) -> Option<String> {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&[
        "a password is required",
        "Authentication required",
        "doas: Operation not permitted",
        "Authorization required",
    ]) {
        return Some(if password { "Incorrect sudo password".into() } else { "Missing sudo password".into() });
    }
    if has(&["Sorry, try again.", "incorrect password attempt", "no password was provided"]) {
        return Some("Incorrect sudo password".into());
    }
    if has(&["su: Authentication failure", "su: incorrect password", "Sorry, su"]) {
        return Some(if password { "Incorrect su password".into() } else { "Missing su password".into() });
    }
    let told = [
        "is not in the sudoers file",
        "is not allowed to",
        "unknown user",
        "user does not exist",
        "does not exist or the user",
    ];
    if has(&told)
        || has(&[
            "sudo: not found",
            "sudo: command not found",
            "su: not found",
            "doas: not found",
            "No such file or directory",
        ])
    {
        return said.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    }
    None
}

/// sudo insists on a terminal (`requiretty`).
pub(crate) fn wants_tty(said: &str) -> bool {
    said.contains("must have a tty") || said.contains("no tty present")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_playbook::target::BecomePassword;

    fn become_(method: &str, user: &str, flags: &str, password: bool) -> Become {
        Become {
            method: method.into(),
            user: user.into(),
            exe: String::new(),
            flags: flags.into(),
            password: password.then(|| BecomePassword("pw".to_owned().into())),
        }
    }

    #[test]
    fn command_lines() {
        for (given, expected) in [
            (become_("", "", "", false), "sudo -H -S -n -u root /bin/sh -c 'a b'"),
            (become_("sudo", "we b", "-E", false), "sudo -E -u 'we b' /bin/sh -c 'a b'"),
            (become_("sudo", "root", "", true), "sudo -H -S -p '[imgbuild] password:' -u root /bin/sh -c 'a b'"),
            (become_("su", "app", "-l", true), r"su -l app -c '/bin/sh -c '\''a b'\'''"),
            (become_("doas", "root", "", false), "doas -n -u root /bin/sh -c 'a b'"),
        ] {
            assert_eq!(Elevation::new(&given).unwrap().wrap("a b"), expected);
        }
        assert!(Elevation::new(&become_("pfexec", "root", "", false)).unwrap_err().contains("\"pfexec\""));
    }

    #[test]
    fn refusals() {
        for (said, password, expected) in [
            ("sudo: a password is required\n", false, Some("Missing sudo password")),
            ("sudo: a password is required\n", true, Some("Incorrect sudo password")),
            ("\nu is not in the sudoers file.\n", false, Some("u is not in the sudoers file.")),
            ("su: Authentication failure\n", true, Some("Incorrect su password")),
            ("something else", false, None),
        ] {
            assert_eq!(refusal(said, password).as_deref(), expected, "{said}");
        }
    }
}
