//! CreateFleet of type `instant`: one launch from a launch template, with the first override that can be had.
//! Fleets that keep a capacity are not offered.

use super::instance_launch::launch;
use super::instance_run::{LaunchRequest, find_template, merge};
use super::tag_spec::TagSpec;
use super::tokens::ClientToken;
use super::{Action, Context, Entry};
use crate::faults::FaultKind;
use crate::state::{Kind, Region, State, new_hex};
use crate::wire::{ApiError, Params, Result, Xml, glob};

pub(super) const ACTIONS: &[Entry] = &[("CreateFleet", Action::Write(create))];

/// Allocation strategies of spot fleets.
const SPOT_STRATEGIES: &[&str] = &[
    "lowest-price",
    "diversified",
    "capacity-optimized",
    "capacity-optimized-prioritized",
    "price-capacity-optimized",
];

fn lifecycle(spot: bool) -> &'static str {
    if spot { "spot" } else { "on-demand" }
}

/// The error of a type that a fault says there is no capacity for.
fn no_capacity(c: &Context<'_>, choice: &Choice) -> Option<ApiError> {
    let Some(kind @ FaultKind::NoCapacity { instance_types }) = &c.call.fault else { return None };
    let wanted = choice.request.instance_type.as_deref().unwrap_or_default();
    instance_types.iter().any(|pattern| glob(pattern, wanted)).then(|| kind.error()).flatten()
}

/// One way to launch.
struct Choice {
    template_id: String,
    version: u64,
    request: LaunchRequest,
    priority: Option<u32>,
}

fn create(c: &Context<'_>, state: &mut State) -> Result<Xml> {
    if c.p.need("Type")? != "instant" {
        return Err(ApiError::unsupported("this sandbox makes fleets of Type=instant only"));
    }
    let capacity = c.p.child("TargetCapacitySpecification");
    let total =
        capacity.number::<u32>("TotalTargetCapacity")?.ok_or_else(|| ApiError::missing("TotalTargetCapacity"))?;
    let spot = capacity.word("DefaultTargetCapacityType", &["on-demand", "spot"])?.as_deref() == Some("spot");
    for (name, all) in [("OnDemandTargetCapacity", !spot), ("SpotTargetCapacity", spot)] {
        let expected = if all { total } else { 0 };
        if let Some(n) = capacity.number::<u32>(name)?.filter(|n| *n != expected) {
            return Err(ApiError::value(name, n, "A fleet here is all spot or all on demand."));
        }
    }
    let strategy = c.p.child("OnDemandOptions").word("AllocationStrategy", &["lowest-price", "prioritized"])?;
    // Which type is cheapest or has most capacity is not known here: the first that can be had is taken.
    let by_priority = c.p.child("SpotOptions").word("AllocationStrategy", SPOT_STRATEGIES)?;
    let tags = TagSpec::parse(&c.p, &[Kind::Instance, Kind::Volume, Kind::Fleet])?;
    let token = ClientToken::parse(&c.p, "CreateFleet")?;
    let region = c.region_mut(state)?;
    let mut choices = Vec::new();
    for config in c.p.items("LaunchTemplateConfigs") {
        choices.extend(configured(&config, region)?);
    }
    c.p.finish()?;
    if choices.is_empty() {
        return Err(ApiError::missing("LaunchTemplateConfigs"));
    }
    if strategy.as_deref() == Some("prioritized") || by_priority.as_deref() == Some("capacity-optimized-prioritized") {
        choices.sort_by_key(|choice| choice.priority.unwrap_or(u32::MAX));
    }
    let fleet_id = format!("fleet-{}", new_hex(32));
    let (made, chosen) = match token.made(region)? {
        Some(id) => (id, None),
        None => {
            // A bad choice counts only when there is no good one, and leaves nothing behind.
            let mut errors = Vec::new();
            let mut done = None;
            for choice in choices {
                if let Some(e) = no_capacity(c, &choice) {
                    errors.push((choice, e));
                    continue;
                }
                let mut attempt = region.clone();
                match launch(&mut attempt, &choice.request, total, c.now(), None) {
                    Ok(id) => {
                        *region = attempt;
                        done = Some((id, choice));
                        break;
                    }
                    Err(e) => errors.push((choice, e)),
                }
            }
            let Some((id, choice)) = done else { return Ok(failed(&fleet_id, spot, errors)) };
            token.remember(region, &id, c.now());
            (id, Some(choice))
        }
    };
    let ids: Vec<String> =
        region.instances.values().filter(|i| i.reservation_id == made).map(|i| i.id.clone()).collect();
    for id in &ids {
        if let Some(instance) = region.instances.get_mut(id).filter(|_| spot) {
            instance.lifecycle = Some("spot".into());
        }
        for (key, value) in tags.of(Kind::Instance).into_iter().flatten() {
            region.tags.entry(id.clone()).or_default().insert(key.clone(), value.clone());
        }
    }
    let kind = ids.first().and_then(|id| region.instances.get(id)).map(|i| i.instance_type.clone()).unwrap_or_default();
    let mut x = Xml::new();
    x.text("fleetId", fleet_id);
    x.node("errorSet", |_| {});
    x.set("fleetInstanceSet", [()], |x, ()| {
        if let Some(choice) = &chosen {
            template_and_overrides(x, choice, &kind);
        }
        x.text("lifecycle", lifecycle(spot));
        x.set("instanceIds", &ids, |x, id| x.raw(id));
        x.text("instanceType", &kind);
    });
    Ok(x)
}

