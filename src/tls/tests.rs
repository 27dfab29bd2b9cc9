use super::*;
use std::os::unix::fs::PermissionsExt;

const DAY_MS: u64 = 86_400_000;

#[test]
fn the_certificate_survives_a_restart_and_the_key_is_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder, &["localhost"], 0);
    let second = open(&folder, &["localhost"], 1);

    assert_eq!(served(&first), served(&second));
    for file in ["ca.key", "server.key"] {
        let mode = std::fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn it_is_made_anew_after_two_thirds_of_its_life_under_the_same_authority() {
    let folder = tempfile::tempdir().unwrap();
    let tls = open(&folder, &["localhost"], 0);
    let (before, authority) = (served(&tls), tls.authority_pem());

    tls.refresh(&names(&["localhost"]), day(59)).unwrap();
    assert_eq!(served(&tls), before);
    tls.refresh(&names(&["localhost"]), day(61)).unwrap();

    assert_ne!(served(&tls), before);
    assert_eq!(tls.authority_pem(), authority);
}

#[test]
fn new_names_give_a_new_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let before = served(&open(&folder, &["localhost"], 0));

    assert_ne!(
        served(&open(&folder, &["localhost", "192.0.2.1"], 0)),
        before
    );
}

#[test]
fn a_damaged_key_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let _ = open(&folder, &["localhost"], 0);
    let (certificate, key) = (
        folder.path().join("server.pem"),
        folder.path().join("bad.key"),
    );
    std::fs::write(&key, "not a key").unwrap();

    let error = Tls::open(Source::Given { certificate, key }, &[], day(0)).unwrap_err();

    assert!(error.to_string().contains("bad.key"), "{error}");
}

#[test]
fn a_certificate_with_another_key_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _ = (
        open(&one, &["localhost"], 0),
        open(&other, &["localhost"], 0),
    );
    let given = Source::Given {
        certificate: one.path().join("server.pem"),
        key: other.path().join("server.key"),
    };

    assert!(matches!(
        Tls::open(given, &[], day(0)),
        Err(TlsError::Pair(_))
    ));
}

fn open(folder: &tempfile::TempDir, wanted: &[&str], days: u64) -> Tls {
    let source = Source::Own {
        folder: folder.path().into(),
    };
    Tls::open(source, &names(wanted), day(days)).unwrap()
}

fn names(wanted: &[&str]) -> Vec<String> {
    wanted.iter().map(|name| (*name).to_owned()).collect()
}

/// Days after one in 2026.
fn day(days: u64) -> Moment {
    Moment::from_millis(1_790_000_000_000 + days * DAY_MS)
}

fn served(tls: &Tls) -> Vec<u8> {
    tls.current.0.read().unwrap().cert[0].to_vec()
}
