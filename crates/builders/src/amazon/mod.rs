//! Builders for Amazon EC2, over [`ec2::Ec2`]. No SDK type is named here.

pub mod artifact;
pub mod caller;
pub mod check;
pub mod chroot;
pub mod ebs;
pub mod ec2;
pub mod env;
pub mod failure;
pub mod iam;
pub mod ids;
pub mod options;
pub mod phase;
pub mod pollers;
pub mod releaser;
pub mod secrets;
pub mod sources;
pub mod ssm;
pub mod tunnel;
pub mod types;
pub mod user_data;
pub mod wait;

/// Whether an endpoint is on this machine: by its address, or by a name that always leads there (RFC 6761, 6.3).
pub fn is_loopback(endpoint: &str) -> bool {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn loopback_endpoints() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:5055", true),
            ("http://localhost:4566/", true),
            ("https://[::1]:8443", true),
            ("http://ec2.Localhost.:4566", true),
            ("http://notlocalhost:4566", false),
            ("https://ec2.us-east-1.amazonaws.com", false),
            ("http://10.0.0.7:5000", false),
        ] {
            assert_eq!(is_loopback(endpoint), expected, "{endpoint}");
        }
    }
}
