//! `wait_for`: waits for a port, a file, a text in either, connections to end, or just for a time.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::hash::hex;
use crate::sys::pyregex::{Flags, PyRegex};
use serde_json::json;
use std::io::Read;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (port, path) = (args.int("port"), args.path("path"));
    let state = args.text("state");
    if port.is_some() && path.is_some() {
        crate::fail!("port and path parameter can not both be passed to wait_for");
    }
    if path.is_some() && matches!(state.as_str(), "stopped" | "drained") {
        crate::fail!("state={state} should only be used for checking a port in the wait_for module");
    }
    if args.given("exclude_hosts").is_some() && state != "drained" {
        crate::fail!("exclude_hosts should only be with state=drained");
    }
    let states: Vec<String> = args.strs("active_connection_states");
    if let Some(bad) = states.iter().find(|s| state_code(s).is_none()) {
        crate::fail!("unknown active_connection_state ({bad}) defined");
    }
    if ctx.check {
        return Ok(crate::out! {"changed": false, "elapsed": 0, "skipped": false});
    }
    let regex = match args.str("search_regex") {
        Some(text) => Some(PyRegex::new(&text, Flags { multiline: true, ..Flags::default() }).map_err(Fail::new)?),
        None => None,
    };
    let started = Instant::now();
    let timeout = Duration::from_secs(args.int("timeout").unwrap_or(300).max(0) as u64);
    let pause = args.int("sleep").unwrap_or(1).max(1) as f64;
    let mut goal = Goal {
        host: args.str("host").unwrap_or_else(|| "127.0.0.1".into()),
        port: port.map(|p| p as u16),
        path,
        regex,
        pattern: args.text("search_regex"),
        connect: Duration::from_secs(args.int("connect_timeout").unwrap_or(5).max(1) as u64),
        until: started + timeout,
        states,
        exclude: args.strs("exclude_hosts"),
    };
    let elapsed = |started: Instant| started.elapsed().as_secs();
    ctx.sleep((args.int("delay").unwrap_or(0) as f64).min(1e9));
    let mut found = json!([]);
    let mut groups = json!({});
    let idle = goal.port.is_none() && goal.path.is_none() && state != "drained";
    if idle {
        // Just a time, which begins after the delay.
        goal.until = Instant::now() + timeout;
    }
    loop {
        if ctx.control.ended() {
            crate::fail!("the call was ended");
        }
        let over = Instant::now() >= goal.until;
        if idle {
            if over {
                break;
            }
        } else if match state.as_str() {
            "absent" | "stopped" => goal.gone(),
            "drained" => goal.connections()? == 0,
            _ => match goal.there() {
                Some((list, named)) => {
                    (found, groups) = (list, named);
                    true
                }
                None => false,
            },
        } {
            break;
        } else if over {
            let why = args.str("msg").unwrap_or_else(|| goal.complaint(&state));
            return Err(Fail::new(why).with("elapsed", elapsed(started)));
        }
        let left = goal.until.saturating_duration_since(Instant::now()).as_secs_f64();
        ctx.sleep(pause.min(left.max(0.01)));
    }
    Ok(crate::out! {
        "changed": false, "state": state, "port": port, "path": goal.path.as_ref().map(|p| p.to_string_lossy()),
        "search_regex": args.str("search_regex"), "match_groups": found, "match_groupdict": groups, "elapsed": elapsed(started),
    })
}

struct Goal {
    host: String,
    port: Option<u16>,
    path: Option<std::path::PathBuf>,
    regex: Option<PyRegex>,
    /// As it was written.
    pattern: String,
    connect: Duration,
    until: Instant,
    states: Vec<String>,
    exclude: Vec<String>,
}

impl Goal {
    fn dial(&self) -> Option<TcpStream> {
        let addresses = (self.host.as_str(), self.port?).to_socket_addrs().ok()?;
        let left = self.until.saturating_duration_since(Instant::now());
        let limit = self.connect.min(left).max(Duration::from_millis(100));
        addresses.into_iter().find_map(|address| TcpStream::connect_timeout(&address, limit).ok())
    }

    fn gone(&self) -> bool {
        match &self.path {
            Some(path) => match (&self.regex, std::fs::read(path)) {
                (Some(regex), Ok(bytes)) => !regex.is_match(&String::from_utf8_lossy(&bytes)),
                (Some(_), Err(_)) => true,
                (None, _) => path.symlink_metadata().is_err() || !path.exists(),
            },
            None => self.dial().is_none(),
        }
    }

    /// What the regular expression captured, once the thing is there.
    fn there(&self) -> Option<(serde_json::Value, serde_json::Value)> {
        let Some(regex) = &self.regex else {
            let there = match &self.path {
                Some(path) => path.exists(),
                None => self.dial().is_some(),
            };
            return there.then(|| (json!([]), json!({})));
        };
        let text = match &self.path {
            Some(path) => String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned(),
            None => self.listen(regex)?,
        };
        let found = regex.captures(&text)?;
        let group = |i: usize| found.get(i).map(|m| m.as_str().to_string());
        let list: Vec<_> = (1..found.len()).map(group).collect();
        let names = regex.names();
        let named: serde_json::Map<String, serde_json::Value> =
            names.iter().enumerate().filter_map(|(i, n)| Some((n.clone()?, json!(group(i))))).collect();
        Some((json!(list), json!(named)))
    }

