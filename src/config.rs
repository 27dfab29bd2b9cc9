//! Settings: flags over `ROOST_*` over `roost.toml` over defaults. The only reader of the
//! environment and of configuration files.

mod calls;

pub use calls::Calls;

use calls::CallsFile;
use clap::Args;
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

const FILE: &str = "roost.toml";
const PORT: u16 = 8443;
const RETENTION_DAYS_MAX: u64 = 3_650;
const GROUP_DEVICES_MAX: usize = roost_wire::limit::GROUP_DEVICES_MAX;

/// Where the data is; all commands take it.
#[derive(Args, Clone, Debug, Default)]
pub struct DataArgs {
    /// Folder of the server's data [default: ./roost-data]
    #[arg(long, env = "ROOST_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file [default: ./roost.toml if there is one]
    #[arg(long, env = "ROOST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What `roost serve` takes.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    #[command(flatten)]
    pub place: DataArgs,
    /// Address and port to listen on (default: `[::]:8443`, or `0.0.0.0:8443` without IPv6)
    #[arg(long, env = "ROOST_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Name, or name:port, under which people reach the server [default: a private address]
    #[arg(long, env = "ROOST_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// Certificate chain to use instead of the server's own (PEM)
    #[arg(
        long,
        env = "ROOST_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Key of that certificate (PEM)
    #[arg(
        long,
        env = "ROOST_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// Plain HTTP, for a proxy on this machine that does TLS
    #[arg(long, env = "ROOST_HTTP")]
    pub http: bool,
    /// Days an undelivered message is kept [default: 30]
    #[arg(long, env = "ROOST_RETENTION_DAYS", value_name = "DAYS")]
    pub retention_days: Option<u64>,
    /// Messages a device may send a second, sustained; 0 for no limit [default: 100]
    #[arg(long, env = "ROOST_MESSAGES_PER_SECOND", value_name = "N")]
    pub messages_per_second: Option<u32>,
    /// Other requests a device may make a second; 0 for no limit [default: 50]
    #[arg(long, env = "ROOST_REQUESTS_PER_SECOND", value_name = "N")]
    pub requests_per_second: Option<u32>,
    /// UDP and TCP port of the relay for calls; 0 for none [default: 3478]
    #[arg(long, env = "ROOST_CALLS_UDP", value_name = "PORT")]
    pub calls_udp: Option<u16>,
}

/// What `roost.toml` may hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    host: Option<String>,
    http: Option<bool>,
    retention_days: Option<u64>,
    tls: Option<TlsFile>,
    limits: Option<LimitsFile>,
    calls: Option<CallsFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    allow_1_2: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    group_devices: Option<usize>,
    messages_per_second: Option<u32>,
    requests_per_second: Option<u32>,
    strangers_per_second: Option<u32>,
}

/// Why there are no settings to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {error}")]
    Read {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} is not valid: {error}")]
    Parse {
        path: PathBuf,
        error: toml::de::Error,
    },
    #[error("{0}")]
    Value(&'static str),
}

/// All settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub data: PathBuf,
    /// In the order to be tried.
    pub listen: Vec<SocketAddr>,
    pub host: Option<String>,
    pub transport: Transport,
    pub retention_days: u64,
    pub group_devices_max: usize,
    pub messages_per_second: u32,
    pub requests_per_second: u32,
    pub strangers_per_second: u32,
    /// None without a relay.
    pub calls: Option<Calls>,
}

/// How clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// With a certificate of the server's own authority.
    OwnTls { allow_1_2: bool },
    /// With the operator's certificate.
    GivenTls {
        certificate: PathBuf,
        key: PathBuf,
        allow_1_2: bool,
    },
    /// A proxy on this machine does it.
    Http,
}

impl DataArgs {
    /// Only where the data is.
    ///
    /// # Errors
    /// A configuration file that cannot be read or understood.
    pub fn folder(self) -> Result<PathBuf, ConfigError> {
        let file = File::load(self.config.as_deref())?;
        Ok(folder(self.data, file.data))
    }
}

impl ServeArgs {
    /// All settings.
    ///
    /// # Errors
    /// A configuration file that cannot be read or understood, and values out of range.
    pub fn load(self) -> Result<Config, ConfigError> {
        let file = File::load(self.place.config.as_deref())?;
        self.over(file)
    }

