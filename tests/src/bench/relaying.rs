//! Relaying calls, ours and coturn's side by side: CPU per packet, memory per allocation.
//!
//! Every packet is sent by itself, as browsers do; what a server gains by taking several at once
//! comes from their being there at once. Half of them go to the peers, half come from them. Each run has
//! fresh servers.

use super::process;
use crate::lean::{Member, Way};
use crate::real::{RealServer, free_port};
use crate::turn::{Caller, Pipe};
use anyhow::{Context, Result, bail, ensure};
use roost_wire::Seconds;
use roost_wire::api::{AskRelayPass, RelayPass};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Neither the servers' address nor one they refuse to relay to.
const PEERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ALLOCATIONS: [usize; 3] = [1, 50, 200];
/// Of one account, so that no limit is met, should all of them come to the same worker.
const ALLOCATIONS_PER_PASS: usize = 4;
const SECONDS: u64 = 6;
/// Between two allocations: strangers, which all are at first, are answered 50 times a second.
const REST: Duration = Duration::from_millis(50);

/// What is sent by each allocation and to it.
struct Load {
    name: &'static str,
    bytes: usize,
    at_once: usize,
    every: Duration,
}

/// Speech, and a picture every 50 ms.
const LOADS: [Load; 2] = [
    Load {
        name: "singles of 200 bytes, 50 a second",
        bytes: 200,
        at_once: 1,
        every: Duration::from_millis(20),
    },
    Load {
        name: "bursts of 8 x 1,200 bytes, 20 a second",
        bytes: 1_200,
        at_once: 8,
        every: Duration::from_millis(50),
    },
];

/// A server of TURN in a process.
struct Turn {
    process: u32,
    port: u16,
    passes: Vec<RelayPass>,
}

/// What a run cost.
struct Cost {
    us_per_packet: f64,
    lost_percent: f64,
    kb_per_allocation: f64,
}

pub fn table() -> Result<()> {
    println!("CPU of the server in µs per packet delivered; lost %; memory in KB per allocation");
    println!(
        "{:<42} {:>5} {:>22} {:>22} {:>6}",
        "", "", "roost", "coturn", "ratio"
    );
    for load in &LOADS {
        for count in ALLOCATIONS {
            let (ours, theirs) = (ours(count, load)?, theirs(count, load)?);
            let shown = |cost: &Cost| {
                let Cost {
                    us_per_packet,
                    lost_percent,
                    kb_per_allocation,
                } = cost;
                format!("{us_per_packet:.2} {lost_percent:.1}% {kb_per_allocation:.1}KB")
            };
            println!(
                "{:<42} {count:>5} {:>22} {:>22} {:>6.2}",
                load.name,
                shown(&ours),
                shown(&theirs),
                ours.us_per_packet / theirs.us_per_packet
            );
        }
    }
    Ok(())
}

fn ours(count: usize, load: &Load) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let (_server, turn) = roost(folder.path(), count.div_ceil(ALLOCATIONS_PER_PASS))?;
    measure(&turn, count, load)
}

fn theirs(count: usize, load: &Load) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let (turn, mut child) = coturn(folder.path())?;
    let cost = measure(&turn, count, load);
    child.kill()?;
    child.wait()?;
    cost
}

fn roost(folder: &Path, passes: usize) -> Result<(RealServer, Turn)> {
    let port = free_port()?;
    let config = folder.join("roost.toml");
    std::fs::write(
        &config,
        format!("[calls]\nudp = {port}\nrelay = '20000-21999'\nallow = ['{PEERS}/32']\n"),
    )?;
    let config = config.to_str().context("a path")?;
    let options = [&["--config", config][..], &super::UNLIMITED].concat();
    let server = RealServer::start(&folder.join("data"), &options)?;
    let passes = super::runtime()?.block_on(async {
        let way = Way::to(&server)?;
        let mut given = Vec::new();
        let link = server.invite(u32::try_from(passes + 1)?)?;
        Member::join(&way, server.setup_link()?, "user", 1).await?;
        for number in 0..passes {
            let seed = u64::try_from(number)? + 2;
            let member = Member::join(&way, &link, &format!("user {number}"), seed).await?;
            given.push(member.ask(&AskRelayPass {}).await?);
        }
        anyhow::Ok(given)
    })?;
    let turn = Turn {
        process: server.process()?,
        port,
        passes,
    };
    Ok((server, turn))
}

