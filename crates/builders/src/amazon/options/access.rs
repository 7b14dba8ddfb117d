//! How to reach AWS: credentials, region, endpoint, retries, polling.

use crate::amazon::ids::Region;
use crate::read::{Diags, map, strings, text};
use imgbuild_diag::Secret;
use imgbuild_engine::journal::Place;
use imgbuild_template::{Context, Kind, Opt, Reader, Table};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows.
pub const ACCESS: &[Opt] = &[
    Opt::new("access_key", Kind::String, "Access key id. Both keys or neither.").default("the usual AWS chain"),
    Opt::new("secret_key", Kind::String, "Secret access key."),
    Opt::new("token", Kind::String, "Session token that belongs to the keys."),
    Opt::new("region", Kind::String, "Region to build in.").default("environment or profile"),
    Opt::new("profile", Kind::String, "Profile of the shared configuration files."),
    Opt::new("shared_credentials_file", Kind::String, "Credentials file to read instead of ~/.aws/credentials."),
    Opt::new("assume_role", Kind::Block(&ASSUME_ROLE), "A role to assume with the credentials found."),
    Opt::new("custom_endpoint_ec2", Kind::String, "EC2 endpoint for all calls in all regions."),
    Opt::new("insecure_skip_tls_verify", Kind::Bool, "Accept any certificate of the endpoint.").default("false"),
    Opt::new("max_retries", Kind::UInt(1000), "Tries of a call that was throttled or failed on the service's side.")
        .default("10"),
    Opt::new(
        "mfa_code",
        Kind::String,
        "Code of an MFA device: one session is opened with it, which all calls then use.",
    ),
    Opt::new("mfa_serial", Kind::String, "The MFA device that \"mfa_code\" is of. imgbuild's own.")
        .default("mfa_serial of the profile"),
    Opt::new("skip_credential_validation", Kind::Bool, "Nothing is validated beforehand; the first call tells.")
        .default("false"),
    Opt::new("skip_metadata_api_check", Kind::Bool, "Do not ask this machine's metadata service for credentials.")
        .default("false"),
    Opt::new("decode_authorization_messages", Kind::Bool, "Have STS decode refusals.").default("false"),
    Opt::new(
        "vault_aws_engine",
        Kind::Block(&VAULT),
        "Credentials from Vault's AWS engine; VAULT_ADDR and VAULT_TOKEN say where and who.",
    ),
    Opt::new("aws_polling", Kind::Block(&POLLING), "How often and how long to wait for EC2."),
];

static ASSUME_ROLE: Table = Table::new(
    "assume_role",
    &[&[
        Opt::new("role_arn", Kind::String, "The role."),
        Opt::new("duration_seconds", Kind::UInt(43200), "How long a session lasts."),
        Opt::new("external_id", Kind::String, "External id that the role's trust asks for."),
        Opt::new("policy", Kind::String, "Session policy, JSON."),
        Opt::new("policy_arns", Kind::Strings, "Session policies, by ARN."),
        Opt::new("session_name", Kind::String, "Session name."),
        Opt::new("tags", Kind::Map, "Session tags."),
        Opt::new("transitive_tag_keys", Kind::Strings, "Session tags that pass on to further roles."),
    ]],
);

static VAULT: Table = Table::new(
    "vault_aws_engine",
    &[&[
        Opt::new("name", Kind::String, "Role of the engine.").default("required"),
        Opt::new("role_arn", Kind::String, "Role to assume; the engine's role allows several."),
        Opt::new("ttl", Kind::String, "Lifetime, with \"role_arn\"."),
        Opt::new("engine_name", Kind::String, "Mount point.").default("aws"),
    ]],
);

static POLLING: Table = Table::new(
    "aws_polling",
    &[&[
        Opt::new("delay_seconds", Kind::UInt(3600), "Seconds between two polls.").default("adaptive, 1 to 5"),
        Opt::new("max_attempts", Kind::UInt(1_000_000), "Polls before a wait is given up."),
    ]],
);

/// Resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Keys that the template gives.
    pub keys: Option<StaticKeys>,
    /// Region that the template gives.
    pub region: Option<Region>,
    /// Profile.
    pub profile: Option<String>,
    /// Credentials file.
    pub shared_credentials_file: Option<String>,
    /// Role to assume.
    pub assume_role: Option<AssumeRole>,
    /// EC2 endpoint for all calls.
    pub endpoint: Option<String>,
    /// Accept any certificate of the endpoint.
    pub insecure_tls: bool,
    /// Tries of a call.
    pub max_attempts: u32,
    /// Leave this machine's metadata service alone.
    pub skip_metadata: bool,
    /// MFA for the first session.
    pub mfa: Option<Mfa>,
    /// Have STS decode refusals.
    pub decode_messages: bool,
    /// Credentials from Vault.
    pub vault: Option<Vault>,
}

/// Vault's AWS secrets engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// Mount point.
    pub engine: String,
    /// The engine's role.
    pub name: String,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// Lifetime, as Vault writes it.
    pub ttl: Option<String>,
}

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mfa {
    /// The code that the device shows; good once.
    pub code: Secret,
    /// The device; none: the profile's `mfa_serial`.
    pub serial: Option<String>,
}

/// Keys from the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticKeys {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: Secret,
    /// Session token.
    pub token: Option<Secret>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Role.
    pub role_arn: String,
    /// Session length.
    pub duration: Option<Duration>,
    /// External id.
    pub external_id: Option<String>,
    /// Session policy.
    pub policy: Option<String>,
    /// Session policies by ARN.
    pub policy_arns: Vec<String>,
    /// Session name.
    pub session_name: Option<String>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
    /// Keys of tags that pass on to further roles.
    pub transitive_tag_keys: Vec<String>,
}

impl AssumeRole {
    /// A role with nothing else said.
    pub fn new(role_arn: impl Into<String>) -> Self {
        AssumeRole {
            role_arn: role_arn.into(),
            duration: None,
            external_id: None,
            policy: None,
            policy_arns: Vec::new(),
            session_name: None,
            tags: BTreeMap::new(),
            transitive_tag_keys: Vec::new(),
        }
    }
}

/// How to wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polling {
    /// A fixed time between polls; none: adaptive.
    pub delay: Option<Duration>,
    /// Give up a wait after this long; none: each wait's own limit.
    pub limit: Option<Duration>,
}

impl Access {
    /// Reads and checks.
    pub fn read(reader: &Reader, diags: &mut Diags) -> Self {
        let id = text(reader, "access_key");
        let secret = text(reader, "secret_key").map(Secret::new);
        let token = text(reader, "token").map(Secret::new);
        let keys = match (id, secret) {
            (Some(id), Some(secret)) => Some(StaticKeys { id, secret, token }),
            (None, None) => None,
            _ if diags.unread(reader, "access_key") || diags.unread(reader, "secret_key") => None,
            _ => {
                let at = if reader.text("access_key").is_some() { "access_key" } else { "secret_key" };
                diags.error(&reader.place(at), "\"access_key\" and \"secret_key\" must both be either set or not set");
                None
            }
        };
        let assume_role = reader.block("assume_role").and_then(|block| {
            let role = AssumeRole {
                role_arn: text(&block, "role_arn").unwrap_or_default(),
                duration: block.int("duration_seconds").map(|s| Duration::from_secs(s.value.unsigned_abs())),
                external_id: text(&block, "external_id"),
                policy: text(&block, "policy"),
                policy_arns: strings(&block, "policy_arns"),
                session_name: text(&block, "session_name"),
                tags: map(&block, "tags").into_iter().collect(),
                transitive_tag_keys: strings(&block, "transitive_tag_keys"),
            };
            for key in role.transitive_tag_keys.iter().filter(|key| !role.tags.contains_key(*key)) {
                let message = format!("\"transitive_tag_keys\" names {key:?}, which is not in \"tags\"");
                diags.error(&block.place("transitive_tag_keys"), message);
            }
            // Packer takes a block without a role for no block.
            (!role.role_arn.is_empty()).then_some(role)
        });
        let mfa =
            text(reader, "mfa_code").map(|code| Mfa { code: Secret::new(code), serial: text(reader, "mfa_serial") });
        let vault = vault(reader, diags);
        let endpoint = text(reader, "custom_endpoint_ec2")
            .map(|endpoint| if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") });
        let tries = reader.int("max_retries").map_or(0, |n| n.value as u32);
        Access {
            keys,
            region: text(reader, "region").map(Region::new),
            profile: text(reader, "profile"),
            shared_credentials_file: text(reader, "shared_credentials_file"),
            assume_role,
            endpoint,
            insecure_tls: reader.is_true("insecure_skip_tls_verify"),
            max_attempts: if tries == 0 { 10 } else { tries },
            skip_metadata: reader.is_true("skip_metadata_api_check"),
            mfa,
            decode_messages: reader.is_true("decode_authorization_messages"),
            vault,
        }
    }

    /// Where things made through this access live, for the journal.
    pub fn place(&self, region: &Region) -> Place {
        Place {
            region: region.to_string(),
            endpoint: self.endpoint.clone(),
            sandbox: None,
            profile: self.profile.clone(),
            access_key_id: self.keys.as_ref().map(|k| k.id.clone()),
            role_arn: self.assume_role.as_ref().map(|r| r.role_arn.clone()),
        }
    }

    /// The way back to a place of the journal. Secrets are not in the journal: keys come from the usual chain.
    pub fn of_place(place: &Place) -> Self {
        Access {
            region: Some(Region::new(place.region.clone())),
            profile: place.profile.clone(),
            endpoint: place.endpoint.clone(),
            assume_role: place.role_arn.clone().map(AssumeRole::new),
            max_attempts: 10,
            ..Access::default()
        }
    }

    /// All secrets, for the redactor.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter();
        keys.flat_map(|k| std::iter::once(k.secret.expose()).chain(k.token.as_ref().map(|t| t.expose())))
            .chain(self.mfa.iter().map(|mfa| mfa.code.expose()))
            .map(String::as_str)
    }
}