    fn over(self, file: File) -> Result<Config, ConfigError> {
        let tls = file.tls.unwrap_or_default();
        let limits = file.limits.unwrap_or_default();
        let http = self.http || file.http.unwrap_or(false);
        let transport = transport(
            http,
            self.tls_cert.or(tls.cert),
            self.tls_key.or(tls.key),
            tls.allow_1_2.unwrap_or(false),
        )?;
        let chosen = self.listen.or(file.listen);
        let hidden = http && chosen.is_none();
        let config = Config {
            data: folder(self.place.data, file.data),
            listen: listen(chosen, http),
            host: self.host.or(file.host),
            transport,
            retention_days: self.retention_days.or(file.retention_days).unwrap_or(30),
            group_devices_max: limits
                .group_devices
                .unwrap_or(roost_wire::limit::GROUP_DEVICES_DEFAULT),
            messages_per_second: self
                .messages_per_second
                .or(limits.messages_per_second)
                .unwrap_or(100),
            requests_per_second: self
                .requests_per_second
                .or(limits.requests_per_second)
                .unwrap_or(50),
            strangers_per_second: limits.strangers_per_second.unwrap_or(20),
            calls: Calls::load(self.calls_udp, file.calls.unwrap_or_default(), hidden)?,
        };
        config.check()
    }
}

impl Config {
    fn check(self) -> Result<Self, ConfigError> {
        if !(1..=RETENTION_DAYS_MAX).contains(&self.retention_days) {
            return Err(ConfigError::Value("retention_days must be 1 to 3650"));
        }
        if !(2..=GROUP_DEVICES_MAX).contains(&self.group_devices_max) {
            return Err(ConfigError::Value("limits.group_devices must be 2 to 1000"));
        }
        let strange = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '@');
        if self
            .host
            .as_ref()
            .is_some_and(|host| host.is_empty() || host.contains(strange))
        {
            return Err(ConfigError::Value(
                "host is a name or name:port, without https:// and path",
            ));
        }
        Ok(self)
    }
}

impl File {
    fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                let path = path.to_owned();
                return Err(ConfigError::Read { path, error });
            }
        };
        toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error,
        })
    }
}

fn folder(flag: Option<PathBuf>, file: Option<PathBuf>) -> PathBuf {
    flag.or(file).unwrap_or_else(|| PathBuf::from("roost-data"))
}

/// Without TLS only this machine is listened to, unless the operator says otherwise.
fn listen(chosen: Option<SocketAddr>, http: bool) -> Vec<SocketAddr> {
    match chosen {
        Some(chosen) => vec![chosen],
        None if http => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))],
        None => vec![
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        ],
    }
}

fn transport(
    http: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    allow_1_2: bool,
) -> Result<Transport, ConfigError> {
    match (http, certificate, key) {
        (true, None, None) => Ok(Transport::Http),
        (true, _, _) => Err(ConfigError::Value(
            "plain HTTP and a certificate exclude each other",
        )),
        (false, None, None) => Ok(Transport::OwnTls { allow_1_2 }),
        (false, Some(certificate), Some(key)) => Ok(Transport::GivenTls {
            certificate,
            key,
            allow_1_2,
        }),
        (false, _, _) => Err(ConfigError::Value(
            "a certificate needs its key, and a key its certificate",
        )),
    }
}

/// A number in the environment, for tests of full disks.
#[must_use]
pub fn keep_free_bytes(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn without_anything_it_listens_to_all_and_makes_its_own_certificate() {
        let config = ServeArgs::default().over(File::default()).unwrap();

        assert_eq!(config.data, PathBuf::from("roost-data"));
        assert_eq!(config.listen[0], "[::]:8443".parse().unwrap());
        assert_eq!(config.listen[1], "0.0.0.0:8443".parse().unwrap());
        assert_eq!(config.transport, Transport::OwnTls { allow_1_2: false });
        assert_eq!(config.retention_days, 30);
    }

    #[test]
    fn flags_win_over_the_file() {
        let args = ServeArgs {
            host: Some("flag.example".to_owned()),
            ..ServeArgs::default()
        };
        let file = file("host = 'file.example'\nretention_days = 7\n[limits]\ngroup_devices = 500");

        let config = args.over(file).unwrap();

        assert_eq!(config.host.as_deref(), Some("flag.example"));
        assert_eq!(config.retention_days, 7);
        assert_eq!(config.group_devices_max, 500);
    }

    #[test]
    fn plain_http_listens_to_this_machine_only() {
        let config = ServeArgs::default().over(file("http = true")).unwrap();

        assert_eq!(config.transport, Transport::Http);
        assert!(
            config
                .listen
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        let everywhere = config.calls.unwrap().listen;
        assert_eq!(everywhere, Some(Ipv6Addr::UNSPECIFIED.into()));

        let named = file("http = true\nlisten = '127.0.0.1:9000'");
        let config = ServeArgs::default().over(named).unwrap();
        assert_eq!(config.calls.unwrap().listen, None, "as the app");
    }

    #[test]
    fn typos_and_values_out_of_range_are_errors() {
        assert!(toml::from_str::<File>("hots = 'x'").is_err());
        for text in [
            "retention_days = 0",
            "[limits]\ngroup_devices = 5000",
            "host = 'https://x'",
            "[tls]\ncert = 'a'",
            "http = true\n[tls]\ncert = 'a'\nkey = 'b'",
        ] {
            assert!(ServeArgs::default().over(file(text)).is_err(), "{text}");
        }
    }
}
