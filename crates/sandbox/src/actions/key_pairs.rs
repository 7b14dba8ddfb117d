//! CreateKeyPair, ImportKeyPair, DescribeKeyPairs, DeleteKeyPair. The private half is made here and given out once.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::tag_spec::{self, TagSpec};
use super::{Action, Context, Entry, done};
use crate::core::{Call, Core};
use crate::keys::{self, NewKey};
use crate::state::{KeyPair, KeyType, Kind, State, Tags, new_id};
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CreateKeyPair", Action::Slow(create)),
    ("DeleteKeyPair", Action::Write(delete)),
    ("DescribeKeyPairs", Action::Read(describe)),
    ("ImportKeyPair", Action::Write(import)),
];

fn duplicate(name: &str) -> ApiError {
    ApiError::new("InvalidKeyPair.Duplicate", format!("The keypair already exists: {name}"))
}

fn check_name(name: &str) -> Result<()> {
    if name.len() <= 255 && name.chars().all(|c| c.is_ascii_graphic() || c == ' ') && name.trim() == name {
        return Ok(());
    }
    Err(ApiError::value("keyName", name, "Expected up to 255 ASCII characters without leading or trailing spaces."))
}

/// The parameters of CreateKeyPair; refuses a name that is taken.
fn create_parameters(c: &Context<'_>, state: &State) -> Result<(String, KeyType, bool, TagSpec)> {
    let name = c.p.need("KeyName")?;
    let kind = match c.p.word("KeyType", &["rsa", "ed25519"])?.as_deref() {
        Some("ed25519") => KeyType::Ed25519,
        _ => KeyType::Rsa,
    };
    let ppk = c.p.word("KeyFormat", &["pem", "ppk"])?.as_deref() == Some("ppk");
    let tags = TagSpec::parse(&c.p, &[Kind::KeyPair])?;
    c.p.finish()?;
    check_name(&name)?;
    if c.region(state)?.key_pairs.contains_key(&name) {
        return Err(duplicate(&name));
    }
    Ok((name, kind, ppk, tags))
}

fn create(core: Arc<Core>, call: Call) -> BoxFuture<'static, Result<Xml>> {
    async move {
        // First to refuse what is wrong before a key is made, which takes a moment for RSA.
        let (call, kind) = core
            .read(call, |c, state| match create_parameters(c, state)? {
                (_, _, true, _) => Err(ApiError::unsupported("this sandbox makes keys in PEM format only")),
                (_, kind, ..) => Ok(kind),
            })
            .await?;
        let key: NewKey = tokio::task::spawn_blocking(move || keys::generate(kind))
            .await
            .map_err(|e| ApiError::internal(format!("the key maker ended: {e}")))?
            .map_err(|e| ApiError::internal(format!("no key could be made: {e}")))?;
        let (_, xml) = core
            .write(call, move |c, state| {
                let (name, key_type, _, tags) = create_parameters(c, state)?;
                let pair = KeyPair {
                    id: new_id(Kind::KeyPair),
                    name: name.clone(),
                    key_type,
                    fingerprint: key.fingerprint,
                    public_key: key.public_key,
                    created: c.now(),
                };
                let region = c.region_mut(state)?;
                tags.apply(region, Kind::KeyPair, &pair.id);
                let mut x = Xml::new();
                x.text("keyName", &pair.name);
                x.text("keyFingerprint", &pair.fingerprint);
                x.text("keyMaterial", key.private_key.expose());
                x.text("keyPairId", &pair.id);
                tag_spec::write(&mut x, region.tags.get(&pair.id));
                region.key_pairs.insert(name, pair);
                Ok(x)
            })
            .await?;
        Ok(xml)
    }
    .boxed()
}

fn import(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = c.p.need("KeyName")?;
    let material = c.p.need("PublicKeyMaterial")?;
    let tags = TagSpec::parse(&c.p, &[Kind::KeyPair])?;
    c.p.finish()?;
    check_name(&name)?;
    let format = || ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let text = STANDARD.decode(material.trim()).ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(format)?;
    let (key_type, fingerprint, public_key) = keys::import(&text).map_err(|_| format())?;
    let region = c.region_mut(state)?;
    if region.key_pairs.contains_key(&name) {
        return Err(duplicate(&name));
    }
    let pair =
        KeyPair { id: new_id(Kind::KeyPair), name: name.clone(), key_type, fingerprint, public_key, created: c.now() };
    tags.apply(region, Kind::KeyPair, &pair.id);
    let mut x = Xml::new();
    x.text("keyName", &pair.name);
    x.text("keyFingerprint", &pair.fingerprint);
    x.text("keyPairId", &pair.id);
    tag_spec::write(&mut x, region.tags.get(&pair.id));
    region.key_pairs.insert(name, pair);
    Ok(x)
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let (names, ids) = (c.p.list("KeyName"), c.p.list("KeyPairId"));
    let with_key = c.p.flag("IncludePublicKey")?.unwrap_or(false);
    let filters = c.p.filters(&["key-pair-id", "fingerprint", "key-name", "tag-key", "tag-value"])?;
    c.p.finish()?;
    let region = c.region(state)?;
    if let Some(name) = names.iter().find(|n| !region.key_pairs.contains_key(*n)) {
        return Err(Kind::KeyPair.not_found(name));
    }
    for id in &ids {
        Kind::KeyPair.check(id)?;
        if !region.key_pairs.values().any(|k| k.id == *id) {
            return Err(ApiError::new("InvalidKeyPair.NotFound", format!("The key pair ID '{id}' does not exist")));
        }
    }
    let found = region.key_pairs.values().filter(|k| {
        ((names.is_empty() && ids.is_empty()) || names.contains(&k.name) || ids.contains(&k.id))
            && filters.matches(region.tags.get(&k.id), |filter| match filter {
                "key-pair-id" => vec![k.id.clone()],
                "fingerprint" => vec![k.fingerprint.clone()],
                "key-name" => vec![k.name.clone()],
                _ => Vec::new(),
            })
    });
    let mut x = Xml::new();
    x.set("keySet", found, |x, k| {
        x.text("keyPairId", &k.id);
        x.text("keyType", k.key_type.name());
        x.text("keyName", &k.name);
        x.text("keyFingerprint", &k.fingerprint);
        x.text("createTime", k.created);
        x.opt("publicKey", with_key.then_some(&k.public_key));
        tag_spec::write(x, region.tags.get(&k.id).filter(|t: &&Tags| !t.is_empty()));
    });
    Ok(x)
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (name, id) = (c.p.text("KeyName"), c.p.text("KeyPairId"));
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let mut x = done();
    let found = match (name, id) {
        (Some(name), None) => region.key_pairs.get(&name).map(|k| (k.name.clone(), k.id.clone())),
        (None, Some(id)) => {
            Kind::KeyPair.check(&id)?;
            region.key_pairs.values().find(|k| k.id == id).map(|k| (k.name.clone(), k.id.clone()))
        }
        (None, None) => return Err(ApiError::missing("KeyName")),
        (Some(_), Some(_)) => return Err(ApiError::combination("Specify either KeyName or KeyPairId, not both.")),
    };
    // A key pair that is not there is deleted already: EC2 answers true.
    if let Some((name, id)) = found {
        region.key_pairs.remove(&name);
        region.tags.remove(&id);
        x.text("keyPairId", id);
    }
    Ok(x)
}
