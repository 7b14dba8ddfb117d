//! CopyImage: within a region or from another. The bytes are shared, so only the state takes time.

use std::collections::BTreeSet;

use super::device_mapping::kms_arn;
use super::image_create::{check_description, check_name};
use super::tag_spec::{TagSpec, limit};
use super::tokens::ClientToken;
use super::{Action, Context, Entry};
use crate::state::{
    ACCOUNT, Image, ImageSource, ImageState, Kind, MappedTo, Protection, Snapshot, SnapshotState, State, Tags, new_id,
};
use crate::types::is_region;
use crate::wire::{ApiError, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("CopyImage", Action::Write(copy))];

fn copy(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let source_region = c.p.need("SourceRegion")?;
    let source_id = c.p.need("SourceImageId")?;
    let name = c.p.need("Name")?;
    let description = c.p.raw("Description").unwrap_or_default();
    let encrypted = c.p.flag("Encrypted")?;
    let kms_key_id = c.p.text("KmsKeyId");
    let copy_tags = c.p.flag("CopyImageTags")?.unwrap_or(false);
    let tags = TagSpec::parse(&c.p, &[Kind::Image, Kind::Snapshot])?;
    let token = ClientToken::parse(&c.p, "CopyImage")?;
    if let Some(minutes) = c.p.number::<u32>("SnapshotCopyCompletionDurationMinutes")?
        && (minutes == 0 || minutes % 15 != 0 || minutes > 2880)
    {
        return Err(ApiError::value(
            "snapshotCopyCompletionDurationMinutes",
            minutes,
            "Expected a multiple of 15 up to 2880.",
        ));
    }
    c.p.finish()?;
    check_description(&description)?;
    if kms_key_id.is_some() && encrypted != Some(true) {
        return Err(ApiError::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    if !is_region(&source_region) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region: {source_region}")));
    }
    if let Some(id) = token.made(c.region(state)?)? {
        let mut x = Xml::new();
        x.text("imageId", id);
        return Ok(x);
    }
    let (image, snapshots, old_tags) = {
        let from = state.regions.get(&source_region).ok_or_else(|| Kind::Image.not_found(&source_id))?;
        let image = from.image(&source_id)?.clone();
        if !image.visible() {
            return Err(Kind::Image.not_found(&source_id));
        }
        if image.state != ImageState::Available {
            return Err(ApiError::new(
                "InvalidAMIID.Unavailable",
                format!("The image ID '{source_id}' is not available (it is {})", image.state.name()),
            ));
        }
        let snapshots: Vec<Snapshot> = image.snapshots().map(|id| from.snapshot(id).cloned()).collect::<Result<_>>()?;
        (image, snapshots, from.tags.get(&source_id).cloned().unwrap_or_default())
    };
    if encrypted == Some(false) && snapshots.iter().any(|s| s.encrypted) {
        return Err(ApiError::new("InvalidParameter", "An encrypted snapshot cannot be copied to an unencrypted one"));
    }
    let region = c.region_mut(state)?;
    check_name(region, &name)?;
    let id = new_id(Kind::Image);
    let mut mappings = image.mappings.clone();
    for snapshot in snapshots {
        let new = new_id(Kind::Snapshot);
        let encrypts = encrypted == Some(true) || snapshot.encrypted;
        // Keys belong to a region: a copy into another one uses the given key or that region's default.
        let key = encrypts.then(|| match (&kms_key_id, source_region == region.name) {
            (Some(key), _) => kms_arn(&region.name, key),
            (None, true) if snapshot.kms_key_id.is_some() && encrypted != Some(true) => {
                snapshot.kms_key_id.clone().unwrap_or_default()
            }
            _ => kms_arn(&region.name, "alias/aws/ebs"),
        });
        for mapping in &mut mappings {
            if let MappedTo::Ebs { snapshot_id, spec, .. } = &mut mapping.to
                && snapshot_id.as_deref() == Some(snapshot.id.as_str())
            {
                *snapshot_id = Some(new.clone());
                spec.encrypted = encrypts;
                spec.kms_key_id = key.clone();
            }
        }
        let copied = Snapshot {
            id: new.clone(),
            volume_id: "vol-ffffffff".into(),
            owner_id: ACCOUNT.into(),
            description: format!(
                "Copied for DestinationAmi {id} from SourceAmi {source_id} for SourceSnapshot {}.",
                snapshot.id
            ),
            size: snapshot.size,
            state: SnapshotState::Pending,
            state_message: None,
            started: c.now(),
            completed: None,
            encrypted: encrypts,
            kms_key_id: key,
            content: snapshot.content.clone(),
            copy_of: Some((source_region.clone(), snapshot.id.clone())),
            for_image: Some(id.clone()),
            users: BTreeSet::new(),
            public: false,
            deleted: false,
        };
        region.snapshots.insert(new.clone(), copied);
        tags.apply(region, Kind::Snapshot, &new);
    }
    let mut new_tags: Tags = if copy_tags && image.owner_id == ACCOUNT { old_tags } else { Tags::new() };
    new_tags.extend(tags.of(Kind::Image).cloned().unwrap_or_default());
    limit(&new_tags)?;
    if !new_tags.is_empty() {
        region.tags.insert(id.clone(), new_tags);
    }
    let copied = Image {
        id: id.clone(),
        name,
        description,
        owner_id: ACCOUNT.into(),
        owner_alias: None,
        created: c.now().seconds(),
        state: ImageState::Pending,
        state_message: None,
        source: ImageSource::Copy { region: source_region, image_id: source_id },
        mappings,
        permissions: Vec::new(),
        product_codes: image.product_codes.clone(),
        deprecation: None,
        protection: Protection::Off,
        last_launched: None,
        ..image
    };
    region.images.insert(id.clone(), copied);
    token.remember(region, &id, c.now());
    let mut x = Xml::new();
    x.text("imageId", id);
    Ok(x)
}
