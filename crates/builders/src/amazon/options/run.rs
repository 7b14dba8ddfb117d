//! The source instance: image, type, network, profile, user data, tags, placement.

use super::filter::filters;
use crate::amazon::ids::{AmiId, SecurityGroupId, SubnetId, VpcId};
use crate::amazon::types::{CapacityReservation, Filter, MetadataOptions};
use crate::paths::Paths;
use crate::read::{Diags, LateTags, strings, text};
use imgbuild_diag::Span;
use imgbuild_template::Reader;
use std::net::IpAddr;
use std::path::PathBuf;

/// Resolved.
#[derive(Debug, Clone)]
pub struct Run {
    /// The image to start from.
    pub source: SourceAmi,
    /// Instance types: one on demand, or those that a fleet chooses from.
    pub instance_types: Vec<String>,
    /// Tried on demand, in order, where there is no capacity for those.
    pub fallback_types: Vec<String>,
    /// Public address.
    pub public_ip: Option<bool>,
    /// Zone.
    pub availability_zone: Option<String>,
    /// VPC.
    pub vpc: Choice<VpcId>,
    /// Subnet.
    pub subnet: Choice<SubnetId>,
    /// Of several subnets.
    pub subnet_pick: Pick,
    /// Security groups.
    pub security_groups: SecurityGroups,
    /// Instance profile.
    pub iam_instance_profile: Option<String>,
    /// RunInstances tells whether it exists.
    pub skip_profile_validation: bool,
    /// The policy, JSON, of a role that is made for the build with a profile of its own.
    pub temporary_profile: Option<String>,
    /// User data.
    pub user_data: UserData,
    /// Tags, to be rendered.
    pub run_tags: LateTags,
    /// Tags of volumes, to be rendered.
    pub volume_tags: LateTags,
    /// `stop` or `terminate`.
    pub shutdown_behavior: String,
    /// EBS optimisation.
    pub ebs_optimized: bool,
    /// A provisioner stops it.
    pub disable_stop: bool,
    /// Suppress instance store volumes.
    pub no_ephemeral: bool,
    /// Nitro enclaves.
    pub enclave: bool,
    /// Unlimited CPU credits.
    pub unlimited_credits: bool,
    /// Capacity reservation.
    pub capacity: CapacityReservation,
    /// Tenancy.
    pub tenancy: Option<String>,
    /// Dedicated host.
    pub host_id: Option<String>,
    /// Group of dedicated hosts.
    pub host_resource_group_arn: Option<String>,
    /// Licence configurations.
    pub licenses: Vec<String>,
    /// Metadata service.
    pub metadata: MetadataOptions,
    /// Where options stand that the account may refuse.
    pub places: Places,
}

/// Where options stand in the user's file.
#[derive(Debug, Clone, Default)]
pub struct Places(Vec<(&'static str, Span)>);

impl Places {
    /// Options whose values only the account can judge.
    const OPTIONS: [&'static str; 22] = [
        "instance_type",
        "spot_instance_types",
        "fallback_instance_types",
        "source_ami",
        "source_ami_filter",
        "vpc_id",
        "vpc_filter",
        "subnet_id",
        "subnet_filter",
        "security_group_filter",
        "security_group_id",
        "security_group_ids",
        "ssh_keypair_name",
        "iam_instance_profile",
        "region",
        "ami_regions",
        "ami_name",
        "ami_users",
        "snapshot_users",
        "deprecate_at",
        "launch_block_device_mappings",
        "ami_block_device_mappings",
    ];

    /// Those that are written.
    pub fn read(reader: &Reader) -> Self {
        let known = |option: &&str| reader.table().rows().any(|row| row.name == *option) && reader.has(option);
        Places(Self::OPTIONS.into_iter().filter(known).map(|option| (option, reader.place(option))).collect())
    }

    /// The first of these options that is written.
    pub fn of(&self, options: &[&str]) -> Option<&Span> {
        options.iter().find_map(|option| self.0.iter().find(|(name, _)| name == option).map(|(_, span)| span))
    }
}

/// The image to start from.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceAmi {
    /// By id. With filters too, both must match, as in Packer.
    pub id: Option<AmiId>,
    /// Filters.
    pub filters: Vec<Filter>,
    /// Owners.
    pub owners: Vec<String>,
    /// Of several the newest.
    pub most_recent: bool,
    /// Deprecated ones too.
    pub include_deprecated: bool,
}

impl SourceAmi {
    /// No image.
    pub fn none() -> Self {
        SourceAmi { id: None, filters: Vec::new(), owners: Vec::new(), most_recent: false, include_deprecated: false }
    }
}

/// A thing that is named, found, or left to EC2.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice<T> {
    /// Left to EC2.
    Unset,
    /// Named.
    Id(T),
    /// To be found.
    Filter(Vec<Filter>),
}

