//! The image: name, sharing, copies, encryption, tags, deprecation; and its snapshots.

use super::access::Access;
use crate::amazon::ids::Region;
use crate::amazon::types::Grant;
use crate::read::{Diags, LateTags, map, strings, text};
use imgbuild_template::{Kind, Opt, Reader, Spanned, Table};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Rows of the image.
pub const AMI: &[Opt] = &[
    Opt::new("ami_name", Kind::String, "Name of the AMI; must be free in the account and region.").default("required"),
    Opt::new("ami_description", Kind::String, "Description.").later(),
    Opt::new("ami_virtualization_type", Kind::String, "Virtualization type; checked where enhanced networking is set."),
    Opt::new("ami_users", Kind::Strings, "Accounts that may launch it."),
    Opt::new("ami_groups", Kind::Strings, "Groups that may launch it: \"all\" makes it public."),
    Opt::new("ami_org_arns", Kind::Strings, "Organizations that may launch it."),
    Opt::new("ami_ou_arns", Kind::Strings, "Organizational units that may launch it."),
    Opt::new("ami_product_codes", Kind::Strings, "Product codes."),
    Opt::new("ami_regions", Kind::Strings, "Regions to copy it to."),
    Opt::new("skip_region_validation", Kind::Bool, "Do not ask EC2 whether the regions exist.").default("false"),
    Opt::new("snapshot_copy_duration_minutes", Kind::Int, "Minutes that a copy may take (time-based copy)."),
    Opt::new("tags", Kind::KeyValues { singular: "tag" }, "Tags of the AMI and its snapshots.").later(),
    Opt::new("ena_support", Kind::Trilean, "Set ENA on the instance before the image is made."),
    Opt::new("sriov_support", Kind::Bool, "Set SR-IOV on the instance before the image is made.").default("false"),
    Opt::new("force_deregister", Kind::Bool, "Replace an AMI of this name, once the new one is there.")
        .default("false"),
    Opt::new("force_delete_snapshot", Kind::Bool, "Delete the snapshots of the replaced AMI too.").default("false"),
    Opt::new("encrypt_boot", Kind::Trilean, "Encrypt the AMI's snapshots."),
    Opt::new("kms_key_id", Kind::String, "KMS key for the build region.").default("the account's EBS key"),
    Opt::new("region_kms_key_ids", Kind::Map, "KMS key of each region that gets a copy."),
    Opt::new("skip_save_build_region", Kind::Bool, "Keep no AMI in the build region.").default("false"),
    Opt::new("imds_support", Kind::String, "\"v2.0\": instances of the AMI require metadata v2."),
    Opt::new("deprecate_at", Kind::String, "RFC 3339 time at which the AMI counts as deprecated."),
    Opt::new("deregistration_protection", Kind::Block(&PROTECTION), "Protects the AMI from being deregistered."),
];

/// Rows of its snapshots.
pub const SNAPSHOT: &[Opt] = &[
    Opt::new("snapshot_tags", Kind::KeyValues { singular: "snapshot_tag" }, "Tags of the snapshots, over \"tags\".")
        .later(),
    Opt::new("snapshot_users", Kind::Strings, "Accounts that may make volumes from the snapshots."),
    Opt::new("snapshot_groups", Kind::Strings, "Groups that may make volumes from the snapshots."),
];

static PROTECTION: Table = Table::new(
    "deregistration_protection",
    &[&[
        Opt::new("enabled", Kind::Bool, "Switches it on.").default("false"),
        Opt::new("with_cooldown", Kind::Bool, "It stays on for 24 hours after it is switched off.").default("false"),
    ]],
);

