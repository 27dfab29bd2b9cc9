//! What stands before a connection: its handshake, and a look at what it wants.
//!
//! Owns the handshakes of one worker. Who names HTTP in the handshake (ALPN) gets it; who names TURN
//! (RFC 7443) as well. Browsers name nothing when they relay, and neither do simple HTTP clients:
//! they are told apart by their first bytes.

use super::handshakes::Handshakes;
use super::rewound::Rewound;
use crate::relay::Door;
use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_web::rt::net::TcpStream;
use roost_turn::stream;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake takes no longer, the wait for its turn included.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// Who says nothing in the handshake must say something after it within this.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(5);
/// Enough to tell what they are.
const FIRST_BYTES: u64 = 512;

const TURN: &[u8] = b"stun.turn";
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Why a connection does not reach the web server, or how it ended there.
#[derive(Debug)]
pub enum Ended {
    /// It was handed to the relay.
    Relayed,
    /// Its handshake or its first bytes did not come, or made no sense.
    Silent,
    // Who closes a connection, and why, is of no interest to anybody.
    Http(#[expect(dead_code, reason = "shown to a debugger only")] DispatchError),
}

/// What the web server is given: a connection, its protocol, whose it is.
pub type Visit = (Rewound<TlsStream<TcpStream>>, Protocol, Option<SocketAddr>);

#[derive(Clone)]
pub struct Gate {
    acceptor: TlsAcceptor,
    handshakes: Handshakes,
    door: Option<Door>,
}

/// The protocols that the handshake may name; who names several gets the first of these.
pub fn config(mut tls: ServerConfig, takes_calls: bool) -> Arc<ServerConfig> {
    let turn = takes_calls.then_some(TURN);
    let all = turn.into_iter().chain([HTTP_2, HTTP_1]);
    tls.alpn_protocols = all.map(<[u8]>::to_vec).collect();
    Arc::new(tls)
}

impl Gate {
    pub fn new(tls: Arc<ServerConfig>, door: Option<Door>) -> Self {
        Self {
            acceptor: tls.into(),
            handshakes: Handshakes::default(),
            door,
        }
    }

    /// Lets a connection in: to the web server, or to the relay.
    ///
    /// # Errors
    /// See [`Ended`].
    pub async fn open(&self, socket: TcpStream) -> Result<Visit, Ended> {
        let address = socket.peer_addr().map_err(|_| Ended::Silent)?;
        let mut connection = self.shake_hands(socket, address).await?;
        let named = connection.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let (heard, protocol) = match (named.as_deref(), &self.door) {
            (Some(TURN), Some(door)) => return Err(relay(door, connection, address, Vec::new())),
            (Some(HTTP_2), _) => (Vec::new(), Protocol::Http2),
            (None, Some(door)) => {
                let heard = first_bytes(&mut connection, FIRST_BYTES_WITHIN).await?;
                if stream::begins(&heard) == Some(true) {
                    return Err(relay(door, connection, address, heard));
                }
                (heard, Protocol::Http1)
            }
            (Some(_), _) | (None, None) => (Vec::new(), Protocol::Http1),
        };
        Ok((Rewound::new(heard, connection), protocol, Some(address)))
    }

    async fn shake_hands(
        &self,
        socket: TcpStream,
        address: SocketAddr,
    ) -> Result<TlsStream<TcpStream>, Ended> {
        let shaken = self
            .handshakes
            .within(HANDSHAKE_WITHIN, address.ip(), self.acceptor.accept(socket))
            .await;
        shaken.and_then(Result::ok).ok_or(Ended::Silent)
    }
}

/// As many as it takes to tell what they are.
async fn first_bytes(
    connection: &mut (impl AsyncRead + Unpin),
    limit: Duration,
) -> Result<Vec<u8>, Ended> {
    let mut heard = Vec::new();
    let enough = async {
        while stream::begins(&heard).is_none() {
            let mut room = (&mut *connection).take(FIRST_BYTES);
            if room.read_buf(&mut heard).await.map_err(|_| Ended::Silent)? == 0 {
                return Err(Ended::Silent);
            }
        }
        Ok(heard)
    };
    timeout(limit, enough).await.map_err(|_| Ended::Silent)?
}

/// From here on the relay's.
fn relay(
    door: &Door,
    connection: TlsStream<TcpStream>,
    address: SocketAddr,
    heard: Vec<u8>,
) -> Ended {
    let (socket, tls) = connection.into_inner();
    match socket.into_std() {
        Ok(socket) => {
            door.hand_over(socket, address, tls, heard);
            Ended::Relayed
        }
        Err(_) => Ended::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, duplex};

    #[tokio::test]
    async fn bytes_that_come_one_by_one_are_told_apart() {
        for (bytes, is_turn) in [
            (&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42][..], true),
            (&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x43][..], false),
            (b"G", false),
        ] {
            let (mut client, mut server) = duplex(1);
            let (heard, ()) = tokio::join!(first_bytes(&mut server, FIRST_BYTES_WITHIN), async {
                client.write_all(bytes).await.unwrap();
            });

            let heard = heard.unwrap();
            assert_eq!(heard, bytes);
            assert_eq!(stream::begins(&heard), Some(is_turn));
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let soon = Duration::from_millis(10);
        let (client, mut server) = duplex(16);
        assert!(first_bytes(&mut server, soon).await.is_err());

        drop(client);
        assert!(first_bytes(&mut server, FIRST_BYTES_WITHIN).await.is_err());
    }
}
