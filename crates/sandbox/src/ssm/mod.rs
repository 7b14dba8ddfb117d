//! Session Manager: the sessions of an account, and for each of them the agent's half of a data channel.
//!
//! ```text
//! StartSession ─▶ api.rs ─▶ a task per session: agent.rs ── ports.rs ─▶ the machine's port
//! WebSocket ────▶ socket.rs ─────────┘    └─ link.rs: what is lost, doubled, late or cut on the way
//! ```
//! Written from the descriptions of the protocol that session-manager-plugin and amazon-ssm-agent carry. What a real agent does
//! with a client that is wrong is done here as well: data before the handshake is complete is acknowledged and dropped.

mod agent;
mod api;
mod keys;
mod link;
mod message;
mod ports;
mod socket;

pub use api::find;
pub use keys::DataKeys;
pub use link::Channel;
pub use socket::upgrade;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;

/// A client's connection.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What a session's task is told.
pub enum Order {
    /// A client connected.
    Attach(Box<Socket>),
    /// The session is over.
    End,
}

struct Live {
    token: String,
    orders: mpsc::UnboundedSender<Order>,
}

/// The tasks of this process's sessions.
#[derive(Default)]
pub struct Sessions(Mutex<BTreeMap<String, Live>>);

impl Sessions {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session's task; the token that opens its channel.
    fn add(&self, id: &str, orders: mpsc::UnboundedSender<Order>) -> String {
        let token = new_token();
        self.all().insert(id.to_owned(), Live { token: token.clone(), orders });
        token
    }

    /// Another token for a session whose task lives.
    fn renew(&self, id: &str) -> Option<String> {
        let mut all = self.all();
        let live = all.get_mut(id).filter(|live| !live.orders.is_closed())?;
        live.token = new_token();
        Some(live.token.clone())
    }

    /// Hands a connection to its session, if the token is the right one. A token is good for one connection.
    fn attach(&self, id: &str, token: &str, socket: Socket) -> bool {
        let mut all = self.all();
        let Some(live) = all.get_mut(id).filter(|live| !token.is_empty() && live.token == token) else { return false };
        live.token.clear();
        live.orders.send(Order::Attach(Box::new(socket))).is_ok()
    }

    /// Ends a session's task.
    fn end(&self, id: &str) {
        if let Some(live) = self.all().remove(id) {
            // It may have ended by itself.
            let _ = live.orders.send(Order::End);
        }
    }

    /// Ends all.
    pub fn end_all(&self) {
        let ids: Vec<String> = self.all().keys().cloned().collect();
        ids.iter().for_each(|id| self.end(id));
    }
}

fn new_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
