//! `hcp_packer_registry { }`: what HCP Packer would get. Nothing is published here, but the block is checked as Packer checks it
//! (packer 1.16 `hcl2template/types.build.hcp_packer_registry.go`).

use crate::hcl::body::{Block, Schema};
use crate::hcl::own::{Own, typed};
use crate::hcl::scope::Env;
use crate::hcl::types::Type;
use imgbuild_diag::{Diagnostic, Diagnostics};

/// Checks one block and says that it changes nothing about what is built. There may be one at the top or in each build; `first`
/// says whether this is the first one there.
pub(in crate::hcl) fn check(block: &Block, first: bool, env: &Env, diags: &mut Diagnostics) {
    let mut wrong = |message: &str| diags.push(Diagnostic::error(message).at(&block.span));
    if !first {
        return wrong("Only one hcp_packer_registry is allowed");
    }
    let names = ["bucket_name", "description", "labels", "bucket_labels", "build_labels", "channels"];
    let schema = Schema { attributes: names.map(|name| (name, false)).to_vec(), blocks: Vec::new() };
    let (content, rest) = block.body.partial(&schema, diags);
    let scope = env.scope();
    let own = Own { content: &content, scope: &scope };
    if let Some(name) = own.text("bucket_name", diags).filter(|name| !name.is_empty()) {
        let fits = (3..=36).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !fits {
            let message =
                "hcp_packer_registry.bucket_name can only contain between 3 and 36 ASCII letters, numbers and hyphens";
            diags.push(Diagnostic::error(message).at(&name.span));
        }
    }
    if let Some(text) = own.text("description", diags).filter(|text| text.len() > 255) {
        let message = "hcp_packer_registry.description should have a maximum length of 255 characters";
        diags.push(Diagnostic::error(message).at(&text.span));
    }
    let mut labels = [false; 3];
    for (i, name) in ["labels", "bucket_labels", "build_labels"].into_iter().enumerate() {
        let Some(attribute) = content.attributes.get(name) else { continue };
        let value = typed(attribute, &Type::map(Type::String), &scope, diags);
        labels[i] = value.is_some_and(|value| value.children().next().is_some());
    }
    if let ([true, other, _], Some(attribute)) = (labels, content.attributes.get("labels")) {
        let successor = "write hcp_packer_registry.bucket_labels";
        diags.push(
            match other {
                true => Diagnostic::error("hcp_packer_registry.labels and bucket_labels are mutually exclusive"),
                false => Diagnostic::warning("hcp_packer_registry.labels is deprecated"),
            }
            .at(&attribute.name.span)
            .help(successor),
        );
    }
    own.texts("channels", diags);
    for unknown in rest.names(&|_| true) {
        // Packer drops it without a word.
        let warning = Diagnostic::warning(format!("hcp_packer_registry has no argument {unknown:?}")).at(&block.span);
        diags.push(warning.suggest(&unknown, names));
    }
    let message = "hcp_packer_registry has no effect: nothing is published to HCP Packer";
    diags.push(Diagnostic::warning(message).at(&block.span));
}
