//! The communicator options that every builder has (`communicator`, `ssh_*`, `winrm_*`), and the [`SshSpec`] made of them.

use crate::paths::Paths;
use crate::private_key;
use crate::read::{Diags, text};
use imgbuild_diag::{Secret, did_you_mean};
use imgbuild_engine::connect::{Auth, FileTransfer, HostKeys, Proxy, Route, SshSpec, Tunnel, UnknownKey};
use imgbuild_engine::ssh_algorithms::{CIPHERS, KEY_EXCHANGES};
use imgbuild_template::{Kind, Opt, Reader};
use std::path::PathBuf;
use std::time::Duration;

const WINDOWS: &str = "Windows is not supported";
const INTERNAL: &str = "it is a builder's own; use \"ssh_private_key_file\"";

/// Rows.
pub const COMMUNICATOR: &[Opt] = &[
    Opt::new("communicator", Kind::String, "\"ssh\" or \"none\".").default("ssh"),
    Opt::new(
        "pause_before_connecting",
        Kind::Duration,
        "Wait this long after the first connection, then connect anew.",
    )
    .default("0"),
    Opt::new("ssh_host", Kind::String, "Address to connect to instead of the machine's own."),
    Opt::new("ssh_port", Kind::UInt(65535), "TCP port.").default("22"),
    Opt::new("ssh_username", Kind::String, "User to log in as.").default("required"),
    Opt::new("ssh_password", Kind::String, "Password."),
    Opt::new("ssh_keypair_name", Kind::String, "Key pair that is in the account already."),
    Opt::new("temporary_key_pair_name", Kind::String, "Name of the temporary key pair.").default("packer_<uuid>"),
    Opt::new("temporary_key_pair_type", Kind::String, "\"ed25519\" or \"rsa\".").default("ed25519, unlike Packer"),
    Opt::new("temporary_key_pair_bits", Kind::Int, "Bits of an RSA key.").default("2048"),
    Opt::new("ssh_ciphers", Kind::Strings, "Ciphers to offer."),
    Opt::new(
        "ssh_clear_authorized_keys",
        Kind::Bool,
        "Take the temporary key out of authorized_keys before the image.",
    )
    .default("false"),
    Opt::new("ssh_key_exchange_algorithms", Kind::Strings, "Key exchange algorithms to offer."),
    Opt::new("ssh_private_key_file", Kind::String, "Private key."),
    Opt::new("ssh_certificate_file", Kind::String, "OpenSSH certificate for it."),
    Opt::new("ssh_pty", Kind::Bool, "Give commands a pseudo-terminal.").default("false"),
    Opt::new("ssh_timeout", Kind::Duration, "How long to try to connect.").default("5m"),
    Opt::new("ssh_wait_timeout", Kind::Duration, "The old name of ssh_timeout; it wins."),
    Opt::new("ssh_agent_auth", Kind::Bool, "Log in with the agent's keys.").default("false"),
    Opt::new("ssh_disable_agent_forwarding", Kind::Bool, "Do not forward the agent.").default("false"),
    Opt::new("ssh_handshake_attempts", Kind::UInt(1_000_000), "Failed handshakes before giving up.").default("10"),
    Opt::new("ssh_bastion_host", Kind::String, "Host to go through."),
    Opt::new("ssh_bastion_port", Kind::UInt(65535), "Its port.").default("22"),
    Opt::new("ssh_bastion_agent_auth", Kind::Bool, "Log in there with the agent's keys.").default("false"),
    Opt::new("ssh_bastion_username", Kind::String, "User there."),
    Opt::new("ssh_bastion_password", Kind::String, "Password there."),
    Opt::new("ssh_bastion_interactive", Kind::Bool, "Answer its questions at the terminal.").default("false"),
    Opt::new("ssh_bastion_private_key_file", Kind::String, "Private key there.").default("ssh_private_key_file"),
    Opt::new(
        "ssh_bastion_host_key",
        Kind::String,
        "Its host key, a line as in known_hosts. imgbuild's own: Packer trusts whoever answers.",
    )
    .default("what ~/.ssh/known_hosts has"),
    Opt::new("ssh_bastion_certificate_file", Kind::String, "OpenSSH certificate for it."),
    Opt::new("ssh_file_transfer_method", Kind::String, "\"scp\" or \"sftp\".").default("scp"),
    Opt::new(
        "ssh_proxy_host",
        Kind::String,
        "SOCKS5 proxy to go through; imgbuild's own: `http://HOST` is one that knows CONNECT.",
    ),
    Opt::new("ssh_proxy_port", Kind::UInt(65535), "Its port.").default("1080"),
    Opt::new("ssh_proxy_username", Kind::String, "User there."),
    Opt::new("ssh_proxy_password", Kind::String, "Password there."),
    Opt::new("ssh_keep_alive_interval", Kind::Duration, "Keep-alive messages this often.").default("5s"),
    Opt::new("ssh_read_write_timeout", Kind::Duration, "Break a connection that is silent this long.").default("never"),
    Opt::new("ssh_remote_tunnels", Kind::Strings, "port:host:port, listening on the machine."),
    Opt::new("ssh_local_tunnels", Kind::Strings, "port:host:port, listening here."),
    Opt::new("ssh_public_key", Kind::Any, "Made by Packer itself.").refused(INTERNAL),
    Opt::new("ssh_private_key", Kind::Any, "Made by Packer itself.").refused(INTERNAL),
    Opt::new("winrm_username", Kind::String, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_password", Kind::String, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_host", Kind::String, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_no_proxy", Kind::Bool, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_port", Kind::UInt(65535), "WinRM.").refused(WINDOWS),
    Opt::new("winrm_timeout", Kind::Duration, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_use_ssl", Kind::Bool, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_insecure", Kind::Bool, "WinRM.").refused(WINDOWS),
    Opt::new("winrm_use_ntlm", Kind::Trilean, "WinRM.").refused(WINDOWS),
];

