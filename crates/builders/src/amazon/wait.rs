//! Waiting for EC2: one [`Poller`] per account and region serves all builds of a run with one batched Describe per kind.
//!
//! A watch is polled at once, unless an earlier one has shown that this service takes its time; then the more often the closer it is to the
//! usual time (with jitter, so that programs started together drift apart), or at the fixed delay that the user set. Deadlines are wall-clock time. Things that are not visible yet are
//! waited for; failures of the service while waiting are too, until the deadline.

use super::ec2::{Ec2, Ec2Error, ErrorKind};
use super::ids::{AmiId, InstanceId};
use super::options::access::Polling;
use super::types::{Filter, Image, ImageQuery, Instance};
use imgbuild_engine::event::Reporter;
use imgbuild_engine::run::Cancel;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// The pause after the first look, and the shortest and longest later on.
const EARLY: f64 = 1.0;
const SHORTEST: f64 = 1.0;
const LONGEST: f64 = 12.0;
/// The longest pause of a wait that takes longer than it usually does.
const LATE: f64 = 5.0;
/// Between two calls of a kind while several builds wait.
const SPACING: Duration = Duration::from_secs(1);
/// How long a thing that was just made may stay invisible.
const INVISIBLE: Duration = Duration::from_secs(120);

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WaitError {
    /// It took too long.
    #[error("{what} took longer than {} s", limit.as_secs())]
    TooLong {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// It can't happen any more.
    #[error("{0}")]
    Never(String),
    /// The thing is not there.
    #[error("{0} is not there")]
    Gone(String),
    /// EC2 refuses to tell.
    #[error(transparent)]
    Call(#[from] Ec2Error),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What a look at a thing says about a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This is what was waited for.
    Done,
    /// Not yet; how far, in percent, if known.
    Later(Option<u8>),
    /// It can't happen any more: why.
    Never(String),
}

/// How to wait.
#[derive(Clone)]
pub struct Wait<'a> {
    /// What for: `instance i-1 to become ready`.
    pub what: String,
    /// At most this long.
    pub limit: Duration,
    /// A fixed delay between polls.
    pub delay: Option<Duration>,
    /// How long it usually takes: around then it is looked at most often.
    pub usual: Duration,
    /// Where to tell; nowhere when gc waits.
    pub reporter: Option<&'a Reporter>,
    /// What ends it early.
    pub cancel: Option<&'a Cancel>,
}

impl<'a> Wait<'a> {
    /// A wait with its own limit, unless the user set another.
    pub fn new(what: impl Into<String>, limit: Duration, polling: &Polling) -> Self {
        Wait {
            what: what.into(),
            limit: polling.limit.unwrap_or(limit),
            delay: polling.delay,
            usual: Duration::from_secs(25),
            reporter: None,
            cancel: None,
        }
    }

    /// Usually takes this long.
    pub fn usually(self, seconds: u64) -> Self {
        Wait { usual: Duration::from_secs(seconds), ..self }
    }

    /// Tells here.
    pub fn reporting(self, reporter: &'a Reporter) -> Self {
        Wait { reporter: Some(reporter), ..self }
    }

    /// Ends early.
    pub fn cancelled_by(self, cancel: &'a Cancel) -> Self {
        Wait { cancel: Some(cancel), ..self }
    }
}

/// Polls one account in one region for all builds of a run. Clones share.
#[derive(Clone)]
pub struct Poller(Arc<Shared>);

struct Shared {
    ec2: Arc<dyn Ec2>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    watches: BTreeMap<u64, Watch>,
    next: u64,
    running: bool,
    /// A first look has come too early: this is no endpoint that does everything at once, and nobody asks it that soon again.
    takes_time: bool,
    seen: HashMap<InstanceId, Instance>,
    last: HashMap<Kind, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Instance,
    Image,
}

#[derive(Clone, PartialEq)]
enum Subject {
    Instance(InstanceId),
    Image(AmiId),
}

impl Subject {
    fn kind(&self) -> Kind {
        match self {
            Subject::Instance(_) => Kind::Instance,
            Subject::Image(_) => Kind::Image,
        }
    }
}

struct Watch {
    subject: Subject,
    due: Instant,
    begun: Instant,
    usual: Duration,
    delay: Option<Duration>,
    sender: mpsc::UnboundedSender<Look>,
}

enum Look {
    Instance(Option<Instance>),
    Image(Option<Image>),
    Failed(Ec2Error),
}

impl Poller {
    /// A poller over a client. It polls only while something is waited for.
    pub fn new(ec2: Arc<dyn Ec2>) -> Self {
        Poller(Arc::new(Shared { ec2, state: Mutex::default(), wake: Notify::new() }))
    }

    /// The instance as it was last seen while waiting.
    pub fn last_seen(&self, id: &InstanceId) -> Option<Instance> {
        self.0.state().seen.get(id).cloned()
    }

    /// Waits until `verdict` says so. `verdict` sees `None` where the instance is not there.
    pub async fn instance(
        &self,
        id: &InstanceId,
        wait: Wait<'_>,
        verdict: impl Fn(Option<&Instance>) -> Verdict,
    ) -> Result<Option<Instance>, WaitError> {
        self.wait(Subject::Instance(id.clone()), id.as_str(), wait, |look| match look {
            Look::Instance(instance) => Some((verdict(instance.as_ref()), instance)),
            _ => None,
        })
        .await
    }

    /// The same for an image of this account.
    pub async fn image(
        &self,
        id: &AmiId,
        wait: Wait<'_>,
        verdict: impl Fn(Option<&Image>) -> Verdict,
    ) -> Result<Option<Image>, WaitError> {
        self.wait(Subject::Image(id.clone()), id.as_str(), wait, |look| match look {
            Look::Image(image) => Some((verdict(image.as_ref()), image)),
            _ => None,
        })
        .await
    }

    async fn wait<T>(
        &self,
        subject: Subject,
        name: &str,
        wait: Wait<'_>,
        judge: impl Fn(Look) -> Option<(Verdict, Option<T>)>,
    ) -> Result<Option<T>, WaitError> {
        let start = Instant::now();
        let mut looks = self.watch(subject, wait.delay, wait.usual);
        let (mut known, mut first) = (false, true);
        let mut trouble = None;
        let outcome = loop {
            let next = async {
                match wait.cancel {
                    Some(cancel) => cancel.guard(looks.recv()).await,
                    None => Some(looks.recv().await),
                }
            };
            let look = match tokio::time::timeout_at(start + wait.limit, next).await {
                Err(_) => {
                    break Err(trouble
                        .map_or(WaitError::TooLong { what: wait.what.clone(), limit: wait.limit }, WaitError::Call));
                }
                Ok(None) => break Err(WaitError::Cancelled),
                // The poller lives as long as `self`; a closed channel can only be a poll that was lost.
                Ok(Some(None)) => break Err(WaitError::Gone(name.to_owned())),
                Ok(Some(Some(look))) => look,
            };
            if let Look::Failed(error) = look {
                if matches!(error.kind, ErrorKind::Auth | ErrorKind::Certain) {
                    break Err(error.into());
                }
                trouble = Some(error);
                continue;
            }
            trouble = None;
            let Some((verdict, thing)) = judge(look) else { continue };
            let is_first = std::mem::take(&mut first);
            match verdict {
                Verdict::Done => break Ok(thing),
                Verdict::Never(why) => break Err(WaitError::Never(why)),
                Verdict::Later(percent) => {
                    self.0.state().takes_time |= is_first;
                    if thing.is_none() && (known || start.elapsed() > INVISIBLE) {
                        break Err(WaitError::Gone(name.to_owned()));
                    }
                    known |= thing.is_some();
                    if let Some(reporter) = wait.reporter {
                        reporter.waiting(&wait.what, start.elapsed(), percent, false);
                    }
                }
            }
        };
        if let Some(reporter) = wait.reporter {
            reporter.waiting(&wait.what, start.elapsed(), None, true);
        }
        outcome
    }

    fn watch(&self, subject: Subject, delay: Option<Duration>, usual: Duration) -> mpsc::UnboundedReceiver<Look> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.0.state();
        let key = state.next;
        state.next += 1;
        let now = Instant::now();
        let early = Duration::from_secs_f64(EARLY);
        let due = if state.takes_time { now + delay.unwrap_or(early).min(early) } else { now };
        state.watches.insert(key, Watch { subject, due, begun: now, usual, delay, sender });
        if !state.running {
            state.running = true;
            tokio::spawn(run(Arc::clone(&self.0)));
        }
        drop(state);
        self.0.wake.notify_one();
        receiver
    }
}

