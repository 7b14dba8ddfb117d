//! The image to start from.

use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::types::{Image, ImageQuery};

/// Finds it.
pub async fn run(env: &Env<'_>) -> Result<Image, Failure> {
    let source = &env.config.run.source;
    let query = ImageQuery {
        ids: source.id.iter().cloned().collect(),
        owners: source.owners.clone(),
        filters: source.filters.clone(),
        include_deprecated: source.include_deprecated,
    };
    let mut found = env.read("looking for the source AMI", env.shared.sources.images(&env.ec2, query)).await?;
    let filters = || {
        let mut all: Vec<String> =
            source.filters.iter().map(|f| format!("{} = {}", f.name, f.values.join(" or "))).collect();
        if !source.owners.is_empty() {
            all.push(format!("owner = {}", source.owners.join(" or ")));
        }
        all.join(", ")
    };
    let place = env.config.run.places.of(&["source_ami_filter", "source_ami"]);
    // RFC 3339 texts in UTC sort as times do; of equal ones the order of the answer decides, as in Packer.
    found.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    let image = match (found.len(), source.most_recent) {
        (0, _) => {
            return Err(match &source.id {
                Some(id) if source.filters.is_empty() => {
                    Failure::new(format!("AMI {id} was not found in {}", env.region)).at(place)
                }
                _ => Failure::new(format!("no AMI in {} matches {}", env.region, filters()))
                    .at(place)
                    .help("look at the name pattern and the owners; AMI names differ from region to region"),
            });
        }
        (1, _) | (_, true) => found.pop(),
        (n, false) => {
            let shown: Vec<String> = found.iter().rev().take(5).map(|i| format!("{} {}", i.id, i.name)).collect();
            return Err(Failure::new(format!("{n} AMIs match {}, for instance {}", filters(), shown.join(", ")))
                .at(place)
                .help("set \"most_recent\": true to take the newest, or filter more closely"));
        }
    };
    let Some(image) = image else { return Err(Failure::new("no source AMI")) };
    env.ui().say(format!("Found Image ID: {}", image.id));
    check(env, &image)?;
    Ok(image)
}

fn check(env: &Env<'_>, image: &Image) -> Result<(), Failure> {
    if image.root_device_type != "ebs" {
        let kind = &image.root_device_type;
        return Err(Failure::new(format!(
            "the source AMI {} has a root device of type {kind:?}, not \"ebs\"",
            image.id
        )));
    }
    let ami = &env.config.ami;
    if ami.ena == Some(true) || ami.sriov {
        let kind = ami.virtualization_type.as_deref().unwrap_or(&image.virtualization_type);
        if kind != "hvm" {
            return Err(Failure::new(format!("enhanced networking needs an HVM image; {} is {kind:?}", image.id)));
        }
    }
    Ok(())
}
