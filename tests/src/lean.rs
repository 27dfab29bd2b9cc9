//! Load: real accounts and groups, then sockets that speak the wire protocol and do as little
//! else as they can, so that what is measured is the server.
//!
//! Owns [`Member`], a real core that makes the accounts and groups and then lends its session (or
//! stays connected itself, in `live`), and [`Line`], a bare WebSocket. Messages are made in advance: a true header of the group's
//! epoch before random bytes, which is all a server can tell apart.

mod live;

use crate::real::RealServer;
use crate::world::client::Client;
use crate::world::dice::Seeded;
use anyhow::{Context, Result, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use roost_cli::tls::Trust;
use roost_cli::transport_http::HttpTransport;
use roost_client::{Command, Dice, HttpCall, Input, Moment, Notice, Unreachable};
use roost_wire::api::{AskTicket, FetchGroupInfo, SocketTicket};
use roost_wire::frame::{ClientFrame, Cursor, ServerFrame};
use roost_wire::{Call, Epoch, GroupId, InboxSeq, List, Seq, StateCounter, Token, limit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message, client::IntoClientRequest};

/// How to reach one server.
#[derive(Clone)]
pub struct Way {
    http: HttpTransport,
    tls: TlsConnector,
    tls_config: ClientConfig,
    origin: String,
    port: u16,
}

impl Way {
    /// # Errors
    /// If the server's certificate cannot be read.
    pub fn to(server: &RealServer) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(server.ca())? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            http: HttpTransport::new(&Trust::public().and_file(&server.ca())?)?,
            tls: TlsConnector::from(Arc::new(config.clone())),
            tls_config: config,
            origin: server.origin().to_owned(),
            port: server.port(),
        })
    }

    /// TLS that names these protocols in its handshake (ALPN).
    #[must_use]
    pub fn tls_naming(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = self.tls_config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Opens a WebSocket.
    async fn dial(&self, path: &str) -> Result<Stream> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let tls = self.tls.connect(name, tcp).await?;
        let address = format!("{}{path}", self.origin.replacen("http", "ws", 1));
        let mut request = address.into_client_request()?;
        request.headers_mut().insert("origin", self.origin.parse()?);
        Ok(tokio_tungstenite::client_async(request, tls).await?.0)
    }

    async fn call<C: Call>(&self, token: &Token, call: &C) -> Result<C::Reply> {
        let call_data = HttpCall {
            id: roost_client::CallId::new(0),
            method: C::METHOD,
            path: call.path(),
            body: call.body(),
            token: Some(token.clone()),
        };
        let reply = self.http.call(&self.origin, &call_data).await?;
        if reply.status != 200 {
            bail!("{}: {}", call_data.path, reply.status);
        }
        Ok(C::reply(&reply.body)?)
    }
}

/// A real core over plain requests, and over a socket while it is wanted live.
pub struct Member {
    way: Way,
    client: Client,
    /// Of its newest request.
    pub token: Option<Token>,
    socket: Option<Stream>,
    alarm: Option<Moment>,
}

impl Member {
    /// Makes an account by a link.
    ///
    /// # Errors
    /// If the link does not work.
    pub async fn join(way: &Way, link: &str, name: &str, seed: u64) -> Result<Self> {
        let mut member = Self {
            way: way.clone(),
            client: Client::new(name, 0, Seeded::new(seed)),
            token: None,
            socket: None,
            alarm: None,
        };
        member
            .does(Command::Join {
                link: link.to_owned(),
                name: name.to_owned(),
            })
            .await?;
        Ok(member)
    }

    #[must_use]
    pub fn core(&self) -> &roost_client::Core {
        self.client.running()
    }

    /// Carries a command out as far as it goes now.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn does(&mut self, command: Command) -> Result<Vec<Notice>> {
        let first = self.client.notices.len();
        self.feed(Input::Command(command)).await?;
        self.feed(Input::Command(Command::SyncOnce)).await?;
        while !self.news(first)?.contains(&Notice::Settled) {
            let wait = self.alarm.context("nothing to wait for")?.since(now());
            tokio::time::sleep(Duration::from_millis(wait + 1)).await;
            self.feed(Input::Tick).await?;
        }
        Ok(self.news(first)?.to_vec())
    }

    /// What the core announced since, unless it refused something.
    fn news(&self, first: usize) -> Result<&[Notice]> {
        let notices = &self.client.notices[first..];
        for notice in notices {
            if let Notice::Refused { reason } | Notice::Failed { reason, .. } = notice {
                bail!("{}: {reason}", self.client.name);
            }
        }
        Ok(notices)
    }

    /// Opens a socket with this member's session and follows a group from its start.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn line(&self, follows: &[(GroupId, Seq)]) -> Result<Line> {
        let token = self.token.as_ref().context("not signed in")?;
        let ticket = self.way.call(token, &AskTicket {}).await?;
        Line::open(&self.way, &ticket, follows).await
    }

    /// Makes one call of the API.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn ask<C: Call>(&self, call: &C) -> Result<C::Reply> {
        let token = self.token.as_ref().context("not signed in")?;
        self.way.call(token, call).await
    }

    /// The group's epoch on the server.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn epoch(&self, group: &GroupId) -> Result<Epoch> {
        let token = self.token.as_ref().context("not signed in")?;
        let info = self
            .way
            .call(token, &FetchGroupInfo { group: *group })
            .await?;
        Ok(info.epoch)
    }

    /// The last entry of the group's log.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn head(&self, group: &GroupId) -> Result<Seq> {
        let token = self.token.as_ref().context("not signed in")?;
        let info = self
            .way
            .call(token, &FetchGroupInfo { group: *group })
            .await?;
        Ok(info.head)
    }

    async fn call(&mut self, call: HttpCall) -> Input {
        if call.token.is_some() {
            self.token.clone_from(&call.token);
        }
        let result = self.way.http.call(&self.way.origin, &call).await;
        Input::Reply {
            call: call.id,
            result: result.map_err(|_| Unreachable),
        }
    }
}

