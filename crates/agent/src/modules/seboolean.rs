//! `seboolean`: a switch of the SELinux policy.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::selinux;

/// The permanent value of a switch in `semanage boolean -l -n`: `name  (on , off)  text`.
fn permanent(list: &str, name: &str) -> Option<bool> {
    let line = list.lines().find(|l| l.split_whitespace().next() == Some(name))?;
    let inside = line.split_once('(')?.1.split_once(')')?.0;
    Some(inside.rsplit(',').next()?.trim() == "on")
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state, persistent) = (args.req("name")?, args.bool("state"), args.bool("persistent"));
    let enabled = selinux::enabled();
    if !enabled && !args.bool("ignore_selinux_state") {
        crate::fail!("SELinux is disabled on this host.");
    }
    let value = if state { "1" } else { "0" };
    let changed = if persistent {
        let list = ctx.must(&["semanage", "boolean", "-l", "-n"])?.stdout;
        let Some(current) = permanent(&list, &name) else {
            crate::fail!("SELinux boolean {name} does not exist.");
        };
        if current != state && !ctx.check {
            let how = if enabled { ["setsebool", "-P"].as_slice() } else { &["setsebool", "-P", "-N"] };
            let mut words = how.to_vec();
            words.extend([name.as_str(), value]);
            ctx.must(&words)?;
        }
        current != state
    } else if enabled {
        let path = std::path::Path::new("/sys/fs/selinux/booleans").join(&name);
        let current = std::fs::read_to_string(&path).or_fail(format!("Failed to get value of boolean {name}"))?;
        // The running value, and the one that waits to be committed.
        let current = current.split_whitespace().next() == Some("1");
        if current != state && !ctx.check {
            ctx.must(&["setsebool", &name, value])?;
        }
        current != state
    } else {
        false
    };
    Ok(crate::out! {"changed": changed, "name": name, "persistent": persistent, "state": state})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_values() {
        let list = "ftp_home_dir   (off  ,   on)  Allow ftp\nhttpd_enable   (on   ,  off)  x (y, z)\n";
        assert_eq!(permanent(list, "ftp_home_dir"), Some(true));
        assert_eq!(permanent(list, "httpd_enable"), Some(false));
        assert_eq!(permanent(list, "httpd"), None);
    }
}
