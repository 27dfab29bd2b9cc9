//! What passes by on the wire: every packet to and from some ports of this machine, as whoever sits
//! in between has it.
//!
//! Owns the socket that sees all packets of its network, which only the test's own should be: see
//! [`crate::internet`].

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, RecvFlags, SocketType, eth, recv, socket, sockopt};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Kept at most; what comes later is not looked at.
const BYTES_MAX: usize = 256 << 20;
const GLANCE: Duration = Duration::from_millis(100);
/// Of the kernel, for what was not taken yet.
const BUFFER_BYTES: usize = 16 << 20;
const ETHERNET: usize = 14;

/// A port, by the protocol that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Udp(u16),
    Tcp(u16),
}

/// Packets as they come.
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Capture {
    /// Begins, for packets from or to ports that `is_wanted`.
    ///
    /// # Errors
    /// If this process may not see the packets of its network.
    pub fn begin(is_wanted: impl Fn(Port) -> bool + Send + 'static) -> Result<Self> {
        let all = socket(AddressFamily::PACKET, SocketType::RAW, Some(eth::ALL));
        let all = all.context("seeing all packets, which root may in a network of its own")?;
        sockopt::set_socket_timeout(&all, sockopt::Timeout::Recv, Some(GLANCE))?;
        sockopt::set_socket_recv_buffer_size_force(&all, BUFFER_BYTES)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&all, BUFFER_BYTES))?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = stop.clone();
        let thread = std::thread::spawn(move || gather(&all, &is_over, is_wanted));
        Ok(Self { stop, thread })
    }

    /// All payloads of UDP and TCP so far.
    ///
    /// # Errors
    /// If it broke off.
    pub fn end(self) -> Result<Vec<Vec<u8>>> {
        self.stop.store(true, Ordering::Relaxed);
        let packets = self.thread.join();
        packets.map_err(|_| anyhow::anyhow!("the capture broke off"))
    }
}

fn gather(all: &OwnedFd, is_over: &AtomicBool, is_wanted: impl Fn(Port) -> bool) -> Vec<Vec<u8>> {
    let (mut packets, mut bytes) = (Vec::new(), 0);
    let mut place = vec![0; 1 << 17];
    while !is_over.load(Ordering::Relaxed) && bytes < BYTES_MAX {
        let Ok((_, length)) = recv(all, place.as_mut_slice(), RecvFlags::empty()) else {
            continue;
        };
        if let Some((ports, payload)) = read(&place[..length])
            && ports.into_iter().any(&is_wanted)
        {
            bytes += payload.len();
            packets.push(payload.to_vec());
        }
    }
    packets
}

/// Ports and payload of a packet of UDP or TCP.
fn read(packet: &[u8]) -> Option<([Port; 2], &[u8])> {
    let packet = packet.get(ETHERNET..)?;
    let (protocol, inner) = match packet.first()? >> 4 {
        4 => (packet.get(9)?, usize::from(packet[0] & 15) * 4),
        6 => (packet.get(6)?, 40),
        _ => return None,
    };
    let inner = packet.get(inner..)?;
    let (of, header): (fn(u16) -> Port, usize) = match protocol {
        17 => (Port::Udp, 8),
        6 => (Port::Tcp, usize::from(inner.get(12)? >> 4) * 4),
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes([*inner.get(at)?, *inner.get(at + 1)?]));
    Some(([of(port(0)?), of(port(2)?)], inner.get(header..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_payload_of_udp_and_tcp_are_read_over_both_versions_of_ip() {
        let udp = [0, 9, 1, 0, 0, 11, 0, 0, b'a', b'b', b'c'];
        let mut tcp = vec![0, 9, 1, 0];
        tcp.extend([0; 8]);
        tcp.extend([5 << 4, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']);
        let of_udp = [Port::Udp(9), Port::Udp(256)];
        let of_tcp = [Port::Tcp(9), Port::Tcp(256)];
        for (protocol, inner, ports) in [(17, &udp[..], of_udp), (6, &tcp, of_tcp)] {
            let mut ipv4 = [0; ETHERNET + 20];
            (ipv4[ETHERNET], ipv4[ETHERNET + 9]) = (0x45, protocol);
            let mut ipv6 = [0; ETHERNET + 40];
            (ipv6[ETHERNET], ipv6[ETHERNET + 6]) = (0x60, protocol);

            let expected = Some((ports, &b"abc"[..]));
            assert_eq!(read(&[&ipv4, inner].concat()), expected);
            assert_eq!(read(&[&ipv6, inner].concat()), expected);
        }
        assert_eq!(read(&[0; 60]), None);
    }

    #[test]
    fn short_packets_are_nothing() {
        let mut whole = [0; 60];
        (whole[ETHERNET], whole[ETHERNET + 9]) = (0x4f, 6);
        for length in 0..whole.len() {
            let _ = read(&whole[..length]);
        }
    }
}
