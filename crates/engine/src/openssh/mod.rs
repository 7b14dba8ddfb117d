//! From a host's connection variables, OpenSSH's arguments and configuration files to an [`SshSpec`]. Pure but for reading
//! the files; speaks no SSH.

mod args;
mod config;
mod identities;
mod options;

pub(crate) use args::split;

use crate::connect::{Auth, HostKeys, Route, SshSpec, Tunnel, UnknownKey};
use config::Asked;
use imgbuild_playbook::target::Connection;
use options::Options;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an SSH client takes from around it. Filled in at the program's entry.
#[derive(Debug, Clone)]
pub struct LocalUser {
    /// Home directory.
    pub home: PathBuf,
    /// Name.
    pub name: String,
    /// `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
    /// `SHELL`, which runs the commands of `Match exec`.
    pub shell: PathBuf,
}

/// Hosts to go through before the one that is meant.
const MOST_JUMPS: usize = 8;

/// The spec for a host of an inventory. The error is for people.
pub fn resolve(connection: &Connection, user: &LocalUser) -> Result<SshSpec, String> {
    let args = args::parse(&connection.ssh_args)?;
    let wanted = Wanted {
        host: &connection.host,
        port: connection.port,
        user: connection.user.as_deref(),
        options: args.options,
        config: args.config.as_deref(),
    };
    let mut spec = spec_of(wanted, connection, user, 0)?;
    if let Some(key) = &connection.private_key_file {
        identities::first(&mut spec.auth, key);
    }
    if let Some(password) = &connection.password {
        spec.auth.push(Auth::Password(password.clone()));
    }
    Ok(spec)
}

struct Wanted<'a> {
    host: &'a str,
    port: Option<u16>,
    user: Option<&'a str>,
    options: Options,
    config: Option<&'a Path>,
}

fn spec_of(wanted: Wanted<'_>, connection: &Connection, local: &LocalUser, jumps: usize) -> Result<SshSpec, String> {
    let Wanted { host, port, user, mut options, config } = wanted;
    let asked = Asked {
        host,
        user,
        local_user: &local.name,
        home: &local.home,
        port,
        shell: &local.shell,
        last: Cell::new(false),
        wants_last: Cell::new(false),
    };
    let own = [local.home.join(".ssh/config"), PathBuf::from("/etc/ssh/ssh_config")];
    let files = match config {
        // -F none reads no file at all.
        Some(file) if file == Path::new("none") => Vec::new(),
        Some(file) => vec![expand(file, &local.home)],
        None => own.to_vec(),
    };
    for last in [false, true] {
        if last && !asked.wants_last.get() {
            break;
        }
        asked.last.set(last);
        for file in &files {
            config::read_file(file, &asked, &mut options, 0)?;
        }
    }
    let hostname = match options.get("hostname") {
        Some(name) => tokens(name, &[('h', host)])?,
        None => host.to_owned(),
    };
    let port = match (port, options.get("port")) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().map_err(|_| format!("the port {text:?} of {host} is no port"))?,
        (None, None) => 22,
    };
    let username = user.or(options.get("user")).unwrap_or(&local.name).to_owned();
    let home = local.home.display().to_string();
    let number = port.to_string();
    let names =
        [('h', hostname.as_str()), ('p', &number), ('r', &username), ('u', &local.name), ('d', &home), ('n', host)];
    let path = |text: &str| Ok::<_, String>(expand(Path::new(&tokens(text, &names)?), &local.home));

    let mut spec =
        SshSpec::new(hostname.as_str(), port, username.as_str(), host_keys(&options, connection, &path, &local.home)?);
    spec.auth = identities::auth(&options, local, &path)?;
    let timeout = match options.get("connecttimeout").map(str::parse) {
        Some(Ok(seconds)) => seconds,
        _ => connection.timeout.max(1),
    };
    spec.attempt_timeout = Duration::from_secs(timeout);
    spec.timeout = None;
    spec.handshake_attempts = None;
    spec.retry = false;
    spec.compression = options.on("compression", false);
    spec.keep_alive_interval = match options.get("serveraliveinterval").and_then(|text| text.parse().ok()) {
        Some(0) => None,
        Some(seconds) => {
            let count = options.get("serveralivecountmax").and_then(|text| text.parse().ok());
            spec.keep_alive_count = Some(count.unwrap_or(3));
            Some(Duration::from_secs(seconds))
        }
        // A host that is gone must not hold up a run for as long as TCP takes to notice.
        None => Some(Duration::from_secs(15)),
    };
    spec.agent_forwarding = options.on("forwardagent", false) && local.agent_socket.is_some();
    let list = |name: &str| -> Vec<String> {
        // `+x`, `-x` and `^x` change OpenSSH's own list; ours is wide enough without.
        let text = options.get(name).filter(|text| !text.starts_with(['+', '-', '^']));
        text.map(|text| text.split(',').map(|item| item.trim().to_owned()).collect()).unwrap_or_default()
    };
    spec.ciphers = list("ciphers");
    spec.kex_algorithms = list("kexalgorithms");
    spec.host_key_algorithms = options.get("hostkeyalgorithms").map(str::to_owned);
    spec.local_tunnels = tunnels(options.all("localforward"))?;
    spec.remote_tunnels = tunnels(options.all("remoteforward"))?;
    spec.route = route(&options, &names, connection, local, config, jumps)?;
    Ok(spec)
}

