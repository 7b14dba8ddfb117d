//! Secrets of a build are nowhere but where they belong: not on any command line of this machine or of the one that is built (its
//! processes are among this host's), not in the journal, the output, the log, the manifest or the image, in no form.

use crate::build_sandbox::{Cleanup, state};
use crate::support::{Env, Output, finish, program_or_skip, root_or_skip};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PASSWORD: &str = "Zq7'x\"k&/\u{e9}+w<9";
const PEM: &str = "-----BEGIN THING-----\nQm9yaXNHb2R1bm92MTU5OA\nVmFzaWx5U2h1aXNreTE2MDY\n-----END THING-----\n";
const VAULT: &str = "open-sesame-4711-xyzzy";
const INNER: &str = "kept-in-the-vault-0815";

/// Everything a secret can look like in somebody's text.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).expect("JSON").trim_matches('"').to_owned();
    let url: String = secret
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let mut forms = vec![
        secret.to_owned(),
        json.clone(),
        json.replace('\u{e9}', "\\u00e9"),
        url.replace("%20", "+"),
        url.clone(),
        lower_hex(&url),
        secret.replace('\'', r"'\''"),
        secret.replace('\'', r#"'"'"'"#),
    ];
    for engine in [&STANDARD, &URL_SAFE] {
        forms.push(engine.encode(secret));
        forms.push(engine.encode(format!("{secret}\n")));
    }
    // In the middle of a longer text: what is left of a form without the characters that its neighbours decide.
    for before in 1..3 {
        let text = STANDARD_NO_PAD.encode([vec![b'x'; before], secret.as_bytes().to_vec()].concat());
        forms.push(text[before + 1..text.len() - 2].to_owned());
    }
    if secret.contains('\n') {
        forms.extend(secret.lines().filter(|l| !l.starts_with("---")).map(str::to_owned));
    }
    forms
}

/// `%2F` as `%2f`.
fn lower_hex(url: &str) -> String {
    let mut parts = url.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// The forms that are in a text, each with the secret that it is a form of.
fn found(text: &[u8], secrets: &[&str]) -> Vec<String> {
    let holds = |form: &str| text.windows(form.len()).any(|w| w == form.as_bytes());
    // Most texts hold no part of any.
    secrets.iter().flat_map(|s| forms(s)).filter(|form| holds(form)).collect()
}

/// Runs the program while every command line on this host, and every journal of this environment, is looked at.
fn watched(env: &Env, args: &[&str], secrets: &[&str]) -> (Output, BTreeSet<String>) {
    let over = AtomicBool::new(false);
    let journals = env.path().join("state/imgbuild/journals");
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut seen, mut looked) = (BTreeSet::new(), BTreeSet::new());
            let mut lines = 0_u32;
            while !over.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    if !process.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
                        continue;
                    }
                    let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                    if looked.insert(line.clone()) {
                        lines += 1;
                        let what = String::from_utf8_lossy(&line).replace('\0', " ");
                        seen.extend(
                            found(&line, secrets).into_iter().map(|form| format!("{form} in the process {what}")),
                        );
                    }
                }
                for file in std::fs::read_dir(&journals).into_iter().flatten().flatten() {
                    let text = std::fs::read(file.path()).unwrap_or_default();
                    seen.extend(found(&text, secrets).into_iter().map(|form| format!("{form} in the journal")));
                }
                std::thread::sleep(Duration::from_millis(4));
            }
            assert!(lines > 20, "only {lines} command lines were seen");
            seen
        });
        let output = env.run(args);
        over.store(true, Ordering::Relaxed);
        (output, watch.join().expect("the watcher"))
    })
}

/// What files below a folder hold, with the file's name.
fn in_files(dir: &Path, secrets: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
        if kind.is_dir() {
            all.extend(in_files(&path, secrets));
        } else if kind.is_file() && entry.metadata().is_ok_and(|m| m.len() < 32 << 20) {
            let text = std::fs::read(&path).unwrap_or_default();
            // Each form is looked for; most files hold no first byte of any line of a secret's.
            let forms = found_fast(&text, secrets);
            all.extend(forms.into_iter().map(|form| format!("{form} in {}", path.display())));
        }
    }
    all
}

/// As [`found`], for many large files.
fn found_fast(text: &[u8], secrets: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    secrets.iter().flat_map(|s| forms(s)).filter(|form| text.contains(form.as_str())).collect()
}

