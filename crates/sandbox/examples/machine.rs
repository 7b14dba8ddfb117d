//! Machines by hand, without an endpoint: `cargo run -p imgbuild-sandbox --example machine -- help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program to try things with")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use imgbuild_sandbox::image::{Catalogue, HostCatalogue, Mirrors};
use imgbuild_sandbox::machine::{
    Launch, MachineKind, Metadata, Namespace, RootDisk, Supervisor, VolumeAttachment, supervisor_main,
};

const HELP: &str = "\
machine start ID --tree DIR... --dir DIR [--key FILE.pub] [--user-data FILE] [--volume FILE:DEVICE]... [--type TYPE]
machine stop ID --dir DIR | status ID --dir DIR | console ID --dir DIR | destroy ID --dir DIR | sweep --dir DIR
machine images --dir DIR | prepare NAME --dir DIR
machine attach ID FILE:DEVICE --dir DIR | detach ID VOLUME --dir DIR
DIR holds run/ (the machines) and disks/ID/{upper,work}; trees are topmost first.";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, spec] = arguments.as_slice()
        && command == "__machine"
    {
        return supervisor_main(Path::new(spec));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Failure> {
    let all = |name: &str| -> Vec<String> {
        arguments.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).collect()
    };
    let one = |name: &str| all(name).into_iter().next();
    let dir = PathBuf::from(one("--dir").unwrap_or_else(|| "/tmp/imgbuild-machines".into()));
    let kind =
        Namespace::new(dir.join("run"), Supervisor::this_program()?)?.with_fixtures(Some(dir.join("cache/fixture")));
    let id = arguments.get(1).cloned().unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("start") => {
            let address = kind.reserve_address(&id).await?;
            let disk = dir.join("disks").join(&id);
            for part in ["upper", "work"] {
                std::fs::create_dir_all(disk.join(part))?;
            }
            let metadata = Metadata {
                public_key: match one("--key") {
                    Some(path) => Some(("key".into(), std::fs::read_to_string(path)?)),
                    None => None,
                },
                user_data: one("--user-data").map(std::fs::read).transpose()?,
                enabled: true,
                tokens_required: one("--tokens").is_some_and(|mode| mode == "required"),
                hop_limit: 1,
                leaves: vec![(
                    "dynamic/instance-identity/document".into(),
                    format!("{{\"instanceId\": \"{id}\", \"region\": \"us-east-1\"}}"),
                )],
            };
            let launch = Launch {
                instance_id: id,
                region: "us-east-1".into(),
                availability_zone: "us-east-1a".into(),
                instance_type: one("--type").unwrap_or_else(|| "m3.medium".into()),
                image_id: "ami-00000000".into(),
                hostname: format!("ip-{}", address.to_string().replace('.', "-")),
                address,
                root: RootDisk {
                    lower: all("--tree").into_iter().map(PathBuf::from).collect(),
                    upper: disk.join("upper"),
                    work: disk.join("work"),
                },
                volumes: all("--volume").iter().map(|text| volume(text)).collect::<Result<_, _>>()?,
                metadata,
            };
            let before = Instant::now();
            let running = kind.start(&launch).await?;
            println!("{} {} {:?}", running.address, running.pid, before.elapsed());
        }
        Some("stop") => kind.stop(&id).await?,
        Some("destroy") => kind.destroy(&id).await?,
        Some("status") => println!("{:?}", kind.status(&id).await),
        Some("console") => println!("{}", String::from_utf8_lossy(&kind.console(&id).await)),
        Some("images") => {
            for image in catalogue(&dir).images() {
                println!(
                    "{} {}\n  {}",
                    image.owner_id,
                    image.name,
                    image.unavailable.as_ref().unwrap_or(&image.description)
                );
            }
        }
        Some("prepare") => {
            let before = Instant::now();
            let tree = catalogue(&dir).prepare(&id).await?;
            println!("{} {:?}", tree.display(), before.elapsed());
        }
        Some("sweep") => kind.sweep(|_| false).await?,
        Some("attach") => {
            let volume = volume(arguments.get(2).map_or("", String::as_str))?;
            kind.attach_volume(&id, &volume).await?;
        }
        Some("detach") => kind.detach_volume(&id, arguments.get(2).map_or("", String::as_str), false).await?,
        _ => println!("{HELP}"),
    }
    Ok(())
}

fn catalogue(dir: &Path) -> HostCatalogue {
    HostCatalogue::new(dir.join("cache"), Mirrors::of_host(), Arc::new(|step: &str| eprintln!("{step}")))
}

/// FILE:DEVICE; the volume's id is made of the file's name.
fn volume(text: &str) -> Result<VolumeAttachment, Failure> {
    let (file, device) = text.split_once(':').ok_or("a volume is FILE:DEVICE")?;
    let file = std::fs::canonicalize(file)?;
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("volume").to_owned();
    Ok(VolumeAttachment {
        volume_id: format!("vol-{name}"),
        device: device.to_owned(),
        guest_device: device.to_owned(),
        file,
    })
}
