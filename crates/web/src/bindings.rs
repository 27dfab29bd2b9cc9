//! What the worker's script calls.
//!
//! Owns the border to JavaScript: plain arrays, numbers and byte arrays, no object graphs. The
//! script queues what happens, calls in here, stores what [`Roost::take`] gives, and only then does
//! the rest of it.

use crate::app::{App, Arrival, Out, Turn};
use crate::event::{Event, Fields};
use crate::patch::{Act, CallAct, FrameKeys, Patch, RoomAct};
use js_sys::{Array, BigInt, JsString, Uint8Array};
use roost_client::call::MediaSignal;
use roost_client::room::{RoomTrack, SenderKeys};
use roost_client::{
    CallId, Command, Core, Effect, HttpReply, Input, Moment, Row, Table, Unreachable, Write,
};
use roost_wire::api::{RelayPass, TrackKind};
use roost_wire::{GroupId, Seconds};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    type Date;
    #[wasm_bindgen(constructor)]
    fn new(millis: f64) -> Date;
    #[wasm_bindgen(method, js_name = getTimezoneOffset)]
    fn timezone_offset(this: &Date) -> i32;
}

/// Minutes east of Greenwich, by the browser.
fn zone(time: Seconds) -> i32 {
    let seconds = u32::try_from(time.get()).unwrap_or(u32::MAX);
    Date::new(f64::from(seconds) * 1_000.0)
        .timezone_offset()
        .saturating_neg()
}

/// The shell's dice: `crypto.getRandomValues`, through getrandom.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where dice come from"
)]
fn dice(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("a browser that runs workers has random bytes");
}

/// One core and the tabs that look at it. `now` is milliseconds since 1970.
#[wasm_bindgen]
pub struct Roost {
    app: App,
}

#[wasm_bindgen]
impl Roost {
    /// From the stored rows `[table, key, value]` of every table but the timeline; without any, a
    /// core with no account.
    ///
    /// # Errors
    /// What is stored cannot be read by this version.
    #[wasm_bindgen(constructor)]
    pub fn open(rows: &Array, now: u64) -> Result<Self, JsError> {
        let core = if rows.length() == 0 {
            Core::fresh()
        } else {
            let rows = rows
                .iter()
                .map(|row| read_row(&row))
                .collect::<Option<Vec<_>>>();
            let rows = rows.ok_or_else(|| JsError::new("a stored row has another shape"))?;
            Core::open(rows).map_err(|error| JsError::new(&error.to_string()))?
        };
        let mut roost = Self {
            app: App::new(core, zone),
        };
        roost.input(Input::Command(Command::RingHere(true)), now);
        if roost.app.needs_server() {
            roost.input(Input::Command(Command::Connect), now);
        }
        Ok(roost)
    }

    /// Names of the tables that `open` wants.
    #[must_use]
    pub fn tables() -> Array {
        Table::OPENED
            .iter()
            .map(|table| JsValue::from(table.tag()))
            .collect()
    }

    #[must_use]
    pub fn timeline_table() -> u8 {
        Table::Timeline.tag()
    }

    pub fn attach(&mut self, tab: &str, url: String, group: &str, had_account: bool, now: u64) {
        let arrival = Arrival {
            url,
            group: group.parse().ok(),
            had_account,
        };
        self.app.attach(
            tab,
            arrival,
            &mut Turn {
                now: Moment::from_millis(now),
                dice: &mut dice,
            },
        );
    }

    pub fn detach(&mut self, tab: &str, now: u64) {
        let mut turn = Turn {
            now: Moment::from_millis(now),
            dice: &mut dice,
        };
        self.app.detach(tab, &mut turn);
    }

    /// Fields are pairs of texts.
    pub fn event(&mut self, tab: &str, action: &str, fields: &Array, now: u64) -> bool {
        let Some(event) = Event::parse(action, &read_fields(fields)) else {
            return false;
        };
        let mut turn = Turn {
            now: Moment::from_millis(now),
            dice: &mut dice,
        };
        self.app.event(tab, event, &mut turn);
        true
    }

    /// A sentence for every tab's banner.
    pub fn note(&mut self, sentence: &str) {
        self.app.note(sentence);
    }

    pub fn reply(&mut self, call: u64, status: u16, body: Vec<u8>, now: u64) {
        let result = Ok(HttpReply { status, body });
        self.input(
            Input::Reply {
                call: CallId::new(call),
                result,
            },
            now,
        );
    }

    pub fn unreachable(&mut self, call: u64, now: u64) {
        self.input(
            Input::Reply {
                call: CallId::new(call),
                result: Err(Unreachable),
            },
            now,
        );
    }

    pub fn socket_opened(&mut self, now: u64) {
        self.input(Input::SocketOpened, now);
    }

    pub fn frame(&mut self, bytes: Vec<u8>, now: u64) {
        self.input(Input::Frame(bytes), now);
    }

    pub fn socket_closed(&mut self, now: u64) {
        self.input(Input::SocketClosed, now);
    }

