//! SIGKILL around every write of the journal, for every family of options; `gc` then leaves nothing. And `gc` beside live runs, other
//! people's things, and without the journal.

use super::shape::Shape;
use super::trials::left;
use super::world::Ended;
use super::{Class, Trials};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;

/// The classes.
pub const CLASSES: &[Class] = &[
    Class { name: "kill: plain", survived_means: GC, run: |t| family(t, Shape::Plain), quick: true },
    Class { name: "kill: copies, encrypted", survived_means: GC, run: |t| family(t, Shape::Encrypted), quick: false },
    Class { name: "kill: only copies", survived_means: GC, run: |t| family(t, Shape::OnlyCopies), quick: false },
    Class { name: "kill: spot fleet, profile", survived_means: GC, run: |t| family(t, Shape::Fleet), quick: false },
    Class { name: "kill: surrogate, copy", survived_means: GC, run: |t| family(t, Shape::Surrogate), quick: false },
    Class { name: "kill: replacing", survived_means: GC, run: |t| family(t, Shape::Replace), quick: false },
    Class {
        name: "kill: gc from tags",
        survived_means: "`gc --from-tags` removes all of it without the journal, and leaves younger runs and others' things alone",
        run: from_tags,
        quick: true,
    },
    Class {
        name: "kill: beside a live run",
        survived_means: "`gc` removes what the dead run owes; the live one goes on to its image",
        run: beside,
        quick: false,
    },
    Class {
        name: "kill: gc itself",
        survived_means: "a second `gc` finishes what the killed one began",
        run: gc_killed,
        quick: false,
    },
];

const GC: &str =
    "killed before and after each write; `gc` leaves nothing, or an image that the journal calls kept, whole";

/// A build that is killed around a write of its journal. `None`: it ended before.
fn killed(t: &Trials<'_>, template: &Value, at: &str) -> Result<Option<Ended>> {
    let ended = t.world.build(template, &[("IMGBUILD_TEST_KILL_AT_JOURNAL_WRITE", at)])?;
    if ended.code == 0 {
        return Ok(None);
    }
    ensure!(ended.code == 137, "at {at} it was not killed but ended with {}:\n{}", ended.code, ended.text);
    Ok(Some(ended))
}

fn family(t: &mut Trials<'_>, shape: Shape) -> Result<()> {
    let template = shape.template(&t.world.url);
    let empty = t.world.holdings()?;
    if shape == Shape::Replace {
        let ended = t.world.build(&template, &[])?;
        ensure!(ended.code == 0, "the image to be replaced could not be built:\n{}", ended.text);
    }
    for k in 1usize.. {
        for side in ["before", "after"] {
            if t.quick && (k % 4 != 3 || side == "after") && k < 40 {
                continue;
            }
            // Each N-th of them, before and after in turn.
            if t.stride > 1 && (k + usize::from(side == "after")) % t.stride != 0 {
                continue;
            }
            let at = format!("{side}:{k}");
            let before = t.world.holdings()?;
            if killed(t, &template, &at)?.is_none() {
                ensure!(k > 8 || t.quick, "the journal was written only {k} times");
                return t.world.clear(&empty);
            }
            let journal: String = t.world.journals().iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
            let kept = kept(&journal);
            let gc = t.world.run(&["gc"], &[])?;
            // Dead in the middle of a replacement, when the new image is the only one: gc keeps it and says so.
            let told = shape == Shape::Replace && gc.text.contains("it is kept until one has");
            let mut outcome =
                if gc.code == 0 || told { Ok(()) } else { Err(format!("gc ended with {}:\n{}", gc.code, gc.text)) };
            let remains = remains(t, &before, &kept, shape)?;
            if told {
                // The next night's build puts it in order.
                let next = t.world.build(&template, &[])?;
                let gc = t.world.run(&["gc"], &[])?;
                let images = t.world.holdings()?.keys().filter(|key| key.starts_with("images ")).count();
                if (next.code, gc.code, images) != (0, 0, 1) {
                    let ends = format!("the next build ended with {}, gc with {}", next.code, gc.code);
                    outcome = Err(format!("{ends}, {images} images:\n{}\n{}", next.text, gc.text));
                }
            }
            t.count(&at, outcome, &remains);
            if shape != Shape::Replace {
                t.world.clear(&empty)?;
            } else if remains.iter().any(|r| r.contains("image(s)")) || t.world.holdings()?.is_empty() {
                // The next kill needs an image to replace.
                t.world.build(&template, &[])?;
            }
            ensure!(t.world.journals().is_empty() || !remains.is_empty(), "a journal is left after {at}: {}", gc.text);
            if t.quick && k > 12 {
                return t.world.clear(&empty);
            }
        }
    }
    Ok(())
}

