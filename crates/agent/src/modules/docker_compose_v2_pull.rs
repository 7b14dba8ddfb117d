//! `docker_compose_v2_pull`: the images of a project of Docker Compose. Source: community.docker's DOCUMENTATION.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::compose::with_project;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let policy = args.text("policy");
    with_project(ctx, |compose| {
        let mut words = vec!["pull".to_string()];
        if policy != "always" {
            if !compose.since(&[2, 22]) {
                crate::fail!("A pull policy other than always is only supported since Docker Compose 2.22.0");
            }
            words.extend(["--policy".into(), policy.clone()]);
        }
        words.extend(args.bool("ignore_buildable").then(|| "--ignore-buildable".to_string()));
        words.extend(args.bool("include_deps").then(|| "--include-deps".to_string()));
        // It says that it pulls what is there already; the layers tell whether that is so, where it is not a dry run.
        let but: &[&str] = if policy != "missing" && !ctx.check { &["Pulled", "Pulling"] } else { &[] };
        compose.act(&words, but)
    })
}
