//! What a template expression can see: user variables, data fields, and everything that enters from outside the file.
//!
//! Nothing here reads a clock, an environment variable or the working directory: [`Ambient`] is filled in at the program's entry.

use super::Datum;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The Packer version whose behaviour we follow; what `{{packer_version}}` says and `min_packer_version` is compared with.
pub const PACKER_VERSION: &str = "1.16.0";

/// Fills in random bytes.
pub type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// What one run takes from outside: the clock, the environment, randomness, other services. One per run, shared.
#[derive(Clone)]
pub struct Ambient {
    /// The instant at which the run started: the only time that `timestamp`, `isotime` and `strftime` know.
    pub start: jiff::Timestamp,
    /// The environment that `env` reads.
    pub env: BTreeMap<String, String>,
    /// The working directory, absolute: what `pwd` says.
    pub cwd: PathBuf,
    /// Makes a new id at each call of `uuid`. Packer's are ordered by time.
    pub uuid: Arc<dyn Fn() -> uuid::Uuid + Send + Sync>,
    /// The time of now, which HCL2's `timestamp` says.
    pub now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// Fills in random bytes: `uuidv4` and `bcrypt` of HCL2.
    pub random: Arc<Random>,
    /// What `packer_version` says.
    pub packer_version: String,
    /// Where `vault`, `consul_key` and `aws_secretsmanager` are looked up. Without it they are refused by name.
    pub lookup: Option<Arc<dyn Lookup>>,
}

impl Ambient {
    /// A surrounding with this start instant and working directory, no environment, and no lookups.
    pub fn new(start: jiff::Timestamp, cwd: impl Into<PathBuf>) -> Self {
        Ambient {
            start,
            env: BTreeMap::new(),
            cwd: cwd.into(),
            uuid: Arc::new(uuid::Uuid::now_v7),
            now: Arc::new(jiff::Timestamp::now),
            random: Arc::new(|bytes| rand::Rng::fill_bytes(&mut rand::rng(), bytes)),
            packer_version: PACKER_VERSION.to_owned(),
            lookup: None,
        }
    }

    /// The same at a standstill: no time passes and no two ids differ. What two runs make of a template can be compared then.
    pub fn still(mut self) -> Self {
        self.start = jiff::Timestamp::UNIX_EPOCH;
        self.uuid = Arc::new(uuid::Uuid::nil);
        self.now = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
        self.random = Arc::new(|bytes| bytes.fill(0));
        self
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        write!(f, "Ambient {{ start: {}, cwd: {:?} }}", self.start, self.cwd)
    }
}

/// Asks another service for a value, on behalf of a function that is allowed in `variables` only. An error is one sentence.
pub trait Lookup: Send + Sync {
    /// `{{consul_key "key"}}`.
    fn consul_key(&self, key: &str) -> Result<String, String>;
    /// `{{vault "path" "key"}}`.
    fn vault(&self, path: &str, key: &str) -> Result<String, String>;
    /// `{{aws_secretsmanager "name" "key"}}`; without a key the whole secret, which must then be a plain text.
    fn aws_secret(&self, name: &str, key: Option<&str>) -> Result<String, String>;
    /// `{{aws_secretsmanager_raw "name"}}`: the secret's text as stored.
    fn aws_secret_raw(&self, name: &str) -> Result<String, String>;
}

/// What `{{ .Field }}` and `{{ build "Field" }}` see.
#[derive(Clone, Default)]
pub enum Data {
    /// Nothing: a field is an error. A builder's options while they are prepared.
    #[default]
    None,
    /// Names that will have values once the builder runs. Provisioners and post-processors while they are prepared:
    /// `{{ build "ID" }}` stays, as `{{.ID}}`, for the second pass.
    Later(Arc<BTreeMap<String, Datum>>),
    /// The values of the second pass.
    Fields(Arc<BTreeMap<String, Datum>>),
}

/// The data names that every build has (`{{ build "ID" }}`), beside those of its builder. Order as in Packer's documents.
pub const BUILD_NAMES: [&str; 13] = [
    "ID",
    "Host",
    "Port",
    "User",
    "Password",
    "ConnType",
    "PackerRunUUID",
    "PackerHTTPPort",
    "PackerHTTPIP",
    "PackerHTTPAddr",
    "SSHPublicKey",
    "SSHPrivateKey",
    "WinRMPassword",
];

