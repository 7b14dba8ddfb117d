//! `imgbuild init` and `imgbuild plugins`.

use crate::support::Env;

const TEMPLATE: &str = r#"packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
    docker = {
      source  = "github.com/hashicorp/docker"
      version = "~> 1"
    }
  }
}
"#;

#[test]
fn plugins_are_built_in_or_not() {
    let env = Env::new();
    env.write("t/a.pkr.hcl", TEMPLATE);
    env.run(["plugins", "installed"]).expect(0).has("github.com/hashicorp/amazon (built in): amazon-ebs");
    env.run(["plugins", "required", "t"])
        .expect(0)
        .has("amazon github.com/hashicorp/amazon \">= 1.2.0\" (built in)")
        .has("docker github.com/hashicorp/docker \"~> 1\"\n");
    env.run(["init", "t"])
        .expect(0)
        .has("github.com/hashicorp/amazon is built in: amazon-ebs")
        .has("a.pkr.hcl:7:5")
        .has("github.com/hashicorp/docker is not built in");
    env.run(["init", "-upgrade", "t/a.pkr.hcl"]).expect(0).has("newer imgbuild");
}

#[test]
fn what_is_refused() {
    let env = Env::new();
    env.write("t.json", r#"{"builders": [{"type": "null"}]}"#);
    env.run(["init", "t.json"]).expect(1).has("only HCL2 templates");
    env.run(["init", "nothing.pkr.hcl"]).expect(1).has("nothing.pkr.hcl");
    env.run(["init"]).expect(1);
    env.run(["plugins"]).expect(1).has("installed, required");
    for words in [["install", "github.com/hashicorp/vsphere"], ["remove", "github.com/hashicorp/amazon"]] {
        env.run(["plugins", words[0], "-force", words[1], "1.0.0"]).expect(1).has("part of imgbuild");
    }
}

#[test]
fn manual_pages_and_completions_know_the_commands() {
    let env = Env::new();
    let page = env.run(["man"]).expect(0);
    let script = env.run(["completions", "bash"]).expect(0);
    for command in ["fmt", "fix", "hcl2_upgrade", "init", "plugins"] {
        assert!(page.stdout.contains(&format!("imgbuild\\-{command}(1)")), "{command}\n{}", page.stdout);
        assert!(script.stdout.contains(command), "{command}");
        env.run(["man", command]).expect(0).has("SYNOPSIS");
    }
    env.run(["man", "nothing"]).expect(1).has("there is no command");
}

#[test]
fn requirements_files_of_its_provisioners() {
    let env = Env::new();
    env.write(
        "t/a.pkr.hcl",
        r#"source "null" "a" { communicator = "none" }
build {
  sources = ["source.null.a"]
  provisioner "ansible" {
    playbook_file = "later.yml"
    galaxy_file   = "requirements.yml"
    roles_path    = "roles"
  }
}
"#,
    );
    env.write("requirements.yml", "- name: web\n");
    env.run(["init", "t"]).expect(1).has("role web").has("a.pkr.hcl:6:");
    env.write("roles/web/tasks/main.yml", "[]\n");
    env.run(["init", "t"]).expect(0).has("web is installed").has("requires no plugins");
    // Packer's init needs no values of variables.
    env.write("t/v.pkr.hcl", "variable \"x\" {}\n");
    env.run(["init", "t"]).expect(0).has("were not looked for");
    env.run(["init", "-var", "x=1", "t"]).expect(0).has("web is installed");
}
