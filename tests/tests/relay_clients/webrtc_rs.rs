//! The client of webrtc-rs (`rtc-turn`): all that a call uses of the relay, by UDP.

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use roost_tests::turn::House;
use roost_turn::Message;
use roost_turn::message::Class;
use roost_wire::api::RelayPass;
use rtc_shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc_turn::client::{Client, ClientConfig, Event};
use sansio::Protocol;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(5);
/// What is dropped does not come within this.
const DROPPED: Duration = Duration::from_millis(500);
/// Half the life of an allocation, and more than permissions and channels may go without a word.
const LATER: Duration = Duration::from_secs(301);
/// No peer of a call is there.
const INSIDE: ([u8; 4], u16) = ([10, 0, 0, 1], 9);

#[tokio::test]
async fn it_sends_both_ways_by_indications_and_channels_refreshes_and_lets_go() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let mut ada = Caller::allocate(house.port, &house.passes[0])?;
    let mut ben = Caller::allocate(house.port, &house.passes[1])?;
    ada.permits(ben.relay)?;
    ben.permits(ada.relay)?;

    // The first goes by an indication, beside a request for a channel.
    ensure!(ada.sends(ben.relay, b"one")? == ["bind", "send"]);
    ensure!(ben.hears()? == (false, ada.relay, b"one".to_vec()));
    ada.is_granted(1)?;
    ensure!(ben.sends(ada.relay, b"two")? == ["bind", "send"]);
    ben.is_granted(1)?;
    ensure!(ada.hears()? == (true, ben.relay, b"two".to_vec()));
    ensure!(ada.sends(ben.relay, b"three")? == ["channel"]);
    ensure!(ben.hears()? == (true, ada.relay, b"three".to_vec()));
    ensure!(ben.sends(ada.relay, b"four")? == ["channel"]);
    ensure!(ada.hears()? == (true, ben.relay, b"four".to_vec()));

    ensure!(ada.lets_time_pass(LATER)? == ["refresh", "permission"]);
    ada.is_granted(2)?;
    ensure!(ada.sends(ben.relay, b"five")? == ["bind", "channel"]);
    ada.is_granted(1)?;
    ensure!(ben.hears()? == (true, ada.relay, b"five".to_vec()));

    ada.lets_go()?;
    ben.sends(ada.relay, b"six")?;
    ada.socket.set_read_timeout(Some(DROPPED))?;
    ensure!(ada.hear().is_err(), "relayed after it was let go");
    Ok(())
}

#[tokio::test]
async fn it_is_refused_with_a_wrong_password_and_for_peers_inside() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let house = House::open(folder.path()).await?;
    let [pass, _] = &house.passes;
    let wrong = RelayPass {
        password: "guessed".to_owned(),
        ..pass.clone()
    };

    let error = Caller::allocate(house.port, &wrong).err();
    let error = error.context("allocated with a wrong password")?;
    ensure!(error.to_string().contains("401"), "{error}");

    let mut ada = Caller::allocate(house.port, pass)?;
    let error = ada.permits(SocketAddr::from(INSIDE)).err();
    let error = error.context("permitted a peer inside")?;
    ensure!(error.to_string().contains("403"), "{error}");
    Ok(())
}

/// One end, with an allocation.
struct Caller {
    socket: UdpSocket,
    client: Client,
    relay: SocketAddr,
    /// What time the client is told that it is.
    now: Instant,
}

impl Caller {
    fn allocate(port: u16, pass: &RelayPass) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(WAIT))?;
        let config = ClientConfig {
            turn_serv_addr: socket.peer_addr()?.to_string(),
            local_addr: socket.local_addr()?,
            username: pass.username.clone(),
            password: pass.password.clone(),
            ..ClientConfig::default()
        };
        let mut caller = Self {
            client: Client::new(config, rtc_turn::crypto::default_provider()?)?,
            relay: socket.peer_addr()?,
            socket,
            now: now(),
        };
        caller.client.allocate(caller.now)?;
        match caller.event()? {
            Event::AllocateResponse(_, relay) => caller.relay = relay,
            other => bail!("{other:?}"),
        }
        Ok(caller)
    }

    fn permits(&mut self, peer: SocketAddr) -> Result<()> {
        let mut relay = self.client.relay(self.relay)?;
        relay.create_permission(self.now, peer)?;
        match self.event()? {
            Event::CreatePermissionResponse(_, permitted) if permitted == peer => Ok(()),
            other => bail!("{other:?}"),
        }
    }

    /// What kinds of packets it takes.
    fn sends(&mut self, peer: SocketAddr, payload: &[u8]) -> Result<Vec<&'static str>> {
        let mut relay = self.client.relay(self.relay)?;
        relay.send_to(self.now, payload, peer)?;
        self.flush()
    }

    /// Whether it came by a channel, from whom, and what.
    fn hears(&mut self) -> Result<(bool, SocketAddr, Vec<u8>)> {
        match self.event()? {
            Event::DataIndicationOrChannelData(channel, peer, bytes) => {
                Ok((channel.is_some(), peer, bytes.to_vec()))
            }
            other => bail!("{other:?}"),
        }
    }

    fn lets_time_pass(&mut self, time: Duration) -> Result<Vec<&'static str>> {
        self.now += time;
        self.client.handle_timeout(self.now)?;
        let sent = self.flush()?;
        Ok(sent)
    }

    /// So many requests that the client says nothing of.
    fn is_granted(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let answer = self.hear()?;
            let class = Message::parse(&answer)?.class();
            ensure!(class == Class::Success, "{class:?}");
        }
        Ok(())
    }

    fn lets_go(&mut self) -> Result<()> {
        self.client.relay(self.relay)?.close(self.now)?;
        ensure!(self.flush()? == ["refresh"]);
        self.is_granted(1)?;
        let is_gone = self.client.relay(self.relay).is_err();
        ensure!(is_gone, "the client keeps its relay");
        Ok(())
    }

    fn event(&mut self) -> Result<Event> {
        loop {
            self.flush()?;
            if let Some(event) = self.client.poll_event() {
                return Ok(event);
            }
            self.hear()?;
        }
    }

    fn flush(&mut self) -> Result<Vec<&'static str>> {
        let mut kinds = Vec::new();
        while let Some(packet) = self.client.poll_write() {
            self.socket.send(&packet.message)?;
            kinds.push(kind(&packet.message));
        }
        Ok(kinds)
    }

    /// Takes one packet.
    fn hear(&mut self) -> Result<Vec<u8>> {
        let mut place = [0; 2_000];
        let length = self.socket.recv(&mut place)?;
        let packet = place.get(..length).context("a packet")?;
        self.client.handle_read(TransportMessage {
            now: self.now,
            transport: TransportContext {
                local_addr: self.socket.local_addr()?,
                peer_addr: self.socket.peer_addr()?,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            },
            message: BytesMut::from(packet),
        })?;
        Ok(packet.to_vec())
    }
}

/// By its first bytes (RFC 8656, section 17, and RFC 8489, section 5).
fn kind(packet: &[u8]) -> &'static str {
    match packet {
        [0x40..=0x4f, ..] => "channel",
        [0, 0x03, ..] => "allocate",
        [0, 0x04, ..] => "refresh",
        [0, 0x08, ..] => "permission",
        [0, 0x09, ..] => "bind",
        [0, 0x16, ..] => "send",
        _ => "something else",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client's clock begins somewhere"
)]
fn now() -> Instant {
    Instant::now()
}
