//! PostgreSQL's wire protocol 3: start, passwords (clear, MD5, SCRAM-SHA-256), simple queries. Source: the protocol's chapter in
//! PostgreSQL's documentation, RFC 5802 and RFC 7677. Over a socket of the host or TCP; TLS is not spoken.

use crate::outcome::Fail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where and as whom.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// A directory with sockets, or a host's name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Password; empty: none.
    pub password: String,
    /// Database.
    pub database: String,
    /// How long connecting may take.
    pub timeout: Option<Duration>,
    /// Further parameters of the session (`client_encoding`, `application_name`, `options`).
    pub parameters: Vec<(String, String)>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trouble {
    /// SQLSTATE; empty: the connection's trouble.
    pub state: String,
    /// What the server says, with its details.
    pub message: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Trouble> for Fail {
    fn from(trouble: Trouble) -> Self {
        Fail::new(trouble.message)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble { state: String::new(), message: format!("the connection to PostgreSQL is lost: {error}") }
    }
}

/// What a statement came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Names of columns.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Value>>,
    /// `INSERT 0 1`.
    pub tag: String,
}

impl Answer {
    /// The value of a row's column.
    pub fn at(&self, row: usize, column: &str) -> Option<&Value> {
        let at = self.columns.iter().position(|c| c == column)?;
        self.rows.get(row)?.get(at)
    }

    /// The rows as objects.
    pub fn objects(&self) -> Vec<Map<String, Value>> {
        let one = |row: &Vec<Value>| self.columns.iter().cloned().zip(row.iter().cloned()).collect();
        self.rows.iter().map(one).collect()
    }

    /// How many rows the tag tells of.
    pub fn count(&self) -> u64 {
        self.tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default()
    }
}

trait Wire: Read + Write + Send {}
impl Wire for UnixStream {}
impl Wire for TcpStream {}

/// A connection.
pub struct Client {
    wire: Box<dyn Wire>,
    /// `server_version` as numbers: `[15, 14]`.
    pub version: Vec<u64>,
}

/// No answer of a provisioning query is longer.
const MAX_MESSAGE: usize = 256 << 20;

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new_with_prefix(block.map(|b| b ^ 0x36));
    parts.iter().for_each(|p| inner.update(p));
    Sha256::new_with_prefix(block.map(|b| b ^ 0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// PBKDF2 with one block of HMAC-SHA-256.
fn stretched(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &[0, 0, 0, 1]]);
    let mut out = last;
    for _ in 1..rounds {
        last = hmac(password, &[&last]);
        out.iter_mut().zip(last).for_each(|(o, l)| *o ^= l);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A password as `pg_authid` has it under MD5.
pub fn md5_password(password: &str, user: &str) -> String {
    format!("md5{}", hex(&Md5::digest(format!("{password}{user}"))))
}

/// Whether a password is the one that a SCRAM verifier of `pg_authid` was made of. `None`: it is no such verifier. Only ASCII
/// passwords can be compared: others are normalized first (RFC 4013).
pub fn scram_matches(password: &str, verifier: &str) -> Option<bool> {
    let rest = verifier.strip_prefix("SCRAM-SHA-256$")?;
    let (start, keys) = rest.split_once('$')?;
    let (rounds, salt) = start.split_once(':')?;
    let (_, server) = keys.split_once(':')?;
    let salted = stretched(password.as_bytes(), &BASE64.decode(salt).ok()?, rounds.parse().ok()?);
    Some(password.is_ascii() && BASE64.decode(server).ok()? == hmac(&salted, &[b"Server Key"]))
}

/// A value of a column by its type.
fn value(oid: u32, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match oid {
        16 => (text == "t").into(),
        20 | 21 | 23 | 26 => text.parse::<i64>().map_or(Value::String(text), Value::from),
        700 | 701 | 1700 => {
            text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::String(text), Value::Number)
        }
        // Moments as Python writes them.
        1114 => text.replacen(' ', "T", 1).into(),
        1184 => {
            let text = text.replacen(' ', "T", 1);
            let short = text.len() > 3 && text[text.len() - 3..].starts_with(['+', '-']);
            if short { format!("{text}:00").into() } else { text.into() }
        }
        114 | 3802 => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        // Lists of text, of names, of whole numbers, of booleans.
        1009 | 1003 | 1015 | 1002 => array(&text, 25),
        1005 | 1007 | 1016 | 1028 => array(&text, 20),
        1000 => array(&text, 16),
        _ => text.into(),
    }
}

/// `{a,"b c",NULL}`, one level deep; deeper ones stay text.
fn array(text: &str, oid: u32) -> Value {
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else { return text.into() };
    let (mut out, mut word, mut quoted, mut inside) = (Vec::new(), String::new(), false, false);
    let mut chars = inner.chars().chain([',']);
    if inner.is_empty() {
        return Value::Array(out);
    }
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                inside = !inside;
                quoted = true;
            }
            '\\' => word.extend(chars.next()),
            ',' if !inside => {
                out.push(match (word.as_str(), quoted) {
                    ("NULL", false) => Value::Null,
                    (plain, _) => value(oid, plain.as_bytes()),
                });
                word.clear();
                quoted = false;
            }
            '{' if !inside => return text.into(),
            c => word.push(c),
        }
    }
    Value::Array(out)
}

