//! `roost doctor`: whether calls can reach the running server, as far as this machine can tell.
//!
//! Owns the questions, which are those of a caller (STUN by UDP, TCP and TLS), and the advice. What
//! only somebody outside can see is left to "Check calls" in the app, and said to be.

use crate::config::{Calls, Config, ServeArgs, Transport};
use crate::entropy::{Dice, SystemDice};
use crate::tls::{self, names};
use anyhow::{Context, Result, bail};
use roost_turn::PeerPolicy;
use roost_turn::message::{Class, Message, Method, TransactionId, Writer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take; on this machine it takes a thousandth of that.
const PATIENCE: Duration = Duration::from_secs(1);
/// Questions by UDP, of which some may be lost.
const TRIES: usize = 3;
const ANSWER_BYTES: usize = 1_500;

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    health: Health,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// Cannot be told from here.
    Unsure,
    Bad,
}

/// Prints what was found, a line each.
///
/// # Errors
/// If something keeps calls from working.
pub fn run(args: ServeArgs) -> Result<()> {
    let config = args.load()?;
    let findings = examine(&config);
    for Finding { health, text } in &findings {
        let sign = match health {
            Health::Good => "good",
            Health::Unsure => "look",
            Health::Bad => "BAD ",
        };
        println!("{sign}  {text}");
    }
    let bad = findings.iter().filter(|it| it.health == Health::Bad);
    match bad.count() {
        0 => Ok(()),
        count => bail!("{count} of these keep calls from working; mend them and ask again"),
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let Some(calls) = &config.calls else {
        return vec![bad(
            "calls are switched off: calls.udp is 0 in roost.toml, or --calls-udp 0 was given",
        )];
    };
    let answers =
        |listen: &&SocketAddr| TcpStream::connect_timeout(&reachable(**listen), PATIENCE).is_ok();
    let Some(listen) = config.listen.iter().find(answers) else {
        let places: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        return vec![bad(&format!(
            "nothing answers at {}: start the server (roost serve), or give roost doctor the \
             same --listen and --config",
            places.join(" or ")
        ))];
    };
    let place = calls.listen.unwrap_or(listen.ip());
    let port = called(place, calls.udp);
    vec![
        by_udp(port, calls),
        by_tcp(port),
        by_tls(reachable(*listen), config),
        address(calls, place, &names::addresses()),
    ]
}

fn by_udp(port: SocketAddr, calls: &Calls) -> Finding {
    match ask_by_udp(port) {
        Ok(()) => good(&format!("calls by UDP: {port} answers")),
        Err(_) => bad(&format!(
            "calls by UDP: {port} does not answer. Another program may have the port: the server \
             says so when it starts. Stop that program, or choose another port with calls.udp \
             (now {})",
            calls.udp
        )),
    }
}

fn by_tcp(port: SocketAddr) -> Finding {
    let asked = TcpStream::connect_timeout(&port, PATIENCE)
        .map_err(Into::into)
        .and_then(ask_by_stream);
    match asked {
        Ok(()) => good(&format!("calls by TCP: {port} answers")),
        Err(_) => bad(&format!(
            "calls by TCP: {port} does not answer; networks that pass no UDP are left with TLS"
        )),
    }
}

fn by_tls(https: SocketAddr, config: &Config) -> Finding {
    let asked = match &config.transport {
        Transport::Http => {
            return unsure(
                "calls over TLS: none behind a proxy, which cannot pass them on. UDP and TCP of \
                 calls.udp have to be reachable past it",
            );
        }
        Transport::OwnTls { .. } => {
            let authority = config.data.join("tls").join(tls::CA_FILE);
            ask_by_tls(https, &authority, "localhost")
        }
        Transport::GivenTls { certificate, .. } => {
            let host = config.host.as_deref().unwrap_or("localhost");
            let name = host.split(':').next().unwrap_or(host);
            ask_by_tls(https, certificate, name)
        }
    };
    match asked {
        Ok(()) => good(&format!("calls over TLS: {https} answers")),
        // A certificate of a public authority does not vouch for itself.
        Err(error) if matches!(config.transport, Transport::GivenTls { .. }) => unsure(&format!(
            "calls over TLS: could not be asked with the certificate of the server alone ({error}); \
             \"Check calls\" in the app tells"
        )),
        Err(error) => bad(&format!(
            "calls over TLS: {https} does not answer ({error})"
        )),
    }
}

/// Where others reach this machine.
fn address(calls: &Calls, listen: IpAddr, own: &[IpAddr]) -> Finding {
    if listen.is_loopback() {
        return unsure(&format!(
            "calls are listened for at {listen}, which only this machine reaches. For others, start \
             the server with --listen '[::]:8443', or set calls.listen if a proxy stands in front of it"
        ));
    }
    let ports = format!(
        "UDP and TCP {}, and UDP {}-{}",
        calls.udp,
        calls.ports.start(),
        calls.ports.end()
    );
    match calls.external {
        Some(external) if !is_public(external) => bad(&format!(
            "calls.external is {external}, which is no address on the internet. If that is what the \
             router's status page shows, the provider shares one address among several customers: \
             ask for an address of your own"
        )),
        Some(external) if own.contains(&external) => {
            good(&format!("this machine has the address {external} itself"))
        }
        Some(external) => from_outside(external, calls, &ports),
        None => match own.iter().find(|ip| is_public(**ip)) {
            Some(ip) => good(&format!(
                "this machine has the address {ip} on the internet; a firewall must pass {ports}"
            )),
            None => unsure(&format!(
                "this machine has no address on the internet: inside your network calls work. For \
                 people outside, forward {ports} to it in the router, and set calls.external to \
                 the router's address"
            )),
        },
    }
}

/// Many routers do not lead back inside: silence says nothing.
fn from_outside(external: IpAddr, calls: &Calls, ports: &str) -> Finding {
    let port = SocketAddr::new(external, calls.udp);
    match ask_by_udp(port) {
        Ok(()) => good(&format!("calls from outside: {port} leads to this server")),
        Err(_) => unsure(&format!(
            "calls from outside: {port} does not answer from here, which may be the router. Is that \
             its address, and does it forward {ports} to this machine? \"Check calls\" in the app, \
             from a phone without Wi-Fi, tells"
        )),
    }
}

fn is_public(ip: IpAddr) -> bool {
    PeerPolicy::new(Vec::new(), 0..=0, Vec::new()).permits(ip)
}

/// Where this machine reaches the app that is served here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Where this machine calls. What is listened for everywhere has a socket of IPv4, which every machine
/// has.
fn called(listen: IpAddr, port: u16) -> SocketAddr {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let ip = if listen.is_unspecified() {
        here
    } else {
        listen
    };
    SocketAddr::new(ip, port)
}

/// A Binding request (RFC 8489, section 5), and whose answer is waited for.
fn question() -> (Vec<u8>, TransactionId) {
    let dice: &dyn Dice = &SystemDice;
    let transaction = TransactionId(dice.bytes());
    let bytes = Writer::new(Class::Request, Method::BINDING, transaction).finish();
    (bytes, transaction)
}

fn is_answer(bytes: &[u8], transaction: TransactionId) -> bool {
    Message::parse(bytes).is_ok_and(|message| {
        message.class() == Class::Success && message.transaction() == transaction
    })
}

fn ask_by_udp(port: SocketAddr) -> Result<()> {
    let from: IpAddr = if port.is_ipv6() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(port)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; ANSWER_BYTES];
    for _ in 0..TRIES {
        let (request, transaction) = question();
        socket.send(&request)?;
        let length = socket.recv(&mut answer).unwrap_or_default();
        if answer
            .get(..length)
            .is_some_and(|bytes| is_answer(bytes, transaction))
        {
            return Ok(());
        }
    }
    bail!("no answer")
}

