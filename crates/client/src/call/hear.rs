//! What other devices say about calls.
//!
//! Owns who may say what: of the caller's device, the called account's devices and one's own others,
//! each has its words, and every other is not heard. Letters come with a checked signature.

use super::RingId;
use super::letter::{Letter, Parcel, Why, Word};
use super::link::Link;
use super::machine::{Calls, Deed, FORGED, Scene, TAKEN_AGAIN_MS};
use super::past::REPLY_MS;
use super::stage::{Answering, Facts, Joined, Party, Ringing, Stage, Tally};
use super::view::CallEnd;
use crate::port::Moment;
use roost_wire::Seconds;

/// A ring that is older, or ahead, by the server's clock is not heard.
const RING_SECONDS: u64 = 60;
/// A device that has a call and rings anew has lost it, unless the ring is from before.
const ANEW_SECONDS: u64 = 3;

const STRANGER: &str = "A device that was not called answered, so the call was ended. Call again, and if it happens \
     again, compare safety numbers.";
const GAVE_UP: &str = "The other side could not go on with the call. Call them back.";

/// A ring of a call that is new here.
struct NewRing {
    ring: RingId,
    video: bool,
    time: Seconds,
    tally: Tally,
}

impl Calls {
    /// Takes a letter whose signature was checked.
    pub(crate) fn hear(&mut self, scene: &Scene, from: &Party, letter: Letter) {
        let (ring, counter) = (letter.ring, letter.counter);
        let is_here = |facts: &Facts| facts.group == scene.group;
        if let Some(call) = self.live(ring) {
            if is_here(&call.facts) && call.tally.is_news(&from.key, counter) {
                self.hear_of_call(scene, from, letter.word);
                self.tick(scene.now);
            }
        } else if self.past.has(&ring) {
            let about = (ring, counter);
            let me = &scene.me.device;
            let post = self.past.hear(me, from, about, &letter.word, scene.now);
            self.deeds.extend(post.map(Deed::Post));
        } else if let Word::Ring { video, .. } = letter.word {
            let mut tally = Tally::default();
            tally.is_news(&from.key, counter);
            let time = letter.time;
            let new = NewRing {
                ring,
                video,
                time,
                tally,
            };
            self.hear_new_ring(scene, from, new);
            self.tick(scene.now);
        }
    }

    fn hear_new_ring(&mut self, scene: &Scene, from: &Party, new: NewRing) {
        let age = scene.time.get().abs_diff(new.time.get());
        let is_mine = from.account == scene.me.account;
        let is_deaf = !self.is_ready && !self.is_on();
        if is_deaf || is_mine || scene.peer != Some(from.account) || age > RING_SECONDS {
            return;
        }
        let Some(call) = self.call.as_ref().filter(|_| self.is_on()) else {
            return self.ring(scene, from, new);
        };
        match &call.stage {
            Stage::Calling(_) if call.facts.group == scene.group && scene.is_trusted => {
                // Both call each other: the lower name stands, and counts as answered.
                if new.ring < call.facts.ring {
                    self.give_way(scene, from, new);
                }
            }
            Stage::Ringing(Ringing { caller, time, .. })
            | Stage::Answering(Answering { caller, time, .. })
                if caller.key == from.key =>
            {
                if new.time >= *time {
                    self.end(CallEnd::Missed, None, scene.now);
                    self.ring(scene, from, new);
                }
            }
            Stage::Joined(joined) if joined.peer.key == from.key => {
                if new.time > joined.time.plus(ANEW_SECONDS) {
                    self.end(CallEnd::Lost, None, scene.now);
                    self.ring(scene, from, new);
                }
            }
            Stage::Calling(_)
            | Stage::Ringing(_)
            | Stage::Answering(_)
            | Stage::Joined(_)
            | Stage::Over(_) => self.be_busy(scene, new),
        }
    }

    fn ring(&mut self, scene: &Scene, from: &Party, new: NewRing) {
        let (now, time) = (scene.now, new.time);
        let stage = Stage::Ringing(Ringing {
            caller: from.clone(),
            began: now,
            time,
            heard: now,
            replied: now,
        });
        let facts = facts_of(scene, from, &new);
        self.begin(facts, new.tally, stage);
        self.post(Word::Ringing);
    }

    /// Takes the other's call in place of one's own.
    fn give_way(&mut self, scene: &Scene, from: &Party, new: NewRing) {
        let with_video = self.call.as_ref().is_some_and(|call| call.facts.video);
        let (now, time) = (scene.now, new.time);
        self.end(
            CallEnd::AnsweredElsewhere,
            Some(Word::Over(Why::Replaced)),
            now,
        );
        let stage = Stage::Answering(Answering {
            caller: from.clone(),
            time,
            with_video,
            since: now,
            say_at: now,
            tries: 0,
            link: Link::default(),
        });
        let facts = facts_of(scene, from, &new);
        self.begin(facts, new.tally, stage);
    }

