//! From a builder's type to the builder.

use crate::amazon::check::Finding;
use crate::amazon::chroot::AmazonChroot;
use crate::amazon::ebs::AmazonEbs;
use crate::amazon::env::Amazon;
use crate::amazon::options::{
    AMAZON_CHROOT, AMAZON_EBS, AMAZON_EBSSURROGATE, AMAZON_EBSVOLUME, CHROOT_NAMES, Config, DATA_NAMES, Flags, Product,
};
use crate::file::{FILE, File};
use crate::inputs::Inputs;
use crate::null::{NULL, Null};
use crate::plan::Plan;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_engine::build::Builder;
use imgbuild_engine::provision;
use imgbuild_template::{Context, Table, model};
use std::sync::Arc;

/// Builders that Packer and its plugins have and we have not, so that their names are not taken for typing errors.
const OTHERS: &[&str] = &[
    "alicloud-ecs",
    "amazon-instance",
    "anka-vm",
    "azure-arm",
    "azure-chroot",
    "azure-dtl",
    "cloudstack",
    "digitalocean",
    "docker",
    "googlecompute",
    "hcloud",
    "hyperone",
    "hyperv-iso",
    "hyperv-vmcx",
    "hyperv-vmx",
    "ionoscloud",
    "jdcloud",
    "libvirt",
    "linode",
    "lxc",
    "lxd",
    "ncloud",
    "nutanix",
    "oneandone",
    "openstack",
    "oracle-classic",
    "oracle-oci",
    "oracle-ocisurrogate",
    "osc-bsu",
    "parallels-iso",
    "parallels-pvm",
    "profitbricks",
    "proxmox",
    "proxmox-clone",
    "proxmox-iso",
    "qemu",
    "scaleway",
    "tart-cli",
    "tencentcloud-cvm",
    "triton",
    "ucloud-uhost",
    "upcloud",
    "vagrant",
    "virtualbox-iso",
    "virtualbox-ovf",
    "virtualbox-vm",
    "vmware-iso",
    "vmware-vmx",
    "vsphere-clone",
    "vsphere-iso",
    "vsphere-supervisor",
    "vultr",
    "yandex",
];

/// What can be named instead.
const SUPPORTED: &str =
    "\"amazon-ebs\", \"amazon-ebssurrogate\", \"amazon-ebsvolume\", \"amazon-chroot\", \"file\" and \"null\"";
const NAMES: [&str; 6] = ["amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-chroot", "file", "null"];

/// A builder whose options are read and checked. No call was made.
pub enum Prepared {
    /// One of amazon's.
    Amazon(Box<Config>),
    /// `file`.
    File(Box<File>),
    /// `null`.
    Null(Box<Null>),
}

/// Reads and checks a builder block. What is good may come with warnings; otherwise all errors come at once. `context` is
/// [`imgbuild_template::Template::context`]'s.
pub fn prepare(
    builder: &model::Builder,
    context: &Context,
    flags: Flags,
) -> Result<(Prepared, Diagnostics), Diagnostics> {
    let kind = builder.kind.value.as_str();
    match kind {
        "amazon-ebs" => amazon(Config::read(&builder.body, context, flags)),
        "amazon-ebssurrogate" => amazon(Config::read_surrogate(&builder.body, context, flags)),
        "amazon-ebsvolume" => amazon(Config::read_volumes(&builder.body, context, flags)),
        "amazon-chroot" => amazon(Config::read_chroot(&builder.body, context, flags)),
        "file" => File::read(&builder.body, context).map(|(file, warnings)| (Prepared::File(Box::new(file)), warnings)),
        "null" => Null::read(&builder.body, context).map(|(null, warnings)| (Prepared::Null(Box::new(null)), warnings)),
        known if OTHERS.contains(&known) => {
            let message = format!("the builder type {known:?} is not supported: this program builds with {SUPPORTED}");
            let help = "leave it out with -only or -except, or build it with Packer";
            Err(Diagnostic::error(message).at(&builder.kind.span).help(help).into())
        }
        unknown => {
            let message = format!("unknown builder type {unknown:?}: this program builds with {SUPPORTED}");
            let names = OTHERS.iter().copied().chain(NAMES);
            Err(Diagnostic::error(message).at(&builder.kind.span).suggest(unknown, names).into())
        }
    }
}

