//! Members that stay connected: what a core asks of its shell, done at once.

use super::{Member, now};
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use roost_client::{Command, Core, Effect, Input};
use std::collections::VecDeque;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// What does not come about within this does not come about.
const WAIT: Duration = Duration::from_secs(30);
/// How long to sleep while the core wants nothing.
const IDLE: Duration = Duration::from_secs(1);

impl Member {
    /// Connects if it is not, carries a command out, and stays connected until something is so.
    /// Between two such calls the socket rests.
    ///
    /// # Errors
    /// If it is refused, or never becomes so.
    pub async fn lives(&mut self, command: Command, until: impl Fn(&Core) -> bool) -> Result<()> {
        let first = self.client.notices.len();
        self.feed(Input::Command(Command::Connect)).await?;
        self.feed(Input::Command(command)).await?;
        let name = self.client.name.clone();
        let living = async {
            while !until(self.core()) {
                let input = self.next_input().await;
                self.feed(input).await?;
                self.news(first)?;
            }
            Ok(())
        };
        tokio::time::timeout(WAIT, living)
            .await
            .with_context(|| format!("{name} waits in vain"))?
    }

    async fn next_input(&mut self) -> Input {
        let rest = self.alarm.map_or(IDLE, |alarm| {
            Duration::from_millis(alarm.since(now()).saturating_add(1)).min(IDLE)
        });
        let Some(socket) = &mut self.socket else {
            tokio::time::sleep(rest).await;
            return Input::Tick;
        };
        match tokio::time::timeout(rest, socket.next()).await {
            Err(_) => Input::Tick,
            Ok(Some(Ok(Message::Binary(frame)))) => Input::Frame(frame.to_vec()),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Input::Tick,
            Ok(_) => {
                self.socket = None;
                Input::SocketClosed
            }
        }
    }

    /// Feeds one input, and what follows from it at once.
    pub(super) async fn feed(&mut self, first: Input) -> Result<()> {
        let mut inputs = VecDeque::from([first]);
        while let Some(input) = inputs.pop_front() {
            let stored = self.client.step(input, now(), false);
            for effect in stored.context("a live core")?.effects {
                inputs.extend(self.perform(effect).await?);
            }
        }
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<Option<Input>> {
        match effect {
            Effect::Http(call) => return Ok(Some(self.call(call).await)),
            Effect::OpenSocket { path } => {
                self.socket = Some(self.way.dial(&path).await?);
                return Ok(Some(Input::SocketOpened));
            }
            Effect::Send(frame) => {
                let Some(socket) = &mut self.socket else {
                    bail!("nothing to send by");
                };
                socket.send(Message::Binary(frame.into())).await?;
            }
            Effect::CloseSocket => self.socket = None,
            Effect::WakeAt(moment) => self.alarm = Some(moment),
            // Views are not what these members are for.
            Effect::LoadTimeline { .. } => {}
        }
        Ok(None)
    }
}
