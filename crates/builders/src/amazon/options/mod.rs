//! The options of `amazon-ebs`: one file per group, each with its rows and its resolved form; here they are joined.
//!
//! Everything that can be known without the network is checked here, all errors of a template at once. What only the account
//! can tell is the business of [`super::phase::preflight`].

pub mod access;
pub mod ami;
pub mod block_device;
pub mod chroot;
pub mod data;
mod filter;
pub mod run;
mod run_rows;
pub mod spot;
pub mod surrogate;
pub mod volumes;

use crate::paths::Paths;
use crate::read::{Diags, text};
use crate::ssh_options::{self, COMMUNICATOR, Communicator};
use access::{Access, Polling};
use ami::{Ami, Replace};
use block_device::Device;
use chroot::Chroot;
use imgbuild_diag::{Diagnostics, Span};
use imgbuild_template::{Body, Context, Kind, Opt, Reader, Renamed, Table};
use run::{Places, Run, SourceAmi};
use spot::Spot;
use std::time::Duration;
use surrogate::Surrogate;
use volumes::VolumeOf;

const EBS: &[Opt] = &[
    Opt::new("skip_create_ami", Kind::Bool, "Run the provisioners and make no AMI.").default("false"),
    Opt::new("fast_launch", Kind::Any, "Windows fast launch.").refused("Windows is not supported"),
];

const AMI_RUN_TAGS: &[Opt] =
    &[Opt::new("skip_ami_run_tags", Kind::Bool, "Do not give the AMI the tags of \"run_tags\".").default("false")];

const REACH: &[Opt] = &[
    Opt::new(
        "ssh_interface",
        Kind::String,
        "Address to connect to: public_ip, private_ip, public_dns, private_dns, ipv6; or session_manager: through Systems \
         Manager, without a plugin, an inbound rule or a public address.",
    )
    .default("public address, else the private one"),
    Opt::new("pause_before_ssm", Kind::Duration, "Wait before the first Session Manager session.").default("0"),
    Opt::new(
        "session_manager_port",
        Kind::UInt(65535),
        "Port of this machine's loopback that leads through the session (the build's Host and Port), for other programs.",
    )
    .default("any free one"),
];

/// All options of `amazon-ebs`.
pub static AMAZON_EBS: Table = Table::new(
    "amazon-ebs",
    &[
        access::ACCESS,
        ami::AMI,
        ami::SNAPSHOT,
        run_rows::RUN,
        run_rows::SOURCE,
        run_rows::VOLUME_TAGS,
        run_rows::NO_EPHEMERAL,
        spot::SPOT,
        block_device::MAPPINGS,
        EBS,
        AMI_RUN_TAGS,
        REACH,
        COMMUNICATOR,
    ],
)
.renamed(RENAMED);

/// All options of `amazon-ebssurrogate`.
pub static AMAZON_EBSSURROGATE: Table = Table::new(
    "amazon-ebssurrogate",
    &[
        access::ACCESS,
        ami::AMI,
        ami::SNAPSHOT,
        run_rows::RUN,
        run_rows::SOURCE,
        run_rows::VOLUME_TAGS,
        spot::SPOT,
        block_device::SURROGATE_MAPPINGS,
        surrogate::SURROGATE,
        AMI_RUN_TAGS,
        REACH,
        COMMUNICATOR,
    ],
)
.renamed(RENAMED);

/// All options of `amazon-ebsvolume`.
pub static AMAZON_EBSVOLUME: Table = Table::new(
    "amazon-ebsvolume",
    &[access::ACCESS, run_rows::RUN, run_rows::SOURCE, spot::SPOT, volumes::VOLUMES, REACH, COMMUNICATOR],
)
.renamed(RENAMED);

/// All options of `amazon-chroot`.
pub static AMAZON_CHROOT: Table =
    Table::new("amazon-chroot", &[access::ACCESS, ami::AMI, ami::SNAPSHOT, block_device::AMI_MAPPINGS, chroot::CHROOT])
        .renamed(&[Renamed { old: "enhanced_networking", advice: "use \"ena_support\"" }]);

/// What `packer fix` rewrites for this builder.
const RENAMED: &[Renamed] = &[
    Renamed { old: "shutdown_behaviour", advice: "use \"shutdown_behavior\"" },
    Renamed { old: "enhanced_networking", advice: "use \"ena_support\"" },
    Renamed { old: "ssh_private_ip", advice: "use \"ssh_interface\": \"private_ip\"" },
    Renamed { old: "ssh_key_path", advice: "use \"ssh_private_key_file\"" },
    Renamed { old: "ssh_disable_agent", advice: "use \"ssh_disable_agent_forwarding\"" },
    Renamed { old: "temporary_security_group_source_cidr", advice: "use \"temporary_security_group_source_cidrs\"" },
    Renamed { old: "subnet_ids", advice: "use \"subnet_id\" or \"subnet_filter\"" },
];

