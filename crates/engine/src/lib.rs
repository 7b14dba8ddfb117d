//! What every build has in common: the run with its journal, events, the communicator, the link to the agent, provisioners,
//! post-processors, artifacts. Knows no cloud and no SSH: those implement the traits that stand here.

pub mod agent_link;
pub mod artifact;
pub mod build;
pub mod communicator;
pub mod connect;
pub mod event;
pub mod galaxy;
pub mod jobs;
pub mod journal;
pub mod local;
pub mod openssh;
pub mod postprocess;
pub mod provision;
pub mod run;
pub mod shell_quote;
pub mod ssh_algorithms;
pub mod tree;
pub mod url_client;