fn ask_by_stream(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    ask_through(&mut stream)
}

fn ask_by_tls(https: SocketAddr, authority: &Path, name: &str) -> Result<()> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(authority).with_context(|| authority.display().to_string())?;
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // RFC 7443.
    config.alpn_protocols = vec![b"stun.turn".to_vec()];
    let name = ServerName::try_from(name.to_owned())?;
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = TcpStream::connect_timeout(&https, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    ask_through(&mut rustls::Stream::new(&mut client, &mut stream))
}

fn ask_through(stream: &mut (impl Read + Write)) -> Result<()> {
    let (request, transaction) = question();
    stream.write_all(&request)?;
    let mut answer = [0; ANSWER_BYTES];
    let length = stream.read(&mut answer)?;
    let is_good = answer
        .get(..length)
        .is_some_and(|bytes| is_answer(bytes, transaction));
    if is_good { Ok(()) } else { bail!("no answer") }
}

fn good(text: &str) -> Finding {
    finding(Health::Good, text)
}

fn unsure(text: &str) -> Finding {
    finding(Health::Unsure, text)
}

fn bad(text: &str) -> Finding {
    finding(Health::Bad, text)
}

fn finding(health: Health, text: &str) -> Finding {
    Finding {
        health,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(external: Option<&str>) -> Calls {
        Calls {
            udp: 3_478,
            is_chosen: false,
            listen: None,
            ports: 49_160..=49_259,
            external: external.map(|ip| ip.parse().unwrap()),
            allowed: Vec::new(),
        }
    }

    const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    #[test]
    fn who_listens_for_calls_on_loopback_reads_that_nobody_else_calls() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let public = "203.0.113.9".parse().unwrap();

        let found = address(&calls(None), here, &[here, public]);

        assert_eq!(found.health, Health::Unsure);
        assert!(found.text.contains("which only this machine reaches"));
        assert_eq!(called(EVERYWHERE, 7), SocketAddr::new(here, 7));
        assert_eq!(called(public, 7), SocketAddr::new(public, 7));
    }

    #[test]
    fn an_address_that_the_internet_does_not_know_is_named() {
        for shared in ["100.64.7.7", "192.168.1.1", "fd00::1"] {
            let found = address(&calls(Some(shared)), EVERYWHERE, &[]);
            assert_eq!(found.health, Health::Bad, "{shared}");
            assert!(found.text.contains("ask for an address of your own"));
        }
    }

    #[test]
    fn who_has_no_public_address_reads_what_to_forward() {
        let inside: IpAddr = "192.168.1.7".parse().unwrap();

        let found = address(&calls(None), EVERYWHERE, &[inside]);

        assert_eq!(found.health, Health::Unsure);
        assert!(found.text.contains("UDP and TCP 3478, and UDP 49160-49259"));
    }

    #[test]
    fn a_port_that_nobody_answers_at_is_no_answer() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let echo = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = echo.local_addr().unwrap();
        let echoes = std::thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut bytes = [0; 20];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });

        assert!(ask_by_udp(silent.local_addr().unwrap()).is_err());
        let stream = TcpStream::connect(at).unwrap();
        assert!(ask_by_stream(stream).is_err(), "an echo is no answer");
        echoes.join().unwrap();
    }
}
