//! `lvg`: LVM's volume groups and their disks.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use std::path::Path;

/// `(name, lv_count)` of a group.
fn group(ctx: &Ctx, vg: &str) -> Result<Option<u64>, Fail> {
    let words = ["vgs", "--noheadings", "-o", "vg_name,lv_count", "--separator", ";"];
    let list = ctx.must(&words)?.stdout;
    let mut rows = list.lines().filter_map(|l| l.trim().split_once(';'));
    Ok(rows.find(|(name, _)| *name == vg).map(|(_, count)| count.parse().unwrap_or(0)))
}

fn real(device: &str) -> String {
    std::fs::canonicalize(device).map_or_else(|_| device.to_string(), |p| p.to_string_lossy().into_owned())
}

/// Disks in use and their groups, by the disks' real names.
fn disks(ctx: &Ctx) -> Result<Vec<(String, String)>, Fail> {
    let list = ctx.must(&["pvs", "--noheadings", "-o", "pv_name,vg_name", "--separator", ";"])?.stdout;
    Ok(list.lines().filter_map(|l| l.trim().split_once(';')).map(|(pv, vg)| (real(pv), vg.to_string())).collect())
}

fn has_autoactivation(ctx: &Ctx, program: &str) -> Result<bool, Fail> {
    Ok(ctx.must(&[program, "--help"])?.stdout.contains("--setautoactivation"))
}

/// Runs a command that changes something, or not in check mode.
fn act(ctx: &Ctx, words: &[&str], failed: &str) -> Result<(), Fail> {
    if ctx.check {
        return Ok(());
    }
    let ran = ctx.run(words)?;
    if ran.ok() { Ok(()) } else { Err(ran.fail(failed).with("err", ran.stderr.clone())) }
}

/// Switches all volumes of a group on or off, and whether they come up at boot.
fn activate(ctx: &Ctx, vg: &str, active: bool) -> Result<bool, Fail> {
    let auto = has_autoactivation(ctx, "vgchange")?;
    let fields = if auto { "lv_attr,autoactivation" } else { "lv_attr" };
    let list = ctx.must(&["vgs", "--noheadings", "-o", fields, "--separator", ";", vg])?.stdout;
    let rows: Vec<&str> = list.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let is_active = |row: &&str| row.as_bytes().get(4) == Some(&b'a');
    let starts = rows.iter().any(|r| r.ends_with(";enabled"));
    let yes = if active { "y" } else { "n" };
    let mut changed = false;
    if auto && starts != active {
        act(ctx, &["vgchange", "--setautoactivation", yes, vg], "vgchange failed")?;
        changed = true;
    }
    // A group without volumes has a row without attributes.
    if rows.iter().filter(|r| r.len() > 4).any(|r| is_active(r) != active) {
        act(ctx, &["vgchange", "--activate", yes, vg], "vgchange failed")?;
        changed = true;
    }
    Ok(changed)
}

/// Sizes in bytes: of the device, of the disk in it, its start, an extent.
fn sizes(ctx: &Ctx, device: &str) -> Result<[u64; 4], Fail> {
    let fields = "dev_size,pv_size,pe_start,vg_extent_size";
    let words = ["--units", "b", "--columns", "--noheadings", "--nosuffix", "--separator", ";", "-o", fields];
    let text = ctx.must(&[&["pvdisplay", device], words.as_slice()].concat())?.stdout;
    let mut numbers = text.trim().split(';').map(|n| n.trim().parse().unwrap_or(0));
    Ok([0; 4].map(|_: u64| numbers.next().unwrap_or(0)))
}

