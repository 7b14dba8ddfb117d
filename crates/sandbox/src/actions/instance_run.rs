//! RunInstances: reading the request, the launch template's share included.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::device_mapping::{self, Requested};
use super::instance_describe::reservation;
use super::instance_launch::launch;
use super::tag_spec::TagSpec;
use super::tokens::ClientToken;
use super::{Action, Context, Entry};
use crate::state::{Kind, LaunchTemplate, Region, State, TemplateVersion};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("RunInstances", Action::Write(run))];

/// The launch parameters that RunInstances, launch templates and fleets share.
#[derive(Debug)]
pub struct LaunchRequest {
    /// `ImageId`
    pub image_id: Option<String>,
    /// `InstanceType`
    pub instance_type: Option<String>,
    /// `KeyName`
    pub key_name: Option<String>,
    /// `SecurityGroupId.N`
    pub group_ids: Vec<String>,
    /// `SecurityGroup.N`
    pub group_names: Vec<String>,
    /// `SubnetId`
    pub subnet_id: Option<String>,
    /// `NetworkInterface.1`
    pub interface: Option<InterfaceRequest>,
    /// `Placement.AvailabilityZone`
    pub availability_zone: Option<String>,
    /// `Placement.Tenancy`
    pub tenancy: Option<String>,
    /// `Placement.GroupName`
    pub placement_group: Option<String>,
    /// `BlockDeviceMapping.N`
    pub devices: Vec<Requested>,
    /// `UserData`, base64.
    pub user_data: Option<String>,
    /// `InstanceInitiatedShutdownBehavior`
    pub shutdown_behavior: Option<String>,
    /// `MetadataOptions`
    pub metadata: MetadataRequest,
    /// `IamInstanceProfile`, as an ARN or a name.
    pub iam_profile: Option<String>,
    /// `EbsOptimized`
    pub ebs_optimized: bool,
    /// `Monitoring.Enabled`
    pub monitoring: bool,
    /// `DisableApiTermination`
    pub disable_termination: bool,
    /// `DisableApiStop`
    pub disable_stop: bool,
    /// `CreditSpecification.CpuCredits`
    pub cpu_credits: Option<String>,
    /// `EnclaveOptions.Enabled`
    pub enclave: bool,
    /// `CapacityReservationSpecification.CapacityReservationPreference`
    pub capacity_reservation: Option<String>,
    /// `TagSpecification.N`
    pub tags: TagSpec,
}

/// `NetworkInterface.1`
#[derive(Debug)]
pub struct InterfaceRequest {
    /// `SubnetId`
    pub subnet_id: Option<String>,
    /// `SecurityGroupId.N`
    pub group_ids: Vec<String>,
    /// `AssociatePublicIpAddress`
    pub public_ip: Option<bool>,
    /// `Description`
    pub description: String,
    /// `DeleteOnTermination`
    pub delete_on_termination: bool,
}

/// `MetadataOptions`
#[derive(Debug, Default, Clone)]
pub struct MetadataRequest {
    /// `HttpTokens`
    pub tokens: Option<String>,
    /// `HttpEndpoint`
    pub endpoint: Option<String>,
    /// `HttpPutResponseHopLimit`
    pub hop_limit: Option<u8>,
    /// `InstanceMetadataTags`
    pub tags: Option<String>,
}

impl MetadataRequest {
    /// Reads the options below `p`.
    pub fn parse(p: &Params) -> Result<Self> {
        let request = Self {
            tokens: p.word("HttpTokens", &["optional", "required"])?,
            endpoint: p.word("HttpEndpoint", &["enabled", "disabled"])?,
            hop_limit: p.number("HttpPutResponseHopLimit")?,
            tags: p.word("InstanceMetadataTags", &["enabled", "disabled"])?,
        };
        if let Some(n) = request.hop_limit.filter(|n| !(1..=64).contains(n)) {
            return Err(ApiError::value(&p.name("HttpPutResponseHopLimit"), n, "Expected 1 to 64."));
        }
        if p.word("HttpProtocolIpv6", &["enabled", "disabled"])?.as_deref() == Some("enabled") {
            return Err(ApiError::unsupported("this sandbox has no IPv6 metadata endpoint (HttpProtocolIpv6)"));
        }
        Ok(request)
    }
}