    pub fn tick(&mut self, now: u64) {
        self.input(Input::Tick, now);
    }

    /// The browser says that the network is back.
    pub fn connect(&mut self, now: u64) {
        if self.app.needs_server() {
            self.input(Input::Command(Command::Connect), now);
        }
    }

    /// Rows `[table, key, value]` of a conversation, oldest first.
    pub fn timeline(&mut self, group: &[u8], rows: &Array, more: bool, now: u64) {
        let Ok(group) = GroupId::try_from(group) else {
            return;
        };
        let rows = rows.iter().filter_map(|row| read_row(&row)).collect();
        self.input(Input::Timeline { group, rows, more }, now);
    }

    /// `[writes, effects]`: writes are `[table, key, value or undefined]`, to be stored in one
    /// transaction before any effect `[name, …]` is performed.
    #[must_use]
    pub fn take(&mut self) -> Array {
        let Out { writes, effects } = self.app.take();
        let writes: Array = writes.iter().map(write_row).collect();
        let effects: Array = effects.into_iter().map(write_effect).collect();
        Array::of2(&writes, &effects)
    }

    /// `[[tab, fragments, lists, acts], …]` of every tab that must change something: fragments
    /// `[id, html]`, lists `[id, keys, [[key, html], …]]`, acts `[name, value]`.
    #[must_use]
    pub fn render(&mut self, now: u64) -> Array {
        let patches = self.app.render(Moment::from_millis(now));
        patches
            .iter()
            .map(|(tab, patch)| write_patch(tab, patch))
            .collect()
    }
}

impl Roost {
    fn input(&mut self, input: Input, now: u64) {
        let mut turn = Turn {
            now: Moment::from_millis(now),
            dice: &mut dice,
        };
        self.app.input(input, &mut turn);
    }
}

fn read_row(row: &JsValue) -> Option<Row> {
    let row = row.dyn_ref::<Array>()?;
    let tag = row.get(0).as_f64()?;
    let table = Table::OPENED
        .into_iter()
        .chain([Table::Timeline])
        .find(|table| f64::from(table.tag()) == tag)?;
    let bytes = |at: u32| Some(row.get(at).dyn_ref::<Uint8Array>()?.to_vec());
    Some(Row {
        table,
        key: bytes(1)?,
        value: bytes(2)?,
    })
}

fn write_row(write: &Write) -> JsValue {
    let value = write.value.as_deref().map_or(JsValue::UNDEFINED, bytes);
    Array::of3(
        &JsValue::from(write.table.tag()),
        &bytes(&write.key),
        &value,
    )
    .into()
}

fn read_fields(fields: &Array) -> Fields {
    let pair = |pair: JsValue| {
        let pair = pair.dyn_into::<Array>().ok()?;
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    };
    fields.iter().filter_map(pair).collect()
}

fn write_effect(effect: Effect) -> JsValue {
    let parts: Vec<JsValue> = match effect {
        Effect::Http(call) => vec![
            "http".into(),
            BigInt::from(call.id.get()).into(),
            call.method.as_str().into(),
            call.path.into(),
            bytes(&call.body),
            call.token
                .map_or(JsValue::UNDEFINED, |token| token.header().into()),
        ],
        Effect::OpenSocket { path } => vec!["open".into(), path.into()],
        Effect::Send(frame) => vec!["send".into(), bytes(&frame)],
        Effect::CloseSocket => vec!["close".into()],
        Effect::WakeAt(moment) => vec!["wake".into(), BigInt::from(moment.millis()).into()],
        Effect::LoadTimeline {
            group,
            before,
            limit,
        } => vec![
            "load".into(),
            bytes(group.as_bytes()),
            before.map_or(JsValue::UNDEFINED, |before| bytes(&before.to_be_bytes())),
            limit.into(),
        ],
    };
    parts.into_iter().collect::<Array>().into()
}

fn write_patch(tab: &str, patch: &Patch) -> JsValue {
    let pair = |(key, html): &(String, String)| -> JsValue {
        Array::of2(&key.into(), &html.into()).into()
    };
    let fragments: Array = patch
        .fragments
        .iter()
        .map(|(id, html)| JsValue::from(Array::of2(&JsString::from(*id), &html.into())))
        .collect();
    let lists: Array = patch
        .lists
        .iter()
        .map(|(id, list)| {
            let keys: Array = list.keys.iter().map(JsValue::from).collect();
            let changed: Array = list.changed.iter().map(pair).collect();
            JsValue::from(Array::of3(&JsString::from(*id), &keys, &changed))
        })
        .collect();
    let acts: Array = patch.acts.iter().map(write_act).collect();
    Array::of4(&tab.into(), &fragments, &lists, &acts).into()
}

