//! The journal's records. Old journals must stay readable: fields are only added, with defaults.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Run id: the value of the tag `imgbuild:run`.
    pub run: String,
    /// Seconds since 1970.
    pub started: i64,
    /// The program's version.
    pub version: String,
    /// Process id, for people.
    pub pid: u32,
    /// What was built, for people.
    pub template: String,
}

/// Where a thing lives, so that `gc` can reach it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// Region.
    pub region: String,
    /// `custom_endpoint_ec2`, if one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The sandbox's state directory, if the run was in the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Named profile of the AWS configuration, if one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Id (never the secret) of a static access key that the template gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Role that was assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// What is about to be created.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Intent {
    /// The build, by name.
    pub build: String,
    /// Kind, as its API names it: `instance`, `key-pair`, `security-group`, `image`, `snapshot`, `volume`, …
    pub kind: String,
    /// Where.
    pub place: Place,
    /// Idempotency token sent with the call, where the call takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Name, where things of this kind have one that is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tags sent with the call; always with `imgbuild:run`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A line of the journal. `seq` numbers the intents of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The run begins.
    Begin(Begin),
    /// A call is about to be made.
    Intent {
        /// Number.
        seq: u64,
        /// What.
        #[serde(flatten)]
        intent: Intent,
    },
    /// The call made this.
    Created {
        /// Number of the intent.
        seq: u64,
        /// Id.
        id: String,
    },
    /// The call certainly made nothing.
    Failed {
        /// Number of the intent.
        seq: u64,
    },
    /// The thing is gone.
    Released {
        /// Number of the intent.
        seq: u64,
    },
    /// The thing belongs to the artifact now.
    Kept {
        /// Number of the intent.
        seq: u64,
    },
    /// The run is over and owes nothing.
    End,
}