fn host_keys(
    options: &Options,
    connection: &Connection,
    path: &dyn Fn(&str) -> Result<PathBuf, String>,
    home: &Path,
) -> Result<HostKeys, String> {
    let setting = options.get("stricthostkeychecking").map(str::to_ascii_lowercase);
    let unknown = match setting.as_deref() {
        // The flag that Ansible gives to ssh; an argument of the user's own comes before it there, too.
        None if !connection.host_key_checking => UnknownKey::AddAndAllowChanged,
        None | Some("yes" | "ask" | "true") => UnknownKey::Refuse,
        Some("accept-new") => UnknownKey::Add,
        Some("no" | "off" | "false") => UnknownKey::AddAndAllowChanged,
        Some(other) => return Err(format!("StrictHostKeyChecking can't be {other:?}")),
    };
    let mut files = Vec::new();
    match options.get("userknownhostsfile") {
        Some("none") => {}
        Some(list) => {
            for file in list.split_ascii_whitespace() {
                files.push(path(file)?);
            }
        }
        None => files.extend(["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name))),
    }
    match options.get("globalknownhostsfile") {
        Some("none") => {}
        Some(list) => {
            for file in list.split_ascii_whitespace() {
                files.push(path(file)?);
            }
        }
        None => files.extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from)),
    }
    Ok(HostKeys::Known { files, unknown, alias: options.get("hostkeyalias").map(str::to_owned) })
}

fn route(
    options: &Options,
    names: &[(char, &str)],
    connection: &Connection,
    local: &LocalUser,
    config: Option<&Path>,
    jumps: usize,
) -> Result<Route, String> {
    if let Some(command) = options.get("proxycommand").filter(|command| !command.eq_ignore_ascii_case("none")) {
        return Ok(Route::Command(tokens(command, names)?));
    }
    let Some(list) = options.get("proxyjump").filter(|list| !list.eq_ignore_ascii_case("none")) else {
        return Ok(Route::Direct);
    };
    if jumps >= MOST_JUMPS {
        return Err(format!("ProxyJump goes in a circle, or through more than {MOST_JUMPS} hosts"));
    }
    // The last of the list is the one next to the host; it is reached through those before it.
    let (before, last) = match list.rsplit_once(',') {
        Some((before, last)) => (Some(before), last),
        None => (None, list),
    };
    let (user, host, port) = destination(last.trim())?;
    let mut own = Options::default();
    if let Some(before) = before {
        own.set("proxyjump", before);
    }
    let wanted = Wanted { host: &host, port, user: user.as_deref(), options: own, config };
    Ok(Route::Bastion(Box::new(spec_of(wanted, connection, local, jumps + 1)?)))
}

/// `[user@]host[:port]` or `ssh://[user@]host[:port]`.
fn destination(text: &str) -> Result<(Option<String>, String, Option<u16>), String> {
    let bare = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = match bare.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, bare),
    };
    let wrong = || format!("{text:?} is no [user@]host[:port]");
    let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        (host, after.strip_prefix(':'))
    } else {
        match rest.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        }
    };
    if host.is_empty() {
        return Err(wrong());
    }
    let port = port.map(|port| port.parse().map_err(|_| wrong())).transpose()?;
    Ok((user, host.to_owned(), port))
}

