//! Media of group calls through the real server, by UDP on this machine.

#[path = "../../crates/sfu/tests/kit/mod.rs"]
mod kit;

use anyhow::{Context, Result, bail, ensure};
use kit::{Client, Lines, want};
use roost_client::{Command, Notice};
use roost_tests::lean::{Listener, Member, Speaker, Way};
use roost_tests::real::{RealServer, free_port};
use roost_wire::api::{ConnectMedia, DisconnectMedia, TrackId, TrackKind, Tracks};
use roost_wire::frame::{ClientFrame, ServerFrame};
use roost_wire::{AccountId, GroupId, List, Seq};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Something that does not come within this does not come.
const WAIT: Duration = Duration::from_secs(10);

/// Somebody in a call.
struct Caller {
    client: Client,
    lines: Lines,
    socket: UdpSocket,
    server: SocketAddr,
    tracks: Tracks,
    said: u8,
}

impl Caller {
    async fn connect(member: &Member, group: GroupId, port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(2)))?;
        let mut client = Client::new(socket.local_addr()?, now());
        let (lines, offer) = client.offer();
        let asked = ConnectMedia {
            group,
            offer,
            sent: List::new(lines.sent())?,
            connection: None,
        };
        let connected = member.ask(&asked).await?;
        client.answered(&connected.answer);
        let mut caller = Self {
            client,
            lines,
            socket,
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            tracks: connected.tracks,
            said: 0,
        };
        let begun = now();
        while !caller.client.rtc.is_connected() {
            ensure!(begun.elapsed() < WAIT, "not connected");
            caller.turn()?;
        }
        Ok(caller)
    }

    /// Sends what there is, and hears what came.
    fn turn(&mut self) -> Result<()> {
        for bytes in self.client.turn(now()) {
            self.socket.send_to(&bytes, self.server)?;
        }
        let mut place = [0; 2_000];
        while let Ok((length, from)) = self.socket.recv_from(&mut place) {
            self.client.hear(from, &place[..length], now());
        }
        Ok(())
    }

    fn say(&mut self) -> Result<Vec<u8>> {
        self.said += 1;
        let payload = vec![self.said; 160];
        let voice = self.lines.voice;
        self.client.say(voice, &payload, -20, now());
        self.turn()?;
        Ok(payload)
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.client.payloads(self.lines.hears)
    }
}

/// Three accounts, a group of the first two, and the port of calls.
struct House {
    _folder: tempfile::TempDir,
    _server: RealServer,
    port: u16,
    ada: Member,
    ben: Member,
    ghost: Member,
    group: GroupId,
}

impl House {
    async fn open() -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let options = ["--calls-udp", &port.to_string()];
        let server = RealServer::start(&folder.path().join("data"), &options)?;
        let way = Way::to(&server)?;
        let mut ada = Member::join(&way, server.setup_link()?, "Ada", 1).await?;
        let mut ben = Member::join(&way, &server.invite(1)?, "Ben", 2).await?;
        let ghost = Member::join(&way, &server.invite(1)?, "Ghost", 3).await?;
        ada.does(Command::RefreshPeople).await?;
        let command = Command::CreateGroup {
            name: "a call".into(),
            members: vec![account(&ben)?],
        };
        let notices = ada.does(command).await?;
        let opened = notices.iter().find_map(|notice| match notice {
            Notice::Opened(group) => Some(*group),
            _ => None,
        });
        ben.does(Command::SyncOnce).await?;
        Ok(Self {
            _folder: folder,
            _server: server,
            port,
            ada,
            ben,
            ghost,
            group: opened.context("a group")?,
        })
    }

    /// Opens a socket of a member that follows the group.
    async fn line(&self, member: &Member) -> Result<(Speaker, Listener)> {
        Ok(member.line(&[(self.group, Seq::NONE)]).await?.split())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a shell of its own: real sockets, real time"
)]
fn now() -> Instant {
    Instant::now()
}

fn account(member: &Member) -> Result<AccountId> {
    Ok(member.core().me().context("an account")?.account)
}

