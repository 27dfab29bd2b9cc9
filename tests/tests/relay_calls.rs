//! The relay for calls in the real server, over UDP, TCP and TLS.

use anyhow::{Context, Result, ensure};
use roost_tests::real::{RealServer, free_port};
use roost_tests::turn::{Caller, House, Pipe, request};
use roost_turn::message::Method;
use roost_wire::api::RelayPass;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

#[tokio::test]
async fn two_devices_hear_each_other_whatever_transport_each_of_them_has() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let (mut adas, mut bens) = (house.callers(0)?, house.callers(1)?);

    // Each of hers with each of his, the other way round in every other turn.
    for turn in 0..bens.len() {
        for (at, ada) in adas.iter_mut().enumerate() {
            let other = (at + turn) % bens.len();
            let ben = bens.get_mut(other).context("another")?;
            // A channel keeps its peer; so each pair has relays of its own from here on.
            if turn == 0 {
                ada.bind(ben.relay)?;
                ben.bind(ada.relay)?;
                converse(ada, ben)?;
            } else {
                ada.permit(ben.relay)?;
                ben.permit(ada.relay)?;
                let payload = [u8::try_from(turn)?; 333];
                ada.sends_to(ben.relay, &payload)?;
                let data = ben.pipe.receive()?;
                ensure!(data.windows(333).any(|window| window == payload));
            }
        }
    }
    Ok(())
}

/// Lengths that need padding, and more than a TLS record holds.
fn converse(ada: &mut Caller, ben: &mut Caller) -> Result<()> {
    for number in 0..200_u8 {
        let long = vec![number; 1_197 + usize::from(number % 4)];
        ada.says(&long)?;
        ensure!(ben.hears()? == long);
        ben.says(&[number; 81])?;
        ensure!(ada.hears()? == [number; 81]);
    }
    for number in 0..40_u8 {
        ada.says(&[number; 1_200])?;
    }
    for number in 0..40_u8 {
        ensure!(ben.hears()? == [number; 1_200]);
    }
    Ok(())
}

#[tokio::test]
async fn a_pass_names_every_way_there_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let (port, https) = (house.port, house.server.port());

    ensure!(
        house.passes[0].urls.as_slice()
            == [
                format!("stun:localhost:{port}"),
                format!("turn:localhost:{port}?transport=udp"),
                format!("turn:localhost:{port}?transport=tcp"),
                format!("turns:localhost:{https}?transport=tcp"),
            ]
    );
    Ok(())
}

#[tokio::test]
async fn nobody_relays_without_a_pass_and_nobody_reaches_the_machine_behind_the_relay() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let forged = RelayPass {
        password: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        ..house.passes[0].clone()
    };
    for pipe in house.pipes()? {
        ensure!(Caller::allocate(pipe, &forged).is_err());
    }
    let victim = UdpSocket::bind((Ipv4Addr::LOCALHOST, free_port()?))?;
    victim.set_read_timeout(Some(Duration::from_millis(300)))?;

    for mut caller in house.callers(0)? {
        let https = SocketAddr::from((Ipv4Addr::LOCALHOST, house.server.port()));
        ensure!(caller.bind(https).is_err());
        ensure!(caller.bind(SocketAddr::from(([10, 0, 0, 1], 80))).is_err());
        ensure!(caller.permit("10.0.0.1:80".parse()?).is_err());
        // Its address is that of other relays; its port is none.
        caller.permit(victim.local_addr()?)?;
        caller.sends_to(victim.local_addr()?, b"come in")?;
        let own = caller.relay;
        caller.bind(own)?;
    }
    let heard = victim.recv(&mut [0; 64]).map_err(|error| error.kind());
    ensure!(matches!(
        heard,
        Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)
    ));
    Ok(())
}

