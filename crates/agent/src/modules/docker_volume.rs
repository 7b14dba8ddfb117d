//! `docker_volume`: Docker's volumes.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::docker::{Docker, differences, escape, finish, texts};
use serde_json::{Value, json};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let docker = Docker::new(ctx)?;
    let name = args.req("volume_name")?;
    let path = format!("/volumes/{}", escape(&name));
    let mut existing = docker.find(&path)?;
    let existed = existing.is_some();
    let (mut actions, mut changed) = (Vec::new(), false);
    let absent = args.text("state") == "absent";
    let mut found = Vec::new();
    if let Some(volume) = existing.as_ref().filter(|_| !absent) {
        let driver = args.text("driver");
        if volume["Driver"].as_str() != Some(&driver) {
            found.push(("driver".to_string(), driver.into(), volume["Driver"].clone()));
        }
        found.extend(differences(
            &texts(ctx, "driver_options").unwrap_or_default(),
            &volume["Options"],
            "driver_options",
        ));
        found.extend(differences(&texts(ctx, "labels").unwrap_or_default(), &volume["Labels"], "labels"));
    }
    let recreate = args.text("recreate");
    if existed && (absent || recreate == "always" || recreate == "options-changed" && !found.is_empty()) {
        if !ctx.check {
            docker.act("DELETE", &path, None)?;
        }
        actions.push(format!("Removed volume {name}"));
        existing = None;
        changed = true;
    }
    if !absent && existing.is_none() {
        if !ctx.check {
            let mut body = json!({"Name": name, "Driver": args.text("driver"),
                "DriverOpts": texts(ctx, "driver_options").unwrap_or_default()});
            if let Some(labels) = texts(ctx, "labels") {
                body["Labels"] = labels.into();
            }
            docker.act("POST", "/volumes/create", Some(body))?;
        }
        actions.push(format!("Created volume {name} with driver {}", args.text("driver")));
        changed = true;
    }
    let mut out = crate::out! {"changed": changed};
    if !absent {
        out.insert("volume".into(), docker.find(&path)?.unwrap_or(Value::Null));
    }
    finish(ctx, &mut out, actions, existed, !absent, &found);
    Ok(out)
}
