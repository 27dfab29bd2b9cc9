//! Forwards the media of group calls without I/O: what one device sends, the others receive, byte
//! for byte.
//!
//! Owns who is connected to which call, what each wants to see, and which layer of it fits. Never
//! opens a socket, reads a clock or looks inside a frame: frames are encrypted between the devices,
//! and all that is read here are headers of RTP and the mark that devices put before a frame.

mod ask;
mod call;
mod connection;
mod crypto;
mod descriptor;
pub mod door;
mod layer;
mod library;
pub mod limit;
mod offer;
mod places;
mod queue;
mod sfu;
mod share;
mod slot;
mod source;
mod speakers;
mod splice;
mod vp8;

pub use ask::{Asked, ConnectError, Told};
pub use connection::Datagram;
pub use crypto::{Certificate, CertificateError, provider as crypto_provider};
pub use queue::{Ask, Batch, Queue, Reply, Waiting};
pub use sfu::Sfu;
