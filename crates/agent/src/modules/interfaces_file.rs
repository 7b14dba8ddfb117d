//! `interfaces_file`: options of interfaces in /etc/network/interfaces, every other line left as it is. Source: community.general's
//! DOCUMENTATION and interfaces(5).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use serde_json::{Map, Value, json};

/// Options that may come several times: each is a command of its own.
const HOOKS: [&str; 4] = ["pre-up", "up", "down", "post-up"];

/// A line of the file; what it is a part of.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Comments, `auto`, `source`, mappings…
    Other,
    /// `iface NAME FAMILY METHOD`.
    Iface { name: String, family: Option<String>, method: Option<String> },
    /// An option of the interface whose stanza began at this line.
    Option { of: usize, name: String, value: String },
}

fn parse(text: &str) -> Result<Vec<Line>, Fail> {
    let mut lines: Vec<Line> = Vec::new();
    // `None`: nothing has begun; `Some(None)`: a stanza without options of ours.
    let mut within: Option<Option<usize>> = None;
    for raw in text.split_inclusive('\n') {
        let words: Vec<&str> = raw.split_whitespace().collect();
        let kind = match words.as_slice() {
            [] => Kind::Other,
            [first, ..] if first.starts_with('#') => Kind::Other,
            ["iface", rest @ ..] => {
                within = Some(Some(lines.len()));
                let word = |at: usize| rest.get(at).map(|w| (*w).to_owned());
                Kind::Iface { name: word(0).unwrap_or_default(), family: word(1), method: word(2) }
            }
            [first, ..]
                if matches!(
                    *first,
                    "mapping" | "source" | "source-dir" | "source-directory" | "auto" | "no-auto-down" | "no-scripts"
                ) || first.starts_with("allow-") =>
            {
                within = Some(None);
                Kind::Other
            }
            [first, ..] => match within {
                Some(Some(of)) => {
                    let value = raw.trim().strip_prefix(first).unwrap_or_default().trim().to_owned();
                    Kind::Option { of, name: (*first).to_owned(), value }
                }
                Some(None) => Kind::Other,
                None => crate::fail!("misplaced option {} in line {}", raw.trim_end(), lines.len() + 1),
            },
        };
        lines.push(Line { text: raw.to_owned(), kind });
    }
    Ok(lines)
}

/// What the result tells of the interfaces.
fn told(lines: &[Line]) -> Value {
    let mut out = Map::new();
    for line in lines {
        match &line.kind {
            Kind::Iface { name, family, method } => {
                let mut one: Map<String, Value> = HOOKS.iter().map(|hook| ((*hook).to_owned(), json!([]))).collect();
                one.insert("address_family".into(), json!(family));
                one.insert("method".into(), json!(method));
                out.insert(name.clone(), one.into());
            }
            Kind::Option { of, name, value } => {
                let Kind::Iface { name: iface, .. } = &lines[*of].kind else { continue };
                let Some(one) = out.get_mut(iface) else { continue };
                match one.get_mut(name).and_then(Value::as_array_mut) {
                    Some(commands) => commands.push(json!(value)),
                    None => one[name.as_str()] = json!(value),
                }
            }
            Kind::Other => {}
        }
    }
    out.into()
}

/// What is wanted of an option.
struct Wanted<'a> {
    iface: &'a str,
    family: Option<&'a str>,
    option: &'a str,
    value: Option<&'a str>,
    present: bool,
}

