//! The way between a client and an agent, and what goes wrong on it: part of the sandbox's faults.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How the data channel of a session behaves. Chances are of a hundred, for each message in each direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct Channel {
    /// A message is lost.
    pub loss: u8,
    /// A message comes twice.
    pub duplicate: u8,
    /// A message comes after up to three that were sent after it.
    pub reorder: u8,
    /// The connection is cut after so many messages, and so on; absent: never.
    pub cut_after: Option<u32>,
    /// No more than so many cuts.
    pub cuts: Option<u32>,
    /// What the agent says that it is; absent: a current one. Up to 3.0.196.0 it forwards one connection a session.
    pub agent_version: Option<String>,
    /// The KMS key that sessions are encrypted with.
    pub kms_key: Option<String>,
    /// The agent's version of a reboot: it goes before it can say that connections were closed.
    pub sudden_end: bool,
}

/// One direction's messages on their way.
#[derive(Default)]
pub struct Link {
    held: VecDeque<(u8, Vec<u8>)>,
}

/// Chances.
pub struct Dice(u64);

impl Dice {
    /// The same throws each time.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `below`.
    pub fn throw(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

impl Link {
    /// What comes out where a message goes in.
    pub fn pass(&mut self, message: Vec<u8>, how: &Channel, dice: &mut Dice) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if dice.throw(100) >= u64::from(how.loss) {
            if dice.throw(100) < u64::from(how.duplicate) {
                out.push(message.clone());
            }
            if dice.throw(100) < u64::from(how.reorder) {
                let behind = u8::try_from(dice.throw(3)).unwrap_or(0) + 1;
                self.held.push_back((behind, message));
                return self.due(out);
            }
            out.push(message);
        }
        self.due(out)
    }

    /// With those whose delay is over.
    fn due(&mut self, mut out: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        for held in &mut self.held {
            held.0 = held.0.saturating_sub(1);
        }
        let (late, due): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.held).into_iter().partition(|h| h.0 > 0);
        self.held = late;
        out.extend(due.into_iter().map(|h| h.1));
        out
    }

    /// All that is held: nothing more comes after it for now.
    pub fn flush(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.held).into_iter().map(|h| h.1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_link_loses_doubles_and_mixes_and_a_good_one_does_nothing() {
        let run = |how: &Channel| {
            let (mut link, mut dice) = (Link::default(), Dice::new(7));
            let mut out: Vec<u8> = (0..=99).flat_map(|n| link.pass(vec![n], how, &mut dice)).map(|m| m[0]).collect();
            out.extend(link.flush().into_iter().map(|m| m[0]));
            out
        };
        let all: Vec<u8> = (0..=99).collect();
        assert_eq!(run(&Channel::default()), all);
        let lossy = run(&Channel { loss: 20, ..Channel::default() });
        assert!(lossy.len() > 60 && lossy.len() < 95, "{}", lossy.len());
        let mut doubled = run(&Channel { duplicate: 20, ..Channel::default() });
        assert!(doubled.len() > 105);
        doubled.dedup();
        assert_eq!(doubled, all);
        let mut mixed = run(&Channel { reorder: 20, ..Channel::default() });
        assert_ne!(mixed, all);
        mixed.sort_unstable();
        assert_eq!(mixed, all);
    }
}
