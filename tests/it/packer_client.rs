//! packer_client