/// Resolved.
#[derive(Debug, Clone)]
pub struct Ami {
    /// Name.
    pub name: String,
    /// Where the name was written, for what only the account can tell about it.
    pub name_place: imgbuild_diag::Span,
    /// Description, to be rendered.
    pub description: Option<Spanned<String>>,
    /// Virtualization type.
    pub virtualization_type: Option<String>,
    /// Who may launch it.
    pub grant: Grant,
    /// Product codes.
    pub product_codes: Vec<String>,
    /// Regions to copy it to; neither repeated nor the build region.
    pub regions: Vec<Region>,
    /// Ask EC2 whether regions exist.
    pub validate_regions: bool,
    /// Time-based copy.
    pub copy_minutes: Option<i64>,
    /// Tags, to be rendered.
    pub tags: LateTags,
    /// ENA.
    pub ena: Option<bool>,
    /// SR-IOV.
    pub sriov: bool,
    /// What becomes of an AMI of the same name.
    pub replace: Replace,
    /// Encryption.
    pub encryption: Encryption,
    /// Keep no AMI in the build region.
    pub skip_build_region: bool,
    /// Metadata v2 required.
    pub imds_v2: bool,
    /// Deprecation time.
    pub deprecate_at: Option<String>,
    /// Protection from deregistration.
    pub protection: Protection,
    /// Tags of the snapshots, to be rendered.
    pub snapshot_tags: LateTags,
    /// Who may make volumes from the snapshots.
    pub snapshot_grant: Grant,
}

/// What becomes of an AMI that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Nothing: it is an error.
    Never,
    /// It is deregistered once the new one is there.
    Deregister,
    /// Its snapshots go too.
    WithSnapshots,
}

/// `encrypt_boot` with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// As the instance's volumes are; copies likewise.
    Unset,
    /// Not encrypted by us. EC2 can't take encryption away.
    Off,
    /// Encrypted.
    On {
        /// Key in the build region; none: the account's own.
        key: Option<String>,
        /// Keys of the other regions; none: the accounts' own.
        regions: BTreeMap<Region, String>,
    },
}

impl Encryption {
    /// Whether it is to be encrypted.
    pub fn is_on(&self) -> bool {
        matches!(self, Encryption::On { .. })
    }

    /// The key of a region, if one is set. `build` is the build region.
    pub fn key(&self, region: &Region, build: &Region) -> Option<&str> {
        match self {
            Encryption::On { key, regions } if region == build => regions.get(region).or(key.as_ref()),
            Encryption::On { regions, .. } => regions.get(region),
            _ => None,
        }
        .map(String::as_str)
        .filter(|key| !key.is_empty())
    }
}

/// `deregistration_protection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// None.
    Off,
    /// On.
    On {
        /// With 24 hours of cooldown.
        cooldown: bool,
    },
}

/// The characters that EC2 allows in an AMI's name.
fn allowed_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c)
}

static KMS_KEY: LazyLock<Regex> = LazyLock::new(|| {
    // Key ids and ARNs as KMS documents them; the expression is constant and covered by a test.
    #[expect(clippy::unwrap_used, reason = "a constant that a test compiles")]
    Regex::new(
        r"^(?:arn:aws(?:-[a-z]{2}(?:-gov)?)?:kms:(?:[a-z]{2}-(?:gov-)?[a-z]+-[0-9])?:[0-9]{12}:(?:key/(?:mrk-)?[a-f0-9]+[a-f0-9-]+|alias/[a-zA-Z0-9:/_-]+)|(?:mrk-)?[a-f0-9]+[a-f0-9-]+|alias/[a-zA-Z0-9:/_-]+)$",
    )
    .unwrap()
});

/// Whether a text has the form of a key's id, alias or ARN.
pub(super) fn is_kms_key(text: &str) -> bool {
    KMS_KEY.is_match(text)
}

impl Ami {
    /// No image is made (`amazon-ebsvolume`); only enhanced networking is read.
    pub fn none(reader: &Reader) -> Self {
        Ami {
            name: String::new(),
            name_place: reader.span().clone(),
            description: None,
            virtualization_type: None,
            grant: Grant::default(),
            product_codes: Vec::new(),
            regions: Vec::new(),
            validate_regions: false,
            copy_minutes: None,
            tags: LateTags::default(),
            ena: reader.boolean("ena_support").map(|b| b.value),
            sriov: reader.is_true("sriov_support"),
            replace: Replace::Never,
            encryption: Encryption::Unset,
            skip_build_region: false,
            imds_v2: false,
            deprecate_at: None,
            protection: Protection::Off,
            snapshot_tags: LateTags::default(),
            snapshot_grant: Grant::default(),
        }
    }