/// Which of several subnets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// There must be one only.
    Only,
    /// Most free addresses.
    MostFree,
    /// Any.
    Random,
}

/// Security groups.
#[derive(Debug, Clone, PartialEq)]
pub enum SecurityGroups {
    /// These.
    Ids(Vec<SecurityGroupId>),
    /// To be found.
    Filter(Vec<Filter>),
    /// A temporary one for these blocks.
    Temporary(Vec<String>),
    /// A temporary one for this machine's own address.
    TemporaryForCaller,
}

/// User data as the template gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserData {
    /// None.
    None,
    /// In the template.
    Text(String),
    /// In a file.
    File(PathBuf),
}

impl Run {
    /// Reads and checks. `spot` says whether spot instances are asked for, `strict` makes doubtful things errors.
    pub fn read(reader: &Reader, spot: bool, strict: bool, paths: &Paths, diags: &mut Diags) -> Self {
        let instance_type = text(reader, "instance_type");
        let types = strings(reader, "spot_instance_types");
        match (&instance_type, types.is_empty()) {
            (None, true) => {
                let options = ["instance_type", "spot_instance_types"];
                let message = "either \"instance_type\" or \"spot_instance_types\" must be specified";
                diags.missing(reader, &options, message);
            }
            (Some(_), false) => {
                let message = "either \"instance_type\" or \"spot_instance_types\" must be specified, not both";
                diags.error(&reader.place("spot_instance_types"), message);
            }
            _ => {}
        }
        let instance_types = instance_type.map_or(types, |t| vec![t]);
        let security_groups = security_groups(reader, diags);
        for (id, filter) in [("subnet_id", "subnet_filter"), ("vpc_id", "vpc_filter")] {
            if text(reader, id).is_some() && reader.has(filter) {
                overruled(reader, filter, id, diags);
            }
        }
        let user_data = user_data(reader, paths, diags);
        if reader.int("block_duration_minutes").is_some_and(|n| n.value % 60 != 0) {
            diags.error(&reader.place("block_duration_minutes"), "\"block_duration_minutes\" must be a multiple of 60");
        }
        let shutdown_behavior = text(reader, "shutdown_behavior").unwrap_or_else(|| "stop".into());
        one_of(reader, "shutdown_behavior", &shutdown_behavior, &["stop", "terminate"], diags);
        let unlimited = reader.is_true("enable_unlimited_credits") || reader.is_true("enable_t2_unlimited");
        check_credits(reader, unlimited, spot, &instance_types, diags);
        let enclave = reader.is_true("enable_nitro_enclave");
        if enclave && spot {
            diags.error(&reader.place("enable_nitro_enclave"), "Nitro enclaves can't be used with spot instances");
        }
        if enclave && let Some(t) = instance_types.iter().find(|t| t.starts_with('t')) {
            let message = format!("Nitro enclaves can't be used with burstable instance types such as {t}");
            diags.error(&reader.place("enable_nitro_enclave"), message);
        }
        let (tenancy, host_id, host_resource_group_arn) = placement(reader, diags);
        Run {
            source: source(reader, strict, diags),
            instance_types,
            fallback_types: strings(reader, "fallback_instance_types"),
            public_ip: reader.boolean("associate_public_ip_address").map(|b| b.value),
            availability_zone: text(reader, "availability_zone"),
            vpc: choice(reader, "vpc_id", "vpc_filter"),
            subnet: choice(reader, "subnet_id", "subnet_filter"),
            subnet_pick: reader.block("subnet_filter").map_or(Pick::Only, |block| {
                match (block.is_true("most_free"), block.is_true("random")) {
                    (true, _) => Pick::MostFree,
                    (false, true) => Pick::Random,
                    (false, false) => Pick::Only,
                }
            }),
            security_groups,
            iam_instance_profile: text(reader, "iam_instance_profile"),
            skip_profile_validation: reader.is_true("skip_profile_validation"),
            temporary_profile: temporary_profile(reader, diags),
            user_data,
            run_tags: LateTags::read(reader, "run_tags"),
            volume_tags: LateTags::read(reader, "run_volume_tags"),
            shutdown_behavior,
            ebs_optimized: reader.is_true("ebs_optimized"),
            disable_stop: reader.is_true("disable_stop_instance"),
            no_ephemeral: reader.table().rows().any(|row| row.name == "no_ephemeral") && reader.is_true("no_ephemeral"),
            enclave,
            unlimited_credits: unlimited,
            capacity: capacity(reader, diags),
            tenancy,
            host_id,
            host_resource_group_arn,
            licenses: reader
                .blocks("license_specifications")
                .iter()
                .filter_map(|block| block.block("license_configuration_request"))
                .filter_map(|request| text(&request, "license_configuration_arn"))
                .collect(),
            metadata: metadata(reader, diags),
            places: Places::read(reader),
        }
    }
}

