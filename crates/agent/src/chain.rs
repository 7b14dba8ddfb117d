//! Chains: the calls of one run in order on one thread, chains side by side. A chain's thread lives while it has calls.

use crate::ctx::{Control, Ctx};
use crate::outcome::{Fail, Outcome};
use imgbuild_proto::{Call, Reply};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

struct Job {
    ctx: Ctx,
    timeout: Option<u64>,
    stop_on_failure: bool,
    cancelled: bool,
}

#[derive(Default)]
struct Chain {
    queue: VecDeque<Job>,
    running: bool,
    stopped: bool,
}

#[derive(Default)]
struct State {
    chains: HashMap<u64, Chain>,
    calls: HashMap<u64, (Arc<Control>, Option<Instant>)>,
}

/// All chains of a connection.
#[derive(Clone, Default)]
pub struct Chains {
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Chains {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Queues a call.
    pub fn push(&self, call: Call, ctx: Ctx) {
        let mut state = self.lock();
        state.calls.insert(call.id, (ctx.control.clone(), None));
        let chain = state.chains.entry(call.chain).or_default();
        let cancelled = chain.stopped;
        chain.queue.push_back(Job {
            ctx,
            timeout: call.timeout,
            stop_on_failure: call.stop_chain_on_failure,
            cancelled,
        });
        if !chain.running {
            chain.running = true;
            let chains = self.clone();
            let id = call.chain;
            let spawned = std::thread::Builder::new().name(format!("chain {id}")).spawn(move || chains.work(id));
            if spawned.is_err() {
                // No thread to be had: answer here and now, so that the controller isn't left waiting.
                drop(state);
                self.work(id);
            }
        }
    }

    /// Cancels the queued calls of a chain; calls that arrive later run.
    pub fn cancel(&self, id: u64) {
        let mut state = self.lock();
        if let Some(chain) = state.chains.get_mut(&id) {
            chain.stopped = false;
            for job in &mut chain.queue {
                job.cancelled = true;
            }
            if !chain.running {
                state.chains.remove(&id);
            }
        }
    }

    /// Ends a call, running or queued.
    pub fn kill(&self, id: u64) {
        let control = self.lock().calls.get(&id).map(|(control, _)| control.clone());
        if let Some(control) = control {
            control.end(false);
        }
    }

    /// Bytes for a call's standard input.
    pub fn input(&self, id: u64, bytes: Vec<u8>) {
        if let Some((control, _)) = self.lock().calls.get(&id) {
            control.push_input(bytes);
        }
    }

    /// Ends all calls.
    pub fn kill_all(&self) {
        let controls: Vec<_> = self.lock().calls.values().map(|(control, _)| control.clone()).collect();
        for control in controls {
            control.end(false);
        }
    }

    /// Waits until no call is left.
    pub fn wait_idle(&self) {
        let mut state = self.lock();
        while !state.calls.is_empty() {
            state = self.state.1.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Ends the calls whose time is up. Called now and then by the watchdog.
    pub fn end_overdue(&self) {
        let now = Instant::now();
        let overdue: Vec<_> = {
            let state = self.lock();
            state.calls.values().filter(|(_, until)| until.is_some_and(|t| t <= now)).map(|(c, _)| c.clone()).collect()
        };
        for control in overdue {
            control.end(true);
        }
    }

    fn work(&self, id: u64) {
        loop {
            let job = {
                let mut state = self.lock();
                let Some(chain) = state.chains.get_mut(&id) else { return };
                let Some(job) = chain.queue.pop_front() else {
                    chain.running = false;
                    if !chain.stopped {
                        state.chains.remove(&id);
                    }
                    return;
                };
                if let (Some(seconds), Some(call)) = (job.timeout.filter(|s| *s > 0), state.calls.get_mut(&job.ctx.id))
                {
                    call.1 = Some(Instant::now() + Duration::from_secs(seconds));
                }
                job
            };
            let result = run(&job);
            let failed = result.get("failed").and_then(serde_json::Value::as_bool).unwrap_or(false);
            if failed && job.stop_on_failure {
                let mut state = self.lock();
                if let Some(chain) = state.chains.get_mut(&id) {
                    chain.stopped = true;
                    for job in &mut chain.queue {
                        job.cancelled = true;
                    }
                }
            }
            let (call, replies) = (job.ctx.id, job.ctx.replies.clone());
            // The content's file goes before the controller hears that the call is over.
            drop(job);
            replies.send(&Reply::Done { id: call, result }, &[]);
            self.lock().calls.remove(&call);
            self.state.1.notify_all();
        }
    }
}

fn run(job: &Job) -> Outcome {
    if job.cancelled {
        return crate::out! {"changed": false, "cancelled": true};
    }
    if job.ctx.control.ended() {
        return cancelled();
    }
    let outcome = crate::modules::run(&job.ctx);
    if job.ctx.control.timed_out() {
        let seconds = job.timeout.unwrap_or_default();
        return Fail::new(format!("Task failed: Timed out after {seconds} second(s)."))
            .with("timedout", serde_json::json!({"period": seconds}))
            .into_outcome();
    }
    match outcome {
        Ok(outcome) => outcome,
        Err(_) if job.ctx.control.ended() => cancelled(),
        Err(fail) => fail.into_outcome(),
    }
}

fn cancelled() -> Outcome {
    Fail::new("the call was ended by the controller").with("cancelled", true).into_outcome()
}
