//! A reader of deterministic CBOR (RFC 8949, section 4.2) that accepts one spelling of a value.
//!
//! Refuses indefinite lengths, arguments longer than necessary, floats wider than necessary and
//! map keys that are unsorted or doubled. Allocates nothing and never reads past its slice.

use super::ContentError;

/// Nesting of arrays, maps and tags inside one value nobody here understands.
const VALUE_DEPTH: usize = 8;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;

/// First bytes of an item: major type, additional information, argument.
struct Head {
    major: u8,
    info: u8,
    argument: u64,
}

/// The key of an extension, as read.
pub(super) enum Key<'b> {
    Unsigned(u64),
    /// Stands for `-1 - n`.
    Negative(u64),
    Text(&'b str),
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn end(self) -> Result<(), ContentError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ContentError::Trailing)
        }
    }

    /// An unsigned integer that fits `T`.
    pub(super) fn unsigned<T: TryFrom<u64>>(&mut self, what: &'static str) -> Read<T> {
        let value = self.expect(UNSIGNED, what)?;
        T::try_from(value).map_err(|_| ContentError::Invalid(what))
    }

    pub(super) fn boolean(&mut self, what: &'static str) -> Read<bool> {
        match self.byte()? {
            0xf4 => Ok(false),
            0xf5 => Ok(true),
            _ => Err(ContentError::Invalid(what)),
        }
    }

    pub(super) fn bytes(&mut self, what: &'static str) -> Read<&'b [u8]> {
        let length = self.expect(BYTES, what)?;
        self.take(length)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Read<&'b str> {
        let length = self.expect(TEXT, what)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| ContentError::Invalid(what))
    }

    /// Length of an array whose items follow.
    pub(super) fn array(&mut self, what: &'static str) -> Read<u64> {
        self.expect(ARRAY, what)
    }

    /// Pairs of a map that follow.
    pub(super) fn map(&mut self, what: &'static str) -> Read<u64> {
        self.expect(MAP, what)
    }

    /// Steps over a null, if one comes next.
    pub(super) fn null(&mut self) -> bool {
        match self.0.split_first() {
            Some((&NULL, rest)) => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    /// An integer or a text, and its own bytes (by which keys are ordered).
    pub(super) fn key(&mut self) -> Read<(Key<'b>, &'b [u8])> {
        const WHAT: ContentError = ContentError::Invalid("extension key");
        let before = self.0;
        let head = self.head()?;
        let key = match head.major {
            UNSIGNED => Key::Unsigned(head.argument),
            NEGATIVE => Key::Negative(head.argument),
            TEXT => Key::Text(std::str::from_utf8(self.take(head.argument)?).map_err(|_| WHAT)?),
            _ => return Err(WHAT),
        };
        Ok((key, self.since(before)))
    }

    /// Any one value, as its bytes.
    pub(super) fn value(&mut self) -> Read<&'b [u8]> {
        let before = self.0;
        self.skip(VALUE_DEPTH)?;
        Ok(self.since(before))
    }

    fn skip(&mut self, depth: usize) -> Read<()> {
        let head = self.head()?;
        let inner = depth.checked_sub(1).ok_or(ContentError::TooDeep);
        match head.major {
            BYTES => self.take(head.argument).map(|_| ()),
            TEXT => std::str::from_utf8(self.take(head.argument)?)
                .map(|_| ())
                .map_err(|_| ContentError::Invalid("extension text")),
            ARRAY => self.skip_items(head.argument, inner?),
            MAP => self.skip_pairs(head.argument, inner?),
            TAG => self.skip(inner?),
            // Integers are whole with their head, and so are simple values and floats.
            _ => Ok(()),
        }
    }

    fn skip_items(&mut self, count: u64, depth: usize) -> Read<()> {
        self.has_room_for(count)?;
        (0..count).try_for_each(|_| self.skip(depth))
    }

    fn skip_pairs(&mut self, count: u64, depth: usize) -> Read<()> {
        self.has_room_for(count)?;
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let before = self.0;
            self.skip(depth)?;
            let key = self.since(before);
            if last.is_some_and(|last| last >= key) {
                return Err(ContentError::NotCanonical);
            }
            last = Some(key);
            self.skip(depth)?;
        }
        Ok(())
    }

    fn has_room_for(&self, items: u64) -> Read<()> {
        match usize::try_from(items) {
            Ok(items) if items <= self.0.len() => Ok(()),
            Ok(_) | Err(_) => Err(ContentError::Short),
        }
    }

    fn since(&self, before: &'b [u8]) -> &'b [u8] {
        let read = before.len().saturating_sub(self.0.len());
        before.get(..read).unwrap_or_default()
    }

    fn expect(&mut self, major: u8, what: &'static str) -> Read<u64> {
        let head = self.head()?;
        if head.major == major {
            Ok(head.argument)
        } else {
            Err(ContentError::Invalid(what))
        }
    }

    fn head(&mut self) -> Read<Head> {
        let first = self.byte()?;
        let (major, info) = (first >> 5, first & 31);
        let argument = match info {
            0..=23 => u64::from(info),
            24 => u64::from(self.byte()?),
            25 => u64::from(u16::from_be_bytes(self.fixed()?)),
            26 => u64::from(u32::from_be_bytes(self.fixed()?)),
            27 => u64::from_be_bytes(self.fixed()?),
            _ => return Err(ContentError::NotCanonical),
        };
        let head = Head {
            major,
            info,
            argument,
        };
        if head.is_shortest() {
            Ok(head)
        } else {
            Err(ContentError::NotCanonical)
        }
    }

    fn byte(&mut self) -> Read<u8> {
        self.fixed().map(|[byte]| byte)
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(ContentError::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: u64) -> Read<&'b [u8]> {
        let length = usize::try_from(length).map_err(|_| ContentError::Short)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(ContentError::Short)?;
        self.0 = rest;
        Ok(bytes)
    }
}

