//! The functions that Packer adds to text/template.

use super::builtin::{Arg, Call};
use super::context::{Context, Data};
use super::{Datum, clock};

/// How the text ends that a promised data field gives in the first pass.
pub(crate) const NOT_YET: &str = "Build variables not usable until build is running";

/// A promised field (`{{.ID}}`) as the first pass shows it, as in Packer a text that is of no use.
pub(super) fn promised(name: &str) -> Datum {
    Datum::String(format!("Build_{name}. {NOT_YET}"))
}

/// Packer's functions and the parameters that they take.
const SIGNATURES: [(&str, &[Arg]); 20] = [
    ("aws_secretsmanager", &[Arg::Texts]),
    ("aws_secretsmanager_raw", &[Arg::Text]),
    ("build", &[Arg::Text]),
    ("build_name", &[]),
    ("build_type", &[]),
    ("consul_key", &[Arg::Text]),
    ("env", &[Arg::Text]),
    ("isotime", &[Arg::Texts]),
    ("lower", &[Arg::Text]),
    ("packer_version", &[]),
    ("pwd", &[]),
    ("replace", &[Arg::Text, Arg::Text, Arg::Int, Arg::Text]),
    ("replace_all", &[Arg::Text, Arg::Text, Arg::Text]),
    ("sed", &[Arg::Text, Arg::Text]),
    ("split", &[Arg::Text, Arg::Text, Arg::Int]),
    ("strftime", &[Arg::Text]),
    ("template_dir", &[]),
    ("timestamp", &[]),
    ("upper", &[Arg::Text]),
    ("user", &[Arg::Text]),
];

/// The parameters of a function, if this context has it.
pub(super) fn signature(name: &str, context: &Context) -> Option<&'static [Arg]> {
    match name {
        "uuid" => Some(&[]),
        "vault" => Some(&[Arg::Text, Arg::Text]),
        // The old name is gone from Packer; templates that have it are still about.
        "clean_resource_name" | "clean_ami_name" => context.amazon.then_some(&[Arg::Text]),
        _ => SIGNATURES.iter().find(|(n, _)| *n == name).map(|(_, args)| *args),
    }
}

/// All names that this context knows, for "did you mean".
pub(super) fn names(context: &Context) -> impl Iterator<Item = &'static str> {
    let special = ["uuid", "vault"].into_iter().chain(context.amazon.then_some("clean_resource_name"));
    SIGNATURES.iter().map(|(name, _)| *name).chain(special)
}

