//! `imgbuild gc --from-tags`: leftovers of runs whose journal is gone with its machine, found by the run's tag alone.
//!
//! What is published carries that tag no more ([`crate::amazon::phase::publish::settle`]). A run's id holds the time at which it
//! began; runs that are younger than asked for, or alive on this machine, are left alone.

use crate::amazon::ec2::{Account, Ec2, Ec2Error};
use crate::amazon::ids::Region;
use crate::amazon::releaser::{KEEP_TAG, TOKEN_TAG, belongs, kind};
use crate::amazon::types::{Filter, Image, ImageQuery, InstanceState, Tags};
use crate::gc::{Item, Outcome};
use imgbuild_engine::journal::{Entry, Intent, State};
use imgbuild_engine::run::{RUN_TAG, Releaser, remove};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// In these regions; none: all that the account can use.
    pub regions: Vec<Region>,
    /// Runs that began at least this long ago.
    pub older_than: Duration,
    /// Seconds since the epoch.
    pub now: u64,
    /// Runs that are alive here.
    pub alive: BTreeSet<String>,
}

impl Search {
    /// Whether these are the tags of a leftover.
    fn takes(&self, tags: &Tags) -> bool {
        let Some(run) = tags.get(RUN_TAG) else { return false };
        !tags.contains_key(KEEP_TAG)
            && !self.alive.contains(run)
            && began(run).is_some_and(|began| began.saturating_add(self.older_than.as_secs()) <= self.now)
    }
}

/// When a run began, out of its id (a UUID of version 7), in seconds since the epoch.
fn began(run: &str) -> Option<u64> {
    let id = uuid::Uuid::parse_str(run).ok().filter(|id| id.get_version_num() == 7)?;
    id.get_timestamp().map(|at| at.to_unix().0)
}

/// Looks in all regions and removes what it finds; `tell` gets each item as soon as it is done with. With `dry_run` nothing is
/// removed. The error is one sentence.
pub async fn collect(
    account: &Arc<dyn Account>,
    releaser: &dyn Releaser,
    search: &Search,
    dry_run: bool,
    mut tell: impl FnMut(&Item) + Send,
) -> Result<Vec<Item>, String> {
    let home = account.default_region().or_else(|| search.regions.first().cloned());
    let regions = if search.regions.is_empty() {
        let home = home.clone().ok_or("no region is set: name one with --region, or set AWS_REGION")?;
        account.ec2(&home).regions().await.map_err(|e| e.to_string())?
    } else {
        search.regions.clone()
    };
    let mut items = Vec::new();
    for (n, region) in regions.iter().enumerate() {
        let mut found = look(account, region, search).await.map_err(|e| format!("{region}: {e}"))?;
        if n + 1 == regions.len() {
            // Roles and profiles are in no region; they come last, when no instance uses them.
            found.extend(look_iam(account, region, search).await);
        }
        for entry in found {
            let outcome = if dry_run {
                Outcome::Would
            } else {
                match remove(&entry, releaser).await {
                    Ok(ids) => Outcome::Removed(ids),
                    Err(leak) => Outcome::Left(Box::new(leak)),
                }
            };
            let item = Item { run: entry.intent.tags.get(RUN_TAG).cloned().unwrap_or_default(), entry, outcome };
            tell(&item);
            items.push(item);
        }
    }
    Ok(items)
}

fn entry(account: &Arc<dyn Account>, region: &Region, kind: &str, id: String, tags: &Tags) -> Entry {
    let intent = Intent {
        build: String::new(),
        kind: kind.to_owned(),
        place: account.place(region),
        token: tags.get(TOKEN_TAG).cloned(),
        name: Some(id.clone()),
        tags: tags.clone(),
    };
    Entry { seq: 0, intent, state: State::Created { id } }
}