/// The ids of images that a journal calls kept.
fn kept(journal: &str) -> Vec<String> {
    let mut created = BTreeMap::new();
    let mut kept = Vec::new();
    for line in journal.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        if let Some(made) = line.get("created") {
            created.insert(made["seq"].as_u64(), made["id"].as_str().unwrap_or_default().to_owned());
        }
        if let Some(id) = line.get("kept").and_then(|k| created.get(&k["seq"].as_u64())) {
            kept.push(id.clone());
        }
    }
    kept
}

/// What is left beside what was there and what was kept. Replacing, there must be one whole image of the name, old or new.
fn remains(t: &Trials<'_>, before: &BTreeMap<String, String>, kept: &[String], shape: Shape) -> Result<Vec<String>> {
    let after = t.world.holdings()?;
    let images: Vec<(&String, &String)> = after.iter().filter(|(k, _)| k.starts_with("images ")).collect();
    let mut left: Vec<String> = after
        .iter()
        .filter(|(key, _)| !before.contains_key(*key))
        .filter(|(key, _)| {
            let id = key.split(' ').nth(1).unwrap_or_default();
            let of_kept = |(name, image): &(&String, &String)| {
                image.contains(id) && (kept.iter().any(|k| name.contains(k.as_str())) || before.contains_key(*name))
            };
            !(kept.iter().any(|k| k == id) || key.starts_with("snapshots ") && images.iter().any(of_kept))
        })
        .map(|(key, _)| key.clone())
        .collect();
    if shape == Shape::Replace {
        if images.is_empty() {
            left.push("0 image(s): neither the old one nor the new one is there".into());
        }
    } else {
        left.extend(before.keys().filter(|k| !after.contains_key(*k)).map(|k| format!("(gone, and not ours) {k}")));
    }
    // An image that stays has all its snapshots.
    for (name, image) in images {
        let image: Value = serde_json::from_str(image)?;
        for snapshot in image.to_string().split('"').filter(|w| w.starts_with("snap-")) {
            if !after.keys().any(|k| k.contains(snapshot)) {
                left.push(format!("{name} has lost {snapshot}"));
            }
        }
    }
    Ok(left)
}

/// Things of somebody else, like ours in every respect but the tag.
fn strangers(t: &Trials<'_>) -> Result<BTreeMap<String, String>> {
    let w = t.world;
    w.call("us-east-1", "CreateKeyPair", &[("KeyName", "packer_somebody")])?;
    w.call(
        "us-east-1",
        "CreateSecurityGroup",
        &[("GroupName", "packer_somebody"), ("GroupDescription", "Temporary group for an image build")],
    )?;
    w.call(
        "us-east-1",
        "CreateVolume",
        &[
            ("AvailabilityZone", "us-east-1a"),
            ("Size", "1"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "imgbuild:run"),
            ("TagSpecification.1.Tag.1.Value", "not-a-run"),
        ],
    )?;
    std::thread::sleep(std::time::Duration::from_millis(700));
    w.holdings()
}

/// The command line that looks in the regions that the templates name.
fn by_tags(age: &str) -> [&str; 10] {
    let [home, second, third] = ["us-east-1", "us-west-2", "eu-west-1"];
    ["gc", "--from-tags", "--older-than", age, "--region", home, "--region", second, "--region", third]
}

