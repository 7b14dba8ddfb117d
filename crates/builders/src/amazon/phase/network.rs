//! Where the instance goes: VPC, subnet, zone.

use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{SubnetId, VpcId};
use crate::amazon::options::run::{Choice, Pick};
use crate::amazon::types::{Filter, Subnet};

/// The place; what is none is left to EC2.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// VPC.
    pub vpc: Option<VpcId>,
    /// Subnet.
    pub subnet: Option<SubnetId>,
    /// Zone.
    pub zone: Option<String>,
}

/// Finds it. Makes no call where the template leaves all to EC2.
pub async fn run(env: &Env<'_>) -> Result<Network, Failure> {
    let run = &env.config.run;
    let mut network = Network { zone: run.availability_zone.clone(), ..Network::default() };
    network.vpc = match &run.vpc {
        Choice::Id(id) => Some(id.clone()),
        Choice::Filter(filters) => Some(find_vpc(env, filters).await?),
        Choice::Unset => None,
    };
    match &run.subnet {
        Choice::Id(id) => network.subnet = Some(id.clone()),
        Choice::Filter(filters) => {
            let found = find_subnet(env, filters, &network).await?;
            has_room(&found)?;
            env.ui().say(format!("Found Subnet ID: {}", found.id));
            take(&mut network, found);
        }
        Choice::Unset => {
            if run.public_ip.is_some()
                && let Err(failure) = infer(env, &mut network).await
            {
                if failure.cancelled {
                    return Err(failure);
                }
                env.ui().say(format!(
                    "associate_public_ip_address is set without a subnet, and none could be chosen: {}",
                    failure.message
                ));
                env.ui().say("associate_public_ip_address is ignored: the subnet that EC2 chooses decides");
            }
        }
    }
    if let Some(subnet) = &network.subnet
        && (network.vpc.is_none() || network.zone.is_none())
    {
        let filters = vec![Filter::new("subnet-id", subnet.as_str())];
        let found = env.read("looking up the subnet", env.ec2.subnets(filters)).await?;
        let Some(found) = found.into_iter().next() else {
            return Err(Failure::new(format!("subnet {subnet} was not found in {}", env.region))
                .at(run.places.of(&["subnet_id"])));
        };
        has_room(&found)?;
        take(&mut network, found);
    }
    Ok(network)
}

/// EC2 would say so only at the launch, after a key pair and a group were made.
fn has_room(subnet: &Subnet) -> Result<(), Failure> {
    if subnet.free_addresses > 0 {
        return Ok(());
    }
    Err(Failure::new(format!("subnet {} has no free address", subnet.id))
        .help("free one, or set another \"subnet_id\", or \"most_free\" in \"subnet_filter\""))
}

fn take(network: &mut Network, subnet: Subnet) {
    network.vpc.get_or_insert(subnet.vpc);
    network.zone.get_or_insert(subnet.availability_zone);
    network.subnet = Some(subnet.id);
}

async fn find_vpc(env: &Env<'_>, filters: &[Filter]) -> Result<VpcId, Failure> {
    let mut filters = filters.to_vec();
    filters.push(Filter::new("state", "available"));
    let found = env.read("looking for the VPC", env.ec2.vpcs(Vec::new(), filters)).await?;
    match found.as_slice() {
        [vpc] => {
            env.ui().say(format!("Found VPC ID: {}", vpc.id));
            Ok(vpc.id.clone())
        }
        others => {
            let count = others.len();
            Err(Failure::new(format!("exactly one VPC in {} should match \"vpc_filter\", but {count} do", env.region))
                .at(env.config.run.places.of(&["vpc_filter"])))
        }
    }
}

async fn find_subnet(env: &Env<'_>, filters: &[Filter], network: &Network) -> Result<Subnet, Failure> {
    let mut filters = filters.to_vec();
    filters.push(Filter::new("state", "available"));
    filters.extend(network.vpc.iter().map(|vpc| Filter::new("vpc-id", vpc.as_str())));
    filters.extend(network.zone.iter().map(|zone| Filter::new("availability-zone", zone.as_str())));
    let mut found = env.read("looking for the subnet", env.ec2.subnets(filters)).await?;
    let count = found.len();
    let place = env.config.run.places.of(&["subnet_filter"]);
    let chosen = match env.config.run.subnet_pick {
        _ if count <= 1 => found.pop(),
        Pick::MostFree => most_free(found),
        Pick::Random => Some(found.swap_remove(rand::random_range(0..count))),
        Pick::Only => {
            return Err(Failure::new(format!("{count} subnets match \"subnet_filter\""))
                .at(place)
                .help("filter more closely, or set \"most_free\" or \"random\" to true"));
        }
    };
    chosen.ok_or_else(|| Failure::new(format!("no subnet in {} matches \"subnet_filter\"", env.region)).at(place))
}

fn most_free(subnets: Vec<Subnet>) -> Option<Subnet> {
    subnets.into_iter().max_by_key(|subnet| subnet.free_addresses)
}

/// `associate_public_ip_address` needs a subnet: the emptiest one of the (default) VPC in a zone that offers the type.
async fn infer(env: &Env<'_>, network: &mut Network) -> Result<(), Failure> {
    let vpc = match &network.vpc {
        Some(vpc) => vpc.clone(),
        None => {
            let filters = vec![Filter::new("is-default", "true")];
            let found = env.read("looking for the default VPC", env.ec2.vpcs(Vec::new(), filters)).await?;
            let Some(vpc) = found.into_iter().next() else { return Err(Failure::new("there is no default VPC")) };
            vpc.id
        }
    };
    let mut filters = vec![Filter::new("vpc-id", vpc.as_str()), Filter::new("state", "available")];
    filters.extend(network.zone.iter().map(|zone| Filter::new("availability-zone", zone.as_str())));
    let mut subnets = env.read("looking for a subnet", env.ec2.subnets(filters)).await?;
    if let Some(instance_type) = env.config.run.instance_types.first() {
        let offered = env.read("looking where the type is offered", env.ec2.zones_offering(instance_type)).await;
        match offered {
            Ok(zones) => subnets.retain(|subnet| zones.contains(&subnet.availability_zone)),
            Err(failure) if failure.cancelled => return Err(failure),
            Err(failure) => env.ui().say(format!("The zone may not offer {instance_type}: {}", failure.message)),
        }
    }
    let Some(subnet) = most_free(subnets) else {
        return Err(Failure::new(format!("{vpc} has no subnet in a zone that offers the instance type")));
    };
    env.ui().say(format!("Inferred subnet {} of {vpc}", subnet.id));
    network.vpc = Some(vpc);
    take(network, subnet);
    Ok(())
}