fn amazon(read: Result<(Config, Diagnostics), Diagnostics>) -> Result<(Prepared, Diagnostics), Diagnostics> {
    read.map(|(config, warnings)| (Prepared::Amazon(Box::new(config)), warnings))
}

/// The option tables of all builders, for the generated documentation.
pub fn tables() -> [&'static Table; 6] {
    [&AMAZON_EBS, &AMAZON_EBSSURROGATE, &AMAZON_EBSVOLUME, &AMAZON_CHROOT, &FILE, &NULL]
}

impl Prepared {
    /// The names that the builder adds to a build's data (`{{ build "SourceAMI" }}`), for preparing provisioners.
    pub fn data_names(&self) -> &'static [&'static str] {
        match self {
            Prepared::Amazon(config) => match config.product {
                Product::Chroot(_) => &CHROOT_NAMES,
                _ => &DATA_NAMES,
            },
            Prepared::File(_) | Prepared::Null(_) => &[],
        }
    }

    /// Whether its machine is reached over SSH at all (`communicator`).
    pub fn connects(&self) -> bool {
        match self {
            Prepared::Amazon(config) => {
                config.communicator.ssh().is_some() || matches!(config.product, Product::Chroot(_))
            }
            Prepared::File(_) => false,
            Prepared::Null(null) => null.connects(),
        }
    }

    /// What it would make.
    pub fn plan(&self) -> Plan {
        match self {
            Prepared::Amazon(config) => crate::plan::amazon(config),
            Prepared::File(_) | Prepared::Null(_) => Plan::default(),
        }
    }

    /// What the account says about it; nothing where there is no account.
    pub async fn check(&self, amazon: &Amazon) -> Result<Vec<Finding>, String> {
        match self {
            Prepared::Amazon(config) => crate::amazon::check::run(config, amazon).await,
            Prepared::Null(_) | Prepared::File(_) => Ok(Vec::new()),
        }
    }

    /// The names that its images will take, each by account endpoint and region, and where the name is written.
    pub fn image_names(&self) -> Vec<(String, &Span)> {
        match self {
            Prepared::Amazon(config) => config.image_names(),
            Prepared::File(_) | Prepared::Null(_) => Vec::new(),
        }
    }

    /// Every secret of its options, for the redactor.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Prepared::Amazon(config) => config.secrets(),
            Prepared::File(_) => Vec::new(),
            Prepared::Null(null) => null.secrets(),
        }
    }

    /// Whether an image that was made of the same can be found again (`--if-changed`).
    pub fn finds_its_images(&self) -> bool {
        let makes_image = |config: &Config| {
            matches!(config.product, Product::Image | Product::Surrogate(_)) && !config.skip_create_ami
        };
        matches!(self, Prepared::Amazon(config) if makes_image(config))
    }

    /// The builder. `verify`: steps that prove an image on an instance of it; builders without images ignore none: they
    /// refuse them. `inputs`: what the image is made of, for those that can find it again.
    pub fn builder(
        self,
        amazon: &Arc<Amazon>,
        verify: Option<Arc<provision::Plan>>,
        inputs: Option<Inputs>,
    ) -> Result<Box<dyn Builder>, Diagnostic> {
        match self {
            Prepared::Amazon(config) if matches!(config.product, Product::Image | Product::Surrogate(_)) => {
                Ok(Box::new(AmazonEbs { config: *config, shared: Arc::clone(amazon), verify, inputs }))
            }
            _ if verify.is_some() => Err(Diagnostic::error(
                "only amazon-ebs and amazon-ebssurrogate make an image and know an instance on which it can be verified",
            )),
            Prepared::Amazon(config) if matches!(config.product, Product::Chroot(_)) => {
                Ok(Box::new(AmazonChroot { config: *config, shared: Arc::clone(amazon) }))
            }
            Prepared::Amazon(config) => {
                Ok(Box::new(AmazonEbs { config: *config, shared: Arc::clone(amazon), verify, inputs: None }))
            }
            Prepared::File(file) => Ok(file),
            Prepared::Null(null) => Ok(null),
        }
    }
}
