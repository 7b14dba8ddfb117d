//! `postgresql_db`: databases are made, changed, dropped, renamed, dumped and restored. Dumps are the client programs'; a
//! password goes to them in their environment.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, Login, name, quote};
use crate::sys::{postgres_login, shlex};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Options that can't be changed once a database is there, and their columns.
const FIXED: &[(&str, &str, &str)] = &[
    ("encoding", "encoding", "Changing database encoding is not supported. Current encoding: "),
    ("lc_collate", "lc_collate", "Changing LC_COLLATE is not supported. Current LC_COLLATE: "),
    ("lc_ctype", "lc_ctype", "Changing LC_CTYPE is not supported.Current LC_CTYPE: "),
    ("icu_locale", "icu_locale", "Changing ICU_LOCALE is not supported.Current ICU_LOCALE: "),
    ("locale_provider", "locale_provider", "Changing LOCALE_PROVIDER is not supported.Current LOCALE_PROVIDER: "),
];

fn exists(client: &mut Client, db: &str) -> Result<bool, Fail> {
    Ok(!client.query(&format!("SELECT 1 FROM pg_database WHERE datname = {}", quote(db)))?.rows.is_empty())
}

fn about(client: &mut Client, db: &str) -> Result<Map<String, Value>, Fail> {
    let major = client.version.first().copied().unwrap_or_default();
    let provider = "CASE datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END";
    let (icu, provider) = match major {
        17.. => ("datlocale", provider),
        15..=16 => ("daticulocale", provider),
        _ => ("NULL::text", "NULL::text"),
    };
    let sql = format!(
        "SELECT rolname AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate AS lc_collate, datctype AS lc_ctype, {icu} AS icu_locale, {provider} AS locale_provider, datconnlimit AS conn_limit, spcname AS tablespace FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba JOIN pg_tablespace ON pg_tablespace.oid = dattablespace WHERE datname = {}",
        quote(db)
    );
    Ok(client.query(&sql)?.objects().into_iter().next().unwrap_or_default())
}

/// Whether two names of an encoding mean the same: `utf-8`, `UTF8`.
fn same_encoding(a: &str, b: &str) -> bool {
    let plain = |t: &str| t.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    plain(a) == plain(b)
}

/// The statement that makes a database.
fn creation(ctx: &Ctx, db: &str, icu: bool) -> String {
    let args = &ctx.args;
    let given = |name: &str| args.str(name).filter(|v| !v.is_empty());
    let mut sql = format!("CREATE DATABASE {}", name(db));
    for (option, word) in [("owner", "OWNER"), ("template", "TEMPLATE")] {
        if let Some(value) = given(option) {
            sql.push_str(&format!(" {word} {}", name(&value)));
        }
    }
    for (option, word) in [("encoding", "ENCODING"), ("lc_collate", "LC_COLLATE"), ("lc_ctype", "LC_CTYPE")] {
        if let Some(value) = given(option) {
            sql.push_str(&format!(" {word} {}", quote(&value).trim_start()));
        }
    }
    for (option, word) in [("icu_locale", "ICU_LOCALE"), ("locale_provider", "LOCALE_PROVIDER")] {
        if let Some(value) = given(option).filter(|_| icu) {
            sql.push_str(&format!(" {word} {}", quote(&value).trim_start()));
        }
    }
    if let Some(value) = given("tablespace") {
        sql.push_str(&format!(" TABLESPACE {}", name(&value)));
    }
    if let Some(value) = given("conn_limit").and_then(|v| v.trim().parse::<i64>().ok()) {
        sql.push_str(&format!(" CONNECTION LIMIT {value}"));
    }
    sql
}

