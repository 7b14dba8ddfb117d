//! The fake's IAM: roles and instance profiles, strict about what depends on what.

use super::Client;
use super::state::refuse;
use async_trait::async_trait;
use imgbuild_builders::amazon::ec2::Ec2Result;
use imgbuild_builders::amazon::iam::{Iam, Named};
use imgbuild_builders::amazon::types::Tags;

const GONE: &str = "NoSuchEntity.NotFound";

#[async_trait]
impl Iam for Client {
    async fn create_role(&self, name: &str, tags: &Tags) -> Ec2Result<()> {
        self.call("CreateRole", |state, _| {
            if state.roles.iter().any(|r| r.name == name) {
                return refuse("CreateRole", "EntityAlreadyExists");
            }
            state.roles.push(Named { name: name.into(), tags: tags.clone(), roles: Vec::new() });
            Ok(())
        })
    }

    async fn put_role_policy(&self, role: &str, document: &str) -> Ec2Result<()> {
        self.call("PutRolePolicy", |state, _| match state.roles.iter_mut().find(|r| r.name == role) {
            // A role of the fake keeps its policy where profiles keep their roles.
            Some(role) => {
                role.roles = vec![document.to_owned()];
                Ok(())
            }
            None => refuse("PutRolePolicy", GONE),
        })
    }

    async fn create_instance_profile(&self, name: &str, tags: &Tags) -> Ec2Result<()> {
        self.call("CreateInstanceProfile", |state, _| {
            if state.profiles.iter().any(|p| p.name == name) {
                return refuse("CreateInstanceProfile", "EntityAlreadyExists");
            }
            state.profiles.push(Named { name: name.into(), tags: tags.clone(), roles: Vec::new() });
            Ok(())
        })
    }

    async fn add_role(&self, profile: &str, role: &str) -> Ec2Result<()> {
        self.call("AddRoleToInstanceProfile", |state, _| {
            if !state.roles.iter().any(|r| r.name == role) {
                return refuse("AddRoleToInstanceProfile", GONE);
            }
            match state.profiles.iter_mut().find(|p| p.name == profile) {
                Some(profile) if !profile.roles.is_empty() => refuse("AddRoleToInstanceProfile", "LimitExceeded"),
                Some(profile) => {
                    profile.roles.push(role.to_owned());
                    Ok(())
                }
                None => refuse("AddRoleToInstanceProfile", GONE),
            }
        })
    }

    async fn instance_profile(&self, name: &str) -> Ec2Result<Option<Named>> {
        self.call("GetInstanceProfile", |state, _| Ok(state.profiles.iter().find(|p| p.name == name).cloned()))
    }

    async fn role(&self, name: &str) -> Ec2Result<Option<Named>> {
        self.call("GetRole", |state, _| Ok(state.roles.iter().find(|r| r.name == name).cloned()))
    }

    async fn remove_role(&self, profile: &str, role: &str) -> Ec2Result<()> {
        self.call("RemoveRoleFromInstanceProfile", |state, _| {
            if let Some(profile) = state.profiles.iter_mut().find(|p| p.name == profile) {
                profile.roles.retain(|r| r != role);
            }
            Ok(())
        })
    }

    async fn delete_instance_profile(&self, name: &str) -> Ec2Result<()> {
        self.call("DeleteInstanceProfile", |state, _| {
            if state.profiles.iter().any(|p| p.name == name && !p.roles.is_empty()) {
                return refuse("DeleteInstanceProfile", "DeleteConflict");
            }
            state.profiles.retain(|p| p.name != name);
            Ok(())
        })
    }

    async fn delete_role(&self, name: &str) -> Ec2Result<()> {
        self.call("DeleteRole", |state, _| {
            if state.profiles.iter().any(|p| p.roles.iter().any(|r| r == name)) {
                return refuse("DeleteRole", "DeleteConflict");
            }
            state.roles.retain(|r| r.name != name);
            Ok(())
        })
    }

    async fn temporary(&self) -> Ec2Result<(Vec<String>, Vec<String>)> {
        self.call("ListRoles", |state, _| {
            let names = |all: &[Named]| all.iter().map(|n| n.name.clone()).collect();
            Ok((names(&state.roles), names(&state.profiles)))
        })
    }
}