fn coturn(folder: &Path) -> Result<(Turn, Child)> {
    let port = free_port()?;
    let child = Command::new("turnserver")
        .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech"])
        .args(["--allow-loopback-peers", "--log-file", "/dev/null"])
        .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
        .args(["--listening-port", &port.to_string()])
        .args(["--min-port", "22000", "--max-port", "23999"])
        .args(["--realm", "roost", "--user", "user:password"])
        .args(["--pidfile", &folder.join("coturn.pid").to_string_lossy()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("turnserver: install coturn, or run packaging/prerequisites.sh test")?;
    let pass = RelayPass {
        urls: roost_wire::List::new(Vec::new())?,
        username: "user".to_owned(),
        password: "password".to_owned(),
        expires: Seconds::new(0),
    };
    let turn = Turn {
        process: child.id(),
        port,
        passes: vec![pass],
    };
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(100));
        if let Some(pass) = turn.passes.first()
            && Caller::allocate(Pipe::tcp(port)?, pass).is_ok()
        {
            return Ok((turn, child));
        }
    }
    bail!("coturn did not start")
}

/// Both ends of one relay.
struct Ends {
    caller: UdpSocket,
    peer: UdpSocket,
    relay: SocketAddr,
    from_caller: Vec<u8>,
    from_peer: Vec<u8>,
}

fn measure(turn: &Turn, count: usize, load: &Load) -> Result<Cost> {
    let before = process::resident_kb(turn.process)?;
    let ends: Vec<Ends> = (0..count)
        .map(|number| ends(turn, number, load))
        .collect::<Result<_>>()?;
    let after = process::resident_kb(turn.process)?;
    let heard = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let listener = listen(&ends, heard.clone(), stop.clone())?;
    send(&ends, load, 1)?;
    thread::sleep(Duration::from_millis(200));
    heard.store(0, Ordering::Relaxed);

    let cpu = process::cpu_nanoseconds(turn.process)?;
    let sent = send(&ends, load, SECONDS)?;
    thread::sleep(Duration::from_millis(200));
    let cpu = process::cpu_nanoseconds(turn.process)? - cpu;

    let heard = heard.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    ensure!(listener.join().is_ok() && heard > 0, "nothing was relayed");
    Ok(Cost {
        us_per_packet: cpu as f64 / 1e3 / heard as f64,
        lost_percent: 100.0 * (1.0 - heard as f64 / sent as f64),
        kb_per_allocation: (after - before) / count as f64,
    })
}

fn ends(turn: &Turn, number: usize, load: &Load) -> Result<Ends> {
    let which = (number / ALLOCATIONS_PER_PASS) % turn.passes.len();
    let pass = turn.passes.get(which).context("a pass")?;
    thread::sleep(REST);
    let mut caller = Caller::allocate(Pipe::udp(turn.port)?, pass)?;
    let peer = UdpSocket::bind((PEERS, 0))?;
    caller.bind(peer.local_addr()?)?;
    let relay = caller.relay;
    let Pipe::Udp(caller) = caller.pipe else {
        bail!("not UDP");
    };
    caller.set_nonblocking(true)?;
    peer.set_nonblocking(true)?;
    let [l0, l1] = u16::try_from(load.bytes)?.to_be_bytes();
    let from_peer = vec![7; load.bytes];
    Ok(Ends {
        caller,
        peer,
        relay,
        from_caller: [&[0x40, 0, l0, l1], &from_peer[..]].concat(),
        from_peer,
    })
}

/// Sends at the load's pace for so long; how many packets.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn send(ends: &[Ends], load: &Load, seconds: u64) -> Result<u64> {
    let begun = Instant::now();
    let rounds = Duration::from_secs(seconds).as_nanos() / load.every.as_nanos();
    let mut sent = 0;
    for round in 0..u32::try_from(rounds)? {
        for (at, end) in ends.iter().enumerate() {
            // Not all at the same moment, as people do not speak at the same moment.
            let share = load.every.mul_f64(at as f64 / ends.len() as f64);
            let due = load.every * round + share;
            if let Some(early) = due.checked_sub(begun.elapsed()) {
                thread::sleep(early);
            }
            for _ in 0..load.at_once {
                let to_peer = (at + usize::try_from(round)?).is_multiple_of(2);
                let done = if to_peer {
                    end.caller.send(&end.from_caller)
                } else {
                    end.peer.send_to(&end.from_peer, end.relay)
                };
                sent += u64::from(done.is_ok());
            }
        }
    }
    Ok(sent)
}

/// Counts what arrives, on either end.
fn listen(
    ends: &[Ends],
    heard: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Result<thread::JoinHandle<()>> {
    let mut sockets = Vec::new();
    for end in ends {
        sockets.push(end.caller.try_clone()?);
        sockets.push(end.peer.try_clone()?);
    }
    Ok(thread::spawn(move || {
        let mut packet = [0; 2_048];
        while !stop.load(Ordering::Relaxed) {
            for socket in &sockets {
                while socket.recv(&mut packet).is_ok() {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    }))
}
