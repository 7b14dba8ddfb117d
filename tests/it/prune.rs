//! `imgbuild prune` as a person uses it: images of several ages and families in two regions, some in use, some not finished.

use crate::policy::ask;
use crate::support::servers::{Server, free_port, start};
use crate::support::{Env, Output, root_or_skip};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

/// An account with images in it.
struct Account {
    env: Env,
    endpoint: Server,
}

impl Account {
    fn new() -> Self {
        let mut env = Env::new();
        let port = free_port();
        let endpoint = start(env.imgbuild(["sandbox", "up", "--port", &port.to_string()]).stdout(Stdio::null()), port);
        env.set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).set("AWS_REGION", "us-east-1");
        env.set("AWS_ACCESS_KEY_ID", "AKIATEST").set("AWS_SECRET_ACCESS_KEY", "nothing");
        Account { env, endpoint }
    }

    /// An EC2 call; the first text of an element of the answer.
    #[track_caller]
    fn call(&self, region: &str, query: &str, element: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.endpoint.port)).expect("the endpoint");
        let body = format!("{query}&Version=2016-11-15");
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=OTHER/20260101/{region}/ec2/aws4_request, SignedHeaders=host, Signature=x"
        );
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {signed}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{query}: {answer}");
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let text = answer.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
        text.map(|(text, _)| text.to_owned()).unwrap_or_default()
    }

    /// A snapshot that is complete.
    #[track_caller]
    fn snapshot(&self, region: &str) -> String {
        let zone = format!("{region}a");
        let volume = self.call(region, &format!("Action=CreateVolume&Size=1&AvailabilityZone={zone}"), "volumeId");
        let until = |action: &str, id: &str, element: &str, wanted: &str| {
            for _ in 0..200 {
                if self.call(region, &format!("Action={action}&{id}"), element) == wanted {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            panic!("{id} does not become {wanted}");
        };
        until("DescribeVolumes", &format!("VolumeId.1={volume}"), "status", "available");
        let snapshot = self.call(region, &format!("Action=CreateSnapshot&VolumeId={volume}"), "snapshotId");
        until("DescribeSnapshots", &format!("SnapshotId.1={snapshot}"), "status", "completed");
        let _ = self.call(region, &format!("Action=DeleteVolume&VolumeId={volume}"), "return");
        snapshot
    }

    /// An image over a snapshot; EC2 dates them by the second, so the next one waits for it.
    #[track_caller]
    fn image(&self, region: &str, name: &str, snapshot: &str, tag: (&str, &str)) -> String {
        let image = self.call(
            region,
            &format!(
                "Action=RegisterImage&Name={name}&RootDeviceName=/dev/xvda&VirtualizationType=hvm&Architecture=x86_64\
                 &BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.SnapshotId={snapshot}"
            ),
            "imageId",
        );
        let _ = self.call(
            region,
            &format!("Action=CreateTags&ResourceId.1={image}&Tag.1.Key={}&Tag.1.Value={}", tag.0, tag.1),
            "return",
        );
        std::thread::sleep(Duration::from_millis(1010));
        image
    }

    fn prune(&self, args: &[&str]) -> Output {
        self.env.run([&["prune"][..], args].concat())
    }

    /// Names of the account's own images in a region, sorted, and how many snapshots there are.
    fn left(&self, region: &str) -> (Vec<String>, usize) {
        let text =
            std::fs::read_to_string(self.env.path().join("data/imgbuild/sandbox/state.json")).expect("the state");
        let state: Value = serde_json::from_str(&text).expect("JSON");
        let region = &state["regions"][region];
        let own = |image: &&Value| image["source"].get("catalogue").is_none();
        let images = region["images"].as_object().into_iter().flatten().map(|(_, v)| v).filter(own);
        let mut names: Vec<String> = images.filter_map(|i| Some(i["name"].as_str()?.to_owned())).collect();
        names.sort();
        let snapshots = region["snapshots"]
            .as_object()
            .map_or(0, |all| all.values().filter(|s| s["deleted"] != true && s["owner_id"] == "111122223333").count());
        (names, snapshots)
    }
}

#[test]
fn old_images_of_a_family_go_and_what_is_in_use_stays() {
    if !root_or_skip("old_images_of_a_family_go_and_what_is_in_use_stays") {
        return;
    }
    let account = Account::new();
    let (home, other) = ("us-east-1", "eu-west-1");
    let shared = account.snapshot(home);
    let mut ids = Vec::new();
    for (name, family) in [("app-1", "app"), ("app-db-1", "db"), ("app-2", "app"), ("app-db-2", "db"), ("app-3", "app")]
    {
        let snapshot = if name == "app-1" || name == "app-3" { shared.clone() } else { account.snapshot(home) };
        ids.push(account.image(home, name, &snapshot, ("Family", family)));
    }
    // A build that is not over, newer than all.
    let _ = account.image(home, "app-4", &account.snapshot(home), ("imgbuild:run", "a-run"));
    for name in ["app-1", "app-2"] {
        let _ = account.image(other, name, &account.snapshot(other), ("Family", "app"));
    }
    let template = format!("Action=CreateLaunchTemplate&LaunchTemplateName=web&LaunchTemplateData.ImageId={}", ids[1]);
    let _ = account.call(home, &template, "launchTemplateId");
    let all = account.left(home);
    assert_eq!(all.0.len(), 6);

    // What can't be meant.
    let _ = account.prune(&["--name", "app-*", "--keep", "0"]).expect(1).has("--older-than");
    let _ = account.prune(&["--name", "app-*"]).expect(1).has("--keep");
    let _ = account.prune(&["--keep", "2"]).expect(1).has("--name");
    let _ = account.prune(&["--name", "app-*", "--keep", "1", "--older-than", "30 days"]).expect(1).has("720h");
    let _ = account.prune(&["--name", "app-*", "--keep", "1", "--tag", "Family"]).expect(1).has("KEY=VALUE");
    let _ = account.prune(&["--name", "nothing-*", "--keep", "1"]).expect(0).has("No image of this account matches.");
    let _ = account.prune(&["--name", "app-*", "--keep", "1", "--older-than", "1h"]).expect(0).has("stays, too young");
    assert_eq!(account.left(home), all);

    // First what it would do, by families.
    let by_family = ["--name", "app-*", "--keep", "1", "--per", "Family", "--region", home, "--region", other];
    let _ = ask(account.endpoint.port, "DELETE", "calls", "");
    let output = account.prune(&[&by_family[..], &["--dry-run"]].concat()).expect(0);
    let calls = ask(account.endpoint.port, "GET", "calls", "");
    assert!(!calls.contains("DeregisterImage") && !calls.contains("DeleteSnapshot"), "{calls}");
    let fates: Vec<(&str, bool)> = output
        .stdout
        .lines()
        .map(|line| (line.split('"').nth(1).unwrap_or_default(), line.contains("would be removed")))
        .collect();
    let expected = [
        ("app-3", false),
        ("app-db-2", false),
        ("app-2", true),
        ("app-db-1", false),
        ("app-1", true),
        ("app-2", false),
        ("app-1", true),
    ];
    assert_eq!(fates, expected, "{}", output.stdout);
    let output = output.has("stays, one of the newest 1").has("launch template lt-");
    assert!(!output.stdout.contains("app-4"), "a build that is not over: {}", output.stdout);
    assert_eq!(account.left(home), all);

    // A refusal in the middle keeps nobody from the rest, and is told.
    let refuse = r#"[{"action":"DeregisterImage","times":1,"kind":{"error":{"code":"UnauthorizedOperation","message":"no","status":403}}}]"#;
    let _ = ask(account.endpoint.port, "PUT", "faults", refuse);
    let output =
        account.prune(&by_family).expect(1).has("could not be removed: DeregisterImage: UnauthorizedOperation");
    // The snapshot that a younger image stands on stays.
    let _ =
        output.has(&format!("removed with 0 snapshots; {shared} stays, it is in use")).has("removed with 1 snapshot");
    assert_eq!(account.left(other), (vec!["app-2".to_owned()], 1));
    let _ = account.prune(&by_family).expect(0).has("removed with 1 snapshot");
    let (names, snapshots) = account.left(home);
    assert_eq!(names, ["app-3", "app-4", "app-db-1", "app-db-2"]);
    assert_eq!(snapshots, 4);
    // Nothing more to do; and a region that can't be asked is an error after the others were.
    let output = account.prune(&by_family).expect(0);
    assert!(!output.stdout.contains("removed"), "{}", output.stdout);
    let output =
        account.prune(&["--name", "app-*", "--keep", "1", "--region", "nowhere-1", "--region", other]).expect(1);
    let _ = output.has("nowhere-1: ").has("stays, one of the newest 1");
}