type Read<T> = Result<T, ContentError>;

impl Head {
    fn is_shortest(&self) -> bool {
        match (self.major, self.info) {
            (7, 24) => self.argument >= 32,
            (7, 26) => !fits(self.argument, &SINGLE, &HALF),
            (7, 27) => !fits(self.argument, &DOUBLE, &SINGLE),
            (7, _) => true,
            (_, 24) => self.argument >= 24,
            (_, 25) => self.argument > 0xff,
            (_, 26) => self.argument > 0xffff,
            (_, 27) => self.argument > 0xffff_ffff,
            _ => true,
        }
    }
}

/// A binary floating point format (IEEE 754).
struct Float {
    exponent_bits: u32,
    fraction_bits: u32,
}

const HALF: Float = Float {
    exponent_bits: 5,
    fraction_bits: 10,
};
const SINGLE: Float = Float {
    exponent_bits: 8,
    fraction_bits: 23,
};
const DOUBLE: Float = Float {
    exponent_bits: 11,
    fraction_bits: 52,
};

impl Float {
    const fn bias(&self) -> u64 {
        (1 << (self.exponent_bits - 1)) - 1
    }
}

/// Whether a float in the `wide` format has exactly the same value in the `narrow` one.
fn fits(bits: u64, wide: &Float, narrow: &Float) -> bool {
    let fraction = bits & ((1 << wide.fraction_bits) - 1);
    let exponent = (bits >> wide.fraction_bits) & ((1 << wide.exponent_bits) - 1);
    let spare = wide.fraction_bits - narrow.fraction_bits;
    if exponent == 0 {
        return fraction == 0;
    }
    if exponent == (1 << wide.exponent_bits) - 1 {
        return fraction.trailing_zeros() >= spare;
    }
    // The exponent field this value would have in the narrow format, shifted to stay positive.
    let shifted = exponent + narrow.bias();
    let lowest = wide.bias() + 1;
    let highest = wide.bias() + 2 * narrow.bias();
    if shifted > highest {
        return false;
    }
    let subnormal_shift = lowest.saturating_sub(shifted);
    if subnormal_shift > u64::from(narrow.fraction_bits) {
        return false;
    }
    let whole = fraction | (1 << wide.fraction_bits);
    u64::from(whole.trailing_zeros()) >= u64::from(spare) + subnormal_shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Result<(), ContentError> {
        let mut reader = Reader::new(bytes);
        reader.value()?;
        reader.end()
    }

    #[test]
    fn one_spelling_of_a_value_is_accepted() {
        for bytes in [
            &[0x17][..],
            &[0x18, 24],
            &[0x19, 1, 0],
            &[0x3b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x82, 0xf6, 0x41, 9],
            &[0xa2, 0x01, 0xf4, 0x20, 0xf5],
            &[0xc1, 0x00],
            &[0xf8, 0xff],
        ] {
            assert_eq!(value(bytes), Ok(()), "{bytes:02x?}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for bytes in [
            &[0x18, 23][..],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 255, 255],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
            &[0x58, 1, 9],
            &[0x9f, 0xff],
            &[0xbf, 0xff],
            &[0x5f, 0xff],
            &[0xff],
            &[0xa2, 0x20, 0xf5, 0x01, 0xf4],
            &[0xa2, 0x01, 0xf5, 0x01, 0xf4],
            &[0xf8, 24],
            &[0xf8, 31],
        ] {
            assert_eq!(
                value(bytes),
                Err(ContentError::NotCanonical),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn a_float_must_be_as_narrow_as_its_value_allows() {
        let smallest_half = 5.960_464_5e-8f32;
        for half in [
            0.0,
            -0.0,
            1.0,
            1.5,
            65504.0,
            smallest_half,
            f32::INFINITY,
            f32::NAN,
        ] {
            assert!(value(&in_single(half)).is_err(), "{half}");
            assert!(value(&in_double(f64::from(half))).is_err(), "{half}");
        }
        for single in [
            100_000.0f32,
            65_536.0,
            3.402_823_4e38,
            1.0e-40,
            1.0 / 3.0,
            2.9e-8,
        ] {
            assert!(value(&in_single(single)).is_ok(), "{single}");
            assert!(value(&in_double(f64::from(single))).is_err(), "{single}");
        }
        for double in [1.1, 1.0e300, 5.0e-324, 1.0e-46] {
            assert!(value(&in_double(double)).is_ok(), "{double}");
        }
    }

    #[test]
    fn a_claimed_length_beyond_the_bytes_is_refused_at_once() {
        assert_eq!(
            value(&[0x9a, 0xff, 0xff, 0xff, 0xff]),
            Err(ContentError::Short)
        );
        assert_eq!(
            value(&[0x5a, 0xff, 0xff, 0xff, 0xff]),
            Err(ContentError::Short)
        );
        assert_eq!(value(&[0x1a, 0xff]), Err(ContentError::Short));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0xf6]].concat();

        assert_eq!(value(&nested(VALUE_DEPTH)), Ok(()));
        assert_eq!(value(&nested(VALUE_DEPTH + 1)), Err(ContentError::TooDeep));
        assert_eq!(value(&vec![0xc1; 60_000]), Err(ContentError::TooDeep));
    }

    fn in_single(number: f32) -> Vec<u8> {
        [&[0xfa][..], &number.to_be_bytes()].concat()
    }

    fn in_double(number: f64) -> Vec<u8> {
        [&[0xfb][..], &number.to_be_bytes()].concat()
    }
}
