//! IAM: roles and instance profiles, as far as a build makes and removes them. They are one account's, in no region. What a role
//! allows is kept and not enforced.

use super::tag_spec::limit;
use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, InstanceProfile, Role, State, Tags, new_hex};
use crate::wire::{ApiError, Params, Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[
    ("AddRoleToInstanceProfile", Action::Write(add_role)),
    ("CreateInstanceProfile", Action::Write(create_profile)),
    ("CreateRole", Action::Write(create_role)),
    ("DeleteInstanceProfile", Action::Write(delete_profile)),
    ("DeleteRole", Action::Write(delete_role)),
    ("DeleteRolePolicy", Action::Write(delete_policy)),
    ("GetInstanceProfile", Action::Read(get_profile)),
    ("GetRole", Action::Read(get_role)),
    ("ListInstanceProfiles", Action::Read(list_profiles)),
    ("ListRoles", Action::Read(list_roles)),
    ("PutRolePolicy", Action::Write(put_policy)),
    ("RemoveRoleFromInstanceProfile", Action::Write(remove_role)),
];

fn error(code: &'static str, status: u16, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message).status(status)
}

fn missing(what: &str, name: &str) -> ApiError {
    error("NoSuchEntity", 404, format!("{what} {name} cannot be found."))
}

fn exists(what: &str, name: &str) -> ApiError {
    error("EntityAlreadyExists", 409, format!("{what} with name {name} already exists."))
}

fn name(p: &Params, parameter: &str) -> Result<String> {
    let name = p.need(parameter)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(fine) {
        let message =
            format!("The specified value for {parameter} is invalid: it may hold letters, digits and +=,.@-_");
        return Err(error("ValidationError", 400, message));
    }
    Ok(name)
}

fn path(p: &Params) -> Result<String> {
    let path = p.text("Path").unwrap_or_else(|| "/".into());
    if !path.starts_with('/') || !path.ends_with('/') {
        return Err(error("ValidationError", 400, "The specified value for path must begin and end with /"));
    }
    Ok(path)
}

fn tags(p: &Params) -> Result<Tags> {
    let mut tags = Tags::new();
    // IAM's lists are written `Tags.member.N`.
    for tag in p.child("Tags").items("member") {
        tags.insert(tag.need("Key")?, tag.raw("Value").unwrap_or_default());
    }
    limit(&tags)?;
    Ok(tags)
}

fn document(p: &Params, parameter: &str) -> Result<String> {
    let text = p.need(parameter)?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) if value.get("Statement").is_some() => Ok(text),
        _ => Err(error("MalformedPolicyDocument", 400, "Syntax errors in policy.")),
    }
}

fn create_role(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let role = Role {
        name: name(&c.p, "RoleName")?,
        path: path(&c.p)?,
        id: format!("AROA{}", new_hex(17).to_uppercase()),
        trust: document(&c.p, "AssumeRolePolicyDocument")?,
        created: c.now().seconds().to_string(),
        tags: tags(&c.p)?,
        ..Role::default()
    };
    c.p.finish()?;
    if state.roles.contains_key(&role.name) {
        return Err(exists("Role", &role.name));
    }
    let mut x = Xml::new();
    write_role(&mut x, "Role", &role);
    state.roles.insert(role.name.clone(), role);
    Ok(x)
}

fn get_role(c: &Context<'_>, state: &State) -> Result<Xml> {
    let name = name(&c.p, "RoleName")?;
    c.p.finish()?;
    let mut x = Xml::new();
    write_role(&mut x, "Role", state.roles.get(&name).ok_or_else(|| missing("The role with name", &name))?);
    Ok(x)
}

fn write_role(x: &mut Xml, element: &str, role: &Role) {
    x.node(element, |x| {
        x.text("Path", &role.path);
        x.text("RoleName", &role.name);
        x.text("RoleId", &role.id);
        x.text("Arn", format!("arn:aws:iam::{ACCOUNT}:role{}{}", role.path, role.name));
        x.text("CreateDate", &role.created);
        let encoded = percent_encoding::utf8_percent_encode(&role.trust, percent_encoding::NON_ALPHANUMERIC);
        x.text("AssumeRolePolicyDocument", encoded);
        write_tags(x, &role.tags);
    });
}

fn write_tags(x: &mut Xml, tags: &Tags) {
    x.node("Tags", |x| {
        for (key, value) in tags {
            x.node("member", |x| {
                x.text("Key", key);
                x.text("Value", value);
            });
        }
    });
}

fn put_policy(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (role, policy) = (name(&c.p, "RoleName")?, name(&c.p, "PolicyName")?);
    let document = document(&c.p, "PolicyDocument")?;
    c.p.finish()?;
    let role = state.roles.get_mut(&role).ok_or_else(|| missing("The role with name", &role))?;
    role.policies.insert(policy, document);
    Ok(Xml::new())
}

