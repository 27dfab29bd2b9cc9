//! Media of group calls through the real server, by UDP on this machine.

#[path = "../../crates/sfu/tests/kit/mod.rs"]
mod kit;

use anyhow::{Context, Result, bail, ensure};
use kit::{Client, Lines, want};
use roost_client::room::RoomState;
use roost_client::{Command, Core, Notice};
use roost_tests::lean::{Listener, Member, Speaker, Way};
use roost_tests::real::{RealServer, free_port};
use roost_tests::turn::{self as relayed, Pipe, request};
use roost_turn::message::{Attribute, Method};
use roost_wire::api::{AskRelayPass, ConnectMedia, RelayPass, TrackId, TrackKind, Tracks};
use roost_wire::frame::{ClientFrame, ServerFrame};
use roost_wire::{AccountId, GroupId, List, Seq};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Something that does not come within this does not come.
const WAIT: Duration = Duration::from_secs(10);

/// How long somebody waits for what may come.
const TURN: Duration = Duration::from_millis(2);

/// What somebody's datagrams go by.
enum Road {
    Straight(UdpSocket),
    Relayed(Box<relayed::Caller>),
}

impl Road {
    fn straight() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(TURN))?;
        Ok(Self::Straight(socket))
    }

    /// By TURN, through a channel to this place.
    fn relayed(pipe: Pipe, pass: &RelayPass, server: SocketAddr) -> Result<Self> {
        let mut caller = relayed::Caller::allocate(pipe, pass)?;
        caller.bind(server)?;
        caller.pipe.waits(TURN)?;
        Ok(Self::Relayed(Box::new(caller)))
    }

    fn address(&self) -> Result<SocketAddr> {
        match self {
            Self::Straight(socket) => Ok(socket.local_addr()?),
            Self::Relayed(caller) => Ok(caller.relay),
        }
    }

    fn send(&mut self, server: SocketAddr, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Straight(socket) => socket.send_to(bytes, server).map(drop)?,
            Self::Relayed(caller) => caller.says(bytes)?,
        }
        Ok(())
    }

    /// What came; none if nothing does for a moment.
    fn receive(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Straight(socket) => {
                let mut place = vec![0; 2_000];
                let length = socket.recv(&mut place).ok()?;
                place.truncate(length);
                Some(place)
            }
            Self::Relayed(caller) => caller.hears().ok(),
        }
    }
}

/// Somebody in a call.
struct Caller {
    client: Client,
    lines: Lines,
    road: Road,
    server: SocketAddr,
    tracks: Tracks,
    said: u8,
}

impl Caller {
    async fn connect(
        member: &Member,
        group: GroupId,
        road: Road,
        server: SocketAddr,
    ) -> Result<Self> {
        let mut client = Client::new(road.address()?, now());
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
            road,
            server,
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
            self.road.send(self.server, &bytes)?;
        }
        while let Some(bytes) = self.road.receive() {
            self.client.hear(self.server, &bytes, now());
        }
        Ok(())
    }

    fn say(&mut self) -> Result<Vec<u8>> {
        self.said = self.said.wrapping_add(1);
        let payload = vec![self.said; 160];
        let voice = self.lines.voice;
        self.client.say(voice, &payload, -20, now());
        self.turn()?;
        Ok(payload)
    }

    /// What it would send if it said this.
    fn saying(&mut self, payload: &[u8]) -> Vec<Vec<u8>> {
        let voice = self.lines.voice;
        self.client.say(voice, payload, -20, now());
        self.client.turn(now())
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.client.payloads(self.lines.hears)
    }
}

/// Who has an account here, who is in a conversation, and who of them is in its call.
struct House {
    _folder: tempfile::TempDir,
    server: RealServer,
    way: Way,
    /// Where clients reach what forwards calls.
    forwarder: SocketAddr,
    /// In the call.
    ada: Member,
    ben: Member,
    /// In the conversation alone.
    cem: Member,
    /// In nothing.
    ghost: Member,
    conversation: GroupId,
    call: GroupId,
}

impl House {
    async fn open() -> Result<Self> {
        Self::open_at(None).await
    }

