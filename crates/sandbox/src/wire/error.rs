//! Errors as EC2 reports them: a code that programs match on, and a sentence.
//! Codes are those of the EC2 API reference, "Error codes for the Amazon EC2 API".

use std::borrow::Cow;

use super::Xml;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status: 400 for the caller's mistakes, 5xx for the service's.
    pub status: u16,
    /// For example `InvalidAMIID.NotFound`.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl ApiError {
    /// A client error (status 400).
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    /// The same with another HTTP status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// `MissingParameter`
    pub fn missing(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    /// `InvalidParameterValue` with the usual sentence.
    pub fn value(name: &str, value: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid. {why}"))
    }

    /// `InvalidParameterCombination`
    pub fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// `UnsupportedOperation`: EC2 may know it, this sandbox does not do it.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperation", message)
    }

    /// `InternalError`: the sandbox itself failed (status 500).
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalError", message).status(500)
    }

    /// EC2's error document.
    pub fn to_ec2_xml(&self, request_id: &str) -> String {
        let mut x = Xml::document();
        x.node("Response", |x| {
            x.node("Errors", |x| {
                x.node("Error", |x| {
                    x.text("Code", &self.code);
                    x.text("Message", &self.message);
                });
            });
            x.text("RequestID", request_id);
        });
        x.finish()
    }

    /// The error document of the other Query services (STS, IAM).
    pub fn to_query_xml(&self, namespace: &str, request_id: &str) -> String {
        let mut x = Xml::document();
        x.open_with("ErrorResponse", &[("xmlns", namespace)]);
        x.node("Error", |x| {
            x.text("Type", if self.status < 500 { "Sender" } else { "Receiver" });
            x.text("Code", &self.code);
            x.text("Message", &self.message);
        });
        x.text("RequestId", request_id);
        x.close("ErrorResponse");
        x.finish()
    }
}
