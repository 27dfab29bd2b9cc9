//! Sockets as the relay wants them: UDP, many datagrams a system call where the kernel has that; TCP
//! that several threads accept from.

use mio::Interest;
use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpListener};

/// A datagram, and what the kernel glued together, at most.
const BUFFER_BYTES: usize = 65_536;
/// What is asked of the kernel; it gives what the system's administrator allows.
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

pub struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

impl Udp {
    /// # Errors
    /// If the address is taken, or not of this machine.
    pub fn bind(address: SocketAddr, is_shared: bool) -> io::Result<Self> {
        let socket = socket(address, Type::DGRAM, Protocol::UDP, is_shared)?;
        socket.bind(&address.into())?;
        let socket = std::net::UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        // Less than was asked for is fine.
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER_BYTES);
        Ok(Self {
            address: socket.local_addr()?,
            socket: UdpSocket::from_std(socket),
            state,
        })
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another handle on the same socket, to send by.
    ///
    /// # Errors
    /// The system's.
    #[cfg(unix)]
    pub fn twin(&self) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let socket = std::net::UdpSocket::from(self.socket.as_fd().try_clone_to_owned()?);
        Ok(Self {
            state: UdpSocketState::new((&socket).into())?,
            address: self.address,
            socket: UdpSocket::from_std(socket),
        })
    }

    /// # Errors
    /// The system's.
    pub fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token, Interest::READABLE)
    }

    /// How many buffers of the inbox were filled.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let Inbox { bytes, meta } = inbox;
        let mut chunks = bytes.chunks_exact_mut(BUFFER_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        self.state.recv((&self.socket).into(), &mut buffers, meta)
    }

    /// Sends datagrams of `segment` bytes each, the last one perhaps shorter. What the kernel does
    /// not take is lost, as on any network.
    pub fn send(&self, to: SocketAddr, contents: &[u8], segment: usize) {
        let at_once = self.state.max_gso_segments().max(1);
        for part in contents.chunks(segment.saturating_mul(at_once).max(1)) {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: part,
                segment_size: (part.len() > segment).then_some(segment),
                src_ip: None,
            };
            let _ = self.state.try_send((&self.socket).into(), &transmit);
        }
    }
}

/// A socket that clients connect to.
///
/// # Errors
/// If the address is taken, or not of this machine.
pub fn listen(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP, is_shared)?;
    // A server that restarts need not wait for what its connections left behind.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
    is_shared: bool,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // Each family has its own socket, so that addresses are what they look like.
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let _ = is_shared;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Where received datagrams are put.
pub struct Inbox {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
}

impl Inbox {
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BUFFER_BYTES * BATCH_SIZE],
            meta: [RecvMeta::default(); BATCH_SIZE],
        }
    }

    /// Whether there may be more than what filled so many buffers. Linux fills all that it can, and the
    /// poll tells of what comes later.
    #[must_use]
    pub const fn is_full(buffers: usize) -> bool {
        buffers >= BATCH_SIZE || !cfg!(target_os = "linux")
    }

    /// Each datagram of the first buffers, with its sender. Nobody can answer port 0, and the kernel's
    /// refusal to would be taken for one to send many at once.
    pub fn datagrams(&self, buffers: usize) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let filled = self.bytes.chunks_exact(BUFFER_BYTES).zip(&self.meta);
        let filled = filled.take(buffers);
        let answerable = filled.filter(|(_, meta)| meta.addr.port() != 0);
        answerable.flat_map(|(bytes, meta)| {
            let received = bytes.get(..meta.len).unwrap_or_default();
            received
                .chunks(meta.stride.max(1))
                .map(|datagram| (meta.addr, datagram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_port_0_is_dropped() {
        let mut inbox = Inbox::new();
        for (meta, port) in inbox.meta.iter_mut().zip([9, 0]) {
            meta.addr = SocketAddr::from(([10, 0, 0, 1], port));
            (meta.len, meta.stride) = (6, 3);
        }

        let ports: Vec<_> = inbox.datagrams(2).map(|(at, _)| at.port()).collect();
        assert_eq!(ports, [9, 9]);
    }
}
