//! For tests: a MariaDB server of their own, on a socket in a directory that goes with it.

use crate::ctx::Ctx;
use crate::sys::files::{Scratch, skipped};
use crate::sys::mysql::{Answer, Client, Login};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server.
pub struct Server {
    dir: Scratch,
    child: Child,
}

impl Server {
    /// Starts one. `None`: it was said why there is none.
    pub fn start() -> Option<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        let program = |name: &str| crate::sys::run::which_in(name, &path);
        let (Some(install), Some(daemon)) = (program("mariadb-install-db"), program("mariadbd")) else {
            skipped("no MariaDB here");
            return None;
        };
        let user = crate::sys::users::user_by_id(rustix::process::geteuid().as_raw()).unwrap().name;
        let dir = Scratch::new();
        let (data, socket) = (dir.path("data"), dir.path("socket"));
        let (datadir, user) = (format!("--datadir={data}"), format!("--user={user}"));
        let made = Command::new(install)
            .args(["--no-defaults", &datadir, &user, "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = Command::new(daemon)
            .args(["--no-defaults", &datadir, &user, "--skip-networking", &format!("--socket={socket}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { dir, child };
        for _ in 0..600 {
            if server.client().is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("MariaDB does not come up");
    }

    fn client(&self) -> Result<Client, crate::outcome::Fail> {
        Client::connect(&Login {
            socket: Some(self.dir.path("socket")),
            host: "localhost".into(),
            port: 3306,
            user: "root".into(),
            password: String::new(),
            database: None,
            timeout: Duration::from_secs(30),
        })
    }

    /// Runs a statement.
    pub fn sql(&self, sql: &str) -> Answer {
        self.client().unwrap().query(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// A call of a module for this server.
    pub fn ctx(&self, module: &str, args: Value, check: bool) -> Ctx {
        let mut all = json!({"login_unix_socket": self.dir.path("socket"), "login_user": "root", "config_file": ""});
        all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        let mut ctx = Ctx::test(module, all);
        ctx.check = check;
        ctx
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is kept: it need not be asked to end well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
