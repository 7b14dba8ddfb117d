//! What the account says about a template before anything is made: the checks behind `imgbuild plan --preflight`, and those of
//! them that a build makes itself. All regions at once; nothing is changed.

use super::ec2::{Account, Ec2Error, ErrorKind};
use super::env::Amazon;
use super::ids::Region;
use super::options::ami::Replace;
use super::options::chroot::Chroot;
use super::options::run::Choice;
use super::options::{Config, Product};
use super::phase::{preflight, replace};
use super::types::{EbsVolume, Filter, Image, ImageQuery, Launch, NewVolume, Placement, Subnet, Tags};
use futures_util::future::join_all;
use std::sync::Arc;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `AMI name "x" in us-east-1`.
    pub what: String,
    /// How it stands.
    pub verdict: Verdict,
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be: what was found.
    Good(String),
    /// It could not be found out: why.
    Unknown(String),
    /// The build would fail: why.
    Bad(String),
}

impl Finding {
    fn new(what: impl Into<String>, verdict: Verdict) -> Self {
        Finding { what: what.into(), verdict }
    }
}

/// The verdict over a call that failed: who may not look does not know.
fn failed(error: &Ec2Error) -> Verdict {
    match error.kind {
        ErrorKind::Auth | ErrorKind::Uncertain | ErrorKind::Throttled => Verdict::Unknown(error.to_string()),
        ErrorKind::Certain | ErrorKind::NotFound => Verdict::Bad(error.to_string()),
    }
}

/// Everything. The error says why the account can't be reached at all.
pub async fn run(config: &Config, shared: &Amazon) -> Result<Vec<Finding>, String> {
    let account = shared.accounts.open(&config.access).await?;
    let region = config.access.region.clone().or_else(|| account.default_region());
    let region = region.ok_or("no region is set: set \"region\" in the template, AWS_REGION, or one in the profile")?;
    let (regions, names, keys, source) = tokio::join!(
        regions(config, &account, &region),
        names(config, &account, &region),
        keys(config, &account, &region),
        source(config, &account, &region)
    );
    let mut findings = Vec::new();
    findings.extend(regions);
    let (source, image) = source;
    let scratch = matches!(&config.product, Product::Chroot(chroot) if chroot.from_scratch);
    findings.extend((!scratch).then_some(source));
    findings.extend(names);
    findings.extend(keys.into_iter().map(|(_, finding)| finding));
    findings.extend(preflight::too_late_to_find_out(config).err().map(|failure| {
        let what = failure.message.clone();
        Finding::new("options", Verdict::Bad(what))
    }));
    if let Product::Chroot(chroot) = &config.product {
        findings.push(here(shared, &region).await);
        findings.push(volume(chroot, &account, &region, image.as_ref()).await);
        return Ok(findings);
    }
    let (types, network) =
        tokio::join!(types(config, &account, &region, image.as_ref()), subnet(config, &account, &region));
    findings.extend(types);
    findings.extend(profile(config, &account).await);
    findings.extend(vpc(config, &account, &region).await);
    let (found, subnet) = network;
    findings.extend(found);
    if let Some(image) = &image {
        findings.push(dry_run(config, &account, &region, image, subnet).await);
    }
    Ok(findings)
}

/// The instance profile that the template names, as far as the account may be asked.
async fn profile(config: &Config, account: &Arc<dyn Account>) -> Option<Finding> {
    let name = config.run.iam_instance_profile.as_deref().filter(|_| !config.run.skip_profile_validation)?;
    let verdict = match account.iam().instance_profile(name).await {
        Ok(Some(_)) => Verdict::Good("there".into()),
        Ok(None) => Verdict::Bad("it is not in this account".into()),
        Err(error) => failed(&error),
    };
    Some(Finding::new(format!("instance profile {name:?}"), verdict))
}

