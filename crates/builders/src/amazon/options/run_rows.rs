//! The rows of the options that [`super::run`] reads.

use imgbuild_template::{Kind, Opt, Table};

/// Rows.
pub const RUN: &[Opt] = &[
    Opt::new("associate_public_ip_address", Kind::Trilean, "Give the instance a public address.")
        .default("as the subnet says"),
    Opt::new("availability_zone", Kind::String, "Zone to launch in."),
    Opt::new("block_duration_minutes", Kind::Int, "Spot blocks, which AWS no longer has. A multiple of 60.")
        .deprecated("AWS no longer has spot blocks; it is checked and not sent"),
    Opt::new("capacity_reservation_preference", Kind::String, "\"open\" or \"none\".").default("none"),
    Opt::new("capacity_reservation_id", Kind::String, "Capacity reservation to use."),
    Opt::new("capacity_reservation_group_arn", Kind::String, "Group of capacity reservations to use."),
    Opt::new("disable_stop_instance", Kind::Bool, "A provisioner stops the instance; only wait for it.")
        .default("false"),
    Opt::new("ebs_optimized", Kind::Bool, "EBS optimisation.").default("false"),
    Opt::new("enable_nitro_enclave", Kind::Bool, "Nitro enclaves.").default("false"),
    Opt::new("enable_t2_unlimited", Kind::Bool, "Unlimited credits.").deprecated("use \"enable_unlimited_credits\""),
    Opt::new("enable_unlimited_credits", Kind::Bool, "Unlimited CPU credits for T types.").default("false"),
    Opt::new("iam_instance_profile", Kind::String, "Instance profile, by name."),
    Opt::new("skip_profile_validation", Kind::Bool, "RunInstances itself tells whether the profile exists.")
        .default("false"),
    Opt::new(
        "temporary_iam_instance_profile_policy_document",
        Kind::Block(&POLICY),
        "What a role allows that is made, with an instance profile, for this build only.",
    ),
    Opt::new(
        "fallback_instance_types",
        Kind::Strings,
        "Types to try on demand, in this order, where EC2 has no capacity for the ones asked for. imgbuild's own.",
    ),
    Opt::new("shutdown_behavior", Kind::String, "What a shutdown from inside does: \"stop\" or \"terminate\".")
        .default("stop"),
    Opt::new("instance_type", Kind::String, "Instance type.").default("required, or spot_instance_types"),
    Opt::new("security_group_filter", Kind::Block(&FILTER), "Finds security groups."),
    Opt::new("run_tags", Kind::KeyValues { singular: "run_tag" }, "Tags of what the build makes.").later(),
    Opt::new("security_group_id", Kind::String, "Security group."),
    Opt::new("security_group_ids", Kind::Strings, "Security groups.").default("a temporary one"),
    Opt::new("subnet_filter", Kind::Block(&SUBNET_FILTER), "Finds the subnet."),
    Opt::new("subnet_id", Kind::String, "Subnet."),
    Opt::new("license_specifications", Kind::Blocks(&LICENSE), "Licence configurations."),
    Opt::new("placement", Kind::Block(&PLACEMENT), "Tenancy and dedicated hosts."),
    Opt::new("tenancy", Kind::String, "Tenancy.").deprecated("use \"tenancy\" inside \"placement\""),
    Opt::new("temporary_security_group_source_cidrs", Kind::Strings, "Who may reach the instance.")
        .default("this machine's own address"),
    Opt::new("temporary_security_group_source_public_ip", Kind::Bool, "Only this machine's public address may.")
        .default("true, unlike Packer"),
    Opt::new("user_data", Kind::String, "User data."),
    Opt::new("user_data_file", Kind::String, "File with the user data."),
    Opt::new("vpc_filter", Kind::Block(&FILTER), "Finds the VPC."),
    Opt::new("vpc_id", Kind::String, "VPC."),
    Opt::new("windows_password_timeout", Kind::Duration, "How long to wait for a Windows password.").default("20m"),
    Opt::new("metadata_options", Kind::Block(&METADATA), "The instance's metadata service."),
];

