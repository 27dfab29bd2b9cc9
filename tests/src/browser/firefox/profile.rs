//! Firefox's process with a profile of its own: it trusts one authority, asks nobody for permission,
//! and its devices deliver a tone. Ends with its owner.

use crate::browser::media::Media;
use crate::browser::station::certify;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const FIREFOX: &str = "firefox-esr";
const LISTENS: &str = "WebDriver BiDi listening on ws://127.0.0.1:";
/// It looks for nothing outside, plays without being asked to, and is reached on this machine.
const SETTINGS: &str = r#"
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.autoplay.blocking_policy", 0);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("app.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"#;

/// A browser and its profile.
pub struct Profile {
    browser: Child,
    port: u16,
    _folder: TempDir,
}

impl Profile {
    /// Starts a browser that trusts this authority; `settings` are further lines of its `user.js`.
    ///
    /// # Errors
    /// If Firefox or `certutil` are missing or do not start.
    pub fn start(authority: &Path, media: Media, settings: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("roost-firefox-")?;
        certify(folder.path(), authority)?;
        let mut lines = format!("{SETTINGS}{settings}\n");
        writeln!(
            lines,
            "user_pref(\"media.navigator.audio.fake_frequency\", {});",
            media.hertz
        )?;
        std::fs::write(folder.path().join("user.js"), lines)?;
        let mut browser = Command::new(FIREFOX)
            .args(["--headless", "--no-remote", "--remote-debugging-port=0"])
            .arg("--profile")
            .arg(folder.path())
            .process_group(0)
            .env("HOME", folder.path())
            .env("MOZ_CRASHREPORTER_DISABLE", "1")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting Firefox (apt-get install firefox-esr)")?;
        let port = port_of(&mut browser);
        let mut profile = Self {
            browser,
            port: 0,
            _folder: folder,
        };
        // Whatever was started ends with the profile.
        profile.port = port?;
        Ok(profile)
    }

    /// Where it is driven, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let group = format!("-{}", self.browser.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.browser.wait();
    }
}

fn port_of(browser: &mut Child) -> Result<u16> {
    let output = browser.stderr.take().context("no output to read")?;
    let mut lines = BufReader::new(output).lines();
    for line in lines.by_ref() {
        if let Some((_, port)) = line?.split_once(LISTENS) {
            // The pipe must stay open and empty while the browser lives.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(port.trim().parse()?);
        }
    }
    bail!("Firefox ended while starting")
}
