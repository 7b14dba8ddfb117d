//! Spot instances.

use crate::read::{Diags, LateTags, strings, text};
use imgbuild_template::{Kind, Opt, Reader};

/// Rows.
pub const SPOT: &[Opt] = &[
    Opt::new("fleet_tags", Kind::KeyValues { singular: "fleet_tag" }, "Tags of the fleet request.")
        .later(),
    Opt::new(
        "spot_allocation_strategy",
        Kind::String,
        "How the fleet chooses among types: lowest-price, diversified, capacity-optimized, capacity-optimized-prioritized, \
         price-capacity-optimized.",
    )
    .default("lowest-price"),
    Opt::new("spot_instance_types", Kind::Strings, "Types for the fleet to choose from."),
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
    /// How the fleet chooses among types; none: EC2's default.
    pub allocation: Option<String>,
    /// Tags of the request, to be rendered.
    pub tags: LateTags,
    /// Tags of the fleet, to be rendered.
    pub fleet_tags: LateTags,
}

/// `SpotAllocationStrategy` of the API.
const STRATEGIES: [&str; 5] =
    ["lowest-price", "diversified", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized"];

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
    for option in ["spot_tags", "fleet_tags"] {
        if price.is_none() && reader.has(option) {
            let message = format!("{option:?} should not be set when not requesting a spot instance");
            diags.error_help(&reader.place(option), message, "set \"spot_price\", \"auto\" for instance");
        }
    }
    let allocation = text(reader, "spot_allocation_strategy");
    if let Some(word) = allocation.as_ref().filter(|word| !STRATEGIES.contains(&word.as_str())) {
        let message = format!("unknown \"spot_allocation_strategy\" {word:?}: it is {}", STRATEGIES.join(", "));
        diags.error(&reader.place("spot_allocation_strategy"), message);
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
    spot.then(|| Spot {
        max_price: price.filter(|p| p != "auto"),
        allocation,
        tags: LateTags::read(reader, "spot_tags"),
        fleet_tags: LateTags::read(reader, "fleet_tags"),
    })
}
