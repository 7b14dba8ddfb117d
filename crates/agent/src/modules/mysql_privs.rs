//! Privileges of MySQL's accounts as text: what a task writes, what the server shows, and the difference.

use crate::outcome::Fail;
use crate::sys::pyregex::{Flags, PyRegex};
use std::collections::BTreeMap;

/// Privileges by object (`` `db`.* ``, `*.*`).
pub type Privileges = BTreeMap<String, Vec<String>>;

/// Splits at commas that stand in no parentheses.
fn outside(text: &str) -> Vec<String> {
    let (mut out, mut depth) = (vec![String::new()], 0usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out.iter().map(|p| p.trim().to_string()).collect()
}

/// Columns in order, without quotes: the server has them in an order of its own.
fn sorted(privilege: &str) -> String {
    let Some((word, columns)) = privilege.split_once('(') else { return privilege.to_string() };
    let mut columns: Vec<&str> =
        columns.trim_end().trim_end_matches(')').split(',').map(|c| c.trim().trim_matches('`')).collect();
    columns.sort_unstable();
    format!("{word}({})", columns.join(", "))
}

/// `db.*:SELECT,INSERT/other.t:ALL` as a task writes it. `usage`: an account always has USAGE on everything.
pub fn unpack(text: &str, quote: char, case_sensitive: bool, usage: bool) -> Result<Privileges, Fail> {
    let mut out = Privileges::new();
    for item in text.trim().split('/') {
        let Some((object, privileges)) = item.trim().rsplit_once(':') else {
            return Err(Fail::new(format!("the privilege {item:?} has no colon: db.table:PRIVILEGE is meant")));
        };
        let (first, second) = match object.rsplit_once('.') {
            Some((db, table)) => (db, Some(table)),
            None => (object, None),
        };
        let (kind, first) = match first.split_once(' ') {
            Some((kind @ ("FUNCTION" | "PROCEDURE"), rest)) => (format!("{kind} "), rest),
            _ => (String::new(), first),
        };
        let side = |text: &str| match text.trim_matches('`') {
            "*" => text.to_string(),
            plain => format!("{quote}{plain}{quote}"),
        };
        let object = match second {
            Some(second) => format!("{kind}{}.{}", side(first), side(second)),
            None => format!("{kind}{}", side(first)),
        };
        let keep = case_sensitive && privileges.contains('(');
        let privileges = if keep { privileges.to_string() } else { privileges.to_uppercase() };
        out.insert(object, outside(&privileges).iter().map(|p| sorted(p)).collect());
    }
    if usage && !out.contains_key("*.*") {
        out.insert("*.*".into(), vec!["USAGE".into()]);
    }
    Ok(out)
}

/// What `SHOW GRANTS` lists. Grants of roles are another module's.
pub fn shown<'a>(grants: impl Iterator<Item = &'a str>) -> Result<Privileges, Fail> {
    let pattern = r#"^GRANT (.+) ON (.+) TO (['`"]).*\3@(['`"]).*\4( IDENTIFIED BY PASSWORD (['`"]).+\6)? ?(.*)"#;
    let grant = PyRegex::new(pattern, Flags::default()).map_err(Fail::new)?;
    let mut out = Privileges::new();
    for line in grants {
        let Some(found) = grant.captures(line) else {
            if line.starts_with("SET DEFAULT ROLE") || line.starts_with("GRANT ") && !line.contains(" ON ") {
                continue;
            }
            return Err(Fail::new(format!("unable to parse the MySQL grant string: {line}")));
        };
        let part = |n: usize| found.get(n).map(|m| m.as_str()).unwrap_or_default();
        let all = |p: String| if p == "ALL PRIVILEGES" { "ALL".to_string() } else { p };
        let mut privileges: Vec<String> = outside(part(1)).iter().map(|p| all(sorted(p))).collect();
        if part(7).contains("WITH GRANT OPTION") {
            privileges.push("GRANT".into());
        }
        out.entry(part(2).to_string()).or_default().extend(privileges);
    }
    Ok(out)
}

/// What is to be granted and revoked on one object.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// To be granted.
    pub grant: Vec<String>,
    /// To be revoked.
    pub revoke: Vec<String>,
}

