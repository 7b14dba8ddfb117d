//! `imgbuild fmt`.

use crate::support::Env;
use std::process::Stdio;

const UGLY: &str = "a=1\nbcd =[1,2]# x\n";
const TIDY: &str = "a   = 1\nbcd = [1, 2] # x\n";

fn read(env: &Env, name: &str) -> String {
    std::fs::read_to_string(env.work().join(name)).unwrap()
}

#[test]
fn files_are_written_named_and_then_left_alone() {
    let env = Env::new();
    env.write("x.pkr.hcl", UGLY);
    env.run(["fmt", "-check", "x.pkr.hcl"]).expect(3).has("x.pkr.hcl");
    env.run(["fmt", "--write=false", "x.pkr.hcl"]).expect(0).has("x.pkr.hcl");
    assert_eq!(read(&env, "x.pkr.hcl"), UGLY);
    env.run(["fmt", "-diff", "-check", "x.pkr.hcl"]).expect(3).has("--- old/x.pkr.hcl").has("+a   = 1");
    env.run(["fmt", "x.pkr.hcl"]).expect(0).has("x.pkr.hcl");
    assert_eq!(read(&env, "x.pkr.hcl"), TIDY);
    assert_eq!(env.run(["fmt", "-check", "x.pkr.hcl"]).expect(0).stdout, "");
}

#[test]
fn folders_and_folders_inside() {
    let env = Env::new();
    for name in ["t/a.pkr.hcl", "t/b.pkrvars.hcl", "t/c.hcl", "t/.d.pkr.hcl", "t/in/e.pkr.hcl"] {
        env.write(name, UGLY);
    }
    env.run(["fmt", "t"]).expect(0);
    let tidy = |name: &str| read(&env, name) == TIDY;
    assert!(tidy("t/a.pkr.hcl") && tidy("t/b.pkrvars.hcl"));
    assert!(!tidy("t/c.hcl") && !tidy("t/.d.pkr.hcl") && !tidy("t/in/e.pkr.hcl"));
    env.run(["fmt", "-recursive", "t"]).expect(0).has("in/e.pkr.hcl");
    assert!(tidy("t/in/e.pkr.hcl"));
}

#[test]
fn what_is_no_hcl_is_refused_with_its_place() {
    let env = Env::new();
    env.write("x.pkr.hcl", "a = 1\nb = 'x'\n");
    env.write("y.pkr.hcl", UGLY);
    env.write("z.json", "{}");
    env.run(["fmt", "x.pkr.hcl", "y.pkr.hcl"]).expect(1).has("x.pkr.hcl:2:5").has("double quotes");
    assert_eq!(read(&env, "y.pkr.hcl"), TIDY, "the others are laid out all the same");
    env.run(["fmt", "z.json"]).expect(1).has("z.json");
    env.run(["fmt", "nothing.pkr.hcl"]).expect(1).has("nothing.pkr.hcl");
    env.run(["fmt"]).expect(1);
}

#[test]
fn standard_input() {
    let env = Env::new();
    for (flags, code, want) in [(&[][..], 0, TIDY), (&["-check"][..], 3, ""), (&["-write=false"][..], 0, "")] {
        let mut command = env.imgbuild(["fmt"].iter().chain(flags).chain(&["-"]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), UGLY.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()), (Some(code), want));
    }
}