/// Rows of every builder that starts from an image.
pub const SOURCE: &[Opt] = &[
    Opt::new("source_ami", Kind::String, "Image to start from."),
    Opt::new("source_ami_filter", Kind::Block(&AMI_FILTER), "Finds the image to start from."),
];

/// Tags of the instance's volumes, as the builders of images have them.
pub const VOLUME_TAGS: &[Opt] =
    &[Opt::new("run_volume_tags", Kind::NameValues { singular: "run_volume_tag" }, "Tags of the volumes.").later()];

/// Rows of `amazon-ebs` only.
pub const NO_EPHEMERAL: &[Opt] =
    &[Opt::new("no_ephemeral", Kind::Bool, "Leave out the instance store volumes xvdca to xvdcz.").default("false")];

static POLICY: Table = Table::new(
    "temporary_iam_instance_profile_policy_document",
    &[&[
        Opt::new("Version", Kind::String, "Version of the policy language.").default("2012-10-17"),
        Opt::new("Statement", Kind::Blocks(&STATEMENT), "Statements."),
    ]],
);
static STATEMENT: Table = Table::new(
    "Statement",
    &[&[
        Opt::new("Effect", Kind::String, "\"Allow\" or \"Deny\"."),
        Opt::new("Action", Kind::Strings, "Actions."),
        Opt::new("Resource", Kind::Strings, "Resources."),
    ]],
);
static FILTER: Table = Table::new("filter", &[FILTERS]);
static SUBNET_FILTER: Table = Table::new(
    "subnet_filter",
    &[
        FILTERS,
        &[
            Opt::new("most_free", Kind::Bool, "Of several take the one with most free addresses.").default("false"),
            Opt::new("random", Kind::Bool, "Of several take any.").default("false"),
        ],
    ],
);
/// Rows of `source_ami_filter`.
pub static AMI_FILTER: Table = Table::new(
    "source_ami_filter",
    &[
        FILTERS,
        &[
            Opt::new("owners", Kind::Strings, "Account ids, \"self\", \"amazon\", \"aws-marketplace\"."),
            Opt::new("most_recent", Kind::Bool, "Of several take the newest.").default("false"),
            Opt::new("include_deprecated", Kind::Bool, "Deprecated images too.").default("false"),
        ],
    ],
);
/// Rows of every block that has filters.
pub const FILTERS: &[Opt] = &[
    Opt::new("filters", Kind::Map, "Filters as EC2 names them; a comma in a value separates alternatives."),
    Opt::new("filter", Kind::Blocks(&NAME_VALUE), "The same, one block each."),
];
static NAME_VALUE: Table = Table::new(
    "filter",
    &[&[Opt::new("name", Kind::String, "The filter."), Opt::new("value", Kind::String, "Its value.")]],
);
static LICENSE: Table = Table::new(
    "license_specifications",
    &[&[Opt::new("license_configuration_request", Kind::Block(&LICENSE_REQUEST), "The configuration.")]],
);
static LICENSE_REQUEST: Table =
    Table::new("license_configuration_request", &[&[Opt::new("license_configuration_arn", Kind::String, "Its ARN.")]]);
static PLACEMENT: Table = Table::new(
    "placement",
    &[&[
        Opt::new("host_resource_group_arn", Kind::String, "Group of hosts to launch on."),
        Opt::new("host_id", Kind::String, "Host to launch on."),
        Opt::new("tenancy", Kind::String, "\"default\", \"dedicated\" or \"host\"."),
    ]],
);
static METADATA: Table = Table::new(
    "metadata_options",
    &[&[
        Opt::new("http_endpoint", Kind::String, "\"enabled\" or \"disabled\".").default("enabled"),
        Opt::new("http_tokens", Kind::String, "\"optional\" or \"required\".").default("optional"),
        Opt::new("http_put_response_hop_limit", Kind::Int, "1 to 64.").default("1"),
        Opt::new("instance_metadata_tags", Kind::String, "\"enabled\" or \"disabled\".").default("disabled"),
    ]],
);