    /// Behind a router that has this address, if any.
    async fn open_at(external: Option<IpAddr>) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let config = folder.path().join("roost.toml");
        let external_line = external.map_or_else(String::new, |at| format!("external = '{at}'\n"));
        fs::write(&config, format!("[calls]\nudp = {port}\n{external_line}"))?;
        let config = config.to_str().context("a path of letters")?;
        let options = ["--config", config];
        let server = RealServer::start(&folder.path().join("data"), &options)?;
        let reached = external.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let way = Way::to(&server)?;
        let mut ada = Member::join(&way, server.setup_link()?, "Ada", 1).await?;
        let mut ben = Member::join(&way, &server.invite(1)?, "Ben", 2).await?;
        let mut cem = Member::join(&way, &server.invite(1)?, "Cem", 3).await?;
        let ghost = Member::join(&way, &server.invite(1)?, "Ghost", 4).await?;
        ada.does(Command::RefreshPeople).await?;
        let command = Command::CreateGroup {
            name: "a call".into(),
            members: vec![account(&ben)?, account(&cem)?],
        };
        let notices = ada.does(command).await?;
        let opened = notices.iter().find_map(|notice| match notice {
            Notice::Opened(group) => Some(*group),
            _ => None,
        });
        let conversation = opened.context("a group")?;
        ben.does(Command::SyncOnce).await?;
        cem.does(Command::SyncOnce).await?;
        for member in [&mut ada, &mut ben] {
            let command = Command::EnterCall { conversation };
            member.lives(command, |core| members(core) > 0).await?;
        }
        ada.lives(Command::Connect, |core| members(core) == 2)
            .await?;
        let room = ada.core().room().context("a call")?;
        let call = room.call.context("a call's group")?;
        Ok(Self {
            _folder: folder,
            server,
            way,
            forwarder: SocketAddr::new(reached, port),
            ada,
            ben,
            cem,
            ghost,
            conversation,
            call,
        })
    }

    /// Opens a socket of a member that follows the call.
    async fn line(&self, member: &Member) -> Result<(Speaker, Listener)> {
        Ok(member.line(&[(self.call, Seq::NONE)]).await?.split())
    }

    async fn connect(&self, member: &Member) -> Result<Caller> {
        Caller::connect(member, self.call, Road::straight()?, self.forwarder).await
    }

    /// As a browser in a network that lets nothing but HTTPS through.
    async fn connect_by_https(&self, member: &Member) -> Result<Caller> {
        let pass = member.ask(&AskRelayPass {}).await?;
        let tls = self.way.tls_naming(&[]);
        let pipe = Pipe::tls(self.server.port(), &tls)?;
        let road = Road::relayed(pipe, &pass, self.forwarder)?;
        Caller::connect(member, self.call, road, self.forwarder).await
    }

    /// Why somebody is not connected.
    async fn refusal(&self, member: &Member, group: GroupId) -> Result<String> {
        match Caller::connect(member, group, Road::straight()?, self.forwarder).await {
            Ok(_) => bail!("connected"),
            Err(refused) => Ok(refused.to_string()),
        }
    }

    /// Both in the media of the call, and he hears her.
    async fn in_talk(&self) -> Result<Talk> {
        let ben = self.connect(&self.ben).await?;
        let ada = self.connect(&self.ada).await?;
        self.let_talk(ada, ben).await
    }

    async fn let_talk(&self, mut ada: Caller, mut ben: Caller) -> Result<Talk> {
        let (mut speaker, listener) = self.line(&self.ben).await?;
        let sent = ada.tracks.clone();
        ensure!(track(&sent, &self.ben, TrackKind::Audio).is_ok());
        let wants = vec![
            want(
                ben.lines.hears,
                track(&sent, &self.ada, TrackKind::Audio)?,
                1,
            ),
            want(
                ben.lines.sees,
                track(&sent, &self.ada, TrackKind::Video)?,
                720,
            ),
        ];
        let frame = ClientFrame::Watch {
            group: self.call,
            wants: List::new(wants)?,
        };
        speaker.send(frame.to_bytes().into()).await?;
        talk(&mut ada, &mut ben)?;
        Ok(Talk { ada, ben, listener })
    }
}

/// She talks and he hears.
struct Talk {
    ada: Caller,
    ben: Caller,
    /// His line to the server.
    listener: Listener,
}

