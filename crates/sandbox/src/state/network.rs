//! The network as the API shows it. Nothing of it is enforced: machines are reachable from this host alone anyway.

use serde::{Deserialize, Serialize};

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// `vpc-…`
    pub id: String,
    /// `172.31.0.0/16`
    pub cidr: String,
    /// The region's default.
    pub default: bool,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// `172.31.0.0/20`
    pub cidr: String,
    /// `us-east-1a`
    pub availability_zone: String,
    /// The zone's default.
    pub default_for_az: bool,
    /// Instances get public addresses.
    pub map_public_ip: bool,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleTarget {
    /// `CidrIp`
    Ipv4(String),
    /// `CidrIpv6`
    Ipv6(String),
    /// `PrefixListId`
    PrefixList(String),
    /// Another group: account and id.
    Group(String, String),
}

/// One rule: a protocol, a range of ports, and one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `sgr-…`
    pub id: String,
    /// Outgoing.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` or a number.
    pub protocol: String,
    /// First port, or the ICMP type; none for all protocols.
    pub from_port: Option<i32>,
    /// Last port, or the ICMP code.
    pub to_port: Option<i32>,
    /// Who.
    pub target: RuleTarget,
    /// For people.
    pub description: Option<String>,
}

impl Rule {
    /// Whether both allow the same (ids and descriptions apart).
    pub fn same(&self, other: &Rule) -> bool {
        self.egress == other.egress
            && self.protocol == other.protocol
            && self.from_port == other.from_port
            && self.to_port == other.to_port
            && self.target == other.target
    }
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-…`
    pub id: String,
    /// Unique in a VPC.
    pub name: String,
    /// Required.
    pub description: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}
