//! `password`: a password that is made once and kept in a file.

use super::{Answer, Ask, failed};
use imgbuild_jinja::{LookupError, Map, Value, VarSource};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct Wanted {
    path: PathBuf,
    length: usize,
    chars: Vec<char>,
    encrypt: Option<String>,
    ident: Option<String>,
    seed: Option<String>,
}

pub fn run(ask: &Ask<'_>) -> Answer {
    ask.terms.iter().map(|term| one(ask, &crate::text::of(term))).collect()
}

fn one(ask: &Ask<'_>, term: &str) -> Result<Value, LookupError> {
    let wanted = parse(ask, term)?;
    let keep = wanted.path != Path::new("/dev/null");
    let known = if keep && wanted.path.exists() {
        let text = fs_err::read_to_string(&wanted.path).map_err(|e| failed(e.to_string()))?;
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    } else {
        None
    };
    let (mut password, mut salt, mut ident) = match &known {
        Some(line) => split_line(line),
        None => (make(&wanted)?, None, None),
    };
    if password.is_empty() {
        password = make(&wanted)?;
    }
    let mut changed = known.is_none();
    if wanted.encrypt.is_some() {
        if salt.is_none() {
            salt = Some(random(8, &LETTERS.chars().chain("0123456789./".chars()).collect::<Vec<_>>(), None)?);
            changed = true;
        }
        if ident.is_none() && wanted.ident.is_some() {
            ident.clone_from(&wanted.ident);
            changed = true;
        }
    }
    if keep && changed {
        let mut line = password.clone();
        if let Some(salt) = &salt {
            line = format!("{line} salt={salt}");
        }
        if let Some(ident) = &ident {
            line = format!("{line} ident={ident}");
        }
        write(&wanted.path, &line)?;
    }
    match (&wanted.encrypt, salt) {
        (Some(method), Some(salt)) => encrypt(ask, &password, method, &salt, ident.as_deref()),
        _ => Ok(Value::str(password)),
    }
}

/// `path length=20 chars=ascii_letters,digits encrypt=sha512_crypt seed=x`.
fn parse(ask: &Ask<'_>, term: &str) -> Result<Wanted, LookupError> {
    let (pairs, raw) = crate::play::split::key_values(term, false).map_err(failed)?;
    const KNOWN: [&str; 6] = ["length", "encrypt", "chars", "ident", "seed", "_raw_params"];
    let wrong: Vec<&str> = pairs.iter().map(|(k, _)| k.as_str()).filter(|k| !KNOWN.contains(k)).collect();
    if !wrong.is_empty() {
        return Err(failed(format!("Unrecognized parameter(s) given to password lookup: {}", wrong.join(", "))));
    }
    let option = |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()).or_else(|| ask.text(name));
    let name = raw.map(|r| r.trim().to_owned()).unwrap_or_default();
    let path = if name.starts_with('/') || name.starts_with('~') {
        crate::settings::expand_home(&name, &ask.plugins.settings)
    } else {
        let dir = ask.cx.var("playbook_dir").ok().flatten().map(|d| crate::text::of(&d));
        dir.map_or_else(|| ask.plugins.settings.cwd.clone(), PathBuf::from).join(&name)
    };
    let length = option("length")
        .map_or(Ok(20), |t| t.trim().parse().map_err(|_| failed("password: length must be a number")))?;
    let listed: Vec<String> = match ask.option("chars") {
        Some(Value::List(items)) => items.iter().map(crate::text::of).collect(),
        _ => match option("chars") {
            Some(text) => {
                // ",," stands for a comma itself.
                let comma = text.contains(",,");
                let mut parts: Vec<String> =
                    text.replace(",,", ",").split(',').filter(|p| !p.is_empty()).map(str::to_owned).collect();
                if comma {
                    parts.push(",".into());
                }
                parts
            }
            None => vec!["ascii_letters".into(), "digits".into(), ".,:-_".into()],
        },
    };
    let mut chars: Vec<char> = Vec::new();
    for part in &listed {
        chars.extend(class(part).chars());
    }
    chars.retain(|c| !matches!(c, '"' | '\''));
    let encrypt = option("encrypt").filter(|e| !matches!(e.to_lowercase().as_str(), "" | "false" | "none" | "no"));
    let encrypt = encrypt.map(|e| if e.eq_ignore_ascii_case("true") { "sha512_crypt".to_owned() } else { e });
    Ok(Wanted { path, length, chars, encrypt, ident: option("ident"), seed: option("seed") })
}

