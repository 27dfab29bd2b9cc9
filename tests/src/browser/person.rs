//! Somebody in front of a browser.

use super::Station;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thirtyfour::{By, Key, WebDriver, WebElement};

pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const GLANCE: Duration = Duration::from_millis(50);

/// What stands beside one's own message, in the words that screen readers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Sending,
    Sent,
    Delivered,
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
        }
    }
}

/// One browser profile.
pub struct Person {
    name: String,
    driver: WebDriver,
}

impl Person {
    /// # Errors
    /// If the browser does not start.
    pub async fn at(station: &Station, name: &str) -> Result<Self> {
        Self::with(station, name, &[]).await
    }

    /// Somebody whose browser is started with further flags.
    ///
    /// # Errors
    /// If the browser does not start.
    pub async fn with(station: &Station, name: &str, flags: &[String]) -> Result<Self> {
        let driver = station.browser(name, flags).await?;
        Ok(Self {
            name: name.to_owned(),
            driver,
        })
    }

    /// Somebody new, who has joined by a link and is in.
    ///
    /// # Errors
    /// If the browser does not start, or the link does not work.
    pub async fn joined(station: &Station, name: &str, link: &str) -> Result<Self> {
        let person = Self::at(station, name).await?;
        person.joins(link).await?;
        person.is_in().await?;
        Ok(person)
    }

    /// Closes the browser; the profile stays.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn leaves(self) -> Result<()> {
        Ok(self.driver.quit().await?)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// # Errors
    /// If the page does not load.
    pub async fn opens(&self, url: &str) -> Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// # Errors
    /// If the page does not load.
    pub async fn reloads(&self) -> Result<()> {
        Ok(self.driver.refresh().await?)
    }

    /// Opens an invite link, types a name, presses Join: three things to do.
    ///
    /// # Errors
    /// If the app does not show up.
    pub async fn joins(&self, link: &str) -> Result<()> {
        self.opens(link).await?;
        self.press("#join button:not([disabled])", Some(&self.name))
            .await
    }

    /// # Errors
    /// If the app does not show up.
    pub async fn is_in(&self) -> Result<()> {
        self.until(
            "the app",
            "return !!document.querySelector('#app-main')",
            &[],
        )
        .await
    }

    /// Writes into the open conversation and presses Enter.
    ///
    /// # Errors
    /// If there is no place to write.
    pub async fn says(&self, text: &str) -> Result<()> {
        let place = self.finds("#text").await?;
        place.click().await?;
        place.send_keys(text).await?;
        Ok(place.send_keys(Key::Enter + "").await?)
    }

    /// Replies to a message with the keyboard.
    ///
    /// # Errors
    /// If the message is not there.
    pub async fn replies(&self, to: &str, text: &str) -> Result<()> {
        self.focuses(to).await?;
        self.types_into_focus("r").await?;
        self.finds("#replying:not([hidden])").await?;
        self.says(text).await
    }

    /// Reacts to a message: `+`, the emoji, Enter.
    ///
    /// # Errors
    /// If the message is not there.
    pub async fn reacts(&self, to: &str, emoji: &str) -> Result<()> {
        self.focuses(to).await?;
        self.types_into_focus("+").await?;
        let field = self.finds("dialog[open] #emoji-find").await?;
        field.send_keys(emoji).await?;
        Ok(field.send_keys(Key::Enter + "").await?)
    }

    /// Presses a reaction below a message: adds one's own or takes it back.
    ///
    /// # Errors
    /// If there is no such reaction.
    pub async fn presses_reaction(&self, on: &str, emoji: &str) -> Result<()> {
        let id = self.message(on).await?;
        let all = self
            .driver
            .find_all(By::Css(format!("[id='{id}'] .reactions button")))
            .await?;
        for button in all {
            if button.attr("data-emoji").await?.as_deref() == Some(emoji) {
                return Ok(button.click().await?);
            }
        }
        bail!("{} sees no {emoji} on {on:?}", self.name)
    }

    /// Presses the one thing that this selector finds.
    ///
    /// # Errors
    /// If it does not show up.
    pub async fn presses(&self, css: &str) -> Result<()> {
        self.press(css, None).await
    }

