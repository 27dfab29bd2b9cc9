//! The relay for calls as clients see it that others wrote: coturn's, and that of webrtc-rs.

mod webrtc_rs;

use anyhow::{Context, Result, ensure};
use roost_tests::turn::House;
use roost_wire::api::RelayPass;
use std::process::Command;

/// Sent by each of the two clients.
const MESSAGES: &str = "50";

#[tokio::test]
async fn coturns_client_relays_over_udp_tcp_and_tls() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let pass = &house.passes[0];
    let https = house.server.port();
    for (transport, port) in [
        (&[][..], house.port),
        (&["-t"][..], house.port),
        (&["-t", "-S"][..], https),
    ] {
        // By channels, then by indications.
        for way in [&[][..], &["-s"]] {
            relays(&[transport, way].concat(), port, pass)?;
        }
    }
    Ok(())
}

/// Two clients send to each other's relays; nothing is lost. With TLS each may leave its last message
/// in its own library's buffer, which it looks into only when the socket has more.
fn relays(options: &[&str], port: u16, pass: &RelayPass) -> Result<()> {
    let said = run(
        "turnutils_uclient",
        &[
            options,
            &["-y", "-c", "-n", MESSAGES, "-m", "1", "-l", "171"],
            &["-u", &pass.username, "-w", &pass.password],
            &["-p", &port.to_string(), "127.0.0.1"],
        ]
        .concat(),
    )?;
    let lost = said
        .lines()
        .rev()
        .find_map(|line| line.split_once("Total lost packets "))
        .with_context(|| format!("{options:?}: {said}"))?;
    let lost: u32 = lost.1.split(' ').next().unwrap_or_default().parse()?;
    let left_by_clients = if options.contains(&"-S") { 2 } else { 0 };
    ensure!(lost <= left_by_clients, "{options:?}: {said}");
    Ok(())
}

#[tokio::test]
async fn coturns_client_learns_its_address() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;

    let said = run(
        "turnutils_stunclient",
        &["-p", &house.port.to_string(), "127.0.0.1"],
    )?;

    ensure!(said.contains("UDP reflexive addr: 127.0.0.1:"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_operators_doctor_asks_every_way_and_names_the_one_that_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut house = House::open(folder.path()).await?;
    let port = house.port.to_string();

    let (is_well, said) = house.server.doctor(&["--calls-udp", &port])?;
    ensure!(is_well, "{said}");
    for way in ["UDP", "TCP"] {
        let answers = format!("good  calls by {way}: 127.0.0.1:{port} answers");
        ensure!(said.contains(&answers), "{said}");
    }
    ensure!(said.contains("good  calls over TLS: "), "{said}");

    let elsewhere = roost_tests::real::free_port()?.to_string();
    let (is_well, said) = house.server.doctor(&["--calls-udp", &elsewhere])?;
    ensure!(!is_well && said.contains("BAD   calls by UDP: "), "{said}");
    ensure!(said.contains("good  calls over TLS: "), "{said}");

    house.server.stop()?;
    let (is_well, said) = house.server.doctor(&["--calls-udp", &port])?;
    ensure!(!is_well && said.contains("start the server"), "{said}");
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| {
            format!("{program}: install coturn, or run packaging/prerequisites.sh test")
        })?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}