/// The VPC that the template names: there, and the default one unless a subnet is named, too.
async fn vpc(config: &Config, account: &Arc<dyn Account>, region: &Region) -> Option<Finding> {
    let Choice::Id(id) = &config.run.vpc else { return None };
    let verdict = match account.ec2(region).vpcs(vec![id.clone()], Vec::new()).await {
        Err(error) if error.is_not_found() => Verdict::Bad(format!("it is not in {region}")),
        Err(error) => failed(&error),
        Ok(found) => match (found.first(), &config.run.subnet) {
            (None, _) => Verdict::Bad(format!("it is not in {region}")),
            (Some(vpc), Choice::Unset) if !vpc.is_default && config.run.public_ip.is_none() => {
                Verdict::Bad("it is not the default one, so \"subnet_id\" or \"subnet_filter\" is needed".into())
            }
            _ => Verdict::Good("there".into()),
        },
    };
    Some(Finding::new(format!("VPC {id}"), verdict))
}

async fn regions(config: &Config, account: &Arc<dyn Account>, region: &Region) -> Vec<Finding> {
    if config.ami.regions.is_empty() || !config.ami.validate_regions {
        return Vec::new();
    }
    let known = account.ec2(region).regions().await;
    let wanted = std::iter::once(region).chain(&config.ami.regions);
    wanted
        .map(|at| {
            let verdict = match &known {
                Ok(known) if known.contains(at) => Verdict::Good("enabled".into()),
                Ok(_) => Verdict::Bad("the account can't use it".into()),
                Err(error) => failed(error),
            };
            Finding::new(format!("region {at}"), verdict)
        })
        .collect()
}

async fn names(config: &Config, account: &Arc<dyn Account>, region: &Region) -> Vec<Finding> {
    if config.skip_create_ami {
        return Vec::new();
    }
    let name = &config.ami.name;
    let build_region = (!config.ami.skip_build_region).then_some(region);
    let looks = build_region.into_iter().chain(&config.ami.regions).map(|at| async move {
        let query = ImageQuery {
            owners: vec!["self".into()],
            filters: vec![Filter::new("name", name.clone())],
            include_deprecated: true,
            ..ImageQuery::default()
        };
        let verdict = match account.ec2(at).images(query).await {
            Ok(found) => match (found.first(), config.ami.replace) {
                (None, _) => Verdict::Good("free".into()),
                (Some(taken), Replace::Never) => Verdict::Bad(format!("{} has it", taken.id)),
                (Some(taken), _) => match replace::obstacles(config, account, at, taken).await.as_slice() {
                    [] => Verdict::Good(format!("{} has it and will be replaced", taken.id)),
                    obstacles => Verdict::Bad(format!("it can't be replaced: {}", obstacles.join("; "))),
                },
            },
            Err(error) => failed(&error),
        };
        Finding::new(format!("AMI name {name:?} in {at}"), verdict)
    });
    join_all(looks).await
}

/// The KMS keys that the template names, in their regions. Whether a key exists for sure, and can't be used, is in the verdict.
pub async fn keys(config: &Config, account: &Arc<dyn Account>, region: &Region) -> Vec<(Region, Finding)> {
    let ami = &config.ami;
    let wanted = std::iter::once(region).chain(&ami.regions);
    let mut wanted: Vec<(&Region, &str)> =
        wanted.filter_map(|at| Some((at, ami.encryption.key(at, region)?))).collect();
    let devices = config.launch_mappings.iter().filter_map(|d| d.mapping.ebs.as_ref()?.kms_key_id.as_deref());
    let root = match &config.product {
        Product::Chroot(chroot) => chroot.kms_key_id.as_deref(),
        _ => None,
    };
    for key in devices.chain(root) {
        if !wanted.contains(&(region, key)) {
            wanted.push((region, key));
        }
    }
    join_all(wanted.into_iter().map(|(at, key)| async move {
        let verdict = match account.check_key(at, key).await {
            Ok(()) => Verdict::Good("usable".into()),
            Err(error) => match error.code.as_str() {
                "NotFoundException" | "KeyUnusable" | "InvalidArnException" | "DisabledException" => {
                    Verdict::Bad(error.message.clone())
                }
                // A key may be open to EC2 alone, and an emulator may have no KMS.
                _ => Verdict::Unknown(error.to_string()),
            },
        };
        (at.clone(), Finding::new(format!("KMS key {key} in {at}"), verdict))
    }))
    .await
}