/// Calls a function; the error is one sentence.
pub(super) fn call(name: &str, call: &Call<'_>, context: &Context) -> Result<Datum, String> {
    let text = |i| call.text(i);
    let not_here = |what: &str| if context.in_variables { Ok(()) } else { Err(what.to_owned()) };
    let lookup = || {
        let missing = || format!("{name} can't be used: no connection to its service is configured");
        context.ambient.lookup.as_deref().ok_or_else(missing)
    };
    let available = |value: Option<&str>| value.map(str::to_owned).ok_or_else(|| format!("{name} not available"));
    let secrets_section = "AWS Secrets Manager is only allowed in the variables section";
    let path = |p: &std::path::Path| p.to_string_lossy().into_owned();
    Ok(Datum::String(match name {
        "user" => match context.user.get(text(0)) {
            Some(value) => value.clone(),
            None if context.no_user => {
                let name = text(0);
                return Err(format!("user variables are of JSON templates; in HCL2 write ${{var.{name}}}"));
            }
            None if context.in_variables => return Err(format!("{NOT_SET} {}", text(0))),
            None => String::new(),
        },
        "env" => {
            not_here("env vars are not allowed here")?;
            context.ambient.env.get(text(0)).cloned().unwrap_or_default()
        }
        "consul_key" => {
            not_here("consul_key is not allowed here")?;
            lookup()?.consul_key(text(0))?
        }
        "vault" => {
            not_here("Vault vars are only allowed in the variables section")?;
            lookup()?.vault(text(0), text(1))?
        }
        "aws_secretsmanager" => {
            not_here(secrets_section)?;
            match call.len() {
                0 => return Err("secret name must be provided".into()),
                1 => lookup()?.aws_secret(text(0), None)?,
                2 => lookup()?.aws_secret(text(0), Some(text(1)))?,
                _ => return Err("only secret name and optional secret key can be provided".into()),
            }
        }
        "aws_secretsmanager_raw" => {
            not_here(secrets_section)?;
            lookup()?.aws_secret_raw(text(0))?
        }
        "timestamp" => context.ambient.start.as_second().to_string(),
        "isotime" => match call.len() {
            0 => clock::format(context.ambient.start, "2006-01-02T15:04:05Z07:00"),
            1 => clock::format(context.ambient.start, text(0)),
            _ => {
                let given: Vec<_> = (0..call.len()).map(text).collect();
                return Err(format!("too many values, 1 needed: [{}]", given.join(" ")));
            }
        },
        "strftime" => clock::strftime(context.ambient.start, text(0)),
        "uuid" => (context.ambient.uuid)().to_string(),
        "build_name" => available(context.build_name())?,
        "build_type" => available(context.build_type())?,
        // Outside a build there is a template all the same; Packer's core knows its own version there too.
        "packer_version" => context.ambient.packer_version.clone(),
        "pwd" => path(&context.ambient.cwd),
        "template_dir" => {
            let file = context.template_path().ok_or("template path not available")?;
            path(file.parent().unwrap_or(file))
        }
        "build" => return build(text(0), context),
        "split" => {
            let (parts, index) = (go_split(text(0), text(1)), call.int(2));
            match usize::try_from(index).ok().and_then(|i| parts.get(i)) {
                Some(part) => (*part).to_owned(),
                None if index < 0 => return Err(format!("index out of range [{index}]")),
                None => {
                    return Err(format!(
                        "the substring {index} was unavailable using the separator value, {}, only {} values were found",
                        text(1),
                        parts.len()
                    ));
                }
            }
        }
        "replace" => match usize::try_from(call.int(2)) {
            Ok(count) => go_replace(text(3), text(0), text(1), count),
            Err(_) => go_replace(text(3), text(0), text(1), usize::MAX),
        },
        "replace_all" => go_replace(text(2), text(0), text(1), usize::MAX),
        "upper" => text(0).chars().map(upper).collect(),
        // The one letter that becomes two is İ, and Go gives the first of them.
        "lower" => text(0).chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect(),
        "sed" => {
            return Err("template function `sed` is deprecated use `replace` or `replace_all` instead. \
                        Documentation: https://www.packer.io/docs/templates/engine"
                .into());
        }
        "clean_resource_name" | "clean_ami_name" => {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"()[] ./-'@_".contains(&b);
            text(0).bytes().map(|b| if good(b) { char::from(b) } else { '-' }).collect()
        }
        _ => return Err(format!("function {name:?} not defined")),
    }))
}

/// How an unset variable's error begins; the rendering of variables waits for such a variable to be set.
pub(crate) const NOT_SET: &str = "Error: variable not set:";

/// `{{ build "ID" }}`: in the first pass it becomes `{{.ID}}`, for the second.
fn build(name: &str, context: &Context) -> Result<Datum, String> {
    let missing = || format!("loaded data, but couldn't find {name} in it");
    match &context.data {
        Data::None => Err(format!(
            "Error validating build variable: the given variable {name} will not be passed into your plugin."
        )),
        Data::Later(names) if names.contains_key(name) => Ok(format!("{{{{.{name}}}}}").into()),
        Data::Later(_) => Err(missing()),
        Data::Fields(fields) => match fields.get(name) {
            Some(text @ Datum::String(_)) => Ok(text.clone()),
            // Ports and the like come as numbers.
            Some(Datum::Int(number)) => Ok(number.to_string().into()),
            _ => Err(missing()),
        },
    }
}

/// Go maps letter by letter; a letter that would become several (ß) stays.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// An empty separator splits into letters, without Rust's empty ends.
fn go_split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    if separator.is_empty() {
        return text.split("").filter(|s| !s.is_empty()).collect();
    }
    text.split(separator).collect()
}

/// As `strings.Replace`: an empty `old` matches before every letter and at the end.
fn go_replace(text: &str, old: &str, new: &str, count: usize) -> String {
    if count == usize::MAX { text.replace(old, new) } else { text.replacen(old, new, count) }
}