fn delete_policy(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (role, policy) = (name(&c.p, "RoleName")?, name(&c.p, "PolicyName")?);
    c.p.finish()?;
    let role = state.roles.get_mut(&role).ok_or_else(|| missing("The role with name", &role))?;
    role.policies.remove(&policy).ok_or_else(|| missing("The role policy with name", &policy))?;
    Ok(Xml::new())
}

fn delete_role(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = name(&c.p, "RoleName")?;
    c.p.finish()?;
    let role = state.roles.get(&name).ok_or_else(|| missing("The role with name", &name))?;
    if state.instance_profiles.values().any(|p| p.roles.contains(&name)) {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(error("DeleteConflict", 409, message));
    }
    if !role.policies.is_empty() {
        return Err(error("DeleteConflict", 409, "Cannot delete entity, must delete policies first."));
    }
    state.roles.remove(&name);
    Ok(Xml::new())
}

fn create_profile(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let profile = InstanceProfile {
        name: name(&c.p, "InstanceProfileName")?,
        path: path(&c.p)?,
        id: format!("AIPA{}", new_hex(17).to_uppercase()),
        created: c.now().seconds().to_string(),
        tags: tags(&c.p)?,
        roles: Vec::new(),
    };
    c.p.finish()?;
    if state.instance_profiles.contains_key(&profile.name) {
        return Err(exists("Instance Profile", &profile.name));
    }
    let mut x = Xml::new();
    write_profile(&mut x, "InstanceProfile", &profile, state);
    state.instance_profiles.insert(profile.name.clone(), profile);
    Ok(x)
}

fn get_profile(c: &Context<'_>, state: &State) -> Result<Xml> {
    let name = name(&c.p, "InstanceProfileName")?;
    c.p.finish()?;
    let profile = state.instance_profiles.get(&name).ok_or_else(|| missing("Instance Profile", &name))?;
    let mut x = Xml::new();
    write_profile(&mut x, "InstanceProfile", profile, state);
    Ok(x)
}

fn write_profile(x: &mut Xml, element: &str, profile: &InstanceProfile, state: &State) {
    x.node(element, |x| {
        x.text("Path", &profile.path);
        x.text("InstanceProfileName", &profile.name);
        x.text("InstanceProfileId", &profile.id);
        x.text("Arn", format!("arn:aws:iam::{ACCOUNT}:instance-profile{}{}", profile.path, profile.name));
        x.text("CreateDate", &profile.created);
        x.node("Roles", |x| {
            for role in profile.roles.iter().filter_map(|name| state.roles.get(name)) {
                write_role(x, "member", role);
            }
        });
        write_tags(x, &profile.tags);
    });
}

fn add_role(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (profile, role) = (name(&c.p, "InstanceProfileName")?, name(&c.p, "RoleName")?);
    c.p.finish()?;
    if !state.roles.contains_key(&role) {
        return Err(missing("The role with name", &role));
    }
    let found = state.instance_profiles.get_mut(&profile).ok_or_else(|| missing("Instance Profile", &profile))?;
    if !found.roles.is_empty() {
        return Err(error("LimitExceeded", 409, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
    }
    found.roles.push(role);
    Ok(Xml::new())
}

fn remove_role(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let (profile, role) = (name(&c.p, "InstanceProfileName")?, name(&c.p, "RoleName")?);
    c.p.finish()?;
    let found = state.instance_profiles.get_mut(&profile).ok_or_else(|| missing("Instance Profile", &profile))?;
    if !found.roles.contains(&role) {
        return Err(missing("The role with name", &role));
    }
    found.roles.retain(|r| *r != role);
    Ok(Xml::new())
}

fn delete_profile(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    let name = name(&c.p, "InstanceProfileName")?;
    c.p.finish()?;
    let found = state.instance_profiles.get(&name).ok_or_else(|| missing("Instance Profile", &name))?;
    if !found.roles.is_empty() {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(error("DeleteConflict", 409, message));
    }
    state.instance_profiles.remove(&name);
    Ok(Xml::new())
}

fn list_roles(c: &Context<'_>, state: &State) -> Result<Xml> {
    let prefix = c.p.text("PathPrefix").unwrap_or_else(|| "/".into());
    c.p.finish()?;
    let mut x = Xml::new();
    x.node("Roles", |x| {
        for role in state.roles.values().filter(|r| r.path.starts_with(&prefix)) {
            // As IAM does, lists come without tags.
            write_role(x, "member", &Role { tags: Tags::new(), ..role.clone() });
        }
    });
    x.text("IsTruncated", false);
    Ok(x)
}

fn list_profiles(c: &Context<'_>, state: &State) -> Result<Xml> {
    let prefix = c.p.text("PathPrefix").unwrap_or_else(|| "/".into());
    c.p.finish()?;
    let mut x = Xml::new();
    x.node("InstanceProfiles", |x| {
        for profile in state.instance_profiles.values().filter(|p| p.path.starts_with(&prefix)) {
            write_profile(x, "member", &InstanceProfile { tags: Tags::new(), ..profile.clone() }, state);
        }
    });
    x.text("IsTruncated", false);
    Ok(x)
}
