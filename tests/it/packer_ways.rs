//! Small ways of Packer's that people rely on: what is asked on a terminal, what is destroyed and what is not, what a log holds.

use crate::support::{Env, finish, program_or_skip};
use std::io::{Read, Write};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const NULL: &str = r#""builders": [{"type": "null", "communicator": "none"}]"#;

/// Runs the program on a terminal (util-linux's script) and types what belongs to each prompt. What was shown, and the exit code.
fn on_terminal(env: &Env, arguments: &str, typed: &[(&str, &[u8])]) -> (String, Option<i32>) {
    let line = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_imgbuild"));
    let mut command = env.command("script");
    command.args(["-qfec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("script");
    let mut keyboard = child.stdin.take().expect("piped");
    let screen = watch(child.stdout.take().expect("piped"));
    let end = Instant::now() + Duration::from_secs(60);
    let (mut shown, mut seen) = (String::new(), 0);
    for (prompt, keys) in typed {
        while !shown[seen..].contains(prompt) {
            assert!(Instant::now() < end, "{prompt:?} does not come:\n{shown}");
            shown.push_str(&screen.recv_timeout(Duration::from_secs(1)).unwrap_or_default());
        }
        seen = shown.len();
        keyboard.write_all(keys).and_then(|()| keyboard.flush()).expect("a keyboard");
    }
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        assert!(Instant::now() < end, "it does not end:\n{shown}");
        std::thread::sleep(Duration::from_millis(50));
    };
    shown.extend(screen.iter());
    (shown, status.code())
}

/// What a stream says, as it comes.
fn watch(mut stream: ChildStdout) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut bytes) {
            if send.send(String::from_utf8_lossy(&bytes[..n]).into_owned()).is_err() {
                return;
            }
        }
    });
    receive
}

#[test]
fn a_terminal_is_asked_and_may_leave() {
    if !program_or_skip("a_terminal_is_asked_and_may_leave", "script") {
        return;
    }
    let env = Env::new();
    env.write("stop.json", &format!(r#"{{{NULL}, "provisioners": [{{"type": "breakpoint"}}]}}"#));
    let (shown, code) = on_terminal(&env, "build stop.json", &[("Press enter", b"\x03")]);
    assert!(shown.contains("Cleanly cancelled"), "{shown}");
    assert_eq!(code, Some(1), "{shown}");
    let (shown, code) = on_terminal(&env, "build stop.json", &[("Press enter", b"\n")]);
    assert_eq!(code, Some(0), "{shown}");
    let (shown, code) =
        on_terminal(&env, "build -debug stop.json", &[("before phase \"provision\"", b"\n"), ("Press enter", b"\n")]);
    assert!(shown.contains("Debug mode enabled") && code == Some(0), "{shown}");
    // Without a terminal nobody can say to go on.
    let _ = env.run(["build", "stop.json"]).expect(1).has("no available tty");

    let fails = format!(
        r#"{{{NULL}, "provisioners": [{{"type": "shell-local", "inline": ["echo x >> tries; [ $(wc -l < tries) -ge 3 ]"]}}],
            "error-cleanup-provisioner": {{"type": "shell-local", "inline": ["touch cleaned"]}}}}"#
    );
    env.write("fails.json", &fails);
    let prompt = "[r] retry step";
    let tries = || std::fs::read_to_string(env.work().join("tries")).unwrap_or_default().lines().count();
    let (shown, code) = on_terminal(&env, "build -on-error=ask fails.json", &[(prompt, b"r\n"), (prompt, b"r\n")]);
    assert!(code == Some(0) && tries() == 3, "{shown}");
    for (answer, cleaned) in [(&b"a\n"[..], false), (b"c\n", true)] {
        env.write("tries", "");
        let (shown, code) = on_terminal(&env, "build -on-error=ask fails.json", &[(prompt, answer)]);
        assert_eq!((code, env.work().join("cleaned").exists()), (Some(1), cleaned), "{shown}");
    }
}

#[test]
fn an_aborted_build_is_not_cleaned_up() {
    let env = Env::new();
    let fails = format!(
        r#"{{{NULL}, "provisioners": [{{"type": "shell-local", "inline": ["false"]}}],
            "error-cleanup-provisioner": {{"type": "shell-local", "inline": ["touch cleaned"]}}}}"#
    );
    env.write("t.json", &fails);
    for (policy, cleaned) in [("abort", false), ("run-cleanup-provisioner", true), ("cleanup", true)] {
        let _ = std::fs::remove_file(env.work().join("cleaned"));
        let _ = env.run(["build", &format!("-on-error={policy}"), "t.json"]).expect(1);
        assert_eq!(env.work().join("cleaned").exists(), cleaned, "{policy}");
    }
}

#[test]
fn each_try_has_its_pause() {
    let env = Env::new();
    let template = format!(
        r#"{{{NULL}, "provisioners": [{{"type": "shell-local", "inline": ["echo x >> f; [ $(wc -l < f) -ge 3 ]"],
            "pause_before": "200ms", "max_retries": 3}}]}}"#
    );
    env.write("t.json", &template);
    let output = env.run(["build", "t.json"]).expect(0);
    assert_eq!(output.stdout.matches("Pausing 200ms").count(), 3, "{}", output.stdout);
}

