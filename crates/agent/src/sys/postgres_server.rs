//! For tests: a PostgreSQL server of their own, on a socket in a directory that goes with it.

use crate::ctx::Ctx;
use crate::sys::files::{Scratch, skipped};
use crate::sys::postgres::{Answer, Client, Login};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct Server {
    dir: Scratch,
    child: Child,
}

/// Where its programs are: distributions keep them off the path.
fn programs() -> Option<PathBuf> {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    versions.chain(["/usr/bin".into(), "/usr/local/bin".into()]).find(|d| d.join("initdb").exists())
}

/// A program as somebody that PostgreSQL is willing to run for.
fn command(program: PathBuf) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

impl Server {
    /// Starts one. `None`: it was said why there is none.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("no PostgreSQL here");
            return None;
        };
        if rustix::process::geteuid().is_root() {
            let Some(user) = crate::sys::users::user_by_name("postgres") else {
                skipped("no user postgres here, and PostgreSQL does not run as root");
                return None;
            };
            let dir = Scratch::new();
            std::os::unix::fs::chown(&dir.0, Some(user.uid), Some(user.gid)).unwrap();
            return Some(Self::run(dir, &programs));
        }
        Some(Self::run(Scratch::new(), &programs))
    }

    fn run(dir: Scratch, programs: &std::path::Path) -> Self {
        let data = dir.path("data");
        let made = command(programs.join("initdb"))
            .args(["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .current_dir(&dir.0)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = command(programs.join("postgres"))
            .args(["-D", &data, "-k", &dir.path(""), "-c", "listen_addresses=", "-c", "fsync=off"])
            .current_dir(&dir.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { dir, child };
        for _ in 0..600 {
            if server.client("postgres").is_ok() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL does not come up");
    }

    fn client(&self, database: &str) -> Result<Client, crate::sys::postgres::Trouble> {
        let (host, user) = (self.dir.path(""), "postgres".to_string());
        Client::connect(&Login { host, port: 5432, user, database: database.into(), ..Login::default() })
    }

    /// Runs statements in a database.
    pub fn sql(&self, database: &str, sql: &str) -> Answer {
        self.client(database).and_then(|mut c| c.query(sql)).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// The first value of a query's answer.
    pub fn one(&self, database: &str, sql: &str) -> Value {
        self.sql(database, sql).rows.first().and_then(|r| r.first()).cloned().unwrap_or_default()
    }

    /// A call of a module for this server.
    pub fn ctx(&self, module: &str, args: Value, check: bool) -> Ctx {
        let mut all = json!({"login_unix_socket": self.dir.path("")});
        all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        let mut ctx = Ctx::test(module, all);
        ctx.check = check;
        ctx
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.child.wait();
    }
}