/// How wanted privileges relate to those that are there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Exactly these.
    Replace,
    /// These too.
    Append,
    /// Not these.
    Subtract,
}

/// The difference on an object that both sides name.
pub fn difference(have: &[String], want: &[String], mode: Mode) -> Difference {
    let less = |a: &[String], b: &[String]| -> Vec<String> { a.iter().filter(|p| !b.contains(p)).cloned().collect() };
    let mut out = match mode {
        Mode::Append => Difference { grant: less(want, have), revoke: Vec::new() },
        Mode::Subtract => {
            Difference { grant: Vec::new(), revoke: want.iter().filter(|p| have.contains(p)).cloned().collect() }
        }
        Mode::Replace => {
            let mut out = Difference { grant: less(want, have), revoke: less(have, want) };
            if out.grant.iter().any(|p| p == "ALL" || p == "ALL PRIVILEGES") {
                out.revoke.retain(|p| p == "GRANT" || p == "PROXY");
            }
            out
        }
    };
    if out.grant == ["GRANT"] {
        // WITH GRANT OPTION can't stand alone; USAGE grants nothing.
        out.grant.push("USAGE".into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|i| i.to_string()).collect()
    }

    #[test]
    fn what_tasks_write() {
        for (text, want) in [
            ("db.*:ALL", vec![("*.*", vec!["USAGE"]), ("`db`.*", vec!["ALL"])]),
            ("*.*:select,Insert/a_b.t:UPDATE", vec![("*.*", vec!["SELECT", "INSERT"]), ("`a_b`.`t`", vec!["UPDATE"])]),
            (
                "`d`.t:SELECT(b, a),INSERT/FUNCTION d.f:EXECUTE/*.*:USAGE",
                vec![
                    ("*.*", vec!["USAGE"]),
                    ("FUNCTION `d`.`f`", vec!["EXECUTE"]),
                    ("`d`.`t`", vec!["SELECT(A, B)", "INSERT"]),
                ],
            ),
        ] {
            let want: Privileges = want.into_iter().map(|(o, p)| (o.to_string(), list(&p))).collect();
            assert_eq!(unpack(text, '`', false, true).unwrap(), want, "{text}");
        }
        assert!(unpack("db.*", '`', false, true).is_err());
    }

    #[test]
    fn what_servers_show() {
        let lines = [
            "GRANT USAGE ON *.* TO `u`@`localhost` IDENTIFIED BY PASSWORD '*ABC'",
            "GRANT ALL PRIVILEGES ON `db`.* TO 'u'@'localhost' WITH GRANT OPTION",
            "GRANT SELECT (`b`, `a`), INSERT ON `db`.`t` TO `u`@`localhost`",
            "GRANT `admin`@`%` TO `u`@`localhost`",
        ];
        let all = shown(lines.into_iter()).unwrap();
        assert_eq!(all["*.*"], ["USAGE"]);
        assert_eq!(all["`db`.*"], ["ALL", "GRANT"]);
        assert_eq!(all["`db`.`t`"], ["SELECT (a, b)", "INSERT"]);
        assert!(shown(["GRANT x ON y"].into_iter()).is_err());
    }

    #[test]
    fn differences() {
        let d = |have: &[&str], want: &[&str], mode| difference(&list(have), &list(want), mode);
        assert_eq!(d(&["SELECT"], &["INSERT"], Mode::Append), Difference { grant: list(&["INSERT"]), revoke: vec![] });
        assert_eq!(
            d(&["SELECT", "GRANT"], &["INSERT"], Mode::Replace),
            Difference { grant: list(&["INSERT"]), revoke: list(&["SELECT", "GRANT"]) }
        );
        assert_eq!(d(&["SELECT"], &["ALL"], Mode::Replace), Difference { grant: list(&["ALL"]), revoke: vec![] });
        assert_eq!(d(&["A", "B"], &["B"], Mode::Subtract), Difference { grant: vec![], revoke: list(&["B"]) });
        assert_eq!(d(&["A"], &["A", "GRANT"], Mode::Replace).grant, ["GRANT", "USAGE"]);
    }
}