/// `ssh_interface`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Public address, else the private one; without a VPC the public name.
    Auto,
    /// Public address.
    PublicIp,
    /// Private address.
    PrivateIp,
    /// Public name.
    PublicDns,
    /// Private name.
    PrivateDns,
    /// IPv6 address.
    Ipv6,
    /// No address: through Session Manager.
    SessionManager,
}

/// `ssh_interface = "session_manager"`, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionManager {
    /// `pause_before_ssm`
    pub pause: Duration,
    /// `session_manager_port`; 0: any.
    pub local_port: u16,
}

/// What a builder makes, and how.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a build")]
pub enum Product {
    /// An image of the instance (`amazon-ebs`).
    Image,
    /// An image that is registered from volumes of the instance (`amazon-ebssurrogate`).
    Surrogate(Surrogate),
    /// Volumes and snapshots (`amazon-ebsvolume`).
    Volumes(Vec<VolumeOf>),
    /// An image of a volume that this very instance has filled (`amazon-chroot`).
    Chroot(Box<Chroot>),
}

impl Product {
    /// The builder's type.
    pub fn builder_type(&self) -> &'static str {
        match self {
            Product::Image => "amazon-ebs",
            Product::Surrogate(_) => "amazon-ebssurrogate",
            Product::Volumes(_) => "amazon-ebsvolume",
            Product::Chroot(_) => "amazon-chroot",
        }
    }

    /// Packer's id of the builder.
    pub fn builder_id(&self) -> &'static str {
        match self {
            Product::Image => "mitchellh.amazonebs",
            Product::Surrogate(_) => "mitchellh.amazon.ebssurrogate",
            Product::Volumes(_) => "mitchellh.amazon.ebsvolume",
            Product::Chroot(_) => "mitchellh.amazon.chroot",
        }
    }

    /// Whether an image comes of it.
    pub fn is_image(&self) -> bool {
        !matches!(self, Product::Volumes(_))
    }
}

/// An amazon builder, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// Reaching AWS.
    pub access: Access,
    /// Waiting.
    pub polling: Polling,
    /// The image.
    pub ami: Ami,
    /// The source instance.
    pub run: Run,
    /// Spot; none: on demand.
    pub spot: Option<Spot>,
    /// Devices of the source instance.
    pub launch_mappings: Vec<Device>,
    /// Devices of the image.
    pub ami_mappings: Vec<Device>,
    /// What comes of it.
    pub product: Product,
    /// Make no image.
    pub skip_create_ami: bool,
    /// The image does not get `run_tags`.
    pub skip_ami_run_tags: bool,
    /// Address to connect to.
    pub interface: Interface,
    /// Sessions, where [`Config::interface`] asks for them.
    pub sessions: SessionManager,
    /// Connecting.
    pub communicator: Communicator,
    /// Host keys need not be known beforehand.
    pub accept_any_host_key: bool,
    /// For the second pass: the builder's context, with amazon's functions.
    pub context: Context,
}

/// What the command line says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `-force`.
    pub force: bool,
    /// Doubtful things are errors.
    pub strict: bool,
    /// Host keys need not be known beforehand.
    pub accept_any_host_key: bool,
}

/// The names that this builder adds to a build's data, beside those that every build has.
pub const DATA_NAMES: [&str; 6] =
    ["SourceAMIName", "BuildRegion", "SourceAMI", "SourceAMICreationDate", "SourceAMIOwner", "SourceAMIOwnerName"];

/// Those of `amazon-chroot`.
pub const CHROOT_NAMES: [&str; 8] = [
    "SourceAMIName",
    "BuildRegion",
    "SourceAMI",
    "SourceAMICreationDate",
    "SourceAMIOwner",
    "SourceAMIOwnerName",
    "Device",
    "MountPath",
];

impl Config {
    /// Reads a block of `amazon-ebs`. The result holds warnings where it is good.
    pub fn read(body: &Body, context: &Context, flags: Flags) -> Result<(Config, Diagnostics), Diagnostics> {
        read_as(body, context, &AMAZON_EBS, |reader, context, diags| {
            let mut config = Config::of_instance(reader, context, flags, diags);
            config.skip_create_ami = reader.is_true("skip_create_ami");
            config
        })
    }

