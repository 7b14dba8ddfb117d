//! `user`: an account exists with these properties, or doesn't. Passwords go to the tools' standard input, never on a command line.

use crate::ctx::Ctx;
use crate::modules::user_key;
use crate::outcome::{Fail, Outcome};
use crate::sys::users::{self, User};
use crate::sys::{clock, run::Ran};
use serde_json::json;
use std::path::Path;

/// A line of /etc/shadow.
#[derive(Debug, Clone, Default, PartialEq)]
struct Shadow {
    password: String,
    min: Option<i64>,
    max: Option<i64>,
    warn: Option<i64>,
    inactive: Option<i64>,
    expire: Option<i64>,
}

fn parse_shadow(text: &str, name: &str) -> Option<Shadow> {
    let line = text.lines().find(|l| l.split(':').next() == Some(name))?;
    let f: Vec<&str> = line.split(':').collect();
    let number = |i: usize| f.get(i).and_then(|v| v.parse().ok());
    Some(Shadow {
        password: f.get(1).copied().unwrap_or_default().into(),
        min: number(3),
        max: number(4),
        warn: number(5),
        inactive: number(6),
        expire: number(7),
    })
}

fn shadow(name: &str) -> Shadow {
    // An account without a line there has no last day that could be right: `expires` writes one.
    parse_shadow(&std::fs::read_to_string("/etc/shadow").unwrap_or_default(), name)
        .unwrap_or(Shadow { expire: Some(0), ..Shadow::default() })
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    for option in ["login_class", "profile", "authorization", "role", "hidden"] {
        if args.given(option).is_some() {
            ctx.warn(format!("{option} has no meaning on Linux and is left out"));
        }
    }
    let local = args.bool("local");
    let find = || if local { users::users().into_iter().find(|u| u.name == name) } else { users::user_by_name(&name) };
    if args.str("password").is_some_and(|password| !looks_hashed(&password)) {
        ctx.warn("The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly.");
    }
    let state = args.text("state");
    let current = find();
    let mut out = crate::out! {"name": name, "state": state, "changed": false};
    // libuser's tools take none of these.
    if let Some(option) = ["umask", "uid_min", "uid_max"].into_iter().find(|o| local && args.given(o).is_some()) {
        crate::fail!("'{option}' can not be used with 'local'");
    }
    let job = Job { ctx, name: &name, local };
    if state == "absent" {
        if current.is_some() {
            let mut command = vec![job.tool("userdel")];
            if args.bool("force") && !local {
                command.push("-f".into());
            }
            if args.bool("remove") {
                command.push("-r".into());
            }
            command.push(name.clone());
            out.insert("changed".into(), true.into());
            out.insert("force".into(), args.bool("force").into());
            out.insert("remove".into(), args.bool("remove").into());
            if !ctx.check {
                let ran = job.execute(&command)?;
                for (key, said) in [("stdout", ran.stdout), ("stderr", ran.stderr)] {
                    if !said.is_empty() {
                        out.insert(key.into(), said.into());
                    }
                }
            }
        }
        return Ok(out);
    }
    let mut changed = false;
    match &current {
        None => {
            changed = true;
            out.insert("create_home".into(), args.bool("create_home").into());
            out.insert("system".into(), args.bool("system").into());
            if !ctx.check {
                let command = job.plan_add()?;
                job.execute(&command)?;
                job.set_password()?;
                job.set_ageing(&Shadow::default())?;
                job.settle_local(&[], &Shadow::default())?;
                if args.bool("password_lock") {
                    job.execute(&[job.tool("usermod"), "-L".into(), name.clone()])?;
                }
            }
        }
        Some(user) => {
            let old = shadow(&name);
            let groups: Vec<String> =
                users::groups().into_iter().filter(|g| g.members.contains(&name)).map(|g| g.name).collect();
            if let Some(command) = job.plan_modify(user, &groups, &old)? {
                changed = true;
                if !ctx.check {
                    job.execute(&command)?;
                }
            }
            if job.password_differs(&old) {
                changed = true;
                job.set_password()?;
            }
            changed |= job.set_ageing(&old)?;
            changed |= job.settle_local(&groups, &old)?;
            out.insert("append".into(), args.bool("append").into());
            out.insert("move_home".into(), args.bool("move_home").into());
        }
    }
    if args.given("password").is_some() {
        out.insert("password".into(), "NOT_LOGGING_PASSWORD".into());
    }
    if let Some(user) = find() {
        // A home that went missing is made again, as a new account's would be.
        if args.bool("create_home") && !user.home.is_empty() && !Path::new(&user.home).exists() {
            changed = true;
            if !ctx.check {
                user_key::make_home(ctx, &user)?;
            }
        }
        if args.bool("generate_ssh_key") {
            changed |= user_key::generate(ctx, &user, &mut out)?;
        }
        for (key, value) in [
            ("uid", json!(user.uid)),
            ("group", json!(user.gid)),
            ("comment", json!(user.gecos)),
            ("home", json!(user.home)),
            ("shell", json!(user.shell)),
        ] {
            out.insert(key.into(), value);
        }
        if let Some(groups) = args.opt_strs("groups") {
            out.insert("groups".into(), groups.join(",").into());
        }
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

/// Whether a password can be the hash that /etc/shadow wants: what locks an account, or a hash of the length that its kind has.
fn looks_hashed(password: &str) -> bool {
    if password.is_empty() || ["*", "!", "*************"].contains(&password) {
        return true;
    }
    let fields: Vec<&str> = password.split('$').collect();
    let (Some(kind), Some(hash)) = (fields.get(1), fields.last().filter(|_| fields.len() >= 3)) else { return false };
    let length = match *kind {
        "1" => hash.len() == 22,
        "5" => hash.len() == 43,
        "6" => hash.len() == 86,
        _ => true,
    };
    length
        && !password.contains([':', '*', '!'])
        && hash.chars().all(|c| c.is_ascii_alphanumeric() || "./=".contains(c))
}

struct Job<'a> {
    ctx: &'a Ctx,
    name: &'a str,
    local: bool,
}

impl Job<'_> {
    /// The tool's name, of libuser where the account is to be local.
    fn tool(&self, name: &str) -> String {
        if self.local { format!("l{name}") } else { name.to_string() }
    }

    fn execute(&self, command: &[String]) -> Result<Ran, Fail> {
        self.ctx.need(&command[0])?;
        let ran = self.ctx.run(command)?;
        if ran.ok() { Ok(ran) } else { Err(ran.fail(ran.complaint()).with("name", self.name)) }
    }

    /// `-K`, `-c`, `-s`, `-e` and the like, which adding and changing share when nothing is compared.
    fn plan_add(&self) -> Result<Vec<String>, Fail> {
        let args = &self.ctx.args;
        let mut c = vec![self.tool("useradd")];
        let mut push = |flag: &str, value: String| c.extend([flag.to_string(), value]);
        if let Some(uid) = args.int("uid") {
            push("-u", uid.to_string());
        }
        if let Some(seuser) = args.str("seuser") {
            push("-Z", seuser);
        }
        if let Some(group) = args.str("group") {
            require_group(&group)?;
            push("-g", group);
        }
        let groups = wanted_groups(self.ctx)?;
        if let Some(groups) = groups.filter(|g| !g.is_empty() && !self.local) {
            push("-G", groups.join(","));
        }
        for (name, flag) in [("comment", "-c"), ("home", "-d"), ("shell", "-s")] {
            if let Some(value) = args.str(name) {
                let value = if name == "home" { args.expand(&value).to_string_lossy().into_owned() } else { value };
                push(flag, value);
            }
        }
        if let Some(date) = expiry(self.ctx)?.filter(|_| !self.local) {
            push("-e", date.map_or(String::new(), |days| clock::format_utc(days * 86_400, "%Y-%m-%d")));
        }
        if let Some(days) = args.int("password_expire_account_disable") {
            push("-f", days.to_string());
        }
        for (name, key) in [("uid_min", "UID_MIN"), ("uid_max", "UID_MAX"), ("umask", "UMASK")] {
            if let Some(value) = args.str(name).filter(|_| !self.local) {
                push("-K", format!("{key}={value}"));
            }
        }
        if args.bool("create_home") {
            if let Some(skeleton) = args.str("skeleton") {
                push("-k", skeleton);
            }
            // libuser's makes it unless it is told not to.
            if !self.local {
                c.push("-m".into());
            }
        } else {
            c.push("-M".into());
        }
        if args.bool("non_unique") && args.int("uid").is_some() {
            c.push("-o".into());
        }
        if args.given("group").is_none() && users::group_by_name(self.name).is_some() {
            c.push(if self.local { "-n" } else { "-N" }.into());
        }
        if args.bool("system") {
            c.push("-r".into());
        }
        c.push(self.name.to_string());
        Ok(c)
    }

    /// The usermod for what differs; `None`: nothing does.
    fn plan_modify(&self, user: &User, groups: &[String], old: &Shadow) -> Result<Option<Vec<String>>, Fail> {
        let args = &self.ctx.args;
        let mut c: Vec<String> = Vec::new();
        if let Some(uid) = args.int("uid").filter(|uid| *uid != i64::from(user.uid)) {
            c.extend(["-u".into(), uid.to_string()]);
            if args.bool("non_unique") {
                c.push("-o".into());
            }
        }
        // By number: libuser's program takes no name.
        if let Some(group) = args.str("group") {
            let gid = require_group(&group)?;
            if gid != user.gid {
                c.extend(["-g".into(), gid.to_string()]);
            }
        }
        if let Some(wanted) = wanted_groups(self.ctx)? {
            let append = args.bool("append");
            let missing = wanted.iter().any(|g| !groups.contains(g));
            let extra = groups.iter().any(|g| !wanted.contains(g));
            if !self.local && (missing || (extra && !append)) {
                if append {
                    c.push("-a".into());
                }
                c.extend(["-G".into(), wanted.join(",")]);
            }
        }
        if let Some(comment) = args.str("comment").filter(|v| *v != user.gecos) {
            c.extend(["-c".into(), comment]);
        }
        if let Some(home) = args.path("home").filter(|h| h.to_string_lossy() != user.home) {
            c.extend(["-d".into(), home.to_string_lossy().into_owned()]);
            if args.bool("move_home") {
                c.push("-m".into());
            }
        }
        if let Some(shell) = args.str("shell").filter(|v| *v != user.shell) {
            c.extend(["-s".into(), shell]);
        }
        if let Some(wanted) = expiry(self.ctx)?.filter(|_| !self.local)
            && wanted != old.expire
        {
            c.extend(["-e".into(), wanted.map_or(String::new(), |d| clock::format_utc(d * 86_400, "%Y-%m-%d"))]);
        }
        if let Some(days) = args.int("password_expire_account_disable").filter(|d| old.inactive.unwrap_or(-1) != *d) {
            c.extend(["-f".into(), days.to_string()]);
        }
        match args.opt_bool("password_lock") {
            Some(true) if !old.password.starts_with('!') => c.push("-L".into()),
            Some(false) if old.password.starts_with('!') && !old.password.trim_matches('!').is_empty() => {
                c.push("-U".into())
            }
            _ => {}
        }
        if let Some(seuser) = args.str("seuser") {
            let logins = std::fs::read_to_string("/etc/selinux/targeted/seusers").unwrap_or_default();
            if !logins.lines().any(|l| l.starts_with(&format!("{}:{seuser}", self.name))) {
                c.extend(["-Z".into(), seuser]);
            }
        }
        if c.is_empty() {
            return Ok(None);
        }
        c.insert(0, self.tool("usermod"));
        c.push(self.name.to_string());
        Ok(Some(c))
    }

    fn password_differs(&self, old: &Shadow) -> bool {
        let args = &self.ctx.args;
        let always = args.text("update_password") != "on_create";
        args.str("password")
            .is_some_and(|new| always && new != old.password.trim_start_matches('!') && new != old.password)
    }

    /// Gives the hash to chpasswd.
    fn set_password(&self) -> Result<(), Fail> {
        let Some(hash) = self.ctx.args.str("password").filter(|_| !self.ctx.check) else { return Ok(()) };
        if hash.contains([':', '\n']) {
            crate::fail!("a password hash holds no colon and no line end");
        }
        let ran = self.ctx.cmd("chpasswd").arg("-e").english().stdin(format!("{}:{hash}\n", self.name)).run()?;
        if ran.ok() { Ok(()) } else { Err(ran.fail(ran.complaint())) }
    }

    /// Groups and the last day of a local account, which libuser has other programs for.
    fn settle_local(&self, groups: &[String], old: &Shadow) -> Result<bool, Fail> {
        let args = &self.ctx.args;
        let mut commands: Vec<Vec<String>> = Vec::new();
        let mut plan = |words: &[&str]| commands.push(words.iter().map(|w| (*w).to_owned()).collect());
        if let Some(wanted) = expiry(self.ctx)?.filter(|_| self.local)
            && wanted != old.expire.filter(|days| *days >= 0)
        {
            plan(&["lchage", "-E", &wanted.unwrap_or(-1).to_string(), self.name]);
        }
        if self.local && args.given("groups").is_some() {
            let wanted = wanted_groups(self.ctx)?.unwrap_or_default();
            for group in wanted.iter().filter(|g| !groups.contains(g)) {
                plan(&["lgroupmod", "-M", self.name, group]);
            }
            for group in groups.iter().filter(|g| !wanted.contains(g) && !args.bool("append")) {
                plan(&["lgroupmod", "-m", self.name, group]);
            }
        }
        for command in commands.iter().filter(|_| !self.ctx.check) {
            self.execute(command)?;
        }
        Ok(!commands.is_empty())
    }

    /// `chage` for minimum, maximum and warning days.
    fn set_ageing(&self, old: &Shadow) -> Result<bool, Fail> {
        let args = &self.ctx.args;
        let mut c = vec!["chage".to_string()];
        for (name, flag, now) in [
            ("password_expire_min", "-m", old.min),
            ("password_expire_max", "-M", old.max),
            ("password_expire_warn", "-W", old.warn),
        ] {
            if let Some(days) = args.int(name).filter(|d| now != Some(*d)) {
                c.extend([flag.into(), days.to_string()]);
            }
        }
        if c.len() == 1 {
            return Ok(false);
        }
        c.push(self.name.to_string());
        if !self.ctx.check {
            self.execute(&c)?;
        }
        Ok(true)
    }
}

