//! The Dependency Descriptor, an RTP header extension: says of an encrypted frame whether pictures
//! can begin with it (AV1 RTP specification, appendix A).

use std::sync::Arc;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

pub const URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Its number in our answers; the client's own numbers win.
pub const ID: u8 = 12;
/// Longer than any of three layers; the extension itself ends at 255.
const BYTES_MAX: usize = 255;

/// The extension as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor(Arc<[u8]>);

impl Descriptor {
    /// None of what is shorter than the fields every descriptor has.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fits = (3..=BYTES_MAX).contains(&bytes.len());
        fits.then(|| Self(bytes.into()))
    }

    /// Whether a decoder can begin here: the first packet of a frame that brings the structure.
    pub fn is_key(&self) -> bool {
        let begins = self.0.first().is_some_and(|flags| flags & 0x80 != 0);
        begins && self.0.get(3).is_some_and(|flags| flags & 0x80 != 0)
    }

    /// The frame's number.
    pub fn frame(&self) -> u16 {
        match self.0.get(1..3) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    }

    /// The same of another number.
    #[must_use]
    pub fn with_frame(&self, number: u16) -> Self {
        if number == self.frame() {
            return self.clone();
        }
        let mut bytes = self.0.to_vec();
        if let Some(place) = bytes.get_mut(1..3) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        Self(bytes.into())
    }
}

/// Reads and writes it for the media library.
#[derive(Debug)]
pub struct Descriptors;

impl Descriptors {
    pub fn extension() -> Extension {
        Extension::with_serializer(URI, Self)
    }
}

impl ExtensionSerializer for Descriptors {
    fn write_to(&self, place: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Descriptor(bytes)) = values.user_values.get() else {
            return 0;
        };
        let Some(place) = place.get_mut(..bytes.len()) else {
            return 0;
        };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        let Some(descriptor) = Descriptor::parse(bytes) else {
            return false;
        };
        values.user_values.set(descriptor);
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        let descriptor: Option<&Descriptor> = values.user_values.get();
        descriptor.is_some_and(|Descriptor(bytes)| bytes.len() > 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_first_packet_that_brings_the_structure_begins_pictures() {
        let key = |bytes: &[u8]| Descriptor::parse(bytes).is_some_and(|it| it.is_key());

        assert!(key(&[0x80, 0, 1, 0x80, 0]));
        assert!(!key(&[0x00, 0, 1, 0x80, 0]), "in the middle of the frame");
        assert!(!key(&[0x80, 0, 1, 0x40]), "without the structure");
        assert!(!key(&[0xc0, 0, 1]), "without the extended fields");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_only_the_number_changes(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            number in any::<u16>(),
        ) {
            if let Some(descriptor) = Descriptor::parse(&bytes) {
                let other = descriptor.with_frame(number);
                prop_assert_eq!(other.frame(), number);
                prop_assert_eq!(other.with_frame(descriptor.frame()), descriptor);
            }
        }
    }
}
