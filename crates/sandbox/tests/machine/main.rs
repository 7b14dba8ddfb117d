//! Real machines: they need root, and the first run makes the base images (minutes). Without root each test says that
//! it was left out.

#![expect(clippy::print_stderr, reason = "tests say why they are left out")]

mod boot;
mod image;
mod life;
mod support;
mod volumes;