fn from_tags(t: &mut Trials<'_>) -> Result<()> {
    let empty = t.world.holdings()?;
    let before = strangers(t)?;
    let shapes: &[Shape] = if t.quick { &[Shape::Plain] } else { &Shape::ALL };
    for shape in shapes.iter().filter(|s| **s != Shape::Replace) {
        let template = shape.template(&t.world.url);
        for k in [5, 7, 9, 11, 14, 18, 22] {
            if t.quick && k != 9 {
                continue;
            }
            let Some(_) = killed(t, &template, &format!("before:{k}"))? else {
                t.world.clear(&before)?;
                break;
            };
            let journal: String = t.world.journals().iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
            for path in t.world.journals() {
                std::fs::remove_file(path)?;
            }
            let env = [
                ("AWS_ENDPOINT_URL", t.world.url.as_str()),
                ("AWS_ACCESS_KEY_ID", "sandbox"),
                ("AWS_SECRET_ACCESS_KEY", "sandbox"),
                ("AWS_REGION", "us-east-1"),
            ];
            let made = t.world.settled()?;
            let young = t.world.run(&by_tags("6h"), &env)?;
            let mut outcome = Ok(());
            // Things go on changing (a machine boots); what counts is that they are there.
            let then = t.world.holdings()?;
            let gone: Vec<&String> = made.keys().filter(|k| !then.contains_key(*k)).collect();
            if young.code != 0 || !gone.is_empty() {
                outcome = Err(format!("a run of seconds ago was not left alone: {gone:?}\n{}", young.text));
            }
            std::thread::sleep(std::time::Duration::from_millis(1100));
            let gc = t.world.run(&by_tags("1s"), &env)?;
            if gc.code != 0 {
                outcome = Err(format!("gc --from-tags ended with {}:\n{}", gc.code, gc.text));
            }
            // An image loses the run's tag when it is published, just before the journal calls it kept.
            let mut kept = kept(&journal);
            let published =
                made.iter().filter(|(key, image)| key.starts_with("images ") && !image.contains("imgbuild:run"));
            kept.extend(published.filter_map(|(key, _)| key.split(' ').nth(1)).map(str::to_owned));
            let left = remains(t, &before, &kept, *shape)?;
            t.count(&format!("{} before:{k}", shape.name()), outcome, &left);
            t.world.clear(&before)?;
        }
    }
    t.world.clear(&empty)
}

fn beside(t: &mut Trials<'_>) -> Result<()> {
    let empty = t.world.holdings()?;
    let before = strangers(t)?;
    let mut slow = Shape::Plain.template(&t.world.url);
    slow["provisioners"] = serde_json::json!([{"type": "shell", "inline": ["sleep 12"]}]);
    let slow = t.world.write("slow.json", &slow.to_string())?;
    let template = Shape::Plain.template(&t.world.url);
    for k in [3, 6, 8, 10] {
        let mut live = t.world.imgbuild(&["build", "-color=false", &slow], &[]);
        let live = std::thread::spawn(move || super::world::finish(&mut live));
        let dead = killed(t, &template, &format!("before:{k}"))?;
        let gc = t.world.run(&["gc"], &[])?;
        let env = [
            ("AWS_ENDPOINT_URL", t.world.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "sandbox"),
            ("AWS_SECRET_ACCESS_KEY", "sandbox"),
        ];
        let tags = t.world.run(&by_tags("0s"), &env)?;
        let live = live.join().map_err(|_| anyhow::anyhow!("the live build's thread"))??;
        let outcome = match (dead, live.code, gc.code, tags.code) {
            (Some(_), 0, 0, 0) => Ok(()),
            (dead, ..) => Err(format!(
                "killed: {}, gc {}:\n{}{}\nthe live run ended with {}:\n{}",
                dead.is_some(),
                gc.code,
                gc.text,
                tags.text,
                live.code,
                live.text
            )),
        };
        let left = left(t.world, &before, 1)?;
        t.count(&format!("before:{k}"), outcome, &left);
        t.world.clear(&before)?;
    }
    t.world.clear(&empty)
}

fn gc_killed(t: &mut Trials<'_>) -> Result<()> {
    let template = Shape::Encrypted.template(&t.world.url);
    let before = t.world.holdings()?;
    for k in [12, 16, 20] {
        for action in ["TerminateInstances", "DeregisterImage", "DeleteSecurityGroup", "DeleteKeyPair"] {
            if killed(t, &template, &format!("before:{k}"))?.is_none() {
                continue;
            }
            let journal: String = t.world.journals().iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
            // It hangs in this call until it is killed.
            t.world.faults(&format!(r#"[{{"action":"{action}","kind":{{"slow":{{"milliseconds":60000}}}}}}]"#))?;
            let mut first = t.world.imgbuild(&["gc"], &[]).stdout(Stdio::null()).spawn()?;
            std::thread::sleep(std::time::Duration::from_millis(2500));
            let _ = first.kill();
            let _ = first.wait();
            t.world.faults("[]")?;
            let gc = t.world.run(&["gc"], &[])?;
            let outcome = if gc.code == 0 { Ok(()) } else { Err(format!("gc ended with {}:\n{}", gc.code, gc.text)) };
            // The last of these kills comes when the images are the user's already.
            let left = remains(t, &before, &kept(&journal), Shape::Encrypted)?;
            t.count(&format!("before:{k}, in {action}"), outcome, &left);
            t.world.clear(&before)?;
        }
    }
    Ok(())
}
