//! MySQL's and MariaDB's client protocol: handshake, passwords, text queries. Source: the protocol's description in MySQL's and
//! MariaDB's documentation. Over a socket of the host or TCP; TLS is not spoken.

use crate::outcome::{Fail, OrFail};
use serde_json::{Number, Value};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Where and as whom.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// A socket of the host; if there is none, `host` and `port` count.
    pub socket: Option<String>,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password; empty: none.
    pub password: String,
    /// Database to begin with.
    pub database: Option<String>,
    /// How long connecting may take.
    pub timeout: Duration,
}

/// An error of the server: number and message, as PyMySQL shows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Number.
    pub code: u16,
    /// Message.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A Python tuple, as scripts look for it.
        let quote = if self.message.contains('\'') { '"' } else { '\'' };
        write!(f, "({}, {quote}{}{quote})", self.code, self.message)
    }
}

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Self {
        Fail::new(refusal.to_string())
    }
}

/// Why a query has no result.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The server says no.
    Refused(Refusal),
    /// The connection is gone or says what can't be read.
    Lost(String),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble::Lost(error.to_string())
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Refused(refusal) => refusal.fmt(f),
            Trouble::Lost(why) => write!(f, "(2013, 'Lost connection to MySQL server during query ({why})')"),
        }
    }
}

impl From<Trouble> for Fail {
    fn from(trouble: Trouble) -> Self {
        Fail::new(trouble.to_string())
    }
}

/// What a statement came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Names of the columns; empty: no rows are meant.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Value>>,
    /// Rows that were changed, or that there are.
    pub count: u64,
    /// Warnings.
    pub warnings: u16,
}

impl Answer {
    /// The first value of the first row as text; empty if it is null or missing.
    pub fn text(&self) -> String {
        self.rows.first().and_then(|r| r.first()).map(crate::args::text).unwrap_or_default()
    }
}

trait Wire: Read + Write + Send {}
impl Wire for UnixStream {}
impl Wire for TcpStream {}

/// A connection.
pub struct Client {
    wire: Box<dyn Wire>,
    sequence: u8,
    local: bool,
    /// What the server calls itself.
    pub version: String,
}

const LONG_PASSWORD: u32 = 1;
const LONG_FLAG: u32 = 4;
const CONNECT_WITH_DB: u32 = 8;
const PROTOCOL_41: u32 = 0x200;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const MULTI_RESULTS: u32 = 0x20000;
const PLUGIN_AUTH: u32 = 0x80000;
/// utf8mb4.
const CHARSET: u8 = 45;
/// A server's packet is at most this long.
const MAX_PACKET: usize = 0xff_ffff;
/// No answer of a provisioning query is longer.
const MAX_ANSWER: usize = 256 << 20;

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// The proof of a password for a plugin; `None`: the plugin is not known.
fn proof(plugin: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let password = password.as_bytes();
    match plugin {
        _ if password.is_empty() => Some(Vec::new()),
        "mysql_native_password" => {
            let once = Sha1::digest(password);
            let twice = Sha1::digest(once);
            Some(xor(&once, &Sha1::new().chain_update(nonce).chain_update(twice).finalize()))
        }
        "caching_sha2_password" => {
            let once = Sha256::digest(password);
            let twice = Sha256::digest(once);
            Some(xor(&once, &Sha256::new().chain_update(twice).chain_update(nonce).finalize()))
        }
        "mysql_clear_password" => None,
        // The server sees who connects.
        "auth_socket" | "unix_socket" => Some(Vec::new()),
        _ => None,
    }
}

/// Reads the parts of a packet.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Trouble> {
        let (taken, rest) =
            self.0.split_at_checked(n).ok_or_else(|| Trouble::Lost("a packet ends too early".into()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, Trouble> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn until_nul(&mut self) -> Vec<u8> {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let out = self.0[..end].to_vec();
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        out
    }

    /// A number of one to nine bytes; `None` is NULL.
    fn length(&mut self) -> Result<Option<u64>, Trouble> {
        Ok(Some(match self.number(1)? {
            251 => return Ok(None),
            252 => self.number(2)?,
            253 => self.number(3)?,
            254 => self.number(8)?,
            n => n,
        }))
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Trouble> {
        match self.length()? {
            None => Ok(None),
            Some(n) => self.take(usize::try_from(n).unwrap_or(usize::MAX)).map(Some),
        }
    }

    fn string(&mut self) -> Result<String, Trouble> {
        Ok(String::from_utf8_lossy(self.bytes()?.unwrap_or_default()).into_owned())
    }
}

/// A value of the text protocol by its column's type.
fn value(kind: u8, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match kind {
        // Whole numbers and years.
        1 | 2 | 3 | 8 | 9 | 13 => match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(n), _) => n.into(),
            (_, Ok(n)) => n.into(),
            _ => text.into(),
        },
        4 | 5 => text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::String(text), Value::Number),
        _ => text.into(),
    }
}