impl Run {
    /// Nothing is launched (`amazon-chroot`): only the image to start from counts.
    pub fn nothing(source: SourceAmi, places: Places) -> Self {
        Run {
            source,
            instance_types: Vec::new(),
            fallback_types: Vec::new(),
            public_ip: None,
            availability_zone: None,
            vpc: Choice::Unset,
            subnet: Choice::Unset,
            subnet_pick: Pick::Only,
            security_groups: SecurityGroups::Ids(Vec::new()),
            iam_instance_profile: None,
            skip_profile_validation: false,
            temporary_profile: None,
            user_data: UserData::None,
            run_tags: LateTags::default(),
            volume_tags: LateTags::default(),
            shutdown_behavior: "stop".into(),
            ebs_optimized: false,
            disable_stop: false,
            no_ephemeral: false,
            enclave: false,
            unlimited_credits: false,
            capacity: CapacityReservation::Preference("none".into()),
            tenancy: None,
            host_id: None,
            host_resource_group_arn: None,
            licenses: Vec::new(),
            metadata: MetadataOptions {
                http_endpoint: "enabled".into(),
                http_tokens: "optional".into(),
                hop_limit: 1,
                instance_tags: None,
            },
            places,
        }
    }
}

/// The policy document as IAM takes it. None where a profile is named, as in Packer.
fn temporary_profile(reader: &Reader, diags: &mut Diags) -> Option<String> {
    const OPTION: &str = "temporary_iam_instance_profile_policy_document";
    let block = reader.block(OPTION)?;
    if reader.text("iam_instance_profile").is_some_and(|name| !name.value.is_empty()) {
        let message = format!("{OPTION:?} is not used where \"iam_instance_profile\" names a profile");
        diags.warning(&reader.place(OPTION), message, "leave one of the two out");
        return None;
    }
    let statements = block.blocks("Statement");
    if statements.is_empty() {
        diags.error(&reader.place(OPTION), format!("{OPTION:?} has no \"Statement\""));
    }
    let statements: Vec<serde_json::Value> = statements
        .iter()
        .map(|statement| {
            let effect = text(statement, "Effect").unwrap_or_default();
            one_of(statement, "Effect", &effect, &["Allow", "Deny"], diags);
            let (actions, resources) = (strings(statement, "Action"), strings(statement, "Resource"));
            if actions.is_empty() || resources.is_empty() {
                let message = "a \"Statement\" needs at least one \"Action\" and one \"Resource\"";
                diags.error(&statement.place("Action"), message);
            }
            serde_json::json!({ "Effect": effect, "Action": actions, "Resource": resources })
        })
        .collect();
    let version = text(&block, "Version").unwrap_or_else(|| "2012-10-17".into());
    Some(serde_json::json!({ "Version": version, "Statement": statements }).to_string())
}

