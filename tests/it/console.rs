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
    // One that fails at once takes no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
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

const CONFIGURATION: &str = r#"
variable "foo" { default = "bar" }
variable "hidden" {
  default   = "hush-hush"
  sensitive = true
}
variable "unset" {}
locals {
  x = upper(var.foo)
  m = { a = 1, b = [true, null] }
}
"#;

#[test]
fn expressions_of_hcl2() {
    let env = Env::new();
    env.write("c.pkr.hcl", CONFIGURATION);
    for (args, input, want) in [
        (&["c.pkr.hcl"][..], "var.foo", "bar\n"),
        (&["-var", "foo=baz", "c.pkr.hcl"], "local.x", "BAZ\n"),
        (&["c.pkr.hcl"], "var.hidden", "<sensitive>\n"),
        (&["c.pkr.hcl"], "local.m", "{\n  \"a\" = 1\n  \"b\" = [\n    true,\n    null,\n  ]\n}\n"),
        (&["c.pkr.hcl"], "var.foo\n  1 + 1  \n", "2\n"),
        (&["-config-type=hcl2"], "pow(2, 70)", "1.1805916207174113e+21\n"),
        (&["-config-type=hcl2"], "[for x in [1, 2.5] : \"${x}!\"]", "[\n  \"1!\",\n  \"2.5!\",\n]\n"),
        (&["-config-type=hcl2"], "1\nexit", "\n"),
    ] {
        assert_eq!(console(&env, args, input), (want.to_owned(), Some(0)), "{args:?} {input:?}");
    }
    let (text, code) = console(&env, &["c.pkr.hcl"], "variables");
    assert!(text.starts_with("> input-variables:\n\n") && text.contains("local.x: \"BAR\"\n"), "{text}");
    assert!(!text.contains("hush") && code == Some(0), "{text}");
    for (line, says) in [("nosuch(1)", "nosuch"), ("var.nope", "nope"), ("1 +", "console:1"), ("upper([1])", "string")]
    {
        let (text, code) = console(&env, &["c.pkr.hcl"], &format!("{line}\nvar.foo"));
        assert!(text.contains(says) && text.ends_with("bar\n") && code == Some(1), "{text}");
    }
}