/// The file as wanted. Pure.
fn plan(text: &str, wanted: &Wanted<'_>) -> Result<String, Fail> {
    let mut lines = parse(text)?;
    let ours = |kind: &Kind| {
        matches!(kind, Kind::Iface { name, family, .. }
            if name == wanted.iface && (wanted.family.is_none() || family.as_deref() == wanted.family))
    };
    let stanzas: Vec<usize> = (0..lines.len()).filter(|at| ours(&lines[*at].kind)).collect();
    let Some(last_stanza) = stanzas.last().copied() else {
        crate::fail!("Error: interface {} not found", wanted.iface);
    };
    let options: Vec<usize> = (0..lines.len())
        .filter(|at| matches!(&lines[*at].kind, Kind::Option { of, .. } if stanzas.contains(of)))
        .collect();
    let named = |at: &usize| matches!(&lines[*at].kind, Kind::Option { name, .. } if name == wanted.option);
    let targets: Vec<usize> = options.iter().copied().filter(named).collect();
    let holds = |at: &usize, wanted: &str| matches!(&lines[*at].kind, Kind::Option { value, .. } if value == wanted);
    let hook = HOOKS.contains(&wanted.option);
    let value = wanted.value.unwrap_or_default();
    if !wanted.present {
        let gone: Vec<usize> =
            targets.into_iter().filter(|at| !hook || wanted.value.is_none() || holds(at, value)).collect();
        let kept = lines.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        return Ok(kept.map(|(_, line)| line.text.as_str()).collect());
    }
    match targets.last().copied() {
        // The method is no option, but it is changed like one.
        None if wanted.option == "method" => {
            for at in stanzas {
                let Kind::Iface { method: Some(method), .. } = &lines[at].kind else { continue };
                if let Some(end) = lines[at].text.rfind(method.as_str()) {
                    let length = method.len();
                    lines[at].text.replace_range(end..end + length, value);
                }
            }
        }
        // The last of several counts.
        Some(last) if !hook => {
            if let Kind::Option { name, value: old, .. } = lines[last].kind.clone()
                && old != value
            {
                let text = &mut lines[last].text;
                let from = text.find(&name).map_or(0, |at| at + name.len());
                match text[from..].find(&old).filter(|_| !old.is_empty()) {
                    Some(at) => text.replace_range(from + at..from + at + old.len(), value),
                    None => text.insert_str(from, &format!(" {value}")),
                }
            }
        }
        Some(_) if targets.iter().any(|at| holds(at, value)) => {}
        found => {
            let beside = found.or(options.last().copied()).unwrap_or(last_stanza);
            let text = &lines[beside].text;
            let mut indent: String = text.chars().take_while(|c| c.is_whitespace()).collect();
            if options.is_empty() {
                indent.push_str("    ");
            }
            if !text.ends_with('\n') {
                lines[beside].text.push('\n');
            }
            let line = format!("{indent}{} {value}\n", wanted.option);
            lines.insert(beside + 1, Line { text: line, kind: Kind::Other });
        }
    }
    Ok(lines.iter().map(|line| line.text.as_str()).collect())
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dest = args.req_path("dest")?;
    let Some(before) = files::read_text(&dest)? else {
        crate::fail!("{} does not exist", dest.display());
    };
    let (iface, option, value) = (args.text("iface"), args.str("option"), args.str("value"));
    let present = args.text("state") != "absent";
    let mut after = before.clone();
    if let Some(option) = &option {
        if present && value.is_none() {
            crate::fail!("Value must be set if option is defined and state is 'present'");
        }
        let family = args.str("address_family");
        let wanted = Wanted { iface: &iface, family: family.as_deref(), option, value: value.as_deref(), present };
        after = plan(&before, &wanted)?;
    }
    let mut changed = before != after;
    let mut out = crate::out! {"dest": dest.to_string_lossy(), "ifaces": told(&parse(&after)?)};
    if changed && !ctx.check {
        if args.bool("backup")
            && let Some(file) = files::backup(&dest)?
        {
            out.insert("backup_file".into(), file.into());
        }
        files::write(ctx, &dest, after.as_bytes(), args.bool("unsafe_writes"))?;
    }
    changed |= files::apply_attrs(ctx, args, &dest)?;
    out.insert("changed".into(), changed.into());
    if ctx.diff {
        let name = dest.to_string_lossy();
        out.insert("diff".into(), files::diff(&before, &after, &name, &name));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    const FILE: &str = "# the network\nauto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n  address 10.0.0.2\n  up ip route add a\n\niface eth0 inet6 auto\n";

    fn planned(iface: &str, family: Option<&str>, option: &str, value: Option<&str>, present: bool) -> String {
        plan(FILE, &Wanted { iface, family, option, value, present }).unwrap()
    }

    #[test]
    fn options_are_set_added_and_taken_out() {
        let v4 = Some("inet");
        for (family, option, value, present, from, to) in [
            (v4, "address", Some("10.0.0.3"), true, "address 10.0.0.2", "address 10.0.0.3"),
            (v4, "mtu", Some("1400"), true, "add a\n", "add a\n  mtu 1400\n"),
            (v4, "up", Some("ip route add b"), true, "add a\n", "add a\n  up ip route add b\n"),
            (v4, "up", Some("ip route add a"), true, "", ""),
            (v4, "address", None, false, "  address 10.0.0.2\n", ""),
            (v4, "up", Some("other"), false, "", ""),
            (v4, "method", Some("dhcp"), true, "inet static", "inet dhcp"),
            (Some("inet6"), "mtu", Some("1400"), true, "inet6 auto\n", "inet6 auto\n    mtu 1400\n"),
        ] {
            let want = if from.is_empty() { FILE.to_owned() } else { FILE.replacen(from, to, 1) };
            assert_eq!(planned("eth0", family, option, value, present), want, "{option} {value:?} {present}");
        }
        let nobody = Wanted { iface: "eth9", family: None, option: "mtu", value: Some("1"), present: true };
        assert_eq!(plan(FILE, &nobody).unwrap_err().msg, "Error: interface eth9 not found");
    }

    #[test]
    fn tells_of_the_interfaces_and_is_done_after_the_first_run() {
        let dir = Scratch::new();
        let file = dir.file("interfaces", FILE);
        let args = json!({"dest": file, "iface": "lo", "option": "mtu", "value": "1500"});
        let out = run(&Ctx::test("interfaces_file", args.clone())).unwrap();
        assert_eq!((&out["changed"], &out["ifaces"]["lo"]["mtu"]), (&json!(true), &json!("1500")));
        assert_eq!(out["ifaces"]["lo"]["method"], "loopback");
        assert_eq!(run(&Ctx::test("interfaces_file", args)).unwrap()["changed"], false);
        assert!(dir.read("interfaces").contains("iface lo inet loopback\n    mtu 1500\n"));
        assert!(parse("address 1\n").unwrap_err().msg.starts_with("misplaced option"));
    }
}
