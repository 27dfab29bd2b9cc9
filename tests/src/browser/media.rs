//! What fake microphones and cameras deliver, and what a page must receive of it: a tone and a
//! colour, each person's own.

use anyhow::Result;
use serde_json::Value;
use std::f64::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const SAMPLES_PER_SECOND: u32 = 48_000;
const WIDTH: usize = 320;
const HEIGHT: usize = 180;
/// A second of them: few, since browsers here paint and encode without a graphics card.
const FRAMES: usize = 5;
/// On and off, as speech is: noise suppression takes away what never changes.
const SYLLABLE_SAMPLES: u32 = SAMPLES_PER_SECOND / 4;

/// A colour as cameras deliver it, far enough from the others to be told apart after compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Green,
    Blue,
    Yellow,
}

impl Colour {
    /// Y, Cb and Cr (BT.601, limited range).
    const fn planes(self) -> [u8; 3] {
        match self {
            Self::Red => [81, 90, 240],
            Self::Green => [145, 54, 34],
            Self::Blue => [41, 240, 110],
            Self::Yellow => [210, 16, 146],
        }
    }

    /// Whether an average of red, green and blue is this colour.
    #[must_use]
    pub fn is(self, [red, green, blue]: [f64; 3]) -> bool {
        let (high, low) = (|part: f64| part > 120.0, |part: f64| part < 110.0);
        match self {
            Self::Red => high(red) && low(green) && low(blue),
            Self::Green => low(red) && high(green) && low(blue),
            Self::Blue => low(red) && low(green) && high(blue),
            Self::Yellow => high(red) && high(green) && low(blue),
        }
    }

    /// Whether what a page looked at is this colour: three numbers, or nothing.
    pub(super) fn is_found(self, found: &Value) -> bool {
        let parts = found.as_array().into_iter().flatten();
        let parts: Vec<f64> = parts.filter_map(Value::as_f64).collect();
        <[f64; 3]>::try_from(parts).is_ok_and(|average| self.is(average))
    }

    /// Its name in style sheets, where all colours are far from each other as well.
    pub(super) const fn style(self) -> &'static str {
        match self {
            Self::Red => "#f00",
            Self::Green => "#0f0",
            Self::Blue => "#00f",
            Self::Yellow => "#ff0",
        }
    }
}

/// What is shared where there is no screen: brighter and darker by turns.
pub const SCREEN: Colour = Colour::Green;

/// What one person's microphone and camera deliver.
#[derive(Debug, Clone, Copy)]
pub struct Media {
    pub hertz: u32,
    pub colour: Colour,
}

impl Media {
    /// Chromium's flags for a profile with these devices; the files are made in `folder`.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn flags(self, folder: &Path) -> Result<Vec<String>> {
        let sound = folder.join(format!("tone-{}.wav", self.hertz));
        let film = folder.join(format!("{:?}.y4m", self.colour));
        write_tone(&sound, self.hertz)?;
        write_film(&film, self.colour)?;
        Ok(vec![
            "--use-fake-ui-for-media-stream".to_owned(),
            "--use-fake-device-for-media-stream".to_owned(),
            "--autoplay-policy=no-user-gesture-required".to_owned(),
            flag("audio", &sound),
            flag("video", &film),
        ])
    }
}

fn flag(kind: &str, file: &Path) -> String {
    format!("--use-file-for-fake-{kind}-capture={}", file.display())
}

/// Four seconds of PCM in a RIFF file; Chromium plays it over and over.
fn write_tone(path: &PathBuf, hertz: u32) -> Result<()> {
    let count = SAMPLES_PER_SECOND * 4;
    let bytes = count * 2;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + bytes).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0")?;
    file.write_all(&SAMPLES_PER_SECOND.to_le_bytes())?;
    file.write_all(&(SAMPLES_PER_SECOND * 2).to_le_bytes())?;
    file.write_all(b"\x02\0\x10\0data")?;
    file.write_all(&bytes.to_le_bytes())?;
    for at in 0..count {
        let angle = TAU * f64::from(hertz) * f64::from(at) / f64::from(SAMPLES_PER_SECOND);
        let loud = if (at / SYLLABLE_SAMPLES).is_multiple_of(2) {
            12_000.0
        } else {
            0.0
        };
        #[expect(clippy::cast_possible_truncation, reason = "12,000 fits")]
        let sample = (angle.sin() * loud) as i16;
        file.write_all(&sample.to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// A second of YUV 4:2:0 of one colour.
fn write_film(path: &PathBuf, colour: Colour) -> Result<()> {
    let [y, cb, cr] = colour.planes();
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(
        file,
        "YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES}:1 Ip A1:1 C420jpeg"
    )?;
    for _ in 0..FRAMES {
        file.write_all(b"FRAME\n")?;
        file.write_all(&vec![y; WIDTH * HEIGHT])?;
        file.write_all(&vec![cb; WIDTH * HEIGHT / 4])?;
        file.write_all(&vec![cr; WIDTH * HEIGHT / 4])?;
    }
    Ok(file.flush()?)
}