/// Whether a type earns CPU credits. Packer's list; for them it asks for the standard mode unless told otherwise.
pub fn is_burstable(instance_type: &str) -> bool {
    ["t2.", "t3.", "t3a.", "t4g."].iter().any(|family| instance_type.starts_with(family))
}

fn one_of(reader: &Reader, option: &str, value: &str, allowed: &[&str], diags: &mut Diags) {
    if !allowed.contains(&value) {
        let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
        diags.error(&reader.place(option), format!("{option:?} must be {}, not {value:?}", allowed.join(" or ")));
    }
}

fn choice<T: From<String>>(reader: &Reader, id: &str, filter: &str) -> Choice<T> {
    match text(reader, id) {
        Some(id) => Choice::Id(T::from(id)),
        None => match reader.block(filter).map(|block| filters(&block)) {
            Some(filters) if !filters.is_empty() => Choice::Filter(filters),
            _ => Choice::Unset,
        },
    }
}

/// `source_ami` and `source_ami_filter`.
pub(super) fn source(reader: &Reader, strict: bool, diags: &mut Diags) -> SourceAmi {
    let id = text(reader, "source_ami").map(AmiId::new);
    let block = reader.block("source_ami_filter");
    let filters = block.as_ref().map(filters).unwrap_or_default();
    let owners = block.as_ref().map(|b| strings(b, "owners")).unwrap_or_default();
    if id.is_none() && filters.is_empty() && owners.is_empty() {
        let message = "a \"source_ami\" or a \"source_ami_filter\" must be specified";
        diags.missing(reader, &["source_ami", "source_ami_filter"], message);
    } else if id.is_none() && owners.is_empty() && !diags.unread(reader, "source_ami") {
        let message = "the \"source_ami_filter\" names no owner: anyone can publish an image under such a name";
        let canonical = filters.iter().any(|f| f.values.iter().any(|v| v.contains("ubuntu")));
        let help = if canonical {
            "add \"owners\": [\"099720109477\"] (Canonical)"
        } else {
            "add \"owners\": [\"self\"], [\"amazon\"] or the publisher's account id"
        };
        if strict {
            diags.error_help(&reader.place("source_ami_filter"), message, help);
        } else {
            diags.warning(&reader.place("source_ami_filter"), message, help);
        }
    }
    SourceAmi {
        id,
        filters,
        owners,
        most_recent: block.as_ref().is_some_and(|b| b.is_true("most_recent")),
        include_deprecated: block.as_ref().is_some_and(|b| b.is_true("include_deprecated")),
    }
}

/// As in Packer another option decides; there nobody says so.
fn overruled(reader: &Reader, option: &str, by: &str, diags: &mut Diags) {
    let message = format!("{option:?} has no effect: {by:?} is set, too");
    diags.warning(&reader.place(option), message, "take one of them out");
}

