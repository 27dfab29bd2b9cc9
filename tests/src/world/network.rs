//! The network between the nodes: a queue of what is under way, and the weather it travels in.
//!
//! Owns delays, losses and doubles of requests and the order of frames: requests overtake each
//! other and anything else, frames of one connection stay in order until it breaks. Knows nothing
//! of what it carries but signs of life.

use super::dice::Seeded;
use roost_client::{CallId, HttpCall, HttpReply, Moment, Unreachable};
use roost_wire::frame::{ClientFrame, ServerFrame};
use std::collections::BTreeMap;

/// Names a connection for the whole story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(pub u64);

/// A client, and which of its lives: what was meant for an earlier life reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    pub client: usize,
    pub life: u32,
}

/// Something under way.
#[derive(Debug)]
pub enum Parcel {
    /// A request, for the server.
    Request {
        from: Life,
        call: HttpCall,
        echo: bool,
    },
    /// Its answer, or the news that none will come.
    Answer {
        to: Life,
        call: CallId,
        result: Result<HttpReply, Unreachable>,
    },
    /// A socket to be opened at this path.
    Dial {
        from: Life,
        line: Line,
        path: String,
    },
    Dialled {
        to: Life,
        line: Line,
        open: bool,
    },
    FrameUp {
        line: Line,
        frame: Vec<u8>,
    },
    FrameDown {
        to: Life,
        line: Line,
        frame: Vec<u8>,
    },
    /// The client's end is closed.
    HangUp {
        line: Line,
    },
    /// The server's end is closed.
    HungUp {
        to: Life,
        line: Line,
    },
    /// A client asked to be woken.
    Wake {
        to: Life,
        serial: u64,
    },
    /// A client that crashed starts again.
    ClientStarts {
        client: usize,
    },
    ServerStarts,
    /// The server's housekeeping is due.
    Housekeeping,
}

impl Parcel {
    /// Whether something is still happening, as opposed to a clock that will ring one day.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::Wake { .. } | Self::Housekeeping => false,
            // Signs of life never end.
            Self::FrameUp { frame, .. } => *frame != ClientFrame::Ping.to_bytes(),
            Self::FrameDown { frame, .. } => *frame != ServerFrame::Pong.to_bytes(),
            _ => true,
        }
    }
}

/// How rough the network is; chances are in 1,000.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub delay_ms: (u64, u64),
    pub request_lost: u64,
    pub answer_lost: u64,
    pub request_doubled: u64,
    /// For each frame: the connection breaks in its place.
    pub line_breaks: u64,
}

impl Weather {
    /// Nothing is lost.
    pub const CALM: Self = Self {
        delay_ms: (1, 20),
        request_lost: 0,
        answer_lost: 0,
        request_doubled: 0,
        line_breaks: 0,
    };
}

/// After so long a client gives a lost request up.
pub const TIME_OUT_MS: u64 = 10_000;

/// What is under way, by the moment it arrives.
pub struct Network {
    queue: BTreeMap<(Moment, u64), Parcel>,
    under_way: usize,
    serial: u64,
    pub weather: Weather,
    pub dice: Seeded,
    /// Frames of a line arrive in order: the earliest moment for the next, up and down.
    lines: BTreeMap<Line, [Moment; 2]>,
    drop_next: u32,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Up,
    Down,
}

impl Network {
    #[must_use]
    pub fn new(dice: Seeded) -> Self {
        Self {
            queue: BTreeMap::new(),
            under_way: 0,
            serial: 0,
            weather: Weather::CALM,
            dice,
            lines: BTreeMap::new(),
            drop_next: 0,
        }
    }

    /// The next so many requests or frames are lost (a lost frame breaks its connection).
    pub fn drop_next(&mut self, count: u32) {
        self.drop_next = count;
    }

    /// Puts a parcel on its way without any weather.
    pub fn at(&mut self, moment: Moment, parcel: Parcel) {
        self.under_way += usize::from(parcel.is_under_way());
        self.serial += 1;
        self.queue.insert((moment, self.serial), parcel);
    }

    pub fn take(&mut self) -> Option<(Moment, Parcel)> {
        let ((moment, _), parcel) = self.queue.pop_first()?;
        self.under_way -= usize::from(parcel.is_under_way());
        Some((moment, parcel))
    }

