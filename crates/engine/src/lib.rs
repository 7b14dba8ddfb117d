//! What every build has in common: the run with its journal, events, the communicator, the link to the agent, provisioners,
//! post-processors, artifacts. Knows no cloud and no SSH: those implement the traits that stand here.

pub mod communicator;
pub mod connect;
pub mod event;
pub mod journal;
pub mod run;