    /// Reads a block of `amazon-ebssurrogate`.
    pub fn read_surrogate(body: &Body, context: &Context, flags: Flags) -> Result<(Config, Diagnostics), Diagnostics> {
        read_as(body, context, &AMAZON_EBSSURROGATE, |reader, context, diags| {
            let mut config = Config::of_instance(reader, context, flags, diags);
            config.product = Product::Surrogate(surrogate::read(reader, &config.launch_mappings, diags));
            config
        })
    }

    /// Reads a block of `amazon-ebsvolume`.
    pub fn read_volumes(body: &Body, context: &Context, flags: Flags) -> Result<(Config, Diagnostics), Diagnostics> {
        read_as(body, context, &AMAZON_EBSVOLUME, |reader, context, diags| {
            let paths = Paths::new(&context);
            reserved(reader, &["run_tags", "run_volume_tags", "spot_tags", "fleet_tags"], diags);
            let access = Access::read(reader, diags);
            let spot = spot::read(reader, diags);
            let mut communicator = ssh_options::read(reader, true, &paths, diags);
            let interface = interface(reader, diags);
            let run = Run::read(reader, spot.is_some(), flags.strict, &paths, diags);
            let sessions = sessions(reader, interface, &run, &mut communicator, diags);
            let (launch_mappings, wanted) = volumes::read(reader, diags);
            Config {
                polling: Polling::read(reader, &context),
                ami: Ami::none(reader),
                run,
                spot,
                launch_mappings,
                ami_mappings: Vec::new(),
                product: Product::Volumes(wanted),
                skip_create_ami: true,
                skip_ami_run_tags: true,
                interface,
                sessions,
                accept_any_host_key: flags.accept_any_host_key,
                communicator,
                access,
                context,
            }
        })
    }

    /// Reads a block of `amazon-chroot`.
    pub fn read_chroot(body: &Body, context: &Context, flags: Flags) -> Result<(Config, Diagnostics), Diagnostics> {
        read_as(body, context, &AMAZON_CHROOT, |reader, context, diags| {
            reserved(reader, &["tags", "snapshot_tags", "root_volume_tags"], diags);
            let access = Access::read(reader, diags);
            let ami_mappings = block_device::read(reader, "ami_block_device_mappings", diags);
            let chroot = chroot::read(reader, &ami_mappings, diags);
            let source = if chroot.from_scratch { SourceAmi::none() } else { run::source(reader, flags.strict, diags) };
            Config {
                polling: Polling::read(reader, &context),
                ami: Ami::read(reader, &access, flags.force, diags),
                run: Run::nothing(source, Places::read(reader)),
                spot: None,
                launch_mappings: Vec::new(),
                ami_mappings,
                product: Product::Chroot(Box::new(chroot)),
                skip_create_ami: false,
                skip_ami_run_tags: true,
                interface: Interface::Auto,
                sessions: SessionManager::default(),
                accept_any_host_key: flags.accept_any_host_key,
                communicator: Communicator::None,
                access,
                context,
            }
        })
    }

    /// What the builders that make an image of an instance have in common.
    fn of_instance(reader: &Reader, context: Context, flags: Flags, diags: &mut Diags) -> Config {
        let paths = Paths::new(&context);
        reserved(reader, &["tags", "snapshot_tags", "run_tags", "run_volume_tags", "spot_tags", "fleet_tags"], diags);
        let access = Access::read(reader, diags);
        let spot = spot::read(reader, diags);
        let mut communicator = ssh_options::read(reader, true, &paths, diags);
        let interface = interface(reader, diags);
        let run = Run::read(reader, spot.is_some(), flags.strict, &paths, diags);
        let sessions = sessions(reader, interface, &run, &mut communicator, diags);
        Config {
            polling: Polling::read(reader, &context),
            ami: Ami::read(reader, &access, flags.force, diags),
            run,
            spot,
            launch_mappings: block_device::read(reader, "launch_block_device_mappings", diags),
            ami_mappings: block_device::read(reader, "ami_block_device_mappings", diags),
            product: Product::Image,
            skip_create_ami: false,
            skip_ami_run_tags: reader.is_true("skip_ami_run_tags"),
            interface,
            sessions,
            accept_any_host_key: flags.accept_any_host_key,
            communicator,
            access,
            context,
        }
    }

    /// The names that it will take: a region and an AMI's name each. None where an image of that name may be replaced.
    pub fn image_names(&self) -> Vec<(String, &Span)> {
        if self.skip_create_ami || self.ami.replace != Replace::Never {
            return Vec::new();
        }
        let own = (!self.ami.skip_build_region).then(|| self.access.region.as_ref().map_or("", |r| r.as_str()));
        let copies = self.ami.regions.iter().map(|r| r.as_str());
        let place = format!("{:?}", self.access.endpoint);
        own.into_iter()
            .chain(copies)
            .map(|region| (format!("{place} {region} {}", self.ami.name), &self.ami.name_place))
            .collect()
    }

