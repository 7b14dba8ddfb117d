//! The stand-in for Ubuntu 14.04: Debian's tree with trusty's identity, so that what looks at names, releases and paths
//! does what it would do on trusty. Programs and libraries are Debian's; the description of the image says so.

use std::path::Path;

use super::bootstrap::Edit;
use super::error::{Doing, ImageError};
use super::fixture::Fixture;

/// Bumped when the files below change.
const RECIPE: u32 = 1;

const OS_RELEASE: &str = "\
NAME=\"Ubuntu\"
VERSION=\"14.04.5 LTS, Trusty Tahr\"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME=\"Ubuntu 14.04.5 LTS\"
VERSION_ID=\"14.04\"
VERSION_CODENAME=trusty
HOME_URL=\"http://www.ubuntu.com/\"
SUPPORT_URL=\"http://help.ubuntu.com/\"
BUG_REPORT_URL=\"http://bugs.launchpad.net/ubuntu/\"
";

const LSB_RELEASE: &str = "\
DISTRIB_ID=Ubuntu
DISTRIB_RELEASE=14.04
DISTRIB_CODENAME=trusty
DISTRIB_DESCRIPTION=\"Ubuntu 14.04.5 LTS\"
";

const LSB_RELEASE_PROGRAM: &str = include_str!("files/lsb_release.sh");

/// The name of the stand-in's tree: changes with Debian's and with the repository that it trusts.
pub fn key(debian: &str, fixture: &Fixture) -> String {
    format!("{debian}-{RECIPE}-{}", fixture.identity)
}

/// Makes the tree out of Debian's: files are shared, what differs is written anew.
pub fn make(debian: &Path, fixture: &Fixture, tree: &Path) -> Result<(), ImageError> {
    let copied = std::process::Command::new("cp")
        .args(["--archive", "--link", "--no-target-directory"])
        .arg(debian)
        .arg(tree)
        .output()
        .doing("running cp")?;
    if !copied.status.success() {
        return Err(ImageError::Program {
            program: "cp",
            doing: "copying Debian's tree".into(),
            last_words: String::from_utf8_lossy(&copied.stderr).trim().to_owned(),
        });
    }
    let edit = Edit { tree };
    edit.remove("etc/os-release")?;
    edit.write("usr/lib/os-release", OS_RELEASE, 0o644)?;
    edit.link("etc/os-release", "../usr/lib/os-release")?;
    edit.write("etc/lsb-release", LSB_RELEASE, 0o644)?;
    edit.write("usr/bin/lsb_release", LSB_RELEASE_PROGRAM, 0o755)?;
    edit.write("etc/debian_version", "jessie/sid\n", 0o644)?;
    edit.write("etc/issue", "Ubuntu 14.04.5 LTS \\n \\l\n\n", 0o644)?;
    edit.write("etc/issue.net", "Ubuntu 14.04.5 LTS\n", 0o644)?;
    edit.write("etc/cloud/cloud.cfg.d/10_default_user.cfg", include_str!("files/cloud-ubuntu.cfg"), 0o644)?;
    // Packages that only trusty's archive has (kernel modules for aufs) come from the fixture repository.
    edit.write("etc/apt/trusted.gpg.d/stand-in.asc", &fixture.public_key, 0o644)?;
    let source = format!("deb http://{}/ubuntu trusty main\n", super::fixture::STAND_IN_ARCHIVE);
    edit.write("etc/apt/sources.list.d/stand-in.list", &source, 0o644)?;
    // apt.dockerproject.org answers over https too, with a certificate of the fixture repository's own authority.
    edit.write("usr/local/share/ca-certificates/stand-in.crt", &fixture.authority, 0o644)?;
    edit.append("etc/ssl/certs/ca-certificates.crt", &fixture.authority)
}