fn security_groups(reader: &Reader, diags: &mut Diags) -> SecurityGroups {
    let one = text(reader, "security_group_id");
    let mut ids = strings(reader, "security_group_ids");
    if let Some(one) = one {
        if ids.is_empty() {
            ids.push(one);
        } else {
            let message = "only one of \"security_group_id\" and \"security_group_ids\" can be specified";
            diags.error(&reader.place("security_group_id"), message);
        }
    }
    let cidrs = reader.strings("temporary_security_group_source_cidrs").map(|list| list.value).unwrap_or_default();
    for cidr in &cidrs {
        if !is_cidr(cidr) {
            let message = format!("{:?} in \"temporary_security_group_source_cidrs\" is not a CIDR block", cidr.value);
            diags.error_help(&cidr.span, message, "write it as 192.0.2.0/24");
        }
    }
    let cidrs: Vec<String> = cidrs.into_iter().map(|c| c.value).collect();
    let chosen = [
        (!ids.is_empty(), if reader.has("security_group_id") { "security_group_id" } else { "security_group_ids" }),
        (reader.has("security_group_filter"), "security_group_filter"),
        (!cidrs.is_empty(), "temporary_security_group_source_cidrs"),
    ];
    let mut chosen = chosen.into_iter().filter(|(is, _)| *is).map(|(_, option)| option);
    if let Some(first) = chosen.next() {
        chosen.for_each(|other| overruled(reader, other, first, diags));
    }
    if !ids.is_empty() {
        return SecurityGroups::Ids(ids.into_iter().map(SecurityGroupId::new).collect());
    }
    match reader.block("security_group_filter").map(|block| filters(&block)) {
        Some(filters) if !filters.is_empty() => SecurityGroups::Filter(filters),
        _ if !cidrs.is_empty() => SecurityGroups::Temporary(cidrs),
        _ => SecurityGroups::TemporaryForCaller,
    }
}

/// As Go's `net.ParseCIDR`: an address, a slash and a prefix length without sign or leading zero.
pub fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let max = if address.is_ipv4() { 32 } else { 128 };
    !length.is_empty()
        && length.bytes().all(|b| b.is_ascii_digit())
        && (length.len() == 1 || !length.starts_with('0'))
        && length.parse::<u32>().is_ok_and(|n| n <= max)
}

fn user_data(reader: &Reader, paths: &Paths, diags: &mut Diags) -> UserData {
    let inline = text(reader, "user_data");
    let file = text(reader, "user_data_file").map(|file| paths.resolve(&file));
    match (inline, file) {
        (Some(_), Some(_)) => {
            let message = "only one of \"user_data\" and \"user_data_file\" can be specified";
            diags.error(&reader.place("user_data_file"), message);
            UserData::None
        }
        (Some(text), None) => UserData::Text(text),
        (None, Some(path)) => {
            if !path.exists() {
                let message = format!("\"user_data_file\" not found: {}", path.display());
                diags.error(&reader.place("user_data_file"), message);
            }
            UserData::File(path)
        }
        (None, None) => UserData::None,
    }
}

fn check_credits(reader: &Reader, unlimited: bool, spot: bool, types: &[String], diags: &mut Diags) {
    if !unlimited {
        return;
    }
    let option =
        if reader.has("enable_unlimited_credits") { "enable_unlimited_credits" } else { "enable_t2_unlimited" };
    if let Some(t) = types.iter().find(|t| !is_burstable(t)) {
        let message = format!("{option:?} is for T2, T3, T3a and T4g types only, not for {t}");
        diags.error(&reader.place(option), message);
    }
    if spot && types.iter().any(|t| t.starts_with("t2.")) {
        diags.error(&reader.place(option), "T2 spot instances can't have unlimited credits");
    }
}

fn capacity(reader: &Reader, diags: &mut Diags) -> CapacityReservation {
    let preference = text(reader, "capacity_reservation_preference");
    let id = text(reader, "capacity_reservation_id");
    let group = text(reader, "capacity_reservation_group_arn");
    if [preference.is_some(), id.is_some(), group.is_some()].into_iter().filter(|set| *set).count() > 1 {
        let option = if id.is_some() { "capacity_reservation_id" } else { "capacity_reservation_group_arn" };
        let message = "only one of \"capacity_reservation_preference\", \"capacity_reservation_id\" and \
                       \"capacity_reservation_group_arn\" can be specified";
        diags.error(&reader.place(option), message);
    }
    if let Some(preference) = &preference {
        one_of(reader, "capacity_reservation_preference", preference, &["none", "open"], diags);
    }
    match (id, group) {
        (Some(id), _) => CapacityReservation::Id(id),
        (None, Some(arn)) => CapacityReservation::GroupArn(arn),
        (None, None) => CapacityReservation::Preference(preference.unwrap_or_else(|| "none".into())),
    }
}