    /// Reads and checks. `force` is the command line's `-force`.
    pub fn read(reader: &Reader, access: &Access, force: bool, diags: &mut Diags) -> Self {
        let name = text(reader, "ami_name").unwrap_or_default();
        check_name(reader, &name, diags);
        let keys: BTreeMap<Region, String> =
            map(reader, "region_kms_key_ids").into_iter().map(|(region, key)| (Region::new(region), key)).collect();
        let regions = regions(reader, access, &keys, diags);
        let grant = Grant {
            users: strings(reader, "ami_users"),
            groups: strings(reader, "ami_groups"),
            organization_arns: strings(reader, "ami_org_arns"),
            ou_arns: strings(reader, "ami_ou_arns"),
        };
        let snapshot_grant = Grant {
            users: strings(reader, "snapshot_users"),
            groups: strings(reader, "snapshot_groups"),
            ..Grant::default()
        };
        let encryption = encryption(reader, keys, diags);
        check_sharing(reader, &encryption, &grant, &snapshot_grant, diags);
        let imds = text(reader, "imds_support");
        if imds.as_deref().is_some_and(|v| v != "v2.0") {
            diags.error(&reader.place("imds_support"), "\"imds_support\" can only be \"v2.0\" or empty");
        }
        if regions.is_empty() && reader.is_true("skip_save_build_region") {
            let message = "\"skip_save_build_region\" without \"ami_regions\": there will be no AMI anywhere";
            let help = "name the regions that it is for in \"ami_regions\", or say \"skip_create_ami\"";
            diags.warning(&reader.place("skip_save_build_region"), message, help);
        }
        if regions.is_empty() && reader.has("snapshot_copy_duration_minutes") {
            let message = "\"snapshot_copy_duration_minutes\" without \"ami_regions\"";
            diags.warning(
                &reader.place("snapshot_copy_duration_minutes"),
                message,
                "nothing is copied: it has no effect",
            );
        }
        let deprecate_at = text(reader, "deprecate_at");
        if let Some(at) = &deprecate_at
            && at.parse::<jiff::Timestamp>().is_err()
        {
            let message = format!("\"deprecate_at\" is not a valid time: {at:?}");
            diags.error_help(&reader.place("deprecate_at"), message, "write it as 2026-12-31T23:59:59Z");
        }
        let replace = match (reader.is_true("force_deregister") || force, reader.is_true("force_delete_snapshot")) {
            (false, _) => Replace::Never,
            (true, false) => Replace::Deregister,
            (true, true) => Replace::WithSnapshots,
        };
        Ami {
            name,
            name_place: reader.place("ami_name"),
            description: reader.text("ami_description"),
            virtualization_type: text(reader, "ami_virtualization_type"),
            grant,
            product_codes: strings(reader, "ami_product_codes"),
            regions,
            validate_regions: !reader.is_true("skip_region_validation"),
            copy_minutes: reader.int("snapshot_copy_duration_minutes").map(|n| n.value),
            tags: LateTags::read(reader, "tags"),
            ena: reader.boolean("ena_support").map(|b| b.value),
            sriov: reader.is_true("sriov_support"),
            replace,
            encryption,
            skip_build_region: reader.is_true("skip_save_build_region"),
            imds_v2: imds.is_some(),
            deprecate_at,
            protection: reader.block("deregistration_protection").map_or(Protection::Off, |block| {
                let cooldown = block.is_true("with_cooldown");
                if cooldown || block.is_true("enabled") { Protection::On { cooldown } } else { Protection::Off }
            }),
            snapshot_tags: LateTags::read(reader, "snapshot_tags"),
            snapshot_grant,
        }
    }
}

fn check_name(reader: &Reader, name: &str, diags: &mut Diags) {
    let at = reader.place("ami_name");
    if name.is_empty() {
        diags.missing(reader, &["ami_name"], "\"ami_name\" must be specified");
        return;
    }
    if !(3..=128).contains(&name.len()) {
        diags
            .error(&at, format!("\"ami_name\" must be between 3 and 128 characters long, this one has {}", name.len()));
    }
    let mut bad: Vec<char> = name.chars().filter(|c| !allowed_in_name(*c)).collect();
    bad.sort_unstable();
    bad.dedup();
    if !bad.is_empty() {
        let bad: Vec<String> = bad.iter().map(|c| format!("{c:?}")).collect();
        diags.error_help(
            &at,
            format!(
                "\"ami_name\" {name:?} has {}, but EC2 only allows letters, digits, spaces and ( ) [ ] . / - ' @ _",
                bad.join(", ")
            ),
            "the template function clean_resource_name replaces the others by -",
        );
    }
}

