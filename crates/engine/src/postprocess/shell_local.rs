//! `shell-local` as a post-processor: the scripts run, the artifact goes on as it is, whatever `keep_input_artifact` says (Packer
//! 1.16, post-processor/shell-local).

use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::SharedArtifact;
use crate::provision::{On, ShellLocal};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context};

/// A prepared `shell-local`.
pub(super) struct ShellLocalPost(ShellLocal);

impl ShellLocalPost {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        ShellLocalPost(ShellLocal::prepare(body, context, promised, diags))
    }
}

#[async_trait]
impl PostProcessor for ShellLocalPost {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let on = On {
            build_name: &session.build_name,
            builder_type: &session.builder_type,
            data: &session.data,
            reporter: &session.reporter,
            cancel: &session.cancel,
            more: &[("PACKER_RUN_UUID", session.run_id.clone())],
        };
        self.0.run(&on).await.map_err(|e| e.to_string())?;
        Ok(Outcome { artifact: Some(input.clone()), keep: true, must_keep: true })
    }
}
