//! `cron`: jobs and variables of a crontab, each marked by a comment with its name.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const MARK: &str = "#Ansible: ";

/// Where the lines are.
pub enum Table {
    /// A file in /etc/cron.d or elsewhere, whose lines name the user.
    File(PathBuf),
    /// A user's own, through crontab(1).
    User(Option<String>),
}

impl Table {
    /// The lines.
    pub fn read(&self, ctx: &Ctx) -> Result<Vec<String>, Fail> {
        let text = match self {
            Table::File(path) => files::read_text(path)?.unwrap_or_default(),
            Table::User(user) => {
                ctx.need("crontab")?;
                let ran = self.crontab(ctx, user).arg("-l").run()?;
                // Status 1: there is none yet.
                if !matches!(ran.rc, 0 | 1) {
                    return Err(ran.fail(format!("Unable to read crontab: {}", ran.complaint())));
                }
                ran.stdout
            }
        };
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        // Vixie's cron once showed its own head.
        if matches!(self, Table::User(_)) {
            let head =
                lines.iter().take(3).take_while(|l| l.starts_with("# DO NOT EDIT") || l.starts_with("# (")).count();
            lines.drain(..head);
        }
        Ok(lines)
    }

    fn crontab<'a>(&self, ctx: &'a Ctx, user: &Option<String>) -> crate::sys::run::Cmd<'a> {
        let cmd = ctx.cmd("crontab").english();
        match user {
            Some(user) => cmd.args(["-u", user]),
            None => cmd,
        }
    }

    /// Replaces the text; a file without any goes.
    pub fn write(&self, ctx: &Ctx, text: &str) -> Result<(), Fail> {
        match self {
            Table::File(path) if text.trim().is_empty() => match std::fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at("can't remove", path),
                _ => Ok(()),
            },
            Table::File(path) => {
                files::write(ctx, path, text.as_bytes(), false)?;
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).at("can't set the mode of", path)
            }
            Table::User(user) => {
                let ran = self.crontab(ctx, user).arg("-").stdin(text).run()?;
                if ran.ok() { Ok(()) } else { Err(ran.fail(ran.complaint())) }
            }
        }
    }
}

/// Where a marked job is: the index of its mark.
fn find_job(lines: &[String], name: &str) -> Option<usize> {
    lines.iter().position(|l| l.strip_prefix(MARK) == Some(name))
}

fn find_env(lines: &[String], name: &str) -> Option<usize> {
    lines.iter().position(|l| l.split_once('=').is_some_and(|(n, _)| n.trim() == name) && !l.starts_with('#'))
}

/// The lines with the job set or removed. Pure.
fn plan_job(lines: &[String], name: &str, job: Option<&str>) -> Vec<String> {
    let mut out = lines.to_vec();
    match (find_job(lines, name), job) {
        (Some(at), None) => {
            out.drain(at..(at + 2).min(out.len()));
        }
        (Some(at), Some(job)) => {
            if out.len() == at + 1 {
                out.push(String::new());
            }
            out[at + 1] = job.to_string();
        }
        (None, Some(job)) => out.extend([format!("{MARK}{name}"), job.to_string()]),
        (None, None) => {}
    }
    out
}

/// The lines with the variable set or removed. Pure.
fn plan_env(
    lines: &[String],
    name: &str,
    line: Option<&str>,
    after: Option<&str>,
    before: Option<&str>,
) -> Result<Vec<String>, Fail> {
    let mut out = lines.to_vec();
    match (find_env(lines, name), line) {
        (Some(at), None) => {
            out.remove(at);
        }
        (Some(at), Some(line)) => out[at] = line.to_string(),
        (None, Some(line)) => {
            let at = match (after, before) {
                (Some(other), _) => find_env(lines, other).map(|n| n + 1).ok_or(other),
                (_, Some(other)) => find_env(lines, other).ok_or(other),
                (None, None) => Ok(0),
            };
            let at = at.map_err(|other| Fail::new(format!("Variable named '{other}' not found.")))?;
            out.insert(at, line.to_string());
        }
        (None, None) => {}
    }
    Ok(out)
}

