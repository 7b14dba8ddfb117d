//! Key pairs and security groups.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::World;

#[tokio::test]
async fn key_pairs_are_made_imported_and_deleted() {
    let w = World::new().await;
    let made = w.ok("CreateKeyPair", &[("KeyName", "rsa")]).await;
    assert!(made.one("keyMaterial").starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert_eq!(made.one("keyFingerprint").len(), 59);
    assert_eq!(
        w.call("CreateKeyPair", &[("KeyName", "rsa"), ("KeyType", "ed25519")]).await.code(),
        "InvalidKeyPair.Duplicate"
    );
    assert_eq!(w.call("CreateKeyPair", &[("KeyName", "x"), ("DryRun", "true")]).await.code(), "DryRunOperation");
    let line = include_str!("../data/rsa.pub");
    let imported = w.ok("ImportKeyPair", &[("KeyName", "mine"), ("PublicKeyMaterial", &STANDARD.encode(line))]).await;
    assert_eq!(imported.one("keyFingerprint"), include_str!("../data/rsa.md5").trim());
    for bad in [STANDARD.encode("ssh-rsa x"), line.to_owned(), STANDARD.encode(include_str!("../data/ecdsa.pub"))] {
        assert_eq!(
            w.call("ImportKeyPair", &[("KeyName", "bad"), ("PublicKeyMaterial", &bad)]).await.code(),
            "InvalidKey.Format"
        );
    }
    let seen = w
        .ok(
            "DescribeKeyPairs",
            &[("IncludePublicKey", "true"), ("Filter.1.Name", "key-name"), ("Filter.1.Value.1", "mi*")],
        )
        .await;
    assert_eq!(seen.all("keyName"), ["mine"]);
    assert_eq!(seen.one("publicKey").split(' ').nth(1), line.split(' ').nth(1));
    w.ok("DeleteKeyPair", &[("KeyName", "rsa")]).await;
    w.ok("DeleteKeyPair", &[("KeyName", "rsa")]).await;
    assert_eq!(w.call("DescribeKeyPairs", &[("KeyName.1", "rsa")]).await.code(), "InvalidKeyPair.NotFound");
}

#[tokio::test]
async fn groups_and_their_rules() {
    let w = World::new().await;
    let create = [("GroupName", "g"), ("GroupDescription", "d")];
    let group = w.ok("CreateSecurityGroup", &create).await.one("groupId");
    assert_eq!(w.call("CreateSecurityGroup", &create).await.code(), "InvalidGroup.Duplicate");
    let rule = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "203.0.113.9/32"),
    ];
    w.ok("AuthorizeSecurityGroupIngress", &rule).await;
    assert_eq!(w.call("AuthorizeSecurityGroupIngress", &rule).await.code(), "InvalidPermission.Duplicate");
    let seen = w
        .ok(
            "DescribeSecurityGroups",
            &[("Filter.1.Name", "ip-permission.cidr"), ("Filter.1.Value.1", "203.0.113.9/32")],
        )
        .await;
    assert_eq!(seen.all("groupName"), ["g"]);
    w.ok("RevokeSecurityGroupIngress", &rule).await;
    assert_eq!(w.call("RevokeSecurityGroupIngress", &rule).await.code(), "InvalidPermission.NotFound");
    for (name, value, code) in [
        ("IpPermissions.1.IpRanges.1.CidrIp", "203.0.113.9", "InvalidParameterValue"),
        ("IpPermissions.1.FromPort", "70000", "InvalidParameterValue"),
        ("IpPermissions.1.IpProtocol", "tpc", "InvalidParameterValue"),
        ("GroupId", "sg-00000000", "InvalidGroup.NotFound"),
        ("GroupId", "g", "InvalidGroupId.Malformed"),
    ] {
        let mut wrong = rule.to_vec();
        wrong.iter_mut().filter(|p| p.0 == name).for_each(|p| p.1 = value);
        assert_eq!(w.call("AuthorizeSecurityGroupIngress", &wrong).await.code(), code, "{name}={value}");
    }
    // A group that another one refers to stays.
    let other = w.ok("CreateSecurityGroup", &[("GroupName", "h"), ("GroupDescription", "d")]).await.one("groupId");
    let refer = [
        ("GroupId", other.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.Groups.1.GroupId", group.as_str()),
    ];
    w.ok("AuthorizeSecurityGroupIngress", &refer).await;
    assert_eq!(w.call("DeleteSecurityGroup", &[("GroupId", &group)]).await.code(), "DependencyViolation");
    w.ok("DeleteSecurityGroup", &[("GroupId", &other)]).await;
    w.ok("DeleteSecurityGroup", &[("GroupName", "g")]).await;
    assert_eq!(w.call("DeleteSecurityGroup", &[("GroupName", "default")]).await.code(), "CannotDelete");
}
