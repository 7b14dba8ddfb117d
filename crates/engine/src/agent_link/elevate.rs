//! Command lines that become another user. Source: ansible-core's become plugins (sudo, su, doas), options and defaults.

use crate::shell_quote::quote;
use imgbuild_playbook::target::Become;

/// What sudo shows when it wants a password: nothing else looks like it.
pub(crate) const PROMPT: &str = "[imgbuild] password:";

/// When neither the user nor a question for a password has come in time: Ansible's words.
pub(crate) const TIMED_OUT: &str = "Timed out waiting for become success or become password prompt";

/// What a question for a password looks like.
#[derive(Debug, Clone, PartialEq)]
enum Question {
    /// None comes.
    No,
    /// Ours.
    Ours,
    /// Ends with a colon, in whatever language.
    Colon,
    /// One of these words and a colon (`ansible_su_prompt_l10n`).
    Words(Vec<String>),
}

/// How a command is wrapped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Elevation {
    /// The words before `/bin/sh -c SCRIPT`; for `su`, `-c` takes the whole command.
    words: String,
    su: bool,
    /// The method's name, for its messages.
    method: &'static str,
    question: Question,
    /// It reads a password from a terminal only.
    pub pty: bool,
}

impl Elevation {
    /// For these settings; the error is the sentence that Ansible's users know or one that names what is missing.
    pub(crate) fn new(become_: &Become) -> Result<Self, String> {
        let user = if become_.user.is_empty() { "root" } else { become_.user.as_str() };
        let method = if become_.method.is_empty() { "sudo" } else { become_.method.as_str() };
        let method =
            method.strip_prefix("ansible.builtin.").or(method.strip_prefix("community.general.")).unwrap_or(method);
        let password = become_.password.is_some();
        let exe = |own: &str| if become_.exe.is_empty() { own.to_owned() } else { become_.exe.clone() };
        let flags: Vec<&str> = become_.flags.split_ascii_whitespace().collect();
        let mut made = match method {
            "sudo" => Elevation {
                words: format!("{} -u {}", sudo(exe("sudo"), flags, password), quote(user)),
                su: false,
                method: "sudo",
                question: if password { Question::Ours } else { Question::No },
                pty: false,
            },
            // To root by sudo, from there to the user by su: for sudoers that allow su alone.
            "sudosu" => Elevation {
                words: format!("{} su -l {}", sudo(exe("sudo"), flags, password), quote(user)),
                su: true,
                method: "sudo",
                question: if password { Question::Ours } else { Question::No },
                pty: false,
            },
            "su" => {
                let flags = if flags.is_empty() { String::new() } else { format!("{} ", become_.flags) };
                let words = format!("{} {flags}{}", exe("su"), quote(user));
                let words_of =
                    |prompts: &Vec<String>| Question::Words(prompts.iter().map(|p| p.to_lowercase()).collect());
                let question = if become_.prompts.is_empty() { Question::Colon } else { words_of(&become_.prompts) };
                Elevation { words, su: true, method: "su", question, pty: false }
            }
            "doas" => {
                let mut words = vec![exe("doas")];
                words.extend(flags.iter().filter(|flag| !(password && **flag == "-n")).map(|flag| (*flag).to_owned()));
                if !password && !flags.contains(&"-n") {
                    words.push("-n".into());
                }
                words.extend(["-u".into(), quote(user)]);
                let question = if password { Question::Colon } else { Question::No };
                Elevation { words: words.join(" "), su: false, method: "doas", question, pty: password }
            }
            other => {
                return Err(format!("the become method {other:?} is not supported; sudo, su, doas and sudosu are"));
            }
        };
        if !become_.chdir.is_empty() {
            made.words = format!("cd {} && {}", quote(&become_.chdir), made.words);
        }
        Ok(made)
    }

    /// `script` run by `/bin/sh` as that user.
    pub(crate) fn wrap(&self, script: &str) -> String {
        if self.su {
            return format!("{} -c {}", self.words, quote(&format!("/bin/sh -c {}", quote(script))));
        }
        format!("{} /bin/sh -c {}", self.words, quote(script))
    }

    /// Whether what was said last asks for a password.
    pub(crate) fn asks(&self, said: &str) -> bool {
        let said = said.trim_end();
        match &self.question {
            Question::No => false,
            Question::Ours => said.ends_with(PROMPT),
            Question::Colon => said.ends_with([':', '：']),
            Question::Words(words) => said.strip_suffix([':', '：']).is_some_and(|said| {
                let said = said.trim_end().to_lowercase();
                words.iter().any(|word| said.ends_with(word.as_str()))
            }),
        }
    }

    /// The message for a question that was asked again, or that has no answer.
    pub(crate) fn unanswered(&self, password: bool) -> String {
        format!("{} {} password", if password { "Incorrect" } else { "Missing" }, self.method)
    }

