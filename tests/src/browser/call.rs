//! Somebody in a call: what they do, hear and see. What arrives is judged by its content.

use super::media::{Colour, Media};
use super::{Person, Station};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use thirtyfour::By;

/// A tone counts when it is within so many hertz of what was played.
pub(super) const HERTZ: f64 = 30.0;
/// How long a tone is listened for, and how long there must be silence, in milliseconds.
pub(super) const LISTEN_MS: u32 = 20_000;
const SILENCE_MS: u32 = 8_000;
/// Where no tone is.
const NO_HERTZ: f64 = -1_000.0;

/// The strongest frequency in the sound of an element, listened to until it is the one that is wanted
/// or patience ends; null if there is no sound.
const LISTEN: &str = "const [id, wanted, near, patience, done] = arguments;\
    const until = Date.now() + patience;\
    const audio = new AudioContext();\
    const ear = audio.createAnalyser();\
    ear.fftSize = 8192;\
    const bins = new Float32Array(ear.frequencyBinCount);\
    let [heard, last] = [null, null];\
    const look = () => {\
        const stream = document.getElementById(id)?.srcObject;\
        if (stream !== heard && stream?.getAudioTracks().length) {\
            audio.createMediaStreamSource(stream).connect(ear);\
            heard = stream;\
        }\
        ear.getFloatFrequencyData(bins);\
        const best = bins.reduce((best, power, at) => power > bins[best] ? at : best, 0);\
        if (bins[best] > -70) last = best * audio.sampleRate / ear.fftSize;\
        if (Date.now() < until && (last === null || Math.abs(last - wanted) > near)) return setTimeout(look, 50);\
        audio.close();\
        done(last);\
    };\
    look();";

/// Red, green and blue of what an element shows in its middle, on average.
pub(super) const LOOK: &str = "const video = document.getElementById(arguments[0]);\
    if (!video?.videoWidth || video.hidden || getComputedStyle(video).visibility !== 'visible') return null;\
    const canvas = new OffscreenCanvas(16, 16);\
    const pen = canvas.getContext('2d');\
    pen.drawImage(video, 0, 0, 16, 16);\
    const { data } = pen.getImageData(4, 4, 8, 8);\
    const sums = [0, 0, 0];\
    data.forEach((value, at) => { if (at % 4 < 3) sums[at % 4] += value; });\
    return sums.map(sum => sum / 64)";

impl Person {
    /// Somebody new with a microphone and a camera of their own.
    ///
    /// # Errors
    /// If the browser does not start, or the link does not work.
    pub async fn joined_with(
        station: &Station,
        name: &str,
        link: &str,
        media: Media,
    ) -> Result<Self> {
        let person = Self::with(station, name, &media.flags(station.home())?).await?;
        person.joins(link).await?;
        person.is_in().await?;
        Ok(person)
    }

    /// Somebody new whose browser gives pages neither a microphone nor a camera.
    ///
    /// # Errors
    /// If the browser does not start, or the link does not work.
    pub async fn joined_without(station: &Station, name: &str, link: &str) -> Result<Self> {
        let person = Self::without_devices(station, name).await?;
        person.joins(link).await?;
        person.is_in().await?;
        Ok(person)
    }

    /// Somebody whose browser gives pages neither a microphone nor a camera.
    ///
    /// # Errors
    /// If the browser does not start.
    pub async fn without_devices(station: &Station, name: &str) -> Result<Self> {
        Self::with(station, name, &no_devices()).await
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
        self.presses(&format!(
            "[data-action='call-accept'][data-video='{video}']"
        ))
        .await
    }

    /// Answers if it rings here; does nothing in a call of one's own.
    ///
    /// # Errors
    /// If there is neither.
    pub async fn answers_if_rung(&self) -> Result<()> {
        let script = "return !!document.querySelector('.call, .ring')";
        self.until("a call", script, &[]).await?;
        let rung = self.driver().find_all(By::Css(".ring .answer")).await?;
        match rung.first() {
            Some(button) => Ok(button.click().await?),
            None => Ok(()),
        }
    }

    /// # Errors
    /// If there is no call.
    pub async fn hangs_up(&self) -> Result<()> {
        self.presses(".call [data-action='call-hang-up']").await
    }

    /// Waits until the clock of the call runs.
    ///
    /// # Errors
    /// If it does not.
    pub async fn is_talking(&self) -> Result<()> {
        self.until(
            "a call",
            "return !!document.querySelector('.call time[data-since]')",
            &[],
        )
        .await
    }

