//! One group on one connection: what was sent, and whether there is more.

use roost_wire::Seq;

/// How far the device was sent a group's log.
#[derive(Debug)]
pub struct Follow {
    pub sent: Seq,
    /// There may be entries after `sent` that have to be read from the log.
    pub behind: bool,
    /// The highest entry seen to exist.
    pub hint: Seq,
}

impl Follow {
    pub const fn from(cursor: Seq) -> Self {
        Self {
            sent: cursor,
            behind: true,
            hint: cursor,
        }
    }

    /// Whether a live entry may be sent now: it is the next one, and there is credit. If it is
    /// not, the log is read later.
    pub fn takes(&mut self, seq: Seq, credit: u32) -> bool {
        self.hint = self.hint.max(seq);
        if seq <= self.sent {
            return false;
        }
        if self.behind || credit == 0 || seq != self.sent.next() {
            self.behind = true;
            return false;
        }
        self.sent = seq;
        true
    }
}
