//! Before anything is made: do the regions exist, is the VPC usable, are the names free everywhere?

use super::replace;
use crate::amazon::check::{self, Verdict};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::Region;
use crate::amazon::options::Config;
use crate::amazon::options::ami::Replace;
use crate::amazon::options::run::Choice;
use crate::amazon::types::Image;
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What the account allows.
#[derive(Debug, Default)]
pub struct Checked {
    /// Regions where an image has the name already and will be replaced. Another run may add to them in the middle.
    replaced: Mutex<BTreeSet<Region>>,
}

impl Checked {
    /// Whether an image of the name is replaced in a region.
    pub fn replaces(&self, region: &Region) -> bool {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).contains(region)
    }

    /// From now on one is.
    pub fn replace_in(&self, region: &Region) {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).insert(region.clone());
    }
}

/// Checks. Makes nothing.
pub async fn run(env: &Env<'_>) -> Result<Checked, Failure> {
    env.ui().say("Prevalidating any provided VPC information");
    sharing(env);
    too_late_to_find_out(env.config)?;
    let ((), (), (), (), replaced) = tokio::try_join!(regions(env), vpc(env), keys(env), profile(env), names(env))?;
    Ok(Checked { replaced: Mutex::new(replaced.into_iter().collect()) })
}

/// The instance profile exists, as far as the account may be asked (Packer: unless `skip_profile_validation`).
async fn profile(env: &Env<'_>) -> Result<(), Failure> {
    let run = &env.config.run;
    let Some(name) = run.iam_instance_profile.as_deref().filter(|_| !run.skip_profile_validation) else {
        return Ok(());
    };
    let iam = env.account.iam();
    let found = env.session.run.cancel().guard(iam.instance_profile(name)).await.ok_or_else(Failure::cancelled)?;
    match found {
        // Who may not look is told by RunInstances.
        Ok(Some(_)) | Err(_) => Ok(()),
        Ok(None) => {
            let message = format!("there is no instance profile {name:?} in this account");
            Err(Failure::new(message).at(run.places.of(&["iam_instance_profile"])))
        }
    }
}

/// What EC2 refuses only once there is an image (EnableImageDeprecation, CreateImage).
pub fn too_late_to_find_out(config: &Config) -> Result<(), Failure> {
    let now = config.context.ambient().start;
    if let Some(at) = config.ami.deprecate_at.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok()) {
        let decade = jiff::SignedDuration::from_hours(10 * 366 * 24);
        let wrong = match at.duration_since(now) {
            left if left.is_positive() && left <= decade => None,
            left if left.is_positive() => Some("more than ten years from now, which is EC2's limit"),
            _ => Some("in the past"),
        };
        if let Some(wrong) = wrong {
            let place = config.run.places.of(&["deprecate_at"]);
            return Err(Failure::new(format!("\"deprecate_at\" is {wrong}: {at}")).at(place));
        }
    }
    if let Some(minutes) = config.ami.copy_minutes.filter(|m| *m % 15 != 0 || !(15..=2880).contains(m)) {
        let message = format!("\"snapshot_copy_duration_minutes\" is {minutes}: EC2 takes multiples of 15 up to 2880");
        return Err(Failure::new(message));
    }
    let lists = [
        ("launch_block_device_mappings", &config.launch_mappings),
        ("ami_block_device_mappings", &config.ami_mappings),
    ];
    for (option, list) in &lists {
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = list.iter().map(|d| &d.mapping.device_name).find(|name| !names.insert(*name)) {
            let message = format!("the device {twice} stands twice in {option:?}");
            return Err(Failure::new(message).at(config.run.places.of(&[option])));
        }
    }
    for (option, grant) in [("ami_users", &config.ami.grant), ("snapshot_users", &config.ami.snapshot_grant)] {
        let account = |user: &&String| user.len() == 12 && user.bytes().all(|b| b.is_ascii_digit());
        if let Some(user) = grant.users.iter().find(|user| !account(user)) {
            let message = format!("{user:?} in {option:?} is no account: one has 12 digits");
            return Err(Failure::new(message).at(config.run.places.of(&[option])));
        }
        if let Some(group) = grant.groups.iter().find(|group| *group != "all") {
            return Err(Failure::new(format!("there is no group {group:?} to share with: only \"all\"")));
        }
    }
    for (option, device) in lists.into_iter().flat_map(|(option, list)| list.iter().map(move |d| (option, d))) {
        let ebs = device.mapping.ebs.as_ref().filter(|ebs| ebs.volume_type.as_deref() == Some("gp3"));
        let Some((size, iops)) = ebs.and_then(|ebs| Some((i64::from(ebs.volume_size?), i64::from(ebs.iops?)))) else {
            continue;
        };
        // 3,000 are there whatever the size.
        let most = (500 * size).max(3000);
        if iops > most {
            let name = &device.mapping.device_name;
            let message = format!("device {name}: a gp3 volume of {size} GiB can have {most} IOPS at most, not {iops}");
            return Err(Failure::new(message).at(config.run.places.of(&[option])));
        }
    }
    Ok(())
}

/// What an account's own AWS-managed key encrypts can't be shared. Only EC2 knows which key a region's default is, so this is
/// no error yet.
fn sharing(env: &Env<'_>) {
    let ami = &env.config.ami;
    if !ami.encryption.is_on() || (ami.grant.is_empty() && ami.snapshot_grant.is_empty()) {
        return;
    }
    let regions = std::iter::once(&env.region).chain(&ami.regions);
    let unkeyed: Vec<&str> =
        regions.filter(|region| ami.encryption.key(region, &env.region).is_none()).map(Region::as_str).collect();
    if !unkeyed.is_empty() {
        env.ui().say(format!(
            "Warning: the AMI is to be shared, but in {} it is encrypted with the region's default key. Sharing fails there \
             unless that is a customer managed key; \"region_kms_key_ids\" names one for each region",
            unkeyed.join(", ")
        ));
    }
}