    fn be_busy(&mut self, scene: &Scene, new: NewRing) {
        let busy = Some(Word::Busy);
        let post = self
            .past
            .add(new.ring, scene.group, new.tally, busy, scene.now);
        self.deeds.extend(post.map(Deed::Post));
    }

    fn hear_of_call(&mut self, scene: &Scene, from: &Party, word: Word) {
        match self.call.as_ref().map(|call| &call.stage) {
            Some(Stage::Calling(_)) => self.hear_calling(scene, from, word),
            Some(Stage::Ringing(_)) => self.hear_ringing(scene, from, word),
            Some(Stage::Answering(_)) => self.hear_answering(scene, from, word),
            Some(Stage::Joined(_)) => self.hear_joined(scene, from, word),
            Some(Stage::Over(_)) | None => {}
        }
    }

    /// Only the devices that were called have a say.
    fn hear_calling(&mut self, scene: &Scene, from: &Party, word: Word) {
        let now = scene.now;
        let Some(call) = &mut self.call else { return };
        let Stage::Calling(calling) = &mut call.stage else {
            return;
        };
        if from.account != call.facts.peer {
            return;
        }
        match word {
            Word::Ringing => {
                calling.busy.remove(&from.device);
                calling.ringing.insert(from.device);
                self.deeds.push(Deed::Changed);
            }
            Word::Busy => {
                calling.ringing.remove(&from.device);
                calling.busy.insert(from.device);
                calling.busy_since.get_or_insert(now);
                self.deeds.push(Deed::Changed);
            }
            Word::Accept { video } => self.give_to(scene, from, video),
            Word::Decline | Word::Over(_) => {
                let last = Word::Over(Why::Declined);
                self.end(CallEnd::Declined, Some(last), now);
            }
            Word::Parcel(parcel) if parcel.to == scene.me.device => self.fail(STRANGER, now),
            Word::Parcel(_) | Word::Ring { .. } | Word::Taken { .. } => {}
        }
    }

    /// The first device that accepts has the call.
    fn give_to(&mut self, scene: &Scene, from: &Party, video: bool) {
        let now = scene.now;
        let mut joined = Joined::new(from.clone(), video, Link::default(), scene.time, now);
        joined.taken_at = TAKEN_AGAIN_MS.map(|after| now.plus_millis(after)).to_vec();
        if let Some(call) = &mut self.call {
            call.stage = Stage::Joined(joined);
        }
        self.mark(true);
        let device = from.device;
        self.post(Word::Taken { device });
        self.deeds.push(Deed::Changed);
    }

    /// The caller may take the ring back; one's other devices may take or refuse the call.
    fn hear_ringing(&mut self, scene: &Scene, from: &Party, word: Word) {
        let now = scene.now;
        let Some(call) = &mut self.call else { return };
        let Stage::Ringing(ringing) = &mut call.stage else {
            return;
        };
        let is_sibling = from.account == scene.me.account;
        if ringing.caller.key != from.key && !is_sibling {
            return;
        }
        match word {
            Word::Ring { heard, .. } if !is_sibling => {
                ringing.heard = now;
                let is_known = heard.as_slice().contains(&scene.me.device);
                if !is_known && has_passed(ringing.replied, now) {
                    ringing.replied = now;
                    self.post(Word::Ringing);
                }
            }
            Word::Taken { device } if !is_sibling && device != scene.me.device => {
                self.end(CallEnd::AnsweredElsewhere, None, now);
            }
            Word::Over(why) if !is_sibling => self.end(ended_unanswered(why), None, now),
            Word::Accept { .. } if is_sibling => self.end(CallEnd::AnsweredElsewhere, None, now),
            Word::Decline if is_sibling => self.end(CallEnd::Declined, None, now),
            Word::Ring { .. }
            | Word::Ringing
            | Word::Busy
            | Word::Accept { .. }
            | Word::Decline
            | Word::Taken { .. }
            | Word::Over(_)
            | Word::Parcel(_) => {}
        }
    }