async fn source(config: &Config, account: &Arc<dyn Account>, region: &Region) -> (Finding, Option<Image>) {
    let wanted = &config.run.source;
    let query = ImageQuery {
        ids: wanted.id.iter().cloned().collect(),
        owners: wanted.owners.clone(),
        filters: wanted.filters.clone(),
        include_deprecated: wanted.include_deprecated,
    };
    let mut found = match account.ec2(region).images(query).await {
        Ok(found) => found,
        Err(error) => return (Finding::new("source AMI", failed(&error)), None),
    };
    found.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    let verdict = match (found.len(), wanted.most_recent, found.last()) {
        (0, _, _) | (_, _, None) => Verdict::Bad(format!("none is found in {region}")),
        (1, _, Some(image)) | (_, true, Some(image)) => {
            Verdict::Good(format!("{} {} ({})", image.id, image.name, image.architecture))
        }
        (n, false, _) => Verdict::Bad(format!("{n} match; say more, or set \"most_recent\"")),
    };
    let image = matches!(verdict, Verdict::Good(_)).then(|| found.pop()).flatten();
    (Finding::new("source AMI", verdict), image)
}

/// The architecture that an instance type's name tells: Graviton families have a `g` behind the generation (`t4g`, `c7gn`),
/// the first one is `a1`. Mac and other types tell nothing.
pub fn architecture_of(instance_type: &str) -> Option<&'static str> {
    let family = instance_type.split('.').next()?;
    if family == "a1" {
        return Some("arm64");
    }
    if family.starts_with("mac") || family.contains('-') {
        return None;
    }
    let behind = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    // G types are graphics machines; their second letter counts, as in g5g.
    (letters.len() < behind.len()).then(|| if letters.starts_with('g') { "arm64" } else { "x86_64" })
}

/// Whether types and image fit: asked only where their names leave a doubt.
pub async fn types(
    config: &Config,
    account: &Arc<dyn Account>,
    region: &Region,
    image: Option<&Image>,
) -> Vec<Finding> {
    let run = &config.run;
    let names: Vec<String> = run.instance_types.iter().chain(&run.fallback_types).cloned().collect();
    let known = match account.ec2(region).instance_types(&names).await {
        Ok(known) => known,
        Err(error) => return vec![Finding::new(format!("instance type {}", names.join(", ")), failed(&error))],
    };
    let mut findings = Vec::new();
    for name in &names {
        let verdict = match (known.iter().find(|t| t.name == *name), image) {
            (None, _) => Verdict::Bad(format!("there is none of this name in {region}")),
            (Some(found), Some(image)) if !found.architectures.contains(&image.architecture) => Verdict::Bad(format!(
                "it runs {}, and the source AMI {} is {}",
                found.architectures.join(", "),
                image.id,
                image.architecture
            )),
            (Some(found), Some(image)) if found.ena == "required" && !image.ena_support => Verdict::Bad(format!(
                "it needs enhanced networking (ENA), which the source AMI {} does not have",
                image.id
            )),
            (Some(found), _) => Verdict::Good(found.architectures.join(", ")),
        };
        findings.push(Finding::new(format!("instance type {name}"), verdict));
    }
    findings
}

/// Whether this machine is an instance that a volume of the region can be attached to.
async fn here(shared: &Amazon, region: &Region) -> Finding {
    let verdict = match shared.here.identity().await {
        Ok(found) if found.region == region.as_str() => Verdict::Good(format!("{} in {region}", found.instance_id)),
        Ok(found) => Verdict::Bad(format!("{} is in {}, not in {region}", found.instance_id, found.region)),
        Err(why) => Verdict::Bad(why),
    };
    Finding::new("this machine as an instance", verdict)
}

/// CreateVolume as a dry run.
async fn volume(chroot: &Chroot, account: &Arc<dyn Account>, region: &Region, image: Option<&Image>) -> Finding {
    let root = image.and_then(|i| i.mappings.iter().find(|m| m.device_name == i.root_device_name));
    let volume = NewVolume {
        client_token: uuid::Uuid::new_v4().to_string(),
        zone: format!("{region}a"),
        ebs: EbsVolume {
            snapshot: root.and_then(|m| m.snapshot.clone()),
            volume_size: chroot.volume_size.max(root.and_then(|m| m.volume_size)),
            volume_type: chroot.volume_type.clone(),
            ..EbsVolume::default()
        },
        tags: Tags::new(),
    };
    let verdict = match account.ec2(region).try_create_volume(&volume).await {
        Ok(()) => Verdict::Good("allowed".into()),
        // Here a refusal is the answer.
        Err(error) if error.kind == ErrorKind::Auth => Verdict::Bad(error.to_string()),
        Err(error) => failed(&error),
    };
    Finding::new("CreateVolume as a dry run", verdict)
}