impl Talk {
    /// She talks for so long; how much of it he hears.
    fn heard_in(&mut self, time: Duration) -> Result<usize> {
        let (before, begun) = (self.ben.heard().len(), now());
        while begun.elapsed() < time {
            self.ada.say()?;
            self.ben.turn()?;
        }
        Ok(self.ben.heard().len() - before)
    }
}

/// In the call's group, as one that is in it sees it.
fn members(core: &Core) -> usize {
    let room = core.room().filter(|room| room.state == RoomState::Live);
    room.map_or(0, |room| room.members.len())
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

fn track(tracks: &Tracks, of: &Member, kind: TrackKind) -> Result<TrackId> {
    let device = of.core().me().context("an account")?.device;
    let mut tracks = tracks.as_slice().iter();
    let track = tracks.find(|it| it.device == device && it.kind == kind);
    Ok(track.context("a track")?.track)
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

/// She talks until he hears her, and then a sentence whole: datagrams may be lost or overtake each
/// other on the way, so she says another one if he did not.
fn talk(ada: &mut Caller, ben: &mut Caller) -> Result<()> {
    let begun = now();
    while ben.heard().is_empty() {
        ensure!(begun.elapsed() < WAIT, "nothing is heard");
        ada.say()?;
        ben.turn()?;
    }
    while !says_a_sentence(ada, ben)? {
        ensure!(begun.elapsed() < WAIT, "what was said is not what is heard");
    }
    Ok(())
}

/// Whether he heard it whole and in order.
fn says_a_sentence(ada: &mut Caller, ben: &mut Caller) -> Result<bool> {
    let said: Vec<_> = (0..20)
        .map(|_| {
            let said = ada.say()?;
            ben.turn()?;
            Ok(said)
        })
        .collect::<Result<_>>()?;
    let begun = now();
    while !ben.heard().ends_with(&said) && begun.elapsed() < WAIT / 10 {
        ada.turn()?;
        ben.turn()?;
    }
    Ok(ben.heard().ends_with(&said))
}

#[tokio::test]
async fn sound_arrives_byte_for_byte_and_who_is_removed_hears_nothing_more() -> Result<()> {
    let mut house = House::open().await?;
    let mut talk = house.in_talk().await?;
    let account = account(&house.ben)?;

    let command = Command::RemoveFromCall { account };
    house.ada.lives(command, |core| members(core) == 1).await?;
    talk.heard_in(Duration::from_secs(1))?;

    ensure!(talk.heard_in(Duration::from_secs(1))? == 0);
    let refused = house.refusal(&house.ben, house.call).await?;
    ensure!(refused.ends_with("404"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_picture_is_seen_and_goes_on_when_somebody_lost_it() -> Result<()> {
    let house = House::open().await?;
    let Talk {
        mut ada, mut ben, ..
    } = house.in_talk().await?;
    let begun = now();
    let mut shown: u8 = 0;
    let mut show = |ada: &mut Caller, ben: &mut Caller| {
        ensure!(begun.elapsed() < WAIT, "the picture stops");
        shown = shown.wrapping_add(1);
        let (camera, payload) = (ada.lines.camera, [shown; 200]);
        ada.client.show(camera, "l", &payload, true, now());
        ada.turn()?;
        ben.turn()
    };
    while ben.client.payloads(ben.lines.sees).is_empty() {
        show(&mut ada, &mut ben)?;
    }
    let seen = ben.client.payloads(ben.lines.sees).len();

    ben.client.complain(ben.lines.sees);

    while ben.client.payloads(ben.lines.sees).len() == seen {
        show(&mut ada, &mut ben)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_ghost_who_is_an_account_and_no_member_is_not_connected() -> Result<()> {
    let house = House::open().await?;

    let refused = house.refusal(&house.ghost, house.call).await?;

    ensure!(refused.ends_with("404"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn who_is_in_the_conversation_but_not_in_its_call_is_not_connected() -> Result<()> {
    let house = House::open().await?;

    let refused = house.refusal(&house.cem, house.call).await?;

    ensure!(refused.ends_with("404"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn an_ordinary_group_is_no_call() -> Result<()> {
    let house = House::open().await?;

    let refused = house.refusal(&house.ada, house.conversation).await?;

    ensure!(refused.ends_with("404"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn who_hangs_up_is_heard_no_more_and_that_is_told() -> Result<()> {
    let house = House::open().await?;
    let mut talk = house.in_talk().await?;

    // As a browser does: it closes the connection and says so on it.
    for bytes in talk.ada.client.goes() {
        talk.ada.road.send(talk.ada.server, &bytes)?;
    }

    let left = tracks(&mut talk.listener).await?;
    ensure!(track(&left, &house.ada, TrackKind::Audio).is_err());
    ensure!(track(&left, &house.ben, TrackKind::Audio).is_ok());
    // What was on its way.
    talk.ben.turn()?;
    ensure!(talk.heard_in(Duration::from_millis(300))? == 0);
    Ok(())
}

#[tokio::test]
async fn who_does_not_know_the_password_gets_nothing_and_is_not_heard() -> Result<()> {
    let house = House::open().await?;
    let mut talk = house.in_talk().await?;
    let forger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    forger.set_read_timeout(Some(Duration::from_millis(100)))?;

    // What she sends, by her name, but under another password and from elsewhere.
    let (begun, mut requests, mut packets) = (now(), 0, 0);
    while requests == 0 || packets < 50 {
        ensure!(begun.elapsed() < WAIT, "she sends no requests");
        for mut bytes in talk.ada.saying(b"from elsewhere") {
            let is_request = bytes.starts_with(&[0, 1]);
            requests += usize::from(is_request);
            packets += usize::from(!is_request);
            if is_request {
                spoil(&mut bytes)?;
            }
            forger.send_to(&bytes, talk.ada.server)?;
        }
        talk.ben.turn()?;
    }

    let mut place = [0; 2_000];
    let answered = forger.recv_from(&mut place);
    ensure!(answered.is_err(), "the forger is answered");
    let heard = talk.ben.heard();
    let is_forged = |said: &Vec<u8>| said == b"from elsewhere";
    ensure!(!heard.iter().any(is_forged), "the forger is heard");
    Ok(())
}

/// Makes the proof of a STUN request wrong: MESSAGE-INTEGRITY is 24 bytes before the 8 of its
/// FINGERPRINT (RFC 8489, sections 14.5 and 14.7).
fn spoil(request: &mut [u8]) -> Result<()> {
    let at = request.len().checked_sub(12).context("a request")?;
    let byte = request.get_mut(at).context("a request")?;
    *byte ^= 1;
    Ok(())
}

#[tokio::test]
async fn who_may_use_https_alone_reaches_the_call_by_the_relay() -> Result<()> {
    let house = House::open().await?;
    let ben = house.connect_by_https(&house.ben).await?;
    let ada = house.connect(&house.ada).await?;

    let mut talk = house.let_talk(ada, ben).await?;

    ensure!(talk.heard_in(Duration::from_millis(200))? > 0);
    Ok(())
}

#[tokio::test]
async fn relays_reach_the_call_behind_a_router_that_sends_nothing_back_inside() -> Result<()> {
    let router = "203.0.113.9".parse()?;
    let house = House::open_at(Some(router)).await?;
    let ben = house.connect_by_https(&house.ben).await?;
    let ada = house.connect_by_https(&house.ada).await?;

    let mut talk = house.let_talk(ada, ben).await?;

    ensure!(talk.heard_in(Duration::from_millis(200))? > 0);
    Ok(())
}

#[tokio::test]
async fn nobody_reaches_the_relay_through_itself() -> Result<()> {
    let house = House::open().await?;
    let pass = house.ben.ask(&AskRelayPass {}).await?;
    let own = house.forwarder;
    let mut caller = relayed::Caller::allocate(Pipe::udp(own.port())?, &pass)?;
    caller.permit(own)?;
    caller.pipe.waits(Duration::from_millis(300))?;

    let allocate = request(Method::ALLOCATE)
        .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        .finish();
    for asked in [allocate, request(Method::BINDING).finish()] {
        caller.sends_to(own, &asked)?;
        ensure!(caller.pipe.receive().is_err(), "it is answered");
    }

    let elsewhere = SocketAddr::new(own.ip(), house.server.port());
    ensure!(caller.bind(elsewhere).is_err(), "a port of the web server");
    Ok(())
}
