//! Somebody in front of Firefox: what they do, hear and see in calls. What arrives is judged by its
//! content.

use super::bidi::Bidi;
use super::profile::Profile;
use crate::browser::call::{HERTZ, LISTEN_MS, LOOK, WATCHED};
use crate::browser::media::{Colour, Media};
use crate::browser::person::{GLANCE, PATIENCE, TEXTS, now};
use crate::browser::room::{IN_ROOM, LEAF};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;

/// In the keyboard's own alphabet (WebDriver, section 17.4.2).
const ENTER: &str = "\u{e007}";

/// One Firefox profile.
pub struct Fox {
    name: String,
    bidi: Bidi,
    _profile: Profile,
}

impl Fox {
    /// Somebody new with a microphone and a camera of their own, who has joined by a link and is in.
    /// `settings` are further lines of the profile's `user.js`.
    ///
    /// # Errors
    /// If the browser does not start, or the link does not work.
    pub async fn joined_with(
        authority: &Path,
        (name, link): (&str, &str),
        media: Media,
        settings: &str,
    ) -> Result<Self> {
        let profile = Profile::start(authority, media, settings)?;
        let bidi = Bidi::connect(profile.port()).await?;
        bidi.preload(&camera(media.colour)).await?;
        let fox = Self {
            name: name.to_owned(),
            bidi,
            _profile: profile,
        };
        fox.opens(link).await?;
        fox.finds("#join button:not([disabled])").await?;
        fox.types("#join-name", name).await?;
        fox.presses("#join button").await?;
        fox.finds("#app-main").await?;
        Ok(fox)
    }

    /// # Errors
    /// If the page does not load.
    pub async fn opens(&self, url: &str) -> Result<()> {
        let params = json!({ "url": url, "wait": "complete" });
        let opened = self.bidi.call_here("browsingContext.navigate", params);
        opened.await.map(drop)
    }

    /// Presses the one thing that this selector finds.
    ///
    /// # Errors
    /// If it does not show up.
    pub async fn presses(&self, css: &str) -> Result<()> {
        self.finds(css).await?;
        self.bidi.click(css).await
    }

    /// Types into the one field that this selector finds.
    ///
    /// # Errors
    /// If it does not show up.
    pub async fn types(&self, css: &str, text: &str) -> Result<()> {
        self.presses(css).await?;
        self.bidi.types(text).await
    }

    /// Writes into the open conversation and presses Enter.
    ///
    /// # Errors
    /// If there is no place to write.
    pub async fn says(&self, text: &str) -> Result<()> {
        self.types("#text", &format!("{text}{ENTER}")).await
    }

    /// Makes an invite link in a dialog that is named by its button.
    ///
    /// # Errors
    /// If no link shows up.
    pub async fn invites(&self, panel: &str) -> Result<String> {
        self.presses(&format!("[data-panel='{panel}']")).await?;
        let script = "return document.querySelector('#invite-link')?.textContent.trim()";
        let link = self.looks_for("a link", script, &[]).await?;
        self.presses("dialog[open] [data-action='close-panel']")
            .await?;
        self.until("return !document.querySelector('dialog[open]')", &[])
            .await?;
        Ok(link.as_str().context("a link")?.to_owned())
    }

    /// Chooses somebody in an open dialog.
    ///
    /// # Errors
    /// If they are not in the list.
    pub async fn ticks(&self, name: &str) -> Result<()> {
        self.presses(&format!(
            "dialog[open] #people li[data-name='{name}'] input"
        ))
        .await
    }

