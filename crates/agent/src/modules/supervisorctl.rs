//! `supervisorctl`: processes that supervisord watches. Source: community.general's DOCUMENTATION and supervisor's manual.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::ini::Ini;
use crate::sys::run::Ran;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where supervisorctl looks for its configuration.
const CONFIGS: &[&str] = &["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
/// The variable that carries the password.
const VARIABLE: &str = "IMGBUILD_SUPERVISOR";

struct Supervisor<'a> {
    ctx: &'a Ctx,
    program: String,
    options: Vec<String>,
    password: Option<String>,
}

impl<'a> Supervisor<'a> {
    fn new(ctx: &'a Ctx) -> Result<Self, Fail> {
        let args = &ctx.args;
        let program = match args.str("supervisorctl_path") {
            Some(path) => match ctx.which(&path).filter(|_| path.contains('/')) {
                Some(found) => found,
                None => crate::fail!("Provided path to supervisorctl does not exist or isn't executable: {path}"),
            },
            None => ctx.need("supervisorctl")?,
        };
        let program = program.to_string_lossy().into_owned();
        let given = |name: &str| args.str(name).filter(|v| !v.is_empty());
        let (config, url, user) = (given("config"), given("server_url"), given("username"));
        let password = given("password");
        let mut options = Vec::new();
        if password.is_some() {
            options.extend(["-c".to_string(), private_config(ctx, config.as_deref(), url, user)?]);
        } else {
            for (flag, value) in [("-c", config), ("-s", url), ("-u", user)] {
                options.extend(value.into_iter().flat_map(|v| [flag.to_string(), v]));
            }
        }
        Ok(Supervisor { ctx, program, options, password })
    }

    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        let mut cmd = self.ctx.cmd(&self.program).args(&self.options).args(words).english();
        if let Some(password) = &self.password {
            cmd = cmd.env(VARIABLE, password);
        }
        cmd.run()
    }

    fn must(&self, words: &[&str]) -> Result<Ran, Fail> {
        let ran = self.call(words)?;
        if ran.ok() { Ok(ran) } else { Err(ran.fail(ran.complaint()).with("cmd", words.join(" "))) }
    }

    /// Processes and their states: of a group (`name:`), of that name, or all.
    fn processes(&self, name: &str, group: bool) -> Result<Vec<(String, String)>, Fail> {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let (process, status) = (words.next()?, words.next()?);
            let wanted = match process.split_once(':') {
                Some((of, _)) if group => of == name,
                None if group => false,
                _ => process == name || name == "all",
            };
            wanted.then(|| (process.to_string(), status.to_string()))
        };
        Ok(self.call(&["status"])?.stdout.lines().filter_map(line).collect())
    }

    /// Does something to each process.
    fn act(&self, processes: &[String], words: &[&str], said: &str) -> Result<(), Fail> {
        for process in processes {
            let mut line = words.to_vec();
            line.push(process);
            let ran = self.must(&line)?;
            if !ran.stdout.contains(&format!("{process}: {said}")) {
                return Err(ran.fail(ran.stdout.trim()));
            }
        }
        Ok(())
    }
}

/// A configuration for this call that takes the password from the environment: the program's own option would show it to
/// everybody on the machine.
fn private_config(ctx: &Ctx, config: Option<&str>, url: Option<String>, user: Option<String>) -> Result<String, Fail> {
    let place = config.or_else(|| CONFIGS.iter().copied().find(|p| Path::new(p).exists()));
    let text = match place {
        Some(path) => std::fs::read_to_string(path).at("can't read", Path::new(path))?,
        None => String::new(),
    };
    let ini = Ini::parse(&text);
    let of = |name: &str| {
        let section = ini.get("supervisorctl")?;
        // What stands behind ` ;` is a comment.
        section
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.split(" ;").next().unwrap_or_default().trim().to_string())
    };
    // A percent sign that is no expansion is written twice.
    let plain = |text: String| text.replace('%', "%%");
    let url = url.map(plain).or_else(|| of("serverurl")).unwrap_or_else(|| "http://localhost:9001".into());
    let user = user.map(plain).or_else(|| of("username")).unwrap_or_default();
    let path = ctx.temp()?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).at("can't write", &path)?;
    let text = format!("[supervisorctl]\nserverurl={url}\nusername={user}\npassword=%(ENV_{VARIABLE})s\n");
    file.write_all(text.as_bytes()).at("can't write", &path)?;
    Ok(path.to_string_lossy().into_owned())
}

