//! Misbehaviour on demand, by the library and over HTTP.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};

use crate::client::{Answer, World};

async fn own(w: &World, method: Method, path: &str, body: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    w.send(request).await.unwrap()
}

async fn set(w: &World, faults: &str) {
    let answer = own(w, Method::PUT, "/_sandbox/faults", faults).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn calls_fail_as_the_table_says() {
    let w = World::new().await;
    for (fault, status, code) in [
        (r#"{"action":"Describe*","kind":"throttle"}"#, 503, "RequestLimitExceeded"),
        (r#"{"action":"*","kind":"internal-error"}"#, 500, "InternalError"),
        (r#"{"action":"*","kind":"unavailable"}"#, 503, "Unavailable"),
        (
            r#"{"action":"*","kind":{"error":{"code":"UnauthorizedOperation","message":"no","status":403}}}"#,
            403,
            "UnauthorizedOperation",
        ),
    ] {
        set(&w, &format!("[{fault}]")).await;
        let answer = w.call("DescribeRegions", &[]).await;
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{fault}");
    }
    set(&w, r#"[{"action":"*","times":2,"kind":"throttle"}]"#).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(w.call("DescribeRegions", &[]).await.status);
    }
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(own(&w, Method::PUT, "/_sandbox/faults", r#"[{"action":"*","kind":"nonsense"}]"#).await.status, 400);
    assert_eq!(own(&w, Method::GET, "/_sandbox/nothing", "").await.status, 404);
}

#[tokio::test]
async fn lost_replies_leave_what_was_made() {
    let w = World::new().await;
    let image = w.debian().await;
    let run = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("ClientToken", "t"),
    ];
    set(&w, r#"[{"action":"RunInstances","times":1,"kind":"drop-before"},{"action":"RunInstances","times":1,"kind":"drop-after"}]"#).await;
    assert!(w.try_in("us-east-1", "RunInstances", &run).await.is_none());
    assert_eq!(w.ok("DescribeInstances", &[]).await.all("instanceId").len(), 0);
    assert!(w.try_in("us-east-1", "RunInstances", &run).await.is_none());
    let made = w.ok("DescribeInstances", &[]).await.all("instanceId");
    assert_eq!(made.len(), 1);
    assert_eq!(w.ok("RunInstances", &run).await.all("instanceId"), made, "the same token finds it again");
    let calls = own(&w, Method::GET, "/_sandbox/calls", "").await.text;
    assert!(calls.contains(r#""fault":"drop-after""#) && !calls.contains("UserData"), "{calls}");
    own(&w, Method::DELETE, "/_sandbox/calls", "").await;
    assert_eq!(w.sandbox.calls().len(), 0);
}

#[tokio::test]
async fn what_was_just_made_can_be_invisible_for_a_while() {
    let w = World::new().await;
    set(&w, r#"[{"action":"CreateSecurityGroup","kind":{"hide":{"seconds":600}}}]"#).await;
    let group = w.ok("CreateSecurityGroup", &[("GroupName", "g"), ("GroupDescription", "d")]).await.one("groupId");
    assert_eq!(w.call("DescribeSecurityGroups", &[("GroupId.1", &group)]).await.code(), "InvalidGroup.NotFound");
    let rule = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    assert_eq!(w.call("AuthorizeSecurityGroupIngress", &rule).await.code(), "InvalidGroup.NotFound");
    set(&w, "[]").await;
    w.ok("DescribeSecurityGroups", &[("GroupId.1", &group)]).await;
}

#[tokio::test]
async fn capacity_can_be_missing() {
    let w = World::new().await;
    let image = w.debian().await;
    set(&w, r#"[{"action":"RunInstances","kind":{"no-capacity":{"instance_types":["t3.*"]}}}]"#).await;
    let run = |kind| [("ImageId", image.as_str()), ("InstanceType", kind), ("MinCount", "1"), ("MaxCount", "1")];
    assert_eq!(w.call("RunInstances", &run("t3.micro")).await.code(), "InsufficientInstanceCapacity");
    assert_eq!(w.call("RunInstances", &run("m5.large")).await.code(), "ok");
}