fn write_act(act: &Act) -> JsValue {
    let (name, value) = match act {
        Act::Title(text) => ("title", text.into()),
        Act::Reading(is) => ("reading", (*is).into()),
        Act::Panel(open) => ("panel", (*open).into()),
        Act::Text(text) => ("text", text.into()),
        Act::Insert(text) => ("insert", text.into()),
        Act::Compose => ("compose", JsValue::UNDEFINED),
        Act::Say(text) => ("say", text.into()),
        Act::Address(url) => ("address", url.into()),
        Act::Visit(url) => ("visit", url.into()),
        Act::Ready => ("ready", JsValue::UNDEFINED),
        Act::Keep => ("keep", JsValue::UNDEFINED),
        Act::Newest => ("newest", JsValue::UNDEFINED),
        Act::Reveal(id) => ("reveal", (*id).into()),
        Act::Focus(id) => ("focus", (*id).into()),
        Act::Call(act) => ("call", write_call(act)),
        Act::Room(act) => ("room", write_room(act)),
    };
    Array::of2(&name.into(), &value).into()
}

fn write_call(act: &CallAct) -> JsValue {
    let parts: Vec<JsValue> = match act {
        CallAct::Open { call, video } => {
            vec!["open".into(), call.to_string().into(), (*video).into()]
        }
        CallAct::Connect {
            call,
            offers,
            servers,
        } => vec![
            "connect".into(),
            call.to_string().into(),
            (*offers).into(),
            servers.iter().map(write_servers).collect::<Array>().into(),
        ],
        CallAct::Signal { call, signal } => {
            let mut parts = vec!["signal".into(), call.to_string().into()];
            parts.extend(write_signal(signal));
            parts
        }
        CallAct::Close { call, lingers } => {
            vec!["close".into(), call.to_string().into(), (*lingers).into()]
        }
        CallAct::Examine { servers } => vec![
            "examine".into(),
            servers.iter().map(write_servers).collect::<Array>().into(),
        ],
        CallAct::Drop => vec!["drop".into()],
        CallAct::Spare => vec!["spare".into()],
        CallAct::Ring(tone) => vec!["ring".into(), (*tone).into()],
    };
    parts.into_iter().collect::<Array>().into()
}

fn write_room(act: &RoomAct) -> JsValue {
    let parts: Vec<JsValue> = match act {
        RoomAct::Open { video } => vec!["open".into(), (*video).into()],
        RoomAct::Connect { servers } => vec![
            "connect".into(),
            servers.iter().map(write_servers).collect::<Array>().into(),
        ],
        RoomAct::Relays { servers } => vec![
            "relays".into(),
            servers.iter().map(write_servers).collect::<Array>().into(),
        ],
        RoomAct::Again => vec!["again".into()],
        RoomAct::Answer(sdp) => vec!["answer".into(), sdp.as_str().into()],
        RoomAct::Refused => vec!["refused".into()],
        RoomAct::Keys(FrameKeys(keys)) => vec![
            "keys".into(),
            BigInt::from(keys.epoch).into(),
            keys.senders
                .iter()
                .flat_map(write_keys)
                .collect::<Array>()
                .into(),
        ],
        RoomAct::Tracks(tracks) => vec![
            "tracks".into(),
            tracks.iter().map(write_track).collect::<Array>().into(),
        ],
        RoomAct::Close => vec!["close".into()],
    };
    parts.into_iter().collect::<Array>().into()
}

/// `[kid, key, salt, mine]` for each of a sender's tracks.
fn write_keys(sender: &SenderKeys) -> impl Iterator<Item = JsValue> + '_ {
    sender.keys.iter().map(|key| {
        Array::of4(
            &BigInt::from(key.kid).into(),
            &bytes(key.key()),
            &bytes(key.salt()),
            &sender.is_me.into(),
        )
        .into()
    })
}

/// `[id, leaf, kind]`; the id as text, which the page passes back.
fn write_track(track: &RoomTrack) -> JsValue {
    let kind = match track.kind {
        TrackKind::Audio => "mic",
        TrackKind::Video => "camera",
        TrackKind::Screen => "screen",
    };
    Array::of3(
        &track.id.get().to_string().into(),
        &track.leaf.into(),
        &kind.into(),
    )
    .into()
}

/// `[urls, username, credential]`.
fn write_servers(pass: &RelayPass) -> JsValue {
    let urls: Array = pass.urls.as_slice().iter().map(JsValue::from).collect();
    Array::of3(
        &urls,
        &pass.username.as_str().into(),
        &pass.password.as_str().into(),
    )
    .into()
}

fn write_signal(signal: &MediaSignal) -> Vec<JsValue> {
    match signal {
        MediaSignal::Offer { sdp } => vec!["offer".into(), sdp.as_str().into()],
        MediaSignal::Answer { sdp } => vec!["answer".into(), sdp.as_str().into()],
        MediaSignal::Candidate {
            candidate,
            mid,
            line,
        } => vec![
            "candidate".into(),
            candidate.as_str().into(),
            mid.as_ref().map_or("", |mid| mid.as_str()).into(),
            line.unwrap_or_default().to_string().into(),
        ],
        MediaSignal::Restart => vec!["restart".into()],
    }
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}
