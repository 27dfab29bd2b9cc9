//! The relay for calls in the real server, over UDP, with a client of nothing but sockets.

use anyhow::{Context, Result, bail, ensure};
use roost_tests::lean::{Member, Way};
use roost_tests::real::{RealServer, free_port};
use roost_turn::message::{Attribute, Class, Key, Method, TransactionId, Writer};
use roost_turn::{Message, address};
use roost_wire::api::{AskRelayPass, RelayPass};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const CHANNEL: [u8; 4] = [0x40, 0x00, 0, 0];
const UDP: [u8; 4] = [17, 0, 0, 0];

#[tokio::test]
async fn two_devices_that_cannot_meet_hear_each_other_through_the_relay() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (server, port) = server(folder.path())?;
    let way = Way::to(&server)?;
    let ada = Member::join(&way, server.setup_link()?, "Ada", 1).await?;
    let ben = Member::join(&way, &server.invite(1)?, "Ben", 2).await?;
    let ada = Caller::allocate(port, &ada.ask(&AskRelayPass {}).await?)?;
    let ben = Caller::allocate(port, &ben.ask(&AskRelayPass {}).await?)?;
    ada.bind(ben.relay)?;
    ben.bind(ada.relay)?;

    for number in 0..200_u8 {
        ada.says(&[number; 1_200])?;
        ensure!(ben.hears()? == [number; 1_200]);
        ben.says(&[number; 80])?;
        ensure!(ada.hears()? == [number; 80]);
    }
    Ok(())
}

#[tokio::test]
async fn nobody_relays_without_a_pass_and_nobody_reaches_the_machine_behind_the_relay() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let (server, port) = server(folder.path())?;
    let way = Way::to(&server)?;
    let ada = Member::join(&way, server.setup_link()?, "Ada", 1).await?;
    let pass = ada.ask(&AskRelayPass {}).await?;

    let forged = RelayPass {
        password: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        ..pass.clone()
    };
    ensure!(Caller::allocate(port, &forged).is_err());
    let ada = Caller::allocate(port, &pass)?;
    let listener = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    ensure!(ada.bind(listener).is_err());
    ensure!(ada.bind(SocketAddr::from(([10, 0, 0, 1], 80))).is_err());
    ada.bind(ada.relay)
}

fn server(folder: &std::path::Path) -> Result<(RealServer, u16)> {
    let port = free_port()?;
    let options = ["--calls-udp", &port.to_string()];
    Ok((RealServer::start(&folder.join("data"), &options)?, port))
}

/// One end of a call: an allocation and its channel.
struct Caller {
    socket: UdpSocket,
    pass: RelayPass,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    relay: SocketAddr,
}

impl Caller {
    fn allocate(port: u16, pass: &RelayPass) -> Result<Self> {
        let turn = format!("turn:localhost:{port}?transport=udp");
        ensure!(pass.urls.as_slice().contains(&turn), "{:?}", pass.urls);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut caller = Self {
            socket,
            pass: pass.clone(),
            realm: Vec::new(),
            nonce: Vec::new(),
            relay: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        let first = request(Method::ALLOCATE).attribute(Attribute::REQUESTED_TRANSPORT, &UDP);
        let challenge = caller.exchange(&first.finish())?;
        let challenge = Message::parse(&challenge)?;
        caller.realm = challenge
            .attribute(Attribute::REALM)
            .context("a realm")?
            .to_vec();
        caller.nonce = challenge
            .attribute(Attribute::NONCE)
            .context("a nonce")?
            .to_vec();
        let second = request(Method::ALLOCATE).attribute(Attribute::REQUESTED_TRANSPORT, &UDP);
        let answer = caller.asks(second)?;
        let answer = Message::parse(&answer)?;
        let relay = answer.attribute(Attribute::XOR_RELAYED_ADDRESS);
        let relay = relay.and_then(|relay| address::from_xor(relay, answer.transaction()));
        caller.relay = relay.context("a relay")?;
        Ok(caller)
    }

    fn bind(&self, peer: SocketAddr) -> Result<()> {
        let request = request(Method::CHANNEL_BIND)
            .attribute(Attribute::CHANNEL_NUMBER, &CHANNEL)
            .address(Attribute::XOR_PEER_ADDRESS, peer);
        self.asks(request).map(drop)
    }

    /// A signed request that is granted.
    fn asks(&self, request: Writer) -> Result<Vec<u8>> {
        let realm = std::str::from_utf8(&self.realm)?;
        let key = Key::long_term(&self.pass.username, realm, &self.pass.password);
        let request = request
            .attribute(Attribute::USERNAME, self.pass.username.as_bytes())
            .attribute(Attribute::REALM, &self.realm)
            .attribute(Attribute::NONCE, &self.nonce)
            .sign(&key);
        let answer = self.exchange(&request)?;
        match Message::parse(&answer)?.class() {
            Class::Success => Ok(answer),
            class => bail!("{class:?}"),
        }
    }

    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>> {
        self.socket.send(request)?;
        self.receive()
    }

    fn receive(&self) -> Result<Vec<u8>> {
        let mut packet = vec![0; 2_048];
        let length = self.socket.recv(&mut packet)?;
        packet.truncate(length);
        Ok(packet)
    }

    fn says(&self, payload: &[u8]) -> Result<()> {
        let length = u16::try_from(payload.len())?.to_be_bytes();
        let packet = [&CHANNEL[..2], &length, payload].concat();
        self.socket.send(&packet)?;
        Ok(())
    }

    fn hears(&self) -> Result<Vec<u8>> {
        let packet = self.receive()?;
        ensure!(packet[..2] == CHANNEL[..2]);
        Ok(packet[4..].to_vec())
    }
}

fn request(method: Method) -> Writer {
    Writer::new(Class::Request, method, TransactionId(*b"0123456789ab"))
}
