//! A temporary instance profile: a role with the template's policy, in a profile of its own, for this build only.

use crate::amazon::ec2::Ec2Error;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::phase::patiently;
use crate::amazon::releaser::kind;
use crate::amazon::types::Tags;
use imgbuild_engine::run::Held;

/// What was made.
pub struct HeldProfile {
    /// The profile.
    pub profile: Held<()>,
    /// Its role.
    pub role: Held<()>,
}

impl HeldProfile {
    /// The profile's name.
    pub fn name(&self) -> &str {
        &self.profile.id
    }
}

/// Makes it, if the template has a policy for it. The first instance may be refused until EC2 knows the profile: that is waited
/// out at the launch.
pub(super) async fn temporary(env: &Env<'_>, tags: &Tags) -> Result<Option<HeldProfile>, Failure> {
    let Some(policy) = &env.config.run.temporary_profile else { return Ok(None) };
    let iam = env.account.iam();
    let name = format!("packer-{}", uuid::Uuid::now_v7());
    let named = |kind: &str| env.intent(kind, &env.region, Some(name.clone()), None, tags.clone());
    env.ui().say(format!("Creating temporary role {name} and its instance profile"));
    let role = env
        .acquire("creating the temporary role", named(kind::ROLE), |intent| {
            let (iam, name) = (iam.clone(), name.clone());
            async move { iam.create_role(&name, &intent.tags).await.map(|()| name) }
        })
        .await?;
    let invisible = |error: &Ec2Error| error.is_not_found();
    patiently(env, "giving the temporary role its policy", invisible, || iam.put_role_policy(&name, policy)).await?;
    let profile = env
        .acquire("creating the temporary instance profile", named(kind::INSTANCE_PROFILE), |intent| {
            let (iam, name) = (iam.clone(), name.clone());
            async move { iam.create_instance_profile(&name, &intent.tags).await.map(|()| name) }
        })
        .await?;
    patiently(env, "putting the role into the instance profile", invisible, || async {
        match iam.add_role(&name, &name).await {
            // A reply that was lost: a profile holds one role.
            Err(error) if error.code == "LimitExceeded" => Ok(()),
            other => other,
        }
    })
    .await?;
    Ok(Some(HeldProfile { profile, role }))
}
