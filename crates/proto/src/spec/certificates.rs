//! Requests, certificates and parameters by openssl.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        file_common: true,
        mutually_exclusive: &[&["privatekey_path", "privatekey_content"], &["subject", "subject_ordered"]],
        required_together: &[&["authority_cert_issuer", "authority_cert_serial_number"]],
        required_if_any: &[("state", "present", &["privatekey_path", "privatekey_content"])],
        ..spec(
            "openssl_csr",
            "community.crypto.openssl_csr",
            &[
                Opt { elements: Some(Type::Str), unsupported: true, ..opt("authority_cert_issuer", Type::List) },
                Opt { unsupported: true, ..opt("authority_cert_serial_number", Type::Int) },
                opt("authority_key_identifier", Type::Str),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt {
                    aliases: &["basicConstraints"],
                    elements: Some(Type::Str),
                    ..opt("basic_constraints", Type::List)
                },
                Opt {
                    aliases: &["basicConstraints_critical"],
                    default: Some("false"),
                    ..opt("basic_constraints_critical", Type::Bool)
                },
                Opt { aliases: &["CN", "commonName"], ..opt("common_name", Type::Str) },
                Opt { aliases: &["C", "countryName"], ..opt("country_name", Type::Str) },
                Opt { default: Some("false"), ..opt("create_subject_key_identifier", Type::Bool) },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { elements: Some(Type::Str), ..opt("crl_issuer", Type::List) },
                        Opt { elements: Some(Type::Str), ..opt("full_name", Type::List) },
                        Opt {
                            elements: Some(Type::Str),
                            choices: &[
                                "key_compromise",
                                "ca_compromise",
                                "affiliation_changed",
                                "superseded",
                                "cessation_of_operation",
                                "certificate_hold",
                                "privilege_withdrawn",
                                "aa_compromise",
                            ],
                            ..opt("reasons", Type::List)
                        },
                        Opt { elements: Some(Type::Str), ..opt("relative_name", Type::List) },
                    ],
                    unsupported: true,
                    ..opt("crl_distribution_points", Type::List)
                },
                Opt { default: Some("\"sha256\""), ..opt("digest", Type::Str) },
                Opt { aliases: &["E", "emailAddress"], ..opt("email_address", Type::Str) },
                Opt {
                    aliases: &["extKeyUsage", "extendedKeyUsage"],
                    elements: Some(Type::Str),
                    ..opt("extended_key_usage", Type::List)
                },
                Opt {
                    aliases: &["extKeyUsage_critical", "extendedKeyUsage_critical"],
                    default: Some("false"),
                    ..opt("extended_key_usage_critical", Type::Bool)
                },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { aliases: &["keyUsage"], elements: Some(Type::Str), ..opt("key_usage", Type::List) },
                Opt {
                    aliases: &["keyUsage_critical"],
                    default: Some("false"),
                    ..opt("key_usage_critical", Type::Bool)
                },
                Opt { aliases: &["L", "localityName"], ..opt("locality_name", Type::Str) },
                Opt { default: Some("false"), ..opt("name_constraints_critical", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("name_constraints_excluded", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("name_constraints_permitted", Type::List) },
                Opt { aliases: &["ocspMustStaple"], default: Some("false"), ..opt("ocsp_must_staple", Type::Bool) },
                Opt {
                    aliases: &["ocspMustStaple_critical"],
                    default: Some("false"),
                    ..opt("ocsp_must_staple_critical", Type::Bool)
                },
                Opt { aliases: &["O", "organizationName"], ..opt("organization_name", Type::Str) },
                Opt { aliases: &["OU", "organizationalUnitName"], ..opt("organizational_unit_name", Type::Str) },
                Opt { required: true, ..opt("path", Type::Path) },
                Opt { no_log: true, ..opt("privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("privatekey_passphrase", Type::Str) },
                opt("privatekey_path", Type::Path),
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { aliases: &["ST", "stateOrProvinceName"], ..opt("state_or_province_name", Type::Str) },
                opt("subject", Type::Dict),
                Opt { aliases: &["subjectAltName"], elements: Some(Type::Str), ..opt("subject_alt_name", Type::List) },
                Opt {
                    aliases: &["subjectAltName_critical"],
                    default: Some("false"),
                    ..opt("subject_alt_name_critical", Type::Bool)
                },
                opt("subject_key_identifier", Type::Str),
                Opt { elements: Some(Type::Dict), ..opt("subject_ordered", Type::List) },
                Opt {
                    aliases: &["useCommonNameForSAN"],
                    default: Some("true"),
                    ..opt("use_common_name_for_san", Type::Bool)
                },
                Opt { default: Some("1"), choices: &["1"], ..opt("version", Type::Int) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["privatekey_path", "privatekey_content"], &["subject", "subject_ordered"]],
        required_one_of: &[&["privatekey_path", "privatekey_content"]],
        required_together: &[&["authority_cert_issuer", "authority_cert_serial_number"]],
        ..spec(
            "openssl_csr_pipe",
            "community.crypto.openssl_csr_pipe",
            &[
                Opt { elements: Some(Type::Str), unsupported: true, ..opt("authority_cert_issuer", Type::List) },
                Opt { unsupported: true, ..opt("authority_cert_serial_number", Type::Int) },
                opt("authority_key_identifier", Type::Str),
                Opt {
                    aliases: &["basicConstraints"],
                    elements: Some(Type::Str),
                    ..opt("basic_constraints", Type::List)
                },
                Opt {
                    aliases: &["basicConstraints_critical"],
                    default: Some("false"),
                    ..opt("basic_constraints_critical", Type::Bool)
                },
                Opt { aliases: &["CN", "commonName"], ..opt("common_name", Type::Str) },
                opt("content", Type::Str),
                Opt { aliases: &["C", "countryName"], ..opt("country_name", Type::Str) },
                Opt { default: Some("false"), ..opt("create_subject_key_identifier", Type::Bool) },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { elements: Some(Type::Str), ..opt("crl_issuer", Type::List) },
                        Opt { elements: Some(Type::Str), ..opt("full_name", Type::List) },
                        Opt {
                            elements: Some(Type::Str),
                            choices: &[
                                "key_compromise",
                                "ca_compromise",
                                "affiliation_changed",
                                "superseded",
                                "cessation_of_operation",
                                "certificate_hold",
                                "privilege_withdrawn",
                                "aa_compromise",
                            ],
                            ..opt("reasons", Type::List)
                        },
                        Opt { elements: Some(Type::Str), ..opt("relative_name", Type::List) },
                    ],
                    unsupported: true,
                    ..opt("crl_distribution_points", Type::List)
                },
                Opt { default: Some("\"sha256\""), ..opt("digest", Type::Str) },
                Opt { aliases: &["E", "emailAddress"], ..opt("email_address", Type::Str) },
                Opt {
                    aliases: &["extKeyUsage", "extendedKeyUsage"],
                    elements: Some(Type::Str),
                    ..opt("extended_key_usage", Type::List)
                },
                Opt {
                    aliases: &["extKeyUsage_critical", "extendedKeyUsage_critical"],
                    default: Some("false"),
                    ..opt("extended_key_usage_critical", Type::Bool)
                },
                Opt { aliases: &["keyUsage"], elements: Some(Type::Str), ..opt("key_usage", Type::List) },
                Opt {
                    aliases: &["keyUsage_critical"],
                    default: Some("false"),
                    ..opt("key_usage_critical", Type::Bool)
                },
                Opt { aliases: &["L", "localityName"], ..opt("locality_name", Type::Str) },
                Opt { default: Some("false"), ..opt("name_constraints_critical", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("name_constraints_excluded", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("name_constraints_permitted", Type::List) },
                Opt { aliases: &["ocspMustStaple"], default: Some("false"), ..opt("ocsp_must_staple", Type::Bool) },
                Opt {
                    aliases: &["ocspMustStaple_critical"],
                    default: Some("false"),
                    ..opt("ocsp_must_staple_critical", Type::Bool)
                },
                Opt { aliases: &["O", "organizationName"], ..opt("organization_name", Type::Str) },
                Opt { aliases: &["OU", "organizationalUnitName"], ..opt("organizational_unit_name", Type::Str) },
                Opt { no_log: true, ..opt("privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("privatekey_passphrase", Type::Str) },
                opt("privatekey_path", Type::Path),
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt { aliases: &["ST", "stateOrProvinceName"], ..opt("state_or_province_name", Type::Str) },
                opt("subject", Type::Dict),
                Opt { aliases: &["subjectAltName"], elements: Some(Type::Str), ..opt("subject_alt_name", Type::List) },
                Opt {
                    aliases: &["subjectAltName_critical"],
                    default: Some("false"),
                    ..opt("subject_alt_name_critical", Type::Bool)
                },
                opt("subject_key_identifier", Type::Str),
                Opt { elements: Some(Type::Dict), ..opt("subject_ordered", Type::List) },
                Opt {
                    aliases: &["useCommonNameForSAN"],
                    default: Some("true"),
                    ..opt("use_common_name_for_san", Type::Bool)
                },
                Opt { default: Some("1"), choices: &["1"], ..opt("version", Type::Int) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[
            &["csr_path", "csr_content"],
            &["privatekey_path", "privatekey_content"],
            &["ownca_path", "ownca_content"],
            &["ownca_privatekey_path", "ownca_privatekey_content"],
        ],
        required_if: &[("state", "present", &["provider"])],
        aliases: &["openssl_certificate"],
        ..spec(
            "x509_certificate",
            "community.crypto.x509_certificate",
            &[
                Opt { unsupported: true, ..opt("acme_accountkey_path", Type::Path) },
                Opt { default: Some("false"), unsupported: true, ..opt("acme_chain", Type::Bool) },
                Opt { unsupported: true, ..opt("acme_challenge_path", Type::Path) },
                Opt {
                    default: Some("\"https://acme-v02.api.letsencrypt.org/directory\""),
                    unsupported: true,
                    ..opt("acme_directory", Type::Str)
                },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                opt("csr_content", Type::Str),
                opt("csr_path", Type::Path),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("true"), ..opt("ignore_timestamps", Type::Bool) },
                opt("ownca_content", Type::Str),
                Opt { default: Some("true"), ..opt("ownca_create_authority_key_identifier", Type::Bool) },
                Opt {
                    default: Some("\"create_if_not_provided\""),
                    choices: &["create_if_not_provided", "always_create", "never_create"],
                    ..opt("ownca_create_subject_key_identifier", Type::Str)
                },
                Opt { default: Some("\"sha256\""), ..opt("ownca_digest", Type::Str) },
                Opt { default: Some("\"+3650d\""), ..opt("ownca_not_after", Type::Str) },
                Opt { default: Some("\"+0s\""), ..opt("ownca_not_before", Type::Str) },
                opt("ownca_path", Type::Path),
                Opt { no_log: true, ..opt("ownca_privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("ownca_privatekey_passphrase", Type::Str) },
                opt("ownca_privatekey_path", Type::Path),
                Opt { default: Some("3"), choices: &["3"], ..opt("ownca_version", Type::Int) },
                Opt { required: true, ..opt("path", Type::Path) },
                Opt { no_log: true, ..opt("privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("privatekey_passphrase", Type::Str) },
                opt("privatekey_path", Type::Path),
                Opt { choices: &["acme", "ownca", "selfsigned"], ..opt("provider", Type::Str) },
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt {
                    default: Some("\"create_if_not_provided\""),
                    choices: &["create_if_not_provided", "always_create", "never_create"],
                    ..opt("selfsigned_create_subject_key_identifier", Type::Str)
                },
                Opt { default: Some("\"sha256\""), ..opt("selfsigned_digest", Type::Str) },
                Opt {
                    aliases: &["selfsigned_notAfter"],
                    default: Some("\"+3650d\""),
                    ..opt("selfsigned_not_after", Type::Str)
                },
                Opt {
                    aliases: &["selfsigned_notBefore"],
                    default: Some("\"+0s\""),
                    ..opt("selfsigned_not_before", Type::Str)
                },
                Opt { default: Some("3"), choices: &["3"], ..opt("selfsigned_version", Type::Int) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[
            &["csr_path", "csr_content"],
            &["privatekey_path", "privatekey_content"],
            &["ownca_path", "ownca_content"],
            &["ownca_privatekey_path", "ownca_privatekey_content"],
        ],
        ..spec(
            "x509_certificate_pipe",
            "community.crypto.x509_certificate_pipe",
            &[
                opt("content", Type::Str),
                opt("csr_content", Type::Str),
                opt("csr_path", Type::Path),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("true"), ..opt("ignore_timestamps", Type::Bool) },
                opt("ownca_content", Type::Str),
                Opt { default: Some("true"), ..opt("ownca_create_authority_key_identifier", Type::Bool) },
                Opt {
                    default: Some("\"create_if_not_provided\""),
                    choices: &["create_if_not_provided", "always_create", "never_create"],
                    ..opt("ownca_create_subject_key_identifier", Type::Str)
                },
                Opt { default: Some("\"sha256\""), ..opt("ownca_digest", Type::Str) },
                Opt { default: Some("\"+3650d\""), ..opt("ownca_not_after", Type::Str) },
                Opt { default: Some("\"+0s\""), ..opt("ownca_not_before", Type::Str) },
                opt("ownca_path", Type::Path),
                Opt { no_log: true, ..opt("ownca_privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("ownca_privatekey_passphrase", Type::Str) },
                opt("ownca_privatekey_path", Type::Path),
                Opt { default: Some("3"), choices: &["3"], ..opt("ownca_version", Type::Int) },
                Opt { no_log: true, ..opt("privatekey_content", Type::Str) },
                Opt { no_log: true, ..opt("privatekey_passphrase", Type::Str) },
                opt("privatekey_path", Type::Path),
                Opt { required: true, choices: &["ownca", "selfsigned"], ..opt("provider", Type::Str) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt {
                    default: Some("\"create_if_not_provided\""),
                    choices: &["create_if_not_provided", "always_create", "never_create"],
                    ..opt("selfsigned_create_subject_key_identifier", Type::Str)
                },
                Opt { default: Some("\"sha256\""), ..opt("selfsigned_digest", Type::Str) },
                Opt {
                    aliases: &["selfsigned_notAfter"],
                    default: Some("\"+3650d\""),
                    ..opt("selfsigned_not_after", Type::Str)
                },
                Opt {
                    aliases: &["selfsigned_notBefore"],
                    default: Some("\"+0s\""),
                    ..opt("selfsigned_not_before", Type::Str)
                },
                Opt { default: Some("3"), choices: &["3"], ..opt("selfsigned_version", Type::Int) },
            ],
        )
    },
    Module {
        file_common: true,
        ..spec(
            "openssl_dhparam",
            "community.crypto.openssl_dhparam",
            &[
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { required: true, ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography", "openssl"],
                    ..opt("select_crypto_backend", Type::Str)
                },
                Opt { default: Some("4096"), ..opt("size", Type::Int) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
];