    /// All secrets of the configuration, for the redactor.
    pub fn secrets(&self) -> Vec<&str> {
        let mut secrets: Vec<&str> = self.access.secrets().collect();
        if let Some(ssh) = self.communicator.ssh() {
            secrets.extend(ssh.password.iter().map(|p| p.expose().as_str()));
            secrets.extend(ssh.route_secrets());
        }
        secrets
    }
}

/// Reads a block by a table.
fn read_as(
    body: &Body,
    context: &Context,
    table: &'static Table,
    resolve: impl FnOnce(&Reader, Context, &mut Diags) -> Config,
) -> Result<(Config, Diagnostics), Diagnostics> {
    let context = context.clone().with_amazon_functions(true);
    let mut found = Diagnostics::new();
    let reader = body.reader(table, &context, &mut found);
    let mut diags = Diags::new(found, body);
    let config = resolve(&reader, context, &mut diags);
    diags.found.into_result(config)
}

/// EC2 takes no tag of its own namespace; it would say so after the image is made.
fn reserved(reader: &Reader, options: &[&str], diags: &mut Diags) {
    for option in options.iter().copied() {
        for (key, value) in reader.map(option).map(|map| map.value).into_iter().flatten() {
            if key.to_ascii_lowercase().starts_with("aws:") {
                let message =
                    format!("{option:?} has the key {key:?}, but tags that begin with aws: are reserved by AWS");
                diags.error(&value.span, message);
            }
        }
    }
}

fn interface(reader: &Reader, diags: &mut Diags) -> Interface {
    match text(reader, "ssh_interface").as_deref() {
        None => Interface::Auto,
        Some("public_ip") => Interface::PublicIp,
        Some("private_ip") => Interface::PrivateIp,
        Some("public_dns") => Interface::PublicDns,
        Some("private_dns") => Interface::PrivateDns,
        Some("ipv6") => Interface::Ipv6,
        Some("session_manager") => Interface::SessionManager,
        Some(other) => {
            let message = format!("unknown interface type {other:?} in \"ssh_interface\"");
            diags.error_help(
                &reader.place("ssh_interface"),
                message,
                "it is public_ip, private_ip, public_dns, private_dns, ipv6 or session_manager",
            );
            Interface::Auto
        }
    }
}

/// What Session Manager needs, and what can't go with it.
fn sessions(
    reader: &Reader,
    interface: Interface,
    run: &Run,
    communicator: &mut Communicator,
    diags: &mut Diags,
) -> SessionManager {
    const OWN: [&str; 2] = ["pause_before_ssm", "session_manager_port"];
    let sessions = SessionManager {
        pause: reader.duration("pause_before_ssm").map(|d| d.value).unwrap_or_default(),
        local_port: reader.int("session_manager_port").and_then(|port| u16::try_from(port.value).ok()).unwrap_or(0),
    };
    if interface != Interface::SessionManager {
        for option in OWN.into_iter().filter(|option| reader.has(option)) {
            let message = format!("{option:?} is not used without \"ssh_interface\": \"session_manager\"");
            diags.warning(&reader.place(option), message, "remove it");
        }
        return sessions;
    }
    let place = reader.place("ssh_interface");
    if run.iam_instance_profile.is_none() && run.temporary_profile.is_none() {
        let message = "\"ssh_interface\": \"session_manager\" needs an instance profile";
        let help = "set \"iam_instance_profile\" to one with AmazonSSMManagedInstanceCore's permissions, or give them in \
                    \"temporary_iam_instance_profile_policy_document\"";
        diags.error_help(&place, message, help);
    }
    let Communicator::Ssh(ssh) = communicator else { return sessions };
    for option in ["ssh_bastion_host", "ssh_proxy_host"].into_iter().filter(|option| reader.has(option)) {
        let message = format!("{option:?} can't go with \"ssh_interface\": \"session_manager\"");
        diags.error_help(
            &reader.place(option),
            message,
            "the session leads to the instance itself: remove one of the two",
        );
    }
    match ssh.host.take().as_deref() {
        // What Packer's own tunnel listens on.
        None | Some("localhost" | "127.0.0.1" | "::1") => {}
        Some(host) => {
            let message =
                format!("\"ssh_host\" is {host:?}, but \"session_manager\" leads to the instance that is launched");
            diags.error_help(&reader.place("ssh_host"), message, "remove \"ssh_host\"");
        }
    }
    sessions
}
