//! `imgbuild prune`: old images of a name pattern go, newest first kept. Only what nothing uses any more: no instance, no launch template.
//!
//! Images that a build published are the user's, so nothing here happens by itself: it is a command of its own, it wants to be told
//! how many to keep, and `--dry-run` says what it would do.

use crate::amazon::ec2::{Account, Ec2, Ec2Error, ErrorKind};
use crate::amazon::ids::{AmiId, Region, SnapshotId};
use crate::amazon::phase::image::snapshots;
use crate::amazon::releaser::{KEEP_TAG, PUBLISHED};
use crate::amazon::types::{Filter, Image, ImageQuery, ImageState, InstanceState};
use imgbuild_engine::run::RUN_TAG;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Which images.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `docker-*`: EC2's wildcards.
    pub name: String,
    /// All of these tags, too.
    pub tags: Vec<(String, String)>,
    /// In each region the newest of them stay.
    pub keep: usize,
    /// Of each value of this tag as many stay: families that share a pattern. Images without it are one family more.
    pub per: Option<String>,
    /// Younger ones stay, too: RFC 3339, as EC2 writes creation dates.
    pub before: Option<String>,
}

/// What is done about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for a reason.
    Stays(String),
    /// It would go.
    Would,
    /// It is gone, with so many snapshots; others stay because something else stands on them.
    Gone {
        /// How many went.
        snapshots: usize,
        /// Those that stay.
        used: Vec<SnapshotId>,
    },
    /// It is gone, but these snapshots could not be deleted.
    Half(String),
    /// It could not be removed.
    Failed(String),
}

/// An image and what is done about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where.
    pub region: Region,
    /// Id.
    pub id: AmiId,
    /// Name.
    pub name: String,
    /// Creation date.
    pub created: String,
    /// What becomes of it.
    pub fate: Fate,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} of {}: ", self.region, self.id, self.name, self.created)?;
        match &self.fate {
            Fate::Stays(why) => write!(f, "stays, {why}"),
            Fate::Would => write!(f, "would be removed"),
            Fate::Gone { snapshots, used } => {
                let plural = if *snapshots == 1 { "" } else { "s" };
                write!(f, "removed with {snapshots} snapshot{plural}")?;
                let used: Vec<&str> = used.iter().map(SnapshotId::as_str).collect();
                if used.is_empty() { Ok(()) } else { write!(f, "; {} stays, it is in use", used.join(", ")) }
            }
            Fate::Half(why) => write!(f, "removed, but its snapshots could not all be deleted: {why}"),
            Fate::Failed(why) => write!(f, "could not be removed: {why}"),
        }
    }
}

/// Looks at a region and removes what is to go; `tell` hears of each image. The error says what could not be asked.
pub async fn prune(
    account: &Arc<dyn Account>,
    region: &Region,
    wanted: &Wanted,
    dry_run: bool,
    mut tell: impl FnMut(&Item),
) -> Result<Vec<Item>, Ec2Error> {
    let ec2 = account.ec2(region);
    let mut filters = vec![Filter::new("name", wanted.name.clone())];
    filters.extend(wanted.tags.iter().map(|(k, v)| Filter::new(format!("tag:{k}"), v.clone())));
    let query = ImageQuery { owners: vec!["self".into()], filters, include_deprecated: true, ..ImageQuery::default() };
    let mut images = ec2.images(query).await?;
    // What a run has not finished yet may still go: it neither counts nor is it ours to remove.
    images.retain(|image| image.state == ImageState::Available && !is_unfinished(image));
    images.sort_by(|a, b| b.creation_date.cmp(&a.creation_date).then_with(|| b.id.cmp(&a.id)));
    if let Some(tag) = wanted.per.as_ref().filter(|tag| !images.iter().any(|image| image.tags.contains_key(*tag)))
        && !images.is_empty()
    {
        // All would be one family: a name that was mistyped must not cost all but the newest of them.
        return Err(Ec2Error {
            operation: "DescribeImages",
            code: "NoSuchTag".into(),
            message: format!(
                "none of the {} images of this name in {region} has the tag {tag:?} of --per",
                images.len()
            ),
            request_id: None,
            kind: ErrorKind::Certain,
        });
    }
    let uses = if images.len() > wanted.keep { uses(&ec2).await? } else { BTreeMap::new() };
    let mut items = Vec::new();
    let mut newer: BTreeMap<Option<&String>, usize> = BTreeMap::new();
    for image in &images {
        let family = wanted.per.as_ref().and_then(|tag| image.tags.get(tag));
        let newer = newer.entry(family).or_default();
        *newer += 1;
        let fate = match stays(image, *newer - 1, wanted, &uses) {
            Some(why) => Fate::Stays(why),
            None if dry_run => Fate::Would,
            None => remove(&ec2, image).await,
        };
        let (name, created) = (image.name.clone(), image.creation_date.clone());
        let item = Item { region: region.clone(), id: image.id.clone(), name, created, fate };
        tell(&item);
        items.push(item);
    }
    Ok(items)
}

