//! `locale_gen`: locales that are generated, or aren't.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use std::path::Path;

const LIST: &str = "/etc/locale.gen";
const UBUNTU: &str = "/var/lib/locales/supported.d";

/// A locale's name as `locale -a` writes it: `en_US.UTF-8` is `en_US.utf8`.
fn plain(name: &str) -> String {
    match name.split_once('.') {
        Some((language, rest)) => {
            let (charset, modifier) = rest.split_once('@').map_or((rest, String::new()), |(c, m)| (c, format!("@{m}")));
            format!("{language}.{}{modifier}", charset.to_lowercase().replace('-', ""))
        }
        None => name.to_string(),
    }
}

/// locale.gen with the locale switched on or off; `None`: it isn't among the supported. Pure.
fn plan(text: &str, name: &str, on: bool) -> Option<String> {
    let of = |line: &str| {
        let line = line.trim_start_matches(['#', ' ', '\t']);
        line.split_whitespace().next() == Some(name)
    };
    if !text.lines().any(of) {
        return None;
    }
    Some(
        text.lines()
            .map(|l| match (of(l), on) {
                (true, true) => format!("{}\n", l.trim_start_matches(['#', ' ', '\t'])),
                (true, false) if !l.trim_start().starts_with('#') => format!("# {l}\n"),
                _ => format!("{l}\n"),
            })
            .collect(),
    )
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let names = ctx.args.strs("name");
    let on = ctx.args.text("state") != "absent";
    ctx.need("locale-gen").map_err(|_| {
        Fail::new(
            "/etc/locale.gen and /var/lib/locales/supported.d/local are missing. Is the package \"locales\" installed?",
        )
    })?;
    let have: Vec<String> = ctx.run(&["locale", "-a"])?.stdout.lines().map(plain).collect();
    let wrong: Vec<String> = names.iter().filter(|n| have.contains(&plain(n)) != on).cloned().collect();
    let changed = !wrong.is_empty();
    if changed && !ctx.check {
        if Path::new(LIST).exists() {
            let mut text = files::read_text(Path::new(LIST))?.unwrap_or_default();
            let supported = files::read_text(Path::new("/usr/share/i18n/SUPPORTED"))?.unwrap_or_default();
            for name in &wrong {
                text = match plan(&text, name, on) {
                    Some(text) => text,
                    None if !on => text,
                    None => match supported.lines().find(|l| l.split_whitespace().next() == Some(name)) {
                        Some(line) => format!("{text}{line}\n"),
                        None => crate::fail!("The locales you've entered are not available on your system: {name}"),
                    },
                };
            }
            files::write(ctx, Path::new(LIST), text.as_bytes(), false)?;
            generate(ctx, &[])?;
        } else if on {
            generate(ctx, &wrong)?;
        } else {
            for entry in std::fs::read_dir(UBUNTU).at("can't read", Path::new(UBUNTU))?.flatten() {
                let text = files::read_text(&entry.path())?.unwrap_or_default();
                let kept: String = text
                    .lines()
                    .filter(|l| !l.split_whitespace().next().is_some_and(|n| wrong.iter().any(|w| w == n)))
                    .map(|l| format!("{l}\n"))
                    .collect();
                if kept != text {
                    files::write(ctx, &entry.path(), kept.as_bytes(), false)?;
                }
            }
            generate(ctx, &["--purge".into()])?;
        }
    }
    Ok(crate::out! {"changed": changed, "name": names, "msg": ""})
}

fn generate(ctx: &Ctx, names: &[String]) -> Result<(), Fail> {
    let ran = ctx.cmd("locale-gen").args(names).english().run()?;
    if ran.ok() {
        Ok(())
    } else {
        Err(ran.fail(format!("locale.gen failed to execute, it returned {}: {}", ran.rc, ran.complaint())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists() {
        assert_eq!(plain("en_US.UTF-8"), "en_US.utf8");
        assert_eq!(plain("de_DE.ISO-8859-15@euro"), "de_DE.iso885915@euro");
        let text = "# c\n# en_US.UTF-8 UTF-8\n# en_US ISO-8859-1\n";
        assert_eq!(plan(text, "en_US.UTF-8", true).unwrap(), "# c\nen_US.UTF-8 UTF-8\n# en_US ISO-8859-1\n");
        assert_eq!(plan("en_US.UTF-8 UTF-8\n", "en_US.UTF-8", false).unwrap(), "# en_US.UTF-8 UTF-8\n");
        assert_eq!(plan(text, "xx_XX.UTF-8", true), None);
    }
}