/// The template: sensitive variables in the environment of scripts on both sides, in a playbook's variables, and printed in every way.
fn write_template(env: &Env) {
    env.write("vault-pass", &format!("{VAULT}\n"));
    env.write("group_vars/all.yml", &format!("inner: {INNER}\n"));
    let args = ["vault", "encrypt", "--vault-password-file", "vault-pass", "group_vars/all.yml"];
    let _ = env.run(args).expect(0);
    env.write(
        "play.yml",
        "- hosts: all\n  become: true\n  tasks:\n    - ansible.builtin.shell: test \"$INNER\" = kept-in\"-\"the-vault-0815 && test -n \"$P\"\n      environment: {INNER: \"{{ inner }}\", P: \"{{ password }}\"}\n\
         \x20   - ansible.builtin.debug: {msg: \"{{ password }} {{ password | b64encode }} {{ password | urlencode }} {{ password | to_json }} {{ password | quote }}\"}\n\
         \x20   - ansible.builtin.copy: {content: \"{{ password | hash('sha256') }}\", dest: /etc/hash}\n      diff: true\n",
    );
    env.write("secrets.json", &json!({"password": PASSWORD, "pem": PEM}).to_string());
    env.write("extra.json", &json!({"password": PASSWORD}).to_string());
    let prints = [
        "test -n \"$PASSWORD\" && test -n \"$PEM\"",
        "echo \"plain $PASSWORD\"; echo \"lines $PEM\"",
        "printf %s \"$PASSWORD\" | base64 -w0; echo; echo \"$PEM\" | base64 -w0; echo; printf 'a%s' \"$PASSWORD\" | base64 -w0; echo",
        "printf '%q\\n' \"$PASSWORD\"",
        "perl -e '$_ = $ENV{PASSWORD}; s/([^A-Za-z0-9_.~-])/sprintf(\"%%%02X\", ord $1)/ge; print \"$_\\n\"; s/(%..)/lc $1/ge; print \"$_\\n\"'",
        "perl -e '$_ = $ENV{PASSWORD}; s/([\"\\\\])/\\\\$1/g; print \"{\\\"p\\\": \\\"$_\\\"}\\n\"'",
    ];
    let shell = |kind: &str| {
        json!({"type": kind, "inline_shebang": "/bin/bash -e", "inline": prints,
            "environment_vars": ["PASSWORD={{user `password`}}", "PEM={{user `pem`}}"]})
    };
    let template = json!({
        "variables": {"password": "", "pem": ""},
        "sensitive-variables": ["password", "pem"],
        "builders": [{
            "type": "amazon-ebs", "region": "us-east-1",
            "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
            "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "no secrets {{uuid}}"
        }],
        "provisioners": [
            shell("shell"),
            {"type": "shell", "inline": ["test -n \"$PASSWORD\""], "environment_vars": ["PASSWORD={{user `password`}}"],
             "execute_command": "chmod +x {{ .Path }}; {{ .Vars }} sudo -n -E sh {{ .Path }}"},
            shell("shell-local"),
            {"type": "ansible", "playbook_file": "play.yml",
             "extra_arguments": ["--vault-password-file", "vault-pass", "-D", "-e", "@extra.json"]}
        ],
        "post-processors": [{"type": "manifest", "output": "manifest.json", "custom_data": {"p": "{{user `password`}}"}}]
    });
    env.write("t.json", &template.to_string());
}

