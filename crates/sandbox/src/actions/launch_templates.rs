//! CreateLaunchTemplate, CreateLaunchTemplateVersion, DescribeLaunchTemplates, DescribeLaunchTemplateVersions,
//! DeleteLaunchTemplate.

use std::collections::BTreeMap;

use super::instance_run::LaunchRequest;
use super::tag_spec::{self, TagSpec};
use super::tokens::ClientToken;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, Kind, LaunchTemplate, Region, State, TemplateVersion, new_id};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("CreateLaunchTemplate", Action::Write(create)),
    ("CreateLaunchTemplateVersion", Action::Write(create_version)),
    ("DeleteLaunchTemplate", Action::Write(delete)),
    ("DescribeLaunchTemplateVersions", Action::Read(describe_versions)),
    ("DescribeLaunchTemplates", Action::Read(describe)),
];

const DATA: &str = "LaunchTemplateData.";

/// Takes the launch template data out of the request and checks it with the code that a launch uses.
fn data(c: &Context<'_>) -> Result<BTreeMap<String, String>> {
    let data: BTreeMap<String, String> =
        c.call.params.iter().filter_map(|(k, v)| k.strip_prefix(DATA).map(|k| (k.to_owned(), v.clone()))).collect();
    if data.is_empty() {
        return Err(ApiError::missing("LaunchTemplateData"));
    }
    for name in data.keys() {
        c.p.raw(&format!("{DATA}{name}"));
    }
    let p = Params::new(data.clone());
    LaunchRequest::parse(&p)?;
    p.finish()?;
    Ok(data)
}

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = c.p.need("LaunchTemplateName")?;
    let description = c.p.text("VersionDescription");
    let tags = TagSpec::parse(&c.p, &[Kind::LaunchTemplate])?;
    let token = ClientToken::parse(&c.p, "CreateLaunchTemplate")?;
    let data = data(c)?;
    c.p.finish()?;
    let fine = |ch: char| ch.is_ascii_alphanumeric() || "-_.()/".contains(ch);
    if !(3..=128).contains(&name.len()) || !name.chars().all(fine) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.MalformedException",
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the characters '-', '_', '.', '/', '(', ')'.",
        ));
    }
    let region = c.region_mut(state)?;
    let id = match token.made(region)? {
        Some(id) => id,
        None => {
            if region.launch_templates.values().any(|t| t.name == name) {
                return Err(ApiError::new(
                    "InvalidLaunchTemplateName.AlreadyExistsException",
                    "Launch template name already in use.",
                ));
            }
            let id = new_id(Kind::LaunchTemplate);
            let version = TemplateVersion { number: 1, description, created: c.now().seconds(), data };
            let template = LaunchTemplate {
                id: id.clone(),
                name,
                created: c.now().seconds(),
                default_version: 1,
                versions: vec![version],
            };
            region.launch_templates.insert(id.clone(), template);
            tags.apply(region, Kind::LaunchTemplate, &id);
            token.remember(region, &id, c.now());
            id
        }
    };
    let mut x = Xml::new();
    let template = region.launch_template(&id)?;
    x.node("launchTemplate", |x| fields(x, region, template));
    Ok(x)
}

fn create_version(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (id, name) = (c.p.text("LaunchTemplateId"), c.p.text("LaunchTemplateName"));
    let description = c.p.text("VersionDescription");
    let source = c.p.text("SourceVersion");
    let token = ClientToken::parse(&c.p, "CreateLaunchTemplateVersion")?;
    let new = data(c)?;
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let id = named(region, id, name)?;
    if let Some(made) = token.made(region)? {
        return Ok(version_answer(region.launch_template(&id)?, made.parse().unwrap_or(0)));
    }
    let template = region.launch_template_mut(&id)?;
    let data = match source {
        None => new,
        Some(version) => super::instance_run::merge(template.version(Some(&version))?.data.clone(), &new),
    };
    let number = template.versions.last().map_or(1, |v| v.number + 1);
    template.versions.push(TemplateVersion { number, description, created: c.now().seconds(), data });
    token.remember(region, &number.to_string(), c.now());
    Ok(version_answer(region.launch_template(&id)?, number))
}

