//! Which distribution, release and family. Rules follow the files that the distributions ship.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use serde_json::json;
use std::collections::BTreeMap;

/// The identity files that were found, by path.
#[derive(Debug, Clone, Default)]
struct Files(BTreeMap<&'static str, String>);

const PATHS: &[&str] = &[
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/lsb-release",
    "/etc/debian_version",
    "/etc/redhat-release",
    "/etc/centos-release",
    "/etc/oracle-release",
    "/etc/system-release",
    "/etc/alpine-release",
    "/etc/arch-release",
    "/etc/SuSE-release",
    "/etc/gentoo-release",
    "/etc/altlinux-release",
    "/etc/slackware-version",
    "/etc/openwrt_release",
];

impl Files {
    fn read() -> Self {
        let found = PATHS
            .iter()
            .filter_map(|p| Some((*p, String::from_utf8_lossy(&std::fs::read(p).ok()?).trim().to_string())));
        Files(found.collect())
    }

    fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    fn os(&self) -> BTreeMap<String, String> {
        assignments(self.get("/etc/os-release").or_else(|| self.get("/usr/lib/os-release")).unwrap_or_default())
    }
}

/// `KEY="value"` lines.
fn assignments(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.trim().to_string(), v.trim().trim_matches(['"', '\'']).to_string()))
        .collect()
}

/// What is told of a distribution.
#[derive(Debug, Clone, PartialEq, Default)]
struct Told {
    name: String,
    version: String,
    major: String,
    minor: Option<String>,
    release: String,
    path: String,
    variety: String,
}

/// The text in the first pair of parentheses.
fn in_parens(text: &str) -> Option<&str> {
    text.split_once('(')?.1.split_once(')').map(|(inner, _)| inner)
}

/// The first word that is a version.
fn version_in(text: &str) -> Option<String> {
    text.split_whitespace()
        .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
        .map(|v| v.trim_end_matches(',').to_string())
}