/// Whether it carries the tag of the run that makes it, and not the one that says it was published all the same.
fn is_unfinished(image: &Image) -> bool {
    image.tags.contains_key(RUN_TAG) && !image.tags.contains_key(KEEP_TAG)
}

/// Who uses which image: instances that are not terminated, launch templates by their latest and default versions.
async fn uses(ec2: &Arc<dyn Ec2>) -> Result<BTreeMap<AmiId, String>, Ec2Error> {
    let (instances, templates) = tokio::try_join!(ec2.instances(Vec::new()), ec2.launch_template_images())?;
    let mut uses = BTreeMap::new();
    for instance in instances.into_iter().filter(|i| i.state != InstanceState::Terminated) {
        if let Some(image) = instance.image {
            uses.insert(image, format!("instance {} runs on it", instance.id));
        }
    }
    for (template, image) in templates {
        uses.insert(image, format!("launch template {template} names it"));
    }
    Ok(uses)
}

/// Why an image stays; none: it goes. `n` newer ones match.
fn stays(image: &Image, n: usize, wanted: &Wanted, uses: &BTreeMap<AmiId, String>) -> Option<String> {
    if n < wanted.keep {
        return Some(format!("one of the newest {}", wanted.keep));
    }
    if wanted.before.as_ref().is_some_and(|before| image.creation_date >= *before) {
        return Some("too young".into());
    }
    // A build that may not take its run's tag off marks its images with the same tag, and another value.
    if image.tags.get(KEEP_TAG).is_some_and(|value| value != PUBLISHED) {
        return Some(format!("tagged {KEEP_TAG}"));
    }
    if let Some(how) = &image.protection {
        return Some(format!("protected from being deregistered ({how})"));
    }
    uses.get(&image.id).cloned()
}

async fn remove(ec2: &Arc<dyn Ec2>, image: &Image) -> Fate {
    match ec2.deregister_image(&image.id).await {
        Err(error) if !error.is_not_found() && error.code != "InvalidAMIID.Unavailable" => {
            return Fate::Failed(error.to_string());
        }
        _ => {}
    }
    let (mut gone, mut used) = (0, Vec::new());
    let mut failed = Vec::new();
    for snapshot in snapshots(image) {
        match ec2.delete_snapshot(&snapshot).await {
            Ok(()) => gone += 1,
            Err(error) if error.is_not_found() => {}
            Err(error) if error.code == "InvalidSnapshot.InUse" => used.push(snapshot),
            Err(error) => failed.push(format!("{snapshot}: {error}")),
        }
    }
    if failed.is_empty() { Fate::Gone { snapshots: gone, used } } else { Fate::Half(failed.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amazon::types::Tags;

    #[test]
    fn the_newest_the_young_and_the_used_stay() {
        let image = |id: &str, created: &str, tags: Tags| Image {
            id: id.into(),
            name: "x".into(),
            description: String::new(),
            state: ImageState::Available,
            state_reason: None,
            creation_date: created.into(),
            owner_id: "1".into(),
            owner_alias: None,
            architecture: "x86_64".into(),
            root_device_type: "ebs".into(),
            root_device_name: "/dev/sda1".into(),
            virtualization_type: "hvm".into(),
            ena_support: true,
            kernel_id: None,
            ramdisk_id: None,
            protection: None,
            mappings: Vec::new(),
            tags,
        };
        let wanted = Wanted {
            name: "*".into(),
            tags: Vec::new(),
            keep: 1,
            per: None,
            before: Some("2026-06-01T00:00:00.000Z".into()),
        };
        let uses = BTreeMap::from([(AmiId::from("ami-4"), "instance i-1 runs on it".to_owned())]);
        let keep = Tags::from([(KEEP_TAG.to_owned(), "true".to_owned())]);
        let tags =
            |keep: &str| Tags::from([(KEEP_TAG.to_owned(), keep.to_owned()), (RUN_TAG.to_owned(), "run".to_owned())]);
        let mut protected = image("ami-8", "2026-01-02T00:00:00.000Z", Tags::new());
        protected.protection = Some("enabled-with-cooldown".into());
        for (n, image, expected) in [
            (0, image("ami-1", "2026-01-05T00:00:00.000Z", Tags::new()), Some("one of the newest 1")),
            (1, image("ami-2", "2026-07-01T00:00:00.000Z", Tags::new()), Some("too young")),
            (1, image("ami-3", "2026-01-04T00:00:00.000Z", keep), Some("tagged imgbuild:keep")),
            (1, image("ami-4", "2026-01-03T00:00:00.000Z", Tags::new()), Some("instance i-1 runs on it")),
            (1, image("ami-5", "2026-01-02T00:00:00.000Z", Tags::new()), None),
            // Published by someone who may not take the run's tag off.
            (1, image("ami-6", "2026-01-02T00:00:00.000Z", tags(PUBLISHED)), None),
            (1, image("ami-7", "2026-01-02T00:00:00.000Z", tags("true")), Some("tagged imgbuild:keep")),
            (1, protected, Some("protected from being deregistered (enabled-with-cooldown)")),
        ] {
            assert_eq!(stays(&image, n, &wanted, &uses).as_deref(), expected, "{}", image.id);
        }
    }
}
