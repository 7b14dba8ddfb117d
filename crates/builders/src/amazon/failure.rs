//! Why a phase ended, in words for people, with what to do about it.

use super::ec2::{Ec2Error, ErrorKind};
use super::options::run::Places;
use super::wait::WaitError;
use imgbuild_diag::{Diagnostics, Span};
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::journal::JournalError;
use imgbuild_engine::provision::ProvisionError;
use imgbuild_engine::run::AcquireError;

/// A failed phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// One or more sentences.
    pub message: String,
    /// What to do, one line each.
    pub help: Vec<String>,
    /// The run was cancelled.
    pub cancelled: bool,
    /// EC2 took the spot instance back.
    pub interrupted: bool,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), help: Vec::new(), cancelled: false, interrupted: false }
    }

    /// The run was cancelled.
    pub fn cancelled() -> Self {
        Failure { cancelled: true, ..Failure::new("cancelled") }
    }

    /// Adds a line on what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Shows where in the user's file it comes from, if it is written there.
    pub fn at(mut self, place: Option<&Span>) -> Self {
        self.help
            .extend(place.into_iter().flat_map(|span| span.excerpt().lines().map(str::to_owned).collect::<Vec<_>>()));
        self
    }

    /// Shows the option whose value EC2 refused, if its error code tells which and no phase has shown a place already.
    pub fn placed(self, places: &Places) -> Self {
        const OPTIONS: [(&str, &[&str]); 7] = [
            ("InvalidAMIID.", &["source_ami"]),
            ("InvalidVpcID.", &["vpc_id"]),
            ("InvalidSubnetID.", &["subnet_id"]),
            ("InvalidGroup", &["security_group_id", "security_group_ids"]),
            ("InvalidKeyPair.", &["ssh_keypair_name"]),
            ("iamInstanceProfile", &["iam_instance_profile"]),
            ("IAM Instance Profile", &["iam_instance_profile"]),
        ];
        if self.help.iter().any(|line| line.starts_with("on ")) {
            return self;
        }
        let option = OPTIONS.iter().find(|(code, _)| self.message.contains(code)).map(|(_, options)| *options);
        let Some(place) = option.and_then(|options| places.of(options)).cloned() else { return self };
        // The place comes before what to do about it.
        let Failure { message, help, cancelled, interrupted } = self;
        let mut failure = Failure { message, help: Vec::new(), cancelled, interrupted }.at(Some(&place));
        failure.help.extend(help);
        failure
    }

    /// A call failed while doing `what`: `launching the source instance`.
    pub fn call(what: &str, error: &Ec2Error) -> Self {
        let failure = Failure::new(format!("error {what}: {error}"));
        match help(error) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }

    /// A wait failed.
    pub fn wait(error: WaitError) -> Self {
        match error {
            WaitError::Cancelled => Failure::cancelled(),
            WaitError::Call(error) => Failure::call("asking EC2 how far it is", &error),
            WaitError::TooLong { .. } => Failure::new(format!("error: {error}"))
                .help("raise the limit with \"aws_polling\": {\"max_attempts\": …, \"delay_seconds\": …}"),
            other => Failure::new(format!("error: {other}")),
        }
    }

    /// Creating something failed while doing `what`.
    pub fn acquire(what: &str, error: AcquireError<Ec2Error>) -> Self {
        match error {
            AcquireError::Journal(error) => error.into(),
            AcquireError::Call(error) => Failure::call(what, &error),
        }
    }

    /// Connecting failed.
    pub fn connection(error: &CommError) -> Self {
        Failure::new(error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        Failure::new(format!("{error}{source}"))
            .help("nothing is created without the journal: free space, or check the folder's permissions")
    }
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Cancelled => Failure::cancelled(),
            other => Failure::new(other.to_string()),
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Failure::new(diagnostics.to_string())
    }
}

/// What people have to do about the errors that they meet most.
fn help(error: &Ec2Error) -> Option<&'static str> {
    Some(match error.code.as_str() {
        "Credentials" => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile (AWS_PROFILE or \"profile\"), or run on an instance with a role; --sandbox needs no account"
        }
        "Connection" if error.message.contains("dns error") => {
            "the endpoint has no address: check the region's name (\"region\"), \"custom_endpoint_ec2\" and this machine's network"
        }
        "AuthFailure" if error.message.contains("region") => "check the region's name (\"region\" or AWS_REGION)",
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" => {
            "check the access key, the secret key and this machine's clock"
        }
        "UnauthorizedOperation" | "AccessDenied" => "\"imgbuild plan\" lists the permissions that this template needs",
        "ExpiredToken" | "RequestExpired" => "get new credentials and try again",
        "OptInRequired" => "accept the terms of the source image in AWS Marketplace first",
        "InsufficientInstanceCapacity" => "try another availability zone or instance type",
        "InstanceLimitExceeded" | "VcpuLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            "ask AWS for a higher quota or end other instances"
        }
        "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" => "an AMI id is valid in one region only",
        "VPCIdNotSpecified" => "the account has no default VPC: set \"subnet_id\" or \"subnet_filter\"",
        "InvalidAMIName.Duplicate" => "choose another \"ami_name\" or set \"force_deregister\"",
        "Unsupported" => "the zone or the image does not offer this instance type",
        _ if error.kind == ErrorKind::Throttled => "too many calls at once: build fewer at a time (-parallel-builds)",
        _ => return None,
    })
}
