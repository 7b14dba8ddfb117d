//! The fake's Session Manager: sessions to instances that run and have a profile. Their streams lead nowhere.

use super::Client;
use super::state::refuse;
use async_trait::async_trait;
use imgbuild_builders::amazon::ec2::Ec2Result;
use imgbuild_builders::amazon::ids::InstanceId;
use imgbuild_builders::amazon::ssm::{ActiveSession, NOT_CONNECTED, NewSession, SessionChannel, Ssm, StreamError};
use imgbuild_builders::amazon::types::InstanceState;
use imgbuild_diag::Secret;
use imgbuild_engine::connect::Stream;
use std::sync::Arc;

#[async_trait]
impl Ssm for Client {
    async fn start_session(&self, instance: &InstanceId, _: u16, reason: &str) -> Ec2Result<NewSession> {
        self.call("StartSession", |state, _| {
            let runs = state.instances.iter().any(|(_, i)| i.id == *instance && i.state == InstanceState::Running);
            if !runs || state.launches.last().is_none_or(|l| l.iam_instance_profile.is_none()) {
                return refuse("StartSession", NOT_CONNECTED);
            }
            let id = state.id("someone");
            state.sessions.push((instance.clone(), ActiveSession { id: id.clone(), reason: reason.to_owned() }));
            Ok(NewSession { id, url: "wss://nowhere.test".into(), token: Secret::new("token".into()) })
        })
    }

    async fn active_sessions(&self, instance: &InstanceId) -> Ec2Result<Vec<ActiveSession>> {
        self.call("DescribeSessions", |state, _| {
            Ok(state.sessions.iter().filter(|(of, _)| of == instance).map(|(_, s)| s.clone()).collect())
        })
    }

    async fn terminate_session(&self, id: &str) -> Ec2Result<()> {
        self.call("TerminateSession", |state, _| {
            state.sessions.retain(|(_, session)| session.id != id);
            Ok(())
        })
    }

    async fn connect(&self, _: &InstanceId, _: NewSession) -> Result<Arc<dyn SessionChannel>, String> {
        Ok(Arc::new(Nowhere))
    }
}

struct Nowhere;

#[async_trait]
impl SessionChannel for Nowhere {
    async fn stream(&self) -> Result<Box<dyn Stream>, StreamError> {
        Ok(Box::new(tokio::io::duplex(1).0))
    }

    fn takes_more(&self) -> bool {
        true
    }

    fn ended(&self) -> bool {
        false
    }
}