    /// Opens the conversation with this title.
    ///
    /// # Errors
    /// If it is not in the overview.
    pub async fn presses_row(&self, title: &str) -> Result<()> {
        let script = "return [...document.querySelectorAll('#rows li')]\
            .find(row => row.querySelector('.who')?.textContent === arguments[0])?.id";
        let id = self
            .look_for(&format!("a row {title:?}"), script, &[json!(title)])
            .await?;
        let id = id.as_str().context("an id")?.to_owned();
        Ok(self
            .driver
            .find(By::Id(id))
            .await?
            .find(By::Css(".row"))
            .await?
            .click()
            .await?)
    }

    /// Waits until a button can be pressed.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn finds_enabled(&self, css: &str) -> Result<()> {
        self.finds(&format!("{css}:not([disabled])"))
            .await
            .map(drop)
    }

    /// Waits until there is nothing that this selector finds.
    ///
    /// # Errors
    /// If there is.
    pub async fn finds_no(&self, css: &str) -> Result<()> {
        let script = "return !document.querySelector(arguments[0])";
        self.until(&format!("no {css}"), script, &[json!(css)])
            .await
    }

    /// Types into the one field that this selector finds.
    ///
    /// # Errors
    /// If it does not show up.
    pub async fn types(&self, css: &str, text: &str) -> Result<()> {
        let field = self.finds(css).await?;
        Ok(field.send_keys(text).await?)
    }

    /// Makes an invite link in a dialog that is named by its button.
    ///
    /// # Errors
    /// If no link shows up.
    pub async fn invites(&self, panel: &str) -> Result<String> {
        self.presses(&format!("[data-panel='{panel}']")).await?;
        let script = "return document.querySelector('#invite-link')?.innerText || null";
        let link = self.look_for("a link", script, &[]).await?;
        self.closes_dialog().await?;
        Ok(link.as_str().context("a text")?.to_owned())
    }

    /// Opens the details of a direct conversation and unfolds the number that both people have.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn compares_safety_number(&self) -> Result<String> {
        self.presses("#talk-header [data-panel='details']").await?;
        self.presses("dialog[open] summary").await?;
        Ok(self
            .finds("dialog[open] details .link")
            .await?
            .text()
            .await?)
    }

    /// # Errors
    /// If there is no dialog.
    pub async fn closes_dialog(&self) -> Result<()> {
        self.presses("dialog[open] [data-action='close-panel']")
            .await?;
        self.until(
            "no dialog",
            "return !document.querySelector('dialog[open]')",
            &[],
        )
        .await
    }

    /// Chooses somebody in an open dialog.
    ///
    /// # Errors
    /// If they are not in the list.
    pub async fn ticks(&self, name: &str) -> Result<()> {
        let script = "const item = [...document.querySelectorAll('dialog[open] #people li')]\
            .find(item => item.dataset.name === arguments[0]); return item?.querySelector('input')?.id";
        let id = self
            .look_for(&format!("{name} in the list"), script, &[json!(name)])
            .await?;
        let id = id.as_str().context("an id")?.to_owned();
        Ok(self.driver.find(By::Id(id)).await?.click().await?)
    }

    /// Begins a conversation with somebody.
    ///
    /// # Errors
    /// If they are not in the list.
    pub async fn begins_conversation_with(&self, name: &str) -> Result<()> {
        self.presses("[data-panel='new']").await?;
        self.ticks(name).await?;
        self.presses("dialog[open] .primary").await
    }

    /// Waits until a message with this text is in the conversation, exactly once.
    ///
    /// # Errors
    /// If it does not come, or comes twice.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.until(
            &format!("{text:?}"),
            &format!("return ({TEXTS})().filter(text => text === arguments[0]).length > 0"),
            &[json!(text)],
        )
        .await?;
        let times = self
            .reads()
            .await?
            .iter()
            .filter(|seen| *seen == text)
            .count();
        if times == 1 {
            Ok(())
        } else {
            bail!("{} sees {text:?} {times} times", self.name)
        }
    }

    /// Waits until one's own message has this mark.
    ///
    /// # Errors
    /// If it does not get it.
    pub async fn sees_mark(&self, text: &str, mark: Mark) -> Result<()> {
        self.until(
            &format!("{text:?} {}", mark.word()),
            &format!(
                "const message = ({FIND})(arguments[0]);\
                 return message?.querySelector('.meta .unseen')?.textContent === arguments[1]"
            ),
            &[json!(text), json!(mark.word())],
        )
        .await
    }

    /// Waits until a message has this reaction so many times.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_reaction(&self, on: &str, emoji: &str, count: u32) -> Result<()> {
        self.until(
            &format!("{count} {emoji} on {on:?}"),
            &format!(
                "const found = [...(({FIND})(arguments[0])?.querySelectorAll('.reactions button') ?? [])]\
                 .find(button => button.dataset.emoji === arguments[1]);\
                 return (found ? Number(found.lastElementChild.textContent) : 0) === arguments[2]"
            ),
            &[json!(on), json!(emoji), json!(count)],
        )
        .await
    }

    /// Waits until a message quotes this text.
    ///
    /// # Errors
    /// If it does not.
    pub async fn sees_quote(&self, reply: &str, quoted: &str) -> Result<()> {
        self.until(
            &format!("{reply:?} quoting {quoted:?}"),
            &format!(
                "return ({FIND})(arguments[0])?.querySelector('.quote span')?.textContent === arguments[1]"
            ),
            &[json!(reply), json!(quoted)],
        )
        .await
    }

    /// Waits until these words are somewhere on the page.
    ///
    /// # Errors
    /// If they do not show up.
    pub async fn sees_words(&self, words: &str) -> Result<()> {
        let script = "return document.body.innerText.includes(arguments[0])";
        self.until(&format!("the words {words:?}"), script, &[json!(words)])
            .await
    }

    /// The texts of all messages that are shown, oldest first.
    ///
    /// # Errors
    /// If the page does not answer.
    pub async fn reads(&self) -> Result<Vec<String>> {
        let found = self
            .driver
            .execute(format!("return ({TEXTS})()"), Vec::new())
            .await?;
        Ok(found.convert()?)
    }

    /// Waits until a message is lit up, as after a jump to it.
    ///
    /// # Errors
    /// If it is not.
    pub async fn is_shown(&self, text: &str) -> Result<()> {
        self.until(
            &format!("{text:?} in view"),
            &format!(
                "const message = ({FIND})(arguments[0]); const list = document.getElementById('messages');\
                 if (!message || document.activeElement !== message) return false;\
                 const [box, frame] = [message.getBoundingClientRect(), list.getBoundingClientRect()];\
                 return box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1"
            ),
            &[json!(text)],
        )
        .await
    }

    /// Pictures of the page as it is: phone and desktop, light and dark, into the artefacts.
    ///
    /// # Errors
    /// If the browser does not make them.
    pub async fn is_pictured(&self, step: &str) -> Result<()> {
        let folder = std::env::var_os("ROOST_ARTEFACTS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/artefacts"),
            PathBuf::from,
        );
        std::fs::create_dir_all(&folder)?;
        let cdp = self.driver.cdp();
        for (size, width, height, mobile) in [
            ("phone", 390, 844, true),
            ("narrow", 320, 640, true),
            ("desktop", 1280, 800, false),
        ] {
            let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
            cdp.send_raw("Emulation.setDeviceMetricsOverride", screen)
                .await?;
            for scheme in ["light", "dark"] {
                let features =
                    json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
                cdp.send_raw("Emulation.setEmulatedMedia", features).await?;
                self.settles().await?;
                let file = format!("{step}-{size}-{scheme}.png");
                self.driver.screenshot(&folder.join(file)).await?;
            }
        }
        cdp.send_raw("Emulation.setEmulatedMedia", json!({ "features": [] }))
            .await?;
        cdp.send_raw("Emulation.clearDeviceMetricsOverride", json!({}))
            .await?;
        Ok(())
    }

    /// What the browser complained about, favourite icons and lost connections aside.
    ///
    /// # Errors
    /// If there is any.
    pub async fn has_no_complaints(&self) -> Result<()> {
        let log = self.driver.browser_log().await?;
        let complaints: Vec<String> = log
            .iter()
            .map(|entry| format!("{entry:?}"))
            .filter(|text| {
                ![
                    "net::ERR_",
                    "WebSocket connection",
                    "status of 4",
                    "status of 5",
                ]
                .iter()
                .any(|known| text.contains(known))
            })
            .collect();
        if complaints.is_empty() {
            Ok(())
        } else {
            bail!("{}: {complaints:?}", self.name)
        }
    }

    /// Two frames were painted, so that sizes and pictures are those of now.
    async fn settles(&self) -> Result<()> {
        let script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))";
        self.driver.execute_async(script, Vec::new()).await?;
        Ok(())
    }

    async fn press(&self, css: &str, name: Option<&str>) -> Result<()> {
        let mut button = self.finds(css).await?;
        if let Some(name) = name {
            self.types("#join-name", name).await?;
        }
        // Where the page was drawn anew in this moment, a person presses what is there now.
        while let Err(error) = button.click().await {
            if !error.to_string().contains("stale element") {
                return Err(error.into());
            }
            button = self.finds(css).await?;
        }
        Ok(())
    }

    async fn focuses(&self, text: &str) -> Result<()> {
        let id = self.message(text).await?;
        let element = self.driver.find(By::Id(id)).await?;
        element.scroll_into_view().await?;
        Ok(element.find(By::Css(".meta")).await?.click().await?)
    }

    async fn types_into_focus(&self, keys: &str) -> Result<()> {
        Ok(self.driver.active_element().await?.send_keys(keys).await?)
    }

    async fn message(&self, text: &str) -> Result<String> {
        let script = format!("return ({FIND})(arguments[0])?.id");
        let id = self
            .look_for(&format!("{text:?}"), &script, &[json!(text)])
            .await?;
        Ok(id.as_str().context("an id")?.to_owned())
    }

    /// Waits for the first thing that this selector finds to be shown.
    async fn finds(&self, css: &str) -> Result<WebElement> {
        let script = "const found = document.querySelector(arguments[0]); return !!found && found.getClientRects().length > 0";
        self.until(css, script, &[json!(css)]).await?;
        Ok(self.driver.find(By::Css(css)).await?)
    }

    pub(super) async fn until(&self, what: &str, script: &str, arguments: &[Value]) -> Result<()> {
        let wrapped = format!(
            "const look = function () {{ {script} }}; return look(...arguments) === true || null"
        );
        self.look_for(what, &wrapped, arguments).await.map(drop)
    }

    /// Looks again and again until the script finds something.
    pub(super) async fn look_for(
        &self,
        what: &str,
        script: &str,
        arguments: &[Value],
    ) -> Result<Value> {
        self.look_until(what, script, arguments, |found| !found.is_null())
            .await
    }

    /// Looks again and again until what the script finds is what is wanted.
    pub(super) async fn look_until(
        &self,
        what: &str,
        script: &str,
        arguments: &[Value],
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let since = now();
        loop {
            let found = self.driver.execute(script, arguments.to_vec()).await;
            if let Ok(found) = found
                && is_wanted(found.json())
            {
                return Ok(found.json().clone());
            }
            if since.elapsed() > PATIENCE {
                let page = self
                    .driver
                    .execute("return document.body.innerText", Vec::new())
                    .await?;
                bail!("{} waited for {what} and saw: {}", self.name, page.json());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// Texts of all messages without marks, times and quotes.
pub(super) const TEXTS: &str = "() => [...document.querySelectorAll('#messages article .bubble')].map(bubble => {\
    const copy = bubble.cloneNode(true);\
    for (const extra of copy.querySelectorAll('.meta, .quote, .name')) extra.remove();\
    return copy.textContent.trim(); })";

/// The message with this text.
const FIND: &str = "wanted => [...document.querySelectorAll('#messages article')].find(message => {\
    const copy = message.querySelector('.bubble').cloneNode(true);\
    for (const extra of copy.querySelectorAll('.meta, .quote, .name')) extra.remove();\
    return copy.textContent.trim() === wanted; })";

#[expect(clippy::disallowed_methods, reason = "a test waits for a real browser")]
pub(super) fn now() -> Instant {
    Instant::now()
}
