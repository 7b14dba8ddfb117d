//! One fault at a time: `tests/fixtures/packer/mutations.json` changes a sound amazon-ebs template by JSON merge patches (of its
//! builder, or of the whole) and by values set at JSON pointers, and for every option of the builder two more faults are made here: a misspelt name and a value
//! that no reading makes fit. The exit codes of `validate` are compared, where the peer's version knows the option.

use super::Outcome;
use super::programs::{Pair, each, run as go};
use crate::root;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Options of amazon-ebs that take a text, a number or a switch: an object fits none of them.
const SCALARS: &str = "access_key ami_description ami_name ami_virtualization_type associate_public_ip_address availability_zone \
    block_duration_minutes communicator custom_endpoint_ec2 decode_authorization_messages disable_stop_instance ebs_optimized \
    ena_support enable_t2_unlimited encrypt_boot force_delete_snapshot force_deregister iam_instance_profile \
    insecure_skip_tls_verify instance_type kms_key_id max_retries mfa_code no_ephemeral pause_before_connecting pause_before_ssm \
    profile region secret_key security_group_id session_manager_port shared_credentials_file shutdown_behavior skip_create_ami \
    skip_credential_validation skip_metadata_api_check skip_profile_validation skip_region_validation \
    skip_save_build_region source_ami spot_price spot_price_auto_product sriov_support ssh_agent_auth ssh_bastion_agent_auth \
    ssh_bastion_host ssh_bastion_interactive ssh_bastion_password ssh_bastion_port ssh_bastion_private_key_file \
    ssh_bastion_username ssh_certificate_file ssh_clear_authorized_keys ssh_disable_agent_forwarding ssh_file_transfer_method \
    ssh_handshake_attempts ssh_host ssh_interface ssh_keep_alive_interval ssh_keypair_name ssh_password ssh_port \
    ssh_private_key_file ssh_proxy_host ssh_proxy_password ssh_proxy_port ssh_proxy_username ssh_pty ssh_read_write_timeout \
    ssh_timeout ssh_username subnet_id temporary_key_pair_bits temporary_key_pair_name temporary_key_pair_type tenancy token \
    user_data user_data_file vpc_id windows_password_timeout winrm_host winrm_insecure winrm_password winrm_port winrm_timeout \
    winrm_use_ntlm winrm_use_ssl winrm_username";

/// Options that take lists of texts: an object with something in it does not fit.
const LISTS: &str = "ami_groups ami_product_codes ami_regions ami_users security_group_ids snapshot_groups snapshot_users \
    spot_instance_types ssh_ciphers ssh_key_exchange_algorithms ssh_local_tunnels ssh_remote_tunnels \
    temporary_security_group_source_cidrs";

/// Options that take objects: a number does not fit.
const OBJECTS: &str = "ami_block_device_mappings assume_role aws_polling launch_block_device_mappings region_kms_key_ids \
    run_tags run_volume_tags security_group_filter snapshot_tags source_ami_filter spot_tags subnet_filter tags \
    temporary_iam_instance_profile_policy_document vault_aws_engine vpc_filter";

/// One mutant.
struct Mutant {
    name: String,
    template: Value,
}

/// All mutants through both programs.
pub fn run(pair: &Pair, filter: &str) -> Result<Vec<Outcome>> {
    let mutants: Vec<Mutant> = all()?.into_iter().filter(|m| m.name.contains(filter)).collect();
    let outcomes = each(&mutants, |mutant| {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("template.json"), serde_json::to_vec_pretty(&mutant.template)?)?;
        let args = ["validate", "template.json"];
        let theirs = go(&pair.theirs, &args, dir.path(), None)?;
        if too_new(&mutant.template, &theirs.text()) {
            return Ok(None);
        }
        let ours = go(&pair.ours, &args, dir.path(), None)?;
        Ok(Some(Outcome::codes(mutant.name.clone(), &ours, &theirs)))
    })?;
    let known: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    println!("mutations: {} left out, for the peer's version does not know their option", mutants.len() - known.len());
    Ok(known)
}

/// The peer refuses as unknown an option that today's Packer has.
fn too_new(template: &Value, said: &str) -> bool {
    const NEW: &str = "deprecate_at enable_unlimited_credits imds_support metadata_options throughput disable_stop_instance \
        temporary_key_pair_bits temporary_key_pair_type winrm_host winrm_use_ntlm ssh_certificate_file ssh_key_exchange_algorithms \
        skip_create_ami pause_before_ssm session_manager_port vault_aws_engine assume_role env";
    let written = template.to_string();
    NEW.split_whitespace().any(|o| {
        written.contains(&format!("\"{o}\"")) && said.contains(&format!("unknown configuration key: '\"{o}\"'"))
            || said.contains(&format!("unknown configuration key: \"{o}\""))
    })
}

fn all() -> Result<Vec<Mutant>> {
    let dir = root().join("tests/fixtures/packer");
    let read = |name: &str| -> Result<Value> {
        let path = dir.join(name);
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    };
    let base = read("amazon-ebs.json")?;
    let mut mutants = Vec::new();
    let committed = read("mutations.json")?;
    for (name, change) in committed.as_object().context("mutations.json is an object")? {
        let mut template = base.clone();
        if let Some(patch) = change.get("builder") {
            merge(&mut template["builders"][0], patch);
        }
        if let Some(patch) = change.get("template") {
            merge(&mut template, patch);
        }
        for (place, value) in change.get("set").and_then(Value::as_object).into_iter().flatten() {
            let (parent, key) = place.rsplit_once('/').context("a JSON pointer")?;
            let parent =
                template.pointer_mut(parent).and_then(Value::as_object_mut).context("a place in the template")?;
            parent.insert(key.to_owned(), value.clone());
        }
        mutants.push(Mutant { name: format!("mutation/{name}"), template });
    }
    let mut add = |name: String, key: &str, value: Value| {
        let mut template = base.clone();
        template["builders"][0][key] = value;
        mutants.push(Mutant { name: format!("mutation/{name}"), template });
    };
    for (options, misfit) in [(SCALARS, json!({"a": "b"})), (LISTS, json!({"a": "b"})), (OBJECTS, json!(7))] {
        for option in options.split_whitespace() {
            add(format!("{option} of a wrong type"), option, misfit.clone());
            add(format!("{option} misspelt"), &misspelt(option), json!("x"));
        }
    }
    Ok(mutants)
}

/// Two neighbouring letters change places.
fn misspelt(option: &str) -> String {
    let mut letters: Vec<char> = option.chars().collect();
    let at = (1..letters.len().saturating_sub(1)).find(|i| letters[*i] != letters[i + 1]).unwrap_or(0);
    letters.swap(at, at + 1);
    letters.into_iter().collect()
}

/// RFC 7396: null takes away, objects are gone into, everything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_made_as_written() {
        assert_eq!(misspelt("region"), "rgeion");
        assert_eq!(misspelt("ssh_pty"), "shs_pty");
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": 3});
        merge(&mut value, &json!({"a": {"b": null, "e": [1]}, "d": {"f": 4}}));
        assert_eq!(value, json!({"a": {"c": 2, "e": [1]}, "d": {"f": 4}}));
        let all = all().unwrap();
        assert!(all.len() > 400, "{}", all.len());
    }
}
