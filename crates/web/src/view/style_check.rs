//! The style sheet keeps what the views rely on: a class for every hue, and colours that people
//! can read (WCAG 2.2 AA: 4.5 to 1 for text) on every ground they stand on, light and dark.

use std::collections::BTreeMap;

const SHEET: &str = include_str!("../../../../static/css/app.css");
const TEXT: [&str; 6] = ["ink", "ink-soft", "ink-faint", "nest", "sun", "alarm"];
const GROUND: [&str; 8] = [
    "paper",
    "paper-2",
    "paper-3",
    "bubble",
    "bubble-mine",
    "nest-soft",
    "sun-soft",
    "alarm-soft",
];
const AA: f64 = 4.5;

type Rgb = [f64; 3];

#[test]
fn every_text_colour_can_be_read_on_every_ground() {
    for (theme, colours) in [("light", tokens(false)), ("dark", tokens(true))] {
        for text in TEXT {
            for ground in GROUND {
                let ratio = contrast(colours[text], colours[ground]);
                assert!(ratio >= AA, "{theme}: {text} on {ground} is {ratio:.2}");
            }
        }
        let ratio = contrast(colours["nest-ink"], colours["nest"]);
        assert!(ratio >= AA, "{theme}: the main button is {ratio:.2}");
    }
}

#[test]
fn every_hue_has_a_class_in_which_letters_and_names_can_be_read() {
    for hue in 0..24 {
        assert!(SHEET.contains(&format!(".hue-{hue} {{ --hue: {} }}", hue * 15)));
        let hue = f64::from(hue * 15);
        let face = contrast([1.0; 3], hsl(hue, 38.0, 34.0));
        let light = contrast(hsl(hue, 45.0, 30.0), tokens(false)["bubble"]);
        let dark = contrast(hsl(hue, 55.0, 74.0), tokens(true)["bubble"]);
        for (what, ratio) in [("face", face), ("name", light), ("name in the dark", dark)] {
            assert!(ratio >= AA, "{what} with hue {hue} is {ratio:.2}");
        }
    }
    for figure in ["--face: 38% 34%;", "--name: 45% 30%;", "--name: 55% 74%;"] {
        assert!(SHEET.contains(figure), "{figure} is what was checked");
    }
}

/// Colours by name; the dark theme overrides the light one.
fn tokens(is_dark: bool) -> BTreeMap<&'static str, Rgb> {
    let (light, rest) = SHEET.split_once("prefers-color-scheme: dark").unwrap();
    let (dark, _) = rest.split_once("\n} }").unwrap();
    let sheets = if is_dark {
        vec![light, dark]
    } else {
        vec![light]
    };
    let declared = sheets.into_iter().flat_map(|sheet| sheet.split(';'));
    declared
        .filter_map(|line| {
            let (name, value) = line.rsplit_once("--")?.1.split_once(':')?;
            Some((name.trim(), hex(value.trim())?))
        })
        .collect()
}

fn hex(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some([part(0)?, part(2)?, part(4)?].map(|byte| f64::from(byte) / 255.0))
}

fn hsl(hue: f64, saturation: f64, lightness: f64) -> Rgb {
    let (saturation, lightness) = (saturation / 100.0, lightness / 100.0);
    let reach = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k: f64 = (offset + hue / 30.0) % 12.0;
        lightness - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)
    })
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let luminance = |colour: Rgb| {
        let [red, green, blue] = colour.map(|part| {
            if part <= 0.03928 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