fn version_answer(template: &LaunchTemplate, number: u64) -> Xml {
    let mut x = Xml::new();
    if let Some(version) = template.versions.iter().find(|v| v.number == number) {
        x.node("launchTemplateVersion", |x| version_fields(x, template, version));
    }
    x
}

fn named(region: &Region, id: Option<String>, name: Option<String>) -> Result<String> {
    match (id, name) {
        (Some(id), None) => Ok(region.launch_template(&id)?.id.clone()),
        (None, Some(name)) => {
            region.launch_templates.values().find(|t| t.name == name).map(|t| t.id.clone()).ok_or_else(|| {
                ApiError::new(
                    "InvalidLaunchTemplateName.NotFoundException",
                    format!("The specified launch template, with template name {name}, does not exist."),
                )
            })
        }
        _ => Err(ApiError::combination("Specify either the launch template's ID or its name.")),
    }
}

fn delete(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (id, name) = (c.p.text("LaunchTemplateId"), c.p.text("LaunchTemplateName"));
    c.p.finish()?;
    let region = c.region_mut(state)?;
    let id = named(region, id, name)?;
    let mut x = Xml::new();
    let template = region.launch_template(&id)?;
    x.node("launchTemplate", |x| fields(x, region, template));
    region.launch_templates.remove(&id);
    region.tags.remove(&id);
    Ok(x)
}

fn fields(x: &mut Xml, region: &Region, t: &LaunchTemplate) {
    x.text("launchTemplateId", &t.id);
    x.text("launchTemplateName", &t.name);
    x.text("createTime", t.created);
    x.text("createdBy", format!("arn:aws:iam::{ACCOUNT}:root"));
    x.text("defaultVersionNumber", t.default_version);
    x.text("latestVersionNumber", t.versions.last().map_or(t.default_version, |v| v.number));
    tag_spec::write(x, region.tags.get(&t.id));
}

fn describe(c: &Context<'_>, state: &State) -> Result<Xml> {
    let (ids, names) = (c.p.list("LaunchTemplateId"), c.p.list("LaunchTemplateName"));
    let filters = c.p.filters(&["create-time", "launch-template-name", "tag-key"])?;
    let page = c.p.page(1, 200)?;
    c.p.finish()?;
    let region = c.region(state)?;
    ids.iter().try_for_each(|id| region.launch_template(id).map(drop))?;
    for name in &names {
        named(region, None, Some(name.clone()))?;
    }
    let found = region
        .launch_templates
        .values()
        .filter(|t| (ids.is_empty() && names.is_empty()) || ids.contains(&t.id) || names.contains(&t.name))
        .filter(|t| {
            filters.matches(region.tags.get(&t.id), |name| match name {
                "create-time" => vec![t.created.to_string()],
                _ => vec![t.name.clone()],
            })
        })
        .collect();
    let (found, next) = page.cut(found, |t: &&LaunchTemplate| t.id.clone());
    let mut x = Xml::new();
    x.set("launchTemplates", found, |x, t| fields(x, region, t));
    x.opt("nextToken", next);
    Ok(x)
}

