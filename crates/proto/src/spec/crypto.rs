//! Keys, certificate requests and certificates.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        file_common: true,
        required_if: &[("type", "ECC", &["curve"])],
        ..spec(
            "openssl_privatekey",
            "community.crypto.openssl_privatekey",
            &[
                Opt { default: Some("4096"), ..opt("size", Type::Int) },
                Opt {
                    default: Some("\"RSA\""),
                    choices: &["DSA", "ECC", "Ed25519", "Ed448", "RSA", "X25519", "X448"],
                    ..opt("type", Type::Str)
                },
                Opt {
                    choices: &[
                        "secp224r1",
                        "secp256k1",
                        "secp256r1",
                        "secp384r1",
                        "secp521r1",
                        "secp192r1",
                        "brainpoolP256r1",
                        "brainpoolP384r1",
                        "brainpoolP512r1",
                        "sect163k1",
                        "sect163r2",
                        "sect233k1",
                        "sect233r1",
                        "sect283k1",
                        "sect283r1",
                        "sect409k1",
                        "sect409r1",
                        "sect571k1",
                        "sect571r1",
                    ],
                    ..opt("curve", Type::Str)
                },
                Opt { no_log: true, ..opt("passphrase", Type::Str) },
                Opt { default: Some("\"auto\""), ..opt("cipher", Type::Str) },
                Opt {
                    default: Some("\"auto_ignore\""),
                    choices: &["pkcs1", "pkcs8", "raw", "auto", "auto_ignore"],
                    ..opt("format", Type::Str)
                },
                Opt {
                    default: Some("\"regenerate\""),
                    choices: &["regenerate", "convert"],
                    ..opt("format_mismatch", Type::Str)
                },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt {
                    default: Some("\"full_idempotence\""),
                    choices: &["never", "fail", "partial_idempotence", "full_idempotence", "always"],
                    ..opt("regenerate", Type::Str)
                },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { required: true, ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        ..spec(
            "openssh_keypair",
            "community.crypto.openssh_keypair",
            &[
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                opt("size", Type::Int),
                Opt {
                    default: Some("\"rsa\""),
                    choices: &["rsa", "dsa", "rsa1", "ecdsa", "ed25519"],
                    ..opt("type", Type::Str)
                },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { required: true, ..opt("path", Type::Path) },
                opt("comment", Type::Str),
                Opt {
                    default: Some("\"partial_idempotence\""),
                    choices: &["never", "fail", "partial_idempotence", "full_idempotence", "always"],
                    ..opt("regenerate", Type::Str)
                },
                Opt { no_log: true, ..opt("passphrase", Type::Str) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "pkcs1", "pkcs8", "ssh"],
                    ..opt("private_key_format", Type::Str)
                },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography", "opensshbin"],
                    ..opt("backend", Type::Str)
                },
            ],
        )
    },
];
