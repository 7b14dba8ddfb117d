//! One trial: a build with a fault in it, and a look at the account.

use super::Trials;
use super::world::{Ended, World};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How a trial is to end.
#[derive(Debug, Clone)]
pub enum Expect {
    /// Built all the same, with this many images.
    Built(usize),
    /// Failed, undone, with these words.
    Fails(&'static str),
    /// Failed, with things left that it could not remove and names; `gc` removes them afterwards.
    Owes(&'static str),
}

impl Trials<'_> {
    /// A build with these faults.
    pub fn build(&mut self, name: &str, template: &Value, faults: &str, expect: Expect) -> Result<()> {
        self.build_in(name, template, faults, &[], expect)
    }

    /// The same in an environment.
    pub fn build_in(
        &mut self,
        name: &str,
        template: &Value,
        faults: &str,
        env: &[(&str, &str)],
        expect: Expect,
    ) -> Result<()> {
        let world = self.world;
        let before = world.holdings()?;
        world.faults(faults)?;
        let ended = world.build(template, env);
        world.faults("[]")?;
        self.judge(name, ended, &before, expect)
    }

    /// A build whose template touches the file `marker` in its working directory; `act` is done once for each time.
    pub fn build_acting(
        &mut self,
        name: &str,
        template: &Value,
        env: &[(&str, &str)],
        expect: Expect,
        act: impl Fn(&World) -> Result<()> + Sync,
    ) -> Result<()> {
        let world = self.world;
        let before = world.holdings()?;
        let marker = world.path("work/marker");
        let over = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if std::fs::remove_file(&marker).is_ok() {
                        act(world)?;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok::<_, anyhow::Error>(())
            });
            let ended = world.build(template, env);
            over.store(true, Ordering::Relaxed);
            watch.join().map_err(|_| anyhow::anyhow!("the watcher"))??;
            ended
        });
        self.judge(name, ended, &before, expect)
    }

    /// Judges a build that ended, and clears the account.
    pub fn judge(
        &mut self,
        name: &str,
        ended: Result<Ended>,
        before: &BTreeMap<String, String>,
        expect: Expect,
    ) -> Result<()> {
        let world = self.world;
        let outcome = match (&ended, &expect) {
            (Err(error), _) => Err(format!("{error:#}")),
            (Ok(ended), Expect::Built(_)) if ended.code == 0 => Ok(()),
            (Ok(ended), Expect::Fails(words)) if ended.code == 1 && ended.text.contains(words) => Ok(()),
            (Ok(ended), Expect::Owes(words)) if ended.code == 4 && ended.text.contains(words) => Ok(()),
            (Ok(ended), _) => Err(format!("wanted {expect:?}, ended with {}:\n{}", ended.code, ended.text)),
        };
        if matches!(expect, Expect::Owes(_)) {
            let gc = world.run(&["gc"], &[])?;
            ensure!(gc.code == 0, "gc: {}", gc.text);
        }
        // Whatever was expected: a build that failed leaves nothing, one that went well its images.
        let images = match (&ended, &expect) {
            (Ok(ended), Expect::Built(images)) if ended.code == 0 => *images,
            _ => 0,
        };
        let unexpected = matches!(&ended, Ok(ended) if ended.code == 0 && images == 0);
        let left = if unexpected { Vec::new() } else { left(world, before, images)? };
        self.count(name, outcome, &left);
        world.clear(before)
    }

    /// The actions that a clean build of a template calls, each once, in order.
    pub fn actions(&mut self, template: &Value) -> Result<Vec<String>> {
        let world = self.world;
        let before = world.holdings()?;
        world.forget_calls()?;
        let ended = world.build(template, &[])?;
        ensure!(ended.code == 0, "a clean build failed:\n{}", ended.text);
        let mut actions = Vec::new();
        for call in world.calls()? {
            let action = call["action"].as_str().unwrap_or_default().to_owned();
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
        world.clear(&before)?;
        Ok(actions)
    }
}

/// What is in the account beside what was there before and so many images with their snapshots. Images that are missing count, too.
pub fn left(world: &World, before: &BTreeMap<String, String>, images: usize) -> Result<Vec<String>> {
    let after = world.holdings()?;
    let new: BTreeMap<&String, &String> = after.iter().filter(|(k, _)| !before.contains_key(*k)).collect();
    let made: Vec<&&String> = new.iter().filter(|(k, _)| k.starts_with("images ")).map(|(_, v)| v).collect();
    let owned = |key: &str| {
        let id = key.split(' ').nth(1).unwrap_or_default();
        made.iter().any(|image| image.contains(id))
    };
    let mut left: Vec<String> = new
        .keys()
        .filter(|k| images == 0 || !(k.starts_with("images ") || k.starts_with("snapshots ") && owned(k)))
        .map(|k| (*k).clone())
        .collect();
    if made.len() != images && images > 0 {
        left.push(format!("{} image(s) instead of {images}", made.len()));
    }
    left.extend(before.keys().filter(|k| !after.contains_key(*k)).map(|k| format!("(gone, and not ours) {k}")));
    Ok(left)
}

impl World {
    /// Takes out of the account what was not there before.
    pub fn clear(&self, before: &BTreeMap<String, String>) -> Result<()> {
        const DELETE: [(&str, &str, &str); 7] = [
            ("instances ", "TerminateInstances", "InstanceId.1"),
            ("images ", "DeregisterImage", "ImageId"),
            ("snapshots ", "DeleteSnapshot", "SnapshotId"),
            ("volumes ", "DeleteVolume", "VolumeId"),
            ("launch_templates ", "DeleteLaunchTemplate", "LaunchTemplateId"),
            ("key_pairs ", "DeleteKeyPair", "KeyName"),
            ("security_groups ", "DeleteSecurityGroup", "GroupId"),
        ];
        self.faults("[]")?;
        for _ in 0..100 {
            let left: Vec<String> = self.holdings()?.into_keys().filter(|k| !before.contains_key(k)).collect();
            if left.is_empty() {
                return Ok(());
            }
            for (kind, action, parameter) in DELETE {
                for key in left.iter().filter(|k| k.starts_with(kind)) {
                    let (id, region) =
                        key[kind.len()..].split_once(" in ").unwrap_or((&key[kind.len()..], "us-east-1"));
                    // What is in use still is tried again.
                    let _ = self.call(region, action, &[(parameter, id)]);
                }
            }
            for key in left.iter() {
                if let Some(name) = key.strip_prefix("instance_profiles ").or(key.strip_prefix("roles ")) {
                    anyhow::bail!("{name} is left, and there is no clearing it");
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("the account can't be cleared: {:?}", self.holdings()?.keys())
    }
}
