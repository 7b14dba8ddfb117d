//! `selinux`: the mode and the policy, now and after a boot.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, selinux};
use std::path::{Path, PathBuf};

fn setting(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).map(|v| v.trim().to_string())
}

/// The text with `KEY=value` in place of the key's line, or at its end.
fn with_setting(text: &str, key: &str, value: &str) -> String {
    let ours = |l: &str| l.strip_prefix(key).is_some_and(|r| r.starts_with('='));
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(&if ours(line) { format!("{key}={value}\n") } else { format!("{line}\n") });
    }
    if !text.lines().any(ours) {
        out.push_str(&format!("{key}={value}\n"));
    }
    out
}

/// Whether no kernel entry says `selinux=0`; `None` if they differ.
fn kernel_enabled(info: &str) -> Option<bool> {
    let off: Vec<bool> = info
        .lines()
        .filter_map(|l| l.strip_prefix("args=\"")?.strip_suffix('"'))
        .map(|args| args.split(' ').any(|a| a == "selinux=0"))
        .collect();
    let first = off.first()?;
    off.iter().all(|o| o == first).then_some(!first)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let state = args.req("state")?;
    let file = PathBuf::from(args.text("configfile"));
    let enabled = selinux::enabled();
    let enforcing = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|t| t.trim() == "1");
    let runtime_state = if !enabled {
        "disabled"
    } else if enforcing {
        "enforcing"
    } else {
        "permissive"
    };
    let Some(mut text) = files::read_text(&file)? else {
        return Err(Fail::new(format!("Unable to find file {}", file.display()))
            .with("details", "Please install SELinux-policy package, if this package is not installed previously."));
    };
    let (config_policy, config_state) = (setting(&text, "SELINUXTYPE"), setting(&text, "SELINUX"));
    // libselinux reads the running policy's name from the system's file too.
    let system = files::read_text(Path::new("/etc/selinux/config"))?.unwrap_or_default();
    let runtime_policy = setting(&system, "SELINUXTYPE");
    let wants_kernel = args.bool("update_kernel_param");
    let grubby = if wants_kernel { Some(ctx.need("grubby")?) } else { None };
    let kernel = match &grubby {
        Some(grubby) => kernel_enabled(&ctx.must(&[grubby.as_os_str(), "--info=ALL".as_ref()])?.stdout),
        None => None,
    };
    let policy = match args.str("policy").filter(|p| !p.is_empty()) {
        Some(policy) => Some(policy),
        None if state == "disabled" => config_policy.clone(),
        None => crate::fail!("Policy is required if state is not 'disabled'"),
    };
    let name = |policy: &Option<String>| policy.clone().unwrap_or_else(|| "None".into());
    let (mut changed, mut reboot, mut msgs) = (false, false, Vec::new());
    let original = text.clone();
    if policy != runtime_policy {
        changed = true;
        msgs.push(format!("Running SELinux policy changed from '{}' to '{}'", name(&runtime_policy), name(&policy)));
    }
    if policy != config_policy
        && let Some(policy) = &policy
    {
        if !Path::new("/etc/selinux").join(policy).join("policy").exists() {
            crate::fail!("Policy {policy} does not exist in /etc/selinux/");
        }
        text = with_setting(&text, "SELINUXTYPE", policy);
        changed = true;
        msgs.push(format!(
            "SELinux policy configuration in '{}' changed from '{}' to '{policy}'",
            file.display(),
            name(&config_policy)
        ));
    }
    let mut enforce = None;
    if state != runtime_state {
        match (enabled, state.as_str()) {
            (true, "disabled") => {
                reboot = true;
                if runtime_state == "permissive" {
                    ctx.warn("SELinux state change will take effect next reboot");
                } else {
                    enforce = Some("0");
                    changed = true;
                    ctx.warn(format!(
                        "SELinux state temporarily changed from '{runtime_state}' to 'permissive'. State change will take effect next reboot."
                    ));
                }
            }
            (true, _) => {
                enforce = Some(if state == "enforcing" { "1" } else { "0" });
                changed = true;
                msgs.push(format!("SELinux state changed from '{runtime_state}' to '{state}'"));
            }
            (false, _) => {
                reboot = true;
                ctx.warn(format!("Reboot is required to set SELinux state to '{state}'"));
            }
        }
    }
    if config_state.as_deref() != Some(&state) {
        text = with_setting(&text, "SELINUX", &state);
        changed = true;
        msgs.push(format!("Config SELinux state changed from '{}' to '{state}'", name(&config_state)));
    }
    let wanted = state != "disabled";
    let set_kernel = grubby.filter(|_| kernel != Some(wanted));
    if set_kernel.is_some() {
        changed = true;
        let word = |on| if on { "enabled" } else { "disabled" };
        let old = kernel.map_or("<inconsistent>", word);
        msgs.push(format!("Kernel SELinux state changed from '{old}' to '{}'", word(wanted)));
    }
    if !ctx.check {
        if text != original {
            files::write(ctx, &file, text.as_bytes(), false)?;
        }
        if let Some(value) = enforce {
            std::fs::write("/sys/fs/selinux/enforce", value).or_fail("can't set the SELinux mode")?;
        }
        if let Some(grubby) = set_kernel {
            let how = if wanted { "--remove-args" } else { "--args" };
            ctx.must(&[grubby.as_os_str(), "--update-kernel=ALL".as_ref(), how.as_ref(), "selinux=0".as_ref()])?;
        }
    }
    Ok(crate::out! {
        "changed": changed, "msg": msgs.join(", "), "configfile": file.to_string_lossy(), "policy": policy,
        "state": state, "reboot_required": reboot,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_kernels() {
        let text = "# SELINUX= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted\n";
        assert_eq!(setting(text, "SELINUX").as_deref(), Some("enforcing"));
        assert_eq!(setting(text, "SELINUXTYPE").as_deref(), Some("targeted"));
        assert_eq!(
            with_setting(text, "SELINUX", "disabled"),
            "# SELINUX= can be\nSELINUX=disabled\nSELINUXTYPE=targeted\n"
        );
        assert_eq!(with_setting("", "SELINUX", "disabled"), "SELINUX=disabled\n");
        assert_eq!(kernel_enabled("index=0\nargs=\"ro quiet\"\n"), Some(true));
        assert_eq!(kernel_enabled("args=\"ro selinux=0\"\nargs=\"selinux=0\"\n"), Some(false));
        assert_eq!(kernel_enabled("args=\"ro\"\nargs=\"selinux=0\"\n"), None);
    }
}
