//! Results as a block of YAML (`callback_result_format=yaml`).

use super::dump::float;
use imgbuild_jinja::Value;

/// The result on lines of its own, indented by four spaces; long outputs as blocks.
pub fn block(result: &Value) -> String {
    let mut out = String::from("\n");
    write(&mut out, result, 4, true);
    out.trim_end().to_owned()
}

fn write(out: &mut String, value: &Value, indent: usize, at_start: bool) {
    let pad = " ".repeat(indent);
    match value {
        Value::Map(map) if !map.is_empty() => {
            let both = |name: &str| value.get(name).is_some() && value.get(&format!("{name}_lines")).is_some();
            let mut entries: Vec<(String, &Value)> = map.iter().map(|(k, v)| (k.to_string(), v)).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 || at_start {
                    out.push_str(&pad);
                }
                out.push_str(&scalar(&key));
                out.push(':');
                if (key == "stdout_lines" && both("stdout")) || (key == "stderr_lines" && both("stderr")) {
                    out.push_str(" <omitted>\n");
                    continue;
                }
                match item {
                    Value::Map(m) if !m.is_empty() => {
                        out.push('\n');
                        write(out, item, indent + 4, true);
                    }
                    Value::List(l) if !l.is_empty() => {
                        out.push('\n');
                        write(out, item, indent, true);
                    }
                    other => {
                        out.push(' ');
                        write(out, other, indent, false);
                    }
                }
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || at_start {
                    out.push_str(&pad);
                }
                let container = match item {
                    Value::Map(map) => !map.is_empty(),
                    Value::List(list) => !list.is_empty(),
                    _ => false,
                };
                // Containers start on a step of their own, everything else right behind the dash.
                out.push_str(if container { "-   " } else { "- " });
                write(out, item, if container { indent + 4 } else { indent }, false);
            }
        }
        Value::Str(s) if s.text.contains('\n') => {
            let text = s.text.replace('\t', "    ");
            out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in text.lines() {
                let line = line.trim_end();
                if line.is_empty() {
                    out.push('\n');
                } else {
                    out.push_str(&format!("{pad}    {line}\n"));
                }
            }
        }
        other => {
            out.push_str(&plain(other));
            out.push('\n');
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null | Value::Omit => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::BigInt(i) => i.to_string(),
        Value::Float(f) => float(*f),
        Value::Str(s) | Value::Vault(s) => scalar(&s.text),
        Value::Moment(moment) => moment.to_string(),
        Value::Bytes(b) => scalar(&String::from_utf8_lossy(b)),
        Value::List(_) => "[]".into(),
        Value::Map(_) => "{}".into(),
    }
}

/// Text, quoted where YAML would read it as something else.
fn scalar(text: &str) -> String {
    let plain_text = matches!(crate::yaml::resolve_scalar(text), crate::yaml::Kind::Str { .. });
    let special = text.is_empty()
        || text.starts_with(|c: char| " !&*-?|>@`\"'%{}[],#:=".contains(c))
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' ']);
    if plain_text && !special { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}
