//! Where the archives are: the host's own mirrors where it has some, else the distributions' addresses.

use std::path::Path;

/// Archive addresses, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// Debian's archive.
    pub debian: String,
    /// Debian's security archive.
    pub debian_security: String,
    /// Ubuntu's archive (updates and security too).
    pub ubuntu: String,
}

impl Default for Mirrors {
    fn default() -> Self {
        Self {
            debian: "http://deb.debian.org/debian".to_owned(),
            debian_security: "http://deb.debian.org/debian-security".to_owned(),
            ubuntu: "http://archive.ubuntu.com/ubuntu".to_owned(),
        }
    }
}

impl Mirrors {
    /// The mirrors that this host's apt uses: a host behind a firewall may reach no others. Machines get them in their
    /// sources.list; of a proxy that apt may use on the host, only the making of base images makes use.
    pub fn of_host() -> Self {
        let mut texts = vec![fs_err::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
        if let Ok(entries) = fs_err::read_dir(Path::new("/etc/apt/sources.list.d")) {
            let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            paths.sort();
            texts.extend(paths.iter().filter_map(|path| fs_err::read_to_string(path).ok()));
        }
        Self::of_sources(&texts.join("\n"))
    }

    /// Addresses in sources of either form, told by how their paths end.
    fn of_sources(text: &str) -> Self {
        let mut mirrors = Self::default();
        let mut found = [false; 3];
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        for address in lines.flat_map(str::split_whitespace) {
            if !address.starts_with("http://") && !address.starts_with("https://") {
                continue;
            }
            let address = address.trim_end_matches('/');
            let (slot, mirror) = match address.rsplit('/').next() {
                Some("debian") => (0, &mut mirrors.debian),
                Some("debian-security") => (1, &mut mirrors.debian_security),
                Some("ubuntu") => (2, &mut mirrors.ubuntu),
                _ => continue,
            };
            if !found[slot] {
                found[slot] = true;
                address.clone_into(mirror);
            }
        }
        mirrors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_mirrors_are_found_in_both_forms() {
        let text = "# deb http://old.example/debian x main\n\
                    deb [arch=amd64] https://mirror.example/debian/ bookworm main\n\
                    Types: deb\nURIs: http://mirror.example/debian-security\nSuites: x\n\
                    deb http://second.example/debian bookworm main\n\
                    deb https://packages.example/apt stable main\n";
        let mirrors = Mirrors::of_sources(text);
        assert_eq!(mirrors.debian, "https://mirror.example/debian");
        assert_eq!(mirrors.debian_security, "http://mirror.example/debian-security");
        assert_eq!(mirrors.ubuntu, Mirrors::default().ubuntu);
    }
}
