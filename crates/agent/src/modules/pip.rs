//! `pip`: Python packages, for hosts that have Python.

use crate::ctx::Ctx;
use crate::modules::pip_version as version;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use crate::sys::shlex;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Names and versions of `pip freeze` or `pip list --format=freeze`.
fn parse_freeze(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|l| l.split_once("==")).map(|(n, v)| (normal(n), v.trim().to_string())).collect()
}

/// A distribution's name as Python's packages compare it, without extras.
fn normal(name: &str) -> String {
    let bare = name.split(['[', ' ']).next().unwrap_or(name);
    bare.trim().to_lowercase().replace(['_', '.'], "-")
}

/// An address such as `git+https://host/path`.
fn is_repository(spec: &str) -> bool {
    ["git+", "hg+", "svn+", "bzr+"].iter().any(|kind| spec.contains(kind))
}

/// `name==1.2`, `name>=1,<2`: the name and the rest.
fn split(spec: &str) -> (&str, &str) {
    let at = spec.find(['=', '<', '>', '!', '~', ';', '@']).unwrap_or(spec.len());
    (spec[..at].trim(), spec[at..].trim())
}

/// Whether what is installed satisfies a requirement; `None`: can't be said without pip.
fn satisfied(spec: &str, installed: &[(String, String)]) -> Option<bool> {
    let (name, relation) = split(spec);
    let version = installed.iter().find(|(n, _)| *n == normal(name)).map(|(_, v)| v.as_str());
    match (version, relation) {
        (None, _) => Some(false),
        (Some(_), "") => Some(true),
        // An address may have anything; a marker says where the requirement holds, which Ansible takes no notice of.
        (Some(_), relation) if relation.starts_with('@') => None,
        (Some(have), relation) => version::contains(relation.split(';').next().unwrap_or_default(), have),
    }
}

/// One requirement each of what may be several, or one in parts, as Ansible puts them together: `a>=1,<2,b[x,y]` are two.
fn join_versions(names: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut brackets = false;
    for part in names.iter().flat_map(|n| n.split(',')).map(str::trim).filter(|n| !n.is_empty()) {
        match out.last_mut() {
            Some(last) if brackets || part.starts_with(['<', '>', '=', '!', '~']) => last.push_str(&format!(",{part}")),
            _ => out.push(part.to_string()),
        }
        brackets = (brackets || part.contains('[')) && !part.contains(']');
    }
    out
}