fn require_group(name: &str) -> Result<u32, Fail> {
    let found = users::group_by_name(name).or_else(|| users::group_by_id(name.parse().ok()?));
    found.map(|g| g.gid).ok_or_else(|| Fail::new(format!("Group {name} does not exist")))
}

/// `groups`, checked, as names; `None` if not given.
fn wanted_groups(ctx: &Ctx) -> Result<Option<Vec<String>>, Fail> {
    let Some(list) = ctx.args.opt_strs("groups") else {
        if ctx.args.bool("append") {
            ctx.warn("'append' is set, but no 'groups' are specified. Use 'groups' for appending new groups.");
        }
        return Ok(None);
    };
    let mut out = Vec::new();
    for name in list.iter().map(|g| g.trim()).filter(|g| !g.is_empty()) {
        let found = users::group_by_name(name).or_else(|| users::group_by_id(name.parse().ok()?));
        match found {
            Some(group) => out.push(group.name),
            // A play's earlier task would have made it.
            None if ctx.check => out.push(name.to_string()),
            None => crate::fail!("Group {name} does not exist"),
        }
    }
    Ok(Some(out))
}

/// `expires` in days since 1970; `Some(None)`: never.
fn expiry(ctx: &Ctx) -> Result<Option<Option<i64>>, Fail> {
    let Some(at) = ctx.args.float("expires") else {
        return match ctx.args.given("expires") {
            Some(value) => {
                Err(Fail::new(format!("Invalid value for 'expires' {value}: seconds since 1970 are needed")))
            }
            None => Ok(None),
        };
    };
    Ok(Some((at >= 0.0).then_some((at / 86_400.0) as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn job_plan(args: Value, user: Option<&User>, groups: &[String], old: &Shadow) -> Option<String> {
        let ctx = Ctx::test("user", args);
        let job = Job { ctx: &ctx, name: "u", local: false };
        match user {
            None => Some(job.plan_add().unwrap().join(" ")),
            Some(user) => job.plan_modify(user, groups, old).unwrap().map(|c| c.join(" ")),
        }
    }

    #[test]
    fn local_accounts_take_no_limits() {
        for (option, value) in [("umask", json!("022")), ("uid_min", json!(1000)), ("uid_max", json!(2000))] {
            let ctx = Ctx::test("user", json!({"name": "u", "local": true, option: value}));
            assert_eq!(run(&ctx).unwrap_err().msg, format!("'{option}' can not be used with 'local'"));
        }
    }

    #[test]
    fn plans() {
        let user = User {
            name: "u".into(),
            uid: 5,
            gid: 0,
            gecos: "c".into(),
            home: "/home/u".into(),
            shell: "/bin/sh".into(),
        };
        let add = |args: Value| job_plan(args, None, &[], &Shadow::default()).unwrap();
        assert_eq!(add(json!({"name": "u"})), "useradd -m u");
        assert_eq!(
            add(
                json!({"name": "u", "uid": 7, "group": "root", "groups": "root", "shell": "/bin/bash", "create_home": false, "system": true, "expires": 86400})
            ),
            "useradd -u 7 -g root -G root -s /bin/bash -e 1970-01-02 -M -r u"
        );
        let groups = ["root".to_string()];
        for (args, old, want) in [
            (json!({"name": "u", "uid": 5, "shell": "/bin/sh", "comment": "c", "home": "/home/u"}), "x", None),
            (json!({"name": "u", "shell": "/bin/bash"}), "x", Some("usermod -s /bin/bash u")),
            (json!({"name": "u", "groups": "root"}), "x", None),
            (json!({"name": "u", "groups": "root,daemon", "append": true}), "x", Some("usermod -a -G root,daemon u")),
            (json!({"name": "u", "groups": "daemon"}), "x", Some("usermod -G daemon u")),
            (json!({"name": "u", "groups": []}), "x", Some("usermod -G  u")),
            (json!({"name": "u", "home": "/srv/u", "move_home": true}), "x", Some("usermod -d /srv/u -m u")),
            (json!({"name": "u", "password_lock": true}), "$6$x", Some("usermod -L u")),
            (json!({"name": "u", "password_lock": true}), "!$6$x", None),
            (json!({"name": "u", "password_lock": false}), "!$6$x", Some("usermod -U u")),
            (json!({"name": "u", "expires": -1}), "x", None),
        ] {
            let old = Shadow { password: old.into(), ..Shadow::default() };
            assert_eq!(job_plan(args.clone(), Some(&user), &groups, &old).as_deref(), want, "{args}");
        }
        let ctx = Ctx::test("user", json!({"name": "u", "groups": "no-such-group-here"}));
        assert!(Job { ctx: &ctx, name: "u", local: false }.plan_add().is_err());
    }

    #[test]
    fn shadow_lines_and_passwords() {
        let old = parse_shadow("root:*:1:0:99999:7:::\nu:$6$a:19000:1:90:7:14:20000:\n", "u").unwrap();
        assert_eq!((old.max, old.inactive, old.expire), (Some(90), Some(14), Some(20000)));
        let differs = |args: Value| {
            let ctx = Ctx::test("user", args);
            Job { ctx: &ctx, name: "u", local: false }.password_differs(&old)
        };
        assert!(!differs(json!({"name": "u", "password": "$6$a"})));
        assert!(differs(json!({"name": "u", "password": "$6$b"})));
        assert!(!differs(json!({"name": "u", "password": "$6$b", "update_password": "on_create"})));
    }

    #[test]
    fn what_is_there_already_is_left() {
        let out = run(&Ctx::test("user", json!({"name": "root", "uid": 0, "group": "root"}))).unwrap();
        assert_eq!((&out["changed"], &out["uid"], &out["home"]), (&json!(false), &json!(0), &json!("/root")));
        let mut ctx = Ctx::test("user", json!({"name": "no-such-user-here", "state": "absent"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], false);
    }
}
