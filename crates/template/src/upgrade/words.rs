//! The comments that explain an upgraded file to somebody who does not know HCL2 yet (`-with-annotations`).

pub(super) const FILE: &str = "\
# This file was made from a JSON template. Read it before you rely on it. Its blocks may be moved to other files whose names
# end in .pkr.hcl in the same folder, the variables to variables.pkr.hcl for instance; give the folder as the template then.
#
# Expressions of the old kind, {{ … }}, that are left over are rendered by the plugins, after the ${ … } of HCL2.
";

pub(super) const PACKER: &str = "\n# The version of Packer and the plugins that this template needs.\n";

pub(super) const VARIABLES: &str = "
# All variables are strings, as in JSON. Another type (number, bool, list(string), …) may fit them better.";

pub(super) const LOCALS: &str = "
# Variables of HCL2 are constants. Those of the JSON template that were made of other values are locals.";

pub(super) const SECRETS: &str = "\n# Secrets that the JSON template read with aws_secretsmanager.";

pub(super) const IMAGES: &str = "\n# Searches for source images: the source_ami_filter of builders.";

pub(super) const TIMESTAMP: &str = "# The timestamp of the JSON template: digits alone.\n";

pub(super) const LAYOUTS: &str = "\
# legacy_isotime and legacy_strftime take the layouts of JSON templates; formatdate is HCL2's own function.
";

pub(super) const SOURCES: &str = "
# Sources are the builders of the JSON template. Builds refer to them by type and name.";

pub(super) const BUILD: &str = "
# The build runs the provisioners and post-processors on every source that it names.
";