    /// Waits until no call is on the screen.
    ///
    /// # Errors
    /// If there is one.
    pub async fn is_in_no_call(&self) -> Result<()> {
        self.until(
            "no call",
            "return !document.querySelector('.call, .ring')",
            &[],
        )
        .await
    }

    /// # Errors
    /// If this tone is not the strongest in what arrives.
    pub async fn hears(&self, media: Media) -> Result<()> {
        self.hears_in("call-sound", media).await
    }

    /// # Errors
    /// If this tone is not the strongest in what an element plays.
    pub async fn hears_in(&self, element: &str, media: Media) -> Result<()> {
        let wanted = f64::from(media.hertz);
        let heard = self.listens(element, wanted, LISTEN_MS).await?;
        ensure!(
            heard.is_some_and(|heard| (heard - wanted).abs() <= HERTZ),
            "{} heard {heard:?} Hz instead of {wanted}",
            self.name()
        );
        Ok(())
    }

    /// Listens for some seconds.
    ///
    /// # Errors
    /// If there was a sound.
    pub async fn hears_nothing(&self) -> Result<()> {
        self.hears_nothing_in("call-sound").await
    }

    /// Listens to an element for some seconds.
    ///
    /// # Errors
    /// If there was a sound, or there is no such element before and after.
    pub async fn hears_nothing_in(&self, element: &str) -> Result<()> {
        self.finds_element(element).await?;
        let heard = self.listens(element, NO_HERTZ, SILENCE_MS).await?;
        let name = self.name();
        ensure!(
            heard.is_none(),
            "{name} heard {heard:?} Hz instead of nothing"
        );
        self.finds_element(element).await
    }

    async fn finds_element(&self, id: &str) -> Result<()> {
        let script = "return !!document.getElementById(arguments[0])";
        self.until(&format!("an element {id}"), script, &[json!(id)])
            .await
    }

    /// How many tracks of microphones and cameras this page has opened.
    ///
    /// # Errors
    /// If the page was not told to remember them.
    pub async fn counts_opened(&self) -> Result<usize> {
        let script = "return window.opened.length";
        Ok(self.driver().execute(script, vec![]).await?.convert()?)
    }

    /// Waits until the first so many tracks that this page opened have ended.
    ///
    /// # Errors
    /// If one goes on, there are fewer, or the page was not told to remember them.
    pub async fn lets_go_of(&self, count: usize) -> Result<()> {
        let script = "const first = window.opened.slice(0, arguments[0]);\
            return first.length === arguments[0] && first.every(({ readyState }) => readyState === 'ended')";
        self.until("an end of its tracks", script, &[json!(count)])
            .await
    }

    /// The last tone until the wanted one was there or time was over.
    async fn listens(&self, element: &str, wanted: f64, millis: u32) -> Result<Option<f64>> {
        let arguments = vec![json!(element), json!(wanted), json!(HERTZ), json!(millis)];
        let heard = self.driver().execute_async(LISTEN, arguments).await?;
        Ok(heard.convert()?)
    }

    /// Waits until a video is not on the screen any more.
    ///
    /// # Errors
    /// If it stays.
    pub async fn sees_no_more(&self, element: &str) -> Result<()> {
        let script = "return !document.getElementById(arguments[0])?.getClientRects().length";
        self.until(&format!("no {element}"), script, &[json!(element)])
            .await
    }

