//! Every data message arrives, once and in order: what is sent until it is acknowledged, and what came in until its turn.
//!
//! Pure: time is an argument. The reference client sends without a limit and repeats its oldest message only; here a window
//! opens and closes as TCP's does, and each lost message is repeated as soon as three later ones were acknowledged.

use super::frame::Frame;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// RTT and its variation before anything was measured, and the clock's grain (the reference client's values).
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
const GRAIN: Duration = Duration::from_millis(10);
/// A message is repeated after this at the latest.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages under way at once: at first, at least, at most.
const WINDOW: (f64, f64, f64) = (32.0, 8.0, 1000.0);
/// Later messages that are acknowledged before one that was sent earlier: then that one is lost.
const OVERTAKEN: u32 = 3;
/// Messages that are kept until those before them come.
const EARLY: usize = 10_000;

struct Sent {
    bytes: Bytes,
    first: Instant,
    last: Instant,
    /// Place among all sendings.
    order: u64,
    tries: u32,
    overtaken: u32,
    lost: bool,
}

/// Our side.
pub struct Sender {
    next: i64,
    waiting: VecDeque<Bytes>,
    under_way: BTreeMap<i64, Sent>,
    sendings: u64,
    window: f64,
    /// The window was narrowed for losses among messages up to this one.
    recovered: i64,
    round_trip: Option<Duration>,
    variation: Duration,
    paused: bool,
}

impl Default for Sender {
    fn default() -> Self {
        Sender {
            next: 0,
            waiting: VecDeque::new(),
            under_way: BTreeMap::new(),
            sendings: 0,
            window: WINDOW.0,
            recovered: -1,
            round_trip: None,
            variation: Duration::ZERO,
            paused: false,
        }
    }
}

impl Sender {
    /// Takes a message to be sent; its sequence number.
    pub fn push(&mut self, payload_type: u32, payload: Bytes) -> i64 {
        let sequence = self.next;
        self.next += 1;
        self.waiting.push_back(Frame::input(sequence, payload_type, payload).encode());
        sequence
    }

    /// Whether more should be taken.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < 64
    }

    /// Whether all that was taken has arrived.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Whether a message has arrived.
    pub fn has_arrived(&self, sequence: i64) -> bool {
        // What waits has higher numbers than what is under way.
        let waiting = self.next - i64::try_from(self.waiting.len()).unwrap_or(0);
        sequence < waiting && !self.under_way.contains_key(&sequence)
    }

    fn timeout(&self) -> Duration {
        match self.round_trip {
            None => FIRST_TIMEOUT,
            Some(time) => (time + GRAIN.max(4 * self.variation)).min(LONGEST_TIMEOUT),
        }
    }

    fn due_at(&self, sent: &Sent) -> Instant {
        if sent.lost {
            return sent.last;
        }
        let backoff = 1 << sent.tries.saturating_sub(1).min(4);
        sent.last + (self.timeout() * backoff).min(LONGEST_TIMEOUT)
    }

    /// The next message that is to go out now.
    pub fn next(&mut self, now: Instant) -> Option<Bytes> {
        if self.paused {
            return None;
        }
        let late = self.under_way.iter().find(|(_, sent)| self.due_at(sent) <= now).map(|(n, _)| *n);
        if let Some(sequence) = late {
            if sequence > self.recovered {
                // One loss or a burst of them: the window is narrowed once for all that is under way.
                self.window = (self.window / 2.0).max(WINDOW.1);
                self.recovered = self.next - 1;
            }
            self.sendings += 1;
            let sent = self.under_way.get_mut(&sequence)?;
            (sent.last, sent.order, sent.overtaken, sent.lost) = (now, self.sendings, 0, false);
            sent.tries += 1;
            return Some(sent.bytes.clone());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 8 and 1000")]
        if self.under_way.len() >= self.window as usize {
            return None;
        }
        let bytes = self.waiting.pop_front()?;
        let sequence = self.next - 1 - i64::try_from(self.waiting.len()).unwrap_or(0);
        self.sendings += 1;
        let order = self.sendings;
        let sent = Sent { bytes: bytes.clone(), first: now, last: now, order, tries: 1, overtaken: 0, lost: false };
        self.under_way.insert(sequence, sent);
        Some(bytes)
    }

    /// When [`Sender::next`] has something again, if nothing comes in until then.
    pub fn wake(&self) -> Option<Instant> {
        if self.paused {
            return None;
        }
        self.under_way.values().map(|sent| self.due_at(sent)).min()
    }

    /// A message has arrived.
    pub fn acknowledged(&mut self, sequence: i64, now: Instant) {
        self.paused = false;
        let Some(sent) = self.under_way.remove(&sequence) else { return };
        if sent.tries == 1 {
            // A repeated message's acknowledgement may be of either sending.
            self.measured(now.saturating_duration_since(sent.last));
        }
        // Slow start has no end of its own: a loss narrows the window, and then it opens by one a round.
        let step = if self.recovered < 0 { 1.0 } else { 1.0 / self.window };
        self.window = (self.window + step).min(WINDOW.2);
        for earlier in self.under_way.range_mut(..sequence).map(|(_, sent)| sent) {
            if earlier.order < sent.order {
                earlier.overtaken += 1;
                earlier.lost |= earlier.overtaken == OVERTAKEN;
            }
        }
    }

    fn measured(&mut self, time: Duration) {
        match self.round_trip {
            None => (self.round_trip, self.variation) = (Some(time), time / 2),
            Some(old) => {
                self.variation = self.variation * 3 / 4 + old.abs_diff(time) / 4;
                self.round_trip = Some(old * 7 / 8 + time / 8);
            }
        }
    }

    /// The agent is away, or back.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// A new connection: what was under way on the old one goes again.
    pub fn reconnected(&mut self) {
        self.paused = false;
        for sent in self.under_way.values_mut() {
            sent.lost = true;
        }
    }

    /// For how long the oldest message has waited for its acknowledgement.
    pub fn oldest(&self, now: Instant) -> Duration {
        let first = self.under_way.values().map(|sent| sent.first).min();
        first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first))
    }
}

