//! The test that matters most: kill the original job at every journal write, run gc, and the sandbox holds what it held before.

use crate::build_sandbox::{Cleanup, build_original, state};
use crate::support::{Env, root, root_or_skip};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What must be equal before and after: everything that is there, without what only tells of the past.
fn holdings(env: &Env) -> serde_json::Value {
    let state = state(env);
    let mut kept = serde_json::Map::new();
    for kind in ["images", "snapshots", "instances", "volumes", "key_pairs", "security_groups"] {
        kept.insert(kind.into(), state[kind].clone());
    }
    serde_json::Value::Object(kept)
}

/// Whether a dead run's journal says that the image is the user's.
fn kept_an_image(env: &Env) -> bool {
    let journals = env.path().join("state/imgbuild/journals");
    std::fs::read_dir(journals)
        .into_iter()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .any(|text| text.lines().any(|line| line.starts_with("{\"kept\"")))
}

#[test]
fn killed_at_every_journal_write_gc_leaves_nothing() {
    if !root_or_skip("killed_at_every_journal_write_gc_leaves_nothing") {
        return;
    }
    let mut env = Env::new();
    let before = holdings(&env);
    let mut killed = 0;
    // "before:k" dies when write k is due: the effect that it would have recorded is there. "after:k": the record is there.
    'writes: for k in 1..200 {
        for side in ["before", "after"] {
            env.set("IMGBUILD_TEST_KILL_AT_JOURNAL_WRITE", format!("{side}:{k}"));
            let cleanup = Cleanup(&env);
            let output = build_original(&env, &[]);
            if output.code == 0 {
                let _ = output;
                drop(cleanup);
                break 'writes;
            }
            assert_eq!(output.code, 128 + 9, "{side}:{k} did not die there:\n{}\n{}", output.stdout, output.stderr);
            killed += 1;
            std::mem::forget(cleanup);
            env.unset("IMGBUILD_TEST_KILL_AT_JOURNAL_WRITE");
            let kept = kept_an_image(&env);
            let gc = env.run(["gc"]).expect(0);
            if kept {
                // The image was finished and declared the artifact before the kill: gc must not take it. All else must be gone.
                let own =
                    state(&env)["images"].as_array().map_or(0, |all| all.iter().filter(|i| i["owned"] == true).count());
                assert_eq!(own, 1, "after a kill at {side}:{k}");
                let _ = env.run(["sandbox", "rm", "--all"]).expect(0);
            }
            assert_eq!(holdings(&env), before, "after a kill at {side}:{k} and gc:\n{}", gc.stdout);
        }
    }
    assert!(killed >= 16, "only {killed} kills: the journal is written less often than things are made");
}

/// What a build says when a phase begins.
const PHASES: [&str; 10] = [
    "Prevalidating any provided VPC information",
    "Creating temporary keypair",
    "Creating temporary security group",
    "Launching a source AWS instance",
    "Waiting for SSH to become available",
    "Connected to SSH!",
    "TASK [docker : Install docker-engine at its pinned version]",
    "Stopping the source instance",
    "Creating AMI",
    "Waiting for AMI to become ready",
];

#[test]
fn interrupted_at_every_phase_it_undoes_what_it_made() {
    if !root_or_skip("interrupted_at_every_phase_it_undoes_what_it_made") {
        return;
    }
    let env = Env::new();
    let before = holdings(&env);
    for phase in PHASES {
        let template = root().join("templates/ubuntu_1404_aufs3.json");
        let mut build = env.imgbuild(["build", "--sandbox", "-color=false", template.to_str().expect("text")]);
        let mut build = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut seen = String::new();
        let mut interrupted = false;
        for line in BufReader::new(build.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            if !interrupted && line.contains(phase) {
                interrupted = true;
                let kill = Command::new("kill").args(["-INT", &build.id().to_string()]).status();
                assert!(kill.is_ok_and(|s| s.success()));
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let status = build.wait().expect("a child that was started");
        assert!(interrupted, "{phase:?} was never said:\n{seen}");
        assert_eq!(status.code(), Some(1), "interrupted at {phase:?}:\n{seen}");
        assert!(seen.contains("Cleanly cancelled builds after being interrupted."), "{seen}");
        assert_eq!(holdings(&env), before, "interrupted at {phase:?}:\n{seen}");
    }
    let _ = env.run(["gc", "--dry-run"]).expect(0).has("nothing");
}
