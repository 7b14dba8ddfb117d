//! The actions: each is a function from parameters and state to an answer. Work that takes time follows from the state
//! that an action leaves (`pending`, `stopping`, …) and is done by [`crate::worker`].
//!
//! Each file owns one family of resources and lists its actions in `ACTIONS`; [`find`] is the only registry.

mod accounts;
mod device_mapping;
mod fleets;
mod iam;
mod image_attributes;
mod image_copy;
mod image_create;
mod image_describe;
mod image_register;
mod instance_attributes;
mod instance_describe;
mod instance_launch;
mod instance_lifecycle;
mod instance_metadata;
mod instance_run;
mod instance_types;
mod key_pairs;
mod launch_templates;
mod networks;
mod security_groups;
mod security_rules;
mod snapshots;
mod sts;
mod tag_spec;
mod tags;
mod tokens;
mod volume_attach;
mod volumes;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::core::{Call, Core};
use crate::state::{Region, State, Time};
use crate::wire::{ApiError, Params, Result, Xml};

/// What an action function sees of its request.
pub struct Context<'a> {
    /// The request.
    pub call: &'a Call,
    /// Its parameters.
    pub p: Params,
}

impl<'a> Context<'a> {
    /// For this request.
    pub fn new(call: &'a Call) -> Self {
        Self { call, p: Params::new(call.params.clone()) }
    }

    /// The request's time.
    pub fn now(&self) -> Time {
        self.call.time
    }

    /// The request's region, to read.
    pub fn region<'s>(&self, state: &'s State) -> Result<&'s Region> {
        state.regions.get(&self.call.region).ok_or_else(|| ApiError::internal("the region has not been set up"))
    }

    /// The request's region, to change.
    pub fn region_mut<'s>(&self, state: &'s mut State) -> Result<&'s mut Region> {
        state.regions.get_mut(&self.call.region).ok_or_else(|| ApiError::internal("the region has not been set up"))
    }
}

/// How an action runs.
#[derive(Clone, Copy)]
pub enum Action {
    /// Looks only.
    Read(fn(&Context<'_>, &State) -> Result<Xml>),
    /// Changes the state.
    Write(fn(&Context<'_>, &mut State) -> Result<Xml>),
    /// Does something slow beside it.
    Slow(fn(Arc<Core>, Call) -> BoxFuture<'static, Result<Xml>>),
}

/// An entry of the registry.
pub type Entry = (&'static str, Action);

const EC2: &[&[Entry]] = &[
    accounts::ACTIONS,
    fleets::ACTIONS,
    image_attributes::ACTIONS,
    image_copy::ACTIONS,
    image_create::ACTIONS,
    image_describe::ACTIONS,
    image_register::ACTIONS,
    instance_attributes::ACTIONS,
    instance_describe::ACTIONS,
    instance_lifecycle::ACTIONS,
    instance_metadata::ACTIONS,
    instance_run::ACTIONS,
    instance_types::ACTIONS,
    key_pairs::ACTIONS,
    launch_templates::ACTIONS,
    networks::ACTIONS,
    security_groups::ACTIONS,
    security_rules::ACTIONS,
    snapshots::ACTIONS,
    tags::ACTIONS,
    volume_attach::ACTIONS,
    volumes::ACTIONS,
];

/// The actions of a service, by the service name of the request's signature; requests without a signature say EC2.
fn services(service: &str) -> Option<&'static [&'static [Entry]]> {
    match service {
        "ec2" | "" => Some(EC2),
        "iam" => Some(&[iam::ACTIONS]),
        "sts" => Some(&[sts::ACTIONS]),
        _ => None,
    }
}

/// The action of this name.
pub fn find(service: &str, name: &str) -> Result<Action> {
    let families = services(service).ok_or_else(|| {
        ApiError::new("InvalidAction", format!("This sandbox does not serve {service} (it serves ec2, iam and sts)"))
    })?;
    families
        .iter()
        .flat_map(|f| f.iter())
        .find(|e| e.0 == name)
        .map(|e| e.1)
        .ok_or_else(|| ApiError::new("InvalidAction", format!("The action {name} is not valid for this web service.")))
}

/// `<return>true</return>`
pub fn done() -> Xml {
    let mut x = Xml::new();
    x.text("return", true);
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_action_is_registered_twice() {
        let mut names: Vec<_> = EC2.iter().flat_map(|f| f.iter()).map(|e| e.0).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(find("ec2", "DescribeNothing").map(|_| ()).unwrap_err().code, "InvalidAction");
        assert_eq!(find("s3", "ListBuckets").map(|_| ()).unwrap_err().code, "InvalidAction");
    }
}