    /// Waits until a video shows this colour.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_colour(&self, element: &str, colour: Colour) -> Result<()> {
        let what = format!("{colour:?} in {element}");
        self.look_until(&what, LOOK, &[json!(element)], |found| {
            colour.is_found(found)
        })
        .await
        .map(drop)
    }

    /// How the media travel: the kind of the local end's candidate and its relay's protocol.
    ///
    /// # Errors
    /// If the page was not told to remember its connections.
    pub async fn route(&self) -> Result<Value> {
        let script = "const done = arguments[0]; (async () => {\
            const report = await window.connections.at(-1).getStats();\
            for (const entry of report.values()) {\
                if (entry.type !== 'transport') continue;\
                const pair = report.get(entry.selectedCandidatePairId);\
                const local = pair && report.get(pair.localCandidateId);\
                const remote = pair && report.get(pair.remoteCandidateId);\
                if (local) return done({ local: local.candidateType, relay: local.relayProtocol ?? null, remote: remote?.candidateType });\
            }\
            done(null);\
        })();";
        let found = self.driver().execute_async(script, Vec::new()).await?;
        Ok(found.json().clone())
    }

    /// How ICE names this end in the way that both agreed on last: another name after a restart.
    ///
    /// # Errors
    /// If the page was not told to remember its connections, or nothing was agreed on.
    pub async fn ice_name(&self) -> Result<String> {
        let script = format!("return {ICE_NAME}");
        Ok(self.driver().execute(script, Vec::new()).await?.convert()?)
    }

    /// What both ends of the last connection told each other of themselves that is nobody else's: the
    /// number of a session, passwords, fingerprints, and addresses or names made up for them.
    ///
    /// # Errors
    /// If the page was not told to remember its connections, or they have not told each other.
    pub async fn set_up_by(&self) -> Result<SetUp> {
        let script = format!("return {SET_UP}");
        let found = self.look_for("a call that is set up", &script, &[]).await?;
        let words =
            |end: &Value| -> Result<Vec<String>> { Ok(serde_json::from_value(end.clone())?) };
        Ok(SetUp {
            own: words(&found["own"])?,
            theirs: words(&found["theirs"])?,
        })
    }

    /// Waits until both have agreed on another way.
    ///
    /// # Errors
    /// If they do not.
    pub async fn has_restarted_since(&self, name: &str) -> Result<()> {
        let script = format!("return {ICE_NAME} !== arguments[0]");
        self.until("a restart of ICE", &script, &[json!(name)])
            .await
    }

    /// Whether the last connection found a way to the other end.
    ///
    /// # Errors
    /// If the page was not told to remember its connections.
    pub async fn is_connected(&self) -> Result<bool> {
        let script = "return ['connected', 'completed'].includes(window.connections.at(-1).iceConnectionState)";
        Ok(self.driver().execute(script, Vec::new()).await?.convert()?)
    }

    /// From the next page on connections are remembered, and go where `goes_only_by` says; so are
    /// the keys of frames, and what microphones and cameras are opened.
    ///
    /// # Errors
    /// If the browser does not take it.
    pub async fn has_its_connections_watched(&self) -> Result<()> {
        let cdp = self.driver().cdp();
        cdp.send_raw("Page.enable", json!({})).await?;
        cdp.send_raw(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": WATCHED }),
        )
        .await?;
        self.reloads().await?;
        self.is_in().await
    }

    /// Looks whether calls can work, and waits for the end of it.
    ///
    /// # Errors
    /// If there is no end.
    pub async fn asks_the_doctor(&self) -> Result<()> {
        self.presses("[data-panel='menu']").await?;
        self.presses("[data-panel='doctor']").await?;
        self.until(
            "all findings",
            "return !!document.querySelector('dialog[open] [data-action=doctor]')",
            &[],
        )
        .await
    }

    /// From now on connections lead nowhere: by `udp`, or by all ways of `turn`.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn cannot_reach(&self, what: &str) -> Result<()> {
        let script = "sessionStorage.setItem('blocked', arguments[0])";
        self.driver().execute(script, vec![json!(what)]).await?;
        Ok(())
    }

    /// From now on the other end's key reaches this browser with a letter changed, as if the server
    /// could write into what is said about calls.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn is_told_another_key(&self) -> Result<()> {
        let script = "sessionStorage.setItem('forged', 'yes')";
        self.driver().execute(script, vec![]).await?;
        Ok(())
    }

    /// The browser asks for microphone and camera, and nobody answers.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn is_asked_for_devices(&self) -> Result<()> {
        let script = "navigator.mediaDevices.getUserMedia = () => new Promise(() => {})";
        self.driver().execute(script, vec![]).await?;
        Ok(())
    }

    /// The next calls use only relays reached in this way (`udp`, `tcp` or `tls`), or all there is.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn goes_only_by(&self, way: Option<&str>) -> Result<()> {
        let script = "sessionStorage.setItem('way', arguments[0] ?? '')";
        self.driver().execute(script, vec![json!(way)]).await?;
        Ok(())
    }
}

/// Flags of a browser that gives pages neither.
#[must_use]
pub fn no_devices() -> Vec<String> {
    let flags = [
        "--use-fake-device-for-media-stream",
        "--deny-permission-prompts",
        "--autoplay-policy=no-user-gesture-required",
    ];
    flags.map(str::to_owned).to_vec()
}

/// What was said to set up a connection.
#[derive(Debug, Clone)]
pub struct SetUp {
    pub own: Vec<String>,
    pub theirs: Vec<String>,
}

