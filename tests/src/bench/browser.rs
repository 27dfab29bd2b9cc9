//! What the client's work costs in a real browser: WASM, IndexedDB and drawing together.
//!
//! The page's own clock measures; scripts press what people press, since a driver's keyboard would
//! measure the driver.

use super::{figure, runtime, server};
use crate::browser::{Person, Station};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;

const RELOADS: usize = 5;
const MESSAGES: u32 = 500;
const MESSAGE_BYTES: usize = 1_024;
const LONG: u32 = 10_000;
/// Written at once; the outbox is bounded.
const AT_ONCE: usize = 100;
const PATIENCE: Duration = Duration::from_secs(300);

pub fn operations() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let station = Station::start(Some(&server.ca()))?;
        let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
        let link = ada.invites("invite").await?;
        let ben = Person::joined(&station, "Ben", &link).await?;
        let cleo = Person::joined(&station, "Cleo", &link).await?;
        ada.driver().set_script_timeout(PATIENCE).await?;
        cleo.says("A short conversation").await?;
        ada.presses_row("Cleo").await?;
        ada.sees("A short conversation").await?;
        cleo.leaves().await?;
        ben.says("A long conversation").await?;
        ada.presses_row("Ben").await?;
        ada.sees("A long conversation").await?;

        let page = page(&ada).await?;
        figure("browser: page to its conversation, median", page, "ms");
        let place = ben.driver().current_url().await?;
        ben.opens("about:blank").await?;
        let spent = write(&ada, 0..MESSAGES, MESSAGE_BYTES).await?;
        let each = spent / f64::from(MESSAGES);
        figure(
            "browser: write, encrypt, store, show, send 1 KiB",
            each,
            "ms",
        );
        ben.opens(place.as_str()).await?;
        let last = text(MESSAGES - 1, MESSAGE_BYTES);
        let spent = ask(&ben, "meets(arguments[0])", json!([last])).await?;
        let each = (spent - page) / f64::from(MESSAGES);
        figure("browser: receive, decrypt, store, show 1 KiB", each, "ms");
        ben.leaves().await?;

        write(&ada, MESSAGES..LONG, 1).await?;
        ask(&ada, "opens(arguments[0])", json!(["Cleo"])).await?;
        let opened = ask(&ada, "opens(arguments[0])", json!(["Ben"])).await?;
        figure("browser: open a conversation of 10,000", opened, "ms");
        ada.leaves().await
    })
}

/// From the start of navigation until messages are shown and can be answered.
async fn page(person: &Person) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RELOADS {
        person.reloads().await?;
        times.push(ask(person, "meets('')", json!([])).await?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RELOADS / 2])
}

/// Writes numbered messages, and waits until the server has all of them.
async fn write(person: &Person, numbers: Range<u32>, size: usize) -> Result<f64> {
    let mut spent = 0.0;
    for first in numbers.clone().step_by(AT_ONCE) {
        let end = numbers.end.min(first + AT_ONCE as u32);
        let texts: Vec<_> = (first..end).map(|number| text(number, size)).collect();
        spent += ask(person, "writes(arguments[0])", json!([texts])).await?;
    }
    Ok(spent)
}

fn text(number: u32, size: usize) -> String {
    format!("{number} {}", "x".repeat(size))
}

/// Milliseconds, measured in the page.
async fn ask(person: &Person, question: &str, arguments: Value) -> Result<f64> {
    let script = format!("{SCRIPT} {question}.then(arguments[arguments.length - 1])");
    let arguments = arguments.as_array().cloned().unwrap_or_default();
    let answer = person.driver().execute_async(script, arguments).await?;
    answer.json().as_f64().context("no time was measured")
}

/// Each gives the milliseconds it took, once its result was painted.
const SCRIPT: &str = r"
    const byId = id => document.getElementById(id);
    const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const until = look => new Promise(done => {
        const watcher = new MutationObserver(() => check());
        const check = () => { if (look()) { watcher.disconnect(); done(); } };
        watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        check();
    });
    const newest = () => [...document.querySelectorAll('#messages article')].at(-1);
    const meets = async start => {
        await until(() => byId('text') && newest()?.innerText.includes(start));
        await painted();
        return performance.now();
    };
    const writes = async texts => {
        const begun = performance.now();
        for (const text of texts) {
            byId('text').value = text;
            byId('composer').requestSubmit();
        }
        const isSent = message => ['sent', 'delivered'].includes(message.querySelector('.meta .unseen')?.textContent);
        await until(() => newest().innerText.includes(texts.at(-1)) && isSent(newest()));
        await painted();
        return performance.now() - begun;
    };
    const opens = async title => {
        const rows = [...document.querySelectorAll('#rows li')];
        const row = rows.find(row => row.querySelector('.who').textContent === title).querySelector('.row');
        const before = byId('messages').dataset.group;
        const begun = performance.now();
        row.click();
        await until(() => byId('messages').dataset.group !== before && newest());
        await painted();
        return performance.now() - begun;
    };
";
