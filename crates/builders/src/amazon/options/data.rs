//! The data source `amazon-ami`: an image that a template asks for by filters before anything is built.

use super::access::{ACCESS, Access};
use super::filter::filters;
use super::run_rows::FILTERS;
use crate::amazon::ec2::Accounts;
use crate::amazon::types::{Image, ImageQuery};
use crate::read::{Diags, strings};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Kind, Opt, Reader, Table};

/// Its options.
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
    let mut found = Diags::default();
    Access::read(options, &mut found);
    diags.extend(found.found);
    if filters(options).is_empty() {
        diags.push(Diagnostic::error("The `filters` must be specified").at(options.span()));
    }
    if strings(options, "owners").is_empty() {
        let message = "no \"owners\" are given: anyone can publish an image of such a name";
        diags.push(Diagnostic::warning(message).at(options.span()).help("name the accounts that you trust"));
    }
}

/// Asks for the image.
///
/// # Errors
/// There is none, there are several, or EC2 could not be asked.
pub async fn find(options: &Reader, accounts: &dyn Accounts) -> Result<Image, String> {
    let access = Access::read(options, &mut Diags::default());
    let account = accounts.open(&access).await?;
    let region = account.default_region().ok_or("no region: set \"region\", or AWS_REGION in the environment")?;
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
