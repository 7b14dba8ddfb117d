//! Classes of faults in the service and on the machine.

use super::shape::{Shape, fleet, template};
use super::trials::Expect;
use super::{Class, Trials, network};
use anyhow::Result;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The classes.
pub const CLASSES: &[Class] = &[
    Class { name: "throttled once", survived_means: BUILT, run: |t| each_action(t, &["\"throttle\""]), quick: true },
    Class { name: "throttled in bursts", survived_means: BUILT, run: bursts, quick: false },
    Class {
        name: "500 and 503",
        survived_means: BUILT,
        run: |t| each_action(t, &["\"internal-error\"", "\"unavailable\""]),
        quick: false,
    },
    Class {
        name: "reset before the effect",
        survived_means: BUILT,
        run: |t| each_action(t, &["\"drop-before\""]),
        quick: false,
    },
    Class {
        name: "reset after the effect",
        survived_means: "the thing is found again by token, tag or name: the image is built, and nothing twice",
        run: |t| each_action(t, &["\"drop-after\""]),
        quick: true,
    },
    Class {
        name: "not found just after it was made",
        survived_means: "the image is built all the same; a build that fails at that moment removes what it can't see yet",
        run: invisible,
        quick: true,
    },
    Class {
        name: "no capacity",
        survived_means: "the next type of the list is taken; without one the build fails and undoes",
        run: capacity,
        quick: true,
    },
    Class {
        name: "spot interruption",
        survived_means: "provisioned again on another instance where the template allows it, else failed and undone",
        run: spot,
        quick: false,
    },
    Class {
        name: "credentials expire",
        survived_means: "new ones are asked for; where there are none, the build names what it left and gc removes it",
        run: credentials,
        quick: false,
    },
    Class { name: "clock skew", survived_means: BUILT, run: skew, quick: true },
    Class { name: "image fails", survived_means: UNDONE, run: fails, quick: false },
    Class { name: "image or snapshot stuck", survived_means: UNDONE, run: stuck, quick: false },
    Class {
        name: "SSH accepts and hangs",
        survived_means: "connected once it answers; failed and undone where it never does",
        run: ssh_hangs,
        quick: false,
    },
    Class { name: "console output late", survived_means: BUILT, run: console, quick: false },
    Class {
        name: "DNS failure",
        survived_means: "an outage is waited out; a name that is not there fails at once",
        run: network::dns,
        quick: false,
    },
    Class {
        name: "caller's address changes",
        survived_means: "the temporary group admits the new address as well, and no other",
        run: network::caller,
        quick: false,
    },
];

const BUILT: &str = "the image is built all the same";
const UNDONE: &str = "the build says why, and undoes what it made";