/// How long to wait until the next look, after `elapsed` of a wait that usually takes `usual`: seldom at first, ever closer up to
/// the usual time, every second around it, then less often again. `chance`, 0 to 1, keeps builds apart that began together.
fn pause(elapsed: Duration, usual: Duration, chance: f64) -> Duration {
    let (t, usual) = (elapsed.as_secs_f64(), usual.as_secs_f64());
    let step = if t < 1.25 * usual {
        EARLY.max(0.9 * t).min(SHORTEST.max((0.98 * usual - t) * 0.8)).min(LONGEST)
    } else {
        SHORTEST.max((t - 1.1 * usual) * 0.2).min(LATE)
    };
    Duration::from_secs_f64(step * (0.97 + 0.06 * chance))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// When the next poll is due and of which kind; `None`: nobody waits, the task ends.
    fn next(&self) -> Option<(Instant, Kind)> {
        let mut state = self.state();
        state.watches.retain(|_, watch| !watch.sender.is_closed());
        let Some(first) = state.watches.values().min_by_key(|watch| watch.due) else {
            state.running = false;
            return None;
        };
        let kind = first.subject.kind();
        let mut due = first.due;
        if state.watches.values().filter(|watch| watch.subject.kind() == kind).count() > 1
            && let Some(last) = state.last.get(&kind)
        {
            due = due.max(*last + SPACING);
        }
        Some((due, kind))
    }

    fn subjects(&self, kind: Kind) -> Vec<Subject> {
        let mut state = self.state();
        state.last.insert(kind, Instant::now());
        let mut all: Vec<Subject> = Vec::new();
        for watch in state.watches.values().filter(|watch| watch.subject.kind() == kind) {
            if !all.contains(&watch.subject) {
                all.push(watch.subject.clone());
            }
        }
        all
    }

    /// Gives every watch among `asked` what was seen of its subject, and sets when it is polled again.
    fn tell(&self, asked: &[Subject], look: impl Fn(&Subject) -> Look) {
        let mut state = self.state();
        let now = Instant::now();
        for watch in state.watches.values_mut().filter(|watch| asked.contains(&watch.subject)) {
            // A receiver that is gone is dropped in `next`.
            let _ = watch.sender.send(look(&watch.subject));
            watch.due = now + watch.delay.unwrap_or_else(|| pause(now - watch.begun, watch.usual, rand::random()));
        }
    }

    async fn poll(&self, kind: Kind) {
        let asked = self.subjects(kind);
        match kind {
            Kind::Instance => {
                let ids = asked.iter().filter_map(|s| if let Subject::Instance(id) = s { Some(id) } else { None });
                // By filter, not by id: one instance that is not visible yet would fail the call for all.
                match self.ec2.instances(vec![Filter::any("instance-id", ids)]).await {
                    Ok(found) => {
                        let mut state = self.state();
                        state.seen.extend(found.iter().map(|i| (i.id.clone(), i.clone())));
                        drop(state);
                        self.tell(&asked, |subject| {
                            Look::Instance(found.iter().find(|i| *subject == Subject::Instance(i.id.clone())).cloned())
                        });
                    }
                    Err(error) => self.tell(&asked, |_| Look::Failed(error.clone())),
                }
            }
            Kind::Image => {
                let ids = asked.iter().filter_map(|s| if let Subject::Image(id) = s { Some(id) } else { None });
                let ids: Vec<AmiId> = ids.cloned().collect();
                // By id EC2 need not look through all images; but one that is not visible yet would fail the call for all.
                let query = match ids.as_slice() {
                    [_] => ImageQuery { ids, ..ImageQuery::default() },
                    _ => ImageQuery {
                        owners: vec!["self".into()],
                        filters: vec![Filter::any("image-id", ids)],
                        ..ImageQuery::default()
                    },
                };
                match self.ec2.images(query).await {
                    Err(error) if error.is_not_found() => self.tell(&asked, |_| Look::Image(None)),
                    Ok(found) => self.tell(&asked, |subject| {
                        Look::Image(found.iter().find(|i| *subject == Subject::Image(i.id.clone())).cloned())
                    }),
                    Err(error) => self.tell(&asked, |_| Look::Failed(error.clone())),
                }
            }
        }
    }
}

