//! What Packer's amazon plugin (1.8.2) tests of its configurations, as rows: the same options must have the same outcome here.
//!
//! A row is one call of `Prepare` in one of the plugin's tests. Where we differ on purpose, the row says why; every such reason
//! is checked to be still true.

mod ami;
mod builders;
mod devices;
mod run;

use crate::harness::read;
use imgbuild_builders::Flags;
use serde_json::{Value, json};

/// What the plugin says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// No error.
    Good,
    /// At least one.
    Bad,
    /// No error there, but one here, and why.
    RefusedHere(&'static str),
    /// An error there, but none here, and why.
    TakenHere(&'static str),
}
use Outcome::{Bad, Good, RefusedHere, TakenHere};

/// A test's name, a builder type, and options over that builder's base; `null` takes one out.
pub struct Row(pub &'static str, pub &'static str, pub Value, pub Outcome);

/// The options that the plugin's tests of a builder begin with.
fn base(kind: &str) -> Value {
    match kind {
        "amazon-chroot" => {
            json!({"ami_name": "foo", "source_ami": "foo", "region": "us-east-1", "skip_region_validation": true})
        }
        "amazon-ebs" => json!({
            "access_key": "foo", "secret_key": "bar", "source_ami": "foo", "instance_type": "foo",
            "region": "us-east-1", "ssh_username": "root", "ami_name": "foo"
        }),
        "amazon-ebssurrogate" => json!({
            "access_key": "foo", "secret_key": "bar", "source_ami": "foo", "instance_type": "foo",
            "region": "us-east-1", "ssh_username": "root", "ami_name": "name", "ami_virtualization_type": "kvm",
            "ami_root_device": {"source_device_name": "device name", "device_name": "device name"},
            "launch_block_device_mappings": [{"device_name": "device name"}]
        }),
        _ => json!({
            "access_key": "foo", "secret_key": "bar", "source_ami": "foo", "instance_type": "foo",
            "region": "us-east-1", "ssh_username": "root"
        }),
    }
}

fn template(kind: &str, options: &Value) -> String {
    let mut builder = base(kind);
    let all = builder.as_object_mut().unwrap();
    all.insert("type".into(), kind.into());
    for (name, value) in options.as_object().unwrap() {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    json!({ "builders": [builder] }).to_string()
}

#[test]
fn every_row_has_packers_outcome() {
    let rows: Vec<Row> = [builders::rows(), run::rows(), ami::rows(), devices::rows()].into_iter().flatten().collect();
    let (mut same, mut explained) = (0, 0);
    let mut wrong = Vec::new();
    for Row(test, kind, options, expected) in &rows {
        let found = read(&template(kind, options), Flags::default());
        let fits = match expected {
            Good | TakenHere(_) => found.is_ok(),
            Bad | RefusedHere(_) => found.is_err(),
        };
        match expected {
            Good | Bad => same += usize::from(fits),
            RefusedHere(_) | TakenHere(_) => explained += usize::from(fits),
        }
        if !fits {
            let said = found.map(drop).map_err(|d| d.to_string());
            wrong.push(format!("{test} ({kind}): {options}: {expected:?}, but {said:?}"));
        }
    }
    let counts = format!("{} rows: {same} as in the plugin, {explained} otherwise for a reason", rows.len());
    assert!(wrong.is_empty(), "{counts}\n{}", wrong.join("\n"));
    assert!(rows.len() > 150, "{}", rows.len());
}