    /// What sudo, su or doas said when they refused, as Ansible's messages.
    pub(crate) fn refusal(&self, said: &str, password: bool) -> Option<String> {
        let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        if has(&[
            // Of sudo with -n, of sudo without a terminal, of doas with -n.
            "a password is required",
            "no tty present and no askpass",
            "a terminal is required to read the password",
            "Authentication required",
            "Authorization required",
            // Of a password that is not the right one.
            "Sorry, try again.",
            "incorrect password attempt",
            "no password was provided",
            "Authentication failure",
            "Authentication failed",
            "su: incorrect password",
            "Sorry, su",
        ]) {
            return Some(self.unanswered(password));
        }
        if has(&[
            "is not in the sudoers file",
            "is not allowed to",
            "unknown user",
            "user does not exist",
            "does not exist or the user",
            "Operation not permitted",
            "sudo: not found",
            "sudo: command not found",
            "su: not found",
            "doas: not found",
            "No such file or directory",
        ]) {
            return said.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        }
        None
    }
}

/// sudo's words up to the user. Without a password it must not ask: nobody answers.
fn sudo(exe: String, mut flags: Vec<&str>, password: bool) -> String {
    if flags.is_empty() {
        flags = vec!["-H", "-S", "-n"];
    }
    let silent = ["-n", "--non-interactive"];
    let mut words = vec![exe];
    if password {
        // -n would refuse to ask; -S must be there to read what we send.
        flags.retain(|flag| !silent.contains(flag));
        if !flags.contains(&"-S") && !flags.contains(&"--stdin") {
            flags.push("-S");
        }
    } else if !flags.iter().any(|flag| silent.contains(flag)) {
        flags.push("-n");
    }
    words.extend(flags.into_iter().map(str::to_owned));
    if password {
        words.extend(["-p".into(), quote(PROMPT)]);
    }
    words.join(" ")
}

/// sudo insists on a terminal (`requiretty`), or the su of old shadow-utils does.
pub(crate) fn wants_tty(said: &str) -> bool {
    said.contains("must have a tty") || said.contains("must be run from a terminal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_playbook::target::BecomePassword;

    fn become_(method: &str, user: &str, flags: &str, password: bool) -> Become {
        Become {
            method: method.into(),
            user: user.into(),
            flags: flags.into(),
            password: password.then(|| BecomePassword("pw".to_owned().into())),
            ..Become::default()
        }
    }

    #[test]
    fn command_lines() {
        for (given, expected) in [
            (become_("", "", "", false), "sudo -H -S -n -u root /bin/sh -c 'a b'"),
            (become_("sudo", "we b", "-E", false), "sudo -E -n -u 'we b' /bin/sh -c 'a b'"),
            (become_("sudo", "root", "", true), "sudo -H -S -p '[imgbuild] password:' -u root /bin/sh -c 'a b'"),
            (become_("su", "app", "-l", true), r"su -l app -c '/bin/sh -c '\''a b'\'''"),
            (become_("doas", "root", "", false), "doas -n -u root /bin/sh -c 'a b'"),
            (become_("community.general.doas", "app", "-n", true), "doas -u app /bin/sh -c 'a b'"),
            (become_("sudosu", "app", "", false), r"sudo -H -S -n su -l app -c '/bin/sh -c '\''a b'\'''"),
        ] {
            assert_eq!(Elevation::new(&given).unwrap().wrap("a b"), expected);
        }
        assert!(Elevation::new(&become_("pfexec", "root", "", false)).unwrap_err().contains("\"pfexec\""));
    }

    #[test]
    fn questions() {
        let mut su = become_("su", "", "", true);
        for (prompts, said, asks) in [
            ("", "Password: ", true),
            ("", "パスワード：", true),
            ("", "Last login", false),
            ("Heslo", "heslo: ", true),
            ("Heslo", "Password: ", false),
        ] {
            su.prompts = prompts.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Elevation::new(&su).unwrap().asks(said), asks, "{prompts} {said}");
        }
        let sudo = Become { chdir: "/a b".into(), ..become_("sudo", "", "", true) };
        let sudo = Elevation::new(&sudo).unwrap();
        assert!(sudo.asks("lecture\n[imgbuild] password:") && !sudo.asks("Password:"));
        assert!(sudo.wrap("x").starts_with("cd '/a b' && sudo "));
    }

    #[test]
    fn refusals() {
        for (method, said, password, expected) in [
            ("sudo", "sudo: a password is required\n", false, Some("Missing sudo password")),
            ("sudo", "sudo: no tty present and no askpass program specified\n", false, Some("Missing sudo password")),
            ("sudo", "sudo: a password is required\n", true, Some("Incorrect sudo password")),
            ("sudo", "\nu is not in the sudoers file.\n", false, Some("u is not in the sudoers file.")),
            ("su", "su: Authentication failure\n", true, Some("Incorrect su password")),
            ("doas", "doas: Authentication required\n", false, Some("Missing doas password")),
            ("doas", "doas: Operation not permitted\n", false, Some("doas: Operation not permitted")),
            ("sudo", "something else", false, None),
        ] {
            let elevation = Elevation::new(&become_(method, "", "", password)).unwrap();
            assert_eq!(elevation.refusal(said, password).as_deref(), expected, "{said}");
        }
    }
}