fn tell(files: &Files) -> Told {
    let os = files.os();
    let field = |key: &str| os.get(key).cloned().unwrap_or_default();
    let lsb = assignments(files.get("/etc/lsb-release").unwrap_or_default());
    let codename = || {
        let from_lsb = lsb.get("DISTRIB_CODENAME").cloned();
        os.get("VERSION_CODENAME").or_else(|| os.get("UBUNTU_CODENAME")).cloned().or(from_lsb).filter(|c| !c.is_empty())
    };
    let os_path = if files.get("/etc/os-release").is_some() { "/etc/os-release" } else { "/usr/lib/os-release" };
    let name = field("NAME");
    let mut told = Told { version: field("VERSION_ID"), path: os_path.into(), ..Told::default() };
    let pretty = if field("PRETTY_NAME").is_empty() { name.clone() } else { field("PRETTY_NAME") };
    if let Some(text) = files.get("/etc/oracle-release") {
        (told.name, told.variety, told.path) =
            ("OracleLinux".into(), "OracleLinux".into(), "/etc/oracle-release".into());
        told.version = version_in(text).unwrap_or(told.version);
        told.release = in_parens(text).unwrap_or("NA").into();
    } else if name.contains("Amazon Linux")
        || files.get("/etc/system-release").is_some_and(|t| t.contains("Amazon Linux"))
    {
        (told.name, told.variety) = ("Amazon".into(), "Amazon".into());
        if told.version.is_empty() {
            let text = files.get("/etc/system-release").unwrap_or_default();
            (told.version, told.path) = (version_in(text).unwrap_or_default(), "/etc/system-release".into());
        }
        told.release = in_parens(&field("VERSION")).unwrap_or("NA").into();
        told.minor = told.version.split_once('.').map(|(_, m)| m.to_string());
    } else if let Some(text) = files.get("/etc/redhat-release").filter(|t| !t.is_empty()) {
        (told.variety, told.path) = ("RedHat".into(), "/etc/redhat-release".into());
        told.name = if text.contains("Red Hat") {
            "RedHat".into()
        } else {
            text.split_whitespace().next().unwrap_or("NA").into()
        };
        let exact = version_in(text).unwrap_or_else(|| told.version.clone());
        told.version =
            if told.name == "CentOS" { exact.split('.').take(2).collect::<Vec<_>>().join(".") } else { exact };
        told.release = in_parens(text).unwrap_or_default().into();
        if text.contains("CentOS Stream") {
            (told.variety, told.path, told.release) = ("CentOS".into(), "/etc/centos-release".into(), "Stream".into());
        }
        if told.name == "Fedora" {
            told.release = String::new();
        }
    } else if let Some(text) = files.get("/etc/alpine-release") {
        (told.name, told.variety, told.path) = ("Alpine".into(), "Alpine".into(), "/etc/alpine-release".into());
        (told.version, told.release) = (text.to_string(), "NA".into());
    } else if field("ID") == "arch" || files.get("/etc/arch-release").is_some() {
        let known = [("manjaro", "Manjaro"), ("endeavouros", "EndeavourOS"), ("antergos", "Antergos")];
        told.name = known.iter().find(|(id, _)| field("ID") == *id).map_or("Archlinux", |(_, n)| n).into();
        told.variety = "Archlinux".into();
        if files.get("/etc/arch-release").is_some() {
            told.path = "/etc/arch-release".into();
        }
        told.version = if told.version.is_empty() { "rolling".into() } else { told.version };
        told.release = "NA".into();
    } else if field("ID_LIKE").contains("suse") || name.to_lowercase().contains("suse") || name.starts_with("SLE") {
        (told.name, told.variety) = (name.clone(), "SUSE".into());
        told.minor = told.version.split_once('.').map(|(_, m)| m.to_string());
        told.release =
            told.minor.clone().unwrap_or_else(|| if told.version.is_empty() { String::new() } else { "0".into() });
        if name.contains("Tumbleweed") {
            told.release = String::new();
        }
    } else if let Some(text) = files.get("/etc/gentoo-release") {
        (told.name, told.variety, told.path) = ("Gentoo".into(), "Gentoo".into(), "/etc/gentoo-release".into());
        (told.version, told.release) = (version_in(text).unwrap_or_default(), "NA".into());
    } else if field("ID") == "debian" || field("ID") == "raspbian" {
        (told.name, told.variety) = ("Debian".into(), "Debian".into());
        told.release = codename().or_else(|| in_parens(&pretty).map(str::to_string)).unwrap_or_else(|| "NA".into());
        // debian_version knows the point release; on testing it holds a name.
        let exact = files.get("/etc/debian_version").unwrap_or_default();
        if exact.starts_with(|c: char| c.is_ascii_digit()) {
            told.version = exact.into();
            told.minor = exact.split_once('.').map(|(_, m)| m.to_string());
        }
    } else if field("ID_LIKE").contains("debian")
        || field("ID_LIKE").contains("ubuntu")
        || field("ID") == "ubuntu"
        || pretty.contains("Ubuntu")
    {
        told.variety = "Debian".into();
        told.name = match field("ID").as_str() {
            "ubuntu" => "Ubuntu".into(),
            "kali" => "Kali".into(),
            "linuxmint" if name.contains("LMDE") || pretty.contains("LMDE") => "Linux Mint Debian Edition".into(),
            "linuxmint" => "Linux Mint".into(),
            "pop" => "Pop!_OS".into(),
            "neon" => "KDE neon".into(),
            "parrot" => "Parrot".into(),
            "devuan" => "Devuan".into(),
            "steamos" => "SteamOS".into(),
            "deepin" => "Deepin".into(),
            "uos" => "Uos".into(),
            _ if name.is_empty() => "Ubuntu".into(),
            _ => name.split_whitespace().next().unwrap_or(&name).into(),
        };
        if told.version.is_empty() {
            told.version = lsb.get("DISTRIB_RELEASE").cloned().unwrap_or_default();
        }
        told.release = codename()
            .or_else(|| in_parens(&field("VERSION")).map(|c| c.split_whitespace().next().unwrap_or(c).to_lowercase()))
            .unwrap_or_else(|| "NA".into());
    } else if field("ID") == "flatcar" || field("ID") == "coreos" {
        told.name = if field("ID") == "flatcar" { "Flatcar".into() } else { "Coreos".into() };
        (told.variety, told.release) = (told.name.clone(), field("GROUP"));
    } else {
        told.name = if name.is_empty() { "NA".into() } else { name.split_whitespace().next().unwrap_or("NA").into() };
        told.variety = "NA".into();
        told.release = codename().unwrap_or_else(|| "NA".into());
    }
    if told.version.is_empty() {
        told.version = "NA".into();
    }
    told.major = told.version.split('.').next().unwrap_or("NA").into();
    told
}

