use super::*;
use crate::settings::Document;
use std::time::Duration;

const FOLDER: &str = "tests/fixtures/test-only-keys";

/// The fault that such a section gives; none if it gives a certificate.
fn fault(certificate: &str, key: &str) -> Option<String> {
    let written = format!(
        "[web]\ntls_certificate_file = \"{FOLDER}/{certificate}\"\ntls_key_file = \"{FOLDER}/{key}\""
    );
    let mut document = Document::parse("d.toml", &written);
    let read = Certificate::read(&mut document.section("web", ""));
    let fault = document.finish().err().map(|faults| faults.to_string());
    assert_eq!(read.is_none(), fault.is_some());
    fault
}

fn check(certificate: &str, key: &str, expected: &str) {
    let fault = fault(certificate, key).expect("a fault");
    assert!(fault.contains(expected), "{certificate} {key}: {fault}");
}

#[test]
fn files_that_fit_together_are_taken_and_others_are_a_fault_that_names_them() {
    assert_eq!(fault("certificate.pem", "p256-private.pem"), None);
    check(
        "certificate.pem",
        "p384-private.pem",
        "in web.tls_key_file: \"tests/fixtures/test-only-keys/p384-private.pem\" is not the key of \
         \"tests/fixtures/test-only-keys/certificate.pem\"",
    );
    check(
        "certificate.pem",
        "missing.pem",
        "in web.tls_key_file: \"tests/fixtures/test-only-keys/missing.pem\" cannot",
    );
    check("certificate.pem", "p256-public.pem", "p256-public.pem\" holds no private key");
    check("certificate.pem", "certificate.pem", "certificate.pem\" holds no private key");
    check(
        "p256-public.pem",
        "p256-private.pem",
        "in web.tls_certificate_file: \"tests/fixtures/test-only-keys/p256-public.pem\" holds no certificate",
    );
}

#[test]
fn one_of_the_two_is_not_enough() {
    for (key, missing) in [("tls_certificate_file", "tls_key_file"), ("tls_key_file", "tls_certificate_file")]
    {
        let written = format!("[web]\n{key} = \"{FOLDER}/certificate.pem\"");
        let mut document = Document::parse("d.toml", &written);
        Certificate::read(&mut document.section("web", ""));
        let faults = document.finish().map(drop).unwrap_err().to_string();
        assert!(faults.contains(&format!("in web.{missing}: is not set, and web.{key} is")), "{faults}");
    }
}

#[test]
fn a_certificate_that_is_cut_or_changed_is_no_panic() {
    let chain = std::fs::read_to_string(format!("{FOLDER}/certificate.pem")).unwrap();
    let key = std::fs::read_to_string(format!("{FOLDER}/p256-private.pem")).unwrap();
    let files = Files { certificate: "c.pem".into(), key: "k.pem".into() };
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
    for cut in 0..der.len() {
        assert_eq!(ends_at(&der[..cut]), None, "cut at {cut}");
        let mut changed = der.to_vec();
        changed[cut] ^= 0xff;
        let _ = ends_at(&changed);
    }
    let broken = chain.replacen("MII", "AAA", 1);
    let fault = Certificate::new(files, &broken, &key).unwrap_err();
    assert!(fault.to_string().starts_with("\"c.pem\" cannot be used"), "{fault}");
}

#[test]
fn its_end_is_read() {
    let chain = std::fs::read(format!("{FOLDER}/certificate.pem")).unwrap();
    let der = CertificateDer::from_pem_slice(&chain).unwrap();
    let expected = humantime::parse_rfc3339("2120-01-01T00:00:00Z").unwrap();
    assert_eq!(ends_at(&der), Some(expected));
}

#[test]
fn times_are_read_as_the_standard_has_them() {
    let check = |tag, text, seconds: Option<u64>| {
        let expected = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(time(tag, text), expected, "{text}");
    };
    check(0x17, "700101000001Z", Some(1));
    check(0x17, "491231235959Z", Some(2_524_607_999));
    check(0x18, "20500101000000Z", Some(2_524_608_000));
    check(0x17, "7001010000Z", None);
    check(0x17, "700101000001+0100", None);
    check(0x17, "20500101000000Z", None);
    check(0x18, "20501301000000Z", None);
    check(0x18, "2050é101000000Z", None);
    check(0x16, "700101000001Z", None);
}
