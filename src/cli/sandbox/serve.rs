//! `sandbox up` and `sandbox prepare`.

use super::{Place, failed};
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::{ui, wire};
use imgbuild_sandbox::Latencies;
use imgbuild_sandbox::image::Catalogue;
use std::net::{Ipv4Addr, SocketAddr};

#[derive(clap::Args)]
pub struct Up {
    #[command(flatten)]
    place: Place,
    /// Port; 0 is any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Take as long as AWS does: instances 14 s, stops 25 s, images 90 s
    #[arg(long)]
    aws_latencies: bool,
}

/// Serves until Ctrl-C or SIGTERM; machines go on running.
pub async fn up(args: Up, settings: &Settings) -> Outcome {
    let dir = settings.sandbox_dir(args.place.sandbox_dir.as_deref());
    let latencies = if args.aws_latencies { Latencies::aws() } else { Latencies::default() };
    let sandbox = wire::open_sandbox(settings, &dir, latencies).map_err(anyhow::Error::msg)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let endpoint = sandbox.serve(address).await.map_err(failed)?;
    ui::line(format!("EC2 endpoint: {}  (state: {})", endpoint.url, dir.display()));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|e| Failure::Error(e.into()))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    endpoint.shutdown().await;
    Ok(failure::OK)
}

#[derive(clap::Args)]
pub struct Prepare {
    /// Names of images; without any, those that the shipped templates build from
    images: Vec<String>,
}

/// Makes base images.
pub async fn prepare(args: Prepare, settings: &Settings) -> Outcome {
    let catalogue = wire::catalogue(settings);
    let mut failures = 0;
    for image in catalogue.images() {
        let wanted = if args.images.is_empty() {
            image.unavailable.is_none()
        } else {
            args.images.iter().any(|name| image.name.contains(name.as_str()))
        };
        if let Some(why) = &image.unavailable {
            ui::line(format!("{}: not available here: {why}", image.name));
            continue;
        }
        if !wanted {
            continue;
        }
        match catalogue.prepare(&image.name).await {
            Ok(tree) => {
                let note = if image.stand_in { "  (a stand-in, see its description)" } else { "" };
                ui::line(format!("{}: {}{note}", image.name, tree.display()));
            }
            // Named images must come; of the others, what can be had.
            Err(error) => {
                ui::note(format!("{}: {}", image.name, wire::chain(&error)));
                failures += usize::from(!args.images.is_empty() || image.name.starts_with("debian-12"));
            }
        }
    }
    Ok(if failures > 0 { failure::FAILED } else { failure::OK })
}