#[tokio::test]
async fn rubbish_ends_a_connection_and_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let https = house.server.port();
    let mut caller = Caller::allocate(Pipe::tcp(house.port)?, &house.passes[0])?;
    let rubbish: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4_000],
        &[0x16, 3, 1, 2, 0, 1, 0, 1],
        &[0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42],
        &[0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0],
        &[0x40, 0, 0xff, 0xff, 1],
    ];
    for bytes in rubbish {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, house.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(bytes)?;
        ensure!(is_closed(&mut stream), "{bytes:?} over TCP");
        for names in [&[b"stun.turn".as_slice()][..], &[]] {
            let pipe = Pipe::tls(https, &house.way.tls_naming(names))?;
            let Pipe::Tls(mut stream, _) = pipe else {
                continue;
            };
            // A request first, so that it is taken for TURN.
            stream.write_all(&request(Method::BINDING).finish())?;
            stream.read_exact(&mut [0; 32])?;
            stream.write_all(bytes)?;
            ensure!(is_closed(&mut stream), "{bytes:?} over TLS");
        }
    }

    caller.bind(caller.relay)?;
    caller.says(b"still here")?;
    ensure!(caller.hears()? == b"still here");
    ensure!(std::fs::read_to_string(house.server.log())?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_connection_that_begins_with_channel_data_is_closed_as_a_posts_would_be() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;

    for first in [&[0x40, 0, 0, 0][..], b"P", b"POST / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, house.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(first)?;
        ensure!(is_closed(&mut stream), "{first:?}");
    }
    Ok(())
}

/// Whether the other end closes, rather than answer or wait.
fn is_closed(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[tokio::test]
async fn http_works_beside_calls_for_clients_that_name_no_protocol() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    for pause in [Duration::ZERO, Duration::from_secs(2)] {
        for names in [&[][..], &[b"http/1.1".as_slice()][..]] {
            let tls = house.way.tls_naming(names);
            let Pipe::Tls(mut stream, _) = Pipe::tls(house.server.port(), &tls)? else {
                continue;
            };
            stream.conn.complete_io(&mut stream.sock)?;
            // A request that comes slowly, its first byte alone.
            stream.write_all(b"G")?;
            std::thread::sleep(pause);
            stream.write_all(b"ET /healthz HTTP/1.1\r\nHost: localhost\r\n")?;
            stream.write_all(b"Connection: close\r\n\r\n")?;
            let mut answer = Vec::new();
            // Not every server says goodbye before it hangs up.
            let _ = stream.read_to_end(&mut answer);
            ensure!(answer.starts_with(b"HTTP/1.1 200"), "{names:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_with_calls_under_way_stops_when_it_is_told_to() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut house = House::open(folder.path()).await?;
    let _callers = house.callers(0)?;

    house.server.stop()?;

    ensure!(TcpStream::connect((Ipv4Addr::LOCALHOST, house.port)).is_err());
    house.server.start_again()
}

#[tokio::test]
async fn a_port_somebody_asked_for_must_be_had() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let _udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;

    let refused = RealServer::start(
        &folder.path().join("data"),
        &["--calls-udp", &port.to_string()],
    );

    let said = refused.err().context("it started")?.to_string();
    ensure!(said.contains(&format!("UDP 127.0.0.1:{port}")), "{said}");
    ensure!(said.contains("--calls-udp"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_port_nobody_asked_for_may_be_taken_and_calls_go_by_tls() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Taken by this test, or by somebody else already.
    let _udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 3_478));
    let config = folder.path().join("roost.toml");
    std::fs::write(&config, "")?;
    let config = config.to_str().context("a path")?;

    let house = House::open_with(folder.path(), 3_478, &["--config", config]).await?;

    let said = std::fs::read_to_string(house.server.log())?;
    ensure!(
        said.lines().count() == 1 && said.contains("calls.udp"),
        "{said}"
    );
    let https = house.server.port();
    let turns = format!("turns:localhost:{https}?transport=tcp");
    ensure!(house.passes[0].urls.as_slice() == [turns]);
    let tls = house.way.tls_naming(&[]);
    let mut caller = Caller::allocate(Pipe::tls(https, &tls)?, &house.passes[0])?;
    caller.bind(caller.relay)?;
    caller.says(b"alone")?;
    ensure!(caller.hears()? == b"alone");
    Ok(())
}

#[tokio::test]
async fn behind_a_proxy_calls_have_their_port_and_no_tls() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let udp = port.to_string();
    let options = ["--http", "--calls-udp", &udp];
    let _server = RealServer::start(&folder.path().join("data"), &options)?;

    let mut pipe = Pipe::tcp(port)?;
    pipe.send(&request(Method::BINDING).finish())?;
    ensure!(!pipe.receive()?.is_empty());
    Ok(())
}
