//! Forwarding group calls, ours and Janus' side by side: CPU per packet, memory per participant, and
//! how long packets are on the way.
//!
//! In each call one talks, with sound and a picture of one layer, and ten hear and see. The load
//! is the same, with the same devices, and each server is a fresh one.

mod device;
mod janus;
mod load;
mod ours;

use super::process;
use anyhow::{Result, ensure};
use device::Device;
use load::{FRAME_EVERY, FRAME_PACKETS, Load, SOUND_EVERY};
use std::time::{Duration, Instant};

const SUBSCRIBERS: [usize; 3] = [10, 50, 200];
const SUBSCRIBERS_PER_CALL: usize = 10;
/// Until estimates and queues are what they stay.
const WARM_UP: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(10);

/// What a run cost.
struct Cost {
    us_per_packet: f64,
    lost_percent: f64,
    delay_ms: [f64; 2],
    kb_per_participant: f64,
}

pub fn table() -> Result<()> {
    println!("CPU of the server in µs per packet forwarded; lost %; p50 and p99 of the time on");
    println!("the way in ms; memory in KB per participant");
    println!(
        "{:<12} {:>34} {:>34} {:>6}",
        "subscribers", "roost", "janus", "ratio"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    for subscribers in SUBSCRIBERS {
        let calls = subscribers / SUBSCRIBERS_PER_CALL;
        let ours = runtime.block_on(ours(calls))?;
        let theirs = runtime.block_on(theirs(calls))?;
        let ratio = ours.us_per_packet / theirs.us_per_packet;
        let [ours, theirs] = [ours, theirs].map(|it| it.shown());
        println!("{subscribers:<12} {ours:>34} {theirs:>34} {ratio:>6.2}");
    }
    Ok(())
}

async fn ours(calls: usize) -> Result<Cost> {
    let per_call = SUBSCRIBERS_PER_CALL + 1;
    let mut house = ours::House::open(calls * per_call).await?;
    let (begun, before) = (now(), process::resident_kb(house.process()?)?);
    let devices = house.calls(calls, per_call, begun).await?;
    measure(house.process()?, before, devices)
}

async fn theirs(calls: usize) -> Result<Cost> {
    let mut janus = janus::Janus::start().await?;
    let (begun, before) = (now(), process::resident_kb(janus.process())?);
    let mut devices = Vec::new();
    for _ in 0..calls {
        devices.extend(janus.room(SUBSCRIBERS_PER_CALL + 1, begun).await?);
    }
    measure(janus.process(), before, devices)
}

fn measure(server: u32, kb_before: f64, devices: Vec<Device>) -> Result<Cost> {
    let participants = devices.len();
    let talkers: Vec<_> = (0..participants)
        .step_by(SUBSCRIBERS_PER_CALL + 1)
        .collect();
    let mut load = Load::new(devices, &talkers, now())?;
    load.connects(now)?;
    load.talks(WARM_UP, now)?;
    let cpu = process::cpu_nanoseconds(server)?;

    let mut delays = load.talks(TIME, now)?;

    let cpu = process::cpu_nanoseconds(server)? - cpu;
    let kb = process::resident_kb(server)? - kb_before;
    let heard = delays.len() as f64;
    ensure!(heard > 0.0, "nothing was forwarded");
    let sound = TIME.div_duration_f64(SOUND_EVERY);
    let pictures = TIME.div_duration_f64(FRAME_EVERY) * FRAME_PACKETS as f64;
    let due = (sound + pictures) * (participants - talkers.len()) as f64;
    delays.sort_unstable();
    let delay = |percent: usize| {
        let delay = delays.get(delays.len() * percent / 100);
        delay.map_or(0.0, |it| it.as_secs_f64() * 1e3)
    };
    Ok(Cost {
        us_per_packet: cpu as f64 / 1e3 / heard,
        lost_percent: 100.0 * (1.0 - heard / due),
        delay_ms: [delay(50), delay(99)],
        kb_per_participant: kb / participants as f64,
    })
}

impl Cost {
    fn shown(&self) -> String {
        let Self {
            us_per_packet,
            lost_percent,
            delay_ms: [p50, p99],
            kb_per_participant,
        } = self;
        format!(
            "{us_per_packet:.1} {lost_percent:.1}% {p50:.2}/{p99:.2}ms {kb_per_participant:.0}KB"
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}