fn configured(config: &Params, region: &Region) -> Result<Vec<Choice>> {
    let spec = config.child("LaunchTemplateSpecification");
    let Some((template, version)) = find_template(&spec, region)? else {
        return Err(ApiError::missing("LaunchTemplateSpecification"));
    };
    let mut choices = Vec::new();
    let overrides = config.items("Overrides");
    let alone = overrides.is_empty();
    for o in overrides.into_iter().map(Some).chain(alone.then_some(None)) {
        let mut params = std::collections::BTreeMap::new();
        let mut priority = None;
        if let Some(o) = &o {
            for name in ["InstanceType", "SubnetId", "ImageId"] {
                params.extend(o.text(name).map(|v| (name.to_owned(), v)));
            }
            // Prices are not known here: whatever is offered is enough.
            let _price = o.text("MaxPrice");
            params.extend(o.text("AvailabilityZone").map(|v| ("Placement.AvailabilityZone".to_owned(), v)));
            priority = o.text("Priority").and_then(|p| p.parse::<f64>().ok()).map(|p| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small whole numbers in practice; it only orders"
                )]
                let whole = (p.max(0.0) * 1000.0) as u32;
                whole
            });
        }
        let p = Params::new(merge(version.data.clone(), &params));
        let request = LaunchRequest::parse(&p)?;
        choices.push(Choice { template_id: template.id.clone(), version: version.number, request, priority });
    }
    Ok(choices)
}

fn template_and_overrides(x: &mut Xml, choice: &Choice, kind: &str) {
    x.node("launchTemplateAndOverrides", |x| {
        x.node("launchTemplateSpecification", |x| {
            x.text("launchTemplateId", &choice.template_id);
            x.text("version", choice.version);
        });
        x.node("overrides", |x| {
            x.text("instanceType", kind);
            x.opt("subnetId", choice.request.subnet_id.as_ref());
        });
    });
}

fn failed(fleet_id: &str, spot: bool, errors: Vec<(Choice, ApiError)>) -> Xml {
    let mut x = Xml::new();
    x.text("fleetId", fleet_id);
    x.set("errorSet", errors, |x, (choice, error)| {
        let kind = choice.request.instance_type.clone().unwrap_or_default();
        template_and_overrides(x, &choice, &kind);
        x.text("lifecycle", lifecycle(spot));
        x.text("errorCode", error.code);
        x.text("errorMessage", error.message);
    });
    x.node("fleetInstanceSet", |_| {});
    x
}
