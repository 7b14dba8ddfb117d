//! What it costs to read templates: the original one, a folder of HCL files, very large ones; beside Packer's cost for the same files.

use super::ec2::goal;
use super::{Bench, Sample};
use crate::setup;
use anyhow::Result;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: f64 = 1024.0;

impl Bench {
    /// The original template; Packer's run is on the one that its 1.6.6 accepts (it refuses a filter without owners).
    pub fn validate(&self) -> Result<()> {
        let peer = self.scripts.join("packer/tpl.json");
        println!("the original template");
        let ours = self.beside("templates/ubuntu_1404_aufs3.json".as_ref(), &peer)?;
        goal("time", ours.ms, 10.0, "ms");
        goal("memory", ours.kib as f64 / MIB, 15.0, "MiB");

        let folder = self.folder(14)?;
        println!("a folder of 14 HCL files");
        let ours = self.beside(&folder, &folder)?;
        goal("time", ours.ms, 30.0, "ms");

        let mut memory = Vec::new();
        for mib in [5, 10] {
            let file = self.large(mib)?;
            println!("a JSON template of {mib} MiB");
            let ours = self.beside(&file, &file)?;
            if mib == 5 {
                goal("time", ours.ms, 150.0, "ms");
            }
            memory.push(ours.kib as f64 / MIB);
        }
        // Twice the text may cost twice the memory, not more.
        goal("memory for twice the text", memory[1] / memory[0], 2.1, "x");
        Ok(())
    }

    fn beside(&self, template: &Path, theirs: &Path) -> Result<Sample> {
        let ours = self.median("imgbuild", || {
            let mut c = Command::new(&self.program);
            c.arg("validate").arg(template);
            c
        })?;
        if setup::have("packer") && theirs.exists() {
            let theirs = self.median("packer", || {
                let mut c = Command::new("packer");
                c.arg("validate").arg(theirs).env("CHECKPOINT_DISABLE", "1");
                c
            })?;
            println!(
                "ratio        time {:.1}x   memory {:.1}x",
                theirs.ms / ours.ms,
                theirs.kib as f64 / ours.kib as f64
            );
        }
        Ok(ours)
    }

    /// A folder like those of image teams: variables, locals, and a source and a build a file.
    fn folder(&self, files: usize) -> Result<PathBuf> {
        let dir = self.work.join("hcl");
        std::fs::create_dir_all(&dir)?;
        let variables: String = (0..40).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "variable \"v{n}\" {{\n  type    = string\n  default = \"value {n}\"\n}}\n");
            text
        });
        std::fs::write(dir.join("variables.pkr.hcl"), variables)?;
        let locals: String = (0..40).fold("locals {\n".to_owned(), |mut text, n| {
            let _ = writeln!(text, "  l{n} = \"${{upper(var.v{n})}} and ${{join(\"-\", [\"a\", \"b\", var.v{n}])}}\"");
            text
        });
        std::fs::write(dir.join("locals.pkr.hcl"), locals + "}\n")?;
        for n in 2..files {
            let text = format!(
                r#"source "amazon-ebs" "s{n}" {{
  ami_name      = "image-{n}-${{local.l{n}}}"
  instance_type = "t3.micro"
  region        = "eu-central-1"
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"
  tags = {{
    Name  = var.v{n}
    Place = local.l{n}
  }}
}}

build {{
  sources = ["source.amazon-ebs.s{n}"]
  provisioner "shell" {{
    environment_vars = ["A=${{var.v1}}", "B=${{local.l2}}"]
    inline           = ["echo ${{local.l3}}", "id", "uname -a"]
  }}
  post-processor "manifest" {{
    output = "manifest-{n}.json"
  }}
}}
"#
            );
            std::fs::write(dir.join(format!("image{n:02}.pkr.hcl")), text)?;
        }
        Ok(dir)
    }

    /// A JSON template of so many MiB: shell provisioners with many lines.
    fn large(&self, mib: usize) -> Result<PathBuf> {
        let file = self.work.join(format!("large-{mib}.json"));
        let line = format!("\"echo {{{{user `v`}}}} {}\"", "x".repeat(70));
        let provisioner =
            format!("{{\"type\": \"shell\", \"inline\": [{}]}}", vec![line.as_str(); 100].join(",\n      "));
        let count = mib * 1024 * 1024 / provisioner.len();
        let text = format!(
            "{{\n  \"variables\": {{\"v\": \"value\"}},\n  \"builders\": [{{\"type\": \"null\", \"communicator\": \"none\"}}],\n  \
             \"provisioners\": [{}]\n}}\n",
            vec![provisioner.as_str(); count].join(",\n    ")
        );
        std::fs::write(&file, text)?;
        Ok(file)
    }
}
