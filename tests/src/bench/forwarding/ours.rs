//! Calls of the real server, with accounts, conversations and keys as in any call.

use super::super::{UNLIMITED, account, members};
use super::device::Device;
use crate::lean::{Member, Speaker};
use crate::real::{RealServer, free_port};
use anyhow::{Context, Result};
use roost_client::room::RoomState;
use roost_client::{Command, Core};
use roost_wire::api::{ConnectMedia, MidName, Sdp, Sent, TrackId, TrackKind, Tracks, Want};
use roost_wire::frame::ClientFrame;
use roost_wire::{GroupId, List, Seq};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;
use str0m::media::Direction;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Lines of a picture that is as large as it comes.
const HEIGHT: u32 = 720;

/// A server with people whose calls are not begun.
pub struct House {
    server: RealServer,
    /// Of those whose call is next, last.
    people: Vec<Member>,
    /// Kept open: who is gone from the server is gone from the call.
    lines: Vec<Speaker>,
    _folder: tempfile::TempDir,
}

impl House {
    /// # Errors
    /// If the server does not start or takes no accounts.
    pub async fn open(people: usize) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?.to_string());
        let options = [UNLIMITED.as_slice(), &["--calls-udp", &port]].concat();
        let server = RealServer::start(&folder.path().join("data"), &options)?;
        Ok(Self {
            people: members(&server, people).await?,
            server,
            lines: Vec::new(),
            _folder: folder,
        })
    }

    /// # Errors
    /// If it is stopped.
    pub fn process(&self) -> Result<u32> {
        self.server.process()
    }

    /// So many calls, in each of which the first one talks and all others hear. All are in their calls
    /// before anybody connects: who connected and is silent would be taken to be gone.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn calls(
        &mut self,
        calls: usize,
        devices: usize,
        begun: Instant,
    ) -> Result<Vec<Device>> {
        let mut entered = Vec::new();
        for _ in 0..calls {
            let mut people = self.people.split_off(self.people.len() - devices);
            entered.push((enter(&mut people).await?, people));
        }
        let mut all = Vec::new();
        for (call, people) in &entered {
            all.extend(self.connect_all(*call, people, begun).await?);
        }
        Ok(all)
    }

    async fn connect_all(
        &mut self,
        call: GroupId,
        people: &[Member],
        begun: Instant,
    ) -> Result<Vec<Device>> {
        let (first, others) = people.split_first().context("nobody")?;
        let (talker, tracks) = connect(first, call, Direction::SendOnly, begun).await?;
        self.follows(first, call).await?;
        let mut all = vec![talker];
        for member in others {
            let (device, _) = connect(member, call, Direction::RecvOnly, begun).await?;
            let lines = device.lines.context("lines")?;
            let wants = [
                (lines.sound, TrackKind::Audio, 1),
                (lines.picture, TrackKind::Video, HEIGHT),
            ];
            let wants = wants.map(|(mid, kind, height)| {
                Ok(Want {
                    mid: MidName::new(mid.to_string())?,
                    track: track(&tracks, kind)?,
                    height,
                })
            });
            let wants = List::new(wants.into_iter().collect::<Result<_>>()?)?;
            let frame = ClientFrame::Watch { group: call, wants };
            self.follows(member, call).await?;
            let line = self.lines.last_mut().context("a line")?;
            line.send(frame.to_bytes().into()).await?;
            all.push(device);
        }
        Ok(all)
    }

    /// Opens a line to the server, and listens to what comes on it.
    async fn follows(&mut self, member: &Member, call: GroupId) -> Result<()> {
        let (speaker, mut listener) = member.line(&[(call, Seq::NONE)]).await?.split();
        tokio::spawn(async move { while listener.frame().await.is_ok() {} });
        self.lines.push(speaker);
        Ok(())
    }
}

/// Into a call of their own, each of them.
async fn enter(people: &mut [Member]) -> Result<GroupId> {
    let (first, others) = people.split_first_mut().context("nobody")?;
    first.does(Command::RefreshPeople).await?;
    let command = Command::CreateGroup {
        name: "a call".into(),
        members: others.iter().map(account).collect::<Result<_>>()?,
    };
    let conversation = super::super::opened(&first.does(command).await?)?;
    for member in &mut *others {
        member.does(Command::SyncOnce).await?;
    }
    for member in people.iter_mut() {
        let command = Command::EnterCall { conversation };
        member.lives(command, |core| present(core) > 0).await?;
    }
    let [first, ..] = people else {
        anyhow::bail!("nobody");
    };
    let room = first.core().room().context("a call")?;
    room.call.context("a call's group")
}

fn present(core: &Core) -> usize {
    let room = core.room().filter(|room| room.state == RoomState::Live);
    room.map_or(0, |room| room.members.len())
}

async fn connect(
    member: &Member,
    group: GroupId,
    direction: Direction,
    begun: Instant,
) -> Result<(Device, Tracks)> {
    let mut device = Device::new(HERE, begun)?;
    let offer = Sdp::new(device.offers(direction)?)?;
    let lines = device.lines.context("lines")?;
    let sent = match direction {
        Direction::SendOnly => vec![
            sent(lines.sound, TrackKind::Audio)?,
            sent(lines.picture, TrackKind::Video)?,
        ],
        _ => Vec::new(),
    };
    let asked = ConnectMedia {
        group,
        offer,
        sent: List::new(sent)?,
        connection: None,
    };
    let connected = member.ask(&asked).await?;
    device.is_answered(connected.answer.as_str())?;
    Ok((device, connected.tracks))
}

fn sent(mid: str0m::media::Mid, kind: TrackKind) -> Result<Sent> {
    let mid = MidName::new(mid.to_string())?;
    Ok(Sent { mid, kind })
}

fn track(tracks: &Tracks, kind: TrackKind) -> Result<TrackId> {
    let mut tracks = tracks.as_slice().iter();
    Ok(tracks.find(|it| it.kind == kind).context("a track")?.track)
}
