//! What goes on in a worker of a page, which WebDriver cannot see.
//!
//! Owns a conversation with the browser's debugger (Chrome DevTools Protocol). The product needs no
//! door for it.

use super::Station;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Where the browser writes down how its debugger is reached: a port and a path.
const DOOR: &str = "DevToolsActivePort";
const WAIT: Duration = Duration::from_secs(30);

/// One worker.
pub struct Inside {
    debugger: Debugger,
    session: String,
}

impl Station {
    /// The worker whose script has this name, in the page of a browser of this profile.
    ///
    /// # Errors
    /// If there is none.
    pub async fn inside(&self, profile: &str, script: &str) -> Result<Inside> {
        let door = std::fs::read_to_string(self.profile(profile).join(DOOR))?;
        let (port, path) = door.trim().split_once('\n').context("a port and a path")?;
        let mut debugger = Debugger::at(port.parse()?, path).await?;
        let session = tokio::time::timeout(WAIT, debugger.worker(script)).await;
        let session = session.with_context(|| format!("no worker {script}"))??;
        Ok(Inside { debugger, session })
    }
}

impl Inside {
    /// What a script says, run where the worker's own code runs.
    ///
    /// # Errors
    /// What it throws; a worker that is gone.
    pub async fn run(&mut self, script: &str) -> Result<Value> {
        let how = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let asked = self
            .debugger
            .ask("Runtime.evaluate", how, Some(&self.session));
        let found = tokio::time::timeout(WAIT, asked).await??;
        ensure!(found["exceptionDetails"].is_null(), "{found}");
        Ok(found["result"]["value"].clone())
    }
}

struct Debugger {
    socket: WebSocketStream<TcpStream>,
    asked: u64,
    /// Workers that it was told of: their addresses and sessions.
    workers: Vec<(String, String)>,
}

impl Debugger {
    async fn at(port: u16, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(Self {
            socket,
            asked: 0,
            workers: Vec::new(),
        })
    }

    async fn worker(&mut self, script: &str) -> Result<String> {
        let targets = self.ask("Target.getTargets", json!({}), None).await?;
        let targets = targets["targetInfos"].as_array().context("targets")?;
        let page = targets.iter().find(|it| it["type"] == "page");
        let page = page.context("a page")?["targetId"].clone();
        let attach = json!({ "targetId": page, "flatten": true });
        let page = self.ask("Target.attachToTarget", attach, None).await?;
        let page = text(&page["sessionId"])?;
        let all = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        self.ask("Target.setAutoAttach", all, Some(&page)).await?;
        loop {
            let mut workers = self.workers.iter();
            if let Some((_, session)) = workers.find(|(url, _)| url.contains(script)) {
                return Ok(session.clone());
            }
            self.hear().await?;
        }
    }

    async fn ask(&mut self, method: &str, how: Value, session: Option<&str>) -> Result<Value> {
        self.asked += 1;
        let mut asked = json!({ "id": self.asked, "method": method, "params": how });
        if let Some(session) = session {
            asked["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(asked.to_string())).await?;
        loop {
            let said = self.hear().await?;
            if said["id"] == self.asked {
                ensure!(said["error"].is_null(), "{method}: {}", said["error"]);
                return Ok(said["result"].clone());
            }
        }
    }

    async fn hear(&mut self) -> Result<Value> {
        loop {
            let message = self.socket.next().await.context("the browser is gone")??;
            let said: Value = match message {
                Message::Text(text) => serde_json::from_str(&text)?,
                Message::Close(_) => bail!("the browser is gone"),
                _ => continue,
            };
            if said["method"] == "Target.attachedToTarget" {
                let told = &said["params"];
                let url = text(&told["targetInfo"]["url"])?;
                self.workers.push((url, text(&told["sessionId"])?));
            }
            return Ok(said);
        }
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("text")?.to_owned())
}
