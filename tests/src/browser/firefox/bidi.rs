//! WebDriver BiDi: commands and their answers as JSON on a WebSocket, one command after the other.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What a browser on a busy machine may take for one command.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session with a browser of one window.
pub struct Bidi {
    line: Mutex<Line>,
    window: String,
}

struct Line {
    socket: WebSocketStream<TcpStream>,
    sent: u64,
    /// Errors that pages reported.
    complaints: Vec<String>,
}

impl Bidi {
    /// Begins a session with the browser that listens at this port of 127.0.0.1.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let url = format!("ws://127.0.0.1:{port}/session");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let line = Mutex::new(Line {
            socket,
            sent: 0,
            complaints: Vec::new(),
        });
        let mut bidi = Self {
            line,
            window: String::new(),
        };
        bidi.call("session.new", json!({ "capabilities": {} }))
            .await?;
        let events = json!({ "events": ["log.entryAdded"] });
        bidi.call("session.subscribe", events).await?;
        let windows = bidi.call("browsingContext.getTree", json!({})).await?;
        let window = windows["contexts"][0]["context"].as_str();
        window.context("no window")?.clone_into(&mut bidi.window);
        Ok(bidi)
    }

    /// # Errors
    /// If the browser refuses it or does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let mut line = self.line.lock().await;
        let answer = tokio::time::timeout(PATIENCE, line.ask(method, params)).await;
        answer.with_context(|| format!("{method} took too long"))?
    }

    /// A command about the window.
    ///
    /// # Errors
    /// As [`Bidi::call`].
    pub async fn call_here(&self, method: &str, mut params: Value) -> Result<Value> {
        params["context"] = json!(self.window);
        self.call(method, params).await
    }

    /// What the body of a function returns, or what it promises.
    ///
    /// # Errors
    /// If it throws.
    pub async fn run(&self, body: &str, arguments: &[Value]) -> Result<Value> {
        // Values travel as JSON: the protocol's own form of them is a long way round.
        let function = format!(
            "async (said) => JSON.stringify(await (function () {{ {body} }})(...JSON.parse(said)) ?? null)"
        );
        let said = serde_json::to_string(arguments)?;
        let found = self
            .function(&function, json!({ "type": "string", "value": said }))
            .await?;
        let text = found["value"].as_str().context("no JSON")?;
        Ok(serde_json::from_str(text)?)
    }

    /// From the next page on, this runs before its own scripts.
    ///
    /// # Errors
    /// If the browser does not take it.
    pub async fn preload(&self, script: &str) -> Result<()> {
        let function = format!("() => {{ {script} }}");
        let params = json!({ "functionDeclaration": function });
        self.call("script.addPreloadScript", params).await.map(drop)
    }

    /// Clicks into the middle of the first element that this selector finds.
    ///
    /// # Errors
    /// If there is none.
    pub async fn click(&self, css: &str) -> Result<()> {
        let element = self.element(css).await?;
        let into_view = "(element) => element.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' })";
        self.function(into_view, element.clone()).await?;
        let origin = json!({ "type": "element", "element": element });
        let moves = json!([
            { "type": "pointerMove", "x": 0, "y": 0, "origin": origin },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": moves });
        self.acts(mouse).await
    }

    /// Types wherever the focus is.
    ///
    /// # Errors
    /// If the browser does not take it.
    pub async fn types(&self, text: &str) -> Result<()> {
        let strokes: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.acts(json!({ "type": "key", "id": "keyboard", "actions": strokes }))
            .await
    }

    /// What pages complained about so far.
    pub async fn complaints(&self) -> Vec<String> {
        self.line.lock().await.complaints.clone()
    }

    async fn acts(&self, source: Value) -> Result<()> {
        let params = json!({ "actions": [source] });
        self.call_here("input.performActions", params)
            .await
            .map(drop)
    }

    async fn element(&self, css: &str) -> Result<Value> {
        let locator = json!({ "type": "css", "value": css });
        let params = json!({ "locator": locator, "maxNodeCount": 1 });
        let found = self
            .call_here("browsingContext.locateNodes", params)
            .await?;
        let id = found["nodes"][0]["sharedId"].as_str();
        let id = id.with_context(|| format!("nothing is {css}"))?;
        Ok(json!({ "sharedId": id }))
    }

    async fn function(&self, function: &str, argument: Value) -> Result<Value> {
        let params = json!({
            "functionDeclaration": function,
            "awaitPromise": true,
            "target": { "context": self.window },
            "arguments": [argument],
        });
        let answer = self.call("script.callFunction", params).await?;
        if answer["type"] == "exception" {
            bail!("{}", answer["exceptionDetails"]["text"]);
        }
        Ok(answer["result"].clone())
    }
}

impl Line {
    async fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.sent += 1;
        let command = json!({ "id": self.sent, "method": method, "params": params });
        self.socket.send(Message::text(command.to_string())).await?;
        loop {
            let message = self.socket.next().await.context("the browser ended")??;
            let Message::Text(text) = message else {
                continue;
            };
            let mut said: Value = serde_json::from_str(&text)?;
            if said["type"] == "event" {
                self.note(&said["params"]);
            } else if said["id"] == json!(self.sent) {
                if said["type"] == "error" {
                    bail!("{method}: {}: {}", said["error"], said["message"]);
                }
                return Ok(said["result"].take());
            }
        }
    }

    fn note(&mut self, entry: &Value) {
        if entry["level"] == "error" {
            self.complaints.push(entry["text"].to_string());
        }
    }
}