    /// Waits until a message with this text is in the conversation.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn sees(&self, text: &str) -> Result<()> {
        let script = format!("return ({TEXTS})().includes(arguments[0])");
        self.until(&script, &[json!(text)]).await
    }

    /// Waits until these words are somewhere on the page.
    ///
    /// # Errors
    /// If they do not show up.
    pub async fn sees_words(&self, words: &str) -> Result<()> {
        let script = "return document.body.innerText.includes(arguments[0])";
        self.until(script, &[json!(words)]).await
    }

    /// Calls the person of the open conversation.
    ///
    /// # Errors
    /// If there is no such button, or it cannot be pressed.
    pub async fn calls(&self, video: bool) -> Result<()> {
        let button = format!("[data-action='call-start'][data-video='{video}']:not([disabled])");
        self.presses(&button).await
    }

    /// Answers who calls.
    ///
    /// # Errors
    /// If nobody calls.
    pub async fn answers(&self, video: bool) -> Result<()> {
        let button = format!("[data-action='call-accept'][data-video='{video}']");
        self.presses(&button).await
    }

    /// # Errors
    /// If there is no call.
    pub async fn hangs_up(&self) -> Result<()> {
        self.presses(".call [data-action='call-hang-up']").await
    }

    /// Waits until no call is on the screen.
    ///
    /// # Errors
    /// If there is one.
    pub async fn is_in_no_call(&self) -> Result<()> {
        self.until("return !document.querySelector('.call, .ring')", &[])
            .await
    }

    /// # Errors
    /// If this tone is not the strongest in what arrives.
    pub async fn hears(&self, media: Media) -> Result<()> {
        self.hears_in("call-sound", media).await
    }

    /// Waits until a video shows this colour.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_colour(&self, element: &str, colour: Colour) -> Result<()> {
        let what = format!("{colour:?} in {element}");
        let is = |found: &Value| colour.is_found(found);
        self.looks_until(&what, LOOK, &[json!(element)], is)
            .await
            .map(drop)
    }

    /// From the next page on connections go where [`Fox::cannot_reach`] says.
    ///
    /// # Errors
    /// If the browser does not take it.
    pub async fn has_its_connections_watched(&self) -> Result<()> {
        self.bidi.preload(WATCHED).await?;
        let params = json!({ "wait": "complete" });
        self.bidi
            .call_here("browsingContext.reload", params)
            .await?;
        self.finds("#app-main").await
    }

    /// From now on connections lead to a port that Firefox never connects to: by `udp`, or by all
    /// ways of `turn`.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn cannot_reach(&self, what: &str) -> Result<()> {
        let script = "sessionStorage.setItem('blocked', arguments[0])";
        self.bidi.run(script, &[json!(what)]).await.map(drop)
    }

    /// Looks whether calls can work, and waits for the end of it.
    ///
    /// # Errors
    /// If there is no end.
    pub async fn asks_the_doctor(&self) -> Result<()> {
        self.presses("[data-panel='menu']").await?;
        self.presses("[data-panel='doctor']").await?;
        self.finds("dialog[open] [data-action=doctor]").await
    }

    /// Begins a call in the open group.
    ///
    /// # Errors
    /// If there is no such button, or it cannot be pressed.
    pub async fn begins_room(&self, video: bool) -> Result<()> {
        let button = format!("[data-action='room-enter'][data-video='{video}']:not([disabled])");
        self.presses(&button).await
    }

    /// # Errors
    /// If there is no call.
    pub async fn leaves_room(&self) -> Result<()> {
        self.presses("[data-action='room-leave']").await
    }

    /// Waits until exactly these are in the call, in the order of the alphabet: `You` is oneself.
    ///
    /// # Errors
    /// If others are.
    pub async fn is_in_room_with(&self, names: &[&str]) -> Result<()> {
        let wanted = serde_json::to_string(names)?;
        self.until(IN_ROOM, &[json!(wanted)]).await
    }

    /// # Errors
    /// If somebody's tone is not the strongest in what arrives of them.
    pub async fn hears_of(&self, name: &str, media: Media) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.hears_in(&format!("room-sound-{leaf}"), media)
            .await
            .with_context(|| format!("{name}'s voice"))
    }

    /// Waits until somebody's tile shows this colour.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_of(&self, name: &str, colour: Colour) -> Result<()> {
        let leaf = self.leaf_of(name).await?;
        self.sees_colour(&format!("camera-{leaf}"), colour)
            .await
            .with_context(|| format!("{name}'s picture"))
    }

    /// # Errors
    /// If the page reported errors.
    pub async fn has_no_complaints(&self) -> Result<()> {
        let complaints = self.bidi.complaints().await;
        ensure!(complaints.is_empty(), "{}: {complaints:?}", self.name);
        Ok(())
    }

    async fn leaf_of(&self, name: &str) -> Result<String> {
        let what = format!("{name} in the call");
        let found = self.looks_for(&what, LEAF, &[json!(name)]).await?;
        Ok(found.as_str().context("a leaf")?.to_owned())
    }

    async fn hears_in(&self, element: &str, media: Media) -> Result<()> {
        let wanted = f64::from(media.hertz);
        let arguments: [Value; 4] = [
            element.into(),
            wanted.into(),
            HERTZ.into(),
            LISTEN_MS.into(),
        ];
        let heard = self.bidi.run(HEAR, &arguments).await?;
        ensure!(
            heard
                .as_f64()
                .is_some_and(|it| (it - wanted).abs() <= HERTZ),
            "{} heard {heard} Hz instead of {wanted}",
            self.name
        );
        Ok(())
    }

    /// Waits for the first thing that this selector finds to be shown.
    async fn finds(&self, css: &str) -> Result<()> {
        let script = "return document.querySelector(arguments[0])?.getClientRects().length > 0";
        self.until(script, &[json!(css)]).await
    }

    async fn until(&self, script: &str, arguments: &[Value]) -> Result<()> {
        let what = format!("{arguments:?} by {script:?}");
        let found = self.looks_until(&what, script, arguments, |it| *it == json!(true));
        found.await.map(drop)
    }

    async fn looks_for(&self, what: &str, script: &str, arguments: &[Value]) -> Result<Value> {
        let found = self.looks_until(what, script, arguments, |it| !it.is_null());
        found.await
    }

    /// Looks again and again until what the script finds is what is wanted.
    async fn looks_until(
        &self,
        what: &str,
        script: &str,
        arguments: &[Value],
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let since = now();
        loop {
            let found = self.bidi.run(script, arguments).await;
            if let Ok(found) = &found
                && is_wanted(found)
            {
                return Ok(found.clone());
            }
            if since.elapsed() > PATIENCE {
                let page = self.bidi.run("return document.body.innerText", &[]).await?;
                bail!(
                    "{} waited for {what}, found {found:?} and saw: {page}",
                    self.name
                );
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// A camera of one colour in place of the fake one, whose colours go round. It is asked for all the
/// same, as is the microphone, which is as it comes.
fn camera(colour: Colour) -> String {
    CAMERA.replace("COLOUR", colour.style())
}

const CAMERA: &str = "if (!navigator.mediaDevices) return;\
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);\
    navigator.mediaDevices.getUserMedia = async (wanted) => {\
        const stream = await ask(wanted);\
        if (!wanted.video) return stream;\
        for (const track of stream.getTracks()) track.stop();\
        const canvas = document.createElement('canvas');\
        [canvas.width, canvas.height] = [320, 180];\
        const pen = canvas.getContext('2d');\
        let count = 0;\
        const paint = () => {\
            pen.fillStyle = 'COLOUR';\
            pen.fillRect(0, 0, 320, 180);\
            pen.fillStyle = count % 2 ? 'black' : 'white';\
            pen.fillRect(0, 0, 8, 8);\
            count += 1;\
        };\
        paint();\
        setInterval(paint, 200);\
        return canvas.captureStream(5);\
    };";

/// The strongest frequency in the sound of an element, where it is loudest: recorded and analysed
/// again and again until it is the one that is wanted or patience ends; null if there is no sound.
/// Without a loudspeaker Firefox does not let an `AudioContext` run, so that there is no listening
/// to what is played.
const HEAR: &str = "const [id, wanted, near, patience] = arguments;\
    const [RATE, SPAN, STEP] = [48000, 4096, 10];\
    const record = async (stream) => {\
        const recorder = new MediaRecorder(stream);\
        const parts = [];\
        recorder.ondataavailable = ({ data }) => parts.push(data);\
        const over = new Promise((done) => { recorder.onstop = done; });\
        recorder.start();\
        setTimeout(() => recorder.stop(), 1000);\
        await over;\
        const whole = await new Blob(parts).arrayBuffer();\
        const sound = await new OfflineAudioContext(1, RATE, RATE).decodeAudioData(whole);\
        return sound.getChannelData(0);\
    };\
    const loudest = (samples) => {\
        let [best, most] = [samples.subarray(0, SPAN), 0];\
        for (let at = 0; at + SPAN <= samples.length; at += SPAN / 2) {\
            const part = samples.subarray(at, at + SPAN);\
            const power = part.reduce((sum, sample) => sum + sample * sample, 0);\
            if (power > most) [best, most] = [part, power];\
        }\
        return most / SPAN > 1e-6 ? best : null;\
    };\
    const power = (samples, hertz) => {\
        const turn = 2 * Math.cos(2 * Math.PI * hertz / RATE);\
        let [before, last] = [0, 0];\
        for (const sample of samples) [before, last] = [last, sample + turn * last - before];\
        return last * last + before * before - turn * last * before;\
    };\
    const strongest = (samples) => {\
        let [best, most] = [0, 0];\
        for (let hertz = 100; hertz < 4000; hertz += STEP) {\
            const there = power(samples, hertz);\
            if (there > most) [best, most] = [hertz, there];\
        }\
        return best;\
    };\
    return (async () => {\
        const until = Date.now() + patience;\
        let last = null;\
        while (Date.now() < until && (last === null || Math.abs(last - wanted) > near)) {\
            const stream = document.getElementById(id)?.srcObject;\
            const samples = stream?.getAudioTracks().length ? loudest(await record(stream)) : null;\
            if (samples) last = strongest(samples);\
            else await new Promise((over) => setTimeout(over, 100));\
        }\
        return last;\
    })()";