/// The command is Python's own for virtual environments: `pyvenv`, or an interpreter with `-m venv` or `-mvenv`.
fn is_venv(words: &[String]) -> bool {
    words.first().is_some_and(|w| w == "pyvenv" || w.ends_with("/pyvenv"))
        || words.iter().any(|w| w == "-mvenv")
        || words.windows(2).any(|w| w[0] == "-m" && w[1] == "venv")
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let names = join_versions(&args.strs("name"));
    let requirements = args.str("requirements");
    // A relative one is inside of `chdir`.
    let env = args.path("virtualenv").map(|env| args.path("chdir").map_or_else(|| env.clone(), |dir| dir.join(&env)));
    let state = args.text("state");
    let version = args.str("version");
    // An empty list of names is nothing to do.
    if args.given("name").is_none() && requirements.is_none() && env.is_none() {
        crate::fail!("one of the following is required: name, requirements, virtualenv");
    }
    if version.is_some() && names.len() != 1 {
        crate::fail!(
            "'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument."
        );
    }
    if state == "latest" && version.is_some() {
        crate::fail!("version is incompatible with state=latest");
    }
    // One that is empty restricts nothing.
    let wanted = version.as_deref().map(str::trim).filter(|v| !v.is_empty());
    if version.is_some() && !is_repository(&names[0]) && split(&names[0]).1.starts_with(['=', '<', '>', '!', '~']) {
        crate::fail!(
            "The 'version' argument conflicts with any version specifier provided along with a package name. Please keep the version specifier, but remove the 'version' argument."
        );
    }
    let mut out = crate::out! {"changed": false, "state": state, "name": names, "version": version, "requirements": requirements, "virtualenv": env.as_ref().map(|e| e.to_string_lossy())};
    let mut text = (String::new(), String::new());
    let mut changed = false;
    if let Some(env) = env.as_ref().filter(|e| !e.join("bin/activate").exists()) {
        changed = true;
        if ctx.check {
            out.insert("changed".into(), true.into());
            return Ok(out);
        }
        let ran = make_env(ctx, env)?;
        text = (ran.stdout, ran.stderr);
    }
    let pip = find(ctx, env.as_deref())?;
    let dir =
        args.path("chdir").or_else(|| env.clone().filter(|_| requirements.is_none())).unwrap_or_else(|| "/".into());
    let call = |words: &[String], stream: bool| -> Result<Ran, Fail> {
        let (program, rest) = pip.split_first().ok_or_else(|| Fail::new("pip is not found"))?;
        let mut cmd = ctx.cmd(program).args(rest).args(words).english().cwd(&dir).umask(args.str("umask"));
        if let Some(env) = &env {
            // What is built may want the programs of the environment.
            let path = ctx.env("PATH").unwrap_or_default();
            cmd = cmd.env("PATH", format!("{}:{path}", env.join("bin").display()));
        }
        if args.bool("break_system_packages") {
            // The option is one of newer versions only, which older ones stumble over; of the variable they take no notice.
            cmd = cmd.env("PIP_BREAK_SYSTEM_PACKAGES", "1");
        }
        if stream {
            cmd = cmd.stream();
        }
        cmd.run()
    };
    let specs: Vec<String> = match wanted {
        Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => vec![format!("{}=={version}", names[0])],
        Some(version) => vec![format!("{}{version}", names[0])],
        None => names.clone(),
    };
    let list = || -> Result<Ran, Fail> {
        let ran = call(&["list".into(), "--format=freeze".into()], false)?;
        if ran.ok() { Ok(ran) } else { call(&["freeze".into()], false) }
    };
    let listed = list()?;
    let before = parse_freeze(&listed.stdout);
    let mut words: Vec<String> = Vec::new();
    match state.as_str() {
        "absent" => words.extend(["uninstall".into(), "-y".into()]),
        "latest" => words.extend(["install".into(), "-U".into()]),
        "forcereinstall" => words.extend(["install".into(), "-U".into(), "--force-reinstall".into()]),
        _ => words.push("install".into()),
    }
    if args.bool("editable") {
        words.push("-e".into());
    }
    if let Some(extra) = args.str("extra_args") {
        words.extend(shlex::split(&extra).ok_or_else(|| Fail::new(format!("extra_args can't be read: {extra}")))?);
    }
    let settled = match state.as_str() {
        "present" => specs.iter().all(|s| satisfied(s, &before) == Some(true)),
        "absent" => specs.iter().all(|s| satisfied(split(s).0, &before) == Some(false)),
        _ => false,
    };
    let idle = (requirements.is_none() && settled) || (specs.is_empty() && requirements.is_none());
    out.insert("cmd".into(), json!(pip));
    if !idle {
        words.extend(specs.iter().cloned());
        if let Some(file) = &requirements {
            words.extend(["-r".into(), file.clone()]);
        }
        if ctx.check {
            // Without running pip, only plain cases can be told; the others would change something or not.
            let unsure = requirements.is_some()
                || matches!(state.as_str(), "latest" | "forcereinstall")
                || specs.iter().any(|s| satisfied(s, &before).is_none());
            out.insert("changed".into(), (changed || !settled || unsure).into());
        }
    }
    if ctx.check {
        // What Ansible looked at, too.
        out.insert("stdout".into(), format!("{}{}", text.0, listed.stdout).into());
        out.insert("stderr".into(), format!("{}{}", text.1, listed.stderr).into());
        crate::modules::add_lines(&mut out);
        return Ok(out);
    }
    if !idle {
        let ran = call(&words, true)?;
        let mut cmd = pip.clone();
        cmd.extend(words);
        out.insert("cmd".into(), json!(cmd));
        let missing =
            state == "absent" && (ran.stderr.contains("not installed") || ran.stdout.contains("not installed"));
        if !ran.ok() && !missing {
            return Err(ran.fail(format!("stdout: {}\n:stderr: {}", ran.stdout, ran.stderr)).with("cmd", json!(cmd)));
        }
        let after = parse_freeze(&list()?.stdout);
        // What comes from a repository is installed each time; only the list tells whether it is another one.
        let says_so = requirements.is_none() && !specs.iter().any(|s| is_repository(s));
        changed |= after != before
            || (state != "absent" && says_so && ran.stdout.contains("Successfully installed"))
            || (state == "absent" && ran.stdout.contains("Successfully uninstalled"));
        text = (format!("{}{}", text.0, ran.stdout), format!("{}{}", text.1, ran.stderr));
    }
    out.insert("changed".into(), changed.into());
    out.insert("stdout".into(), text.0.into());
    out.insert("stderr".into(), text.1.into());
    crate::modules::add_lines(&mut out);
    Ok(out)
}

