//! Describe operations, each followed to its last page.

use crate::convert;
use crate::error;
use aws_sdk_ec2::Client as Sdk;
use imgbuild_builders::amazon::ec2::Ec2Result;
use imgbuild_builders::amazon::ids::{InstanceId, Region, VpcId};
use imgbuild_builders::amazon::types::*;

pub async fn regions(sdk: &Sdk) -> Ec2Result<Vec<Region>> {
    let out = sdk.describe_regions().send().await.map_err(|e| error::ec2("DescribeRegions", e))?;
    Ok(out.regions().iter().filter_map(|r| r.region_name()).map(Region::new).collect())
}

pub async fn images(sdk: &Sdk, query: ImageQuery) -> Ec2Result<Vec<Image>> {
    let list = |items: Vec<String>| (!items.is_empty()).then_some(items);
    let mut call = sdk
        .describe_images()
        .set_image_ids(list(query.ids.iter().map(ToString::to_string).collect()))
        .set_owners(list(query.owners))
        .set_filters(convert::filters(query.filters));
    if query.include_deprecated {
        call = call.include_deprecated(true);
    }
    let mut images = Vec::new();
    // No MaxResults: EC2 then answers with all in one page, and follows with a token only where it must.
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeImages", e))?;
        images.extend(page.images().iter().map(convert::image));
    }
    Ok(images)
}

pub async fn instances(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<Instance>> {
    let mut all = Vec::new();
    let mut pages = sdk.describe_instances().set_filters(convert::filters(filters)).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeInstances", e))?;
        all.extend(page.reservations().iter().flat_map(|r| r.instances()).map(convert::instance));
    }
    Ok(all)
}

pub async fn snapshots(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<Snapshot>> {
    let mut all = Vec::new();
    let call = sdk.describe_snapshots().owner_ids("self").set_filters(convert::filters(filters));
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeSnapshots", e))?;
        all.extend(page.snapshots().iter().map(convert::snapshot));
    }
    Ok(all)
}

pub async fn volumes(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<Volume>> {
    let mut all = Vec::new();
    let mut pages = sdk.describe_volumes().set_filters(convert::filters(filters)).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeVolumes", e))?;
        all.extend(page.volumes().iter().map(convert::volume));
    }
    Ok(all)
}

pub async fn vpcs(sdk: &Sdk, ids: Vec<VpcId>, filters: Vec<Filter>) -> Ec2Result<Vec<Vpc>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let call = sdk.describe_vpcs().set_vpc_ids((!ids.is_empty()).then_some(ids)).set_filters(convert::filters(filters));
    let mut all = Vec::new();
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        all.extend(page.map_err(|e| error::ec2("DescribeVpcs", e))?.vpcs().iter().map(convert::vpc));
    }
    Ok(all)
}

pub async fn subnets(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<Subnet>> {
    let mut all = Vec::new();
    let mut pages = sdk.describe_subnets().set_filters(convert::filters(filters)).into_paginator().send();
    while let Some(page) = pages.next().await {
        all.extend(page.map_err(|e| error::ec2("DescribeSubnets", e))?.subnets().iter().map(convert::subnet));
    }
    Ok(all)
}

pub async fn security_groups(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<SecurityGroup>> {
    let mut all = Vec::new();
    let mut pages = sdk.describe_security_groups().set_filters(convert::filters(filters)).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeSecurityGroups", e))?;
        all.extend(page.security_groups().iter().map(convert::security_group));
    }
    Ok(all)
}

pub async fn key_pairs(sdk: &Sdk, filters: Vec<Filter>) -> Ec2Result<Vec<KeyPair>> {
    let out = sdk.describe_key_pairs().set_filters(convert::filters(filters)).send().await;
    let out = out.map_err(|e| error::ec2("DescribeKeyPairs", e))?;
    Ok(out.key_pairs().iter().map(convert::key_pair).collect())
}

pub async fn zones_offering(sdk: &Sdk, instance_type: &str) -> Ec2Result<Vec<String>> {
    let call = sdk
        .describe_instance_type_offerings()
        .location_type(aws_sdk_ec2::types::LocationType::AvailabilityZone)
        .set_filters(convert::filters(vec![Filter::new("instance-type", instance_type)]));
    let mut all = Vec::new();
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| error::ec2("DescribeInstanceTypeOfferings", e))?;
        all.extend(page.instance_type_offerings().iter().filter_map(|o| o.location()).map(str::to_owned));
    }
    Ok(all)
}

/// The newest output where the type has a serial console that gives it (Nitro), else what was kept.
pub async fn console_output(sdk: &Sdk, instance: &InstanceId) -> Ec2Result<Option<String>> {
    let call = |latest: bool| sdk.get_console_output().instance_id(instance.as_str()).latest(latest).send();
    let out = match call(true).await.map_err(|e| error::ec2("GetConsoleOutput", e)) {
        Err(e) if e.code == "UnsupportedOperation" || e.code == "InvalidParameterCombination" => {
            call(false).await.map_err(|e| error::ec2("GetConsoleOutput", e))?
        }
        other => other?,
    };
    let Some(encoded) = out.output().filter(|o| !o.is_empty()) else { return Ok(None) };
    let clean: String = encoded.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = aws_smithy_types::base64::decode(clean).unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
