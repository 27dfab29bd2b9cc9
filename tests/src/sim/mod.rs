//! Stories made of dice: many devices, a bad network, crashes, racing and broken commits.
//!
//! Owns the making of stories ([`story`]) and what must be true at their end ([`judge`]).

pub mod judge;
pub mod story;

pub use judge::Verdict;

use crate::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of stories that went wrong once, each through a bug that was mended since.
pub const REGRESSIONS: [u64; 10] = [67, 108, 421, 492, 2116, 2800, 3764, 4399, 5741, 7361];

/// Plays the story of one seed and judges it.
#[must_use]
pub fn play(seed: u64, traced: bool) -> Verdict {
    let world = World::seeded(seed);
    if traced {
        world.write_down();
    }
    let played = catch_unwind(AssertUnwindSafe(|| {
        let story = story::Story::play(&world, seed);
        judge::judge(&world, &story)
    }));
    let mut verdict = played.unwrap_or_else(|panic| Verdict::broken(&describe(&*panic)));
    if traced {
        let trace = world.try_stage().and_then(|mut stage| stage.trace.take());
        let mut told = trace.unwrap_or_default();
        told.append(&mut verdict.trace);
        verdict.trace = told;
    }
    verdict
}

fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without words"))
}