impl LaunchRequest {
    /// Reads the launch parameters.
    pub fn parse(p: &Params) -> Result<Self> {
        let interfaces = p.items("NetworkInterface");
        if interfaces.len() > 1 {
            return Err(ApiError::unsupported(
                "this sandbox gives an instance one network interface (NetworkInterface.2)",
            ));
        }
        let interface = interfaces.first().map(interface).transpose()?;
        let (placement, profile) = (p.child("Placement"), p.child("IamInstanceProfile"));
        let request = Self {
            image_id: p.text("ImageId"),
            instance_type: p.text("InstanceType"),
            key_name: p.text("KeyName"),
            group_ids: p.list("SecurityGroupId"),
            group_names: p.list("SecurityGroup"),
            subnet_id: p.text("SubnetId"),
            interface,
            availability_zone: placement.text("AvailabilityZone"),
            tenancy: placement.word("Tenancy", &["default", "dedicated", "host"])?,
            placement_group: placement.text("GroupName"),
            devices: device_mapping::parse(p)?,
            user_data: p.text("UserData").map(user_data).transpose()?,
            shutdown_behavior: p.word("InstanceInitiatedShutdownBehavior", &["stop", "terminate"])?,
            metadata: MetadataRequest::parse(&p.child("MetadataOptions"))?,
            iam_profile: instance_profile(&profile)?,
            ebs_optimized: p.flag("EbsOptimized")?.unwrap_or(false),
            monitoring: p.child("Monitoring").flag("Enabled")?.unwrap_or(false),
            disable_termination: p.flag("DisableApiTermination")?.unwrap_or(false),
            disable_stop: p.flag("DisableApiStop")?.unwrap_or(false),
            cpu_credits: p.child("CreditSpecification").word("CpuCredits", &["standard", "unlimited"])?,
            enclave: p.child("EnclaveOptions").flag("Enabled")?.unwrap_or(false),
            capacity_reservation: p
                .child("CapacityReservationSpecification")
                .word("CapacityReservationPreference", &["open", "none"])?,
            tags: TagSpec::parse(p, &[Kind::Instance, Kind::Volume, Kind::NetworkInterface, Kind::SpotRequest])?,
        };
        if p.child("HibernationOptions").flag("Configured")? == Some(true) {
            return Err(ApiError::unsupported("this sandbox's machines do not hibernate (HibernationOptions)"));
        }
        if request.interface.is_some() {
            for (given, what) in [
                (request.subnet_id.is_some(), "subnet ID"),
                (!request.group_ids.is_empty() || !request.group_names.is_empty(), "security groups"),
            ] {
                if given {
                    return Err(ApiError::combination(format!(
                        "Network interfaces and an instance-level {what} may not be specified on the same request"
                    )));
                }
            }
        }
        Ok(request)
    }
}

fn interface(p: &Params) -> Result<InterfaceRequest> {
    if let Some(n) = p.number::<u32>("DeviceIndex")?.filter(|n| *n != 0) {
        return Err(ApiError::value(&p.name("DeviceIndex"), n, "The first network interface has device index 0."));
    }
    if p.text("InterfaceType").is_some_and(|t| t != "interface") {
        return Err(ApiError::unsupported("this sandbox has plain network interfaces only (InterfaceType)"));
    }
    Ok(InterfaceRequest {
        subnet_id: p.text("SubnetId"),
        group_ids: p.list("SecurityGroupId"),
        public_ip: p.flag("AssociatePublicIpAddress")?,
        description: p.raw("Description").unwrap_or_default(),
        delete_on_termination: p.flag("DeleteOnTermination")?.unwrap_or(true),
    })
}

fn instance_profile(p: &Params) -> Result<Option<String>> {
    let invalid = |name: &str| ApiError::value("iamInstanceProfile.name", name, "Invalid IAM Instance Profile name");
    match (p.text("Name"), p.text("Arn")) {
        (Some(_), Some(_)) => Err(ApiError::combination(
            "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
        )),
        (Some(name), None) => {
            let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
            if name.len() > 128 || !name.chars().all(fine) { Err(invalid(&name)) } else { Ok(Some(name)) }
        }
        (None, Some(arn)) => {
            if arn.starts_with("arn:") && arn.contains(":instance-profile/") {
                Ok(Some(arn))
            } else {
                Err(ApiError::value("iamInstanceProfile.arn", arn, "Invalid IAM Instance Profile ARN"))
            }
        }
        (None, None) => Ok(None),
    }
}

/// Refuses user data that is not base64 or longer than 16 KiB.
pub(super) fn user_data(text: String) -> Result<String> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(&compact)
        .map_err(|_| ApiError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))?;
    if bytes.len() > 16 * 1024 {
        return Err(ApiError::new("InvalidParameterValue", "User data is limited to 16384 bytes"));
    }
    Ok(compact)
}