impl Client {
    /// Connects and logs in.
    pub fn connect(login: &Login) -> Result<Self, Fail> {
        let (wire, local, place): (Box<dyn Wire>, bool, String) = match &login.socket {
            Some(path) => {
                let wire = UnixStream::connect(path).map_err(|e| unreachable("localhost", &e))?;
                (Box::new(wire), true, path.clone())
            }
            None => {
                let address = (login.host.as_str(), login.port);
                let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
                let mut wire = None;
                for address in address.to_socket_addrs().map_err(|e| unreachable(&login.host, &e))? {
                    match TcpStream::connect_timeout(&address, login.timeout) {
                        Ok(stream) => {
                            wire = Some(stream);
                            break;
                        }
                        Err(e) => last = e,
                    }
                }
                let wire = wire.ok_or_else(|| unreachable(&login.host, &last))?;
                wire.set_nodelay(true).or_fail("the connection")?;
                (Box::new(wire), false, login.host.clone())
            }
        };
        let mut client = Client { wire, sequence: 0, local, version: String::new() };
        client.handshake(login).map_err(|trouble| match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Lost(why) => Fail::new(format!("(2013, 'Lost connection to MySQL server at {place} ({why})')")),
        })?;
        Ok(client)
    }

    fn read(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        loop {
            let mut head = [0; 4];
            self.wire.read_exact(&mut head)?;
            let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            self.sequence = head[3].wrapping_add(1);
            let start = whole.len();
            if start + length > MAX_ANSWER {
                return Err(Trouble::Lost("the answer is larger than 256 MiB".into()));
            }
            whole.resize(start + length, 0);
            self.wire.read_exact(&mut whole[start..])?;
            if length < MAX_PACKET {
                return Ok(whole);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let mut rest = bytes;
        loop {
            let (now, later) = rest.split_at(rest.len().min(MAX_PACKET));
            let mut packet = (now.len() as u32).to_le_bytes()[..3].to_vec();
            packet.push(self.sequence);
            packet.extend_from_slice(now);
            self.sequence = self.sequence.wrapping_add(1);
            self.wire.write_all(&packet)?;
            rest = later;
            if now.len() < MAX_PACKET {
                self.wire.flush()?;
                return Ok(());
            }
        }
    }

    fn handshake(&mut self, login: &Login) -> Result<(), Trouble> {
        let hello = self.read()?;
        if hello.first() == Some(&0xff) {
            return Err(refusal(&hello, false));
        }
        let mut parts = Parts(&hello);
        if parts.number(1)? != 10 {
            return Err(Trouble::Lost("the server speaks another protocol".into()));
        }
        self.version = String::from_utf8_lossy(&parts.until_nul()).into_owned();
        parts.take(4)?;
        let mut nonce = parts.take(8)?.to_vec();
        parts.take(1)?;
        let mut theirs = parts.number(2)? as u32;
        parts.take(3)?;
        theirs |= (parts.number(2)? as u32) << 16;
        let length = parts.number(1)? as usize;
        parts.take(10)?;
        let rest = parts.take(length.saturating_sub(8).max(13))?;
        nonce.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        let plugin = match theirs & PLUGIN_AUTH {
            0 => "mysql_native_password".to_string(),
            _ => String::from_utf8_lossy(&parts.until_nul()).into_owned(),
        };
        // A plugin that we don't know is answered with the oldest; the server then names the one that it wants.
        let plugin = if proof(&plugin, "x", &nonce).is_some() { plugin } else { "mysql_native_password".into() };
        let wanted = LONG_PASSWORD
            | LONG_FLAG
            | PROTOCOL_41
            | TRANSACTIONS
            | SECURE_CONNECTION
            | MULTI_RESULTS
            | PLUGIN_AUTH
            | if login.database.is_some() { CONNECT_WITH_DB } else { 0 };
        let ours = wanted & theirs | PROTOCOL_41 | SECURE_CONNECTION;
        let answer = proof(&plugin, &login.password, &nonce).unwrap_or_default();
        let mut packet = ours.to_le_bytes().to_vec();
        packet.extend((1u32 << 24).to_le_bytes());
        packet.push(CHARSET);
        packet.extend([0; 23]);
        packet.extend(login.user.bytes().chain([0]));
        packet.push(answer.len() as u8);
        packet.extend(answer);
        if let Some(database) = login.database.as_ref().filter(|_| ours & CONNECT_WITH_DB != 0) {
            packet.extend(database.bytes().chain([0]));
        }
        if ours & PLUGIN_AUTH != 0 {
            packet.extend(plugin.bytes().chain([0]));
        }
        self.write(&packet)?;
        self.authenticate(login, plugin)
    }

    /// What the server says until it lets us in.
    fn authenticate(&mut self, login: &Login, mut plugin: String) -> Result<(), Trouble> {
        loop {
            let packet = self.read()?;
            match packet.first() {
                Some(0) => return Ok(()),
                Some(0xff) => return Err(refusal(&packet, true)),
                Some(0xfe) => {
                    let mut parts = Parts(&packet[1..]);
                    plugin = String::from_utf8_lossy(&parts.until_nul()).into_owned();
                    let nonce = parts.0.strip_suffix(&[0]).unwrap_or(parts.0).to_vec();
                    let Some(answer) = proof(&plugin, &login.password, &nonce) else {
                        return Err(Trouble::Lost(format!(
                            "the server wants the authentication plugin {plugin}, which imgbuild does not have"
                        )));
                    };
                    self.write(&answer)?;
                }
                // caching_sha2_password: 3 is yes, 4 asks for the password itself.
                Some(1) if packet.get(1) == Some(&3) => {}
                Some(1) if packet.get(1) == Some(&4) && plugin == "caching_sha2_password" && self.local => {
                    let plain: Vec<u8> = login.password.bytes().chain([0]).collect();
                    self.write(&plain)?;
                }
                Some(1) if packet.get(1) == Some(&4) => {
                    return Err(Trouble::Lost(
                        "the server wants the password in clear for the first log-in of this user, which goes over its socket only: set login_unix_socket".into(),
                    ));
                }
                _ => return Err(Trouble::Lost("an answer to the log-in that can't be read".into())),
            }
        }
    }

    /// Runs one statement.
    pub fn query(&mut self, sql: &str) -> Result<Answer, Trouble> {
        self.sequence = 0;
        let mut packet = vec![3];
        packet.extend_from_slice(sql.as_bytes());
        self.write(&packet)?;
        let mut first = None;
        loop {
            let (answer, more) = self.result()?;
            first.get_or_insert(answer);
            if !more {
                return Ok(first.unwrap_or_default());
            }
        }
    }

    /// One result, and whether another follows.
    fn result(&mut self) -> Result<(Answer, bool), Trouble> {
        const MORE: u64 = 8;
        let packet = self.read()?;
        let mut parts = Parts(&packet);
        match packet.first() {
            Some(0xff) => return Err(refusal(&packet, true)),
            Some(0) => {
                parts.take(1)?;
                let count = parts.length()?.unwrap_or_default();
                parts.length()?;
                let status = parts.number(2)?;
                let warnings = parts.number(2)? as u16;
                return Ok((Answer { count, warnings, ..Answer::default() }, status & MORE != 0));
            }
            Some(0xfb) => {
                // An empty packet says that there is no such file.
                self.write(&[])?;
                self.read()?;
                return Err(Trouble::Lost("LOAD DATA LOCAL is not supported".into()));
            }
            _ => {}
        }
        let width = parts.length()?.unwrap_or_default();
        let (mut columns, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..width {
            let packet = self.read()?;
            let mut parts = Parts(&packet);
            for _ in 0..4 {
                parts.bytes()?;
            }
            columns.push(parts.string()?);
            parts.bytes()?;
            parts.take(1 + 2 + 4)?;
            kinds.push(parts.number(1)? as u8);
        }
        let ended = |packet: &[u8]| packet.first() == Some(&0xfe) && packet.len() < 9;
        if !ended(&self.read()?) {
            return Err(Trouble::Lost("a list of columns without an end".into()));
        }
        let mut rows = Vec::new();
        loop {
            let packet = self.read()?;
            if packet.first() == Some(&0xff) {
                return Err(refusal(&packet, true));
            }
            let mut parts = Parts(&packet);
            if ended(&packet) {
                parts.take(1)?;
                let warnings = parts.number(2)? as u16;
                let more = parts.number(2)? & MORE != 0;
                return Ok((Answer { columns, count: rows.len() as u64, rows, warnings }, more));
            }
            let mut row = Vec::with_capacity(kinds.len());
            for kind in &kinds {
                row.push(parts.bytes()?.map_or(Value::Null, |bytes| value(*kind, bytes)));
            }
            rows.push(row);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A good-bye; who does not hear it will see the connection end.
        self.sequence = 0;
        let _ = self.write(&[1]);
    }
}

fn unreachable(host: &str, error: &std::io::Error) -> Fail {
    let errno = error.raw_os_error().unwrap_or(-2);
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Fail::new(format!("(2003, \"Can't connect to MySQL server on '{host}' ([Errno {errno}] {text})\")"))
}

fn refusal(packet: &[u8], with_state: bool) -> Trouble {
    let code = packet.get(1..3).map_or(0, |c| u16::from_le_bytes([c[0], c[1]]));
    let rest = packet.get(3..).unwrap_or_default();
    let rest = if with_state && rest.first() == Some(&b'#') { rest.get(6..).unwrap_or_default() } else { rest };
    Trouble::Refused(Refusal { code, message: String::from_utf8_lossy(rest).into_owned() })
}

/// A value as a literal, as PyMySQL writes it.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(on) => on.to_string(),
        Value::Number(n) if n.is_f64() => format!("{:e}", n.as_f64().unwrap_or_default()),
        Value::Number(n) => n.to_string(),
        Value::Array(items) => format!("({})", items.iter().map(literal).collect::<Vec<_>>().join(",")),
        Value::Object(_) => quote(&value.to_string()),
        Value::String(text) => quote(text),
    }
}

/// Text as a literal.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x1a' => out.push_str("\\Z"),
            '"' => out.push_str("\\\""),
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A name in backquotes.
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// `%s` and `%(name)s` replaced by literals, `%%` by a percent sign: Python's formatting as PyMySQL uses it.
pub fn format(sql: &str, args: &Value) -> Result<String, String> {
    format_with(sql, args, literal)
}

/// As [`format`], with literals of another kind.
pub fn format_with(sql: &str, args: &Value, literal: fn(&Value) -> String) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = sql;
    let mut at = 0;
    while let Some(sign) = rest.find('%') {
        out.push_str(&rest[..sign]);
        rest = &rest[sign + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let (Some(after), Value::Array(items)) = (rest.strip_prefix('s'), args) {
            out.push_str(&literal(items.get(at).ok_or("not enough arguments for format string")?));
            at += 1;
            rest = after;
        } else if let (Some((key, after)), Value::Object(map)) =
            (rest.strip_prefix('(').and_then(|r| r.split_once(")s")), args)
        {
            out.push_str(&literal(map.get(key).ok_or_else(|| format!("'{key}'"))?));
            rest = after;
        } else {
            return Err(format!("unsupported format character at {:?}", &rest.chars().take(8).collect::<String>()));
        }
    }
    out.push_str(rest);
    match args {
        Value::Array(items) if at < items.len() => Err("not all arguments converted during string formatting".into()),
        _ => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_and_formats() {
        for (sql, args, want) in [
            ("a = %s, b = %s", json!(["o'x\n", null]), Ok("a = 'o\\'x\\n', b = NULL")),
            ("%(x)s LIKE 'a%%'", json!({"x": 7}), Ok("7 LIKE 'a%'")),
            ("IN %s", json!([[1, "b"]]), Ok("IN (1,'b')")),
            ("%s", json!([]), Err("not enough arguments for format string")),
            ("x", json!([1]), Err("not all arguments converted during string formatting")),
            ("%(y)s", json!({}), Err("'y'")),
        ] {
            assert_eq!(format(sql, &args), want.map(String::from).map_err(String::from), "{sql}");
        }
        assert_eq!((name("a`b"), quote("\\")), ("`a``b`".into(), "'\\\\'".into()));
    }

    #[test]
    fn passwords_are_proved() {
        let hex = |b: Vec<u8>| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let nonce: Vec<u8> = (1..=20).collect();
        // SHA1(password) xor SHA1(nonce + SHA1(SHA1(password))), computed with Python's hashlib.
        let native = proof("mysql_native_password", "secret", &nonce).map(hex).unwrap();
        assert_eq!(native, "b32bb3a583e1340c0a1108d58b1be49781ad8c2f");
        let cached = proof("caching_sha2_password", "secret", &nonce).map(hex).unwrap();
        assert_eq!(cached, "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9");
        assert_eq!(proof("unix_socket", "secret", &nonce), Some(Vec::new()));
        assert_eq!(proof("client_ed25519", "secret", &nonce), None);
    }

    #[test]
    fn packets_are_read() {
        let mut parts = Parts(&[0xfc, 0x2c, 0x01, 3, b'a', b'b', b'c', 0xfb]);
        assert_eq!(parts.length().unwrap(), Some(300));
        assert_eq!(parts.string().unwrap(), "abc");
        assert_eq!(parts.bytes().unwrap(), None);
        assert!(parts.take(1).is_err());
        assert_eq!((value(3, b"-5"), value(5, b"1.5"), value(253, b"x")), (json!(-5), json!(1.5), json!("x")));
        let said = refusal(b"\xff\x15\x04#28000Access denied for user 'x'", true).to_string();
        assert_eq!(said, "(1045, \"Access denied for user 'x'\")");
    }
}