/// A block in which nothing is set is none, as in Packer.
fn vault(reader: &Reader, diags: &mut Diags) -> Option<Vault> {
    let block = reader.block("vault_aws_engine")?;
    let (name, role_arn, ttl) = (text(&block, "name"), text(&block, "role_arn"), text(&block, "ttl"));
    let engine = text(&block, "engine_name");
    if name.is_none() && role_arn.is_none() && ttl.is_none() && engine.is_none() {
        return None;
    }
    if reader.has("access_key") || reader.has("secret_key") {
        let message = "with \"vault_aws_engine\", \"access_key\" and \"secret_key\" must not be set";
        diags.error(&reader.place("vault_aws_engine"), message);
    }
    if name.is_none() && !block.unread("name") {
        diags.error(block.span(), "\"vault_aws_engine\" needs the \"name\" of a role of the engine");
    }
    if ttl.is_some() && role_arn.is_none() {
        diags.warning(
            &block.place("ttl"),
            "\"ttl\" is only sent with \"role_arn\"",
            "the engine's role says how long its other credentials live",
        );
    }
    Some(Vault {
        engine: engine.unwrap_or_else(|| "aws".into()).trim_matches('/').to_owned(),
        name: name.unwrap_or_default(),
        role_arn,
        ttl,
    })
}

impl Polling {
    /// Reads the block, and where it is silent the environment (`AWS_POLL_DELAY_SECONDS`, `AWS_MAX_ATTEMPTS`,
    /// `AWS_TIMEOUT_SECONDS`).
    pub fn read(reader: &Reader, context: &Context) -> Self {
        let env = &context.ambient().env;
        let number = |name: &str| env.get(name).and_then(|v| v.trim().parse::<u64>().ok()).filter(|n| *n > 0);
        let block = reader.block("aws_polling");
        let option =
            |name: &str| block.as_ref().and_then(|b| b.int(name)).map(|n| n.value.unsigned_abs()).filter(|n| *n > 0);
        Polling::new(
            option("delay_seconds").or_else(|| number("AWS_POLL_DELAY_SECONDS")),
            option("max_attempts").or_else(|| number("AWS_MAX_ATTEMPTS")),
            number("AWS_TIMEOUT_SECONDS"),
        )
    }

    /// From a delay, a number of polls and a limit, as Packer reckons: without a delay a poll counts 2 s.
    pub fn new(delay: Option<u64>, attempts: Option<u64>, timeout: Option<u64>) -> Self {
        let limit = attempts.map(|n| n.saturating_mul(delay.unwrap_or(2))).or(timeout);
        Polling { delay: delay.map(Duration::from_secs), limit: limit.map(Duration::from_secs) }
    }
}
