//! `breakpoint` and `sleep`.

use super::block::{Block, text};
use super::{ProvisionError, Provisioner, Session, sleep};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Table};
use std::time::Duration;

static BREAKPOINT: Table = Table::new(
    "breakpoint",
    &[&[
        Opt::new("disable", Kind::Bool, "Do not stop.").default("false"),
        Opt::new("note", Kind::String, "Shown when it stops."),
    ]],
);

static SLEEP: Table = Table::new("sleep", &[&[Opt::new("duration", Kind::Duration, "How long.").default("0")]]);

/// A prepared `breakpoint`.
pub(crate) struct Breakpoint {
    block: Block,
}

impl Breakpoint {
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        Breakpoint { block: Block::prepare(body, &BREAKPOINT, context, promised, diags).0 }
    }
}

#[async_trait]
impl Provisioner for Breakpoint {
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let reader = self.block.read(&session.data)?;
        let note = text(&reader, "note");
        if reader.is_true("disable") {
            session.reporter.say(match note {
                Some(note) => format!("Breakpoint provisioner with note {note:?} disabled; continuing..."),
                None => "Breakpoint provisioner disabled; continuing...".into(),
            });
            return Ok(());
        }
        session.reporter.say(match note {
            Some(note) => format!("Pausing at breakpoint provisioner with note {note:?}."),
            None => "Pausing at breakpoint provisioner.".into(),
        });
        let asked = session.cancel.guard(session.ask.ask("Press enter to continue.")).await;
        match asked.ok_or(ProvisionError::Cancelled)? {
            Some(_) => Ok(()),
            // As in Packer: who wants no stop says "disable".
            None => Err(ProvisionError::Failed("Error asking for input: no available tty".into())),
        }
    }
}

/// A prepared `sleep`.
pub(crate) struct Sleep {
    block: Block,
}

impl Sleep {
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        Sleep { block: Block::prepare(body, &SLEEP, context, promised, diags).0 }
    }
}

#[async_trait]
impl Provisioner for Sleep {
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let time = self.block.read(&session.data)?.duration("duration").map_or(Duration::ZERO, |d| d.value);
        sleep(session, time).await
    }
}