fn fields(body: &[u8]) -> Trouble {
    let mut trouble = Trouble::default();
    let mut more = String::new();
    for field in body.split(|b| *b == 0).filter(|f| !f.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => trouble.state = text,
            b'M' => trouble.message = text,
            b'D' => more.push_str(&format!("\nDETAIL:  {text}")),
            b'H' => more.push_str(&format!("\nHINT:  {text}")),
            _ => {}
        }
    }
    trouble.message.push_str(&more);
    trouble
}

impl Client {
    /// Connects and logs in.
    pub fn connect(login: &Login) -> Result<Self, Trouble> {
        let said = |place: &str, e: std::io::Error| {
            let text = e.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_string();
            Trouble { state: String::new(), message: format!("connection to server {place} failed: {text}") }
        };
        let socket = Path::new(&login.host).join(format!(".s.PGSQL.{}", login.port));
        let place = match login.host.starts_with('/') {
            true => format!("on socket \"{}\"", socket.display()),
            false => format!("at \"{}\", port {}", login.host, login.port),
        };
        let wire: Box<dyn Wire> = if login.host.starts_with('/') {
            Box::new(UnixStream::connect(&socket).map_err(|e| said(&place, e))?)
        } else {
            let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
            let mut wire = None;
            for address in (login.host.as_str(), login.port).to_socket_addrs().map_err(|e| said(&place, e))? {
                let made = match login.timeout {
                    Some(limit) => TcpStream::connect_timeout(&address, limit),
                    None => TcpStream::connect(address),
                };
                match made {
                    Ok(stream) => {
                        wire = Some(stream);
                        break;
                    }
                    Err(e) => last = e,
                }
            }
            let wire = wire.ok_or_else(|| said(&place, last))?;
            wire.set_nodelay(true)?;
            Box::new(wire)
        };
        let mut client = Client { wire, version: Vec::new() };
        let mut start = 196_608u32.to_be_bytes().to_vec();
        let mut put = |name: &str, value: &str| start.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        put("user", &login.user);
        put("database", &login.database);
        put("client_encoding", "UTF8");
        login.parameters.iter().for_each(|(name, value)| put(name, value));
        start.push(0);
        client.wire.write_all(&[&(start.len() as u32 + 4).to_be_bytes()[..], &start].concat())?;
        client.wire.flush()?;
        client.log_in(login).map_err(|why| Trouble {
            message: format!("connection to server {place} failed: FATAL:  {}", why.message),
            ..why
        })?;
        Ok(client)
    }

