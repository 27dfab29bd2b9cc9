//! The real `roost` binary in a process of its own.
//!
//! Owns the process: it is started, killed and restarted on the same folder and port, and never
//! outlives its owner. Reads what the server prints, never what it stores.

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// A server that does not get ready within this is broken.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Where servers open their relays.
const RELAY_PORTS: RangeInclusive<u16> = 49_160..=49_259;

/// A server on a folder, running or not.
pub struct RealServer {
    folder: PathBuf,
    listen: SocketAddr,
    options: Vec<String>,
    environment: Vec<(String, OsString)>,
    child: Option<Child>,
    setup: Option<String>,
    origin: String,
}

impl RealServer {
    /// Starts a server on a free port of 127.0.0.1, with further command line options.
    ///
    /// # Errors
    /// If there is no binary, or it does not get ready.
    pub fn start(folder: &Path, options: &[&str]) -> Result<Self> {
        Self::start_in(folder, options, Vec::new())
    }

    /// Starts a server with further environment variables.
    ///
    /// # Errors
    /// As [`RealServer::start`].
    pub fn start_in(
        folder: &Path,
        options: &[&str],
        environment: Vec<(String, OsString)>,
    ) -> Result<Self> {
        Self::begin(Ipv4Addr::LOCALHOST.into(), folder, options, environment)
    }

    /// Starts a server that is reached at another address of this machine.
    ///
    /// # Errors
    /// As [`RealServer::start`].
    pub fn start_at(address: IpAddr, folder: &Path, options: &[&str]) -> Result<Self> {
        Self::begin(address, folder, options, Vec::new())
    }

    fn begin(
        address: IpAddr,
        folder: &Path,
        options: &[&str],
        environment: Vec<(String, OsString)>,
    ) -> Result<Self> {
        let mut server = Self {
            environment,
            folder: folder.to_owned(),
            listen: SocketAddr::new(address, free_port()?),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
            setup: None,
            origin: String::new(),
        };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again, on the same folder and port.
    ///
    /// # Errors
    /// If it does not get ready.
    pub fn start_again(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut child = Command::new(binary("ROOST_BIN", "roost")?)
            .arg("serve")
            .arg("--data")
            .arg(&self.folder)
            .args(["--listen", &self.listen.to_string()])
            .args(["--host", &self.host()])
            .args(self.calls())
            .args(&self.options)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let lines = lines_of(&mut child)?;
        self.child = Some(child);
        self.wait_until_ready(&lines)
    }

    /// Ends it as a power switch would end the process: no clean-up of any kind.
    ///
    /// # Errors
    /// If the process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to finish, and waits until it has.
    ///
    /// # Errors
    /// If it does not exit with success.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        kill_process(pid_of(&child)?, Signal::TERM)?;
        let status = child.wait()?;
        if status.success() {
            Ok(())
        } else {
            bail!("after SIGTERM the server ended with {status}")
        }
    }

    /// Its process id while it runs.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&self) -> Result<u32> {
        let child = self.child.as_ref().context("the server is not running")?;
        Ok(child.id())
    }

    /// `https://localhost:PORT`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    #[must_use]
    pub const fn port(&self) -> u16 {
        self.listen.port()
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate to trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("tls").join("ca.pem")
    }

    /// What it wrote to standard error, over all its lives.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// The set-up link of the first start.
    ///
    /// # Errors
    /// If none was printed.
    pub fn setup_link(&self) -> Result<&str> {
        self.setup.as_deref().context("no set-up link was printed")
    }

    /// An invite made by `roost invite`, also while the server runs.
    ///
    /// # Errors
    /// If the command fails.
    pub fn invite(&self, uses: u32) -> Result<String> {
        let output = Command::new(binary("ROOST_BIN", "roost")?)
            .args(["invite", "--data"])
            .arg(&self.folder)
            .args(["--uses", &uses.to_string()])
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let link = printed
            .lines()
            .find_map(|line| line.strip_prefix("invite: "));
        link.map(|link| link.trim().to_owned()).ok_or_else(|| {
            anyhow!(
                "roost invite: {printed}{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// What `roost doctor` says, and whether all is well by it. `options` come on top of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn doctor(&self, options: &[&str]) -> Result<(bool, String)> {
        let output = Command::new(binary("ROOST_BIN", "roost")?)
            .args(["doctor", "--data"])
            .arg(&self.folder)
            .args(["--listen", &self.listen.to_string()])
            .args(options)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((output.status.success(), said))
    }

    fn host(&self) -> String {
        if self.listen.ip().is_loopback() {
            "localhost".to_owned()
        } else {
            self.listen.ip().to_string()
        }
    }

    /// Without a relay unless that was asked for, so that tests do not fight over its ports.
    fn calls(&self) -> &'static [&'static str] {
        let asked = |option: &String| option == "--calls-udp" || option == "--config";
        if self.options.iter().any(asked) {
            &[]
        } else {
            &["--calls-udp", "0"]
        }
    }

    fn wait_until_ready(&mut self, lines: &Receiver<String>) -> Result<()> {
        loop {
            let line = match lines.recv_timeout(START_LIMIT) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("the server did not get ready"),
                Err(RecvTimeoutError::Disconnected) => bail!(
                    "the server ended while starting: {}",
                    std::fs::read_to_string(self.log()).unwrap_or_default()
                ),
            };
            if let Some(link) = line.strip_prefix("setup: ") {
                self.setup = Some(link.trim().to_owned());
            }
            if let Some(origin) = line.strip_prefix("ready: ") {
                self.origin = origin.trim().trim_end_matches('/').to_owned();
                return Ok(());
            }
        }
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The binary named by an environment variable, or the one built beside this program.
///
/// # Errors
/// If there is none.
pub fn binary(variable: &str, name: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe()?;
            let folder = own
                .ancestors()
                .find(|folder| folder.ends_with("debug") || folder.ends_with("release"))
                .context("this program is not in a target folder")?;
            folder.join(name)
        }
    };
    if path.is_file() {
        Ok(path)
    } else {
        bail!(
            "{} is not there: run `cargo build -p {name}` first",
            path.display()
        )
    }
}

/// A port that no relay of a call has.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if !RELAY_PORTS.contains(&port) {
            return Ok(port);
        }
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    Pid::from_raw(i32::try_from(child.id())?).context("a process id of 0")
}

/// The lines the server prints, read by a thread of their own so that the pipe never fills.
fn lines_of(child: &mut Child) -> Result<Receiver<String>> {
    let output = child.stdout.take().context("no output to read")?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output)
            .lines()
            .map_while(std::io::Result::ok)
        {
            // Nobody listens any more once the server is ready; it may go on printing.
            let _ = sender.send(line);
        }
    });
    Ok(receiver)
}