/// What a region holds, in the order in which it can be removed.
async fn look(account: &Arc<dyn Account>, region: &Region, search: &Search) -> Result<Vec<Entry>, Ec2Error> {
    let ec2: Arc<dyn Ec2> = account.ec2(region);
    let tagged = || vec![Filter::new("tag-key", RUN_TAG)];
    let images = ImageQuery {
        owners: vec!["self".into()],
        filters: tagged(),
        include_deprecated: true,
        ..ImageQuery::default()
    };
    let (instances, templates, images, snapshots, volumes, groups, keys) = tokio::try_join!(
        ec2.instances(tagged()),
        ec2.launch_templates(tagged()),
        ec2.images(images),
        ec2.snapshots(tagged()),
        ec2.volumes(tagged()),
        ec2.security_groups(tagged()),
        ec2.key_pairs(tagged()),
    )?;
    let make = |kind: &str, id: String, tags: &Tags| entry(account, region, kind, id, tags);
    let mut all = Vec::new();
    let instances: Vec<_> =
        instances.into_iter().filter(|i| i.state != InstanceState::Terminated && search.takes(&i.tags)).collect();
    all.extend(instances.iter().map(|i| make(kind::INSTANCE, i.id.to_string(), &i.tags)));
    all.extend(
        templates.iter().filter(|t| search.takes(&t.tags)).map(|t| make(kind::LAUNCH_TEMPLATE, t.id.clone(), &t.tags)),
    );
    let images: Vec<Image> = images.into_iter().filter(|i| search.takes(&i.tags)).collect();
    all.extend(images.iter().map(|i| make(kind::IMAGE, i.id.to_string(), &i.tags)));
    let snapshots: Vec<_> = snapshots
        .into_iter()
        .filter(|s| search.takes(&s.tags) && !images.iter().any(|image| belongs(s, &image.id)))
        .collect();
    let used = used(&ec2, snapshots.iter().map(|s| s.id.to_string()).collect()).await?;
    let lone = snapshots.iter().filter(|s| !used.contains(s.id.as_str()));
    all.extend(lone.map(|s| make(kind::SNAPSHOT, s.id.to_string(), &s.tags)));
    let volumes = volumes.iter().filter(|v| {
        let with_instance =
            v.tags.get(TOKEN_TAG).is_some_and(|t| instances.iter().any(|i| i.tags.get(TOKEN_TAG) == Some(t)));
        v.state == "available" && !with_instance && search.takes(&v.tags)
    });
    all.extend(volumes.map(|v| make(kind::VOLUME, v.id.to_string(), &v.tags)));
    let groups = groups.iter().filter(|g| search.takes(&g.tags));
    all.extend(groups.map(|g| make(kind::SECURITY_GROUP, g.id.to_string(), &g.tags)));
    all.extend(keys.iter().filter(|k| search.takes(&k.tags)).map(|k| make(kind::KEY_PAIR, k.name.clone(), &k.tags)));
    Ok(all)
}

/// Those of the snapshots that an image stands on: they are not leftovers.
async fn used(ec2: &Arc<dyn Ec2>, snapshots: Vec<String>) -> Result<BTreeSet<String>, Ec2Error> {
    let mut used = BTreeSet::new();
    // A filter takes 200 values.
    for some in snapshots.chunks(200) {
        let filters = vec![Filter::any("block-device-mapping.snapshot-id", some)];
        let query =
            ImageQuery { owners: vec!["self".into()], filters, include_deprecated: true, ..ImageQuery::default() };
        let images = ec2.images(query).await?;
        used.extend(images.iter().flat_map(|i| &i.mappings).filter_map(|m| Some(m.snapshot.as_ref()?.to_string())));
    }
    Ok(used)
}

/// Temporary profiles and roles. Who may not list them has made none.
async fn look_iam(account: &Arc<dyn Account>, region: &Region, search: &Search) -> Vec<Entry> {
    let iam = account.iam();
    let Ok((roles, profiles)) = iam.temporary().await else { return Vec::new() };
    let mut all = Vec::new();
    for name in profiles {
        if let Ok(Some(found)) = iam.instance_profile(&name).await
            && search.takes(&found.tags)
        {
            all.push(entry(account, region, kind::INSTANCE_PROFILE, name, &found.tags));
        }
    }
    for name in roles {
        if let Ok(Some(found)) = iam.role(&name).await
            && search.takes(&found.tags)
        {
            all.push(entry(account, region, kind::ROLE, name, &found.tags));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_dead_runs_that_kept_nothing_are_taken() {
        let old = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_000, 0)).to_string();
        let search = Search { older_than: Duration::from_secs(3600), now: 5_000, ..Search::default() };
        let tags = |run: &str| Tags::from([(RUN_TAG.to_owned(), run.to_owned())]);
        assert!(search.takes(&tags(&old)));
        assert!(!Search { now: 4_000, ..search.clone() }.takes(&tags(&old)));
        assert!(!Search { alive: BTreeSet::from([old.clone()]), ..search.clone() }.takes(&tags(&old)));
        let mut kept = tags(&old);
        kept.insert(KEEP_TAG.to_owned(), "true".to_owned());
        assert!(!search.takes(&kept));
        assert!(!search.takes(&tags("someone's own word")));
        assert!(!search.takes(&Tags::new()));
    }
}
