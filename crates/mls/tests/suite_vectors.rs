//! The hybrid suites against the published X-Wing vectors and against our own past bytes.
//!
//! `vectors/xwing.txt` is from the draft. `vectors/suite_4e.txt` was written by this code once
//! (`ROOST_WRITE_VECTORS=1`) and pins suite 0x004E as OpenMLS 0.9.2 has it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use mls_rs_core::crypto::CryptoProvider;
#[expect(dead_code, reason = "the kit serves several tests")]
mod kit;
#[path = "kit/recording.rs"]
#[expect(dead_code, reason = "the kit serves several tests")]
mod recording;

use mls_rs_core::crypto::{CipherSuiteProvider, HpkeCiphertext, HpkePublicKey, HpkeSecretKey};
use mls_rs_crypto_traits::KemType;
use recording::{Recording, unhex};
use roost_mls::suite::{SUITE_HYBRID_128, XWing, rank};
use roost_mls::{HybridProvider, SUITE_CLASSIC, SUITE_DEFAULT};

#[test]
fn x_wing_matches_its_published_vectors() {
    let lines = lines(include_str!("vectors/xwing.txt"));
    assert_eq!(lines.len(), 15);

    for vector in lines.chunks_exact(5) {
        let [seed, randomness, shared, public, ciphertext] = vector else {
            unreachable!()
        };
        let secret = HpkeSecretKey::from(seed.clone());
        let key = HpkePublicKey::from(public.clone());

        let sent = XWing::encapsulate_with(&key, randomness[..].try_into().unwrap()).unwrap();
        assert_eq!(sent.enc(), ciphertext);
        assert_eq!(sent.shared_secret(), shared);
        assert_eq!(XWing.decap(ciphertext, &secret, &key).unwrap(), *shared);
    }
}

#[test]
fn derivation_and_opening_match_our_own_past() {
    let suite = HybridProvider::suite(SUITE_DEFAULT).unwrap();
    let (secret, public) = suite.kem_derive(b"roost vector").unwrap();
    if std::env::var_os("ROOST_WRITE_VECTORS").is_some() {
        write_vector(&secret, &public);
    }

    let lines = lines(include_str!("vectors/suite_4e.txt"));
    let [past_secret, past_public, enc, sealed, plain] = &lines[..] else {
        panic!("five lines")
    };

    assert_eq!(secret.as_ref(), past_secret);
    assert_eq!(public.as_ref(), past_public);
    let ciphertext = HpkeCiphertext {
        kem_output: enc.clone(),
        ciphertext: sealed.clone(),
    };
    let opened = suite
        .hpke_open(&ciphertext, &secret, &public, b"info", Some(b"aad"))
        .unwrap();
    assert_eq!(*opened, *plain);
}

#[test]
fn a_recorded_openmls_group_plays_again() {
    Recording::parse(include_str!("vectors/openmls_group.txt")).plays();
}

#[test]
fn every_suite_seals_and_opens() {
    for suite in [SUITE_DEFAULT, SUITE_CLASSIC, SUITE_HYBRID_128] {
        let suite = HybridProvider::suite(suite).unwrap();
        let (secret, public) = suite.kem_generate().unwrap();

        let sealed = suite.hpke_seal(&public, b"info", None, b"hello").unwrap();
        let opened = suite
            .hpke_open(&sealed, &secret, &public, b"info", None)
            .unwrap();

        assert_eq!(*opened, b"hello"[..]);
        assert!(
            suite
                .hpke_open(&sealed, &secret, &public, b"other", None)
                .is_err()
        );
        suite.kem_public_key_validate(&public).unwrap();
    }
}

#[test]
fn the_default_suite_is_aes_256_with_sha_384() {
    let suite = HybridProvider::suite(SUITE_DEFAULT).unwrap();

    assert_eq!(suite.cipher_suite().raw_value(), 0x004E);
    assert_eq!((suite.aead_key_size(), suite.kdf_extract_size()), (32, 48));
    assert_eq!(suite.hash(b"").unwrap().len(), 48);
    let (secret, public) = suite.signature_key_generate().unwrap();
    assert_eq!(public.len(), 32, "Ed25519");
    let signature = suite.sign(&secret, b"message").unwrap();
    suite.verify(&public, &signature, b"message").unwrap();
    assert!(suite.verify(&public, &signature, b"another").is_err());
}

#[test]
fn only_two_suites_are_offered_the_hybrid_first() {
    let offered = HybridProvider::new().supported_cipher_suites();

    assert_eq!(offered, [SUITE_DEFAULT, SUITE_CLASSIC]);
    assert!(
        HybridProvider::new()
            .cipher_suite_provider(SUITE_HYBRID_128)
            .is_none()
    );
    assert!(rank(SUITE_DEFAULT) > rank(SUITE_CLASSIC));
    for raw in [0u16, 2, 3, 5, 7, 0x004D] {
        assert!(HybridProvider::suite(raw.into()).is_none(), "{raw}");
    }
}

#[test]
fn damaged_keys_and_ciphertexts_are_errors() {
    let (secret, public) = XWing::derive(b"seed");
    let short = HpkePublicKey::from(public[1..].to_vec());

    assert!(XWing.public_key_validate(&short).is_err());
    assert!(XWing.encap(&short).is_err());
    assert!(XWing.decap(&[0; 1119], &secret, &public).is_err());
    assert!(
        XWing
            .decap(&[0; 1120], &HpkeSecretKey::from(vec![0; 31]), &public)
            .is_err()
    );
    assert!(
        XWing.decap(&[0; 1120], &secret, &public).is_ok(),
        "implicit rejection"
    );
}

fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(unhex)
        .collect()
}

fn write_vector(secret: &HpkeSecretKey, public: &HpkePublicKey) {
    let suite = HybridProvider::suite(SUITE_DEFAULT).unwrap();
    let sealed = suite
        .hpke_seal(public, b"info", Some(b"aad"), b"hello")
        .unwrap();
    let fields: [&[u8]; 5] = [
        secret,
        public,
        &sealed.kem_output,
        &sealed.ciphertext,
        b"hello",
    ];
    let mut text = String::from(
        "# kem_derive(\"roost vector\"): secret, public; HPKE enc, ciphertext (info \"info\", aad \"aad\"), plain.\n",
    );
    for field in fields {
        text.push_str(&roost_wire::text::hex(field));
        text.push('\n');
    }
    std::fs::write(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/suite_4e.txt"),
        text,
    )
    .unwrap();
}
