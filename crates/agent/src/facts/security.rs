//! SELinux, AppArmor, capabilities, FIPS.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use serde_json::json;
use std::path::Path;

/// `selinux`.
pub fn selinux(_: &Ctx, out: &mut Facts) {
    // No Python library is needed to work with contexts here.
    put(out, "selinux_python_present", true);
    let root = ["/sys/fs/selinux", "/selinux"].into_iter().find(|d| Path::new(d).join("enforce").exists());
    let Some(root) = root else {
        put(out, "selinux", json!({"status": "disabled"}));
        return;
    };
    let mode = |text: Option<String>| match text.as_deref() {
        Some("1") => "enforcing",
        Some("0") => "permissive",
        _ => "unknown",
    };
    let config = read("/etc/selinux/config").unwrap_or_default();
    let setting = |key: &str| {
        config
            .lines()
            .filter_map(|l| l.split_once('='))
            .find(|(k, _)| k.trim() == key)
            .map(|(_, v)| v.trim().to_string())
    };
    put(
        out,
        "selinux",
        json!({
            "status": "enabled", "mode": mode(read(format!("{root}/enforce"))),
            "config_mode": setting("SELINUX").unwrap_or_else(|| "unknown".into()),
            "type": setting("SELINUXTYPE").unwrap_or_else(|| "unknown".into()),
            "policyvers": read(format!("{root}/policyvers")).and_then(|v| v.parse::<u64>().ok()).map_or(json!("unknown"), |v| json!(v)),
        }),
    );
}

/// `apparmor`.
pub fn apparmor(_: &Ctx, out: &mut Facts) {
    let enabled = Path::new("/sys/kernel/security/apparmor").exists();
    put(out, "apparmor", json!({"status": if enabled { "enabled" } else { "disabled" }}));
}

/// The kernel's capabilities, by number.
const CAPABILITIES: &[&str] = &[
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// `system_capabilities`, from the agent's own status (what `capsh --print` shows).
pub fn caps(ctx: &Ctx, out: &mut Facts) {
    if ctx.which("capsh").is_none() {
        return;
    }
    let status = read("/proc/self/status").unwrap_or_default();
    let set = |key: &str| {
        status
            .lines()
            .find_map(|l| l.strip_prefix(key))
            .and_then(|v| u64::from_str_radix(v.trim(), 16).ok())
            .unwrap_or(0)
    };
    let highest = read("/proc/sys/kernel/cap_last_cap").and_then(|t| t.parse::<u32>().ok()).unwrap_or(37);
    let (effective, permitted) = (set("CapEff:"), set("CapPrm:"));
    let full = if highest >= 63 { u64::MAX } else { (1u64 << (highest + 1)) - 1 };
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .take(highest as usize + 1)
        .enumerate()
        .filter(|(i, _)| permitted >> i & 1 == 0)
        .map(|(_, n)| *n)
        .collect();
    let enforced = !(effective == full && permitted == full);
    put(out, "system_capabilities_enforced", if enforced { "True" } else { "False" });
    let text = describe(permitted & full, full, &missing);
    put(out, "system_capabilities", text);
}

/// libcap's text form: `ep` for all, `ep cap_x-ep` for all but some, names else.
fn describe(permitted: u64, full: u64, missing: &[&str]) -> Vec<String> {
    if permitted == full {
        vec![]
    } else if permitted == 0 {
        vec![String::new()]
    } else if missing.len() < full.count_ones() as usize / 2 {
        vec![format!("ep {}-ep", missing.join(","))]
    } else {
        CAPABILITIES.iter().enumerate().filter(|(i, _)| permitted >> i & 1 == 1).map(|(_, n)| n.to_string()).collect()
    }
}

/// `fips`.
pub fn fips(_: &Ctx, out: &mut Facts) {
    put(out, "fips", read("/proc/sys/crypto/fips_enabled").as_deref() == Some("1"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capability_texts() {
        assert_eq!(describe(0b1111, 0b1111, &[]), Vec::<String>::new());
        assert_eq!(describe(0b0111, 0b1111, &["cap_fowner"]), ["ep cap_fowner-ep"]);
        assert_eq!(describe(0b0001, 0b1111, &["a", "b", "c"]), ["cap_chown"]);
    }
}
