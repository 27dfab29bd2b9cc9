//! Bounds of one server, and what of them each of several has.

use crate::strangers::Answers;

/// A relay by UDP, by TCP and by TLS.
const HOLDER_ALLOCATIONS_MIN: usize = 3;

/// Bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub allocations_max: usize,
    pub allocations_per_holder_max: usize,
    /// Of one allocation, each way together.
    pub bytes_per_second: u64,
    /// To one address, for who has not proved who they are.
    pub answers: Answers,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_max: 1_000,
            allocations_per_holder_max: 16,
            bytes_per_second: 2_000_000,
            answers: Answers::default(),
        }
    }
}

impl Limits {
    /// For a server with so many ports: one holder has a quarter of them at most, but at least as many
    /// as one end of a call tries.
    #[must_use]
    pub fn with_ports(self, ports: usize) -> Self {
        let share = (ports / 4).max(HOLDER_ALLOCATIONS_MIN);
        Self {
            allocations_per_holder_max: self.allocations_per_holder_max.min(share),
            ..self
        }
    }

    /// For each of so many servers that share what one may do, and do not know of each other. Each
    /// may do something.
    #[must_use]
    pub fn shared(self, servers: u16) -> Self {
        let servers = servers.max(1);
        let share = |all: usize| (all / usize::from(servers)).max(1);
        let answers = |all: u32| (all / u32::from(servers)).max(1);
        Self {
            allocations_max: share(self.allocations_max),
            allocations_per_holder_max: share(self.allocations_per_holder_max),
            bytes_per_second: self.bytes_per_second,
            answers: Answers {
                at_once: answers(self.answers.at_once),
                per_second: answers(self.answers.per_second),
            },
        }
    }
}