/// The family that a distribution belongs to.
pub fn family(name: &str) -> &str {
    const FAMILIES: &[(&str, &[&str])] = &[
        (
            "RedHat",
            &[
                "RedHat",
                "RHEL",
                "Fedora",
                "CentOS",
                "Scientific",
                "SLC",
                "Ascendos",
                "CloudLinux",
                "PSBM",
                "OracleLinux",
                "OVS",
                "OEL",
                "Amazon",
                "Amzn",
                "Virtuozzo",
                "XenServer",
                "Alibaba",
                "EulerOS",
                "openEuler",
                "AlmaLinux",
                "Rocky",
                "TencentOS",
                "EuroLinux",
                "Kylin Linux Advanced Server",
                "MIRACLE",
            ],
        ),
        (
            "Debian",
            &[
                "Debian",
                "Ubuntu",
                "Raspbian",
                "Neon",
                "KDE neon",
                "Linux Mint",
                "SteamOS",
                "Devuan",
                "Kali",
                "Cumulus Linux",
                "Pop!_OS",
                "Parrot",
                "Pardus GNU/Linux",
                "Uos",
                "Deepin",
                "OSMC",
                "Linux Mint Debian Edition",
            ],
        ),
        (
            "Suse",
            &[
                "SuSE",
                "SLES",
                "SLED",
                "openSUSE",
                "openSUSE Tumbleweed",
                "SLES_SAP",
                "SUSE_LINUX",
                "openSUSE Leap",
                "ALP-Dolomite",
                "SL-Micro",
                "openSUSE MicroOS",
            ],
        ),
        ("Archlinux", &["Archlinux", "Antergos", "Manjaro", "EndeavourOS"]),
        ("Mandrake", &["Mandrake", "Mandriva"]),
        ("Gentoo", &["Gentoo", "Funtoo"]),
        ("ClearLinux", &["Clear Linux OS", "Clear Linux Mix"]),
    ];
    FAMILIES.iter().find(|(_, members)| members.contains(&name)).map_or(name, |(family, _)| family)
}

/// The distribution's code name (`bookworm`), if it has one.
pub fn codename() -> Option<String> {
    Some(tell(&Files::read()).release).filter(|r| !r.is_empty() && r != "NA")
}

/// Gathers them.
pub fn collect(_: &Ctx, out: &mut Facts) {
    let told = tell(&Files::read());
    put(out, "os_family", family(&told.name));
    put(out, "distribution", told.name);
    put(out, "distribution_version", told.version);
    put(out, "distribution_major_version", told.major);
    if let Some(minor) = told.minor {
        put(out, "distribution_minor_version", minor);
    }
    put(out, "distribution_release", told.release);
    put(out, "distribution_file_path", told.path);
    put(out, "distribution_file_variety", told.variety);
    put(out, "distribution_file_parsed", true);
}

