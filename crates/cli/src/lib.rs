//! The native shell around `roost-client`: a command line for people, scripts and bots.
//!
//! Owns the clock, the dice, the files and the sockets that the core may not touch, and the order
//! in which they are used ([`driver`]). Never decides what is sent, and never sees a key.
//!
//! ```text
//! arguments ──► command ──► session ──► driver ──► Core::handle
//!                  │                      ├──► vault (one transaction)
//!                  └──► output            └──► transport (then, and only then)
//! ```
//!
//! [`driver`], [`vault`] and the transports serve tests and benchmarks too.

pub mod arguments;
mod clock;
mod command;
pub mod driver;
pub mod entropy;
pub mod failure;
mod find;
mod home;
mod output;
mod relay;
mod session;
pub mod tls;
pub mod transport_http;
mod transport_socket;
pub mod vault;
pub mod vault_file;

use arguments::{Arguments, Task};
use failure::Failure;
use home::{Home, Lock};
use output::Output;
use session::Session;
use std::io::Read as _;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a second process waits for the first one to end.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Carries out one command line and waits for its end.
///
/// # Errors
/// Everything that can go wrong; [`Failure::code`] is the exit code.
pub fn run(mut arguments: Arguments) -> Result<(), Failure> {
    take_from_this_process(&mut arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run_in_home(arguments))
}

async fn run_in_home(arguments: Arguments) -> Result<(), Failure> {
    let folder = arguments.home.clone().unwrap_or_else(Home::default_folder);
    let home = Home::at(&folder)?;
    let trust = home.trust(arguments.ca.as_deref())?;
    match enter(&home).await? {
        Entered::Alone(lock) => {
            let mut session = Session::open(home, lock, trust)?;
            let mut out = Output::new(Box::new(std::io::stdout()), arguments.json);
            command::run(&mut session, arguments, &mut out).await
        }
        Entered::Beside(stream) => relay::forward(stream, &arguments).await,
    }
}

/// How this process got into a home.
enum Entered {
    Alone(Lock),
    /// Another process is in it and takes errands.
    Beside(UnixStream),
}

async fn enter(home: &Home) -> Result<Entered, Failure> {
    for _ in 0..LOCK_TRIES {
        if let Some(lock) = home.try_lock()? {
            return Ok(Entered::Alone(lock));
        }
        if let Ok(stream) = UnixStream::connect(home.socket()).await {
            return Ok(Entered::Beside(stream));
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(Failure::Busy)
}

/// Resolves what only this process can: its standard input and its working folder.
fn take_from_this_process(arguments: &mut Arguments) -> Result<(), Failure> {
    if let Some(ca) = &mut arguments.ca {
        *ca = std::path::absolute(&ca)?;
    }
    if let Task::Send(send) = &mut arguments.command
        && send.text == "-"
    {
        let limit = u64::try_from(roost_client::content::TEXT_BYTES).unwrap_or(u64::MAX);
        let mut text = String::new();
        let mut input = std::io::stdin().lock().take(limit.saturating_add(1));
        input.read_to_string(&mut text)?;
        send.text = text.trim_end_matches('\n').to_owned();
    }
    Ok(())
}
