//! `imgbuild console`, its output and exit codes as Packer's.

use crate::support::Env;
use std::process::Stdio;

const TEMPLATE: &str = r#"{
  "variables": {"a": "1", "b": "{{user `a`}}-secret", "missing": null},
  "sensitive-variables": ["b"],
  "builders": [{"type": "null", "communicator": "none"}]
}"#;

/// What the console prints on standard output for these lines, and its exit code.
fn console(env: &Env, args: &[&str], input: &str) -> (String, Option<i32>) {
    use std::io::Write as _;
    let mut command = env.imgbuild(["console"]);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn the_last_line_is_answered() {
    let env = Env::new();
    env.write("t.json", TEMPLATE);
    for (args, input, want) in [
        (&["t.json"][..], "{{user `a`}}\n", "1\n"),
        (&["-var", "a=2", "t.json"], "{{user `a`}}\n", "2\n"),
        (&["t.json"], "{{user `a`}}\n{{upper `x`}}", "X\n"),
        (&["t.json"], "{{user `b`}}\n", "<sensitive>\n"),
        (&["t.json"], "  plain  \n", "plain\n"),
        (&["t.json"], "plain\nexit\n", "\n"),
        (&["t.json"], "", "\n"),
        (&["t.json"], "variables", "\na: 1,\nb: <sensitive>,\nmissing: ,\n\n"),
        (&[], "{{split `a-b` `-` 1}}", "b\n"),
        (&["-config-type=json"], "x", "x\n"),
    ] {
        assert_eq!(console(&env, args, input), (want.to_owned(), Some(0)), "{args:?} {input:?}");
    }
    let (help, code) = console(&env, &[], "help");
    assert!(help.starts_with("Packer console JSON Mode.") && code == Some(0));
    let (machine, _) = console(&env, &["-machine-readable"], "a,b");
    assert!(machine.ends_with(",,ui,message,a%!(PACKER_COMMA)b\n"), "{machine}");
}

#[test]
fn an_interpolation_error_is_no_failure() {
    let env = Env::new();
    let (text, code) = console(&env, &[], "{{nofunc}}\nafter\n");
    assert!(text.contains("function \"nofunc\" not defined") && text.ends_with("after\n"), "{text}");
    assert_eq!(code, Some(0));
}

#[test]
fn what_is_no_template_is_a_failure() {
    let env = Env::new();
    env.write("bad.json", "{");
    for args in [&["none.json"][..], &["bad.json"], &["-config-type=xml"], &["-no-such-flag"]] {
        assert_eq!(console(&env, args, "x").1, Some(1), "{args:?}");
    }
}
