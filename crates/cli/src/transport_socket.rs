//! Carries a core's frames over one WebSocket.

use crate::tls::Trust;
use crate::transport_http::Trouble;
use futures_util::{SinkExt as _, StreamExt as _};
use roost_wire::limit;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::ORIGIN};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server pings every so often; silence beyond this means that the connection is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);
/// Frames waiting to be sent; a socket that is slower is closed, and the core opens a new one.
const OUTGOING_FRAMES: usize = 1_024;

/// What a socket tells.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    Opened,
    Frame(Vec<u8>),
    Closed(Option<Trouble>),
}

/// The sending half; dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct Socket(mpsc::Sender<Vec<u8>>);

impl Socket {
    /// Starts opening a socket; `tell` hears what becomes of it and slows it down by being slow.
    pub(crate) fn open<F>(
        trust: &Trust,
        origin: String,
        path: &str,
        tell: impl Fn(SocketEvent) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let (sender, outgoing) = mpsc::channel(OUTGOING_FRAMES);
        let connector = TlsConnector::from(Arc::new(trust.config(&[b"http/1.1"])));
        let address = format!("{origin}{path}");
        tokio::spawn(async move {
            let end = run(connector, &origin, &address, outgoing, &tell).await;
            tell(SocketEvent::Closed(end.err())).await;
        });
        Self(sender)
    }

    /// Queues a frame; false if the socket is closed or too slow.
    pub(crate) fn send(&self, frame: Vec<u8>) -> bool {
        self.0.try_send(frame).is_ok()
    }
}

/// A stream that may or may not be encrypted.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

async fn run<F>(
    connector: TlsConnector,
    origin: &str,
    address: &str,
    outgoing: mpsc::Receiver<Vec<u8>>,
    tell: &(impl Fn(SocketEvent) -> F + Sync),
) -> Result<(), Trouble>
where
    F: Future<Output = ()> + Send,
{
    let connecting = connect(connector, origin, address);
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| Trouble::Unreachable("no answer in time".into()))??;
    tell(SocketEvent::Opened).await;
    pump(stream, outgoing, tell).await
}

async fn connect(
    connector: TlsConnector,
    origin: &str,
    address: &str,
) -> Result<WebSocketStream<Box<dyn Wire>>, Trouble> {
    let url = reqwest::Url::parse(address).map_err(|error| Trouble::of(&error))?;
    let host = url.host_str().unwrap_or_default();
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let tcp = TcpStream::connect((&*host, port))
        .await
        .map_err(|error| Trouble::of(&error))?;
    let _ = tcp.set_nodelay(true);
    let encrypted = url.scheme() == "https";
    let wire: Box<dyn Wire> = if encrypted {
        let name = ServerName::try_from(host).map_err(|error| Trouble::of(&error))?;
        let tls = connector.connect(name, tcp).await;
        Box::new(tls.map_err(|error| Trouble::of(&error))?)
    } else {
        Box::new(tcp)
    };
    handshake(wire, origin, address).await
}

async fn handshake(
    wire: Box<dyn Wire>,
    origin: &str,
    address: &str,
) -> Result<WebSocketStream<Box<dyn Wire>>, Trouble> {
    // http becomes ws, https becomes wss.
    let mut request = address
        .replacen("http", "ws", 1)
        .into_client_request()
        .map_err(|error| Trouble::of(&error))?;
    let origin = HeaderValue::from_str(origin).map_err(|error| Trouble::of(&error))?;
    request.headers_mut().insert(ORIGIN, origin);
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit::SERVER_FRAME_BYTES))
        .max_frame_size(Some(limit::SERVER_FRAME_BYTES));
    let (stream, _) = tokio_tungstenite::client_async_with_config(request, wire, Some(config))
        .await
        .map_err(|error| Trouble::of(&error))?;
    Ok(stream)
}

async fn pump<F>(
    stream: WebSocketStream<Box<dyn Wire>>,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    tell: &(impl Fn(SocketEvent) -> F + Sync),
) -> Result<(), Trouble>
where
    F: Future<Output = ()> + Send,
{
    let (mut sink, mut source) = stream.split();
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => sink
                    .send(Message::Binary(Bytes::from(frame)))
                    .await
                    .map_err(|error| Trouble::of(&error))?,
                None => {
                    let _ = sink.close().await;
                    return Ok(());
                }
            },
            message = tokio::time::timeout(SILENCE_TIMEOUT, source.next()) => match message {
                Ok(Some(Ok(Message::Binary(frame)))) => tell(SocketEvent::Frame(frame.to_vec())).await,
                Ok(Some(Ok(Message::Close(_))) | None) => return Ok(()),
                // Pings are answered by the library; a text or raw frame is not of this protocol.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Frame(_)))) => {}
                Ok(Some(Err(error))) => return Err(Trouble::of(&error)),
                Err(_) => return Err(Trouble::Unreachable("the server fell silent".into())),
            },
        }
    }
}