    /// What the port says until it matches, closes, or time is up.
    fn listen(&self, regex: &PyRegex) -> Option<String> {
        let mut stream = self.dial()?;
        let mut data = Vec::new();
        let mut buffer = [0u8; 1024];
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            stream.set_read_timeout(Some(left.min(Duration::from_secs(1)))).ok()?;
            match stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => data.extend_from_slice(&buffer[..n]),
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
                Err(_) => return None,
            }
            let text = String::from_utf8_lossy(&data).into_owned();
            if regex.is_match(&text) {
                return Some(text);
            }
        }
    }

    /// Connections of others to the port.
    fn connections(&self) -> Result<usize, Fail> {
        let port = self.port.ok_or_else(|| Fail::new("state=drained needs a port"))?;
        let resolve = |host: &str| -> Vec<IpAddr> {
            (host, port).to_socket_addrs().map(|a| a.map(|a| a.ip()).collect()).unwrap_or_default()
        };
        let own = resolve(&self.host);
        let excluded: Vec<IpAddr> = self.exclude.iter().flat_map(|h| resolve(h)).collect();
        let wanted: Vec<&str> = self.states.iter().filter_map(|s| state_code(s)).collect();
        let mut count = 0;
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = std::fs::read_to_string(table).unwrap_or_default();
            count += count_connections(&text, port, &own, &excluded, &wanted);
        }
        Ok(count)
    }

    fn complaint(&self, state: &str) -> String {
        let place = match (&self.path, self.port) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(port)) => format!("{}:{port}", self.host),
            (None, None) => String::new(),
        };
        match (state, &self.regex, &self.path) {
            ("absent" | "stopped", _, Some(_)) => format!("Timeout when waiting for {place} to be absent."),
            ("absent" | "stopped", _, None) => format!("Timeout when waiting for {place} to stop."),
            ("drained", ..) => format!("Timeout when waiting for {place} to drain"),
            (_, Some(_), _) => format!("Timeout when waiting for search string {} in {place}", self.pattern),
            (_, None, Some(_)) => format!("Timeout when waiting for file {place}"),
            _ => format!("Timeout when waiting for {place}"),
        }
    }
}

fn state_code(name: &str) -> Option<&'static str> {
    Some(match name {
        "ESTABLISHED" => "01",
        "SYN_SENT" => "02",
        "SYN_RECV" => "03",
        "FIN_WAIT1" => "04",
        "FIN_WAIT2" => "05",
        "TIME_WAIT" => "06",
        _ => return None,
    })
}

fn count_connections(table: &str, port: u16, own: &[IpAddr], excluded: &[IpAddr], states: &[&str]) -> usize {
    let encode = |ip: &IpAddr| -> String {
        match ip {
            IpAddr::V4(v4) => hex(&v4.octets().into_iter().rev().collect::<Vec<_>>()).to_uppercase(),
            IpAddr::V6(v6) => {
                hex(&v6.octets().chunks(4).flat_map(|c| c.iter().rev().copied()).collect::<Vec<_>>()).to_uppercase()
            }
        }
    };
    let own: Vec<String> = own.iter().map(encode).collect();
    let excluded: Vec<String> = excluded.iter().map(encode).collect();
    let any = own.iter().any(|ip| ip.chars().all(|c| c == '0'));
    table
        .lines()
        .skip(1)
        .filter(|line| {
            let f: Vec<&str> = line.split_whitespace().collect();
            let (Some((local, local_port)), Some((remote, _)), Some(state)) =
                (f.get(1).and_then(|l| l.split_once(':')), f.get(2).and_then(|r| r.split_once(':')), f.get(3))
            else {
                return false;
            };
            u16::from_str_radix(local_port, 16) == Ok(port)
                && states.contains(state)
                && (any || own.iter().any(|o| o == local || local == format!("0000000000000000FFFF0000{o}")))
                && !excluded.iter().any(|e| e == remote)
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::io::Write;

    #[test]
    fn files_ports_and_texts() {
        let dir = Scratch::new();
        let call = |args: serde_json::Value| run(&Ctx::test("wait_for", args));
        let file = dir.file("f", "a\nkey=value\n");
        let out = call(json!({"path": file, "search_regex": "^key=(?P<v>\\w+)"})).unwrap();
        assert_eq!((&out["match_groups"], &out["match_groupdict"]), (&json!(["value"]), &json!({"v": "value"})));
        let fail = call(json!({"path": dir.path("no"), "timeout": 0})).unwrap_err();
        assert_eq!(fail.msg, format!("Timeout when waiting for file {}", dir.path("no")));
        call(json!({"path": dir.path("no"), "state": "absent"})).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").unwrap();
            stream
        });
        call(json!({"port": port, "search_regex": "SSH-2", "timeout": 5})).unwrap();
        drop(server.join().unwrap());
        call(json!({"port": port, "state": "stopped", "timeout": 5})).unwrap();
        assert_eq!(call(json!({"port": port, "timeout": 0, "msg": "mine"})).unwrap_err().msg, "mine");
        assert!(call(json!({"port": 1, "path": "/"})).is_err());
        call(json!({"timeout": 0})).unwrap();
    }

    #[test]
    fn connections_in_the_kernels_table() {
        let table = "head\n 0: 0100007F:0050 0200007F:C000 01 x\n 1: 0100007F:0050 0300007F:C001 06 x\n 2: 00000000:0050 00000000:0000 0A x\n";
        let own = ["127.0.0.1".parse().unwrap()];
        assert_eq!(count_connections(table, 80, &own, &[], &["01", "06"]), 2);
        assert_eq!(count_connections(table, 80, &own, &["127.0.0.2".parse().unwrap()], &["01", "06"]), 1);
        assert_eq!(count_connections(table, 81, &own, &[], &["01"]), 0);
    }
}