/// Keys that EC2 could not use would be found out only after the machine has been provisioned.
async fn keys(env: &Env<'_>) -> Result<(), Failure> {
    if env.config.skip_create_ami && env.config.product.is_image() {
        return Ok(());
    }
    let looks = check::keys(env.config, &env.account, &env.region);
    let found = env.session.run.cancel().guard(looks).await.ok_or_else(Failure::cancelled)?;
    let bad: Vec<String> = found
        .into_iter()
        .filter_map(|(_, finding)| match finding.verdict {
            Verdict::Bad(why) => Some(format!("{}: {why}", finding.what)),
            _ => None,
        })
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("volumes and images can't be encrypted as the template asks for: {}", bad.join("; ")))
        .help("a key must be there in each region, enabled, and for encrypting and decrypting"))
}

/// Whether the types fit the image. Their names tell; EC2 is asked only where they do not.
pub async fn fit(env: &Env<'_>, source: &Image) -> Result<(), Failure> {
    let run = &env.config.run;
    let mut types = run.instance_types.iter().chain(&run.fallback_types);
    if types.all(|name| check::architecture_of(name) == Some(source.architecture.as_str())) {
        return Ok(());
    }
    let looks = check::types(env.config, &env.account, &env.region, Some(source));
    let found = env.session.run.cancel().guard(looks).await.ok_or_else(Failure::cancelled)?;
    for finding in found {
        // What EC2 does not tell, the launch will.
        if let Verdict::Bad(why) = finding.verdict
            && why.contains("source AMI")
        {
            return Err(Failure::new(format!("{}: {why}", finding.what))
                .at(run.places.of(&["instance_type", "spot_instance_types", "fallback_instance_types"]))
                .help("choose a type of the AMI's architecture (t4g, m7g, … are arm64) or another AMI"));
        }
    }
    Ok(())
}

async fn regions(env: &Env<'_>) -> Result<(), Failure> {
    let ami = &env.config.ami;
    if !ami.validate_regions || ami.regions.is_empty() {
        // A wrong build region shows in the first call anyway.
        return Ok(());
    }
    let known = env.read("listing the regions", env.ec2.regions()).await?;
    let unknown: Vec<&str> = std::iter::once(&env.region)
        .chain(&ami.regions)
        .filter(|region| !known.contains(region))
        .map(Region::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(format!("the account can't use these regions: {}", unknown.join(", ")));
    let wrong_region = unknown.contains(&env.region.as_str());
    let failure = failure.at(env.config.run.places.of(if wrong_region { &["region"] } else { &["ami_regions"] }));
    let suggestion = unknown.iter().find_map(|r| imgbuild_diag::did_you_mean(r, known.iter().map(Region::as_str)));
    Err(match suggestion {
        Some(right) => failure.help(format!("did you mean {right:?}?")),
        None => failure.help("correct \"region\" and \"ami_regions\", or set \"skip_region_validation\""),
    })
}

/// Without a subnet EC2 launches into the default VPC, whatever `vpc_id` says.
async fn vpc(env: &Env<'_>) -> Result<(), Failure> {
    let run = &env.config.run;
    let (Choice::Id(vpc), Choice::Unset) = (&run.vpc, &run.subnet) else { return Ok(()) };
    if run.public_ip.is_some() {
        // A subnet of this VPC will be chosen.
        return Ok(());
    }
    let found = env.read("looking up the VPC", env.ec2.vpcs(vec![vpc.clone()], Vec::new())).await?;
    match found.first() {
        Some(found) if found.is_default => Ok(()),
        Some(_) => Err(Failure::new(format!("\"vpc_id\" {vpc} is not the default VPC, so a subnet is needed"))
            .at(run.places.of(&["vpc_id"]))
            .help("set \"subnet_id\" or \"subnet_filter\"")),
        None => Err(Failure::new(format!("VPC {vpc} was not found in {}", env.region)).at(run.places.of(&["vpc_id"]))),
    }
}

async fn names(env: &Env<'_>) -> Result<Vec<Region>, Failure> {
    let config = env.config;
    if config.skip_create_ami {
        return Ok(Vec::new());
    }
    env.ui().say(format!("Prevalidating AMI Name: {}", config.ami.name));
    let build_region = (!config.ami.skip_build_region).then_some(&env.region);
    let looks = build_region.into_iter().chain(&config.ami.regions).map(|region| async move {
        let found = replace::holders(env, region).await?;
        Ok::<_, Failure>(found.into_iter().map(|image| (region.clone(), image)).collect::<Vec<_>>())
    });
    let taken: Vec<(Region, Image)> = try_join_all(looks).await?.into_iter().flatten().collect();
    if config.ami.replace != Replace::Never {
        replace::possible(env, &taken).await?;
    }
    if taken.is_empty() || config.ami.replace != Replace::Never {
        return Ok(taken.into_iter().map(|(region, _)| region).collect());
    }
    let list: Vec<String> = taken.iter().map(|(region, image)| format!("{region}: {}", image.id)).collect();
    let name = &config.ami.name;
    Err(Failure::new(format!("name conflict: an AMI named {name:?} is there already ({})", list.join(", ")))
        .help(format!("the name comes from {}", config.ami.name_place))
        .help("put {{timestamp}} into the name, or set \"force_deregister\" (or -force) to replace it"))
}