fn grow(ctx: &Ctx, device: &str) -> Result<bool, Fail> {
    let [whole, used, start, extent] = sizes(ctx, device)?;
    if whole.saturating_sub(start + used) <= extent {
        return Ok(false);
    }
    if !ctx.check {
        let ran = ctx.run(&["pvresize", device])?;
        if sizes(ctx, device)?[1] == used {
            return Err(ran.fail("Failed executing pvresize command."));
        }
    }
    Ok(true)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (vg, state) = (args.req("vg")?, args.text("state"));
    let present = state != "absent";
    let current = group(ctx, &vg)?;
    let devices: Vec<String> = args.strs("pvs").iter().map(|d| real(d)).collect();
    if present && current.is_none() && devices.is_empty() {
        crate::fail!("No physical volumes given.");
    }
    let mut members = Vec::new();
    if present {
        if let Some(missing) = devices.iter().find(|d| !Path::new(d).exists()) {
            crate::fail!("Device {missing} not found.");
        }
        let all = disks(ctx)?;
        let foreign = |(pv, of): &&(String, String)| devices.contains(pv) && !of.is_empty() && *of != vg;
        if let Some((device, other)) = all.iter().find(foreign) {
            crate::fail!("Device {device} is already in {other} volume group.");
        }
        members = all.into_iter().filter(|(_, of)| *of == vg).map(|(pv, _)| pv).collect();
    }
    let options = |name: &str| args.text(name).split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let prepare = |device: &str| -> Result<(), Fail> {
        let mut words = vec!["pvcreate".to_string()];
        words.extend(options("pv_options"));
        words.extend(["-f".into(), device.to_string()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        act(ctx, &words, &format!("Creating physical volume '{device}' failed"))
    };
    let Some(volumes) = current else {
        if !present {
            return Ok(crate::out! {"changed": false});
        }
        let mut words = vec!["vgcreate".to_string()];
        words.extend(options("vg_options"));
        if matches!(state.as_str(), "active" | "inactive")
            && !words.iter().any(|w| w == "--setautoactivation")
            && has_autoactivation(ctx, "vgcreate")?
        {
            words.extend(["--setautoactivation".into(), if state == "active" { "y" } else { "n" }.into()]);
        }
        words.extend(["-s".into(), args.text("pesize"), vg.clone()]);
        words.extend(devices.clone());
        for device in &devices {
            prepare(device)?;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        act(ctx, &words, &format!("Creating volume group '{vg}' failed"))?;
        return Ok(crate::out! {"changed": true});
    };
    if !present {
        if volumes > 0 && !args.bool("force") && !ctx.check {
            crate::fail!("Refuse to remove non-empty volume group {vg} without force=true");
        }
        act(ctx, &["vgremove", "--force", &vg], &format!("Failed to remove volume group {vg}"))?;
        return Ok(crate::out! {"changed": true});
    }
    let mut changed = match state.as_str() {
        "active" => activate(ctx, &vg, true)?,
        "inactive" => activate(ctx, &vg, false)?,
        _ => false,
    };
    if args.bool("reset_vg_uuid") {
        act(ctx, &["vgchange", "-u", &vg], "vgchange failed")?;
        changed = true;
    }
    if devices.is_empty() {
        return Ok(crate::out! {"changed": changed});
    }
    for device in &members {
        if args.bool("pvresize") {
            changed |= grow(ctx, device)?;
        }
        if args.bool("reset_pv_uuid") {
            act(ctx, &["pvchange", "-u", device], &format!("PV ({device}) UUID change failed"))?;
            changed = true;
        }
    }
    let added: Vec<&str> = devices.iter().filter(|d| !members.contains(d)).map(String::as_str).collect();
    if !added.is_empty() {
        for device in &added {
            prepare(device)?;
        }
        let failed = format!("Unable to extend {vg} by {}.", added.join(" "));
        act(ctx, &[&["vgextend", &vg], added.as_slice()].concat(), &failed)?;
        changed = true;
    }
    let extra: Vec<&str> = members.iter().filter(|m| !devices.contains(m)).map(String::as_str).collect();
    if !extra.is_empty() && args.bool("remove_extra_pvs") {
        let failed = format!("Unable to reduce {vg} by {}.", extra.join(" "));
        act(ctx, &[&["vgreduce", "--force", &vg], extra.as_slice()].concat(), &failed)?;
        changed = true;
    }
    Ok(crate::out! {"changed": changed})
}
