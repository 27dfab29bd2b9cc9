//! What the client core's work costs, natively.

use super::figure;
use crate::world::World;
use anyhow::{Context, Result};
use roost_client::Command;
use std::time::Instant;

const MESSAGES: u32 = 500;
const LONG: u32 = 10_000;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub fn operations() -> Result<()> {
    let world = World::seeded(1);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    let text = "x".repeat(900);

    ben.disconnects();
    world.settle();
    let begun = Instant::now();
    for number in 0..MESSAGES {
        ada.says(&room, &format!("{number} {text}"));
    }
    world.settle();
    let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(MESSAGES);
    figure("client, native: write, encrypt, send 1 KiB", each, "ms");

    let begun = Instant::now();
    ben.connects();
    world.settle();
    let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(MESSAGES);
    figure("client, native: receive, decrypt, store 1 KiB", each, "ms");

    for number in 0..LONG - MESSAGES {
        ada.says(&room, &format!("{number}"));
    }
    world.settle();
    let begun = Instant::now();
    ben.wishes(Command::OpenThread(room));
    let opened = begun.elapsed().as_secs_f64() * 1e3;
    let core = ben.core();
    let shown = core
        .thread(&room)
        .context("an open conversation")?
        .items()
        .len();
    figure(
        "client, native: open a conversation of 10,000",
        opened,
        "ms",
    );
    println!("  (its newest {shown} items)");
    Ok(())
}