/// Names of Python's `string` module, or the characters themselves.
fn class(name: &str) -> String {
    match name {
        "ascii_letters" => LETTERS.to_owned(),
        "ascii_lowercase" => LETTERS[..26].to_owned(),
        "ascii_uppercase" => LETTERS[26..].to_owned(),
        "digits" => "0123456789".to_owned(),
        "hexdigits" => "0123456789abcdefABCDEF".to_owned(),
        "octdigits" => "01234567".to_owned(),
        "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned(),
        "whitespace" => " \t\n\r\u{b}\u{c}".to_owned(),
        other => other.to_owned(),
    }
}

fn make(wanted: &Wanted) -> Result<String, LookupError> {
    if wanted.chars.is_empty() {
        return Err(failed("password: no characters to choose from"));
    }
    random(wanted.length, &wanted.chars, wanted.seed.as_deref())
}

fn random(length: usize, chars: &[char], seed: Option<&str>) -> Result<String, LookupError> {
    let mut chooser = Chooser::new(seed)?;
    (0..length).map(|_| chooser.choice(chars)).collect()
}

/// Chooses characters: without a seed by the system's generator; with one as Python's `random.Random(seed)` does.
pub(super) enum Chooser {
    /// `/dev/urandom`.
    System(fs_err::File),
    /// Known to whoever knows the seed.
    Seeded(imgbuild_jinja::SeededRandom),
}

impl Chooser {
    pub(super) fn new(seed: Option<&str>) -> Result<Self, LookupError> {
        Ok(match seed {
            Some(seed) => Chooser::Seeded(imgbuild_jinja::SeededRandom::new(seed)),
            None => Chooser::System(fs_err::File::open("/dev/urandom").map_err(|e| failed(e.to_string()))?),
        })
    }

    /// One of these.
    pub(super) fn choice(&mut self, chars: &[char]) -> Result<char, LookupError> {
        let none = || failed("there are no characters to choose from");
        let count = std::num::NonZeroU64::new(chars.len() as u64).ok_or_else(none)?;
        let at = self.below(count)?;
        chars.get(at as usize).copied().ok_or_else(none)
    }

    /// A number below this one.
    pub(super) fn below(&mut self, count: std::num::NonZeroU64) -> Result<u64, LookupError> {
        let source = match self {
            Chooser::Seeded(random) => return Ok(random.below(count.get())),
            Chooser::System(source) => source,
        };
        // Numbers over the last whole multiple would favour the first ones.
        let limit = u64::MAX - u64::MAX % count;
        loop {
            let mut bytes = [0; 8];
            std::io::Read::read_exact(source, &mut bytes).map_err(|e| failed(e.to_string()))?;
            let number = u64::from_le_bytes(bytes);
            if number < limit {
                return Ok(number % count);
            }
        }
    }
}

/// `password salt=… ident=…`.
fn split_line(line: &str) -> (String, Option<String>, Option<String>) {
    let (mut rest, mut ident) = (line, None);
    if let Some((before, after)) = rest.rsplit_once(" ident=") {
        (rest, ident) = (before, Some(after.to_owned()));
    }
    match rest.rsplit_once(" salt=") {
        Some((password, salt)) => (password.to_owned(), Some(salt.to_owned()), ident),
        None => (rest.to_owned(), None, ident),
    }
}

fn write(path: &Path, line: &str) -> Result<(), LookupError> {
    let no = |e: std::io::Error| failed(format!("{}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        if let Some(above) = dir.parent() {
            fs_err::create_dir_all(above).map_err(no)?;
        }
        // What holds passwords is nobody else's business.
        match std::fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(no(error)),
            _ => {}
        }
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(no)?;
    writeln!(file, "{line}").map_err(no)
}

fn encrypt(ask: &Ask<'_>, password: &str, method: &str, salt: &str, ident: Option<&str>) -> Result<Value, LookupError> {
    let mut vars = Map::new();
    vars.insert("password".into(), Value::str(password));
    vars.insert("method".into(), Value::str(method.trim_end_matches("_crypt")));
    vars.insert("salt".into(), Value::str(salt));
    vars.insert("ident".into(), ident.map_or(Value::Null, Value::str));
    let vars: Arc<dyn VarSource> = Arc::new(vars);
    let call = if ident.is_some() { "password_hash(method, salt, ident=ident)" } else { "password_hash(method, salt)" };
    Ok(ask.cx.templar().evaluate(&format!("password | {call}"), None, &vars)?)
}