type Stream = WebSocketStream<TlsStream<TcpStream>>;

/// A bare socket to the server, past its greeting.
pub struct Line {
    sink: SplitSink<Stream, Message>,
    source: SplitStream<Stream>,
}

type Sink = Arc<Mutex<SplitSink<Stream, Message>>>;

/// The sending half of a [`Line`].
pub struct Speaker(Sink);

/// The receiving half of a [`Line`], which gives back credit as a client does.
pub struct Listener {
    source: SplitStream<Stream>,
    sink: Sink,
    spent: u32,
}

impl Line {
    async fn open(way: &Way, ticket: &SocketTicket, follows: &[(GroupId, Seq)]) -> Result<Self> {
        let (sink, source) = way.dial(&ticket.path()).await?.split();
        let mut line = Self { sink, source };
        line.greet(follows).await?;
        Ok(line)
    }

    async fn greet(&mut self, follows: &[(GroupId, Seq)]) -> Result<()> {
        let cursors = follows.iter().map(|&(group, seq)| Cursor { group, seq });
        let hello = ClientFrame::Hello {
            cursors: List::new(cursors.collect())?,
            inbox: InboxSeq::new(u64::from(u32::MAX)),
            credit: limit::CREDIT_EVENTS,
            state: StateCounter::new(0),
        };
        self.sink
            .send(Message::Binary(hello.to_bytes().into()))
            .await?;
        loop {
            match self
                .source
                .next()
                .await
                .context("closed while greeting")??
            {
                Message::Binary(bytes) => match ServerFrame::parse(&bytes)? {
                    ServerFrame::Ready { .. } => return Ok(()),
                    other => bail!("greeted by {other:?}"),
                },
                Message::Close(reason) => bail!("closed while greeting: {reason:?}"),
                _ => {}
            }
        }
    }

    #[must_use]
    pub fn split(self) -> (Speaker, Listener) {
        let sink = Arc::new(Mutex::new(self.sink));
        let listener = Listener {
            source: self.source,
            sink: sink.clone(),
            spent: 0,
        };
        (Speaker(sink), listener)
    }
}

impl Speaker {
    /// Sends a frame made earlier.
    ///
    /// # Errors
    /// If the socket is closed.
    pub async fn send(&mut self, frame: Bytes) -> Result<()> {
        Ok(self.0.lock().await.send(Message::Binary(frame)).await?)
    }
}

impl Listener {
    /// The next binary frame.
    ///
    /// # Errors
    /// If the socket is closed.
    pub async fn frame(&mut self) -> Result<Bytes> {
        loop {
            match self
                .source
                .next()
                .await
                .context("the server closed the socket")??
            {
                Message::Binary(bytes) => {
                    self.give_credit().await?;
                    return Ok(bytes);
                }
                Message::Close(reason) => bail!("the server closed the socket: {reason:?}"),
                _ => {}
            }
        }
    }
}

impl Listener {
    async fn give_credit(&mut self) -> Result<()> {
        self.spent += 1;
        if self.spent >= limit::CREDIT_EVENTS / 2 {
            let events = std::mem::take(&mut self.spent);
            let frame = ClientFrame::Credit { events }.to_bytes();
            let frame = Message::Binary(frame.into());
            self.sink.lock().await.send(frame).await?;
        }
        Ok(())
    }
}

/// A `Submit` of one message of so many bytes.
///
/// # Panics
/// If the size is 16 KiB or more.
#[must_use]
pub fn submission(
    request: u32,
    group: &GroupId,
    epoch: Epoch,
    size: usize,
    dice: &mut Seeded,
) -> Bytes {
    assert!(size < 0x4000, "one length form is enough here");
    // MLS 1.0, PrivateMessage, group, epoch, application, no authenticated data (RFC 9420, 6.3).
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend(group.as_bytes());
    message.extend(epoch.get().to_be_bytes());
    message.extend([1, 0]);
    let sender_data = [0x1c; 29];
    message.extend(sender_data);
    let rest = size.saturating_sub(message.len() + 2).max(64);
    let length = u16::try_from(rest).unwrap_or(0) | 0x4000;
    message.extend(length.to_be_bytes());
    let mut sealed = vec![0; rest];
    dice.fill(&mut sealed);
    message.extend(sealed);
    let message = roost_wire::Blob::new(message).expect("within the limit of a message");
    let frame = ClientFrame::Submit {
        request,
        message,
        began: None,
    };
    frame.to_bytes().into()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a shell reads the clock for its core"
)]
fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_message_has_a_sound_header_and_its_size() {
        let group = GroupId::new([7; 16]);
        let frame = submission(3, &group, Epoch::new(2), 1_024, &mut Seeded::new(1));

        let Ok(ClientFrame::Submit { message, .. }) = ClientFrame::parse(&frame) else {
            panic!("not a submission");
        };
        assert_eq!(message.as_bytes().len(), 1_024);
        let envelope = roost_wire::envelope::Envelope::parse(message.into_bytes()).unwrap();
        assert_eq!((envelope.group(), envelope.epoch()), (group, Epoch::new(2)));
    }
}
