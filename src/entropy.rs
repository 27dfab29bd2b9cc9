//! The only reader of the system's randomness. Everything else is handed dice.

/// A source of random bytes. Must be unpredictable outside simulations.
pub trait Dice: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Dice {
    /// So many fresh random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDice;

impl Dice for SystemDice {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is where the system's generator is read"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("the system has a random generator; without one nothing here is safe to do");
    }
}
