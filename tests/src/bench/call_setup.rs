//! How long it takes two browsers to see each other: from the tap that calls, and from the tap that
//! answers, to the first picture of the other one on the screen.
//!
//! The pages tap and look by themselves, since a driver would measure the driver. Both have the same
//! clock.

use super::{UNLIMITED, figure, runtime};
use crate::browser::{Colour, Media, Person, Station};
use crate::real::{RealServer, free_port};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;

/// Of each way, unless the environment names another number.
const CALLS: usize = 50;
const CALLS_VARIABLE: &str = "ROOST_BENCH_CALLS";
const PATIENCE: Duration = Duration::from_secs(60);

const ADA: Media = Media {
    hertz: 440,
    colour: Colour::Red,
};
const BEN: Media = Media {
    hertz: 1_000,
    colour: Colour::Blue,
};

/// Milliseconds of one call.
struct Spent {
    from_call: f64,
    from_answer: f64,
}

type Tap = (&'static str, fn(&Spent) -> f64);

const TAPS: [Tap; 2] = [
    ("Call", |spent| spent.from_call),
    ("Answer", |spent| spent.from_answer),
];

pub fn setup() -> Result<()> {
    let calls = match std::env::var(CALLS_VARIABLE) {
        Ok(number) => number.parse().context(CALLS_VARIABLE)?,
        Err(_) => CALLS,
    };
    ensure!(calls > 0, "{CALLS_VARIABLE} is at least 1");
    runtime()?.block_on(measure(calls))
}

async fn measure(calls: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let udp = free_port()?.to_string();
    let options = [UNLIMITED.as_slice(), &["--calls-udp", &udp]].concat();
    let server = RealServer::start(&folder.path().join("data"), &options)?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined_with(&station, "Ada", server.setup_link()?, ADA).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined_with(&station, "Ben", &link, BEN).await?;
    ben.says("Shall we talk?").await?;
    ada.presses("#rows .row").await?;
    ada.sees("Shall we talk?").await?;
    for person in [&ada, &ben] {
        person.has_its_connections_watched().await?;
        person.driver().set_script_timeout(PATIENCE).await?;
    }
    for (name, way) in [("direct", None), ("by TURN over TLS", Some("tls"))] {
        ada.goes_only_by(way).await?;
        ben.goes_only_by(way).await?;
        let mut spent = Vec::with_capacity(calls);
        for _ in 0..calls {
            spent.push(call(&ada, &ben).await?);
        }
        print(name, &spent);
    }
    ada.leaves().await?;
    ben.leaves().await
}

async fn call(ada: &Person, ben: &Person) -> Result<Spent> {
    let (called, answered) = tokio::join!(
        tap(ada, "[data-action='call-start'][data-video='true']"),
        tap(ben, "[data-action='call-accept'][data-video='true']"),
    );
    let spent = Spent {
        from_call: called?,
        from_answer: answered?,
    };
    ada.sees_colour("call-their-camera", BEN.colour).await?;
    ben.sees_colour("call-their-camera", ADA.colour).await?;
    ada.hangs_up().await?;
    ben.is_in_no_call().await?;
    ada.is_in_no_call().await?;
    Ok(spent)
}

/// Taps as soon as the button is there; milliseconds until the other one was seen.
async fn tap(person: &Person, button: &str) -> Result<f64> {
    let found = person.driver().execute_async(TAP, vec![json!(button)]);
    found.await?.json().as_f64().context("no time was measured")
}

fn print(way: &str, spent: &[Spent]) {
    let calls = spent.len();
    for (button, of) in TAPS {
        let mut times: Vec<f64> = spent.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        for percent in [50, 95] {
            let at = (calls * percent).div_ceil(100).max(1) - 1;
            let what = format!("{calls} calls {way}: {button} to first picture, p{percent}");
            figure(&what, times[at], "ms");
        }
    }
}

const TAP: &str = "const [css, done] = arguments;\
    const until = (look) => new Promise((found) => {\
        const check = () => {\
            const element = look();\
            if (!element) return;\
            watcher.disconnect();\
            found(element);\
        };\
        const watcher = new MutationObserver(check);\
        watcher.observe(document, { subtree: true, childList: true, attributes: true });\
        check();\
    });\
    (async () => {\
        const button = await until(() => document.querySelector(css + ':not([disabled])'));\
        const tapped = performance.now();\
        button.click();\
        const video = await until(() => document.querySelector('.call #call-their-camera:not([hidden])'));\
        await new Promise((seen) => video.requestVideoFrameCallback(seen));\
        done(performance.now() - tapped);\
    })();";
