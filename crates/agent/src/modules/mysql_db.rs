//! `mysql_db`: databases are made, dropped, dumped and filled. Dumps and imports are the client programs'; a password goes to
//! them in a private option file.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::mysql::{format, name, quote as literal};
use crate::sys::shlex::quote;
use crate::sys::{mysql_login, version};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Programs that pack, by the ending of the file.
const PACKERS: &[(&str, &str)] = &[("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz"), ("zst", "zstd")];

fn packer(ctx: &Ctx, target: &Path) -> Result<Option<String>, Fail> {
    let ending = target.extension().unwrap_or_default().to_string_lossy();
    match PACKERS.iter().find(|(e, _)| *e == ending) {
        Some((_, program)) => Ok(Some(ctx.need(program)?.to_string_lossy().into_owned())),
        None => Ok(None),
    }
}

/// How the client programs log in. The option file of ours comes with the call and goes with it.
struct Words {
    words: Vec<String>,
    file: Option<PathBuf>,
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn words(ctx: &Ctx, program: &str, implicit: bool) -> Result<Words, Fail> {
    let args = &ctx.args;
    let mut out = Words { words: vec![ctx.need(program)?.to_string_lossy().into_owned()], file: None };
    let theirs = mysql_login::config_file(ctx);
    let password = if implicit { Some(String::new()) } else { args.str("login_password") };
    let file = match (&theirs, &password) {
        (theirs, Some(password)) => {
            let path = ctx.temp()?;
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .at("can't write", &path)?;
            let include = theirs.as_ref().map(|p| format!("!include {}\n", p.display())).unwrap_or_default();
            let escaped = password.replace('\\', "\\\\").replace('"', "\\\"");
            write!(file, "{include}[client]\npassword=\"{escaped}\"\n").at("can't write", &path)?;
            out.file = Some(path.clone());
            Some(path)
        }
        (Some(path), None) => Some(path.clone()),
        (None, None) => None,
    };
    if let Some(file) = file {
        let option = if args.bool("restrict_config_file") { "--defaults-file" } else { "--defaults-extra-file" };
        out.words.push(format!("{option}={}", quote(&file.to_string_lossy())));
    }
    let user = if implicit { Some("root".to_string()) } else { args.str("login_user") };
    out.words.extend(user.map(|u| format!("--user={}", quote(&u))));
    match args.str("login_unix_socket").filter(|s| !s.is_empty()) {
        Some(socket) => out.words.push(format!("--socket={}", quote(&socket))),
        None => {
            let port = args.int("login_port").unwrap_or(3306);
            out.words.push(format!("--host={} --port={port}", quote(&args.text("login_host"))));
        }
    }
    let encoding = args.text("encoding");
    if !encoding.is_empty() {
        out.words.push(format!("--default-character-set={}", quote(&encoding)));
    }
    Ok(out)
}

/// What dumping adds.
fn dump_words(ctx: &Ctx, out: &mut Vec<String>, databases: &[String], source_data: &str) {
    let args = &ctx.args;
    if args.bool("force") {
        out.push("--force".into());
    }
    match databases {
        [all] if all == "all" => out.push("--all-databases".into()),
        [one] => out.push(quote(one)),
        many => {
            out.push("--databases".into());
            out.extend(many.iter().map(|d| quote(d)));
        }
    }
    for (option, word) in [
        ("skip_lock_tables", "--skip-lock-tables"),
        ("single_transaction", "--single-transaction=true"),
        ("quick", "--quick"),
    ] {
        if args.bool(option) {
            out.push(word.into());
        }
    }
    out.extend(args.strs("ignore_tables").iter().map(|t| format!("--ignore-table={}", quote(t))));
    if args.bool("hex_blob") {
        out.push("--hex-blob".into());
    }
    if let Some(how) = args.int("master_data").filter(|n| *n != 0) {
        out.push(format!("--{source_data}={how}"));
    }
    out.extend(args.str("dump_extra_args"));
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let databases: Vec<String> = args.strs("name").iter().map(|n| n.trim().to_string()).collect();
    let (state, target) = (args.text("state"), args.path("target"));
    if databases.is_empty() {
        return Ok(crate::out! {"changed": false, "db": [], "db_list": []});
    }
    if !(0..=65535).contains(&args.int("login_port").unwrap_or(3306)) {
        crate::fail!("login_port must be a valid unix port number (0-65535)");
    }
    if args.strs("ignore_tables").iter().any(String::is_empty) {
        crate::fail!("Name of ignored table cannot be empty");
    }
    if databases.len() > 1 && state == "import" {
        crate::fail!("Multiple databases are not supported with state=import");
    }
    let by_file = matches!(state.as_str(), "dump" | "import");
    let all = databases == ["all"];
    if by_file && target.is_none() {
        crate::fail!("with state={state} target is required");
    }
    if all && !by_file {
        crate::fail!("name is not allowed to equal 'all' unless state equals import, or dump.");
    }
    let (mut client, implicit) = mysql_login::connect(ctx, None).map_err(|why| {
        let path = args.path("config_file").unwrap_or_default();
        if path.exists() {
            return why;
        }
        let cause = why.msg.split("Exception message: ").last().unwrap_or_default().to_string();
        Fail::new(format!("unable to find {}. Exception message: {cause}", path.display()))
    })?;
    if !by_file {
        mysql_login::prepare(ctx, &mut client)?;
    }
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for database in databases.iter().filter(|_| !all) {
        let sql =
            format!("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(database));
        if client.query(&sql)?.rows.is_empty() { missing.push(database) } else { there.push(database) }
    }
    let mut out = crate::out! {"changed": true, "db": databases.join(" "), "db_list": databases};
    if ctx.check {
        out.insert("changed".into(), json!(by_file || !if state == "absent" { &there } else { &missing }.is_empty()));
        if state == "dump" && !missing.is_empty() {
            crate::fail!("Cannot dump database(s) '{}' - not found", join(&missing));
        }
        return Ok(out);
    }
    let mut commands = Vec::new();
    match state.as_str() {
        "absent" => {
            for database in &there {
                let sql = format!("DROP DATABASE {}", name(database));
                client.query(&sql).map_err(|e| Fail::new(format!("error deleting database: {e}")))?;
                commands.push(sql);
            }
            out.insert("changed".into(), (!there.is_empty()).into());
        }
        "dump" if !missing.is_empty() => {
            crate::fail!("Cannot dump database(s) '{}' - not found", join(&missing));
        }
        "present" | "import" => {
            for database in &missing {
                let mut sql = format!("CREATE DATABASE {}", name(database).replace('%', "%%"));
                let (encoding, collation) = (args.text("encoding"), args.text("collation"));
                if !encoding.is_empty() {
                    sql.push_str(" CHARACTER SET %(enc)s");
                }
                if !collation.is_empty() {
                    sql.push_str(" COLLATE %(collate)s");
                }
                let sql = format(&sql, &json!({"enc": encoding, "collate": collation})).map_err(Fail::new)?;
                client.query(&sql).map_err(|e| Fail::new(format!("error creating database: {e}")))?;
                commands.push(sql);
            }
            if state == "present" {
                out.insert("changed".into(), (!missing.is_empty()).into());
            }
        }
        _ => {}
    }
    if let Some(target) = target.filter(|_| by_file) {
        let server = client.version.clone();
        let maria = server.to_lowercase().contains("mariadb");
        // MariaDB puts 5.5.5- before its version for old clients.
        let number = version::numbers(server.trim_start_matches("5.5.5-"));
        let new_names = maria && number >= vec![10, 4, 6];
        let place = quote(&target.to_string_lossy());
        let line;
        let login;
        if state == "dump" {
            login = words(ctx, if new_names { "mariadb-dump" } else { "mysqldump" }, implicit)?;
            let mut all = login.words.clone();
            let source = if !maria && number >= vec![8, 2] { "source-data" } else { "master-data" };
            dump_words(ctx, &mut all, &databases, source);
            line = match packer(ctx, &target)? {
                Some(packer) => {
                    let fail = if args.bool("pipefail") { "set -o pipefail && " } else { "" };
                    format!("{fail}{} | {packer} > {place}", all.join(" "))
                }
                None => format!("{} > {place}", all.join(" ")),
            };
        } else {
            if !target.exists() {
                crate::fail!("target {} does not exist on the host", target.display());
            }
            login = words(ctx, if new_names { "mariadb" } else { "mysql" }, implicit)?;
            let mut words = login.words.clone();
            if args.bool("force") {
                words.push("-f".into());
            }
            if !all {
                words.push("--one-database".into());
                words.push(quote(&databases[0]));
            }
            line = match packer(ctx, &target)? {
                // Whatever use_shell says: a shell joins them.
                Some(packer) => format!("{packer} -dc {place} | {}", words.join(" ")),
                None => format!("{} < {place}", words.join(" ")),
            };
        }
        let shell = if args.bool("pipefail") { "bash" } else { "/bin/sh" };
        let mut command = ctx.cmd(shell).args(["-c", &line]);
        if let Some(dir) = args.path("chdir") {
            command = command.cwd(dir);
        }
        let ran = command.run()?;
        drop(login);
        if !ran.ok() {
            return Err(Fail::new(ran.stderr));
        }
        commands.push(line);
        out.insert("msg".into(), ran.stdout.into());
    }
    out.insert("executed_commands".into(), commands.into());
    Ok(out)
}

fn join(names: &[&String]) -> String {
    names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_words() {
        let args = json!({"name": "a", "login_password": "s\"x", "login_host": "h", "encoding": "utf8",
            "config_file": "/no/such", "single_transaction": true, "ignore_tables": ["a.t"], "master_data": 1,
            "dump_extra_args": "--where='1=1'"});
        let ctx = Ctx::test("mysql_db", args);
        let mut words = words(&ctx, "sh", false).unwrap();
        let file = words.file.clone().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "[client]\npassword=\"s\\\"x\"\n");
        assert!(words.words[1].starts_with("--defaults-extra-file=") && !words.words.concat().contains("s\"x"));
        assert_eq!(words.words[2..], ["--host=h --port=3306", "--default-character-set=utf8"]);
        let mut more = std::mem::take(&mut words.words).split_off(4);
        dump_words(&ctx, &mut more, &["a".into(), "b c".into()], "master-data");
        assert_eq!(
            more.join(" "),
            "--databases a 'b c' --single-transaction=true --quick --ignore-table=a.t --master-data=1 --where='1=1'"
        );
        drop(words);
        assert!(!file.exists());
        ctx.workdir.remove();
    }

    #[test]
    fn what_is_refused_before_a_connection() {
        for args in [
            json!({"name": "a", "state": "dump"}),
            json!({"name": "all"}),
            json!({"name": ["a", "b"], "state": "import", "target": "/t"}),
            json!({"name": "a", "login_port": 70000}),
        ] {
            assert!(run(&Ctx::test("mysql_db", args)).is_err());
        }
        assert_eq!(run(&Ctx::test("mysql_db", json!({"name": []}))).unwrap()["changed"], false);
    }
}
