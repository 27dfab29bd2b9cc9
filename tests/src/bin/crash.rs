//! `cargo xtask crash --rounds R`: kills the server over and over while people talk.
//!
//! Real clients send through the real binary over TLS; it is killed with -9 at random moments
//! and started again. At the end everyone must show every acknowledged message exactly once. The
//! last line of output is the result.

use anyhow::{Context, Result, bail};
use roost_client::{Command, MessageId, Notice};
use roost_tests::guest::Guest;
use roost_tests::real::RealServer;
use roost_tests::world::dice::Seeded;
use roost_wire::GroupId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

const PEOPLE: usize = 6;
/// Messages one person has under way at most.
const UNDER_WAY: usize = 8;
/// Longest life of the server after its first acknowledgement.
const LIFE_MS: u64 = 400;
const PROGRESS_LIMIT: Duration = Duration::from_secs(60);
/// A second apart.
const CATCH_UP_TRIES: usize = 90;

/// What was acknowledged so far, by whom.
#[derive(Default)]
struct Tally {
    acknowledged: BTreeSet<MessageId>,
}

fn main() -> ExitCode {
    let rounds = match rounds(std::env::args().skip(1)) {
        Ok(rounds) => rounds,
        Err(error) => {
            eprintln!("{error}\nusage: crash [--rounds R]");
            return ExitCode::from(2);
        }
    };
    match run(rounds) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn rounds(mut arguments: impl Iterator<Item = String>) -> Result<u32> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(20),
        (Some("--rounds"), Some(rounds)) => Ok(rounds.parse()?),
        (Some(other), _) => bail!("{other} is not known"),
    }
}

fn run(rounds: u32) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, crash(rounds))
}

async fn crash(rounds: u32) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut server = RealServer::start(&folder.path().join("data"), &[])?;
    let (guests, room) = gather(&server).await?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let (stop, stopped) = watch::channel(false);
    let mut talkers = JoinSet::new();
    for guest in guests {
        talkers.spawn_local(talk(guest, room, Rc::clone(&tally), stopped.clone()));
    }
    let mut dice = Seeded::new(u64::from(rounds));
    for round in 1..=rounds {
        let before = tally.borrow().acknowledged.len();
        progress(&tally, before)
            .await
            .with_context(|| format!("round {round}; log: {}", tail(&server)))?;
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS))).await;
        server.kill()?;
        tokio::time::sleep(Duration::from_millis(dice.below(100))).await;
        server.start_again()?;
        if round % 20 == 0 {
            println!(
                "round {round}: {} acknowledged",
                tally.borrow().acknowledged.len()
            );
        }
    }
    stop.send(true)?;
    let mut guests = Vec::new();
    while let Some(guest) = talkers.join_next().await {
        guests.push(guest??);
    }
    let tally = tally.take();
    judge(rounds, guests, room, &tally).await
}

/// Makes the accounts and one group of all.
async fn gather(server: &RealServer) -> Result<(Vec<Guest>, GroupId)> {
    let first = Guest::join(server, server.setup_link()?, "guest 0").await?;
    let mut guests = vec![first];
    let link = server.invite(100)?;
    for number in 1..PEOPLE {
        guests.push(Guest::join(server, &link, &format!("guest {number}")).await?);
    }
    let members = guests[1..]
        .iter()
        .map(Guest::account)
        .collect::<Result<_>>()?;
    guests[0].does(Command::RefreshPeople).await?;
    let command = Command::CreateGroup {
        name: "survivors".into(),
        members,
    };
    let room = guests[0].opens(command).await?;
    for guest in &mut guests {
        guest.syncs().await?;
    }
    Ok((guests, room))
}

/// Sends and receives until told to stop, whatever happens to the server.
async fn talk(
    mut guest: Guest,
    room: GroupId,
    tally: Rc<RefCell<Tally>>,
    mut stopped: watch::Receiver<bool>,
) -> Result<Guest> {
    let mut under_way = BTreeSet::new();
    let mut count = 0;
    let mut notices = guest.driver.command(Command::Connect)?;
    while !*stopped.borrow() {
        note(&notices, &mut under_way, &tally);
        if under_way.len() < UNDER_WAY {
            count += 1;
            let text = format!("{} says {count}", guest.name);
            let send = Command::Send {
                group: room,
                text,
                reply_to: None,
            };
            notices = guest.driver.command(send)?;
            // The others on this thread want their turn too.
            tokio::task::yield_now().await;
            continue;
        }
        notices = tokio::select! {
            next = guest.driver.next() => next?,
            _ = stopped.changed() => Vec::new(),
        };
    }
    Ok(guest)
}

fn note(notices: &[Notice], under_way: &mut BTreeSet<MessageId>, tally: &RefCell<Tally>) {
    for notice in notices {
        match notice {
            Notice::Queued { message, .. } => {
                under_way.insert(*message);
            }
            Notice::Stored { message, .. } => {
                under_way.remove(message);
                tally.borrow_mut().acknowledged.insert(*message);
            }
            _ => {}
        }
    }
}

/// Waits until something more was acknowledged.
async fn progress(tally: &RefCell<Tally>, before: usize) -> Result<()> {
    let waiting = async {
        while tally.borrow().acknowledged.len() <= before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PROGRESS_LIMIT, waiting)
        .await
        .context("nothing was acknowledged for a minute")
}

/// Everyone must show every acknowledged message once.
async fn judge(rounds: u32, mut guests: Vec<Guest>, room: GroupId, tally: &Tally) -> Result<bool> {
    catch_up(&mut guests, room, tally).await?;
    let (mut lost, mut doubled) = (0, 0);
    for guest in &mut guests {
        let texts = texts(guest, room)?;
        let missing = missing(guest, room, tally)?;
        let repeated = texts.values().filter(|count| **count > 1).count();
        println!(
            "{} shows {} messages, misses {missing}, repeats {repeated}",
            guest.name,
            texts.len()
        );
        lost += missing;
        doubled += repeated;
    }
    println!(
        "crash rounds={rounds} acknowledged={} lost={lost} doubled={doubled}",
        tally.acknowledged.len()
    );
    Ok(lost == 0 && doubled == 0 && !tally.acknowledged.is_empty())
}

/// Fetches until nobody misses anything, or for as long as a client that was refused waits at most
/// before it tries again.
async fn catch_up(guests: &mut [Guest], room: GroupId, tally: &Tally) -> Result<()> {
    for guest in &mut *guests {
        guest.driver.command(Command::Disconnect)?;
    }
    for _ in 0..CATCH_UP_TRIES {
        let mut behind = 0;
        for guest in &mut *guests {
            guest.syncs().await?;
            behind += missing(guest, room, tally)?;
        }
        if behind == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// How often each text is shown.
fn texts(guest: &mut Guest, room: GroupId) -> Result<BTreeMap<String, u32>> {
    let mut texts = BTreeMap::new();
    for message in guest.messages(&room)? {
        *texts.entry(message.text).or_default() += 1;
    }
    Ok(texts)
}

fn missing(guest: &mut Guest, room: GroupId, tally: &Tally) -> Result<usize> {
    let messages = guest.messages(&room)?.into_iter();
    let shown: BTreeSet<MessageId> = messages.map(|message| message.id).collect();
    Ok(tally.acknowledged.difference(&shown).count())
}

fn tail(server: &RealServer) -> String {
    let log = std::fs::read_to_string(server.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(5).collect();
    lines.join(" | ")
}
