//! Lets several `roost-cli` share a home while one of them follows a conversation: the follower
//! holds the account and runs the others' errands.
//!
//! An errand is one line of JSON, the arguments; the answer is lines of JSON: what to print, then
//! the exit code. The socket lies in the home, which only its owner may enter.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Output;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Errands that wait for their turn.
const WAITING: usize = 16;
/// Answers a reader may be behind; one that is slower is let go.
const ANSWERS: usize = 4_096;
/// An errand's arguments; a text of 60 KiB in JSON fits.
const ERRAND_BYTES: usize = 512 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Print(String),
    /// Exit code, and the sentence that goes with it.
    Done(u8, String),
}

/// One command line of another process.
pub(crate) struct Errand {
    pub(crate) arguments: Arguments,
    /// Where its output goes.
    pub(crate) out: Output,
    pub(crate) ending: Ending,
}

/// Tells the other process how its errand ended.
pub(crate) struct Ending(mpsc::Sender<Answer>);

impl Ending {
    pub(crate) fn tell(self, result: Result<(), Failure>) {
        let answer = match result {
            Ok(()) => Answer::Done(0, String::new()),
            Err(failure) => Answer::Done(failure.code(), failure.to_string()),
        };
        // If it is gone or does not read, it need not know.
        let _ = self.0.try_send(answer);
    }

    /// Whether the other process still waits.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.0.is_closed()
    }
}

/// Takes errands for as long as it lives.
pub(crate) struct Relay {
    errands: mpsc::Receiver<Errand>,
    home: Home,
}

impl Relay {
    /// Begins to take errands for this home, whose lock is held.
    ///
    /// # Errors
    /// When the socket cannot be made, for one because the path of the home is too long.
    pub(crate) fn listen(home: &Home) -> io::Result<Self> {
        let path = home.socket();
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (sender, errands) = mpsc::channel(WAITING);
        tokio::spawn(accept(listener, sender));
        let home = home.clone();
        Ok(Self { errands, home })
    }

    /// The next errand. May be dropped while waiting.
    pub(crate) async fn next(&mut self) -> Option<Errand> {
        self.errands.recv().await
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.home.socket());
    }
}

async fn accept(listener: UnixListener, errands: mpsc::Sender<Errand>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(take(stream, errands.clone()));
    }
}

async fn take(stream: UnixStream, errands: mpsc::Sender<Errand>) {
    let (reader, writer) = stream.into_split();
    let reader = tokio::io::AsyncReadExt::take(reader, u64::try_from(ERRAND_BYTES).unwrap_or(0));
    let mut lines = BufReader::new(reader).lines();
    let Ok(Some(line)) = lines.next_line().await else {
        return;
    };
    let Ok(arguments) = serde_json::from_str::<Arguments>(&line) else {
        return;
    };
    let (answers, waiting) = mpsc::channel(ANSWERS);
    let errand = Errand {
        out: Output::new(Box::new(Printer(answers.clone())), arguments.json),
        arguments,
        ending: Ending(answers),
    };
    if errands.send(errand).await.is_ok() {
        let _ = answer(writer, waiting).await;
    }
}

async fn answer(mut writer: OwnedWriteHalf, mut answers: mpsc::Receiver<Answer>) -> io::Result<()> {
    while let Some(answer) = answers.recv().await {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
    }
    Ok(())
}

/// Passes what an errand prints to the process it came from.
struct Printer(mpsc::Sender<Answer>);

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0
            .try_send(Answer::Print(text))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the process that holds the home run this command line, and prints what it answers.
///
/// # Errors
/// What the other process reported, or [`Failure::Broken`] if it ended.
pub(crate) async fn forward(stream: UnixStream, arguments: &Arguments) -> Result<(), Failure> {
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(arguments).map_err(io::Error::from)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    repeat(BufReader::new(reader).lines()).await
}

async fn repeat(mut answers: Lines<BufReader<OwnedReadHalf>>) -> Result<(), Failure> {
    while let Some(line) = answers.next_line().await? {
        match serde_json::from_str(&line).map_err(io::Error::from)? {
            Answer::Print(text) => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Answer::Done(0, _) => return Ok(()),
            Answer::Done(code, sentence) => return Err(Failure::from_code(code, sentence)),
        }
    }
    Err(Failure::Broken(
        "the roost-cli that held this home ended before it was done; try again".into(),
    ))
}
