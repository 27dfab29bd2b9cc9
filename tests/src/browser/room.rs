//! Somebody in a group call: who is there, and what of whom is heard and seen.

use super::Person;
use super::media::{Colour, Media};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The leaf of who has this name in the call.
pub(super) const LEAF: &str = "return [...document.querySelectorAll('#room-tiles .tile:not(.screen)')]\
    .find(tile => tile.querySelector('.whose').textContent === arguments[0])\
    ?.querySelector('video').dataset.leaf ?? null";
/// Whether exactly these are in the call.
pub(super) const IN_ROOM: &str = "const names = [...document.querySelectorAll('#room-tiles .tile:not(.screen) .whose')];\
    return JSON.stringify(names.map(name => name.textContent).sort()) === arguments[0]";

/// What the browser counts of each picture that it sends and receives, and what each tile shows.
const COUNTS: &str = "const done = arguments[0]; (async () => {\
    const kept = ['type', 'mid', 'rid', 'packetsSent', 'packetsReceived', 'framesReceived', 'framesDecoded',\
        'framesEncoded', 'keyFramesEncoded', 'pliCount', 'nackCount', 'availableOutgoingBitrate', 'currentRoundTripTime'];\
    const is = ({ type, kind, nominated }) => nominated || (kind === 'video' && /^(in|out)bound-rtp$/.test(type));\
    const tell = (row) => kept.filter((key) => key in row).map((key) => `${key} ${row[key]}`).join(', ');\
    const report = await window.connections.at(-1).getStats();\
    const rows = [...report.values()].filter(is).map(tell);\
    const tiles = [...document.querySelectorAll('#room-tiles video')]\
        .map(({ id, hidden, clientHeight, videoWidth }) => `${id}: hidden ${hidden}, height ${clientHeight}, width ${videoWidth}`);\
    done([...rows, ...tiles].join('\\n'));\
})().catch((error) => done(String(error)));";

impl Person {
    /// Begins a call in the open group.
    ///
    /// # Errors
    /// If there is no such button, or it cannot be pressed.
    pub async fn begins_room(&self, video: bool) -> Result<()> {
        let button = format!("[data-action='room-enter'][data-video='{video}']:not([disabled])");
        self.presses(&button).await
    }

    /// Joins the call that is on in the open group.
    ///
    /// # Errors
    /// If there is none.
    pub async fn joins_room(&self) -> Result<()> {
        self.presses(".join:not([disabled])").await
    }

    /// The browser is an old one.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn cannot_seal(&self) -> Result<()> {
        let script = "delete window.RTCRtpScriptTransform";
        self.driver().execute(script, vec![]).await?;
        Ok(())
    }

    /// # Errors
    /// If there is no call.
    pub async fn leaves_room(&self) -> Result<()> {
        self.presses("[data-action='room-leave']").await
    }

    /// Takes somebody out of the call.
    ///
    /// # Errors
    /// If they are not in it.
    pub async fn removes_from_room(&self, name: &str) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.presses(&format!("#tile-{leaf}")).await?;
        self.presses(&format!("#tile-{leaf} .hush")).await?;
        self.presses("dialog[open] [data-action='room-remove']")
            .await
    }

    /// Waits until exactly these are in the call: `You` is oneself.
    ///
    /// # Errors
    /// If others are.
    pub async fn is_in_room_with(&self, names: &[&str]) -> Result<()> {
        let mut names = names.to_vec();
        names.sort_unstable();
        let wanted = serde_json::to_string(&names)?;
        self.until(&format!("{wanted} in the call"), IN_ROOM, &[json!(wanted)])
            .await
    }

    /// # Errors
    /// If somebody's tone is not the strongest in what arrives of them.
    pub async fn hears_of(&self, name: &str, media: Media) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.hears_in(&format!("room-sound-{leaf}"), media)
            .await
            .with_context(|| format!("{name}'s voice"))
    }

    /// Listens to somebody for some seconds.
    ///
    /// # Errors
    /// If there was a sound.
    pub async fn hears_nothing_of(&self, name: &str) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.hears_nothing_in(&format!("room-sound-{leaf}"))
            .await
            .with_context(|| format!("{name}'s voice"))
    }

    /// Waits until somebody's tile shows this colour.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_of(&self, name: &str, colour: Colour) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        let seen = self.sees_colour(&format!("camera-{leaf}"), colour).await;
        let Err(error) = seen else {
            return Ok(());
        };
        let (media, frames) = (self.counts_media().await?, self.counts_frames().await?);
        Err(error.context(format!("{name}'s picture\n{media}\n{frames}")))
    }

    /// Waits until a screen that somebody shares shows this colour.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_screen_of(&self, name: &str, colour: Colour) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.sees_colour(&format!("picture-{leaf}"), colour)
            .await
            .with_context(|| format!("{name}'s screen"))
    }

    /// Waits until somebody shares no screen.
    ///
    /// # Errors
    /// If they do.
    pub async fn sees_no_screen_of(&self, name: &str) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.sees_no_more(&format!("picture-{leaf}")).await
    }

    /// For whoever looks for why a picture is not there.
    async fn counts_media(&self) -> Result<String> {
        let found = self.driver().execute_async(COUNTS, Vec::new()).await?;
        Ok(found.json().as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page has made a second connection, and its server answered.
    ///
    /// # Errors
    /// If it makes none, or was not told to remember its connections.
    pub async fn connects_anew(&self) -> Result<()> {
        let script = "return window.connections.length > 1 && window.connections.at(-1).connectionState === 'connected'";
        self.until("another connection", script, &[]).await
    }

    /// Waits until nothing of a call is left on the page: neither a sound nor a picture of anybody, nor
    /// a connection, nor a microphone or camera.
    ///
    /// # Errors
    /// If something is, or the page was not told to remember them.
    pub async fn is_cut_off(&self) -> Result<()> {
        let script = "return window.opened.length > 0 && window.connections.length > 0\
            && window.opened.every(({ readyState }) => readyState === 'ended')\
            && window.connections.every(({ connectionState }) => connectionState === 'closed')\
            && [...document.querySelectorAll('audio, video')].every(({ srcObject }) => !srcObject)";
        self.until("nothing left of a call", script, &[]).await
    }

    /// The tab says anew who it is, as after a word to the tab that leads was lost.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn says_anew_who_it_is(&self) -> Result<()> {
        let script = "new BroadcastChannel('roost').postMessage({ to: 'all' })";
        self.driver().execute(script, vec![]).await?;
        Ok(())
    }

    /// How many frames this page sealed, opened and refused in the call.
    ///
    /// # Errors
    /// If it is in none.
    pub async fn counts_frames(&self) -> Result<Value> {
        let script = "const done = arguments[0]; (async () => {\
            const [app] = document.querySelectorAll('script[src$=\"app.js\"]');\
            const { counts } = await import(app.src.replace('app.js', 'call.js'));\
            done(await counts());\
        })();";
        let found = self.driver().execute_async(script, Vec::new()).await?;
        Ok(found.json().clone())
    }

    async fn leaf_of(&self, name: &str) -> Result<String> {
        let found = self
            .look_for(&format!("{name} in the call"), LEAF, &[json!(name)])
            .await?;
        Ok(found.as_str().context("a leaf")?.to_owned())
    }
}