fn is_up(status: &str) -> bool {
    matches!(status, "RUNNING" | "STARTING")
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let given = args.req("name")?;
    let (name, group) = (given.trim_end_matches(':'), given.ends_with(':'));
    let state = args.text("state");
    let supervisor = Supervisor::new(ctx)?;
    let result = |changed: bool| crate::out! {"changed": changed, "name": name, "state": state};
    if state == "restarted" && !ctx.check {
        supervisor.must(&["update"])?;
    }
    let found = supervisor.processes(name, group)?;
    let of = |wanted: fn(&str) -> bool| -> Vec<String> {
        found.iter().filter(|(_, status)| wanted(status)).map(|(process, _)| process.clone()).collect()
    };
    if matches!(state.as_str(), "present" | "absent") {
        let absent = state == "absent";
        if found.is_empty() == absent {
            return Ok(result(false));
        }
        if ctx.check {
            return Ok(result(true));
        }
        if absent && args.bool("stop_before_removing") {
            supervisor.act(&of(is_up), &["stop"], "stopped")?;
        }
        supervisor.must(&["reread"])?;
        let (verb, said) = if absent { ("remove", "removed") } else { ("add", "added") };
        let ran = supervisor.call(&[verb, name])?;
        if ran.stdout.contains(&format!("{name}: {said} process group")) {
            return Ok(result(true));
        }
        return Err(ran.fail(ran.complaint()).with("name", name).with("state", state));
    }
    if found.is_empty() {
        return Err(Fail::new("ERROR (no such process)").with("name", name));
    }
    let signal = args.text("signal");
    let (these, words, said): (Vec<String>, Vec<&str>, &str) = match state.as_str() {
        "restarted" => (of(|_| true), vec!["restart"], "started"),
        "started" => (of(|s| !is_up(s)), vec!["start"], "started"),
        "stopped" => (of(is_up), vec!["stop"], "stopped"),
        _ => (of(|s| s == "RUNNING"), vec!["signal", &signal], "signalled"),
    };
    if !these.is_empty() && !ctx.check {
        supervisor.act(&these, &words, said)?;
    }
    let mut out = result(!these.is_empty());
    if !these.is_empty() && !ctx.check {
        out.insert("affected".into(), json!(these));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::Value;
    use std::process::{Child, Command, Stdio};

    struct Daemon(Child);

    impl Drop for Daemon {
        fn drop(&mut self) {
            if let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = self.0.wait();
        }
    }

    const PASSWORD: &str = "do not; #tell 100%";

    /// With the real programs. The socket wants a password.
    #[test]
    fn processes_start_and_stop_once() {
        let path = std::env::var("PATH").unwrap_or_default();
        let (Some(daemon), Some(_)) =
            (crate::sys::run::which_in("supervisord", &path), crate::sys::run::which_in("supervisorctl", &path))
        else {
            return skipped("no supervisord here");
        };
        let dir = Scratch::new();
        let socket = dir.path("socket");
        let hash: String = <sha1::Sha1 as sha1::Digest>::digest(PASSWORD).iter().map(|b| format!("{b:02x}")).collect();
        let (log, pid) = (dir.path("log"), dir.path("pid"));
        let common = format!(
            "[supervisord]\nnodaemon=true\nlogfile={log}\npidfile={pid}\nchildlogdir={}\n[unix_http_server]\nfile={socket}\nusername=u\npassword={{SHA}}{hash}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\nserverurl=unix://{socket} ; here\n",
            dir.path("")
        );
        let one = "[program:one]\ncommand=sleep 1000\nautostart=false\nstartsecs=0\n";
        let many = "[program:many]\ncommand=sleep 1000\nnumprocs=2\nprocess_name=%(process_num)s\nautostart=false\nstartsecs=0\n";
        let config = dir.file("supervisord.conf", &format!("{common}{one}{many}"));
        let child =
            Command::new(daemon).args(["-c", &config]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let _daemon = Daemon(child);
        for _ in 0..200 {
            if Path::new(&socket).exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let call = |name: &str, state: &str, more: Value, check: bool| {
            let mut args =
                json!({"name": name, "state": state, "config": config, "username": "u", "password": PASSWORD});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("supervisorctl", args);
            ctx.check = check;
            let result = run(&ctx);
            ctx.workdir.remove();
            result
        };
        let changed = |name: &str, state: &str, check: bool| {
            call(name, state, json!({}), check).unwrap_or_else(|e| panic!("{name} {state}: {}", e.msg))["changed"]
                == true
        };
        assert!(
            changed("one", "started", true) && changed("one", "started", false) && !changed("one", "started", false)
        );
        let both = call("many:", "started", json!({}), false).unwrap();
        assert_eq!(both["affected"], json!(["many:0", "many:1"]));
        assert!(!changed("many:", "started", false) && changed("many:0", "stopped", false));
        assert!(changed("one", "restarted", false));
        let signal = json!({"signal": "CONT"});
        assert_eq!(call("one", "signalled", signal, false).unwrap()["changed"], true);
        assert!(changed("one", "stopped", false) && !changed("one", "stopped", false));
        assert_eq!(call("none", "started", json!({}), false).unwrap_err().msg, "ERROR (no such process)");
        dir.file("supervisord.conf", &common);
        let gone = json!({"stop_before_removing": true});
        assert_eq!(call("many", "absent", json!({}), false).unwrap()["changed"], false);
        assert_eq!(call("many:", "absent", gone, false).unwrap()["changed"], true);
        assert!(changed("one", "absent", true) && changed("one", "absent", false) && !changed("one", "absent", false));
        dir.file("supervisord.conf", &format!("{common}{one}"));
        assert!(
            changed("one", "present", true) && changed("one", "present", false) && !changed("one", "present", false)
        );
        // Without the right password nothing is known of any process.
        let wrong = json!({"password": "other"});
        assert!(call("one", "started", wrong, false).is_err());
    }

    #[test]
    fn the_password_is_not_written_down() {
        let dir = Scratch::new();
        let config = dir.file("c", "[supervisorctl]\nserverurl=unix:///s ; x\nusername=%(ENV_U)s\n");
        let ctx = Ctx::test("supervisorctl", json!({"name": "x", "state": "started", "password": PASSWORD}));
        let file = private_config(&ctx, Some(&config), None, Some("a%b".into())).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("serverurl=unix:///s\nusername=a%%b\npassword=%(ENV_") && !text.contains("tell"),
            "{text}"
        );
        ctx.workdir.remove();
    }
}