fn describe_versions(c: &Context<'_>, state: &State) -> Result<Xml> {
    let (id, name) = (c.p.text("LaunchTemplateId"), c.p.text("LaunchTemplateName"));
    let wanted = c.p.list("LaunchTemplateVersion");
    let page = c.p.page(1, 200)?;
    c.p.finish()?;
    let region = c.region(state)?;
    // Without a template: those of all, by "$Latest" and "$Default" only.
    let all = id.is_none() && name.is_none() && !wanted.is_empty() && wanted.iter().all(|v| v.starts_with('$'));
    let templates: Vec<&LaunchTemplate> = if all {
        region.launch_templates.values().collect()
    } else {
        vec![region.launch_template(&named(region, id, name)?)?]
    };
    let mut versions: Vec<(&LaunchTemplate, &TemplateVersion)> = Vec::new();
    for template in templates {
        let of: Vec<&TemplateVersion> = if wanted.is_empty() {
            template.versions.iter().collect()
        } else {
            wanted.iter().map(|v| template.version(Some(v))).collect::<Result<_>>()?
        };
        for version in of {
            if !versions.contains(&(template, version)) {
                versions.push((template, version));
            }
        }
    }
    let (versions, next) =
        page.cut(versions, |(t, v): &(&LaunchTemplate, &TemplateVersion)| format!("{}{:010}", t.id, v.number));
    let mut x = Xml::new();
    x.set("launchTemplateVersionSet", versions, |x, (template, v)| version_fields(x, template, v));
    x.opt("nextToken", next);
    Ok(x)
}

fn version_fields(x: &mut Xml, t: &LaunchTemplate, v: &TemplateVersion) {
    x.text("launchTemplateId", &t.id);
    x.text("launchTemplateName", &t.name);
    x.text("versionNumber", v.number);
    x.opt("versionDescription", v.description.as_ref());
    x.text("createTime", v.created);
    x.text("createdBy", format!("arn:aws:iam::{ACCOUNT}:root"));
    x.text("defaultVersion", v.number == t.default_version);
    x.node("launchTemplateData", |x| template_data(x, &Params::new(v.data.clone())));
}

/// The template's data, in the shape of an answer.
fn template_data(x: &mut Xml, p: &Params) {
    for (name, element) in [
        ("ImageId", "imageId"),
        ("InstanceType", "instanceType"),
        ("KeyName", "keyName"),
        ("UserData", "userData"),
        ("EbsOptimized", "ebsOptimized"),
        ("DisableApiTermination", "disableApiTermination"),
        ("DisableApiStop", "disableApiStop"),
        ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior"),
    ] {
        x.opt(element, p.text(name));
    }
    for (name, element) in [("SecurityGroupId", "securityGroupIdSet"), ("SecurityGroup", "securityGroupSet")] {
        let ids = p.list(name);
        if !ids.is_empty() {
            x.set(element, ids, |x, id| x.raw(&quick_xml::escape::escape(id.as_str())));
        }
    }
    let devices = p.items("BlockDeviceMapping");
    if !devices.is_empty() {
        x.set("blockDeviceMappingSet", devices, |x, d| {
            x.opt("deviceName", d.text("DeviceName"));
            x.opt("virtualName", d.text("VirtualName"));
            x.opt("noDevice", d.raw("NoDevice"));
            let ebs = d.child("Ebs");
            if ebs.present() {
                x.node("ebs", |x| {
                    for (name, element) in [
                        ("VolumeSize", "volumeSize"),
                        ("VolumeType", "volumeType"),
                        ("SnapshotId", "snapshotId"),
                        ("Iops", "iops"),
                        ("Throughput", "throughput"),
                        ("Encrypted", "encrypted"),
                        ("KmsKeyId", "kmsKeyId"),
                        ("DeleteOnTermination", "deleteOnTermination"),
                    ] {
                        x.opt(element, ebs.text(name));
                    }
                });
            }
        });
    }
    let profile = p.child("IamInstanceProfile");
    if profile.present() {
        x.node("iamInstanceProfile", |x| {
            x.opt("name", profile.text("Name"));
            x.opt("arn", profile.text("Arn"));
        });
    }
    let specs = p.items("TagSpecification");
    if !specs.is_empty() {
        x.set("tagSpecificationSet", specs, |x, spec| {
            x.opt("resourceType", spec.text("ResourceType"));
            x.set("tagSet", spec.items("Tag"), |x, tag| {
                x.opt("key", tag.text("Key"));
                x.text("value", tag.raw("Value").unwrap_or_default());
            });
        });
    }
}