/// The command line of a dump or a restore, for a shell.
fn by_program(ctx: &Ctx, login: &Login, db: &str, target: &Path, dump: bool) -> Result<(String, String), Fail> {
    let args = &ctx.args;
    let ending = target.extension().unwrap_or_default().to_string_lossy().into_owned();
    let program = |name: &str| ctx.need(name).map(|p| p.to_string_lossy().into_owned());
    let place = shlex::quote(&target.to_string_lossy());
    let mut flags = format!(
        "{}{} --host={} --port={} --username={}",
        if dump { " " } else { " --dbname=" },
        shlex::quote(db),
        shlex::quote(&login.host),
        login.port,
        shlex::quote(&login.user)
    );
    let role = args.str("session_role").filter(|r| !r.is_empty());
    let role = role.map(|r| format!(" --role={}", shlex::quote(&r))).unwrap_or_default();
    let extra = |name: &str| args.str(name).filter(|v| !v.is_empty()).map(|v| format!(" {v}")).unwrap_or_default();
    if dump {
        let format = match ending.as_str() {
            "tar" => " --format=t",
            "pgc" => " --format=c",
            "dir" => " --format=d",
            _ => "",
        };
        let line =
            format!("{}{flags}{format}{role}{}{}", program("pg_dump")?, extra("dump_extra_args"), extra("target_opts"));
        let packer = match ending.as_str() {
            "gz" => Some(program("pigz").or_else(|_| program("gzip"))?),
            "bz2" => Some(program("bzip2")?),
            "xz" => Some(program("xz")?),
            _ => None,
        };
        return Ok(match packer {
            // The status of pg_dump counts, and no shell but bash tells it of a pipe's first program.
            Some(packer) => {
                let fifo = shlex::quote(&ctx.temp()?.to_string_lossy());
                let shown = format!("{line} | {packer} > {place}");
                let line = format!(
                    "mkfifo {fifo} && {{ {packer} < {fifo} > {place} & {line} > {fifo}; r=$?; wait; rm -f {fifo}; exit $r; }}"
                );
                (line, shown)
            }
            None if ending == "dir" => {
                let line = format!("{line} -f {place}");
                (line.clone(), line)
            }
            None => {
                let line = format!("{line} > {place}");
                (line.clone(), line)
            }
        });
    }
    let (tool, format) = match ending.as_str() {
        "tar" => ("pg_restore", " --format=Tar"),
        "pgc" => ("pg_restore", " --format=Custom"),
        "dir" => ("pg_restore", " --format=Directory"),
        _ => ("psql", ""),
    };
    if tool == "pg_restore" {
        flags.push_str(&role);
    }
    let line = format!("{}{flags}{format}{}", program(tool)?, extra("target_opts"));
    let line = match ending.as_str() {
        "sql" => format!("{line} --file={place}"),
        "pgc" | "dir" => format!("{line} {place}"),
        "gz" => format!("{} {place} | {line}", program("zcat")?),
        "bz2" => format!("{} {place} | {line}", program("bzcat")?),
        "xz" => format!("{} {place} | {line}", program("xzcat")?),
        _ => format!("{line} < {place}"),
    };
    Ok((line.clone(), line))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (db, state) = (args.req("db")?, args.text("state"));
    let target = args.str("target").filter(|t| !t.is_empty());
    let maintenance = args.text("maintenance_db");
    if state == "rename" {
        match &target {
            None => crate::fail!("The \"target\" option must be defined when the \"rename\" option is used."),
            Some(target) if *target == db => {
                crate::fail!("The \"name/db\" option and the \"target\" option cannot be the same.")
            }
            Some(_) if maintenance == db => {
                crate::fail!("The \"maintenance_db\" option and the \"name/db\" option cannot be the same.")
            }
            Some(_) => {}
        }
    }
    postgres_login::check_input(
        ctx,
        &["owner", "conn_limit", "encoding", "db", "template", "tablespace", "session_role", "comment"],
    )?;
    let login = postgres_login::login(ctx, &maintenance)?;
    let mut out = crate::out! {"changed": false, "db": db, "executed_commands": []};
    if matches!(state.as_str(), "dump" | "restore") {
        if ctx.check {
            return Ok(out);
        }
        let target =
            target.map_or_else(|| std::env::current_dir().unwrap_or_default().join(format!("{db}.sql")), PathBuf::from);
        let (line, shown) = by_program(ctx, &login, &db, &target, state == "dump")?;
        let mut command = ctx.cmd("/bin/sh").args(["-c", &line]);
        if !login.password.is_empty() {
            command = command.env("PGPASSWORD", &login.password);
        }
        let ran = command.run()?;
        if !ran.ok() {
            return Err(Fail::new(ran.stderr.clone()).with("stdout", ran.stdout).with("rc", ran.rc).with("cmd", shown));
        }
        return Ok(crate::out! {
            "changed": true, "msg": ran.stdout, "stderr": ran.stderr, "rc": ran.rc, "cmd": shown, "executed_commands": [shown],
        });
    }
    let mut client = postgres_login::connect(ctx, &login)?;
    let there = exists(&mut client, &db)?;
    let mut commands: Vec<String> = Vec::new();
    match state.as_str() {
        "absent" if there => {
            let new = client.version >= vec![13];
            if args.bool("force") && !new {
                let of = quote(&db);
                let sql = format!(
                    "UPDATE pg_database SET datallowconn = false WHERE datname = {of}; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {of} AND pid <> pg_backend_pid()"
                );
                if !ctx.check {
                    client.query(&sql)?;
                }
            }
            let force = if args.bool("force") && new { " WITH (FORCE)" } else { "" };
            commands.push(format!("DROP DATABASE {}{force}", name(&db)));
        }
        "rename" => {
            let target = target.unwrap_or_default();
            match (there, exists(&mut client, &target)?) {
                (true, true) => crate::fail!("Both the source and the target databases exist."),
                (false, false) => crate::fail!("The source and the target databases do not exist."),
                (false, true) => {}
                (true, false) => {
                    commands.push(format!("ALTER DATABASE {} RENAME TO {}", name(&db), name(&target)));
                }
            }
        }
        "present" => {
            if there {
                let now = about(&mut client, &db)?;
                let at = |column: &str| now.get(column).map(crate::args::text).unwrap_or_default();
                for (option, column, msg) in FIXED {
                    let Some(wanted) = args.str(option).filter(|v| !v.is_empty()) else { continue };
                    let same =
                        if *option == "encoding" { same_encoding(&wanted, &at(column)) } else { wanted == at(column) };
                    if !same && !ctx.check {
                        crate::fail!("{msg}{}", at(column));
                    } else if !same {
                        out.insert("changed".into(), true.into());
                    }
                }
                let who = name(&db);
                for (option, sql) in [
                    ("owner", format!("ALTER DATABASE {who} OWNER TO")),
                    ("conn_limit", format!("ALTER DATABASE {who} CONNECTION LIMIT")),
                    ("tablespace", format!("ALTER DATABASE {who} SET TABLESPACE")),
                ] {
                    if let Some(wanted) = args.str(option).filter(|v| !v.is_empty() && *v != at(option)) {
                        let wanted = if option == "conn_limit" { wanted } else { name(&wanted) };
                        commands.push(format!("{sql} {wanted}"));
                    }
                }
            } else {
                commands.push(creation(ctx, &db, client.version >= vec![15]));
            }
        }
        _ => {}
    }
    for sql in commands.iter().filter(|_| !ctx.check) {
        client.query(sql).map_err(|why| Fail::new(format!("Database query failed: {why}")))?;
    }
    if let Some(text) = args.str("comment").filter(|_| state == "present") {
        let now =
            if there || !ctx.check { postgres_login::comment(&mut client, "database", &db)? } else { String::new() };
        if now != text {
            let check = ctx.check;
            commands.push(postgres_login::set_comment(&mut client, "database", &db, &text, check)?);
        }
    }
    if !commands.is_empty() {
        out.insert("changed".into(), true.into());
    }
    if !ctx.check {
        out.insert("executed_commands".into(), json!(commands));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_lines() {
        let args = json!({"db": "a", "owner": "o", "encoding": "UTF-8", "lc_collate": "C", "template": "template0",
            "conn_limit": "5", "icu_locale": "x"});
        assert_eq!(
            creation(&Ctx::test("postgresql_db", args), "a", false),
            "CREATE DATABASE \"a\" OWNER \"o\" TEMPLATE \"template0\" ENCODING 'UTF-8' LC_COLLATE 'C' CONNECTION LIMIT 5"
        );
        assert!(same_encoding("UTF-8", "utf8") && !same_encoding("LATIN1", "UTF8"));
        assert!(run(&Ctx::test("postgresql_db", json!({"db": "a", "state": "rename"}))).is_err());
        let ctx = Ctx::test("postgresql_db", json!({"db": "a", "target_opts": "-n x"}));
        let login = Login { host: "/run".into(), port: 1, user: "u".into(), ..Login::default() };
        if ctx.which("pg_dump").is_none() {
            crate::sys::files::skipped("pg_dump is not installed");
            return;
        }
        let (line, _) = by_program(&ctx, &login, "a b", Path::new("/t.tar"), true).unwrap();
        assert!(line.ends_with("pg_dump 'a b' --host=/run --port=1 --username=u --format=t -n x > /t.tar"), "{line}");
    }
}