fn voice(tracks: &Tracks, of: &Member) -> Result<TrackId> {
    let device = of.core().me().context("an account")?.device;
    let mut tracks = tracks.as_slice().iter();
    let track = tracks.find(|it| it.device == device && it.kind == TrackKind::Audio);
    Ok(track.context("a voice")?.track)
}

/// The next news of what is sent.
async fn tracks(listener: &mut Listener) -> Result<Tracks> {
    let next = async {
        loop {
            if let ServerFrame::Tracks { tracks, .. } =
                ServerFrame::parse(&listener.frame().await?)?
            {
                return Ok(tracks);
            }
        }
    };
    tokio::time::timeout(WAIT, next).await?
}

async fn watch(
    speaker: &mut Speaker,
    group: GroupId,
    hears: &Caller,
    track: TrackId,
) -> Result<()> {
    let wants = List::new(vec![want(hears.lines.hears, track, 1)])?;
    let frame = ClientFrame::Watch { group, wants };
    speaker.send(frame.to_bytes().into()).await
}

/// She talks until he hears her, and goes on a little.
fn talk(ada: &mut Caller, ben: &mut Caller) -> Result<()> {
    let begun = now();
    while ben.heard().is_empty() {
        ensure!(begun.elapsed() < WAIT, "nothing is heard");
        ada.say()?;
        ben.turn()?;
    }
    let from = ben.heard().len();
    let said: Vec<_> = (0..20)
        .map(|_| {
            let said = ada.say()?;
            ben.turn()?;
            Ok(said)
        })
        .collect::<Result<_>>()?;
    while ben.heard().len() < from + said.len() {
        ensure!(begun.elapsed() < WAIT, "not all is heard");
        ada.turn()?;
        ben.turn()?;
    }
    let heard = ben.heard();
    ensure!(heard.ends_with(&said), "what was said is not what is heard");
    Ok(())
}

#[tokio::test]
async fn sound_arrives_byte_for_byte_and_who_is_removed_hears_nothing_more() -> Result<()> {
    let mut house = House::open().await?;
    let (mut speaker, mut listener) = house.line(&house.ben).await?;
    let mut ben = Caller::connect(&house.ben, house.group, house.port).await?;
    tracks(&mut listener).await?;
    let mut ada = Caller::connect(&house.ada, house.group, house.port).await?;
    let track = voice(&tracks(&mut listener).await?, &house.ada)?;
    ensure!(voice(&ada.tracks, &house.ben).is_ok());
    watch(&mut speaker, house.group, &ben, track).await?;
    talk(&mut ada, &mut ben)?;

    let account = account(&house.ben)?;
    let group = house.group;
    house
        .ada
        .does(Command::RemoveMember { group, account })
        .await?;
    // What was on its way.
    ben.turn()?;
    let heard = ben.heard().len();
    for _ in 0..100 {
        ada.say()?;
        ben.turn()?;
    }

    ensure!(ben.heard().len() == heard, "the removed one still hears");
    let again = Caller::connect(&house.ben, group, house.port).await;
    ensure!(again.is_err(), "the removed one is let in again");
    Ok(())
}

#[tokio::test]
async fn a_ghost_that_is_no_member_is_not_connected_and_hears_nothing() -> Result<()> {
    let house = House::open().await?;
    let Err(refused) = Caller::connect(&house.ghost, house.group, house.port).await else {
        bail!("a ghost is in the call");
    };

    ensure!(refused.to_string().ends_with("404"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn who_hangs_up_is_heard_no_more() -> Result<()> {
    let house = House::open().await?;
    let (mut speaker, mut listener) = house.line(&house.ben).await?;
    let mut ben = Caller::connect(&house.ben, house.group, house.port).await?;
    tracks(&mut listener).await?;
    let mut ada = Caller::connect(&house.ada, house.group, house.port).await?;
    let track = voice(&tracks(&mut listener).await?, &house.ada)?;
    watch(&mut speaker, house.group, &ben, track).await?;
    talk(&mut ada, &mut ben)?;

    house
        .ada
        .ask(&DisconnectMedia { group: house.group })
        .await?;

    let left = tracks(&mut listener).await?;
    ensure!(voice(&left, &house.ada).is_err());
    ensure!(voice(&left, &house.ben).is_ok());
    Ok(())
}