/// Resolved.
#[derive(Debug, Clone)]
pub enum Communicator {
    /// Nothing is connected to.
    None,
    /// SSH.
    Ssh(Box<Ssh>),
}

impl Communicator {
    /// The SSH options, if it is SSH.
    pub fn ssh(&self) -> Option<&Ssh> {
        match self {
            Communicator::Ssh(ssh) => Some(ssh),
            Communicator::None => None,
        }
    }
}

/// SSH, resolved; all but the host and the key that a builder makes is in `spec`.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// Address that the template gives.
    pub host: Option<String>,
    /// The rest. `spec.host` is empty and `spec.auth` lacks a temporary key.
    pub spec: SshSpec,
    /// Wait after the first connection.
    pub pause: Duration,
    /// Where the key comes from.
    pub key: KeySource,
    /// Password, for generated data.
    pub password: Option<Secret>,
    /// Take the temporary key out of `authorized_keys`.
    pub clear_authorized_keys: bool,
}

impl Ssh {
    /// The passwords of a bastion or proxy on the way, for the redactor.
    pub fn route_secrets(&self) -> Vec<&str> {
        match &self.spec.route {
            Route::Bastion(bastion) => bastion
                .auth
                .iter()
                .filter_map(|auth| match auth {
                    Auth::Password(password) => Some(password.expose().as_str()),
                    _ => None,
                })
                .collect(),
            Route::Socks5(proxy) | Route::Http(proxy) => proxy.password.iter().map(|p| p.expose().as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Where the key for logging in comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A temporary pair is made. The name is none unless the template gives one.
    Temporary {
        /// Name.
        name: Option<String>,
        /// Type.
        kind: TemporaryKey,
    },
    /// `ssh_private_key_file`; its pair's name in the account, if given.
    File {
        /// File.
        path: PathBuf,
        /// Name in the account.
        name: Option<String>,
    },
    /// The agent, a password, or nothing; the pair's name in the account, if given.
    Other {
        /// Name in the account.
        name: Option<String>,
    },
}

/// Type of a temporary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporaryKey {
    /// Ed25519.
    Ed25519,
    /// RSA with this many bits.
    Rsa(u32),
}

/// Reads and checks. `temporary_keys`: the builder can put a key pair on the machine.
pub fn read(reader: &Reader, temporary_keys: bool, paths: &Paths, diags: &mut Diags) -> Communicator {
    match text(reader, "communicator").as_deref() {
        None | Some("ssh") => Communicator::Ssh(Box::new(ssh(reader, temporary_keys, paths, diags))),
        Some("none") => Communicator::None,
        Some(known @ ("winrm" | "docker" | "dockerWindowsContainer")) => {
            let message = format!("the communicator {known:?} is not supported; \"ssh\" and \"none\" are");
            diags.error(&reader.place("communicator"), message);
            Communicator::None
        }
        Some(unknown) => {
            let message = format!("communicator type {unknown:?} is invalid; \"ssh\" and \"none\" are known");
            diags.error(&reader.place("communicator"), message);
            Communicator::None
        }
    }
}

fn ssh(reader: &Reader, temporary_keys: bool, paths: &Paths, diags: &mut Diags) -> Ssh {
    let username = text(reader, "ssh_username").unwrap_or_default();
    if username.is_empty() {
        diags.missing(reader, &["ssh_username"], "an \"ssh_username\" must be specified");
    }
    let duration = |name: &str| reader.duration(name).map(|d| d.value).filter(|d| !d.is_zero());
    let port = |name: &str, default: u16| {
        reader.int(name).map(|n| n.value).filter(|n| *n != 0).and_then(|n| u16::try_from(n).ok()).unwrap_or(default)
    };
    let (mut timeout, mut attempts) =
        (duration("ssh_timeout"), reader.int("ssh_handshake_attempts").map(|n| n.value as u32).filter(|n| *n != 0));
    if timeout.is_none() && attempts.is_none() {
        (timeout, attempts) = (Some(Duration::from_secs(300)), Some(10));
    }
    let timeout = duration("ssh_wait_timeout").or(timeout);
    let (key_file, certificate) = key_file(reader, "ssh_private_key_file", "ssh_certificate_file", paths, diags);
    let password = text(reader, "ssh_password").map(Secret::new);
    let agent = reader.is_true("ssh_agent_auth");
    let key = key_source(reader, temporary_keys, key_file.clone(), password.is_some(), agent, diags);
    let mut auth = Vec::new();
    if let Some(path) = &key_file {
        auth.push(Auth::KeyFile {
            path: path.clone(),
            passphrase: None,
            certificate: certificate.clone(),
            optional: false,
        });
    }
    if agent {
        auth.push(Auth::Agent { socket: None });
    }
    if let Some(password) = &password {
        auth.push(Auth::Password(password.clone()));
    }
    let host_keys = HostKeys::Any("not decided yet");
    let bastion = bastion(reader, key_file.as_ref(), certificate.as_ref(), paths, diags);
    let proxy = proxy(reader, port("ssh_proxy_port", 1080), diags);
    if bastion.is_some() && proxy.is_some() {
        let message = "specify either \"ssh_bastion_host\" or \"ssh_proxy_host\", not both";
        diags.error(&reader.place("ssh_proxy_host"), message);
    }
    let route = match (bastion, proxy) {
        (Some(bastion), _) => Route::Bastion(Box::new(bastion)),
        (None, Some(proxy)) => proxy,
        (None, None) => Route::Direct,
    };
    let file_transfer = match text(reader, "ssh_file_transfer_method").as_deref() {
        None | Some("scp") => FileTransfer::Scp,
        Some("sftp") => FileTransfer::Sftp,
        Some(other) => {
            let message = format!("\"ssh_file_transfer_method\" is {other:?}; valid methods are sftp and scp");
            diags.error(&reader.place("ssh_file_transfer_method"), message);
            FileTransfer::Scp
        }
    };
    Ssh {
        host: text(reader, "ssh_host"),
        pause: duration("pause_before_connecting").unwrap_or_default(),
        key,
        password,
        clear_authorized_keys: reader.is_true("ssh_clear_authorized_keys"),
        spec: SshSpec {
            auth,
            timeout,
            handshake_attempts: attempts,
            pty: reader.is_true("ssh_pty"),
            keep_alive_interval: Some(duration("ssh_keep_alive_interval").unwrap_or(Duration::from_secs(5))),
            read_write_timeout: duration("ssh_read_write_timeout"),
            route,
            agent_forwarding: agent && !reader.is_true("ssh_disable_agent_forwarding"),
            file_transfer,
            ciphers: algorithms(reader, "ssh_ciphers", CIPHERS, diags),
            kex_algorithms: algorithms(reader, "ssh_key_exchange_algorithms", KEY_EXCHANGES, diags),
            local_tunnels: tunnels(reader, "ssh_local_tunnels", diags),
            remote_tunnels: tunnels(reader, "ssh_remote_tunnels", diags),
            ..SshSpec::new("", port("ssh_port", 22), username, host_keys)
        },
    }
}

/// The names of a list that are known. Go's SSH library leaves out the others without a word; a list of which nothing is left
/// would connect to nobody.
fn algorithms(reader: &Reader, option: &str, known: &[&str], diags: &mut Diags) -> Vec<String> {
    let Some(list) = reader.strings(option) else { return Vec::new() };
    let (known_ones, unknown): (Vec<_>, Vec<_>) =
        list.value.into_iter().partition(|name| known.contains(&name.value.as_str()));
    for name in unknown {
        let message = format!("{:?} in {option:?} is not an algorithm that imgbuild has", name.value);
        let help = match did_you_mean(&name.value, known.iter().copied()) {
            Some(right) => format!("did you mean {right:?}?"),
            None => format!("there are {}", known.join(", ")),
        };
        if known_ones.is_empty() {
            diags.error_help(&name.span, message, help);
        } else {
            diags.warning(&name.span, message, format!("it is left out; {help}"));
        }
    }
    known_ones.into_iter().map(|name| name.value).collect()
}

fn key_source(
    reader: &Reader,
    temporary_keys: bool,
    file: Option<PathBuf>,
    password: bool,
    agent: bool,
    diags: &mut Diags,
) -> KeySource {
    let name = text(reader, "ssh_keypair_name");
    if name.is_some() && file.is_none() && !agent {
        let message = "where \"ssh_keypair_name\" is set, \"ssh_private_key_file\" or \"ssh_agent_auth\" must be too";
        diags.error(&reader.place("ssh_keypair_name"), message);
    }
    let bits = reader.int("temporary_key_pair_bits").map(|n| n.value).filter(|n| *n != 0);
    let kind = match text(reader, "temporary_key_pair_type").as_deref() {
        None | Some("ed25519") => TemporaryKey::Ed25519,
        Some("rsa") => match bits {
            None => TemporaryKey::Rsa(2048),
            Some(bits @ (2048 | 3072 | 4096)) => TemporaryKey::Rsa(bits as u32),
            Some(bits) => {
                let message = format!("\"temporary_key_pair_bits\" is {bits}; EC2 takes RSA keys of 2048 or 4096 bits");
                diags.error(&reader.place("temporary_key_pair_bits"), message);
                TemporaryKey::Rsa(2048)
            }
        },
        Some(other) => {
            let message = format!("\"temporary_key_pair_type\" must be rsa or ed25519, not {other:?}");
            diags.error(&reader.place("temporary_key_pair_type"), message);
            TemporaryKey::Ed25519
        }
    };
    let temporary = text(reader, "temporary_key_pair_name");
    match file {
        Some(path) => KeySource::File { path, name },
        None if name.is_some() || agent || !temporary_keys || (password && temporary.is_none()) => {
            KeySource::Other { name }
        }
        None => KeySource::Temporary { name: temporary, kind },
    }
}

fn key_file(
    reader: &Reader,
    option: &str,
    certificate: &str,
    paths: &Paths,
    diags: &mut Diags,
) -> (Option<PathBuf>, Option<PathBuf>) {
    let key = text(reader, option).map(|path| paths.resolve(&path));
    let cert = text(reader, certificate).map(|path| paths.resolve(&path));
    if key.is_none() && cert.is_some() {
        let message = format!("{option:?} must be specified if {certificate:?} is");
        diags.error(&reader.place(certificate), message);
    }
    if let Some(path) = &key
        && let Err(why) = private_key::check(path)
    {
        diags.error(&reader.place(option), format!("{option:?} is invalid: {why}"));
    }
    if let Some(path) = &cert
        && key.is_some()
        && let Err(why) = private_key::check_certificate(path)
    {
        diags.error(&reader.place(certificate), format!("{certificate:?} is invalid: {why}"));
    }
    (key, cert)
}

/// `ssh_proxy_host`: the name of a SOCKS5 proxy as in Packer, or a URL of a proxy of either kind.
fn proxy(reader: &Reader, port: u16, diags: &mut Diags) -> Option<Route> {
    let Some(written) = text(reader, "ssh_proxy_host") else {
        for option in ["ssh_proxy_port", "ssh_proxy_username", "ssh_proxy_password"] {
            without(reader, option, "ssh_proxy_host", diags);
        }
        return None;
    };
    let place = reader.place("ssh_proxy_host");
    let (http, rest) = match written.split_once("://") {
        None => (false, written.as_str()),
        Some(("http", rest)) => (true, rest),
        Some(("socks5" | "socks5h", rest)) => (false, rest),
        Some((scheme, _)) => {
            let message = format!("there are no {scheme:?} proxies for SSH");
            diags.error_help(&place, message, "a host's name is a SOCKS5 proxy, http://HOST one that knows CONNECT");
            return None;
        }
    };
    let rest = rest.trim_end_matches('/');
    // The value is not shown: there may be a password in it.
    if rest.contains('@') {
        let message = "\"ssh_proxy_host\" has a user in it";
        diags.error_help(&place, message, "write it into \"ssh_proxy_username\" and \"ssh_proxy_password\"");
        return None;
    }
    let (host, own_port) = match rest.rsplit_once(':') {
        // An IPv6 address has more than one colon, unless it stands in brackets.
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => match digits.parse::<u16>() {
            Ok(own) => (host, Some(own)),
            Err(_) => {
                diags.error(&place, format!("\"ssh_proxy_host\": {digits:?} is no port"));
                return None;
            }
        },
        _ => (rest, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        diags.error(&place, "\"ssh_proxy_host\" names no host");
        return None;
    }
    let proxy = Proxy {
        host: host.to_owned(),
        port: own_port.unwrap_or(port),
        username: text(reader, "ssh_proxy_username"),
        password: text(reader, "ssh_proxy_password").map(Secret::new),
    };
    Some(if http { Route::Http(proxy) } else { Route::Socks5(proxy) })
}

/// An option that says nothing where another one is missing; Packer takes no notice of it, either.
fn without(reader: &Reader, option: &str, other: &str, diags: &mut Diags) {
    if reader.has(option) {
        let message = format!("{option:?} has no effect without {other:?}");
        diags.warning(&reader.place(option), message, format!("set {other:?}, or take it out"));
    }
}

/// Options that belong to a bastion.
const BASTION: [&str; 6] = [
    "ssh_bastion_port",
    "ssh_bastion_username",
    "ssh_bastion_password",
    "ssh_bastion_private_key_file",
    "ssh_bastion_agent_auth",
    "ssh_bastion_host_key",
];

fn bastion(
    reader: &Reader,
    key: Option<&PathBuf>,
    certificate: Option<&PathBuf>,
    paths: &Paths,
    diags: &mut Diags,
) -> Option<SshSpec> {
    let Some(host) = text(reader, "ssh_bastion_host") else {
        if reader.text("ssh_bastion_certificate_file").is_some()
            && reader.text("ssh_bastion_private_key_file").is_none()
        {
            let message = "\"ssh_bastion_private_key_file\" must be specified if \"ssh_bastion_certificate_file\" is";
            diags.error(&reader.place("ssh_bastion_certificate_file"), message);
        }
        for option in BASTION {
            without(reader, option, "ssh_bastion_host", diags);
        }
        return None;
    };
    let (mut own_key, mut own_certificate) =
        key_file(reader, "ssh_bastion_private_key_file", "ssh_bastion_certificate_file", paths, diags);
    if own_key.is_none() {
        (own_key, own_certificate) = (key.cloned(), certificate.cloned());
    }
    let password = text(reader, "ssh_bastion_password").map(Secret::new);
    let agent = reader.is_true("ssh_bastion_agent_auth");
    if own_key.is_none() && password.is_none() && !agent {
        let message = "\"ssh_bastion_password\", \"ssh_bastion_private_key_file\" or \"ssh_bastion_agent_auth\" must be \
                       specified";
        diags.error(&reader.place("ssh_bastion_host"), message);
    }
    let mut auth = Vec::new();
    if let Some(path) = own_key {
        auth.push(Auth::KeyFile { path, passphrase: None, certificate: own_certificate, optional: false });
    }
    if agent {
        auth.push(Auth::Agent { socket: None });
    }
    if let Some(password) = password {
        auth.push(Auth::Password(password));
    }
    let port = reader.int("ssh_bastion_port").map(|n| n.value).filter(|n| *n != 0);
    if reader.is_true("ssh_bastion_interactive") {
        auth.push(Auth::Ask);
    }
    let port = port.and_then(|n| u16::try_from(n).ok()).unwrap_or(22);
    let username = text(reader, "ssh_bastion_username").unwrap_or_default();
    let host_keys = match text(reader, "ssh_bastion_host_key") {
        Some(key) => {
            if let Err(why) = private_key::check_public(&key) {
                diags.error_help(
                    &reader.place("ssh_bastion_host_key"),
                    format!("\"ssh_bastion_host_key\" is no public key: {why}"),
                    "copy the line that ssh-keyscan prints, or that stands in /etc/ssh/ssh_host_ed25519_key.pub",
                );
            }
            HostKeys::Expected(vec![key])
        }
        None => {
            let files = vec![paths.resolve("~/.ssh/known_hosts")];
            HostKeys::Known { files, unknown: UnknownKey::Refuse, alias: None }
        }
    };
    Some(SshSpec { auth, ..SshSpec::new(host, port, username, host_keys) })
}

/// `port:host:port`, as Packer parses it.
fn tunnels(reader: &Reader, option: &str, diags: &mut Diags) -> Vec<Tunnel> {
    let list = reader.strings(option).map(|list| list.value).unwrap_or_default();
    let mut tunnels = Vec::new();
    for text in &list {
        match Tunnel::parse(text) {
            Some(tunnel) => tunnels.push(tunnel),
            None => {
                let message = format!("{:?} in {option:?} is invalid: it must be port:host:port", text.value);
                diags.error(&text.span, message);
            }
        }
    }
    tunnels
}
