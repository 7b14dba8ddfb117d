//! The agents that are resident on a host, one for each user that calls were made as. Servers bound the sessions of a connection, and
//! a host the processes of a user: so of many users only those that were used last keep theirs.

use super::session::Session;
use imgbuild_playbook::target::Become;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Agents that stay. With a command of `raw` and a file's transfer it is within OpenSSH's ten sessions of a connection.
const RESIDENT: usize = 8;
/// How often room is looked for while all agents are busy, if none says that it has finished.
const LOOK: Duration = Duration::from_secs(1);

/// All users of a host.
#[derive(Default)]
pub(crate) struct Users {
    known: Mutex<HashMap<Option<Become>, Arc<User>>>,
    uses: AtomicU64,
    /// Calls and commands under way.
    busy: Arc<AtomicU64>,
    freed: Arc<tokio::sync::Notify>,
}

/// One user's agent, if there is one.
#[derive(Default)]
pub(crate) struct User {
    pub session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// When it was used last, in uses of all users.
    used: AtomicU64,
}

/// Something that runs on the host until this is dropped.
pub(crate) struct Busy {
    count: Arc<AtomicU64>,
    freed: Arc<tokio::sync::Notify>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.freed.notify_waiters();
    }
}

impl Users {
    fn known(&self) -> MutexGuard<'_, HashMap<Option<Become>, Arc<User>>> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// This user, used now.
    pub(crate) fn get(&self, become_: Option<&Become>) -> Arc<User> {
        let user = Arc::clone(self.known().entry(become_.cloned()).or_default());
        user.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        user
    }

    /// Something begins.
    pub(crate) fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy { count: Arc::clone(&self.busy), freed: Arc::clone(&self.freed) }
    }

    /// All agents that run now; nobody has one afterwards.
    pub(crate) async fn drain(&self) -> Vec<Arc<Session>> {
        let users: Vec<_> = self.known().drain().map(|(_, user)| user).collect();
        let mut sessions = Vec::new();
        for user in users {
            sessions.extend(user.session.lock().await.take().filter(|session| session.is_up()));
        }
        sessions
    }

    /// Makes room for one more agent where as many as may stay are there, if one of them is idle.
    pub(crate) async fn bound(&self) {
        let resident = |user: &&Arc<User>| user.session.try_lock().is_ok_and(|slot| slot.is_some());
        let count = self.known().values().filter(resident).count();
        if count >= RESIDENT {
            self.end_idle().await;
        }
    }

    /// Ends the agent that has been idle for longest. `None` where none is idle; else what is given counts as busy meanwhile, so that
    /// who finds none idle then waits.
    async fn end_idle(&self) -> Option<Busy> {
        let mut users: Vec<_> = self.known().values().map(Arc::clone).collect();
        users.sort_by_key(|user| user.used.load(Ordering::Relaxed));
        for user in users {
            // Who holds the lock is starting it; who else holds the session is calling.
            let Ok(mut slot) = user.session.try_lock() else { continue };
            if let Some(session) = slot.take_if(|session| Arc::strong_count(session) == 1) {
                let busy = self.busy();
                session.bye().await;
                return Some(busy);
            }
        }
        None
    }

    /// For who was refused a session: ends an idle agent, or waits until something has finished. Then it may be tried once more, before
    /// what is given is dropped. `None` where nothing runs that could make room.
    pub(crate) async fn room(&self) -> Option<Busy> {
        let freed = self.freed.notified();
        if let Some(busy) = self.end_idle().await {
            return Some(busy);
        }
        if self.busy.load(Ordering::Acquire) == 0 {
            return None;
        }
        let _ = tokio::time::timeout(LOOK, freed).await;
        Some(self.busy())
    }
}
