//! EC2 over the AWS SDK (being written).
