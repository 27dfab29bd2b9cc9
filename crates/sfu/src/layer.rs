//! Which of a track's layers a slot may carry.
//!
//! Layers are known by their names alone, since pictures are encrypted: `l`, `m` and `h` are a
//! quarter, a half and the whole of what the camera gives.

use str0m::media::Rid;

/// The most lines that are asked of the smallest layer, and of the one in the middle.
const SMALL_LINES: u32 = 180;
const MIDDLE_LINES: u32 = 360;

/// A layer that is there, or all of a track that has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    pub rid: Option<Rid>,
    /// What it was measured to need.
    pub bits_per_second: u64,
}

/// The place of a layer among those of its track, from 0.
fn rank(layer: &Layer) -> usize {
    match layer
        .rid
        .as_ref()
        .map(|rid| rid.trim_end_matches(['\0', ' ']))
    {
        Some("l") => 0,
        Some("m") => 1,
        _ => 2,
    }
}

/// Those of the layers that are there which are no better than wanted, but the smallest at least;
/// the smallest first.
pub fn wanted(mut layers: Vec<Layer>, height: u32) -> Vec<Layer> {
    let most = match height {
        0..=SMALL_LINES => 0,
        _ if height <= MIDDLE_LINES => 1,
        _ => 2,
    };
    layers.sort_by_key(rank);
    let fitting = layers.iter().filter(|layer| rank(layer) <= most).count();
    layers.truncate(fitting.max(1));
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(there: &[&str], height: u32) -> Vec<usize> {
        let layers = there.iter().map(|rid| Layer {
            rid: Some((*rid).into()),
            bits_per_second: 1,
        });
        wanted(layers.collect(), height).iter().map(rank).collect()
    }

    #[test]
    fn no_better_ones_than_wanted() {
        assert_eq!(ranks(&["h", "l", "m"], 720), [0, 1, 2]);
        assert_eq!(ranks(&["h", "l", "m"], 360), [0, 1]);
        assert_eq!(ranks(&["h", "l", "m"], 100), [0]);
    }

    #[test]
    fn when_the_wanted_layer_is_not_there_the_nearest_is_taken() {
        assert_eq!(ranks(&["m", "h"], 100), [1]);
        assert_eq!(ranks(&["l"], 720), [0]);
        assert_eq!(ranks(&[], 720), [0_usize; 0]);
    }
}