#[test]
fn shell_local_never_destroys_the_artifact() {
    let env = Env::new();
    env.write(
        "t.json",
        r#"{"builders": [{"type": "file", "content": "hi", "target": "o.txt"}],
            "post-processors": [{"type": "shell-local", "inline": ["true"], "keep_input_artifact": false}]}"#,
    );
    let _ = env.run(["build", "t.json"]).expect(0);
    assert_eq!(std::fs::read_to_string(env.work().join("o.txt")).expect("the artifact"), "hi");
}

#[test]
fn what_hcl2_has_not_is_refused_and_what_it_has_is_not() {
    let env = Env::new();
    let source = "source \"null\" \"x\" {\n  communicator = \"none\"\n}\n";
    env.write("user.pkr.hcl", "source \"file\" \"f\" {\n  content = \"a{{user `x`}}b\"\n  target = \"o.txt\"\n}\nbuild {\n  sources = [\"source.file.f\"]\n}\n");
    let _ = env.run(["validate", "user.pkr.hcl"]).expect(1).has("user.pkr.hcl:2").has("${var.x}");
    let twice = format!(
        "{source}build {{\n  sources = [\"source.null.x\"]\n  provisioner \"shell-local\" {{\n    inline = [\"echo one\"]\n  }}\n}}\nbuild {{\n  sources = [\"source.null.x\"]\n  provisioner \"shell-local\" {{\n    inline = [\"echo two\"]\n  }}\n}}\n"
    );
    env.write("twice.pkr.hcl", &twice);
    let _ = env.run(["validate", "twice.pkr.hcl"]).expect(0);
    let _ = env.run(["build", "-color=false", "twice.pkr.hcl"]).expect(0).has("null.x: one").has("null.x: two");
    for (place, block) in [
        ("provisioner \"shell-local\"", "override {\n x {\n inline = [\"b\"]\n }\n }"),
        ("provisioner \"shell-local\"", "timeout {\n }"),
        ("post-processor \"shell-local\"", "keep_input_artifact {\n }"),
    ] {
        let text = format!(
            "{source}build {{\n  sources = [\"source.null.x\"]\n  {place} {{\n    inline = [\"true\"]\n    {block}\n  }}\n}}\n"
        );
        env.write("block.pkr.hcl", &text);
        let _ =
            env.run(["validate", "block.pkr.hcl"]).expect(1).has("are not expected here").has("with an equals sign");
    }
}

#[test]
fn secrets_logs_versions_and_plugins() {
    let mut env = Env::new();
    let template = format!(
        r#"{{"variables": {{"p": "S3kr1t", "q": "S3kr1t", "r": "postgres://u:S3kr1t@h"}}, "sensitive-variables": ["p"], {NULL},
            "comments": [{{"a": "b"}}], "provisioners": [{{"type": "shell-local", "inline": ["echo {{{{user `p`}}}} is it"]}}]}}"#
    );
    env.write("t.json", &template);
    for machine in [&["inspect", "t.json"][..], &["-machine-readable", "inspect", "t.json"]] {
        let output = env.run(machine).expect(0).has("postgres://u:<sensitive>@h");
        assert!(!output.stdout.contains("S3kr1t"), "{}", output.stdout);
    }
    env.set("PACKER_LOG", "1").set("PACKER_LOG_PATH", "log.txt");
    let _ = env.run(["build", "t.json"]).expect(0);
    let log = std::fs::read_to_string(env.work().join("log.txt")).expect("a log");
    assert!(log.contains("is it") && log.contains("provision") && !log.contains("S3kr1t"), "{log}");
    env.set("PACKER_LOG_PATH", "nowhere/log.txt");
    let _ = env.run(["build", "t.json"]).expect(1).has("PACKER_LOG_PATH");
    env.unset("PACKER_LOG");

    env.write("comments.json", &template.replace(r#"{"a": "b"}"#, r#""a""#));
    let _ = env.run(["validate", "comments.json"]).expect(1).has("'comments[0]' expected a map");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_imgbuild"), env.work().join("packer")).expect("a link");
    let version = finish(env.command(env.work().join("packer")).arg("version")).expect(0).stdout;
    assert!(version.starts_with("Packer v1."), "{version}");
    let _ = env.run(["version"]).expect(0).has("imgbuild v");
    let _ = env.run(["plugins", "install", "github.com/hashicorp/amazon", "v1.3.0"]).expect(0).has("built in");
    let _ = env.run(["plugins", "install", "github.com/hashicorp/vsphere"]).expect(1);
    let _ = env.run(["fmt", "nowhere"]).expect(1).has("no such file");
    env.write("a.pkr.hcl", "a=1\n");
    assert_eq!(env.run(["fmt", "."]).expect(0).stdout.lines().next(), Some("a.pkr.hcl"));
}