/// The agent's side.
#[derive(Default)]
pub struct Receiver {
    expected: i64,
    early: BTreeMap<i64, Frame>,
}

impl Receiver {
    /// Takes a data message. Says whether it is to be acknowledged; [`Receiver::next`] has those whose turn it is.
    pub fn take(&mut self, frame: Frame) -> bool {
        if frame.sequence < self.expected {
            // Our acknowledgement was lost.
            return true;
        }
        if frame.sequence > self.expected && self.early.len() >= EARLY {
            return false;
        }
        self.early.insert(frame.sequence, frame);
        true
    }

    /// The next message in order.
    pub fn next(&mut self) -> Option<Frame> {
        let frame = self.early.remove(&self.expected)?;
        self.expected += 1;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(bytes: &Bytes) -> i64 {
        Frame::decode(bytes).unwrap().sequence
    }

    fn all(sender: &mut Sender, now: Instant) -> Vec<i64> {
        std::iter::from_fn(|| sender.next(now)).map(|b| sequence(&b)).collect()
    }

    #[test]
    fn the_window_opens_with_acknowledgements_and_narrows_once_for_a_burst_of_losses() {
        let mut sender = Sender::default();
        let start = Instant::now();
        for _ in 0..200 {
            sender.push(1, Bytes::from_static(b"x"));
        }
        assert_eq!(all(&mut sender, start), (0..32).collect::<Vec<_>>());
        for n in 0..32 {
            sender.acknowledged(n, start + Duration::from_millis(10));
        }
        assert_eq!(all(&mut sender, start + Duration::from_millis(10)), (32..96).collect::<Vec<_>>());
        // 32 and 33 are lost: three later ones say so, long before any time is up.
        for n in 34..37 {
            sender.acknowledged(n, start + Duration::from_millis(20));
        }
        assert_eq!(all(&mut sender, start + Duration::from_millis(20))[..2], [32, 33]);
        assert!(sender.window > 30.0 && sender.window < 40.0, "{}", sender.window);
        assert!(!sender.has_arrived(32) && sender.has_arrived(34) && !sender.has_arrived(150));
    }

    #[test]
    fn a_lost_message_is_repeated_ever_more_rarely() {
        let mut sender = Sender::default();
        let start = Instant::now();
        sender.push(1, Bytes::from_static(b"x"));
        let mut sent = Vec::new();
        for ms in 0..8000 {
            if sender.next(start + Duration::from_millis(ms)).is_some() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 200, 600, 1400, 3000, 5000, 7000]);
        assert_eq!(sender.oldest(start + Duration::from_secs(8)), Duration::from_secs(8));
    }

    #[test]
    fn nothing_goes_out_while_the_agent_is_away_and_all_of_it_on_a_new_connection() {
        let mut sender = Sender::default();
        let start = Instant::now();
        for _ in 0..3 {
            sender.push(1, Bytes::from_static(b"x"));
        }
        assert_eq!(all(&mut sender, start), [0, 1, 2]);
        sender.pause(true);
        assert_eq!(all(&mut sender, start + Duration::from_secs(9)), [0; 0]);
        sender.reconnected();
        assert_eq!(all(&mut sender, start + Duration::from_secs(9)), [0, 1, 2]);
    }

    #[test]
    fn messages_come_out_once_and_in_order() {
        let mut receiver = Receiver::default();
        let frame = |n| Frame::input(n, 1, Bytes::from_static(b"x"));
        let mut out = Vec::new();
        for n in [1, 0, 0, 3, 3, 2, 1, 4] {
            assert!(receiver.take(frame(n)), "{n} is acknowledged");
            out.extend(std::iter::from_fn(|| receiver.next()).map(|f| f.sequence));
        }
        assert_eq!(out, [0, 1, 2, 3, 4]);
        assert!(receiver.early.is_empty());
    }

    #[test]
    fn what_comes_far_too_early_is_not_acknowledged() {
        let mut receiver = Receiver::default();
        for n in 1..=i64::try_from(EARLY).unwrap() {
            assert!(receiver.take(Frame::input(n, 1, Bytes::new())));
        }
        assert!(!receiver.take(Frame::input(99_999, 1, Bytes::new())));
        assert!(receiver.take(Frame::input(0, 1, Bytes::new())));
        assert_eq!(std::iter::from_fn(|| receiver.next()).count(), EARLY + 1);
    }
}