fn make_env(ctx: &Ctx, env: &Path) -> Result<Ran, Fail> {
    let args = &ctx.args;
    let command = args.text("virtualenv_command");
    let mut words = shlex::split(&command)
        .filter(|w| !w.is_empty())
        .ok_or_else(|| Fail::new(format!("virtualenv_command can't be read: {command}")))?;
    let python = args.str("virtualenv_python");
    let is_venv = is_venv(&words);
    if !is_venv && words.len() == 1 && ctx.which(&words[0]).is_none() && command == "virtualenv" {
        // Where virtualenv is missing, Python's own will do.
        let python = python.clone().unwrap_or_else(|| "python3".into());
        ctx.need(&python)?;
        words = vec![python, "-m".into(), "venv".into()];
    } else if let Some(python) = &python {
        if is_venv {
            crate::fail!(
                "virtualenv_python should not be used when using the venv module or pyvenv as virtualenv_command"
            );
        }
        words.push(format!("-p{python}"));
    }
    if args.bool("virtualenv_site_packages") {
        words.push("--system-site-packages".into());
    }
    let ran = ctx.cmd(&words[0]).args(&words[1..]).arg(env).english().cwd("/").umask(args.str("umask")).run()?;
    if ran.ok() {
        Ok(ran)
    } else {
        Err(ran.fail(format!("the virtual environment can't be made: {}", ran.complaint())))
    }
}

/// The command by which pip is called.
fn find(ctx: &Ctx, env: Option<&Path>) -> Result<Vec<String>, Fail> {
    let show = |p: PathBuf| p.to_string_lossy().into_owned();
    match (env, ctx.args.str("executable")) {
        (None, Some(name)) if name.starts_with('/') => return Ok(vec![name]),
        (None, Some(name)) => return ctx.need(&name).map(|p| vec![show(p)]),
        (Some(env), name) => {
            let names = name.map_or(vec!["pip3".to_string(), "pip".into()], |n| vec![n]);
            if let Some(pip) = names.iter().map(|n| env.join("bin").join(n)).find(|p| p.exists()) {
                return Ok(vec![show(pip)]);
            }
            crate::fail!(
                "Unable to find pip in the virtualenv, {}, under any of these names: {}. Make sure pip is present in the virtualenv.",
                env.display(),
                names.join(", ")
            );
        }
        (None, None) => {}
    }
    // What `ansible_python_interpreter` says, which is Ansible's own there.
    let own = ctx.args.str("_python");
    for python in own.as_deref().into_iter().chain(["python3", "python", "python2"]) {
        if let Some(path) = ctx.which(python)
            && ctx.cmd(&path).args(["-m", "pip", "--version"]).english().run().is_ok_and(|r| r.ok())
        {
            return Ok(vec![show(path), "-m".into(), "pip".into()]);
        }
    }
    match ["pip3", "pip", "pip2"].iter().find_map(|p| ctx.which(p)) {
        Some(path) => Ok(vec![show(path)]),
        None => Err(Fail::new("Unable to find any of pip3, pip to use. pip needs to be installed.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for (spec, want) in
            [("git+https://h/x#egg=x", true), ("x @ hg+ssh://h/x", true), ("digit", false), ("a-git", false)]
        {
            assert_eq!(is_repository(spec), want, "{spec}");
        }
    }

    #[test]
    fn requirements() {
        let installed = parse_freeze("Foo_Bar==1.2\nbaz==3\n-e git+x\n");
        for (spec, want) in [
            ("foo-bar", Some(true)),
            ("foo.bar[extra]", Some(true)),
            ("foo-bar==1.2", Some(true)),
            ("foo-bar==1.3", Some(false)),
            ("foo-bar>=1", Some(true)),
            ("foo-bar >=1, !=1.2", Some(false)),
            ("foo-bar>1;python_version<'3'", Some(true)),
            ("foo-bar @ git+x", None),
            ("foo-bar==nonsense", None),
            ("nope", Some(false)),
            ("nope>=1", Some(false)),
        ] {
            assert_eq!(satisfied(spec, &installed), want, "{spec}");
        }
        for (list, want) in [
            (&["a>=1", "<2", "b"][..], &["a>=1,<2", "b"][..]),
            (&["a<=1, !=9,>=0,b <2 ,!=1"], &["a<=1,!=9,>=0", "b <2,!=1"]),
            (&["a[x", "y]>1", "b"], &["a[x,y]>1", "b"]),
            (&["git+https://h/x#egg=x"], &["git+https://h/x#egg=x"]),
        ] {
            let list: Vec<String> = list.iter().map(|s| s.to_string()).collect();
            assert_eq!(join_versions(&list), want);
        }
        for (words, want) in
            [("python3 -m venv", true), ("python3 -mvenv", true), ("pyvenv", true), ("virtualenv", false)]
        {
            assert_eq!(is_venv(&shlex::split(words).unwrap()), want, "{words}");
        }
        let ctx = Ctx::test("pip", json!({"name": "a>1", "version": "1"}));
        assert!(run(&ctx).unwrap_err().msg.contains("conflicts"));
        let ctx = Ctx::test("pip", json!({"name": ["a", "b"], "version": "1"}));
        assert!(run(&ctx).unwrap_err().msg.contains("ambiguous"));
        assert!(run(&Ctx::test("pip", json!({}))).is_err());
    }
}
