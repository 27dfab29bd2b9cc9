//! Frames of group calls and their keys, as pages and their workers have them.
//!
//! Owns what is read out of a worker by the debugger, and frames that a test has sealed or opened by
//! the product's own code. Changes nothing in the product: its worker is watched where the browser
//! hands it a frame and takes it back.

use super::inside::Inside;
use super::{Person, Station};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// Frames kept between two looks.
const FRAMES_MAX: usize = 2_000;
const GLANCE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// What the worker of a call is called.
const WORKER: &str = "sframe";

const WATCH: &str = "(() => {\
    self.frames = { taken: [], given: [] };\
    const note = (list, bytes) => { if (list.length < FRAMES_MAX) list.push(bytes.slice(0)); };\
    for (const kind of [RTCEncodedAudioFrame, RTCEncodedVideoFrame]) {\
        const { get, set } = Object.getOwnPropertyDescriptor(kind.prototype, 'data');\
        Object.defineProperty(kind.prototype, 'data', {\
            get() { const bytes = get.call(this); note(self.frames.taken, bytes); return bytes; },\
            set(bytes) { note(self.frames.given, bytes); set.call(this, bytes); },\
        });\
    }\
})()";

const COUNT: &str = "Math.min(self.frames.taken.length, self.frames.given.length)";
const COUNT_TAKEN: &str = "self.frames.taken.length";

const COLLECT: &str = "(() => {\
    const pack = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(''));\
    const all = { taken: self.frames.taken.map(pack), given: self.frames.given.map(pack) };\
    self.frames.taken.length = self.frames.given.length = 0;\
    return all;\
})()";

const SEALS: &str = include_str!("seals.js");

/// What a worker took from the browser, and what it gave back: in whoever sends, frames as they
/// are and as they leave; in whoever listens, frames as they came and as they are played.
#[derive(Debug, Default)]
pub struct Frames {
    pub taken: Vec<Vec<u8>>,
    pub given: Vec<Vec<u8>>,
}

impl Frames {
    fn read(found: &Value) -> Result<Self> {
        Ok(Self {
            taken: unpack_all(&found["taken"])?,
            given: unpack_all(&found["given"])?,
        })
    }
}

/// The key of one track of one device in one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameKey {
    pub kid: u64,
    pub raw: Vec<u8>,
    pub salt: Vec<u8>,
    pub is_own: bool,
}

impl FrameKey {
    fn row(&self) -> Value {
        json!([self.kid, pack(&self.raw), pack(&self.salt), self.is_own])
    }
}

/// The worker that seals and opens the frames of somebody's call, while it is watched.
pub struct Seals(Inside);

impl Seals {
    /// Of whoever has this profile and is in a call.
    ///
    /// # Errors
    /// If they are in none.
    pub async fn of(station: &Station, person: &Person) -> Result<Self> {
        let mut worker = station.inside(person.name(), WORKER).await?;
        let watch = WATCH.replace("FRAMES_MAX", &FRAMES_MAX.to_string());
        worker.run(&watch).await?;
        Ok(Self(worker))
    }

    /// What went through it from now on, once it is so many frames.
    ///
    /// # Errors
    /// If there are fewer.
    pub async fn passes(&mut self, count: u64) -> Result<Frames> {
        self.watches(COUNT, count).await
    }

    /// What came to it from now on, whatever becomes of it.
    ///
    /// # Errors
    /// If less comes.
    pub async fn takes(&mut self, count: u64) -> Result<Frames> {
        self.watches(COUNT_TAKEN, count).await
    }

    async fn watches(&mut self, how_many: &str, count: u64) -> Result<Frames> {
        self.0.run(COLLECT).await?;
        let enough = async {
            while self.0.run(how_many).await?.as_u64().unwrap_or(0) < count {
                tokio::time::sleep(GLANCE).await;
            }
            anyhow::Ok(())
        };
        let enough = tokio::time::timeout(PATIENCE, enough).await;
        enough.with_context(|| format!("{count} frames do not come"))??;
        Frames::read(&self.0.run(COLLECT).await?)
    }
}

impl Person {
    /// The keys that this page was given last for the call that it is in, or was.
    ///
    /// # Errors
    /// If it was in none, or was not told to have its connections watched.
    pub async fn frame_keys(&self) -> Result<Vec<FrameKey>> {
        let script = "const pack = (bytes) => btoa(String.fromCharCode(...bytes));\
            return window.frameKeys?.map(([kid, raw, salt, isOwn]) => [Number(kid), pack(raw), pack(salt), isOwn]) ?? null";
        let found = self.look_for("keys of a call", script, &[]).await?;
        let rows = found.as_array().context("rows")?.iter();
        rows.map(|row| {
            Ok(FrameKey {
                kid: row[0].as_u64().context("a KID")?,
                raw: unpack(&row[1])?,
                salt: unpack(&row[2])?,
                is_own: row[3] == json!(true),
            })
        })
        .collect()
    }

