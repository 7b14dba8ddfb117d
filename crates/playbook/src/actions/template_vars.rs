//! The variables that `template` adds: `ansible_managed`, `template_path` and the others.

use imgbuild_jinja::{Map, Moment, Value};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Those of the template at `path`, which the task calls `written`. `managed`: the setting `ansible_managed`, where no variable of this name stands above it.
pub fn of(written: &str, path: &Path, dest: &str, managed: Option<&str>) -> Result<Map, String> {
    let meta = fs_err::metadata(path).ok();
    let mut vars = Map::new();
    let full = path.display().to_string();
    vars.insert("template_path".into(), Value::str(written));
    vars.insert("template_fullpath".into(), Value::str(full.as_str()));
    vars.insert("template_destpath".into(), Value::str(dest));
    vars.insert("template_host".into(), Value::str(hostname()));
    vars.insert("template_uid".into(), Value::str(meta.as_ref().map(|m| user_name(m.uid())).unwrap_or_default()));
    let changed = meta
        .as_ref()
        .and_then(|m| jiff::Timestamp::new(m.mtime(), i32::try_from(m.mtime_nsec()).unwrap_or(0)).ok())
        .unwrap_or_default();
    let local = changed.to_zoned(jiff::tz::TimeZone::system());
    vars.insert("template_mtime".into(), moment(&local));
    vars.insert("template_run_date".into(), moment(&jiff::Zoned::now()));
    if let Some(managed) = managed {
        let text = imgbuild_jinja::strftime(&placeholders(managed)?, changed.as_second(), local.offset().seconds());
        vars.insert("ansible_managed".into(), Value::template(text, None));
    }
    Ok(vars)
}

/// Python's naive `datetime` of a local time.
fn moment(at: &jiff::Zoned) -> Value {
    Value::Moment(Moment::Time { at: at.datetime(), offset: None })
}

/// Python's `str.format` with what Ansible gives it: `{file}`, `{host}` and `{uid}` become templates, so that nothing in a file's
/// name is ever read as one.
fn placeholders(setting: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = setting;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let refused = |why: &str| format!("the setting ansible_managed ({setting:?}) {why}");
        if let Some(after) = ["{{", "}}"].iter().find_map(|pair| rest.strip_prefix(pair)) {
            out.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) else {
            return Err(refused("has a single brace: write it twice where it is meant as it is"));
        };
        out.push_str(match name {
            "host" => "{{ template_host }}",
            "uid" => "{{ template_uid }}",
            "file" => "{{ template_path }}",
            other => {
                return Err(refused(&format!("names {{{other}}}: there are {{file}}, {{host}} and {{uid}}")));
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn hostname() -> String {
    fs_err::read_to_string("/proc/sys/kernel/hostname").map(|s| s.trim().to_owned()).unwrap_or_default()
}

fn user_name(uid: u32) -> String {
    let passwd = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_has_placeholders() {
        assert_eq!(placeholders("{file} by {uid}").unwrap(), "{{ template_path }} by {{ template_uid }}");
        assert_eq!(placeholders("{{{{ 1 }}}}{host}").unwrap(), "{{ 1 }}{{ template_host }}");
        assert!(placeholders("{nobody}").unwrap_err().contains("{file}, {host} and {uid}"));
        assert!(placeholders("a } b").is_err());
    }

    #[test]
    fn a_name_is_no_template_and_no_date() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("%n{{ 1 }}.j2");
        std::fs::write(&file, "").unwrap();
        let vars = of("x.j2", &file, "/dest", Some("{file} %Y%%")).unwrap();
        let text = vars[&imgbuild_jinja::Key::from("ansible_managed")].as_str().unwrap().to_owned();
        let year = jiff::Zoned::now().strftime("%Y").to_string();
        assert_eq!(text, format!("{{{{ template_path }}}} {year}%"));
    }
}