    fn read(&mut self) -> Result<(u8, Vec<u8>), Trouble> {
        let mut head = [0; 5];
        self.wire.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=MAX_MESSAGE).contains(&length) {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into());
        }
        let mut body = vec![0; length - 4];
        self.wire.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    fn write(&mut self, kind: u8, body: &[u8]) -> Result<(), Trouble> {
        let mut out = vec![kind];
        out.extend((body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
        self.wire.write_all(&out)?;
        Ok(self.wire.flush()?)
    }

    fn log_in(&mut self, login: &Login) -> Result<(), Trouble> {
        let plain = |message: String| Trouble { state: String::new(), message };
        let mut scram: Option<(String, String)> = None;
        let mut proof_of_server = None;
        loop {
            let (kind, body) = self.read()?;
            match kind {
                b'E' => return Err(fields(&body)),
                b'Z' => return Ok(()),
                b'S' => {
                    let mut parts = body.split(|b| *b == 0);
                    if parts.next() == Some(b"server_version") {
                        let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                        let number = text.split(' ').next().unwrap_or_default().to_string();
                        self.version = crate::sys::version::numbers(&number);
                    }
                }
                b'R' => {
                    let code = body.get(..4).map_or(0, |c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]));
                    let rest = body.get(4..).unwrap_or_default();
                    if matches!(code, 3 | 5 | 10) && login.password.is_empty() {
                        return Err(plain("fe_sendauth: no password supplied".into()));
                    }
                    match code {
                        0 => {}
                        3 => self.write(b'p', &[login.password.as_bytes(), &[0]].concat())?,
                        5 => {
                            let once = md5_password(&login.password, &login.user);
                            let twice = Md5::new().chain_update(&once[3..]).chain_update(rest).finalize();
                            self.write(b'p', format!("md5{}\0", hex(&twice)).as_bytes())?;
                        }
                        10 => {
                            if !rest.split(|b| *b == 0).any(|m| m == b"SCRAM-SHA-256") {
                                return Err(plain(
                                    "the server offers no way to prove a password that imgbuild has".into(),
                                ));
                            }
                            let nonce = BASE64.encode(crate::sys::random::bytes::<18>());
                            let first = format!("n=,r={nonce}");
                            let message = format!("n,,{first}");
                            let mut out = b"SCRAM-SHA-256\0".to_vec();
                            out.extend((message.len() as u32).to_be_bytes());
                            out.extend(message.bytes());
                            self.write(b'p', &out)?;
                            scram = Some((nonce, first));
                        }
                        11 => {
                            let Some((nonce, first)) = scram.take() else {
                                return Err(plain("the server proves a password in no order".into()));
                            };
                            let server = String::from_utf8_lossy(rest).into_owned();
                            let part =
                                |name: &str| server.split(',').find_map(|p| p.strip_prefix(name)).unwrap_or_default();
                            let (salt, rounds) =
                                (BASE64.decode(part("s=")).unwrap_or_default(), part("i=").parse().unwrap_or(0));
                            if !part("r=").starts_with(&nonce) || rounds == 0 || rounds > 10_000_000 {
                                return Err(plain("the server's part of the log-in can't be read".into()));
                            }
                            let salted = stretched(login.password.as_bytes(), &salt, rounds);
                            let client_key = hmac(&salted, &[b"Client Key"]);
                            let last = format!("c=biws,r={}", part("r="));
                            let auth = format!("{first},{server},{last}");
                            let signature = hmac(&Sha256::digest(client_key), &[auth.as_bytes()]);
                            let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
                            proof_of_server = Some(hmac(&hmac(&salted, &[b"Server Key"]), &[auth.as_bytes()]));
                            self.write(b'p', format!("{last},p={}", BASE64.encode(proof)).as_bytes())?;
                        }
                        12 => {
                            let server = String::from_utf8_lossy(rest).into_owned();
                            let given =
                                server.strip_prefix("v=").and_then(|v| BASE64.decode(v).ok()).unwrap_or_default();
                            if proof_of_server.as_ref().is_none_or(|p| p.as_slice() != given) {
                                return Err(plain("the server does not know the password that it asked for".into()));
                            }
                        }
                        other => {
                            return Err(plain(format!(
                                "the server wants a way to log in that imgbuild does not have (number {other})"
                            )));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Runs statements; the answer to the last of them.
    pub fn query(&mut self, sql: &str) -> Result<Answer, Trouble> {
        self.write(b'Q', &[sql.as_bytes(), &[0]].concat())?;
        let mut answer = Answer::default();
        let mut kinds: Vec<u32> = Vec::new();
        let mut trouble = None;
        loop {
            let (kind, body) = self.read()?;
            match kind {
                b'T' => {
                    answer = Answer::default();
                    kinds.clear();
                    let mut rest = body.get(2..).unwrap_or_default();
                    while let Some(end) = rest.iter().position(|b| *b == 0) {
                        answer.columns.push(String::from_utf8_lossy(&rest[..end]).into_owned());
                        let about = rest.get(end + 1..end + 19).unwrap_or_default();
                        kinds.push(about.get(6..10).map_or(0, |o| u32::from_be_bytes([o[0], o[1], o[2], o[3]])));
                        rest = rest.get(end + 19..).unwrap_or_default();
                    }
                }
                b'D' => {
                    let mut rest = body.get(2..).unwrap_or_default();
                    let mut row = Vec::with_capacity(kinds.len());
                    for oid in &kinds {
                        let length = rest.get(..4).map_or(-1, |l| i32::from_be_bytes([l[0], l[1], l[2], l[3]]));
                        rest = rest.get(4..).unwrap_or_default();
                        let Ok(length) = usize::try_from(length) else {
                            row.push(Value::Null);
                            continue;
                        };
                        row.push(value(*oid, rest.get(..length).unwrap_or_default()));
                        rest = rest.get(length..).unwrap_or_default();
                    }
                    answer.rows.push(row);
                }
                b'C' => {
                    let tag = String::from_utf8_lossy(&body).trim_end_matches('\0').to_string();
                    if kinds.is_empty() {
                        answer = Answer::default();
                    }
                    answer.tag = tag;
                    kinds.clear();
                }
                b'E' => trouble = Some(fields(&body)),
                // What COPY FROM STDIN waits for never comes.
                b'G' => self.write(b'f', b"COPY is not supported here\0")?,
                b'Z' => return trouble.map_or(Ok(answer), Err),
                _ => {}
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.write(b'X', &[]);
    }
}

/// Text as a literal.
pub fn quote(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!(" E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// A name.
pub fn name(text: &str) -> String {
    let plain = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).filter(|t| !t.is_empty());
    format!("\"{}\"", plain.map_or_else(|| text.replace('"', "\"\""), |p| p.replace("\"\"", "\"").replace('"', "\"\"")))
}

/// A value as a literal, lists as arrays.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(on) => on.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => quote(text),
        Value::Array(items) => {
            let item = |v: &Value| match v {
                Value::String(s) => format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"")),
                Value::Null => "NULL".into(),
                other => other.to_string(),
            };
            quote(&format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(", ")))
        }
        Value::Object(_) => quote(&value.to_string()),
    }
}

/// `%s` and `%(name)s` replaced by literals, as psycopg2 does.
pub fn format(sql: &str, args: &Value) -> Result<String, String> {
    crate::sys::mysql::format_with(sql, args, literal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_and_proofs() {
        // RFC 4231, test 2; RFC 7677's example.
        assert_eq!(
            hex(&hmac(b"Jefe", &[b"what do ya want for ", b"nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let salted = stretched(b"pencil", &BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096);
        let server = BASE64.encode(hmac(&salted, &[b"Server Key"]));
        let verifier = format!("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$x:{server}");
        assert_eq!((scram_matches("pencil", &verifier), scram_matches("pen", &verifier)), (Some(true), Some(false)));
        assert_eq!(scram_matches("pencil", "md5x"), None);
        assert_eq!(md5_password("foo", "bar"), "md53858f62230ac3c915f300c664312c63f");
    }

    #[test]
    fn values_and_literals() {
        for (oid, text, want) in [
            (16, "t", json!(true)),
            (23, "-4", json!(-4)),
            (1700, "1.50", json!(1.5)),
            (114, "{\"a\": 1}", json!({"a": 1})),
            (1009, "{a,\"b \\\"c\",NULL}", json!(["a", "b \"c", null])),
            (1007, "{1,2}", json!([1, 2])),
            (25, "x", json!("x")),
            (1184, "2020-01-02 03:04:05+00", json!("2020-01-02T03:04:05+00:00")),
            (1184, "2020-01-02 03:04:05+05:30", json!("2020-01-02T03:04:05+05:30")),
        ] {
            assert_eq!(value(oid, text.as_bytes()), want, "{text}");
        }
        assert_eq!(
            (quote("o'x"), quote("a\\b"), name("a\"b"), name("\"a.b\"")),
            ("'o''x'".into(), " E'a\\\\b'".into(), "\"a\"\"b\"".into(), "\"a.b\"".into())
        );
        assert_eq!(format("a = %(x)s", &json!({"x": ["a", 1]})).unwrap(), "a = '{\"a\", 1}'");
        let trouble = fields(b"SERROR\0C42P01\0Mno table\0Dwhy\0\0");
        assert_eq!((trouble.state.as_str(), trouble.message.as_str()), ("42P01", "no table\nDETAIL:  why"));
    }
}