async fn run(shared: Arc<Shared>) {
    while let Some((due, kind)) = shared.next() {
        tokio::select! {
            () = tokio::time::sleep_until(due) => shared.poll(kind).await,
            // A new watch may be due earlier.
            () = shared.wake.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a thing is looked at that is ready after `ready` seconds, and how late that is noticed.
    fn looks(usual: u64, ready: f64) -> (u32, f64) {
        let (mut t, mut looks) = (0.0, 1);
        while t < ready {
            t += pause(Duration::from_secs_f64(t), Duration::from_secs(usual), 0.5).as_secs_f64();
            looks += 1;
        }
        (looks, t - ready)
    }

    #[test]
    fn what_takes_as_long_as_usual_is_noticed_at_once() {
        for (usual, ready) in [(14, 14.2), (25, 25.2), (90, 90.2), (90, 95.0), (25, 29.0)] {
            let (count, late) = looks(usual, ready);
            assert!(late <= 1.05 && count <= 24, "{usual} {ready}: {count} looks, {late:.2} s late");
        }
        // The whole of an ordinary build.
        let total: u32 = [(14, 14.2), (25, 25.2), (90, 90.2), (25, 25.2)].map(|(u, r)| looks(u, r).0).iter().sum();
        assert!(total <= 44, "{total}");
        // Sooner or much later: late by a fraction of the time.
        for ready in [5.0, 20.0, 45.0, 200.0, 900.0] {
            let (_, late) = looks(90, ready);
            assert!(late <= 12.4 && late <= ready * 0.6, "{ready}: {late:.2} s late");
        }
    }
}
