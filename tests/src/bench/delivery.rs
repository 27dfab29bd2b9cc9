//! Messages between pairs: how many a second, how fast, and how a queue drains.

use super::{direct, figure, members, process, runtime, server};
use crate::lean::{Listener, Member, Speaker, submission};
use crate::real::RealServer;
use crate::world::dice::Seeded;
use anyhow::{Context, Result, bail};
use roost_wire::frame::{Outcome, ServerFrame};
use roost_wire::{Epoch, GroupId, Seq};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PAIRS: usize = 25;
const MESSAGE_BYTES: usize = 1_024;
/// Messages each of the 50 users sends in the throughput run.
const EACH: u32 = 2_000;
/// Of these, so many are under way at once.
const WINDOW: usize = 32;
const QUEUED: u32 = 10_000;
const PER_SECOND: u32 = 200;
const LATENCY_SECONDS: u32 = 20;

type Frames = Vec<tokio_tungstenite::tungstenite::Bytes>;

/// A user with a socket into one conversation.
struct Talker {
    speaker: Speaker,
    listener: Listener,
    group: GroupId,
    epoch: Epoch,
}

impl Talker {
    /// Messages made before the clock starts.
    fn frames(&self, count: u32, seed: u64) -> Frames {
        let mut dice = Seeded::new(seed);
        (0..count)
            .map(|request| submission(request, &self.group, self.epoch, MESSAGE_BYTES, &mut dice))
            .collect()
    }
}

pub fn messages() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let talkers = pairs(&server, PAIRS).await?;
        let count = talkers.len() as f64 * f64::from(EACH);
        let frames: Vec<Frames> = (0..)
            .zip(&talkers)
            .map(|(seed, talker)| talker.frames(EACH, seed))
            .collect();
        let cpu = process::cpu_seconds(server.process()?)?;
        let seconds = timed(async {
            let mut tasks = JoinSet::new();
            for (talker, frames) in talkers.into_iter().zip(frames) {
                tasks.spawn(exchange(talker, frames));
            }
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Ok(())
        })
        .await?;
        let cpu = process::cpu_seconds(server.process()?)? - cpu;
        figure(
            "durable messages, 50 users in 25 pairs, 1 KiB",
            count / seconds,
            "/s",
        );
        figure(
            "  server CPU per message (sent and delivered)",
            cpu / count * 1e3,
            "ms",
        );
        Ok(())
    })
}

/// Sends all frames with a window, and receives as many of the other's.
async fn exchange(mut talker: Talker, frames: Frames) -> Result<()> {
    let mut to_send = VecDeque::from(frames);
    let (total, mut acknowledged, mut received) = (to_send.len(), 0, 0);
    for frame in to_send.drain(..WINDOW.min(total)) {
        talker.speaker.send(frame).await?;
    }
    // The log brings one's own messages as well as the other's.
    while acknowledged < total || received < 2 * total {
        match heard(&talker.listener.frame().await?)? {
            Heard::Accepted(_) => {
                acknowledged += 1;
                if let Some(frame) = to_send.pop_front() {
                    talker.speaker.send(frame).await?;
                }
            }
            Heard::Event => received += 1,
            Heard::Other => {}
        }
    }
    Ok(())
}

pub fn latency() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let talkers = pairs(&server, PAIRS).await?;
        let mut senders = JoinSet::new();
        let users = u32::try_from(talkers.len())?;
        for (number, talker) in (0..).zip(talkers) {
            let count = PER_SECOND * LATENCY_SECONDS / users;
            let frames = talker.frames(count, u64::from(number));
            let pause = Duration::from_secs(1) * users / PER_SECOND;
            senders.spawn(ping(talker, frames, pause, pause * number / users));
        }
        let mut times = Vec::new();
        while let Some(done) = senders.join_next().await {
            times.extend(done??);
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[(times.len() as f64 * part) as usize];
        figure("latency at 200/s to the durable answer, p50", at(0.5), "ms");
        figure("  p99", at(0.99), "ms");
        Ok(())
    })
}

