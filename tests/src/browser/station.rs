//! Where browsers run: a driver process with a home folder of its own.

use crate::internet::Home;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
];
const DRIVER: &str = "chromedriver";
const STARTED: &str = "was started successfully on port ";
const PATIENCE: Duration = Duration::from_secs(60);

/// A driver and the certificates its browsers trust. Browsers end with it.
pub struct Station {
    home: TempDir,
    driver: Child,
    address: String,
}

impl Station {
    /// Starts a driver whose browsers trust this authority, or none but the usual ones.
    ///
    /// # Errors
    /// If Chromium, its driver or `certutil` are missing or do not start.
    pub fn start(authority: Option<&Path>) -> Result<Self> {
        Self::drive(authority, Command::new(DRIVER), Ok)
    }

    /// Starts one on the computer of a home.
    ///
    /// # Errors
    /// As [`Station::start`].
    pub fn start_at(place: &Home, authority: Option<&Path>) -> Result<Self> {
        Self::drive(authority, place.command(DRIVER), |port| place.door(port))
    }

    /// `door` says by which port of this side the driver's own is reached.
    fn drive(
        authority: Option<&Path>,
        mut driver: Command,
        door: impl FnOnce(u16) -> Result<u16>,
    ) -> Result<Self> {
        let home = TempDir::with_prefix("roost-browser-")?;
        if let Some(authority) = authority {
            trust(home.path(), authority)?;
        }
        let mut driver = driver
            .arg("--port=0")
            .process_group(0)
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting chromedriver (apt-get install chromium chromium-driver)")?;
        let port = door(port_of(&mut driver)?)?;
        Ok(Self {
            home,
            driver,
            address: format!("http://127.0.0.1:{port}"),
        })
    }

    /// A browser with the profile of this name, which is made the first time, and further flags.
    ///
    /// # Errors
    /// If the browser does not start.
    pub async fn browser(&self, profile: &str, flags: &[String]) -> Result<WebDriver> {
        // The driver is spoken to in clear; its client wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        for flag in flags {
            wanted.add_arg(flag)?;
        }
        let folder = self.profile(profile);
        wanted.add_arg(&format!("--user-data-dir={}", folder.display()))?;
        wanted.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::builder(self.address.as_str(), wanted)
            .request_timeout(PATIENCE)
            .connect()
            .await?;
        Ok(driver)
    }

    /// Its folder, which goes with it.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn profile(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("profile-{name}"))
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // The browsers too: a test that fails has not closed its windows.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

/// Makes Chromium's certificate store in `home` and puts the authority into it.
fn trust(home: &Path, authority: &Path) -> Result<()> {
    let store = home.join(".pki").join("nssdb");
    std::fs::create_dir_all(&store)?;
    certify(&store, authority)
}

/// Makes a certificate store in a folder and puts the authority into it.
pub(super) fn certify(folder: &Path, authority: &Path) -> Result<()> {
    let store = format!("sql:{}", folder.display());
    certutil(&["-N", "-d", &store, "--empty-password"])?;
    let file = authority.to_str().context("a path that is not text")?;
    certutil(&["-A", "-d", &store, "-t", "C,,", "-n", "roost", "-i", file])
}

fn certutil(arguments: &[&str]) -> Result<()> {
    let output = Command::new("certutil")
        .args(arguments)
        .output()
        .context("starting certutil (apt-get install libnss3-tools)")?;
    ensure!(
        output.status.success(),
        "certutil: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn port_of(driver: &mut Child) -> Result<u16> {
    let output = driver.stdout.take().context("no output to read")?;
    let mut lines = BufReader::new(output).lines();
    for line in lines.by_ref() {
        if let Some((_, port)) = line?.split_once(STARTED) {
            // The pipe must stay open and empty while the driver lives.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(port.trim_end_matches('.').parse()?);
        }
    }
    bail!("chromedriver ended while starting")
}