/// `[bind:]port host:port`, or with a colon instead of the blank.
fn tunnels(list: &[String]) -> Result<Vec<Tunnel>, String> {
    let parse = |text: &String| {
        let joined = text.split_ascii_whitespace().collect::<Vec<_>>().join(":");
        let parts: Vec<&str> = joined.split(':').collect();
        let port = |text: &str| text.parse::<u16>().ok();
        let found = match parts.as_slice() {
            [listen, host, to] => port(listen).zip(port(to)).map(|ports| ("localhost", *host, ports)),
            [bind, listen, host, to] => port(listen).zip(port(to)).map(|ports| (*bind, *host, ports)),
            _ => None,
        };
        let (bind, host, (listen_port, to)) = found.ok_or_else(|| format!("the forwarding {text:?} can't be read"))?;
        Ok(Tunnel { listen_host: bind.to_owned(), listen_port, host: host.to_owned(), port: to })
    };
    list.iter().map(parse).collect()
}

/// Fills in `%h` and its sisters.
fn tokens(text: &str, names: &[(char, &str)]) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(token) => match names.iter().find(|(name, _)| *name == token) {
                Some((_, value)) => out.push_str(value),
                None => return Err(format!("%{token} in {text:?} is not supported")),
            },
            None => return Err(format!("{text:?} ends in a %")),
        }
    }
    Ok(out)
}

fn expand(path: &Path, home: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(args: &str) -> Connection {
        Connection {
            host: "web1".into(),
            ssh_args: vec![args.into()],
            host_key_checking: true,
            timeout: 10,
            ..Connection::default()
        }
    }

    fn local(config: &str) -> (tempfile::TempDir, LocalUser) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".ssh")).unwrap();
        std::fs::write(dir.path().join(".ssh/config"), config).unwrap();
        let user =
            LocalUser { home: dir.path().to_owned(), name: "me".into(), agent_socket: None, shell: "/bin/sh".into() };
        (dir, user)
    }

    #[test]
    fn arguments_before_files_before_defaults() {
        let (_dir, user) = local("Host web1\nHostName %h.internal\nUser deploy\nPort 2222\nIdentityFile ~/.ssh/web\n");
        let spec = resolve(&connection("-o Port=2200 -C"), &user).unwrap();
        assert_eq!(spec.address(), "deploy@web1.internal:2200");
        assert!(spec.compression && !spec.retry);
        assert_eq!(spec.auth, [identities::key_file(user.home.join(".ssh/web"), true)]);
        let given = Connection { user: Some("root".into()), port: Some(22), ..connection("") };
        assert_eq!(resolve(&given, &user).unwrap().address(), "root@web1.internal:22");
    }

    #[test]
    fn host_key_policies() {
        let (_dir, user) = local("");
        let policy = |args: &str, checking: bool| {
            let connection = Connection { host_key_checking: checking, ..connection(args) };
            match resolve(&connection, &user).unwrap().host_keys {
                HostKeys::Known { unknown, files, .. } => (unknown, files),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(policy("", true).0, UnknownKey::Refuse);
        assert_eq!(policy("", false).0, UnknownKey::AddAndAllowChanged);
        assert_eq!(policy("-o StrictHostKeyChecking=accept-new", true).0, UnknownKey::Add);
        let files = policy("-o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=none", true).1;
        assert_eq!(files, [PathBuf::from("/dev/null")]);
    }

    #[test]
    fn jumps_and_commands() {
        let (_dir, user) = local("Host j2\nUser jumper\nPort 2202\n");
        let spec = resolve(&connection("-J a@j1:2201,j2"), &user).unwrap();
        let Route::Bastion(second) = &spec.route else { panic!("{:?}", spec.route) };
        assert_eq!(second.address(), "jumper@j2:2202");
        let Route::Bastion(first) = &second.route else { panic!("{:?}", second.route) };
        assert_eq!(first.address(), "a@j1:2201");
        let spec = resolve(&connection("-o 'ProxyCommand=nc %h %p %%x'"), &user).unwrap();
        assert!(matches!(&spec.route, Route::Command(line) if line == "nc web1 22 %x"), "{:?}", spec.route);
        let (_dir, user) = local("Host *\nProxyJump loop\n");
        assert!(resolve(&connection(""), &user).unwrap_err().contains("circle"));
    }
}