fn run(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let region = c.region_mut(state)?;
    let p = match template(&c.p, region)? {
        None => c.p.clone(),
        Some(data) => Params::new(merge(data, &c.call.params)),
    };
    let number = |name: &str| {
        p.number::<u32>(name)?.filter(|n| *n > 0).ok_or_else(|| match p.text(name) {
            None => ApiError::missing(name),
            Some(v) => ApiError::value(name, v, "It must be greater than 0."),
        })
    };
    let (least, most) = (number("MinCount")?, number("MaxCount")?);
    let request = LaunchRequest::parse(&p)?;
    let token = ClientToken::parse(&p, "RunInstances")?;
    p.finish()?;
    if least > most {
        return Err(ApiError::combination(format!("minCount ({least}) may not be greater than maxCount ({most})")));
    }
    if let Some(id) = token.made(region)? {
        return Ok(reservation(region, &id));
    }
    let id = launch(region, &request, most, c.now(), p.text("ClientToken"))?;
    token.remember(region, &id, c.now());
    Ok(reservation(region, &id))
}

/// The template that a request names, and its version.
pub(super) fn find_template<'r>(
    p: &Params,
    region: &'r Region,
) -> Result<Option<(&'r LaunchTemplate, &'r TemplateVersion)>> {
    if !p.present() {
        return Ok(None);
    }
    let template = match (p.text("LaunchTemplateId"), p.text("LaunchTemplateName")) {
        (Some(id), None) => region.launch_template(&id)?,
        (None, Some(name)) => region.launch_templates.values().find(|t| t.name == name).ok_or_else(|| {
            ApiError::new(
                "InvalidLaunchTemplateName.NotFoundException",
                format!("The specified launch template, with template name {name}, does not exist."),
            )
        })?,
        _ => return Err(ApiError::combination("Specify either the launch template's ID or its name.")),
    };
    let version = template.version(p.text("Version").as_deref())?;
    Ok(Some((template, version)))
}

impl LaunchTemplate {
    /// The version of this number, `$Default` or `$Latest`.
    pub fn version(&self, version: Option<&str>) -> Result<&TemplateVersion> {
        let number = match version {
            None | Some("$Default") => Some(self.default_version),
            Some("$Latest") => self.versions.last().map(|v| v.number),
            Some(n) => n.parse().ok(),
        };
        number.and_then(|n| self.versions.iter().find(|v| v.number == n)).ok_or_else(|| {
            ApiError::new(
                "InvalidLaunchTemplateId.VersionNotFound",
                format!(
                    "Could not find launch template version {} for the template {}.",
                    version.unwrap_or(""),
                    self.id
                ),
            )
        })
    }
}

fn template(p: &Params, region: &Region) -> Result<Option<BTreeMap<String, String>>> {
    Ok(find_template(&p.child("LaunchTemplate"), region)?.map(|(_, version)| version.data.clone()))
}

/// What the request says overrides the template, parameter by parameter; tags of both count.
pub(super) fn merge(
    template: BTreeMap<String, String>,
    request: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let top = |name: &str| name.split('.').next().unwrap_or("").to_owned();
    let given: std::collections::BTreeSet<String> = request.keys().map(|k| top(k)).collect();
    let mut merged = BTreeMap::new();
    for (name, value) in template {
        match top(&name).as_str() {
            // Behind those of the request: lists are read by the order of their numbers.
            "TagSpecification" if given.contains("TagSpecification") => {
                let mut parts = name.splitn(3, '.');
                let (list, index, rest) =
                    (parts.next(), parts.next().and_then(|i| i.parse::<u32>().ok()), parts.next());
                if let (Some(list), Some(index), Some(rest)) = (list, index, rest) {
                    merged.insert(format!("{list}.{}.{rest}", index + 1000), value);
                }
            }
            name_top if given.contains(name_top) => {}
            _ => {
                merged.insert(name, value);
            }
        }
    }
    let own = |name: &str| !name.starts_with("LaunchTemplate.");
    merged.extend(request.iter().filter(|(k, _)| own(k)).map(|(k, v)| (k.clone(), v.clone())));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_override_templates_by_parameter() {
        let map =
            |all: &[(&str, &str)]| all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>();
        let merged = merge(
            map(&[
                ("InstanceType", "t3.micro"),
                ("KeyName", "k"),
                ("SecurityGroupId.1", "sg-1"),
                ("SecurityGroupId.2", "sg-2"),
            ]),
            &map(&[
                ("InstanceType", "m5.large"),
                ("SecurityGroupId.1", "sg-9"),
                ("LaunchTemplate.LaunchTemplateId", "lt-1"),
            ]),
        );
        assert_eq!(merged, map(&[("InstanceType", "m5.large"), ("KeyName", "k"), ("SecurityGroupId.1", "sg-9")]));
    }

    #[test]
    fn user_data_is_base64_and_short() {
        assert!(user_data("aGVsbG8=".into()).is_ok());
        assert_eq!(user_data("hello!".into()).unwrap_err().code, "InvalidUserData.Malformed");
        assert_eq!(user_data(STANDARD.encode(vec![0; 16385])).unwrap_err().code, "InvalidParameterValue");
    }
}