/// Of a candidate, all up to its type; those of a relay are the server's own. The names of ICE are
/// not among them: a relay reads them in the ends' first requests to each other.
const SET_UP: &str = "(() => {\
    const { localDescription, remoteDescription } = window.connections.at(-1);\
    const lines = /^o=- (\\d+)|^a=ice-pwd:(\\S+)|^a=fingerprint:\\S+ (\\S+)|^a=(candidate:.* typ host)/gm;\
    const all = (sdp) => [...sdp.matchAll(lines), ...sdp.matchAll(/([0-9a-f-]{36}\\.local)/g)];\
    const words = ({ sdp }) => [...new Set(all(sdp).map((found) => found.slice(1).find(Boolean)))];\
    return localDescription && remoteDescription && { own: words(localDescription), theirs: words(remoteDescription) };\
})() ?? null";

const ICE_NAME: &str =
    "window.connections.at(-1).currentLocalDescription.sdp.match(/a=ice-ufrag:(\\S+)/)[1]";

/// Port 9 (discard) stands for one that nobody answers at.
pub(super) const WATCHED: &str = "{ const Connection = window.RTCPeerConnection;\
    window.connections = [];\
    window.tapped = { taken: [], given: [] };\
    const known = new WeakSet();\
    const tap = (transceiver) => {\
        if (known.has(transceiver)) return;\
        known.add(transceiver);\
        for (const [end, list] of [[transceiver.receiver, window.tapped.taken], [transceiver.sender, window.tapped.given]]) {\
            const { readable, writable } = end.createEncodedStreams();\
            const look = new TransformStream({ transform(frame, controller) {\
                if (list.length < 2000) list.push(frame.data.slice(0));\
                controller.enqueue(frame);\
            } });\
            readable.pipeThrough(look).pipeTo(writable).catch(() => {});\
        }\
    };\
    window.RTCPeerConnection = class extends Connection {\
        constructor(configuration) {\
            const way = sessionStorage.getItem('way');\
            const fits = (url) => way === 'tls' ? url.startsWith('turns:') : url.startsWith('turn:') && url.endsWith('transport=' + way);\
            const blocked = sessionStorage.getItem('blocked');\
            const led = (url) => blocked === 'turn' || blocked && url.endsWith('transport=' + blocked) ? url.replace(/:\\d+\\?/, ':9?') : url;\
            configuration.iceServers = configuration.iceServers.map((server) => ({ ...server, urls: server.urls.map(led) }));\
            const iceServers = configuration.iceServers\
                .map((server) => ({ ...server, urls: server.urls.filter(fits) }))\
                .filter(({ urls }) => urls.length);\
            const tapped = sessionStorage.getItem('tapped');\
            const asked = way ? { ...configuration, iceServers, iceTransportPolicy: 'relay' } : configuration;\
            super(tapped ? { ...asked, encodedInsertableStreams: true } : asked);\
            if (tapped) this.addEventListener('track', ({ transceiver }) => tap(transceiver));\
            window.connections.push(this);\
        }\
        addTransceiver(...how) {\
            const made = super.addTransceiver(...how);\
            if (sessionStorage.getItem('tapped')) tap(made);\
            return made;\
        }\
        setRemoteDescription({ type, sdp }) {\
            const forge = (line) => line.replace(/ ../, (byte) => byte === ' 00' ? ' 01' : ' 00');\
            const changed = sessionStorage.getItem('forged') ? sdp.replace(/a=fingerprint:\\S+ ../g, forge) : sdp;\
            return super.setRemoteDescription({ type, sdp: changed });\
        }\
    };\
    window.opened = [];\
    const devices = window.MediaDevices?.prototype;\
    const getUserMedia = devices?.getUserMedia;\
    if (devices) devices.getUserMedia = async function (...wanted) {\
        const stream = await getUserMedia.apply(this, wanted);\
        window.opened.push(...stream.getTracks());\
        return stream;\
    };\
    const { postMessage } = Worker.prototype;\
    Worker.prototype.postMessage = function (message, ...rest) {\
        if (!message?.keys) return postMessage.call(this, message, ...rest);\
        window.frameKeys = message.keys;\
        const wrong = sessionStorage.getItem('wrong-keys');\
        const changed = ([kid, raw, salt, isOwn]) => [kid, wrong && !isOwn ? raw.map((byte) => byte ^ 1) : raw, salt, isOwn];\
        return postMessage.call(this, { ...message, keys: message.keys.map(changed) }, ...rest);\
    } }";
