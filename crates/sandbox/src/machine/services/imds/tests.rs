//! The service's answers, request by request.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::BodyExt;

use super::*;
use crate::machine::namespace::network::Links;
use crate::machine::{Launch, Metadata, RootDisk};

fn tree(change: impl FnOnce(&mut Metadata)) -> Mutex<Tree> {
    let links = Links::of_block(3);
    let mut metadata = Metadata {
        leaves: vec![
            ("meta-data/security-groups".into(), "default".into()),
            ("meta-data/mac".into(), "0a:00:00:00:00:01".into()),
            ("meta-data/network/interfaces/macs/0a:00:00:00:00:01/subnet-id".into(), "subnet-1".into()),
            ("dynamic/instance-identity/document".into(), "{}".into()),
        ],
        public_key: Some(("my-key".into(), "ssh-ed25519 AAAA my-key".into())),
        user_data: None,
        enabled: true,
        tokens_required: false,
        hop_limit: 1,
    };
    change(&mut metadata);
    let launch = Launch {
        instance_id: "i-0123456789abcdef0".into(),
        region: "us-east-1".into(),
        availability_zone: "us-east-1a".into(),
        instance_type: "t3.micro".into(),
        image_id: "ami-1".into(),
        hostname: "ip-10-99-0-26".into(),
        address: Ipv4Addr::new(10, 99, 0, 26),
        root: RootDisk { lower: vec!["/l".into()], upper: "/u".into(), work: "/w".into() },
        volumes: vec![],
        metadata: metadata.clone(),
    };
    Mutex::new(Tree::new(&launch, links, &metadata))
}

struct Client {
    tree: Mutex<Tree>,
    tokens: Mutex<Tokens>,
    start: Instant,
}

impl Client {
    fn new(tree: Mutex<Tree>) -> Self {
        Self { tree, tokens: Mutex::default(), start: Instant::now() }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], at: u64) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let response = answer(&request, &self.tree, &self.tokens, self.start + Duration::from_secs(at));
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, &[], 0).await
    }
}

#[tokio::test]
async fn listings_and_leaves() {
    let client = Client::new(tree(|_| ()));
    assert_eq!(client.get("/latest/meta-data/instance-id").await, (200, "i-0123456789abcdef0".into()));
    assert_eq!(client.get("/2009-04-04/meta-data/security-groups").await, (200, "default".into()));
    assert_eq!(client.get("/latest/meta-data/public-keys/").await, (200, "0=my-key".into()));
    assert_eq!(client.get("/latest/meta-data/public-keys/0/").await, (200, "openssh-key".into()));
    assert_eq!(client.get("/latest/meta-data/public-keys/0/openssh-key").await.1, "ssh-ed25519 AAAA my-key\n");
    assert_eq!(client.get("/latest/meta-data/placement").await, (200, "availability-zone\nregion".into()));
    assert_eq!(client.get("/latest/").await, (200, "dynamic/\nmeta-data/".into()));
    assert!(client.get("/").await.1.ends_with("\nlatest"));
    assert_eq!(client.get("/latest/meta-data/nothing").await.0, 404);
    assert_eq!(client.get("/1999-01-01/meta-data/").await.0, 404);
}

#[tokio::test]
async fn user_data_is_there_or_404() {
    let client = Client::new(tree(|_| ()));
    assert_eq!(client.get("/latest/user-data").await.0, 404);
    let client = Client::new(tree(|metadata| metadata.user_data = Some(b"#!/bin/sh\n".to_vec())));
    assert_eq!(client.get("/latest/user-data").await, (200, "#!/bin/sh\n".into()));
}

#[tokio::test]
async fn interfaces_are_listed_under_the_real_hardware_address() {
    let client = Client::new(tree(|_| ()));
    let mac = client.get("/latest/meta-data/mac").await.1;
    assert_eq!(mac, "02:63:0a:63:00:1a");
    let path = format!("/latest/meta-data/network/interfaces/macs/{mac}/");
    assert_eq!(client.get(&path).await.1, "device-number\nlocal-ipv4s\nmac\nsubnet-id");
}

#[tokio::test]
async fn tokens_are_asked_for_used_and_expire() {
    let client = Client::new(tree(|metadata| metadata.tokens_required = true));
    let id = "/latest/meta-data/instance-id";
    assert_eq!(client.get(id).await.0, 401);
    assert_eq!(client.ask("PUT", "/latest/api/token", &[], 0).await.0, 400);
    for wrong in ["0", "21601", "x", "-1"] {
        assert_eq!(client.ask("PUT", "/latest/api/token", &[(LIFETIME, wrong)], 0).await.0, 400, "{wrong}");
    }
    let proxied = [(LIFETIME, "60"), ("X-Forwarded-For", "1.2.3.4")];
    assert_eq!(client.ask("PUT", "/latest/api/token", &proxied, 0).await.0, 403);
    let (status, token) = client.ask("PUT", "/latest/api/token", &[(LIFETIME, "60")], 0).await;
    assert_eq!(status, 200);
    assert_eq!(client.ask("GET", id, &[(TOKEN, &token)], 59).await.0, 200);
    assert_eq!(client.ask("GET", id, &[(TOKEN, &token)], 60).await.0, 401);
    assert_eq!(client.ask("GET", id, &[(TOKEN, "made-up")], 0).await.0, 401);
    assert_eq!(client.ask("POST", id, &[(TOKEN, &token)], 0).await.0, 405);
    assert_eq!(client.ask("GET", "/latest/api/token", &[(TOKEN, &token)], 0).await.0, 405);
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_is_needed() {
    let client = Client::new(tree(|_| ()));
    assert_eq!(client.ask("GET", "/latest/meta-data/", &[(TOKEN, "made-up")], 0).await.0, 401);
}

#[tokio::test]
async fn a_service_that_is_off_refuses_all() {
    let client = Client::new(tree(|metadata| metadata.enabled = false));
    assert_eq!(client.get("/latest/meta-data/").await.0, 403);
    assert_eq!(client.ask("PUT", "/latest/api/token", &[(LIFETIME, "60")], 0).await.0, 403);
}
