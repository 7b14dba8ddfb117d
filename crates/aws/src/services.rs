//! Single calls of services beside EC2: KMS, STS, Secrets Manager, SSM.

use crate::error;
use aws_config::{Region as SdkRegion, SdkConfig};
use aws_sdk_kms::types::{KeyState, KeyUsageType};
use imgbuild_builders::amazon::ec2::{Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::secrets::{Parameter, SecretValue, SecretVersion};
use imgbuild_diag::Secret;
use std::time::Duration;

/// Whether volumes can be encrypted with a key.
pub async fn check_key(config: &SdkConfig, endpoint: Option<&str>, region: &Region, key: &str) -> Ec2Result<()> {
    let mut builder = aws_sdk_kms::config::Builder::from(config).region(SdkRegion::new(region.as_str().to_owned()));
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let out = aws_sdk_kms::Client::from_conf(builder.build()).describe_key().key_id(key).send().await;
    let out = out.map_err(|e| error::ec2("DescribeKey", e))?;
    let unusable = |message: String| Ec2Error {
        operation: "DescribeKey",
        code: "KeyUnusable".into(),
        message,
        request_id: None,
        kind: ErrorKind::Certain,
    };
    let Some(found) = out.key_metadata() else { return Err(unusable("the answer holds no key".into())) };
    match found.key_state() {
        None | Some(KeyState::Enabled) => {}
        Some(state) => return Err(unusable(format!("the key's state is {}", state.as_str()))),
    }
    match found.key_usage() {
        None | Some(KeyUsageType::EncryptDecrypt) => Ok(()),
        Some(usage) => Err(unusable(format!("the key is for {}, not for ENCRYPT_DECRYPT", usage.as_str()))),
    }
}

/// What an encoded refusal says, JSON.
pub async fn decode_authorization(config: &SdkConfig, endpoint: Option<&str>, encoded: &str) -> Ec2Result<String> {
    let mut builder = aws_sdk_sts::config::Builder::from(config);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let call = aws_sdk_sts::Client::from_conf(builder.build()).decode_authorization_message().encoded_message(encoded);
    let out = call.send().await.map_err(|e| error::ec2("DecodeAuthorizationMessage", e))?;
    Ok(out.decoded_message().unwrap_or_default().to_owned())
}

/// A version of a secret, from the configuration's own region.
pub async fn secret(
    config: &SdkConfig,
    endpoint: Option<&str>,
    name: &str,
    version: &SecretVersion,
) -> Ec2Result<SecretValue> {
    let mut builder = aws_sdk_secretsmanager::config::Builder::from(config);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let call = aws_sdk_secretsmanager::Client::from_conf(builder.build()).get_secret_value().secret_id(name);
    let call = match version {
        SecretVersion::Stage(stage) => call.version_stage(stage),
        SecretVersion::Id(id) => call.version_id(id),
    };
    let out = call.send().await.map_err(|e| error::ec2("GetSecretValue", e))?;
    Ok(SecretValue {
        text: out.secret_string.map(Secret::new),
        binary: out.secret_binary.map(|blob| Secret::new(blob.into_inner())),
        version_id: out.version_id.unwrap_or_default(),
    })
}

/// A parameter, from the configuration's own region.
pub async fn parameter(config: &SdkConfig, endpoint: Option<&str>, name: &str, decrypt: bool) -> Ec2Result<Parameter> {
    let mut builder = aws_sdk_ssm::config::Builder::from(config);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let call = aws_sdk_ssm::Client::from_conf(builder.build()).get_parameter().name(name).with_decryption(decrypt);
    let out = call.send().await.map_err(|e| error::ec2("GetParameter", e))?;
    let found = out.parameter.unwrap_or_else(|| aws_sdk_ssm::types::Parameter::builder().build());
    Ok(Parameter {
        secure: matches!(found.r#type, Some(aws_sdk_ssm::types::ParameterType::SecureString)),
        value: Secret::new(found.value.unwrap_or_default()),
        version: found.version,
        arn: found.arn.unwrap_or_default(),
    })
}

/// Waits until AWS knows the keys of an IAM user that was made a moment ago, as Vault's engine does. What else is wrong with them
/// shows in the first real call.
pub async fn known(config: &SdkConfig, endpoint: Option<&str>) {
    let mut builder = aws_sdk_sts::config::Builder::from(config);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let sts = aws_sdk_sts::Client::from_conf(builder.build());
    for _ in 0..30 {
        match sts.get_caller_identity().send().await.map_err(|e| error::ec2("GetCallerIdentity", e)) {
            Err(error) if error.code == "InvalidClientTokenId" => tokio::time::sleep(Duration::from_secs(1)).await,
            _ => return,
        }
    }
}