/// `lsb`: of lsb_release, else of its file.
pub fn lsb(ctx: &Ctx, out: &mut Facts) {
    let mut found = serde_json::Map::new();
    if ctx.which("lsb_release").is_some()
        && let Ok(ran) = ctx.run(&["lsb_release", "-a"])
        && ran.ok()
    {
        for line in ran.stdout.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let name = match key {
                "LSB Version" => "release",
                "Distributor ID" => "id",
                "Description" => "description",
                "Release" => "release",
                "Codename" => "codename",
                _ => continue,
            };
            found.insert(name.into(), value.trim().into());
        }
    }
    if found.is_empty()
        && let Some(text) = read("/etc/lsb-release")
    {
        let file = assignments(&text);
        for (key, name) in [
            ("DISTRIB_ID", "id"),
            ("DISTRIB_RELEASE", "release"),
            ("DISTRIB_DESCRIPTION", "description"),
            ("DISTRIB_CODENAME", "codename"),
        ] {
            if let Some(value) = file.get(key) {
                found.insert(name.into(), value.as_str().into());
            }
        }
    }
    if let Some(release) = found.get("release").and_then(|r| r.as_str()).map(str::to_string) {
        found.insert("major_release".into(), release.split('.').next().unwrap_or_default().into());
    }
    put(out, "lsb", json!(found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&'static str, &str)]) -> (String, String, String, String, String) {
        let t = tell(&Files(files.iter().map(|(p, t)| (*p, t.trim().to_string())).collect()));
        (t.name.clone(), t.version, t.major, t.release, family(&t.name).to_string())
    }

    #[test]
    fn distributions() {
        const OS: &str = "/etc/os-release";
        const TRUSTY: &str = "NAME=\"Ubuntu\"\nVERSION=\"14.04.5 LTS, Trusty Tahr\"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 14.04.5 LTS\"\nVERSION_ID=\"14.04\"";
        type Case = (&'static [(&'static str, &'static str)], [&'static str; 5]);
        let cases: &[Case] = &[
            (
                &[
                    (OS, TRUSTY),
                    ("/etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=14.04\nDISTRIB_CODENAME=trusty"),
                    ("/etc/debian_version", "jessie/sid"),
                ],
                ["Ubuntu", "14.04", "14", "trusty", "Debian"],
            ),
            (
                &[(OS, "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble")],
                ["Ubuntu", "24.04", "24", "noble", "Debian"],
            ),
            (
                &[
                    (
                        OS,
                        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian",
                    ),
                    ("/etc/debian_version", "12.11"),
                ],
                ["Debian", "12.11", "12", "bookworm", "Debian"],
            ),
            (
                &[
                    (
                        OS,
                        "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"",
                    ),
                    ("/etc/system-release", "Amazon Linux release 2023.5 (Amazon Linux)"),
                ],
                ["Amazon", "2023", "2023", "NA", "RedHat"],
            ),
            (
                &[(OS, "NAME=\"Amazon Linux\"\nVERSION=\"2 (Karoo)\"\nID=\"amzn\"\nVERSION_ID=\"2\"")],
                ["Amazon", "2", "2", "Karoo", "RedHat"],
            ),
            (
                &[
                    (OS, "NAME=\"CentOS Linux\"\nID=centos\nVERSION_ID=\"7\""),
                    ("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)"),
                ],
                ["CentOS", "7.9", "7", "Core", "RedHat"],
            ),
            (
                &[
                    (OS, "NAME=\"Rocky Linux\"\nID=rocky\nVERSION_ID=\"9.3\""),
                    ("/etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)"),
                ],
                ["Rocky", "9.3", "9", "Blue Onyx", "RedHat"],
            ),
            (
                &[
                    (OS, "NAME=\"Red Hat Enterprise Linux\"\nID=rhel\nVERSION_ID=\"8.9\""),
                    ("/etc/redhat-release", "Red Hat Enterprise Linux release 8.9 (Ootpa)"),
                ],
                ["RedHat", "8.9", "8", "Ootpa", "RedHat"],
            ),
            (
                &[(OS, "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1"), ("/etc/alpine-release", "3.19.1")],
                ["Alpine", "3.19.1", "3", "NA", "Alpine"],
            ),
            (
                &[(OS, "NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"")],
                ["openSUSE Leap", "15.5", "15", "5", "Suse"],
            ),
            (
                &[(OS, "NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling")],
                ["Archlinux", "rolling", "rolling", "NA", "Archlinux"],
            ),
        ];
        for (files, want) in cases {
            let got = told(files);
            assert_eq!([&*got.0, &*got.1, &*got.2, &*got.3, &*got.4], *want);
        }
    }
}
