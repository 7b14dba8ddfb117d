//! A least-privilege policy out of a plan's actions: reading is for everything, creating wants tags, and changing or deleting is
//! for what carries the run's tag.

use super::Plan;
use crate::amazon::iam::PATH;
use crate::amazon::ssm::DOCUMENT;
use imgbuild_engine::run::RUN_TAG;
use serde_json::{Value, json};

/// Actions on things that carry the run's tag since their creation. Those on images and snapshots are not among them: what is
/// replaced was made by another run, and what is published has lost the tag.
const ON_TAGGED: [&str; 8] = [
    "ec2:TerminateInstances",
    "ec2:StopInstances",
    "ec2:DeleteVolume",
    "ec2:DeleteSecurityGroup",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:DeleteLaunchTemplate",
    "ec2:DetachVolume",
];

/// The policy document for these builds.
pub fn policy<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Value {
    let mut actions: Vec<&str> = plans.into_iter().flat_map(|plan| &plan.actions).map(String::as_str).collect();
    actions.sort_unstable();
    actions.dedup();
    let take = |of: &dyn Fn(&str) -> bool| -> Vec<&str> { actions.iter().copied().filter(|a| of(a)).collect() };
    let reads = |a: &str| a.starts_with("ec2:Describe") || a == "ec2:GetConsoleOutput" || a.starts_with("sts:Decode");
    let tagged = |a: &str| ON_TAGGED.contains(&a);
    let profile = |a: &str| a.starts_with("iam:") && a != "iam:PassRole" && a != "iam:CreateServiceLinkedRole";
    let rest = |a: &str| a.starts_with("ec2:") && !reads(a) && !tagged(a);
    let mut statements = Vec::new();
    let mut add = |sid: &str, actions: Vec<&str>, resource: Value, condition: Option<Value>| {
        if actions.is_empty() {
            return;
        }
        let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statements.push(statement);
    };
    add("Read", take(&reads), json!("*"), None);
    add("Make", take(&rest), json!("*"), None);
    let carries = json!({ "Null": { format!("aws:ResourceTag/{RUN_TAG}"): "false" } });
    add("ChangeAndRemoveOwn", take(&tagged), json!("*"), Some(carries));
    let own = [format!("arn:*:iam::*:role{PATH}*"), format!("arn:*:iam::*:instance-profile{PATH}*")];
    add("TemporaryProfile", take(&profile), json!(own), None);
    let to_ec2 = json!({ "StringLike": { "iam:PassedToService": "ec2.*" } });
    add("GiveRolesToInstances", take(&|a| a == "iam:PassRole"), json!("*"), Some(to_ec2));
    let spot = json!({ "StringLike": { "iam:AWSServiceName": "spot.amazonaws.com" } });
    add("Spot", take(&|a| a == "iam:CreateServiceLinkedRole"), json!("*"), Some(spot));
    let instances = json!({ "Null": { format!("ssm:resourceTag/{RUN_TAG}"): "false" } });
    add("OpenSessions", take(&|a| a == "ssm:StartSession"), json!("arn:*:ec2:*:*:instance/*"), Some(instances));
    let document = json!(format!("arn:*:ssm:*:*:document/{DOCUMENT}"));
    add("SessionDocument", take(&|a| a == "ssm:StartSession"), document, None);
    // Their ids begin with the name of the user or of the role's session.
    let sessions = ["arn:*:ssm:*:*:session/${aws:username}-*", "arn:*:ssm:*:*:session/${aws:userid}-*"];
    let ends = |a: &str| a == "ssm:ResumeSession" || a == "ssm:TerminateSession";
    add("OwnSessions", take(&ends), json!(sessions), None);
    add("ListSessions", take(&|a| a == "ssm:DescribeSessions"), json!("*"), None);
    add("Keys", take(&|a| a.starts_with("kms:")), json!("*"), None);
    add("Sessions", take(&|a| a.starts_with("sts:") && !reads(a)), json!("*"), None);
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_in_exactly_one_statement() {
        let actions: Vec<String> = [
            "ec2:DescribeImages",
            "ec2:RunInstances",
            "ec2:TerminateInstances",
            "iam:CreateRole",
            "iam:PassRole",
            "kms:Decrypt",
            "sts:AssumeRole",
            "sts:DecodeAuthorizationMessage",
            "iam:CreateServiceLinkedRole",
            "ssm:TerminateSession",
            "ssm:DescribeSessions",
        ]
        .map(String::from)
        .to_vec();
        let document = policy([&Plan { actions: actions.clone(), ..Plan::default() }]);
        let statements = document["Statement"].as_array().unwrap();
        for action in &actions {
            let holding = statements.iter().filter(|s| s["Action"].as_array().unwrap().contains(&json!(action)));
            assert_eq!(holding.count(), 1, "{action}");
        }
        let remove = statements.iter().find(|s| s["Sid"] == "ChangeAndRemoveOwn").unwrap();
        assert!(remove["Condition"]["Null"]["aws:ResourceTag/imgbuild:run"] == "false");
    }

    #[test]
    fn sessions_are_opened_to_own_instances_with_the_one_document() {
        let plan = Plan { actions: vec!["ssm:StartSession".into()], ..Plan::default() };
        let document = policy([&plan]);
        let statements = document["Statement"].as_array().unwrap();
        let resources: Vec<_> = statements.iter().map(|s| s["Resource"].as_str().unwrap()).collect();
        assert_eq!(resources, ["arn:*:ec2:*:*:instance/*", "arn:*:ssm:*:*:document/AWS-StartPortForwardingSession"]);
        assert_eq!(statements[0]["Condition"]["Null"]["ssm:resourceTag/imgbuild:run"], "false");
    }
}
