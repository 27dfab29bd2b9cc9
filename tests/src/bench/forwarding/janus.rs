//! Debian's Janus as it is installed, with rooms of its plugin for video.
//!
//! Owns the process and what is asked of it, in JSON by a WebSocket.

use super::device::Device;
use crate::real::free_port;
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use str0m::media::Direction;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const START_LIMIT: Duration = Duration::from_secs(20);
const START_LOOK: Duration = Duration::from_millis(100);
/// Of documentation (RFC 5737): nothing is sent there.
const FAR: &str = "198.51.100.1:9";

pub struct Janus {
    child: Child,
    /// Where it is reached: it takes no address that is only for this machine.
    address: IpAddr,
    api: Api,
    _folder: tempfile::TempDir,
}

struct Api {
    socket: WebSocketStream<TcpStream>,
    session: Option<Value>,
    asked: u64,
}

impl Janus {
    /// # Errors
    /// If it is not installed, or this machine has no address but its own.
    pub async fn start() -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let address = own_address().context("Janus needs an address beside 127.0.0.1")?;
        configure(folder.path(), port, address)?;
        let child = Command::new("janus")
            .arg("--configs-folder")
            .arg(folder.path())
            .args(["--debug-level", "0", "--disable-stdout"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("janus: install it, or run packaging/prerequisites.sh bench")?;
        let mut janus = Self {
            child,
            address,
            api: Api::open(port).await?,
            _folder: folder,
        };
        janus.api.session = Some(janus.api.made(json!({ "janus": "create" })).await?);
        Ok(janus)
    }

    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A room in which the first one talks and all others hear.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn room(&mut self, devices: usize, begun: Instant) -> Result<Vec<Device>> {
        let handle = self.api.attaches().await?;
        let create = json!({ "request": "create", "publishers": 1 });
        let made = self.api.tells(&handle, create, None).await?;
        let room = plugin(&made, "room")?;
        let mut talker = Device::new(self.address, begun)?;
        let publish = json!({ "request": "joinandconfigure", "ptype": "publisher", "room": room });
        let offer = talker.offers(Direction::SendOnly)?;
        let jsep = json!({ "type": "offer", "sdp": offer });
        let joined = self.api.tells(&handle, publish, Some(jsep)).await?;
        talker.is_answered(sdp(&joined)?)?;
        talker.connects().await?;
        let feed = plugin(&joined, "id")?;
        let mut all = vec![talker];
        for _ in 1..devices {
            all.push(self.subscriber(&room, &feed, begun).await?);
        }
        Ok(all)
    }

    async fn subscriber(&mut self, room: &Value, feed: &Value, begun: Instant) -> Result<Device> {
        let handle = self.api.attaches().await?;
        let streams = json!([{ "feed": feed }]);
        let join =
            json!({ "request": "join", "ptype": "subscriber", "room": room, "streams": streams });
        let attached = self.api.tells(&handle, join, None).await?;
        let mut device = Device::new(self.address, begun)?;
        let answer = device.answers(sdp(&attached)?)?;
        let jsep = json!({ "type": "answer", "sdp": answer });
        let start = json!({ "request": "start" });
        self.api.tells(&handle, start, Some(jsep)).await?;
        Ok(device)
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Api {
    async fn open(port: u16) -> Result<Self> {
        let open = async {
            loop {
                if let Ok(socket) = Self::dial(port).await {
                    return socket;
                }
                tokio::time::sleep(START_LOOK).await;
            }
        };
        let socket = tokio::time::timeout(START_LIMIT, open).await;
        Ok(Self {
            socket: socket.context("Janus does not start")?,
            session: None,
            asked: 0,
        })
    }

    async fn dial(port: u16) -> Result<WebSocketStream<TcpStream>> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut request = format!("ws://127.0.0.1:{port}/").into_client_request()?;
        let protocol = "janus-protocol".parse()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(tokio_tungstenite::client_async(request, tcp).await?.0)
    }

    /// A handle of its own in the plugin.
    async fn attaches(&mut self) -> Result<Value> {
        let attach = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        self.made(attach).await
    }

    async fn made(&mut self, message: Value) -> Result<Value> {
        Ok(self.asks(message).await?["data"]["id"].clone())
    }

    async fn tells(&mut self, handle: &Value, body: Value, jsep: Option<Value>) -> Result<Value> {
        let mut message = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.asks(message).await
    }

    /// What it says to this, past that it heard it.
    async fn asks(&mut self, mut message: Value) -> Result<Value> {
        self.asked += 1;
        let transaction = self.asked.to_string();
        message["transaction"] = json!(transaction);
        if let Some(session) = &self.session {
            message["session_id"] = session.clone();
        }
        self.socket.send(Message::text(message.to_string())).await?;
        loop {
            let Message::Text(text) = self.socket.next().await.context("Janus is gone")?? else {
                continue;
            };
            let said: Value = serde_json::from_str(&text)?;
            let is_answer = said["transaction"] == transaction && said["janus"] != "ack";
            let refused =
                said["janus"] == "error" || !said["plugindata"]["data"]["error"].is_null();
            if is_answer && refused {
                bail!("Janus refuses {message}: {said}");
            }
            if is_answer {
                return Ok(said);
            }
        }
    }
}

fn plugin(said: &Value, what: &str) -> Result<Value> {
    let found = said["plugindata"]["data"].get(what);
    Ok(found
        .with_context(|| format!("no {what} in {said}"))?
        .clone())
}

fn sdp(said: &Value) -> Result<&str> {
    let sdp = said["jsep"]["sdp"].as_str();
    sdp.with_context(|| format!("no SDP in {said}"))
}

/// Plugins for anything but rooms, which are not loaded: some of them end the process where they find
/// no configuration.
const PLUGINS: [&str; 11] = [
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
];
const TRANSPORTS: [&str; 5] = ["http", "mqtt", "nanomsg", "pfunix", "rabbitmq"];

/// As Debian sets it up, but for its address, without what is not needed and sessions that end, and
/// as ICE-lite, which is what the other side of the comparison is.
fn configure(folder: &Path, port: u16, address: IpAddr) -> Result<()> {
    let without = |names: &[&str]| {
        let files: Vec<_> = names
            .iter()
            .map(|name| format!("libjanus_{name}.so"))
            .collect();
        format!("{{ disable = \"{}\" }}", files.join(","))
    };
    let general = format!(
        "general: {{ session_timeout = 0 }}\n\
         nat: {{ ice_lite = true\n ice_enforce_list = \"{address}\" }}\n\
         plugins: {}\ntransports: {}\nloggers: {}\n",
        without(&PLUGINS),
        without(&TRANSPORTS),
        without(&["jsonlog"])
    );
    std::fs::write(folder.join("janus.jcfg"), general)?;
    let api = format!("general: {{ ws = true\n ws_ip = \"127.0.0.1\"\n ws_port = {port} }}\n");
    std::fs::write(folder.join("janus.transport.websockets.jcfg"), api)?;
    Ok(())
}

/// What others would reach this machine by.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(FAR.parse::<SocketAddr>()?)?;
    Ok(socket.local_addr()?.ip())
}
