//! `postgresql_set`: a setting of the server, by `ALTER SYSTEM`. Source: community.postgresql's DOCUMENTATION and PostgreSQL's
//! views pg_settings and pg_file_settings.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, quote};
use crate::sys::postgres_login;
use serde_json::{Value, json};

/// Settings whose value is a list of names, each in quotes of its own; the last since 14.
const LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// A setting as it is.
#[derive(Debug, Clone)]
struct Setting {
    /// As SHOW has it.
    pretty: String,
    /// In its unit, or in bytes.
    raw: Value,
    unit: Value,
    /// What the server would start with.
    boot: Value,
    context: String,
}

fn without_quotes(list: &str) -> String {
    list.split(',').map(|item| item.trim_matches(['"', ' '])).collect::<Vec<_>>().join(", ")
}

fn is_list(client: &Client, name: &str) -> bool {
    LISTS.contains(&name) && (name != "unix_socket_directories" || client.version.as_slice() >= [14].as_slice())
}

fn setting(client: &mut Client, name: &str) -> Result<Setting, Fail> {
    let sql = format!(
        "SELECT setting, unit, context, boot_val, pg_catalog.current_setting(name) AS pretty FROM pg_catalog.pg_settings \
         WHERE name = {}",
        quote(name)
    );
    let answer = client.query(&sql).map_err(|why| Fail::new(format!("Unable to get {name} value due to : {why}")))?;
    if answer.rows.is_empty() {
        crate::fail!("No such parameter: {name}. Please check its spelling or presence in your PostgreSQL version");
    }
    let of = |column: &str| answer.at(0, column).cloned().unwrap_or_default();
    let list = is_list(client, name);
    let plain = |value: Value| match value {
        Value::String(text) if list => Value::from(without_quotes(&text)),
        other => other,
    };
    let factor = match of("unit").as_str() {
        Some("kB") => Some(1024),
        Some("MB") => Some(1024 * 1024),
        _ => None,
    };
    let bytes = |value: Value| {
        let number = value.as_str().and_then(|t| t.parse::<i64>().ok()).filter(|n| *n > 0);
        factor.zip(number).map_or(value, |(factor, n)| json!(n * factor))
    };
    Ok(Setting {
        pretty: crate::args::text(&plain(of("pretty"))),
        raw: plain(bytes(of("setting"))),
        unit: if factor.is_some() { json!("b") } else { of("unit") },
        boot: bytes(of("boot_val")),
        context: crate::args::text(&of("context")),
    })
}

/// `64MB` as bytes, other text as it is.
fn size(text: &str) -> String {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1u128 << 40,
        _ => return text.to_string(),
    };
    text[..digits].parse::<u128>().map_or_else(|_| text.to_string(), |n| (n * factor).to_string())
}

/// `1mb` as PostgreSQL knows it.
fn upper_unit(value: String) -> String {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let unit = matches!(&value[digits..], "b" | "mb" | "gb" | "tb");
    if digits > 0 && unit { value.to_uppercase() } else { value }
}

/// What `ALTER SYSTEM` has written of the setting already. `None`: the role may not see it; `Some(None)`: nothing.
fn written(client: &mut Client, name: &str) -> Option<Option<String>> {
    let sql = format!(
        "SELECT setting FROM pg_catalog.pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' AND name = {}",
        quote(name)
    );
    let answer = client.query(&sql).ok()?;
    Some(answer.at(0, "setting").map(crate::args::text))
}

