//! The extensions of a message: who and where it claims to be from, ours, and others' untouched.

use super::canonical::{Key, Reader};
use super::{ContentError, EXTENSION_VALUE_BYTES, EXTENSIONS, RoomUri, UserUri};
use minicbor::data::Int;
use minicbor::{Encode, Encoder, encode};
use roost_wire::{EntryHash, Seq, api};
use std::collections::BTreeMap;

const KEY_TEXT_BYTES: std::ops::RangeInclusive<usize> = 1..=255;

/// The name of an extension. Negative numbers and texts are for private use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionKey {
    Unsigned(u64),
    /// Stands for `-1 - n`.
    Negative(u64),
    /// 1 to 255 bytes.
    Text(String),
}

impl ExtensionKey {
    pub const SENDER_URI: Self = Self::Unsigned(1);
    pub const ROOM_URI: Self = Self::Unsigned(2);
    /// Ours (-1): zero bytes that hide the length of what is said.
    pub const PADDING: Self = Self::Negative(0);
    /// Ours (-2): a [`Trail`].
    pub const TRAIL: Self = Self::Negative(1);
}

impl From<Key<'_>> for ExtensionKey {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Unsigned(number) => Self::Unsigned(number),
            Key::Negative(number) => Self::Negative(number),
            Key::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

impl<C> Encode<C> for ExtensionKey {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Unsigned(number) => e.u64(*number)?.ok(),
            Self::Negative(number) => {
                let number = Int::try_from(-1 - i128::from(*number));
                e.int(number.map_err(encode::Error::message)?)?.ok()
            }
            Self::Text(text) => e.str(text)?.ok(),
        }
    }
}

/// How far the sender had got when it wrote a message: lets receivers notice what the server
/// withholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    /// Messages this device has sent to this group before.
    pub counter: u64,
    /// The last log entry processed.
    pub last_seq: Seq,
    pub last: EntryHash,
}

impl Trail {
    fn read(value: &[u8]) -> Result<Self, ContentError> {
        const WHAT: &str = "trail";
        let mut input = Reader::new(value);
        if input.array(WHAT)? != 3 {
            return Err(ContentError::Invalid(WHAT));
        }
        let trail = Self {
            counter: input.unsigned(WHAT)?,
            last_seq: Seq::new(input.unsigned(WHAT)?),
            last: EntryHash::try_from(input.bytes(WHAT)?)
                .map_err(|_| ContentError::Invalid(WHAT))?,
        };
        input.end()?;
        Ok(trail)
    }
}

impl<C> Encode<C> for Trail {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(3)?
            .u64(self.counter)?
            .u64(self.last_seq.get())?
            .bytes(self.last.as_bytes())?
            .ok()
    }
}

/// At most [`EXTENSIONS`], each value of at most [`EXTENSION_VALUE_BYTES`], in the one order of
/// deterministic CBOR: by the bytes of their keys. What is not known here is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(BTreeMap<Vec<u8>, Vec<u8>>);

impl Extensions {
    /// The two that every message of ours carries.
    #[must_use]
    pub fn of_origin(sender: &UserUri, room: &RoomUri) -> Self {
        let mut extensions = Self::default();
        extensions.put(&ExtensionKey::SENDER_URI, &sender.to_string());
        extensions.put(&ExtensionKey::ROOM_URI, &room.to_string());
        extensions
    }

    /// Sets one, in place of an earlier value.
    pub fn put(&mut self, key: &ExtensionKey, value: &impl Encode<()>) {
        self.0.insert(api::encode(key), api::encode(value));
    }

    pub fn set_trail(&mut self, trail: &Trail) {
        self.put(&ExtensionKey::TRAIL, trail);
    }

    pub(super) fn remove(&mut self, key: &ExtensionKey) {
        self.0.remove(&api::encode(key));
    }

    /// The encoded value of one extension.
    #[must_use]
    pub fn value(&self, key: &ExtensionKey) -> Option<&[u8]> {
        self.0.get(&api::encode(key)).map(Vec::as_slice)
    }

    #[must_use]
    pub fn sender_uri(&self) -> Option<&str> {
        self.text(&ExtensionKey::SENDER_URI)
    }

    #[must_use]
    pub fn room_uri(&self) -> Option<&str> {
        self.text(&ExtensionKey::ROOM_URI)
    }

    /// The sender's trail; none if it left none.
    #[must_use]
    pub fn trail(&self) -> Option<Trail> {
        Trail::read(self.value(&ExtensionKey::TRAIL)?).ok()
    }

    fn text(&self, key: &ExtensionKey) -> Option<&str> {
        Reader::new(self.value(key)?).text("extension").ok()
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ContentError> {
        let count = input.map("extensions")?;
        if usize::try_from(count).map_or(true, |count| count > EXTENSIONS) {
            return Err(ContentError::TooManyExtensions);
        }
        let mut extensions = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for _ in 0..count {
            let (key, spelling) = input.key()?;
            let value = input.value()?;
            check(&ExtensionKey::from(key), value)?;
            let in_order = extensions
                .last_key_value()
                .is_none_or(|(last, _)| last.as_slice() < spelling);
            if !in_order {
                return Err(ContentError::NotCanonical);
            }
            extensions.insert(spelling.to_vec(), value.to_vec());
        }
        Ok(Self(extensions))
    }
}

fn check(key: &ExtensionKey, value: &[u8]) -> Result<(), ContentError> {
    if let ExtensionKey::Text(text) = key
        && !KEY_TEXT_BYTES.contains(&text.len())
    {
        return Err(ContentError::Invalid("extension key"));
    }
    if value.len() > EXTENSION_VALUE_BYTES {
        return Err(ContentError::Invalid("extension value"));
    }
    if *key == ExtensionKey::SENDER_URI || *key == ExtensionKey::ROOM_URI {
        Reader::new(value).text("URI")?;
    }
    Ok(())
}

impl<C> Encode<C> for Extensions {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.map(u64::try_from(self.0.len()).map_err(encode::Error::message)?)?;
        for (key, value) in &self.0 {
            e.writer_mut()
                .write_all(key)
                .map_err(encode::Error::write)?;
            e.writer_mut()
                .write_all(value)
                .map_err(encode::Error::write)?;
        }
        Ok(())
    }
}
