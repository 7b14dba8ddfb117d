//! Spot instances.

use crate::read::{Diags, LateTags, strings, text};
use imgbuild_template::{Kind, Opt, Reader};

/// Rows.
pub const SPOT: &[Opt] = &[
    Opt::new("fleet_tags", Kind::KeyValues { singular: "fleet_tag" }, "Tags of the fleet request.")
        .later()
        .refused("spot instances are launched without a fleet; use \"run_tags\""),
    Opt::new("spot_allocation_strategy", Kind::String, "How a fleet chooses among types.").refused(
        "spot instances are launched without a fleet: the types of \"spot_instance_types\" are tried in order",
    ),
    Opt::new("spot_instance_types", Kind::Strings, "Types to try, first choice first."),
    Opt::new("spot_price", Kind::String, "Highest price per hour; \"auto\" is the on-demand price."),
    Opt::new("spot_price_auto_product", Kind::String, "Needed by Packer long ago.")
        .deprecated("it is no longer needed and has no effect"),
    Opt::new("spot_tags", Kind::KeyValues { singular: "spot_tag" }, "Tags of the spot request.").later(),
];

/// Resolved. None: on demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// Highest price per hour in dollars; none: the on-demand price.
    pub max_price: Option<String>,
    /// Tags of the request, to be rendered.
    pub tags: LateTags,
}

/// Whether the template asks for spot instances, as Packer decides: a price that is neither empty nor "0", or a list of types.
pub fn is_spot(reader: &Reader) -> bool {
    price(reader).is_some() || !strings(reader, "spot_instance_types").is_empty()
}

fn price(reader: &Reader) -> Option<String> {
    text(reader, "spot_price").filter(|price| price != "0")
}

/// Reads and checks.
pub fn read(reader: &Reader, diags: &mut Diags) -> Option<Spot> {
    let (price, spot) = (price(reader), is_spot(reader));
    if price.is_none() && reader.has("spot_tags") {
        let message = "\"spot_tags\" should not be set when not requesting a spot instance";
        diags.error_help(&reader.place("spot_tags"), message, "set \"spot_price\", \"auto\" for instance");
    }
    if let Some(price) = &price
        && price != "auto"
        && price.parse::<f64>().is_err()
    {
        diags.error(&reader.place("spot_price"), format!("\"spot_price\" is neither \"auto\" nor a number: {price:?}"));
    }
    if spot {
        for option in ["ena_support", "sriov_support"] {
            if reader.is_true(option) {
                let message = format!("{option:?} can't be set on a spot instance: it would have to be stopped");
                diags.error_help(&reader.place(option), message, "start from an AMI that has it already");
            }
        }
    }
    spot.then(|| Spot { max_price: price.filter(|p| p != "auto"), tags: LateTags::read(reader, "spot_tags") })
}
