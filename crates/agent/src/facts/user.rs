//! Who the agent runs as, and its environment.

use super::{Facts, put};
use crate::ctx::Ctx;
use crate::sys::users;
use serde_json::{Map, Value};

/// The user.
pub fn collect(_: &Ctx, out: &mut Facts) {
    let uid = rustix::process::getuid().as_raw();
    let euid = rustix::process::geteuid().as_raw();
    if let Some(user) = users::user_by_id(euid) {
        put(out, "user_id", user.name);
        put(out, "user_uid", user.uid);
        put(out, "user_gid", user.gid);
        put(out, "user_gecos", user.gecos);
        put(out, "user_dir", user.home);
        put(out, "user_shell", user.shell);
    }
    put(out, "real_user_id", uid);
    put(out, "effective_user_id", euid);
    put(out, "real_group_id", rustix::process::getgid().as_raw());
    put(out, "effective_group_id", rustix::process::getegid().as_raw());
}

/// The environment of the call.
pub fn env(ctx: &Ctx, out: &mut Facts) {
    let mut env: Map<String, Value> =
        std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into())).collect();
    env.extend(ctx.env.iter().map(|(k, v)| (k.clone(), v.as_str().into())));
    put(out, "env", env);
}
