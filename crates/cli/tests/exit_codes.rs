//! What scripts rely on without any server: exit codes, and sentences that say what to do.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use roost_wire::InviteId;
use roost_wire::link::InviteLink;
use rustls::pki_types::PrivateKeyDer;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

#[test]
fn wrong_usage_is_code_2() {
    let home = tempfile::tempdir().unwrap();

    assert_eq!(run(home.path(), &["frobnicate"]).status.code(), Some(2));
    assert_eq!(
        run(home.path(), &["invite", "--expires", "soon"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        run(home.path(), &["--ca", "/nowhere.pem", "people"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_home_without_an_account_says_how_to_get_one() {
    let home = tempfile::tempdir().unwrap();

    for task in [
        &["whoami"][..],
        &["people"],
        &["send", "@ada", "hi"],
        &["log", "x", "--json"],
    ] {
        let output = run(home.path(), task);

        assert_eq!(output.status.code(), Some(2), "{task:?}");
        assert!(
            stderr(&output).contains("roost-cli join URL --name NAME"),
            "{task:?}"
        );
        assert!(output.stdout.is_empty(), "{task:?}");
    }
}

#[test]
fn a_link_that_is_none_is_refused() {
    let home = tempfile::tempdir().unwrap();

    let output = run(
        home.path(),
        &["join", "https://roost.example/", "--name", "Ada"],
    );

    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn a_new_device_asks_to_be_linked_without_a_server_and_refuses_a_foreign_grant() {
    let home = tempfile::tempdir().unwrap();

    let request = run(home.path(), &["link", "request", "https://localhost:1"]);
    let foreign = run(home.path(), &["link", "accept", "bm90IGEgZ3JhbnQ"]);

    assert_eq!(request.status.code(), Some(0), "{}", stderr(&request));
    assert!(request.stdout.len() > 100);
    assert_eq!(foreign.status.code(), Some(3), "{}", stderr(&foreign));
}

#[test]
fn a_server_that_does_not_answer_is_code_4() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let output = run(
        home.path(),
        &["join", &link(address.port()), "--name", "Ada"],
    );

    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("cannot reach the server"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_unknown_authority_is_code_4_and_the_sentence_names_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let port = server_with_its_own_certificate();

    let output = run(home.path(), &["join", &link(port), "--name", "Ada"]);

    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("--ca DIR/tls/ca.pem"),
        "{}",
        stderr(&output)
    );
}

/// Makes TLS handshakes and hangs up.
fn server_with_its_own_certificate() -> u16 {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![own.cert.der().clone()], key)
    .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let _ = tls.read(&mut [0; 64]);
        }
    });
    port
}

fn link(port: u16) -> String {
    let link = InviteLink {
        origin: format!("https://localhost:{port}"),
        invite: InviteId::new([1; 16]),
        secret: [2; 16],
        inviter: None,
        group_name: None,
    };
    link.to_string()
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roost-cli"))
        .arg("--home")
        .arg(home)
        .args(arguments)
        .env_remove("ROOST_CA")
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
