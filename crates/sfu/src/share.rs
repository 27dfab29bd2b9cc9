//! Shares what a device's path carries among the pictures that it wants.
//!
//! Owns the order: whoever speaks is seen first, each gets the smallest layer before any gets a
//! better one, and what does not fit pauses, so that sound does not suffer. How long room must have
//! been there before a slot goes up is the slot's.

use crate::layer::Layer;

/// A picture that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<K> {
    /// Whose it is.
    pub key: K,
    /// Lines that are wanted.
    pub height: u32,
    /// Of somebody who speaks, or of a screen.
    pub is_dear: bool,
    /// What may be given, the smallest first; at least one.
    pub layers: Vec<Layer>,
    /// Which of them it has.
    pub has: Option<usize>,
    /// Which of them it gets; none pauses.
    pub gets: Option<usize>,
}

impl<K> Picture<K> {
    fn needs(&self, level: usize) -> u64 {
        let layer = self.layers.get(level);
        let bps = layer.map_or(0, |layer| layer.bits_per_second);
        if self.has.is_some_and(|has| level <= has) {
            bps
        } else {
            // So much more that it need not go down again at once.
            bps.saturating_add(bps / 5)
        }
    }
}

/// Shares so many bits a second. The first of the dear ones, or of all, always gets its smallest
/// layer: what is measured while nothing is sent says little. For the smallest layers there are
/// `least` bits a second in any case: estimates grow only with what is sent, and where a browser or
/// this machine is busy for a moment they fall to what little that is.
pub fn share<K>(bits_per_second: u64, least: u64, pictures: &mut [Picture<K>]) {
    let (mut left, mut spent) = (bits_per_second.max(least), 0_u64);
    pictures.sort_by_key(|picture| (!picture.is_dear, picture.height));
    for (turn, picture) in pictures.iter_mut().enumerate() {
        let needs = picture.needs(0);
        picture.gets = (turn == 0 || needs <= left).then_some(0);
        if picture.gets.is_some() {
            left = left.saturating_sub(needs);
            spent = spent.saturating_add(needs);
        }
    }
    // Small ones get their share, and what is large gets what is left.
    let mut left = bits_per_second.saturating_sub(spent);
    pictures.sort_by_key(|picture| picture.height);
    for picture in pictures.iter_mut().filter(|picture| picture.gets.is_some()) {
        let there = left.saturating_add(picture.needs(0));
        let mut better = (1..picture.layers.len()).rev();
        if let Some(level) = better.find(|level| picture.needs(*level) <= there) {
            left = there.saturating_sub(picture.needs(level));
            picture.gets = Some(level);
        }
    }
}

/// What the path must carry before any of the pictures can be better; none if all are as wanted.
pub fn next_step<K>(pictures: &[Picture<K>]) -> Option<u64> {
    let step = |picture: &Picture<K>| {
        let next = picture.gets.map_or(0, |level| level.saturating_add(1));
        let has = picture.gets.map_or(0, |level| picture.needs(level));
        let is_there = next < picture.layers.len();
        is_there.then(|| picture.needs(next).saturating_sub(has))
    };
    let sent = pictures.iter().filter_map(|it| Some(it.needs(it.gets?)));
    let next = pictures.iter().filter_map(step).min()?;
    Some(next.saturating_add(sent.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KBPS: [u64; 3] = [100, 500, 1_500];

    fn picture(key: u8, has: Option<usize>) -> Picture<u8> {
        let layers = ["l", "m", "h"].iter().zip(KBPS);
        Picture {
            key,
            height: 720,
            is_dear: false,
            layers: layers
                .map(|(rid, kbps)| Layer {
                    rid: Some((*rid).into()),
                    bits_per_second: kbps * 1_000,
                })
                .collect(),
            has,
            gets: None,
        }
    }

    fn shared(kbps: u64, mut pictures: Vec<Picture<u8>>) -> Vec<Option<usize>> {
        share(kbps * 1_000, 0, &mut pictures);
        pictures.sort_by_key(|picture| picture.key);
        pictures.iter().map(|picture| picture.gets).collect()
    }

    #[test]
    fn the_smallest_layers_have_their_least_and_better_ones_only_what_was_measured() {
        let shared = |bps: u64| {
            let mut three = [1, 2, 3].map(|key| picture(key, None));
            for layer in three.iter_mut().flat_map(|picture| &mut picture.layers) {
                layer.bits_per_second /= 10;
            }
            share(bps, 188_000, &mut three);
            three.map(|picture| picture.gets)
        };

        assert_eq!(shared(1_000), [Some(0); 3], "sound was all there was");
        assert_eq!(shared(100_000), [Some(1), Some(0), Some(0)]);
        assert_eq!(shared(188_000), [Some(1); 3]);
    }

    #[test]
    fn going_up_takes_a_fifth_more_than_staying() {
        assert_eq!(shared(1_599, vec![picture(1, Some(2))]), [Some(2)]);
        assert_eq!(shared(1_599, vec![picture(1, Some(1))]), [Some(1)]);
        assert_eq!(shared(1_800, vec![picture(1, Some(1))]), [Some(2)]);
        assert_eq!(shared(1_499, vec![picture(1, Some(2))]), [Some(1)]);
    }

    #[test]
    fn all_are_seen_before_one_is_seen_better() {
        let two = || vec![picture(1, None), picture(2, None)];

        assert_eq!(shared(300, two()), [Some(0), Some(0)]);
        assert_eq!(shared(720, two()), [Some(1), Some(0)]);
        assert_eq!(shared(1_200, two()), [Some(1), Some(1)]);
        assert_eq!(shared(9_000, two()), [Some(2), Some(2)]);
    }

    #[test]
    fn the_next_step_is_the_smallest_there_is() {
        let next = |kbps: u64, mut pictures: Vec<Picture<u8>>| {
            share(kbps * 1_000, 0, &mut pictures);
            next_step(&pictures)
        };

        let two = vec![picture(1, Some(0)), picture(2, Some(0))];
        assert_eq!(next(150, two.clone()), Some(200_000));
        assert_eq!(next(300, two), Some(700_000));
        assert_eq!(next(1_500, vec![picture(1, Some(1))]), Some(1_800_000));
        assert_eq!(next(9_000, vec![picture(1, Some(1))]), None);
    }

    #[test]
    fn what_does_not_fit_pauses_but_not_who_speaks() {
        let mut three = vec![
            picture(1, Some(0)),
            picture(2, Some(0)),
            picture(3, Some(0)),
        ];
        three[2].is_dear = true;

        assert_eq!(shared(210, three.clone()), [Some(0), None, Some(0)]);
        assert_eq!(shared(110, three.clone()), [None, None, Some(0)]);
        assert_eq!(shared(0, three), [None, None, Some(0)]);
    }
}