#[test]
fn secrets_of_a_build_are_nowhere() {
    if !root_or_skip("secrets_of_a_build_are_nowhere") {
        return;
    }
    let mut env = Env::new();
    let log = env.path().join("log");
    env.set("PACKER_LOG", "1").set("PACKER_LOG_PATH", log.display().to_string());
    let _cleanup = Cleanup(&env);
    write_template(&env);
    let secrets = [PASSWORD, PEM, VAULT];
    for machine in [&["-machine-readable"][..], &[]] {
        let args =
            [&["build", "--sandbox", "-color=false", "-var-file=secrets.json"][..], machine, &["t.json"]].concat();
        let (output, seen) = watched(&env, &args, &[PASSWORD, PEM, VAULT, INNER]);
        let output = output.expect(0).has("<sensitive>");
        assert!(seen.is_empty(), "{seen:#?}");
        for text in [&output.stdout, &output.stderr] {
            assert_eq!(found(text.as_bytes(), &secrets), Vec::<String>::new(), "{text}");
        }
        assert!(output.stdout.matches("<sensitive>").count() >= 14, "{}", output.stdout);
        let log = std::fs::read(&log).expect("a log");
        assert!(!log.is_empty(), "a log was asked for");
        assert_eq!(found(&log, &secrets), Vec::<String>::new(), "{}", String::from_utf8_lossy(&log));
    }
    let manifest = std::fs::read(env.work().join("manifest.json")).expect("a manifest");
    assert_eq!(found(&manifest, &secrets), Vec::<String>::new(), "{}", String::from_utf8_lossy(&manifest));
    let images = state(&env)["images"].as_array().map_or(0, |all| all.iter().filter(|i| i["owned"] == true).count());
    assert_eq!(images, 2);
    // The images' trees, and all else that the sandbox keeps.
    let held = in_files(&env.path().join("data/imgbuild/sandbox"), &[PASSWORD, PEM, VAULT, INNER]);
    assert_eq!(held, Vec::<String>::new());
    let left = in_files(&env.path().join("state"), &secrets);
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn passwords_of_a_machine_are_nowhere() {
    const NAME: &str = "passwords_of_a_machine_are_nowhere";
    if !root_or_skip(NAME) || !program_or_skip(NAME, "openssl") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let images = state(&env);
    let all = images["images"].as_array().expect("images");
    let debian = all.iter().find(|i| i["name"].as_str().is_some_and(|n| n.starts_with("debian-12-amd64-")));
    let id = debian.and_then(|i| i["id"].as_str()).expect("Debian");
    let output = env.run(["sandbox", "run", id]).expect(0);
    let node = output.stdout.split_whitespace().next().expect("an id").to_owned();
    // A user who gets in with a password and needs it for sudo.
    env.write("passwords", &format!("alice:{PASSWORD}\n"));
    let set_up = "sudo useradd -m -s /bin/bash alice && sudo chpasswd && echo 'alice ALL=(ALL) ALL' | sudo tee /etc/sudoers.d/alice >/dev/null && \
                  sudo sed -i '1i PasswordAuthentication yes\\nKbdInteractiveAuthentication yes' /etc/ssh/sshd_config && \
                  sudo rm -f /etc/ssh/sshd_config.d/*.conf && (sudo systemctl reload ssh || sudo pkill -HUP -o sshd); hostname -I";
    let mut setting = env.imgbuild(["sandbox", "ssh", &node, set_up]);
    let passwords = std::fs::File::open(env.work().join("passwords")).expect("a file");
    let host = finish(setting.stdin(passwords)).expect(0).stdout;
    let host = host.split_whitespace().next().expect("an address").to_owned();
    env.write("play.yml", "- hosts: all\n  become: true\n  tasks:\n    - ansible.builtin.command: id -un\n      register: who\n    - ansible.builtin.assert: {that: who.stdout == 'root'}\n");
    env.write("secrets.json", &json!({"password": PASSWORD}).to_string());
    env.write("extra.json", &json!({"ansible_become_password": PASSWORD}).to_string());
    let template = json!({
        "variables": {"password": ""},
        "sensitive-variables": ["password"],
        "builders": [{"type": "null", "communicator": "ssh", "ssh_host": host, "ssh_username": "alice", "ssh_password": "{{user `password`}}"}],
        "provisioners": [
            {"type": "shell", "inline": ["id -un"], "environment_vars": ["PASSWORD={{user `password`}}"],
             "execute_command": "{{ .Vars }} sh -c 'printf \"%s\\\\n\" \"$PASSWORD\" | sudo -S -p \"\" sh {{ .Path }}'"},
            {"type": "ansible", "playbook_file": "play.yml", "user": "alice",
             "extra_arguments": ["-e", "@extra.json"]}
        ]
    });
    env.write("t.json", &template.to_string());
    let (output, seen) = watched(&env, &["build", "-color=false", "-var-file=secrets.json", "t.json"], &[PASSWORD]);
    let output = output.expect(0);
    assert!(seen.is_empty(), "{seen:#?}");
    assert_eq!(found(output.stdout.as_bytes(), &[PASSWORD]), Vec::<String>::new(), "{}", output.stdout);
}