/// Without repetitions and the build region; both ways equal to `region_kms_key_ids` where that is set.
fn regions(reader: &Reader, access: &Access, keys: &BTreeMap<Region, String>, diags: &mut Diags) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for region in strings(reader, "ami_regions").into_iter().map(Region::new) {
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    for region in keys.keys().filter(|region| !regions.contains(region)) {
        let message = format!("region {region} is in \"region_kms_key_ids\" but not in \"ami_regions\"");
        diags.error(&reader.place("region_kms_key_ids"), message);
    }
    if !keys.is_empty() {
        for region in regions.iter().filter(|region| !keys.contains_key(region)) {
            let message = format!("region {region} is in \"ami_regions\" but not in \"region_kms_key_ids\"");
            diags.error(&reader.place("ami_regions"), message);
        }
    }
    regions.retain(|region| Some(region) != access.region.as_ref());
    regions
}

fn encryption(reader: &Reader, regions: BTreeMap<Region, String>, diags: &mut Diags) -> Encryption {
    let key = text(reader, "kms_key_id");
    let on = reader.boolean("encrypt_boot").map(|b| b.value);
    let named = key.iter().map(|k| ("kms_key_id", k));
    let named = named.chain(regions.values().filter(|k| !k.is_empty()).map(|k| ("region_kms_key_ids", k)));
    let mut any = None;
    for (option, key) in named {
        any = any.or(Some(option));
        if !is_kms_key(key) {
            diags.error(&reader.place(option), format!("{key:?} is not a valid KMS key id, alias or ARN"));
        }
    }
    if let Some(option) = any
        && on != Some(true)
    {
        let message = format!("where {option:?} is set, \"encrypt_boot\" must be true");
        diags.error(&reader.place(option), message);
    }
    match on {
        None => Encryption::Unset,
        Some(false) => Encryption::Off,
        Some(true) => Encryption::On { key, regions },
    }
}

/// What is encrypted with an account's own EBS key can't be used by another account.
fn check_sharing(reader: &Reader, encryption: &Encryption, ami: &Grant, snapshot: &Grant, diags: &mut Diags) {
    let Encryption::On { key, regions } = encryption else { return };
    let by_default = key.is_none() && regions.is_empty();
    let empty = regions.values().any(String::is_empty);
    let shared = !ami.users.is_empty() || !ami.organization_arns.is_empty() || !ami.ou_arns.is_empty();
    let first = ["ami_users", "ami_org_arns", "ami_ou_arns"].into_iter().find(|o| reader.has(o)).unwrap_or("ami_users");
    for (shared, option, what) in
        [(shared, first, "an AMI"), (!snapshot.users.is_empty(), "snapshot_users", "a snapshot")]
    {
        if shared && (by_default || empty) {
            let message = format!("can't share {what} that is encrypted with the account's default KMS key");
            let help = if by_default {
                "set \"kms_key_id\" or \"region_kms_key_ids\""
            } else {
                "give every region of \"region_kms_key_ids\" a key"
            };
            diags.error_help(&reader.place(option), message, help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kms_keys() {
        for good in [
            "alias/foo/bar",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-f4224f9362ad4b4ab2d1b0dbd1ba9d9f",
            "arn:aws:kms:us-gov-west-1:012345678910:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
            "arn:aws-us-gov:kms:us-gov-east-1:123456789012:key/12345678-1234-abcd-0000-123456789012",
            "arn:aws:kms:us-east-1:012345678910:alias/foo/bar",
        ] {
            assert!(KMS_KEY.is_match(good), "{good}");
        }
        for bad in [
            "",
            "foo",
            "arn:aws:kms:us-east-1:012345678910:foo/bar",
            "arn:foo:kms:us-east-1:012345678910:key/ab-cd",
            "alias/a b",
        ] {
            assert!(!KMS_KEY.is_match(bad), "{bad}");
        }
    }
}