/// The subnet that the template names: has it a free address, and does its zone offer the types?
async fn subnet(config: &Config, account: &Arc<dyn Account>, region: &Region) -> (Vec<Finding>, Option<Subnet>) {
    let Choice::Id(id) = &config.run.subnet else { return (Vec::new(), None) };
    let ec2 = account.ec2(region);
    let what = format!("subnet {id}");
    let found = match ec2.subnets(vec![Filter::new("subnet-id", id.as_str())]).await {
        Ok(found) => found.into_iter().next(),
        Err(error) => return (vec![Finding::new(what, failed(&error))], None),
    };
    let Some(found) = found else {
        return (vec![Finding::new(what, Verdict::Bad(format!("it is not in {region}")))], None);
    };
    let zone = found.availability_zone.clone();
    let free = if found.free_addresses > 0 {
        Verdict::Good(format!("{} free addresses in {zone}", found.free_addresses))
    } else {
        Verdict::Bad("it has no free address".into())
    };
    let mut findings = vec![Finding::new(what, free)];
    let (ec2, zone) = (&ec2, &zone);
    let offers = config.run.instance_types.iter().map(|name| async move {
        let verdict = match ec2.zones_offering(name).await {
            Ok(zones) if zones.contains(zone) => Verdict::Good("offered".into()),
            Ok(zones) => Verdict::Bad(format!("not offered; these zones do: {}", zones.join(", "))),
            Err(error) => failed(&error),
        };
        Finding::new(format!("instance type {name} in {zone}"), verdict)
    });
    findings.extend(join_all(offers).await);
    (findings, Some(found))
}

/// RunInstances as a dry run: permissions, quotas and parameters, as far as EC2 checks them before it launches.
async fn dry_run(
    config: &Config,
    account: &Arc<dyn Account>,
    region: &Region,
    image: &Image,
    subnet: Option<Subnet>,
) -> Finding {
    let run = &config.run;
    let launch = Launch {
        client_token: uuid::Uuid::new_v4().to_string(),
        image: image.id.clone(),
        instance_type: run.instance_types.first().cloned().unwrap_or_default(),
        key_name: None,
        security_groups: Vec::new(),
        subnet: subnet.map(|s| s.id),
        associate_public_ip: None,
        iam_instance_profile: run.iam_instance_profile.clone(),
        user_data: None,
        mappings: config.launch_mappings.iter().map(|d| d.mapping.clone()).collect(),
        ebs_optimized: run.ebs_optimized,
        shutdown_behavior: run.shutdown_behavior.clone(),
        metadata: Some(run.metadata.clone()),
        placement: Placement { availability_zone: run.availability_zone.clone(), ..Placement::default() },
        cpu_credits: None,
        enclave: run.enclave,
        capacity_reservation: Some(run.capacity.clone()),
        licenses: run.licenses.clone(),
        spot: None,
        instance_tags: Tags::new(),
        volume_tags: Tags::new(),
    };
    let verdict = match account.ec2(region).try_run_instance(&launch).await {
        Ok(()) => Verdict::Good("allowed".into()),
        // Here a refusal is the answer.
        Err(error) if error.kind == ErrorKind::Auth => Verdict::Bad(error.to_string()),
        Err(error) => failed(&error),
    };
    Finding::new("RunInstances as a dry run", verdict)
}

#[cfg(test)]
mod tests {
    use super::architecture_of;

    #[test]
    fn names_tell_the_architecture() {
        for (name, expected) in [
            ("t2.micro", Some("x86_64")),
            ("m5.large", Some("x86_64")),
            ("g4dn.xlarge", Some("x86_64")),
            ("m6i.large", Some("x86_64")),
            ("t4g.micro", Some("arm64")),
            ("c7gn.large", Some("arm64")),
            ("g5g.xlarge", Some("arm64")),
            ("a1.medium", Some("arm64")),
            ("mac2.metal", None),
            ("u-6tb1.metal", None),
        ] {
            assert_eq!(architecture_of(name), expected, "{name}");
        }
    }
}