/// Sends a frame each `pause`, and measures until each is acknowledged.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn ping(
    mut talker: Talker,
    frames: Frames,
    pause: Duration,
    offset: Duration,
) -> Result<Vec<f64>> {
    tokio::time::sleep(offset).await;
    let mut ticks = tokio::time::interval(pause);
    let mut sent: BTreeMap<u32, Instant> = BTreeMap::new();
    let mut times = Vec::new();
    let mut frames = (0..).zip(frames);
    let mut is_done = false;
    while !is_done || !sent.is_empty() {
        tokio::select! {
            _ = ticks.tick(), if !is_done => match frames.next() {
                Some((number, frame)) => {
                    sent.insert(number, Instant::now());
                    talker.speaker.send(frame).await?;
                }
                None => is_done = true,
            },
            frame = talker.listener.frame() => if let Heard::Accepted(request) = heard(&frame?)? {
                let begun = sent.remove(&request).context("an answer nobody asked for")?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(times)
}

pub fn queue() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let (users, rooms) = rooms(&server, 1).await?;
        let (room, epoch) = rooms[0];
        let head = users[0].head(&room).await?;
        let mut sender = talker(&users[0], room, epoch, head).await?;
        let frames = sender.frames(QUEUED, 7);
        let seconds = timed(async {
            let (mut sent, mut acknowledged) = (VecDeque::from(frames), 0);
            for frame in sent.drain(..256) {
                sender.speaker.send(frame).await?;
            }
            while acknowledged < QUEUED {
                if let Heard::Accepted(_) = heard(&sender.listener.frame().await?)? {
                    acknowledged += 1;
                    if let Some(frame) = sent.pop_front() {
                        sender.speaker.send(frame).await?;
                    }
                }
            }
            Ok(())
        })
        .await?;
        figure("10,000 messages queued for an absent reader", seconds, "s");
        let mut reader = talker(&users[1], room, epoch, head).await?;
        let seconds = timed(async {
            let mut received = 0;
            while received < QUEUED {
                if let Heard::Event = heard(&reader.listener.frame().await?)? {
                    received += 1;
                }
            }
            Ok(())
        })
        .await?;
        figure("  then drained by the reader", seconds, "s");
        Ok(())
    })
}

/// So many pairs of users, each pair with a direct conversation and a socket for each user.
async fn pairs(server: &RealServer, count: usize) -> Result<Vec<Talker>> {
    let (mut users, rooms) = rooms(server, count).await?;
    let mut talkers = Vec::new();
    for (pair, (room, epoch)) in users.chunks_mut(2).zip(rooms) {
        let head = pair[0].head(&room).await?;
        for user in pair {
            talkers.push(talker(user, room, epoch, head).await?);
        }
    }
    Ok(talkers)
}

async fn rooms(server: &RealServer, count: usize) -> Result<(Vec<Member>, Vec<(GroupId, Epoch)>)> {
    let mut users = members(server, count * 2).await?;
    let mut rooms = Vec::new();
    for pair in users.chunks_mut(2) {
        let [first, second] = pair else {
            bail!("users come in pairs")
        };
        let room = direct(first, second).await?;
        rooms.push((room, first.epoch(&room).await?));
    }
    Ok((users, rooms))
}

async fn talker(user: &Member, group: GroupId, epoch: Epoch, head: Seq) -> Result<Talker> {
    let (speaker, listener) = user.line(&[(group, head)]).await?.split();
    Ok(Talker {
        speaker,
        listener,
        group,
        epoch,
    })
}

enum Heard {
    Accepted(u32),
    Event,
    Other,
}

fn heard(frame: &[u8]) -> Result<Heard> {
    Ok(match ServerFrame::parse(frame)? {
        ServerFrame::Result {
            request,
            outcome: Outcome::Accepted(_),
        } => Heard::Accepted(request),
        ServerFrame::Result {
            outcome: Outcome::Refused(error),
            ..
        } => bail!("a message was refused: {error}"),
        ServerFrame::Event { .. } => Heard::Event,
        _ => Heard::Other,
    })
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let begun = Instant::now();
    work.await?;
    Ok(begun.elapsed().as_secs_f64())
}