/// What an expression is rendered against. Cheap to clone; the `with_` functions make the variants that a plugin needs.
#[derive(Clone)]
pub struct Context {
    pub(crate) ambient: Arc<Ambient>,
    pub(crate) user: Arc<IndexMap<String, String>>,
    /// The fields that data may have; others are errors, as those that a struct of Go's has not.
    pub(crate) fields: Option<fn(&str) -> bool>,
    /// There are no user variables at all: HCL2.
    pub(crate) no_user: bool,
    pub(crate) template_path: Option<Arc<Path>>,
    pub(crate) build_name: Option<Arc<str>>,
    pub(crate) build_type: Option<Arc<str>>,
    pub(crate) data: Data,
    /// Inside `variables`: `env` and the lookups are allowed, and a variable that isn't set is an error.
    pub(crate) in_variables: bool,
    /// `clean_resource_name` is a function of the amazon plugins alone.
    pub(crate) amazon: bool,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables and data fields may hold secrets.
        write!(f, "Context {{ build_name: {:?}, build_type: {:?} }}", self.build_name, self.build_type)
    }
}

impl Context {
    /// A context without variables, build and data.
    pub fn new(ambient: Arc<Ambient>) -> Self {
        Context {
            ambient,
            user: Arc::default(),
            fields: None,
            no_user: false,
            template_path: None,
            build_name: None,
            build_type: None,
            data: Data::None,
            in_variables: false,
            amazon: false,
        }
    }

    /// Data may have these fields and no others: to name another one is an error.
    pub fn with_known_fields(mut self, known: fn(&str) -> bool) -> Self {
        self.fields = Some(known);
        self
    }

    /// Without user variables: `user` is an error, as in Packer's HCL2.
    pub fn without_user(mut self) -> Self {
        self.no_user = true;
        self
    }

    /// With the user variables that `user` reads, rendered.
    pub fn with_user(mut self, user: Arc<IndexMap<String, String>>) -> Self {
        self.user = user;
        self
    }

    /// With the template's file, absolute, for `template_dir`.
    pub fn with_template(mut self, path: Option<&Path>) -> Self {
        self.template_path = path.map(Arc::from);
        self
    }

    /// With the names that `build_name` and `build_type` give.
    pub fn with_build(mut self, name: &str, builder_type: &str) -> Self {
        self.build_name = Some(name.into());
        self.build_type = Some(builder_type.into());
        self
    }

    /// With the function `clean_resource_name`, which only amazon's builders and post-processors have: a provisioner of an
    /// amazon build does not.
    pub fn with_amazon_functions(mut self, on: bool) -> Self {
        self.amazon = on;
        self
    }

    /// With these data fields: the second pass.
    pub fn with_data<K: Into<String>, V: Into<Datum>>(mut self, fields: impl IntoIterator<Item = (K, V)>) -> Self {
        self.data = Data::Fields(Arc::new(fields.into_iter().map(|(k, v)| (k.into(), v.into())).collect()));
        self
    }

    /// With one more data field (turns promised names into an empty second pass first).
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Datum>) -> Self {
        let mut fields = match self.data {
            Data::Fields(fields) => fields,
            Data::None | Data::Later(_) => Arc::default(),
        };
        Arc::make_mut(&mut fields).insert(name.into(), value.into());
        self.data = Data::Fields(fields);
        self
    }

    /// For preparing a provisioner or post-processor: every build's names and those that this builder promises
    /// (`SourceAMI`, `SourceAMIName`, … for amazon) will be there later.
    pub fn with_promised<S: AsRef<str>>(mut self, builder_names: impl IntoIterator<Item = S>) -> Self {
        let names = BUILD_NAMES.iter().map(|n| (*n).to_owned());
        let names = names.chain(builder_names.into_iter().map(|n| n.as_ref().to_owned()));
        let promised = names.map(|name| {
            let stand_in = super::functions::promised(&name);
            (name, stand_in)
        });
        self.data = Data::Later(Arc::new(promised.collect()));
        self
    }

    /// The run's surroundings.
    pub fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// The build's name, if this context belongs to one.
    pub fn build_name(&self) -> Option<&str> {
        self.build_name.as_deref()
    }

    /// The builder's type, if this context belongs to a build.
    pub fn build_type(&self) -> Option<&str> {
        self.build_type.as_deref()
    }

    /// The user variables, rendered.
    pub fn user(&self) -> &IndexMap<String, String> {
        &self.user
    }

    /// The template's file, absolute, if it has one (for standard input the working directory's `-`).
    pub fn template_path(&self) -> Option<&Path> {
        self.template_path.as_deref()
    }

    /// The fields of the second pass; empty in the first.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Datum)> {
        let fields = match &self.data {
            Data::Fields(fields) => Some(fields),
            Data::None | Data::Later(_) => None,
        };
        fields.into_iter().flat_map(|fields| fields.iter()).map(|(name, value)| (name.as_str(), value))
    }
}