/// A job's line.
fn job_line(ctx: &Ctx, job: &str, user: Option<&str>) -> String {
    let args = &ctx.args;
    let disabled = if args.bool("disabled") { "#" } else { "" };
    let when = match args.str("special_time") {
        Some(special) => format!("@{special}"),
        None => ["minute", "hour", "day", "month", "weekday"].map(|f| args.text(f)).join(" "),
    };
    let job = job.trim_matches(['\r', '\n']);
    match user {
        Some(user) => format!("{disabled}{when} {user} {job}"),
        None => format!("{disabled}{when} {job}"),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let present = args.text("state") != "absent";
    let env = args.bool("env");
    let job = args.str("job");
    let user = args.str("user");
    if present && job.is_none() && !env {
        crate::fail!("You must specify 'job' to install a new cron job or variable");
    }
    if args.given("special_time").is_some()
        && ["minute", "hour", "day", "month", "weekday"].iter().any(|f| args.text(f) != "*")
    {
        crate::fail!("You must specify time and date fields or special time.");
    }
    if args.bool("disabled") && env {
        crate::fail!("disabled is for jobs, not for variables");
    }
    if args.str("cron_file").as_deref() == Some("/etc/crontab") {
        crate::fail!("Will not manage /etc/crontab via cron_file, see documentation.");
    }
    let table = match args.str("cron_file") {
        Some(file) if file.starts_with('/') => Table::File(PathBuf::from(file)),
        Some(file) => Table::File(Path::new("/etc/cron.d").join(file)),
        None => Table::User(user.clone()),
    };
    if let (Table::File(_), None, true, false) = (&table, &user, present, env) {
        crate::fail!("To use cron_file=... parameter you must specify user=... as well");
    }
    let old = table.read(ctx)?;
    let new = if env {
        let value = job.as_ref().map(|v| format!("{name}=\"{v}\"")).filter(|_| present);
        if name.contains(char::is_whitespace) {
            crate::fail!("Invalid name for environment variable");
        }
        plan_env(
            &old,
            &name,
            value.as_deref(),
            args.str("insertafter").as_deref(),
            args.str("insertbefore").as_deref(),
        )?
    } else {
        let in_file = matches!(table, Table::File(_));
        let line = job.as_ref().filter(|_| present).map(|j| job_line(ctx, j, user.as_deref().filter(|_| in_file)));
        plan_job(&old, &name, line.as_deref())
    };
    let changed = old != new;
    let show = |lines: &[String]| if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" };
    let mut backup = None;
    if changed && !ctx.check {
        if args.bool("backup") {
            let file = std::env::temp_dir().join(format!("crontab{}", crate::sys::random::token()));
            std::fs::write(&file, show(&old)).at("can't write", &file)?;
            backup = Some(file.to_string_lossy().into_owned());
        }
        table.write(ctx, &show(&new))?;
    }
    let jobs: Vec<&str> = new.iter().filter_map(|l| l.strip_prefix(MARK)).collect();
    let envs: Vec<&str> = new
        .iter()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once('='))
        .map(|(n, _)| n.trim())
        .filter(|n| !n.is_empty() && !n.contains(char::is_whitespace))
        .collect();
    let mut out = crate::out! {"changed": changed, "jobs": jobs, "envs": envs};
    if let Some(backup) = backup {
        out.insert("backup_file".into(), backup.into());
    }
    if let Table::File(path) = &table {
        out.insert("cron_file".into(), path.to_string_lossy().into());
    }
    if ctx.diff {
        out.insert("diff".into(), json!(files::diff(&show(&old), &show(&new), "crontab", "crontab")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;

    #[test]
    fn jobs_and_variables_in_a_file() {
        let dir = Scratch::new();
        let call = |args: Value| {
            let mut all = json!({"cron_file": dir.path("jobs"), "user": "root"});
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            run(&Ctx::test("cron", all))
        };
        let job = json!({"name": "backup", "minute": "0", "hour": "5,2", "job": "ls > /dev/null"});
        assert_eq!(call(job.clone()).unwrap()["jobs"], json!(["backup"]));
        assert_eq!(dir.read("jobs"), "#Ansible: backup\n0 5,2 * * * root ls > /dev/null\n");
        assert_eq!(call(job).unwrap()["changed"], false);
        assert_eq!(
            call(json!({"name": "backup", "special_time": "daily", "job": "x", "disabled": true})).unwrap()["changed"],
            true
        );
        assert_eq!(dir.read("jobs"), "#Ansible: backup\n#@daily root x\n");
        call(json!({"name": "PATH", "env": true, "job": "/bin"})).unwrap();
        call(json!({"name": "APP", "env": true, "job": "1", "insertafter": "PATH"})).unwrap();
        assert!(dir.read("jobs").starts_with("PATH=\"/bin\"\nAPP=\"1\"\n#Ansible"));
        assert!(call(json!({"name": "Z", "env": true, "job": "1", "insertafter": "NOPE"})).is_err());
        assert_eq!(call(json!({"name": "APP", "env": true, "state": "absent"})).unwrap()["envs"], json!(["PATH"]));
        call(json!({"name": "PATH", "env": true, "state": "absent"})).unwrap();
        assert_eq!(call(json!({"name": "backup", "state": "absent"})).unwrap()["changed"], true);
        assert!(!dir.0.join("jobs").exists());
        assert_eq!(call(json!({"name": "backup", "state": "absent"})).unwrap()["changed"], false);
        assert!(call(json!({"name": "x"})).is_err());
        assert!(call(json!({"name": "x", "job": "y", "special_time": "daily", "hour": "1"})).is_err());
    }
}
