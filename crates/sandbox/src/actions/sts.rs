//! STS: GetCallerIdentity. Every access key is the same account's root user.

use super::{Action, Context, Entry};
use crate::state::{ACCOUNT, State};
use crate::wire::{Result, Xml};

pub(super) const ACTIONS: &[Entry] = &[("GetCallerIdentity", Action::Read(caller_identity))];

fn caller_identity(c: &Context<'_>, _: &State) -> Result<Xml> {
    c.p.finish()?;
    let mut x = Xml::new();
    x.text("Arn", format!("arn:aws:iam::{ACCOUNT}:root"));
    x.text("UserId", ACCOUNT);
    x.text("Account", ACCOUNT);
    Ok(x)
}
