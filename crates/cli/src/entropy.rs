//! The only reader of the system's randomness in this package.

use roost_client::Dice;

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDice;

impl Dice for SystemDice {
    #[expect(
        clippy::disallowed_methods,
        reason = "this shell throws the dice for the core"
    )]
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("an operating system without randomness is not supported");
    }
}