    /// When the next parcel arrives.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        self.queue.first_key_value().map(|((moment, _), _)| *moment)
    }

    /// When the next of the clients' alarms rings.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        self.queue
            .iter()
            .find(|(_, parcel)| matches!(parcel, Parcel::Wake { .. }))
            .map(|((moment, _), _)| *moment)
    }

    /// Whether nothing is under way but alarms.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.under_way == 0
    }

    /// A request on its way, perhaps twice, perhaps not at all.
    pub fn request(&mut self, now: Moment, from: Life, call: HttpCall) {
        if self.is_lost(self.weather.request_lost) {
            return self.give_up(now, from, call.id);
        }
        if self.dice.chance(self.weather.request_doubled) {
            let moment = self.later(now);
            let call = call.clone();
            self.at(
                moment,
                Parcel::Request {
                    from,
                    call,
                    echo: true,
                },
            );
        }
        let moment = self.later(now);
        self.at(
            moment,
            Parcel::Request {
                from,
                call,
                echo: false,
            },
        );
    }

    pub fn answer(&mut self, now: Moment, to: Life, call: CallId, reply: HttpReply) {
        if self.is_lost(self.weather.answer_lost) {
            return self.give_up(now, to, call);
        }
        let moment = self.later(now);
        let result = Ok(reply);
        self.at(moment, Parcel::Answer { to, call, result });
    }

    /// No answer will come; the client notices after a while.
    pub fn give_up(&mut self, now: Moment, to: Life, call: CallId) {
        let result = Err(Unreachable);
        self.at(
            now.plus_millis(TIME_OUT_MS),
            Parcel::Answer { to, call, result },
        );
    }

    pub fn dial(&mut self, now: Moment, from: Life, path: String) -> Line {
        self.serial += 1;
        let line = Line(self.serial);
        self.lines.insert(line, [now; 2]);
        let moment = self.in_order(now, line, Way::Up);
        self.at(moment, Parcel::Dial { from, line, path });
        line
    }

    pub fn dialled(&mut self, now: Moment, to: Life, line: Line, open: bool) {
        let moment = self.in_order(now, line, Way::Down);
        self.at(moment, Parcel::Dialled { to, line, open });
    }

    /// A frame for the server. False: the connection broke instead.
    pub fn frame_up(&mut self, now: Moment, line: Line, frame: Vec<u8>) -> bool {
        if self.is_lost(self.weather.line_breaks) {
            return false;
        }
        let moment = self.in_order(now, line, Way::Up);
        self.at(moment, Parcel::FrameUp { line, frame });
        true
    }

    /// A frame for the client. False: the connection broke instead.
    pub fn frame_down(&mut self, now: Moment, to: Life, line: Line, frame: Vec<u8>) -> bool {
        if self.is_lost(self.weather.line_breaks) {
            return false;
        }
        let moment = self.in_order(now, line, Way::Down);
        self.at(moment, Parcel::FrameDown { to, line, frame });
        true
    }

    /// The client's end was closed; the server learns it.
    pub fn hang_up(&mut self, now: Moment, line: Line) {
        let moment = self.in_order(now, line, Way::Up);
        self.at(moment, Parcel::HangUp { line });
    }

    /// The server's end was closed; the client learns it.
    pub fn hung_up(&mut self, now: Moment, to: Life, line: Line) {
        let moment = self.in_order(now, line, Way::Down);
        self.at(moment, Parcel::HungUp { to, line });
    }

    /// What is under way on a line is lost.
    pub fn cut(&mut self, cut: Line) {
        self.queue.retain(|_, parcel| {
            !matches!(parcel, Parcel::FrameUp { line, .. } | Parcel::FrameDown { line, .. }
                if *line == cut)
        });
        let left = self.queue.values();
        self.under_way = left.filter(|parcel| parcel.is_under_way()).count();
    }

    fn is_lost(&mut self, chance: u64) -> bool {
        if self.drop_next > 0 {
            self.drop_next -= 1;
            return true;
        }
        self.dice.chance(chance)
    }

    fn later(&mut self, now: Moment) -> Moment {
        let (low, high) = self.weather.delay_ms;
        now.plus_millis(self.dice.between(low, high))
    }

    fn in_order(&mut self, now: Moment, line: Line, way: Way) -> Moment {
        let moment = self.later(now);
        let earliest = self.lines.entry(line).or_insert([now; 2]);
        let slot = &mut earliest[match way {
            Way::Up => 0,
            Way::Down => 1,
        }];
        *slot = moment.max(*slot);
        *slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_millis(1_000);

    #[test]
    fn frames_of_one_line_stay_in_order_whatever_their_delays() {
        let mut network = Network::new(Seeded::new(3));
        network.weather.delay_ms = (1, 1_000);
        let life = Life { client: 0, life: 0 };
        let line = network.dial(NOW, life, String::new());

        for number in 0..50 {
            assert!(network.frame_up(NOW, line, vec![number]));
        }

        let frames: Vec<u8> = std::iter::from_fn(|| network.take())
            .filter_map(|(_, parcel)| match parcel {
                Parcel::FrameUp { frame, .. } => frame.first().copied(),
                _ => None,
            })
            .collect();
        assert_eq!(frames, (0..50).collect::<Vec<u8>>());
    }

    #[test]
    fn a_dropped_frame_breaks_its_line() {
        let mut network = Network::new(Seeded::new(3));
        let line = network.dial(NOW, Life { client: 0, life: 0 }, String::new());

        network.drop_next(1);

        assert!(!network.frame_up(NOW, line, vec![1]));
        assert!(network.frame_up(NOW, line, vec![2]));
    }
}
