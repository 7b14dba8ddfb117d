//! `modprobe`: a kernel module is loaded, or isn't; now and after a boot.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::shlex;
use std::path::{Path, PathBuf};

const LOAD: &str = "/etc/modules-load.d";
const OPTIONS: &str = "/etc/modprobe.d";

/// Whether the running kernel has it, loaded or built in.
fn loaded(name: &str, modules: &str, builtin: &str) -> bool {
    let plain = |s: &str| s.replace('-', "_");
    let wanted = plain(name);
    modules.lines().any(|l| l.split(' ').next().is_some_and(|m| plain(m) == wanted))
        || builtin
            .lines()
            .any(|l| l.rsplit('/').next().and_then(|f| f.split(".ko").next()).is_some_and(|m| plain(m) == wanted))
}

/// Whether a file's text names the module (first words of its lines).
fn names(text: &str, name: &str) -> bool {
    text.lines().map(str::trim).filter(|l| !l.starts_with(['#', ';'])).any(|l| l == name)
}

fn files_of(dir: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries.filter_map(|p| std::fs::read_to_string(&p).ok().map(|t| (p, t))).collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    run_in(ctx, Path::new(LOAD), Path::new(OPTIONS))
}

fn run_in(ctx: &Ctx, load: &Path, options: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let params = args.text("params");
    let state = args.text("state");
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let now = loaded(&name, &read("/proc/modules"), &read(&format!("/lib/modules/{release}/modules.builtin")));
    let mut changed = false;
    if now != (state == "present") {
        changed = true;
        if !ctx.check {
            let words = shlex::split(&params).unwrap_or_default();
            let mut cmd = ctx.cmd(ctx.need("modprobe")?).english();
            cmd = if state == "present" { cmd.arg(&name).args(words) } else { cmd.args(["-r", &name]) };
            let ran = cmd.run()?;
            if !ran.ok() {
                return Err(ran.fail(ran.complaint()).with("name", name).with("state", state).with("params", params));
            }
        }
    }
    let persistent = args.text("persistent");
    match persistent.as_str() {
        "present" => {
            let option = format!("options {name} {params}");
            if !files_of(load).iter().any(|(_, t)| names(t, &name)) {
                changed = true;
                if !ctx.check {
                    save(load, &name, &format!("{name}\n"))?;
                }
            }
            if !params.is_empty() && !files_of(options).iter().any(|(_, t)| names(t, option.trim())) {
                changed = true;
                if !ctx.check {
                    comment_out(options, &format!("options {name} "))?;
                    save(options, &name, &format!("{option}\n"))?;
                }
            }
        }
        "absent" => {
            let mine = files_of(load).iter().any(|(_, t)| names(t, &name));
            let with_options = files_of(options)
                .iter()
                .any(|(_, t)| t.lines().any(|l| l.trim().starts_with(&format!("options {name} "))));
            changed |= mine || with_options;
            if !ctx.check {
                if mine {
                    comment_out(load, &name)?;
                }
                if with_options {
                    comment_out(options, &format!("options {name} "))?;
                }
            }
        }
        _ => {}
    }
    Ok(crate::out! {"changed": changed, "name": name, "params": params, "state": state})
}

fn save(dir: &Path, name: &str, text: &str) -> Result<(), Fail> {
    std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
    let path = dir.join(format!("{name}.conf"));
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, format!("{old}{text}")).at("can't write", &path)
}

/// Lines that are this module's, or start with this text, become comments.
fn comment_out(dir: &Path, start: &str) -> Result<(), Fail> {
    for (path, text) in files_of(dir) {
        let ours = |l: &str| if start.ends_with(' ') { l.trim().starts_with(start) } else { l.trim() == start };
        if text.lines().any(ours) {
            let new: String =
                text.lines().map(|l| if ours(l) { format!("#{l}\n") } else { format!("{l}\n") }).collect();
            std::fs::write(&path, new).at("can't write", &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn loaded_and_kept() {
        assert!(loaded("nf-nat", "nf_nat 1 0 - Live 0x0\n", ""));
        assert!(loaded("ext4", "", "kernel/fs/ext4/ext4.ko\n"));
        assert!(!loaded("ext", "ext4 1\n", "kernel/fs/ext4/ext4.ko\n"));
        let dir = Scratch::new();
        let (load, options) = (dir.0.join("l"), dir.0.join("o"));
        let call = |persistent: &str| {
            let args =
                json!({"name": "no_such_module_here", "state": "absent", "persistent": persistent, "params": "a=1"});
            run_in(&Ctx::test("modprobe", args), &load, &options).unwrap()["changed"].clone()
        };
        assert_eq!((call("present"), call("present")), (json!(true), json!(false)));
        assert_eq!(dir.read("l/no_such_module_here.conf"), "no_such_module_here\n");
        assert_eq!(dir.read("o/no_such_module_here.conf"), "options no_such_module_here a=1\n");
        assert_eq!((call("absent"), call("absent"), call("disabled")), (json!(true), json!(false), json!(false)));
    }
}
