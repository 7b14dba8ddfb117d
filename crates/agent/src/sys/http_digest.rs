//! Digest authentication (RFC 7616), as Python's urllib answers it: MD5, SHA-1, SHA-256, with and without `qop=auth`.

use super::hash;

/// The answer to a challenge (`Digest realm="…", nonce="…"`); `None`: it asks for something else.
pub fn answer(
    challenge: &str,
    user: &str,
    password: &str,
    method: &str,
    path: &str,
    client_nonce: &str,
) -> Option<String> {
    let (scheme, rest) = challenge.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let fields = fields(rest);
    let get = |name: &str| fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let (realm, nonce) = (get("realm")?, get("nonce")?);
    let named = get("algorithm").unwrap_or("MD5");
    let (base, session) = match named.to_ascii_uppercase().as_str() {
        "MD5" => ("md5", false),
        "MD5-SESS" => ("md5", true),
        "SHA" => ("sha1", false),
        "SHA-256" => ("sha256", false),
        "SHA-256-SESS" => ("sha256", true),
        _ => return None,
    };
    let hash = |text: String| hash::of(base, text.as_bytes()).and_then(Result::ok);
    let mut secret = hash(format!("{user}:{realm}:{password}"))?;
    if session {
        secret = hash(format!("{secret}:{nonce}:{client_nonce}"))?;
    }
    let request = hash(format!("{method}:{path}"))?;
    let auth = match get("qop") {
        None => false,
        Some(list) if list.split(',').any(|q| q.trim() == "auth") => true,
        Some(_) => return None,
    };
    let response = if auth {
        hash(format!("{secret}:{nonce}:00000001:{client_nonce}:auth:{request}"))?
    } else {
        hash(format!("{secret}:{nonce}:{request}"))?
    };
    let user = user.replace('\\', "\\\\").replace('"', "\\\"");
    let mut header = format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\", response=\"{response}\""
    );
    if let Some(opaque) = get("opaque") {
        header.push_str(&format!(", opaque=\"{opaque}\""));
    }
    if get("algorithm").is_some() {
        header.push_str(&format!(", algorithm={named}"));
    }
    if auth {
        header.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{client_nonce}\""));
    }
    Some(header)
}

/// `a="b", c=d`.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        fields.push((name.trim_matches([' ', ',']).to_owned(), value.trim().to_owned()));
        rest = next;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7616, 3.9.1.
    #[test]
    fn the_standards_example() {
        let common = r#"realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = format!("Digest {common}, algorithm={algorithm}");
            let header = answer(&challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", nonce).unwrap();
            assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
            assert!(header.contains("qop=auth, nc=00000001") && header.contains("opaque=\"FQhe"), "{header}");
        }
        assert!(answer("Basic realm=\"x\"", "u", "p", "GET", "/", nonce).is_none());
        assert!(answer("Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"", "u", "p", "GET", "/", nonce).is_none());
    }
}
