//! No option of Packer's `amazon-ebs` (plugin 1.8.2, with its communicator) is unknown here: each is read, or refused by name with
//! a reason.

use imgbuild_builders::tables;

/// Their names.
const PACKERS: &str = "
    access_key assume_role custom_endpoint_ec2 shared_credentials_file decode_authorization_messages
    insecure_skip_tls_verify max_retries mfa_code profile region secret_key skip_metadata_api_check
    skip_credential_validation token vault_aws_engine aws_polling ami_name ami_description ami_virtualization_type
    ami_users ami_groups ami_org_arns ami_ou_arns ami_product_codes ami_regions skip_region_validation
    snapshot_copy_duration_minutes tags tag ena_support sriov_support force_deregister force_delete_snapshot
    encrypt_boot kms_key_id region_kms_key_ids skip_save_build_region imds_support deprecate_at
    deregistration_protection snapshot_tags snapshot_tag snapshot_users snapshot_groups
    associate_public_ip_address availability_zone block_duration_minutes capacity_reservation_preference
    capacity_reservation_id capacity_reservation_group_arn disable_stop_instance ebs_optimized
    enable_nitro_enclave enable_t2_unlimited enable_unlimited_credits iam_instance_profile fleet_tags fleet_tag
    skip_profile_validation temporary_iam_instance_profile_policy_document shutdown_behavior instance_type
    security_group_filter run_tags run_tag security_group_id security_group_ids source_ami source_ami_filter
    spot_allocation_strategy spot_instance_types spot_price spot_price_auto_product spot_tags spot_tag
    subnet_filter subnet_id license_specifications placement tenancy temporary_security_group_source_cidrs
    temporary_security_group_source_public_ip user_data user_data_file vpc_filter vpc_id windows_password_timeout
    metadata_options ssh_interface pause_before_ssm session_manager_port skip_create_ami skip_ami_run_tags
    ami_block_device_mappings launch_block_device_mappings run_volume_tags run_volume_tag no_ephemeral fast_launch
    communicator pause_before_connecting ssh_host ssh_port ssh_username ssh_password ssh_keypair_name
    temporary_key_pair_name ssh_ciphers ssh_clear_authorized_keys ssh_key_exchange_algorithms ssh_private_key_file
    ssh_certificate_file ssh_pty ssh_timeout ssh_wait_timeout ssh_agent_auth ssh_disable_agent_forwarding
    ssh_handshake_attempts ssh_bastion_host ssh_bastion_port ssh_bastion_agent_auth ssh_bastion_username
    ssh_bastion_password ssh_bastion_interactive ssh_bastion_private_key_file ssh_bastion_certificate_file
    ssh_file_transfer_method ssh_proxy_host ssh_proxy_port ssh_proxy_username ssh_proxy_password
    ssh_keep_alive_interval ssh_read_write_timeout ssh_remote_tunnels ssh_local_tunnels ssh_public_key
    ssh_private_key temporary_key_pair_type temporary_key_pair_bits winrm_username winrm_password winrm_host
    winrm_no_proxy winrm_port winrm_timeout winrm_use_ssl winrm_insecure winrm_use_ntlm
";

#[test]
fn every_option_of_packers_is_known() {
    let table = tables().into_iter().find(|t| t.name == "amazon-ebs").unwrap();
    let ours: Vec<&str> = table.names().collect();
    let silent: Vec<&str> = PACKERS.split_whitespace().filter(|name| !ours.contains(name)).collect();
    assert_eq!(silent, Vec::<&str>::new());
    for row in table.rows() {
        assert!(!row.doc.is_empty(), "{}", row.name);
        assert!(!row.refused.is_some_and(|why| why.contains("not supported yet")), "{}", row.name);
    }
}
