//! The pollers of a run: one per account and region, shared by all its builds.

use super::ec2::Ec2;
use super::wait::Poller;
use std::sync::{Arc, Mutex};

/// Hands out pollers.
#[derive(Default)]
pub struct Pollers(Mutex<Vec<(Arc<dyn Ec2>, Poller)>>);

impl Pollers {
    /// The poller over this client.
    pub fn of(&self, ec2: &Arc<dyn Ec2>) -> Poller {
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, poller)) = known.iter().find(|(client, _)| Arc::ptr_eq(client, ec2)) {
            return poller.clone();
        }
        let poller = Poller::new(Arc::clone(ec2));
        known.push((Arc::clone(ec2), poller.clone()));
        poller
    }
}