    /// The caller says who has the call.
    fn hear_answering(&mut self, scene: &Scene, from: &Party, word: Word) {
        let now = scene.now;
        let Some(call) = &mut self.call else { return };
        let Stage::Answering(answering) = &mut call.stage else {
            return;
        };
        if answering.caller.key != from.key {
            return;
        }
        let me = scene.me.device;
        match word {
            Word::Taken { device } if device == me => self.join(scene),
            Word::Taken { .. } => self.end(CallEnd::AnsweredElsewhere, None, now),
            Word::Parcel(parcel) if parcel.to == me => {
                self.join(scene);
                self.open(parcel, now);
            }
            Word::Over(Why::Cancelled | Why::HungUp) => {
                let by = from.account;
                self.end(CallEnd::HungUp { by }, None, now);
            }
            Word::Over(why) => self.end(ended_unanswered(why), None, now),
            Word::Ring { .. }
            | Word::Ringing
            | Word::Busy
            | Word::Accept { .. }
            | Word::Decline
            | Word::Parcel(_) => {}
        }
    }

    /// This device has the call; what its peer connection said meanwhile goes out.
    fn join(&mut self, scene: &Scene) {
        let Some(call) = &mut self.call else { return };
        let Stage::Answering(answering) = &mut call.stage else {
            return;
        };
        let link = std::mem::take(&mut answering.link);
        let (caller, video) = (answering.caller.clone(), answering.with_video);
        let joined = Joined::new(caller, video, link, scene.time, scene.now);
        call.stage = Stage::Joined(joined);
        self.deeds.push(Deed::Changed);
    }

    fn hear_joined(&mut self, scene: &Scene, from: &Party, word: Word) {
        let now = scene.now;
        let Some(call) = &mut self.call else { return };
        let Stage::Joined(joined) = &mut call.stage else {
            return;
        };
        if joined.peer.key != from.key {
            let is_theirs = from.account == call.facts.peer;
            return self.hear_other(scene, is_theirs, &word);
        }
        joined.heard = now;
        match word {
            Word::Parcel(parcel) if parcel.to == scene.me.device => self.open(parcel, now),
            Word::Over(Why::Failed) => self.end(CallEnd::Failed(GAVE_UP.into()), None, now),
            Word::Over(Why::Forged) => self.end(CallEnd::Failed(FORGED.into()), None, now),
            Word::Over(_) => {
                let by = from.account;
                self.end(CallEnd::HungUp { by }, None, now);
            }
            Word::Accept { .. } => self.say_taken(now),
            Word::Parcel(_)
            | Word::Ring { .. }
            | Word::Ringing
            | Word::Busy
            | Word::Decline
            | Word::Taken { .. } => {}
        }
    }

    /// A device that has no part in the call.
    fn hear_other(&mut self, scene: &Scene, is_theirs: bool, word: &Word) {
        match word {
            Word::Parcel(parcel) if is_theirs && parcel.to == scene.me.device => {
                self.fail(STRANGER, scene.now);
            }
            Word::Accept { .. } | Word::Ringing if is_theirs => self.say_taken(scene.now),
            Word::Ring { .. }
            | Word::Ringing
            | Word::Busy
            | Word::Accept { .. }
            | Word::Decline
            | Word::Taken { .. }
            | Word::Over(_)
            | Word::Parcel(_) => {}
        }
    }

    /// Somebody has not heard who has the call.
    fn say_taken(&mut self, now: Moment) {
        let Some(call) = &mut self.call else { return };
        if let Stage::Joined(joined) = &mut call.stage
            && call.facts.outgoing
            && has_passed(joined.taken_said, now)
        {
            joined.taken_said = now;
            let device = joined.peer.device;
            self.post(Word::Taken { device });
        }
    }

    /// Hands on what the other peer connection says.
    fn open(&mut self, parcel: Parcel, now: Moment) {
        let Some(call) = &mut self.call else { return };
        if let Stage::Joined(joined) = &mut call.stage {
            let call = call.facts.ring;
            let signals = joined.link.hear(parcel, now).into_iter();
            let deeds = signals.map(|signal| Deed::Signal { call, signal });
            self.deeds.extend(deeds);
        }
    }
}

fn facts_of(scene: &Scene, from: &Party, new: &NewRing) -> Facts {
    Facts {
        ring: new.ring,
        group: scene.group,
        me: scene.me.account,
        peer: from.account,
        outgoing: false,
        video: new.video,
    }
}

/// How a call ends for a device that did not have it yet.
fn ended_unanswered(why: Why) -> CallEnd {
    match why {
        Why::Cancelled | Why::HungUp | Why::Failed | Why::Forged => CallEnd::Missed,
        Why::Replaced => CallEnd::AnsweredElsewhere,
        Why::Declined => CallEnd::Declined,
    }
}

fn has_passed(last: Moment, now: Moment) -> bool {
    now.since(last) >= REPLY_MS || now < last
}
