//! build_sandbox
