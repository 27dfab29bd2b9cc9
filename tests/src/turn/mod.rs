//! A TURN client of nothing but sockets: over UDP, TCP, and TLS.
//!
//! Owns [`Caller`], one end of a call, [`Pipe`], what it talks through, and [`House`], a server to
//! call through. Waits five seconds for
//! an answer at most.

mod house;

pub use house::House;

use anyhow::{Context, Result, bail, ensure};
use roost_turn::message::{Attribute, Class, Key, Method, TransactionId, Writer};
use roost_turn::stream::{Next, next, padding};
use roost_turn::{Message, address};
use roost_wire::api::RelayPass;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

const CHANNEL: [u8; 4] = [0x40, 0x00, 0, 0];
const UDP: [u8; 4] = [17, 0, 0, 0];
const WAIT: Duration = Duration::from_secs(5);

/// What a client talks through.
pub enum Pipe {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Vec<u8>),
}

impl Pipe {
    /// # Errors
    /// The system's.
    pub fn udp(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(WAIT))?;
        Ok(Self::Udp(socket))
    }

    /// # Errors
    /// If nobody listens.
    pub fn tcp(port: u16) -> Result<Self> {
        Ok(Self::Tcp(connect(port)?, Vec::new()))
    }

    /// # Errors
    /// If nobody listens, or the handshake fails.
    pub fn tls(port: u16, tls: &Arc<ClientConfig>) -> Result<Self> {
        let client = ClientConnection::new(tls.clone(), "localhost".try_into()?)?;
        let stream = StreamOwned::new(client, connect(port)?);
        Ok(Self::Tls(Box::new(stream), Vec::new()))
    }

    /// How long to wait for what comes, instead of five seconds.
    ///
    /// # Errors
    /// The system's.
    pub fn waits(&self, at_most: Duration) -> Result<()> {
        let stream = match self {
            Self::Udp(socket) => return Ok(socket.set_read_timeout(Some(at_most))?),
            Self::Tcp(stream, _) => stream,
            Self::Tls(stream, _) => stream.get_ref(),
        };
        Ok(stream.set_read_timeout(Some(at_most))?)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// A connection that is over.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message).map(drop)?,
            Self::Tcp(stream, _) => {
                stream.write_all(&[message, padding(message.len())].concat())?;
            }
            Self::Tls(stream, _) => {
                stream.write_all(&[message, padding(message.len())].concat())?;
            }
        }
        Ok(())
    }

    /// The next message.
    ///
    /// # Errors
    /// A connection that is over, or silent.
    pub fn receive(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut packet = vec![0; 65_536];
                let length = socket.recv(&mut packet)?;
                packet.truncate(length);
                Ok(packet)
            }
            Self::Tcp(stream, rest) => message(stream, rest),
            Self::Tls(stream, rest) => message(stream, rest),
        }
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn message(stream: &mut impl Read, rest: &mut Vec<u8>) -> Result<Vec<u8>> {
    loop {
        if let Next::Frame { bytes, padded } = next(rest)? {
            let message = rest.get(..bytes).context("a message")?.to_vec();
            rest.drain(..padded);
            return Ok(message);
        }
        let mut more = [0; 4_096];
        let count = stream.read(&mut more)?;
        ensure!(count > 0, "the server closed the connection");
        rest.extend_from_slice(more.get(..count).unwrap_or_default());
    }
}

/// One end of a call: an allocation, and a channel to the other end.
pub struct Caller {
    pub pipe: Pipe,
    pass: RelayPass,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    pub relay: SocketAddr,
}