fn loaded(client: &mut Client) -> Option<Value> {
    client.query("SELECT pg_catalog.pg_conf_load_time() AS t").ok()?.at(0, "t").cloned()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    postgres_login::check_input(ctx, &["name", "value", "session_role"])?;
    let reset = args.bool("reset");
    let value = args.str("value").map(upper_unit).map(|v| match v.as_str() {
        "True" => "on".into(),
        "False" => "off".into(),
        _ => v,
    });
    if name == "shared_preload_libraries" && value.as_deref() == Some("") {
        crate::fail!(
            "an empty shared_preload_libraries keeps PostgreSQL from starting: use value: default or reset: true"
        );
    }
    match (&value, reset) {
        (Some(_), true) => crate::fail!("{name}: value and reset params are mutually exclusive"),
        (None, false) => crate::fail!("{name}: at least one of value or reset param must be specified"),
        _ => {}
    }
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    if client.version.as_slice() < [9, 4].as_slice() {
        crate::fail!("PostgreSQL is {:?} version but 9.4 or later is required", client.version);
    }
    let now = setting(&mut client, &name)?;
    if now.context == "internal" {
        crate::fail!("{name}: cannot be changed (internal context)");
    }
    let restart = now.context == "postmaster";
    let written = written(&mut client, &name);
    let back = reset || value.as_deref() == Some("default");
    let list = is_list(&client, &name);
    let same = |text: &str| if list { without_quotes(text) } else { size(text) };
    let needed = match &value {
        Some(value) if !back => {
            let wanted = same(value);
            // A server that waits for its restart shows the old value, and has the new one in its file.
            wanted != same(&now.pretty) && !matches!(&written, Some(Some(text)) if restart && same(text) == wanted)
        }
        _ => !matches!(&written, Some(None)) && (written.is_some() || now.raw != now.boot),
    };
    let query = match &value {
        Some(_) if value.as_deref() == Some("default") => format!("ALTER SYSTEM SET {name} = DEFAULT"),
        None => format!("ALTER SYSTEM RESET {name}"),
        Some(value) => {
            // Commands and prefixes have commas of their own.
            let old_sockets = name == "unix_socket_directories" && !list;
            let one = !value.contains(',') || name.ends_with("_command") || name.ends_with("_prefix") || old_sockets;
            let items = if one { vec![value.as_str()] } else { value.split(',').map(str::trim).collect() };
            let items: Vec<String> = items.into_iter().map(quote).collect();
            format!("ALTER SYSTEM SET {name} = {}", items.join(","))
        }
    };
    let mut changed = needed;
    let mut after = now.clone();
    let mut queries = Vec::new();
    if needed && ctx.check {
        after.pretty = value.clone().filter(|_| !back).unwrap_or_else(|| crate::args::text(&now.boot));
    } else if needed {
        let verb = if back { "set default value for" } else { "set" };
        client.query(&query).map_err(|why| Fail::new(format!("Unable to {verb} {name} value due to : {why}")))?;
        queries.push(query);
        if restart {
            after.pretty = value.clone().filter(|_| !back).unwrap_or(after.pretty);
        } else {
            let before = loaded(&mut client);
            client.query("SELECT pg_catalog.pg_reload_conf()")?;
            // The server reads its files when it comes to it; a new session tells whether it has.
            for _ in 0..40 {
                client = postgres_login::connect(ctx, &login)?;
                if loaded(&mut client) != before || !ctx.sleep(0.05) {
                    break;
                }
            }
            after = setting(&mut client, &name)?;
            changed = after.raw != now.raw;
        }
    }
    if restart && changed {
        ctx.warn(format!("Restart of PostgreSQL is required for setting {name}"));
    }
    Ok(crate::out! {
        "changed": changed, "name": name, "restart_required": restart, "context": now.context,
        "prev_val_pretty": now.pretty, "value_pretty": after.pretty, "value": {"value": after.raw, "unit": after.unit},
        "queries": json!(queries),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;

    #[test]
    fn sizes() {
        for (text, want) in
            [("64MB", "67108864"), ("1kB", "1024"), ("5", "5"), ("on", "on"), ("3min", "3min"), ("", "")]
        {
            assert_eq!(size(text), want, "{text}");
        }
        let upper = |text: &str| upper_unit(text.into());
        assert_eq!(
            (upper("1mb"), upper("7b"), upper("ab"), upper("5min")),
            ("1MB".into(), "7B".into(), "ab".into(), "5min".into())
        );
        assert_eq!(without_quotes("\"a\", b"), "a, b");
    }

    #[test]
    fn settings_are_set_once() {
        let why = |args: Value| run(&Ctx::test("postgresql_set", args)).unwrap_err().msg;
        assert!(why(json!({"name": "x"})).contains("at least one of"));
        assert!(why(json!({"name": "x", "value": "1", "reset": true})).contains("mutually exclusive"));
        assert!(why(json!({"name": "shared_preload_libraries", "value": ""})).contains("empty"));
        let Some(server) = Server::start() else { return };
        let call = |args: Value, check| run(&server.ctx("postgresql_set", args, check));
        for (name, value, shown) in [
            ("work_mem", "8mb", "8MB"),
            ("log_connections", "True", "on"),
            ("log_line_prefix", "%m, it's %p ", "%m, it's %p "),
            ("search_path", "a, b", "a, b"),
            ("log_min_duration_statement", "200", "200ms"),
        ] {
            let args = json!({"name": name, "value": value});
            let checked = call(args.clone(), true).unwrap();
            assert!(checked["changed"] == true && checked["queries"] == json!([]), "{name}: {checked:?}");
            let first = call(args.clone(), false).unwrap();
            assert!(first["changed"] == true && first["value_pretty"] == shown, "{name}: {first:?}");
            assert_eq!(call(args, false).unwrap()["changed"], false, "{name}: again");
            let reset = json!({"name": name, "reset": true});
            assert_eq!(call(reset.clone(), true).unwrap()["changed"], true, "{name}: reset, check mode");
            let back = call(reset.clone(), false).unwrap();
            assert!(back["changed"] == true && back["value_pretty"] == first["prev_val_pretty"], "{name}: {back:?}");
            assert_eq!(call(reset, false).unwrap()["changed"], false, "{name}: reset again");
        }
        // What waits for a restart is written once.
        let buffers = json!({"name": "shared_buffers", "value": "64MB"});
        let first = call(buffers.clone(), false).unwrap();
        assert!(first["changed"] == true && first["restart_required"] == true, "{first:?}");
        assert_eq!(call(buffers, false).unwrap()["changed"], false);
        let back = json!({"name": "shared_buffers", "value": "default"});
        assert_eq!(call(back.clone(), false).unwrap()["changed"], true);
        assert_eq!(call(back, false).unwrap()["changed"], false);
        assert!(call(json!({"name": "block_size", "value": "1"}), false).unwrap_err().msg.contains("internal"));
        assert!(call(json!({"name": "nonesuch", "value": "1"}), false).unwrap_err().msg.contains("No such parameter"));
        let bad = call(json!({"name": "work_mem", "value": "lots"}), false).unwrap_err().msg;
        assert!(bad.starts_with("Unable to set work_mem value due to : "), "{bad}");
    }
}
