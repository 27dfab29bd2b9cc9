//! A real server that relays calls, and two people with passes.

use super::{Caller, Pipe};
use crate::lean::{Member, Way};
use crate::real::{RealServer, free_port};
use anyhow::{Context, Result};
use roost_wire::api::{AskRelayPass, RelayPass};
use std::path::Path;

/// A server that relays, on ports of its own, and a pass for each of two people.
pub struct House {
    pub server: RealServer,
    pub way: Way,
    /// Of UDP and TCP.
    pub port: u16,
    /// Hers and his.
    pub passes: [RelayPass; 2],
}

impl House {
    /// # Errors
    /// If the server does not start.
    pub async fn open(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        Self::open_with(folder, port, &["--calls-udp", &port.to_string()]).await
    }

    /// With options of the command line, which say the same port.
    ///
    /// # Errors
    /// If the server does not start.
    pub async fn open_with(folder: &Path, port: u16, options: &[&str]) -> Result<Self> {
        let server = RealServer::start(&folder.join("data"), options)?;
        let way = Way::to(&server)?;
        let ada = Member::join(&way, server.setup_link()?, "Ada", 1).await?;
        let ben = Member::join(&way, &server.invite(1)?, "Ben", 2).await?;
        let passes = [
            ada.ask(&AskRelayPass {}).await?,
            ben.ask(&AskRelayPass {}).await?,
        ];
        Ok(Self {
            server,
            way,
            port,
            passes,
        })
    }

    /// Over UDP, TCP, TLS as HTTPS clients begin it, TLS as browsers begin it when they relay.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn pipes(&self) -> Result<[Pipe; 4]> {
        let https = self.server.port();
        Ok([
            Pipe::udp(self.port)?,
            Pipe::tcp(self.port)?,
            Pipe::tls(https, &self.way.tls_naming(&[b"stun.turn".as_slice()]))?,
            Pipe::tls(https, &self.way.tls_naming(&[]))?,
        ])
    }

    /// One for each of [`House::pipes`], with hers (0) or his (1) pass.
    ///
    /// # Errors
    /// If the server gives no relays.
    pub fn callers(&self, which: usize) -> Result<Vec<Caller>> {
        let pass = self.passes.get(which).context("a pass")?;
        let pipes = self.pipes()?.into_iter();
        pipes.map(|pipe| Caller::allocate(pipe, pass)).collect()
    }
}