impl Caller {
    /// # Errors
    /// If the server gives no relay.
    pub fn allocate(pipe: Pipe, pass: &RelayPass) -> Result<Self> {
        let mut caller = Self {
            pipe,
            pass: pass.clone(),
            realm: Vec::new(),
            nonce: Vec::new(),
            relay: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        let first = request(Method::ALLOCATE).attribute(Attribute::REQUESTED_TRANSPORT, &UDP);
        let challenge = caller.exchange(&first.finish())?;
        let challenge = Message::parse(&challenge)?;
        let part = |kind| challenge.attribute(kind).map(<[u8]>::to_vec);
        caller.realm = part(Attribute::REALM).context("a realm")?;
        caller.nonce = part(Attribute::NONCE).context("a nonce")?;
        let second = request(Method::ALLOCATE).attribute(Attribute::REQUESTED_TRANSPORT, &UDP);
        let answer = caller.asks(second)?;
        let answer = Message::parse(&answer)?;
        let relay = answer.attribute(Attribute::XOR_RELAYED_ADDRESS);
        let relay = relay.and_then(|relay| address::from_xor(relay, answer.transaction()));
        caller.relay = relay.context("a relay")?;
        Ok(caller)
    }

    /// Binds the channel to this peer.
    ///
    /// # Errors
    /// If the server does not allow it.
    pub fn bind(&mut self, peer: SocketAddr) -> Result<()> {
        let request = request(Method::CHANNEL_BIND)
            .attribute(Attribute::CHANNEL_NUMBER, &CHANNEL)
            .address(Attribute::XOR_PEER_ADDRESS, peer);
        self.asks(request).map(drop)
    }

    /// Permits this peer.
    ///
    /// # Errors
    /// If the server does not allow it.
    pub fn permit(&mut self, peer: SocketAddr) -> Result<()> {
        let request = request(Method::CREATE_PERMISSION).address(Attribute::XOR_PEER_ADDRESS, peer);
        self.asks(request).map(drop)
    }

    /// Sends to a peer without a channel.
    ///
    /// # Errors
    /// A connection that is over.
    pub fn sends_to(&mut self, peer: SocketAddr, payload: &[u8]) -> Result<()> {
        let send = Writer::new(Class::Indication, Method::SEND, TransactionId([3; 12]))
            .address(Attribute::XOR_PEER_ADDRESS, peer)
            .attribute(Attribute::DATA, payload);
        self.pipe.send(&send.finish())
    }

    /// Sends through the channel.
    ///
    /// # Errors
    /// A connection that is over.
    pub fn says(&mut self, payload: &[u8]) -> Result<()> {
        let [c0, c1, ..] = CHANNEL;
        let [l0, l1] = u16::try_from(payload.len())?.to_be_bytes();
        self.pipe.send(&[&[c0, c1, l0, l1], payload].concat())
    }

    /// What comes through the channel.
    ///
    /// # Errors
    /// If nothing comes, or something else.
    pub fn hears(&mut self) -> Result<Vec<u8>> {
        let packet = self.pipe.receive()?;
        ensure!(packet.starts_with(&CHANNEL[..2]), "not from the channel");
        Ok(packet.get(4..).unwrap_or_default().to_vec())
    }

    /// A signed request that is granted.
    fn asks(&mut self, request: Writer) -> Result<Vec<u8>> {
        let realm = std::str::from_utf8(&self.realm)?;
        let key = Key::long_term(&self.pass.username, realm, &self.pass.password);
        let request = request
            .attribute(Attribute::USERNAME, self.pass.username.as_bytes())
            .attribute(Attribute::REALM, &self.realm)
            .attribute(Attribute::NONCE, &self.nonce)
            .sign(&key);
        let answer = self.exchange(&request)?;
        let parsed = Message::parse(&answer)?;
        match (parsed.class(), parsed.attribute(Attribute::ERROR_CODE)) {
            (Class::Success, None) => Ok(answer),
            (class, error) => bail!("{class:?} {error:?}"),
        }
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.pipe.send(request)?;
        self.pipe.receive()
    }
}

/// A request as yet unsigned.
#[must_use]
pub fn request(method: Method) -> Writer {
    Writer::new(Class::Request, method, TransactionId(*b"0123456789ab"))
}
