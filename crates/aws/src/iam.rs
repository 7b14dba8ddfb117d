//! `trait Iam` over the SDK's client.

use crate::error;
use crate::retry::{Creating, once};
use async_trait::async_trait;
use aws_sdk_iam::Client as Sdk;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::error::BuildError;
use aws_sdk_iam::types as sdk;
use imgbuild_builders::amazon::ec2::{Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::iam::{Iam, Named, PATH, POLICY, TRUST};
use imgbuild_builders::amazon::types::Tags;

/// IAM of one account.
pub struct IamClient {
    pub sdk: Sdk,
    pub creating: Creating,
}

fn no_retry() -> aws_sdk_iam::config::Builder {
    aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// A tag that the SDK itself refuses.
fn bad(operation: &'static str, error: BuildError) -> Ec2Error {
    let message = error.to_string();
    Ec2Error { operation, code: "Request".into(), message, request_id: None, kind: ErrorKind::Certain }
}

fn sdk_tags(operation: &'static str, tags: &Tags) -> Ec2Result<Option<Vec<sdk::Tag>>> {
    let tags: Result<Vec<sdk::Tag>, _> =
        tags.iter().map(|(k, v)| sdk::Tag::builder().key(k).value(v).build()).collect();
    let tags = tags.map_err(|e| bad(operation, e))?;
    Ok((!tags.is_empty()).then_some(tags))
}

fn tags(tags: &[sdk::Tag]) -> Tags {
    tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
}

/// What is not there is as good as deleted.
fn gone(outcome: Ec2Result<()>) -> Ec2Result<()> {
    match outcome {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[async_trait]
impl Iam for IamClient {
    async fn create_role(&self, name: &str, tags: &Tags) -> Ec2Result<()> {
        let call = self
            .sdk
            .create_role()
            .role_name(name)
            .path(PATH)
            .assume_role_policy_document(TRUST)
            .set_tags(sdk_tags("CreateRole", tags)?);
        once(self.creating, || call.clone().customize().config_override(no_retry()).send(), "CreateRole")
            .await
            .map(drop)
    }

    async fn put_role_policy(&self, role: &str, document: &str) -> Ec2Result<()> {
        let call = self.sdk.put_role_policy().role_name(role).policy_name(POLICY).policy_document(document);
        call.send().await.map(drop).map_err(|e| error::ec2("PutRolePolicy", e))
    }

    async fn create_instance_profile(&self, name: &str, tags: &Tags) -> Ec2Result<()> {
        let call = self
            .sdk
            .create_instance_profile()
            .instance_profile_name(name)
            .path(PATH)
            .set_tags(sdk_tags("CreateInstanceProfile", tags)?);
        let send = || call.clone().customize().config_override(no_retry()).send();
        once(self.creating, send, "CreateInstanceProfile").await.map(drop)
    }

    async fn add_role(&self, profile: &str, role: &str) -> Ec2Result<()> {
        let call = self.sdk.add_role_to_instance_profile().instance_profile_name(profile).role_name(role);
        call.send().await.map(drop).map_err(|e| error::ec2("AddRoleToInstanceProfile", e))
    }

    async fn instance_profile(&self, name: &str) -> Ec2Result<Option<Named>> {
        let out = self.sdk.get_instance_profile().instance_profile_name(name).send().await;
        match out.map_err(|e| error::ec2("GetInstanceProfile", e)) {
            Ok(out) => Ok(out.instance_profile().map(|p| Named {
                name: p.instance_profile_name().to_owned(),
                tags: tags(p.tags()),
                roles: p.roles().iter().map(|r| r.role_name().to_owned()).collect(),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn role(&self, name: &str) -> Ec2Result<Option<Named>> {
        match self.sdk.get_role().role_name(name).send().await.map_err(|e| error::ec2("GetRole", e)) {
            Ok(out) => Ok(out.role().map(|r| Named {
                name: r.role_name().to_owned(),
                tags: tags(r.tags()),
                roles: Vec::new(),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn remove_role(&self, profile: &str, role: &str) -> Ec2Result<()> {
        let call = self.sdk.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role);
        gone(call.send().await.map(drop).map_err(|e| error::ec2("RemoveRoleFromInstanceProfile", e)))
    }

    async fn delete_instance_profile(&self, name: &str) -> Ec2Result<()> {
        let call = self.sdk.delete_instance_profile().instance_profile_name(name).send();
        gone(call.await.map(drop).map_err(|e| error::ec2("DeleteInstanceProfile", e)))
    }

    async fn delete_role(&self, name: &str) -> Ec2Result<()> {
        let policy = self.sdk.delete_role_policy().role_name(name).policy_name(POLICY).send();
        gone(policy.await.map(drop).map_err(|e| error::ec2("DeleteRolePolicy", e)))?;
        let call = self.sdk.delete_role().role_name(name).send();
        gone(call.await.map(drop).map_err(|e| error::ec2("DeleteRole", e)))
    }

    async fn temporary(&self) -> Ec2Result<(Vec<String>, Vec<String>)> {
        let (mut roles, mut profiles) = (Vec::new(), Vec::new());
        let mut pages = self.sdk.list_roles().path_prefix(PATH).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::ec2("ListRoles", e))?;
            roles.extend(page.roles().iter().map(|r| r.role_name().to_owned()));
        }
        let mut pages = self.sdk.list_instance_profiles().path_prefix(PATH).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::ec2("ListInstanceProfiles", e))?;
            profiles.extend(page.instance_profiles().iter().map(|p| p.instance_profile_name().to_owned()));
        }
        Ok((roles, profiles))
    }
}