fn placement(reader: &Reader, diags: &mut Diags) -> (Option<String>, Option<String>, Option<String>) {
    let block = reader.block("placement");
    let of = |name: &str| block.as_ref().and_then(|b| text(b, name));
    let (inner, outer) = (of("tenancy"), text(reader, "tenancy"));
    if inner.is_some() && outer.is_some() {
        diags.error(&reader.place("tenancy"), "set only one of \"placement.tenancy\" and \"tenancy\"");
    }
    if let Some(tenancy) = inner.as_ref().or(outer.as_ref()) {
        let option = if inner.is_some() { "placement" } else { "tenancy" };
        if !["default", "dedicated", "host"].contains(&tenancy.as_str()) {
            diags
                .error(&reader.place(option), format!("unknown tenancy {tenancy:?}: it is default, dedicated or host"));
        }
    }
    let (host, group) = (of("host_id"), of("host_resource_group_arn"));
    if host.is_some() && group.is_some() {
        diags.error(&reader.place("placement"), "only one of \"host_id\" and \"host_resource_group_arn\" can be set");
    }
    let tenancy = inner.or(outer);
    if host.is_some() && tenancy.as_deref().is_some_and(|t| t != "host") {
        diags.error(&reader.place("placement"), "\"host_id\" needs the tenancy \"host\"");
    }
    if group.is_some() && tenancy.as_deref().is_some_and(|t| t != "host") {
        diags.error(&reader.place("placement"), "\"host_resource_group_arn\" needs the tenancy \"host\"");
    }
    (tenancy, host, group)
}

fn metadata(reader: &Reader, diags: &mut Diags) -> MetadataOptions {
    let block = reader.block("metadata_options");
    let of =
        |name: &str, default: &str| block.as_ref().and_then(|b| text(b, name)).unwrap_or_else(|| default.to_owned());
    let options = MetadataOptions {
        http_endpoint: of("http_endpoint", "enabled"),
        http_tokens: of("http_tokens", "optional"),
        hop_limit: block
            .as_ref()
            .and_then(|b| b.int("http_put_response_hop_limit"))
            .filter(|n| n.value != 0)
            .map_or(1, |n| i32::try_from(n.value).unwrap_or(i32::MAX)),
        instance_tags: Some(of("instance_metadata_tags", "disabled")).filter(|v| v != "disabled"),
    };
    if let Some(block) = &block {
        one_of(block, "http_endpoint", &options.http_endpoint, &["enabled", "disabled"], diags);
        one_of(block, "http_tokens", &options.http_tokens, &["optional", "required"], diags);
        let tags = options.instance_tags.as_deref().unwrap_or("disabled");
        one_of(block, "instance_metadata_tags", tags, &["enabled", "disabled"], diags);
        if !(1..=64).contains(&options.hop_limit) {
            let message = "\"http_put_response_hop_limit\" must be between 1 and 64";
            diags.error(&block.place("http_put_response_hop_limit"), message);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::is_cidr;

    #[test]
    fn cidr_blocks() {
        for (text, good) in [
            ("0.0.0.0/0", true),
            ("10.0.0.1/32", true),
            ("::/0", true),
            ("10.0.0.0", false),
            ("10.0.0.0/33", false),
            ("x/8", false),
            ("10.0.0.0/+8", false),
            ("10.0.0.0/08", false),
        ] {
            assert_eq!(is_cidr(text), good, "{text}");
        }
    }
}
