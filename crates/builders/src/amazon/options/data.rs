//! The data sources of amazon: an image that a template asks for by filters, a parameter, a secret; before anything is built.
//! Options and results as in plugin-amazon 1.8 `datasource/`.

use super::access::{ACCESS, Access};
use super::filter::filters;
use super::run_rows::FILTERS;
use crate::amazon::ec2::{Account, Accounts, Ec2Error};
use crate::amazon::secrets::{Keyless, Parameter, SecretValue, SecretVersion, value_of};
use crate::amazon::types::{Image, ImageQuery};
use crate::read::{Diags, strings, text};
use imgbuild_diag::{Diagnostic, Diagnostics, Secret};
use imgbuild_template::{Kind, Opt, Reader, Table};
use std::sync::Arc;

/// Options of `amazon-parameterstore`.
pub static PARAMETER: Table = Table::new(
    "amazon-parameterstore",
    &[
        ACCESS,
        &[
            Opt::new("name", Kind::String, "The parameter."),
            Opt::new("with_decryption", Kind::Bool, "Decrypt a SecureString.").default("false"),
        ],
    ],
);

/// Options of `amazon-secretsmanager`.
pub static SECRET: Table = Table::new(
    "amazon-secretsmanager",
    &[
        ACCESS,
        &[
            Opt::new("name", Kind::String, "The secret, by name or ARN."),
            Opt::new("key", Kind::String, "The key of the secret's JSON that \"value\" is."),
            Opt::new("version_id", Kind::String, "Its version by id; wins over the stage."),
            Opt::new("version_stage", Kind::String, "Its version by stage.").default("AWSCURRENT"),
        ],
    ],
);

/// Options of `amazon-ami`.
pub static AMI: Table = Table::new(
    "amazon-ami",
    &[
        ACCESS,
        FILTERS,
        &[
            Opt::new("owners", Kind::Strings, "Account ids, \"self\", \"amazon\", \"aws-marketplace\"."),
            Opt::new("most_recent", Kind::Bool, "Of several take the newest.").default("false"),
            Opt::new("include_deprecated", Kind::Bool, "Deprecated images too.").default("false"),
        ],
    ],
);

/// Checks options of [`AMI`] without asking anybody.
pub fn check(options: &Reader, diags: &mut Diagnostics) {
    check_access(options, diags);
    if filters(options).is_empty() {
        diags.push(Diagnostic::error("The `filters` must be specified").at(options.span()));
    }
    if strings(options, "owners").is_empty() {
        let message = "no \"owners\" are given: anyone can publish an image of such a name";
        diags.push(Diagnostic::warning(message).at(options.span()).help("name the accounts that you trust"));
    }
}

/// Checks options of [`PARAMETER`] or [`SECRET`] without asking anybody.
pub fn check_named(options: &Reader, diags: &mut Diagnostics) {
    check_access(options, diags);
    if text(options, "name").is_none() && !options.unread("name") {
        diags.push(Diagnostic::error("a 'name' must be provided").at(options.span()));
    }
}

fn check_access(options: &Reader, diags: &mut Diagnostics) {
    let mut found = Diags::default();
    Access::read(options, &mut found);
    diags.extend(found.found);
}

/// Asks for the image.
///
/// # Errors
/// There is none, there are several, or EC2 could not be asked.
pub async fn find(options: &Reader, accounts: &dyn Accounts) -> Result<Image, String> {
    let account = open(options, accounts).await?;
    let region = account.default_region().ok_or(NO_REGION)?;
    let query = ImageQuery {
        ids: Vec::new(),
        owners: strings(options, "owners"),
        filters: filters(options),
        include_deprecated: options.is_true("include_deprecated"),
    };
    let mut found = account.ec2(&region).images(query).await.map_err(|e| e.to_string())?;
    found.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    match (found.len(), options.is_true("most_recent")) {
        (0, _) => Err(format!("no AMI in {region} matches the filters; names differ from region to region")),
        (n, false) if n > 1 => {
            Err(format!("{n} AMIs in {region} match: filter more closely, or set most_recent = true"))
        }
        _ => found.pop().ok_or_else(|| "no AMI".to_owned()),
    }
}

const NO_REGION: &str = "no region: set \"region\", or AWS_REGION in the environment";

async fn open(options: &Reader, accounts: &dyn Accounts) -> Result<Arc<dyn Account>, String> {
    accounts.open(&Access::read(options, &mut Diags::default())).await
}

/// Asks for the parameter.
///
/// # Errors
/// There is none, or SSM could not be asked.
pub async fn parameter(options: &Reader, accounts: &dyn Accounts) -> Result<Parameter, String> {
    let account = open(options, accounts).await?;
    let region = account.default_region().ok_or(NO_REGION)?;
    let name = text(options, "name").unwrap_or_default();
    let found = account.parameter(&name, options.is_true("with_decryption")).await;
    found.map_err(|error| match error.code.as_str() {
        "ParameterNotFound" => format!("there is no parameter {name:?} in {region}"),
        "ParameterVersionNotFound" => format!("there is no such version of the parameter {name:?} in {region}"),
        _ => error.to_string(),
    })
}

/// Asks for the secret; beside it what `value` is.
///
/// # Errors
/// There is none, it can't be read as asked for, or Secrets Manager could not be asked.
pub async fn secret(options: &Reader, accounts: &dyn Accounts) -> Result<(SecretValue, Secret), String> {
    let version = match (text(options, "version_id"), text(options, "version_stage")) {
        (Some(id), _) => SecretVersion::Id(id),
        (None, Some(stage)) => SecretVersion::Stage(stage),
        (None, None) => SecretVersion::default(),
    };
    let account = open(options, accounts).await?;
    let name = text(options, "name").unwrap_or_default();
    let found = read_secret(account.as_ref(), &name, &version).await?;
    let whole = found.text.as_ref().map_or("", |text| text.expose());
    let value = value_of(whole, text(options, "key").as_deref(), Keyless::First);
    let value = value.map_err(|why| format!("the secret {name:?}: {why}"))?;
    Ok((found, Secret::new(value)))
}

/// Asks for a version of a secret.
///
/// # Errors
/// There is none, or Secrets Manager could not be asked.
pub async fn read_secret(account: &dyn Account, name: &str, version: &SecretVersion) -> Result<SecretValue, String> {
    let region = account.default_region().ok_or(NO_REGION)?;
    let gone = |error: &Ec2Error| {
        error.is_not_found()
            || error.code == "InvalidRequestException" && error.message.contains("because it was deleted")
    };
    account.secret(name, version).await.map_err(|error| match gone(&error) {
        true => format!("there is no secret {name:?} with a version {:?} in {region}", version.as_str()),
        false => error.to_string(),
    })
}
