//! The way of hosts through lists of tasks and blocks.
//!
//! All hosts that go on run a task together, then the next. What fails in a block goes through its `rescue`, all go through
//! its `always`. That is the order in which the linear strategy visits tasks; with the other strategies each host walks by
//! itself.

use super::engine::{Host, lock};
use super::play::PlayRun;
use crate::play::model::{Block, Item};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// What is around a task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around {
    /// A failure here is taken care of by a `rescue`.
    pub rescue: bool,
    /// Handlers run.
    pub handlers: bool,
}

/// Where hosts are after a list. Those in neither list take part no longer.
#[derive(Debug, Default)]
pub struct Flow {
    /// They go on.
    pub ok: Vec<Host>,
    /// They failed in it.
    pub failed: Vec<Host>,
}

impl PlayRun {
    /// Runs a list of tasks and blocks on these hosts.
    pub fn items<'a>(self: &'a Arc<Self>, items: &'a [Item], hosts: Vec<Host>, around: Around) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let mut flow = Flow { ok: hosts, failed: Vec::new() };
            for item in items {
                if flow.ok.is_empty() || self.stopped() {
                    break;
                }
                let hosts = std::mem::take(&mut flow.ok);
                let next = match item {
                    Item::Task(task) => self.task(task, hosts, around).await,
                    Item::Block(block) => self.block(block, hosts, around).await,
                };
                flow.ok = next.ok;
                flow.failed.extend(next.failed);
            }
            if self.stopped() {
                return Flow::default();
            }
            flow
        })
    }

    async fn block(self: &Arc<Self>, block: &Block, hosts: Vec<Host>, around: Around) -> Flow {
        let inside = Around { rescue: around.rescue || !block.rescue.is_empty(), ..around };
        let all = hosts.clone();
        let mut flow = self.items(&block.block, hosts, inside).await;
        if !block.rescue.is_empty() && !flow.failed.is_empty() && !self.stopped() {
            let failed = ordered(&all, &std::mem::take(&mut flow.failed));
            let rescued = self.items(&block.rescue, failed, around).await;
            flow.ok.extend(rescued.ok);
            flow.failed = rescued.failed;
        }
        if !block.always.is_empty() && !self.stopped() {
            let both: Vec<Host> = flow.ok.iter().chain(&flow.failed).cloned().collect();
            let after = self.items(&block.always, ordered(&all, &both), around).await;
            let (was_ok, was_failed) = (std::mem::take(&mut flow.ok), std::mem::take(&mut flow.failed));
            flow.ok = was_ok.into_iter().filter(|h| after.ok.contains(h)).collect();
            // Hosts whose failure was taken back in `always` go on.
            let (cleared, still): (Vec<Host>, Vec<Host>) = {
                let shared = lock(&self.shared);
                was_failed.into_iter().filter(|h| after.ok.contains(h)).partition(|h| shared.cleared.contains(h))
            };
            flow.ok.extend(cleared);
            flow.failed = still;
            flow.failed.extend(after.failed);
        }
        flow.ok = ordered(&all, &flow.ok);
        if let Some(role) = &block.completes {
            let mut shared = lock(&self.shared);
            for host in &flow.ok {
                let ran = (role.identity.clone(), Arc::clone(host));
                if shared.roles_ran.contains(&ran) {
                    shared.roles_done.insert(ran);
                }
                shared.roles_left.remove(&(role.id, Arc::clone(host)));
            }
        }
        flow
    }
}

/// Those of `some` in the order of `all`.
fn ordered(all: &[Host], some: &[Host]) -> Vec<Host> {
    all.iter().filter(|h| some.contains(h)).cloned().collect()
}
