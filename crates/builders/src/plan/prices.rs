//! What a run costs, by a price list that the user gives. There is no built-in guess: prices differ and change.

use super::Usage;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A price list, JSON:
/// `{"currency": "USD", "instance_hour": {"us-east-1/t3.micro": 0.0104}, "volume_gib_month": {"gp2": 0.10},
/// "snapshot_gib_month": 0.05}`. Keys may leave out the region.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// For people.
    #[serde(default)]
    pub currency: String,
    /// Per hour, by `region/type` or `type`.
    #[serde(default)]
    pub instance_hour: BTreeMap<String, f64>,
    /// Per GiB and month, by `region/type` or `type`.
    #[serde(default)]
    pub volume_gib_month: BTreeMap<String, f64>,
    /// Per GiB and month.
    #[serde(default)]
    pub snapshot_gib_month: Option<f64>,
}

/// Hours of a month, as AWS counts.
const MONTH: f64 = 730.0;

/// What a build costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// An hour of building; none: a price is missing.
    pub per_hour: Option<f64>,
    /// The images' snapshots of the template's own volumes, a month; none: the price is missing.
    pub snapshots_per_month: Option<f64>,
    /// What the list has no price for.
    pub unknown: Vec<String>,
}

impl Prices {
    fn of(list: &BTreeMap<String, f64>, region: &str, name: &str) -> Option<f64> {
        list.get(&format!("{region}/{name}")).or_else(|| list.get(name)).copied()
    }

    /// What this usage costs.
    pub fn cost(&self, usage: &Usage) -> Cost {
        let mut unknown = Vec::new();
        let mut known = |price: Option<f64>, what: String| {
            if price.is_none() {
                unknown.push(what);
            }
            price
        };
        let hour = Self::of(&self.instance_hour, &usage.region, &usage.instance_type);
        let mut per_hour = known(hour, format!("instance type {} in {}", usage.instance_type, usage.region));
        for (kind, gib) in &usage.volumes {
            let price = known(Self::of(&self.volume_gib_month, &usage.region, kind), format!("volume type {kind}"));
            per_hour = per_hour.zip(price).map(|(sum, price)| sum + price * f64::from(*gib) / MONTH);
        }
        let gib: u32 = usage.volumes.iter().map(|(_, gib)| gib).sum();
        let images = usage.image_regions.len() as f64;
        let snapshots = known(self.snapshot_gib_month, "snapshots".into()).map(|p| p * f64::from(gib) * images);
        unknown.dedup();
        Cost { per_hour, snapshots_per_month: snapshots, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_what_it_knows_and_names_the_rest() {
        let usage = Usage {
            region: "us-east-1".into(),
            instance_type: "t3.micro".into(),
            volumes: vec![("gp2".into(), 73)],
            image_regions: vec!["us-east-1".into(), "us-west-2".into()],
        };
        let prices: Prices = serde_json::from_str(
            r#"{"instance_hour": {"us-east-1/t3.micro": 0.5, "t3.micro": 9}, "volume_gib_month": {"gp2": 0.1}, "snapshot_gib_month": 0.05}"#,
        )
        .unwrap();
        let cost = prices.cost(&usage);
        assert!((cost.per_hour.unwrap() - 0.51).abs() < 1e-9);
        assert!((cost.snapshots_per_month.unwrap() - 7.3).abs() < 1e-9);
        assert_eq!(cost.unknown, Vec::<String>::new());
        let cost = Prices::default().cost(&usage);
        assert_eq!((cost.per_hour, cost.unknown.len()), (None, 3));
    }
}
