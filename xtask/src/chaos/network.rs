//! Faults of the network around this machine: names that are not found, an address of ours that changes.

use super::Trials;
use super::shape::{Shape, template};
use super::trials::Expect;
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;

/// The endpoint under a name of its own, which a table of hosts of the program's own knows or does not.
pub fn dns(t: &mut Trials<'_>) -> Result<()> {
    let world = t.world;
    let port = world.url.rsplit(':').next().unwrap_or_default().to_owned();
    let hosts = world.write("hosts", "")?;
    let named = |shape: Shape| shape.template(&format!("http://ec2.chaos.localhost:{port}"));
    let known = "127.0.0.1 localhost ec2.chaos.localhost\n";
    let before = world.holdings()?;
    // Never there.
    std::fs::write(&hosts, "127.0.0.1 localhost\n")?;
    let ended = in_own_hosts(t, &named(Shape::Plain), &hosts, None);
    t.judge("a name that is not there", ended, &before, Expect::Fails("has no address"))?;
    // Away for a few seconds, from some moment on.
    for after in [1500, 3000, 4500] {
        std::fs::write(&hosts, known)?;
        let ended = in_own_hosts(t, &named(Shape::Plain), &hosts, Some(Duration::from_millis(after)));
        t.judge(&format!("away for 4 s after {after} ms"), ended, &before, Expect::Built(1))?;
    }
    Ok(())
}

/// Builds with this file in the place of /etc/hosts; `outage`: the name is away for four seconds after that time.
fn in_own_hosts(
    t: &Trials<'_>,
    template: &serde_json::Value,
    hosts: &str,
    outage: Option<Duration>,
) -> Result<super::world::Ended> {
    let path = t.world.write("t.json", &template.to_string())?;
    let build = t.world.imgbuild(&["build", "-color=false", &path], &[]);
    let program = build.get_program().to_string_lossy().into_owned();
    let line = format!("mount --bind {hosts} /etc/hosts && exec {program} build -color=false {path}");
    let mut command = t.world.command("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &line]);
    let file = hosts.to_owned();
    let outage = outage.map(|after| {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            let known = std::fs::read_to_string(&file).unwrap_or_default();
            let _ = std::fs::write(&file, "127.0.0.1 localhost\n");
            std::thread::sleep(Duration::from_secs(4));
            let _ = std::fs::write(&file, known);
        })
    });
    let ended = super::world::finish(&mut command);
    if let Some(outage) = outage {
        outage.join().map_err(|_| anyhow::anyhow!("the outage"))?;
    }
    ended
}

/// Groups are enforced by the endpoint, which also says which address connections come from.
pub fn caller(t: &mut Trials<'_>) -> Result<()> {
    let world = t.world;
    let ask = format!("{}/_sandbox/caller", world.url);
    let env = [("IMGBUILD_CHECKIP_URL", ask.as_str())];
    let put = |address: &str| world.http("PUT", "/_sandbox/caller", address.as_bytes(), &[]).map(drop);
    put("198.51.100.7")?;
    t.build_in("it does not", &template(&world.url, json!({})), "[]", &env, Expect::Built(1))?;
    // While the instance starts.
    let before = world.holdings()?;
    let path = world.write("t.json", &template(&world.url, json!({})).to_string())?;
    let mut build = world.imgbuild(&["build", "-color=false", &path], &env);
    let build = std::thread::spawn(move || super::world::finish(&mut build));
    let begun = std::time::Instant::now();
    while !world.holdings()?.keys().any(|k| k.starts_with("instances ")) && begun.elapsed().as_secs() < 30 {
        std::thread::sleep(Duration::from_millis(20));
    }
    put("198.51.100.8")?;
    let ended = build.join().ok().context("the build's thread")?;
    t.judge("while the instance starts", ended, &before, Expect::Built(1))?;
    // While the machine reboots.
    let marker = world.path("work/marker");
    let mut reboots = template(&world.url, json!({}));
    reboots["provisioners"] = json!([
        {"type": "shell", "inline": ["(sleep 2; sudo reboot) >/dev/null 2>&1 &"]},
        {"type": "shell-local", "inline": [format!("touch {marker}")]},
        {"type": "shell", "inline": ["sleep 30"], "expect_disconnect": true},
        {"type": "shell", "inline": ["echo after"], "pause_before": "1s"},
    ]);
    let moves = |world: &super::world::World| world.http("PUT", "/_sandbox/caller", b"198.51.100.9", &[]).map(drop);
    t.build_acting("while the machine reboots", &reboots, &env, Expect::Built(1), moves)?;
    world.http("DELETE", "/_sandbox/caller", b"", &[])?;
    Ok(())
}
