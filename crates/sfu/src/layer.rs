//! Which of a track's layers a slot is to carry.
//!
//! Layers are known by their names alone, since pictures are encrypted: `l`, `m` and `h` are a
//! quarter, a half and the whole of what the camera gives.

use str0m::media::Rid;

/// The most lines that are asked of the smallest layer, and of the one in the middle.
const SMALL_LINES: u32 = 180;
const MIDDLE_LINES: u32 = 360;

/// A layer that is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    pub rid: Rid,
    /// What it was measured to need.
    pub bits_per_second: u64,
}

/// The place of a layer among those of its track, from 0.
pub fn rank(rid: Rid) -> usize {
    match rid.trim_end_matches(['\0', ' ']) {
        "l" => 0,
        "m" => 1,
        _ => 2,
    }
}

/// The best of the layers that are there: none better than wanted, none that needs more than is
/// left, but the smallest at least.
pub fn choose(layers: &[Layer], height: u32, bits_per_second: u64) -> Option<Layer> {
    let wanted = match height {
        0 => return None,
        1..=SMALL_LINES => 0,
        _ if height <= MIDDLE_LINES => 1,
        _ => 2,
    };
    let fitting = layers
        .iter()
        .filter(|layer| rank(layer.rid) <= wanted && layer.bits_per_second <= bits_per_second);
    let smallest = || layers.iter().min_by_key(|layer| rank(layer.rid));
    fitting
        .max_by_key(|layer| rank(layer.rid))
        .or_else(smallest)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Vec<Layer> {
        [("l", 150_000), ("m", 500_000), ("h", 1_500_000)]
            .map(|(rid, bits_per_second)| Layer {
                rid: rid.into(),
                bits_per_second,
            })
            .to_vec()
    }

    fn chosen(height: u32, bits_per_second: u64) -> Option<usize> {
        choose(&layers(), height, bits_per_second).map(|layer| rank(layer.rid))
    }

    #[test]
    fn no_more_than_wanted_and_no_more_than_fits() {
        assert_eq!(chosen(720, 9_000_000), Some(2));
        assert_eq!(chosen(360, 9_000_000), Some(1));
        assert_eq!(chosen(100, 9_000_000), Some(0));
        assert_eq!(chosen(720, 600_000), Some(1));
        assert_eq!(chosen(720, 0), Some(0));
        assert_eq!(chosen(0, 9_000_000), None);
    }

    #[test]
    fn when_the_wanted_layer_is_not_there_the_nearest_below_it_is_taken() {
        let left = &layers()[1..];

        assert_eq!(choose(left, 100, 9_000_000).map(|it| rank(it.rid)), Some(1));
        assert_eq!(
            choose(&layers()[..1], 720, 9_000_000).map(|it| rank(it.rid)),
            Some(0)
        );
        assert_eq!(choose(&[], 720, 9_000_000), None);
    }
}
