//! `sandbox images`, `sandbox instances`, `sandbox state`.

use super::{Client, Place, failed};
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_builders::amazon::types::{Image, ImageQuery, ImageState, InstanceState};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub struct Images {
    #[command(flatten)]
    place: Place,
    /// Only those that were made here
    #[arg(long)]
    own: bool,
}

#[derive(clap::Args)]
pub struct Instances {
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct State {
    #[command(flatten)]
    place: Place,
    /// Accepted for clarity: there is no other form
    #[arg(long)]
    #[allow(dead_code, reason = "the output is always JSON")]
    json: bool,
}

async fn all_images(client: &Client, own: bool) -> Result<Vec<(Image, bool)>, Failure> {
    let mine = ImageQuery { owners: vec!["self".into()], include_deprecated: true, ..ImageQuery::default() };
    let mine = client.ec2.images(mine).await.map_err(failed)?;
    let mut all: Vec<(Image, bool)> = mine.into_iter().map(|image| (image, true)).collect();
    if !own {
        let rest = client.ec2.images(ImageQuery::default()).await.map_err(failed)?;
        let known: Vec<String> = all.iter().map(|(image, _)| image.id.to_string()).collect();
        all.extend(rest.into_iter().filter(|i| !known.contains(&i.id.to_string())).map(|i| (i, false)));
    }
    Ok(all)
}

/// Lists images.
pub async fn images(args: Images, settings: &Settings, style: Style) -> Outcome {
    let client = args.place.open(settings).await?;
    let mut table = ui::table(["image", "state", "name", "owner", "description"]);
    for (image, own) in all_images(&client, args.own).await? {
        let state = match &image.state {
            ImageState::Available => "available",
            ImageState::Pending => "pending",
            ImageState::Bad(word) => word,
        };
        let owner = if own { "self" } else { image.owner_id.as_str() };
        table.add_row([image.id.as_str(), state, &image.name, owner, &image.description]);
    }
    ui::say(style, &table.to_string());
    client.accounts.shutdown().await;
    Ok(failure::OK)
}

/// Lists instances.
pub async fn instances(args: Instances, settings: &Settings, style: Style) -> Outcome {
    let client = args.place.open(settings).await?;
    let mut table = ui::table(["instance", "state", "address", "type", "name", "volumes"]);
    for instance in client.ec2.instances(Vec::new()).await.map_err(failed)? {
        let volumes: Vec<String> = instance.volumes.iter().map(|v| format!("{}={}", v.device_name, v.id)).collect();
        let name = instance.tags.get("Name").cloned().unwrap_or_default();
        let address = instance.public_ip.clone().or(instance.private_ip.clone()).unwrap_or_default();
        let row =
            [instance.id.to_string(), instance.state.as_str().into(), address, instance.instance_type.clone(), name];
        table.add_row(row.into_iter().chain([volumes.join(" ")]));
    }
    ui::say(style, &table.to_string());
    client.accounts.shutdown().await;
    Ok(failure::OK)
}

/// Everything that this account has; what is terminated or deleted is not there any more.
pub async fn state(args: State, settings: &Settings) -> Outcome {
    let client = args.place.open(settings).await?;
    let ec2 = &client.ec2;
    let images: Vec<Value> = all_images(&client, false)
        .await?
        .into_iter()
        .map(|(image, owned)| {
            let snapshots: Vec<String> =
                image.mappings.iter().filter_map(|m| m.snapshot.as_ref()).map(ToString::to_string).collect();
            json!({ "id": image.id.as_str(), "name": image.name, "owned": owned, "description": image.description,
                    "tags": image.tags, "snapshots": snapshots, "state": format!("{:?}", image.state) })
        })
        .collect();
    let instances = ec2.instances(Vec::new()).await.map_err(failed)?;
    let instances: Vec<Value> = instances
        .iter()
        .filter(|i| i.state != InstanceState::Terminated)
        .map(|i| json!({ "id": i.id.as_str(), "state": i.state.as_str(), "tags": i.tags }))
        .collect();
    let mut sessions = Vec::new();
    for instance in ec2.instances(Vec::new()).await.map_err(failed)? {
        sessions.extend(client.ssm.active_sessions(&instance.id).await.map_err(failed)?.into_iter().map(|s| s.id));
    }
    let volumes = ec2.volumes(Vec::new()).await.map_err(failed)?;
    let snapshots = ec2.snapshots(Vec::new()).await.map_err(failed)?;
    let groups = ec2.security_groups(Vec::new()).await.map_err(failed)?;
    let keys = ec2.key_pairs(Vec::new()).await.map_err(failed)?;
    let all = json!({
        "images": images,
        "instances": instances,
        "sessions": sessions,
        "volumes": volumes.iter().map(|v| json!({ "id": v.id.as_str(), "state": v.state, "tags": v.tags })).collect::<Vec<_>>(),
        "snapshots": snapshots.iter().map(|s| json!({ "id": s.id.as_str(), "state": s.state, "tags": s.tags })).collect::<Vec<_>>(),
        "security_groups": groups.iter().filter(|g| g.name != "default").map(|g| g.name.clone()).collect::<Vec<_>>(),
        "key_pairs": keys.iter().map(|k| k.name.clone()).filter(|k| k != super::node::KEY).collect::<Vec<_>>(),
    });
    ui::line(format!("{all:#}"));
    client.accounts.shutdown().await;
    Ok(failure::OK)
}