fn rule(action: &str, kind: &str, rest: &str) -> String {
    format!(r#"[{{"action":"{action}","kind":{kind}{rest}}}]"#)
}

/// Each action of a build, once, in each family of options.
fn each_action(t: &mut Trials<'_>, kinds: &[&str]) -> Result<()> {
    let mut done: Vec<String> = Vec::new();
    for shape in if t.quick { &[Shape::Plain][..] } else { &Shape::ALL } {
        let template = shape.template(&t.world.url);
        for action in t.actions(&template)? {
            // An action that behaves in one family behaves in another; what makes images is tried in all.
            let seen = done.contains(&action);
            if seen && !["CreateImage", "CopyImage", "RegisterImage", "RunInstances"].contains(&action.as_str()) {
                continue;
            }
            if t.quick && !["RunInstances", "CreateImage"].contains(&action.as_str()) {
                continue;
            }
            for kind in kinds {
                let name = format!("{}: {action} {kind}", shape.name());
                t.build(&name, &template, &rule(&action, kind, r#","times":1"#), Expect::Built(shape.images()))?;
            }
            done.push(action);
        }
    }
    Ok(())
}

/// What each creating action makes.
fn creating(t: &mut Trials<'_>, kind: &str) -> Result<()> {
    const MAKES: [&str; 5] = ["Create", "Run", "Import", "Copy", "Register"];
    let mut done: Vec<String> = Vec::new();
    for shape in if t.quick { &[Shape::Plain][..] } else { &Shape::ALL } {
        let template = shape.template(&t.world.url);
        for action in t.actions(&template)? {
            let makes = MAKES.iter().any(|m| action.starts_with(m)) && action != "CreateTags";
            if !makes || done.contains(&action) || t.quick && action != "RunInstances" {
                continue;
            }
            let name = format!("{}: {action}", shape.name());
            t.build(&name, &template, &rule(&action, kind, r#","times":1"#), Expect::Built(shape.images()))?;
            done.push(action);
        }
    }
    Ok(())
}

fn invisible(t: &mut Trials<'_>) -> Result<()> {
    const HIDE: &str = r#"{"hide":{"seconds":3}}"#;
    creating(t, HIDE)?;
    if t.quick {
        return Ok(());
    }
    // The call that fails while the thing can't be seen, and how many of its kind go well before.
    for (shape, action, next, skip) in [
        (Shape::Plain, "CreateSecurityGroup", "RunInstances", 0),
        (Shape::Plain, "RunInstances", "DescribeInstances", 0),
        (Shape::Fleet, "CreateLaunchTemplate", "CreateFleet", 0),
        (Shape::Plain, "CreateImage", "DescribeImages", 2),
        (Shape::Encrypted, "CopyImage", "DescribeImages", 5),
        (Shape::Surrogate, "CreateSnapshot", "DescribeSnapshots", 0),
    ] {
        let refuse = r#"{"error":{"code":"InvalidParameterValue","message":"refused in a trial","status":400}}"#;
        let faults = format!(
            r#"[{{"action":"{action}","kind":{HIDE},"times":1}},{{"action":"{next}","kind":{refuse},"skip":{skip},"times":1}}]"#
        );
        let name = format!("{}: {action}, and {next} is refused", shape.name());
        t.build(&name, &shape.template(&t.world.url), &faults, Expect::Fails("refused in a trial"))?;
    }
    Ok(())
}

fn bursts(t: &mut Trials<'_>) -> Result<()> {
    let template = Shape::Plain.template(&t.world.url);
    for skip in [0, 4, 7, 10, 13] {
        let faults = rule("*", "\"throttle\"", &format!(r#","skip":{skip},"times":5"#));
        t.build(&format!("5 calls from call {skip}"), &template, &faults, Expect::Built(1))?;
    }
    let faults = rule("*", r#"{"rate-limit":{"per_second":1.0,"burst":3.0}}"#, "");
    t.build("one call a second", &template, &faults, Expect::Built(1))?;
    let faults = rule("*", r#"{"rate-limit":{"per_second":2.0,"burst":4.0}}"#, "");
    t.build("copies, two calls a second", &Shape::Encrypted.template(&t.world.url), &faults, Expect::Built(3))
}

fn capacity(t: &mut Trials<'_>) -> Result<()> {
    let url = t.world.url.clone();
    let none = |types: &str| rule("*", &format!(r#"{{"no-capacity":{{"instance_types":[{types}]}}}}"#), "");
    let with = template(&url, json!({"fallback_instance_types": ["t3.small", "t3.medium"]}));
    t.build("the second type of the list", &with, &none(r#""t3.micro","t3.small""#), Expect::Built(1))?;
    if t.quick {
        return Ok(());
    }
    t.build("no type of the list", &with, &none(r#""t3.*""#), Expect::Fails("InsufficientInstanceCapacity"))?;
    let without = template(&url, json!({}));
    t.build("no list", &without, &none(r#""t3.*""#), Expect::Fails("InsufficientInstanceCapacity"))?;
    let spot = template(&url, fleet(&["t3.micro", "t3.small"]));
    t.build("another type of the fleet", &spot, &none(r#""t3.micro""#), Expect::Built(1))?;
    t.build("no type of the fleet", &spot, &none(r#""t3.*""#), Expect::Fails("InsufficientInstanceCapacity"))?;
    let mut options = fleet(&["t3.micro", "t3.small"]);
    options["fallback_instance_types"] = json!(["m5.large"]);
    t.build("on demand instead of spot", &template(&url, options), &none(r#""t3.*""#), Expect::Built(1))
}

/// EC2 takes the instance back while a provisioner runs on it.
fn spot(t: &mut Trials<'_>) -> Result<()> {
    let world = t.world;
    let marker = world.path("work/marker");
    // A playbook's local task says when; it is no step that acts outside of the machine.
    let task =
        format!("{{ansible.builtin.file: {{path: {marker}, state: touch}}, delegate_to: localhost, become: false}}");
    let play = world.write("play.yml", &format!("- hosts: all\n  gather_facts: false\n  tasks: [{task}]\n"))?;
    let shell = |script: &str| json!({"type": "shell", "inline": [script]});
    let tell = json!({"type": "ansible", "playbook_file": play});
    let steps = json!([shell("echo one | sudo tee /tmp/one"), tell, shell("sleep 3; test -e /tmp/one")]);
    let outside =
        json!([shell("true"), {"type": "shell-local", "inline": [format!("touch {marker}")]}, shell("sleep 3")]);
    for (name, steps, taken, expect) in [
        ("once", &steps, 1, Expect::Built(1)),
        ("twice", &steps, 2, Expect::Built(1)),
        ("each time", &steps, 9, Expect::Fails("was interrupted")),
        ("after a step on this machine", &outside, 1, Expect::Fails("has acted outside of it")),
    ] {
        let mut template = template(&world.url, fleet(&["t3.micro", "t3.small"]));
        template["provisioners"] = steps.clone();
        let count = AtomicUsize::new(0);
        t.build_acting(name, &template, &[], expect, |world| {
            if count.fetch_add(1, Ordering::Relaxed) < taken {
                std::thread::sleep(Duration::from_millis(300));
                world.http("POST", "/_sandbox/interrupt", b"", &[])?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn credentials(t: &mut Trials<'_>) -> Result<()> {
    let mut with = template(&t.world.url, json!({"access_key": "AKOLD", "secret_key": "x", "token": "y"}));
    with["provisioners"] = json!([{"type": "shell", "inline": ["sleep 1"]}]);
    for action in ["RunInstances", "StopInstances", "CreateImage"] {
        // From this call on they are no good.
        let faults = format!(r#"[{{"action":"{action}","kind":{{"expired":{{"access_keys":["AKOLD"]}}}}}}]"#);
        t.build(&format!("static, at {action}"), &with, &faults, Expect::Fails("ExpiredToken"))?;
    }
    // What can't be removed either is named, and gc removes it with the credentials of another day.
    let faults = r#"[{"action":"StopInstances","kind":{"expired":{"access_keys":["AKOLD"]}}},
        {"action":"TerminateInstances","kind":{"expired":{"access_keys":["AKOLD"]}}}]"#;
    t.build("static, and no cleaning up", &with, faults, Expect::Owes("ExpiredToken"))?;
    // A process that gives new ones whenever it is asked: those that it gave first are refused from some call on.
    let count = t.world.path("work/given");
    let script = t.world.write(
        "give.sh",
        &format!(
            "#!/bin/sh\necho x >> {count}\nn=$(wc -l < {count})\nend=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)\n\
             echo '{{\"Version\": 1, \"AccessKeyId\": \"AKIA'$n'\", \"SecretAccessKey\": \"s\", \"SessionToken\": \"t\", \
             \"Expiration\": \"'$end'\"}}'\n"
        ),
    )?;
    let config = t.world.write("aws-config", &format!("[default]\ncredential_process = sh {script}\n"))?;
    let provided = template(&t.world.url, json!({"access_key": null, "secret_key": null}));
    for action in ["RunInstances", "DescribeInstances", "CreateImage", "TerminateInstances"] {
        let _ = std::fs::remove_file(&count);
        let faults = format!(r#"[{{"action":"{action}","kind":{{"expired":{{"access_keys":["AKIA1"]}}}}}}]"#);
        let env = [("AWS_CONFIG_FILE", config.as_str())];
        t.build_in(&format!("from a process, at {action}"), &provided, &faults, &env, Expect::Built(1))?;
    }
    Ok(())
}

fn skew(t: &mut Trials<'_>) -> Result<()> {
    let all = [600, -600, 7200, -7200];
    for seconds in if t.quick { &all[..1] } else { &all } {
        let faults = rule("*", &format!(r#"{{"clock-skew":{{"seconds":{seconds}}}}}"#), "");
        t.build(&format!("{seconds} s"), &Shape::Plain.template(&t.world.url), &faults, Expect::Built(1))?;
    }
    if t.quick {
        return Ok(());
    }
    let faults = rule("*", r#"{"clock-skew":{"seconds":900}}"#, "");
    t.build("copies, 900 s", &Shape::Encrypted.template(&t.world.url), &faults, Expect::Built(3))
}

fn fails(t: &mut Trials<'_>) -> Result<()> {
    let reason = "the disk of the service broke";
    let kind = format!(r#"{{"fails":{{"reason":"{reason}"}}}}"#);
    for (shape, action) in [
        (Shape::Plain, "CreateImage"),
        (Shape::Encrypted, "CreateImage"),
        (Shape::Encrypted, "CopyImage"),
        (Shape::OnlyCopies, "CopyImage"),
        (Shape::Surrogate, "CreateSnapshot"),
        (Shape::Surrogate, "CopyImage"),
    ] {
        let name = format!("{}: {action}", shape.name());
        t.build(&name, &shape.template(&t.world.url), &rule(action, &kind, r#","times":1"#), Expect::Fails(reason))?;
    }
    Ok(())
}

fn stuck(t: &mut Trials<'_>) -> Result<()> {
    for (shape, action) in
        [(Shape::Plain, "CreateImage"), (Shape::Encrypted, "CopyImage"), (Shape::Surrogate, "CreateSnapshot")]
    {
        let mut template = shape.template(&t.world.url);
        template["builders"][0]["aws_polling"] = json!({"delay_seconds": 1, "max_attempts": 12});
        let name = format!("{}: {action}", shape.name());
        let faults = rule(action, "\"stuck\"", r#","times":1"#);
        t.build(&name, &template, &faults, Expect::Fails("took longer than 12 s"))?;
    }
    Ok(())
}

fn ssh_hangs(t: &mut Trials<'_>) -> Result<()> {
    let hangs = |seconds: u32| rule("RunInstances", &format!(r#"{{"ssh-hangs":{{"seconds":{seconds}}}}}"#), "");
    t.build("for 12 s", &template(&t.world.url, json!({})), &hangs(12), Expect::Built(1))?;
    let short = template(&t.world.url, json!({"ssh_timeout": "20s"}));
    t.build("for ever", &short, &hangs(600), Expect::Fails("no SSH connection to"))?;
    // After a reboot in the middle the machine's server hangs no more; the connection is made again.
    let mut reboots = template(&t.world.url, json!({}));
    reboots["provisioners"] = json!([
        {"type": "shell", "inline": ["sudo reboot"], "expect_disconnect": true},
        {"type": "shell", "inline": ["echo after"], "pause_before": "1s"},
    ]);
    t.build("and a reboot in the middle", &reboots, &hangs(10), Expect::Built(1))
}

fn console(t: &mut Trials<'_>) -> Result<()> {
    // User data that the host key can't be joined with: the console tells it, in its own time.
    let own = "[settings]\nkey = 1\n";
    let own = template(&t.world.url, json!({"user_data": own}));
    for times in [1, 3] {
        let faults = rule("GetConsoleOutput", "\"silent\"", &format!(r#","times":{times}"#));
        t.build(&format!("{times} time(s) without"), &own, &faults, Expect::Built(1))?;
    }
    let faults = rule("GetConsoleOutput", "\"internal-error\"", r#","times":2"#);
    t.build("and twice a failure", &own, &faults, Expect::Built(1))
}