    /// From now on this page is given keys of others that are not theirs, or the right ones again.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn is_given_wrong_keys(&self, wrong: bool) -> Result<()> {
        let script = "sessionStorage.setItem('wrong-keys', arguments[0])";
        let value = if wrong { "yes" } else { "" };
        self.driver().execute(script, vec![json!(value)]).await?;
        Ok(())
    }

    /// The frames of the next calls between two are looked at before they are sent and when they
    /// come.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn has_its_frames_tapped(&self) -> Result<()> {
        let script = "sessionStorage.setItem('tapped', 'yes')";
        self.driver().execute(script, Vec::new()).await?;
        Ok(())
    }

    /// What came, once it is so much, and what was sent, once it is so much: from now on.
    ///
    /// # Errors
    /// If there is less, or frames are not tapped.
    pub async fn taps(&self, sent: u64, came: u64) -> Result<Frames> {
        let begin = "window.tapped.taken.length = window.tapped.given.length = 0";
        self.driver().execute(begin, Vec::new()).await?;
        let script = "const pack = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(''));\
            const { taken, given } = window.tapped;\
            if (given.length < arguments[0] || taken.length < arguments[1]) return null;\
            return { taken: taken.map(pack), given: given.map(pack) }";
        let counts = [json!(sent), json!(came)];
        let found = self.look_for("frames", script, &counts).await?;
        Frames::read(&found)
    }

    /// How many pictures of others were decoded.
    ///
    /// # Errors
    /// If the page was not told to have its connections watched.
    pub async fn frames_decoded(&self) -> Result<u64> {
        let script = "const done = arguments[0]; (async () => {\
            let sum = 0;\
            for (const connection of window.connections) {\
                if (connection.connectionState === 'closed') continue;\
                for (const entry of (await connection.getStats()).values()) {\
                    if (entry.type === 'inbound-rtp') sum += entry.framesDecoded ?? 0;\
                }\
            }\
            done(sum);\
        })();";
        let found = self.driver().execute_async(script, Vec::new()).await?;
        found.json().as_u64().context("a number")
    }

    /// Frames sealed under the first of these keys, by the product's worker.
    ///
    /// # Errors
    /// If they are not.
    pub async fn seals(&self, key: &FrameKey, frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let arguments = [json!([key.row()]), json!(pack_all(frames))];
        let sealed = unpack_all(&self.runs_seals("seal(...given)", &arguments).await?)?;
        ensure!(sealed.len() == frames.len(), "{} are sealed", sealed.len());
        Ok(sealed)
    }

    /// What becomes of frames under these keys in the product's worker: in the place of this sender
    /// (`track << 8 | leaf`), or each in that of whom it says it is of.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn opens_frames(
        &self,
        keys: &[FrameKey],
        sender: Option<u64>,
        frames: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let rows: Vec<Value> = keys.iter().map(FrameKey::row).collect();
        let arguments = [json!(rows), json!(sender), json!(pack_all(frames))];
        let found = self.runs_seals("open(...given)", &arguments).await?;
        let opened = found.as_array().context("frames")?.iter();
        opened
            .map(|frame| {
                if frame.is_null() {
                    Ok(None)
                } else {
                    unpack(frame).map(Some)
                }
            })
            .collect()
    }

    async fn runs_seals(&self, what: &str, given: &[Value]) -> Result<Value> {
        let script = format!(
            "const given = [...arguments]; const done = given.pop(); (async () => {{\
             {SEALS}\n return {what}; }})().then(done, (error) => done(String(error)));"
        );
        let found = self.driver().execute_async(&script, given.to_vec()).await?;
        let found = found.json().clone();
        ensure!(found.is_array(), "{}: {found}", self.name());
        Ok(found)
    }
}

fn pack_all(frames: &[Vec<u8>]) -> Vec<String> {
    frames.iter().map(|frame| pack(frame)).collect()
}

fn unpack_all(found: &Value) -> Result<Vec<Vec<u8>>> {
    let all = found.as_array().context("frames")?;
    all.iter().map(unpack).collect()
}

/// Base64 as browsers write it, with padding.
fn pack(bytes: &[u8]) -> String {
    let text = roost_wire::text::base64url(bytes);
    let text = text.replace('-', "+").replace('_', "/");
    let padding = "=".repeat(text.len().wrapping_neg() % 4);
    format!("{text}{padding}")
}

fn unpack(text: &Value) -> Result<Vec<u8>> {
    let text = text.as_str().context("text")?.trim_end_matches('=');
    let text = text.replace('+', "-").replace('/', "_");
    Ok(roost_wire::text::unbase64url(&text, text.len())?)
}
