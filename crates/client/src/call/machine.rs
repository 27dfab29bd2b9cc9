//! The calls of one device: at most one is on.
//!
//! Owns what the person may do and what time brings. Feed one input, take the deeds, come back at the
//! deadline. What other devices say is in `hear`.

use super::RingId;
use super::letter::{Why, Word};
use super::link::Link;
use super::media::MediaSignal;
use super::past::Pasts;
use super::stage::{Answering, Calling, Facts, Joined, Party, Stage, Tally};
use super::view::{CallEnd, CallView};
use crate::content::{CallLine, CallOutcome};
use crate::port::Moment;
use crate::view::Trust;
use minicbor::{Decode, Encode};
use roost_wire::{AccountId, GroupId, List, Seconds};
use std::collections::BTreeSet;

const RING_EVERY_MS: u64 = 2_000;
const RING_MS: u64 = 45_000;
/// A caller that was heard no more has gone.
const SILENCE_MS: u64 = 15_000;
/// No device rings longer, whatever it hears.
const RING_MAX_MS: u64 = 60_000;
/// So long another device may say that it rings, when one is busy.
const BUSY_MS: u64 = 4_000;
/// By then the caller must say who has the call.
const ANSWER_MS: u64 = 15_000;
const ACCEPT_FIRST_MS: u64 = 500;
const ACCEPT_MAX_MS: u64 = 2_000;
/// By then two browsers must have found each other.
const CONNECT_MS: u64 = 60_000;
/// A broken connection may take so long to come back while nothing is heard, and at most so long.
const LOST_MS: u64 = 30_000;
const LOST_MAX_MS: u64 = 120_000;
/// Who has the call is said again after so long, for devices that still ring.
pub(super) const TAKEN_AGAIN_MS: [u64; 3] = [1_000, 3_000, 6_000];

const NO_ANSWER: &str = "The other side did not go on with the call. Call them back.";
const NO_CONNECTION: &str =
    "No connection to the other side could be made. Check your network, and call again.";
pub(super) const FORGED: &str = "The two ends of this call do not have the keys that were named to each other, so it was ended: \
     somebody in between may have changed them. Call again, and if it happens again, compare safety \
     numbers.";
const TOO_MUCH: &str = "The other side could not be reached any more. Call again.";

/// Why the person cannot do that; a sentence for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("You are in a call already. Hang up first.")]
    CallOn,
    #[error("This call is over.")]
    NoSuchCall,
}

/// What the machine must know of the world when it hears something.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub group: GroupId,
    pub me: Party,
    /// The other person, in a direct conversation.
    pub peer: Option<AccountId>,
    /// Their key did not change unannounced.
    pub is_trusted: bool,
    pub time: Seconds,
    pub now: Moment,
}

/// A letter to be stamped, signed, sealed and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    pub group: GroupId,
    pub ring: RingId,
    pub counter: u64,
    pub word: Word,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Post(Post),
    Changed,
    Signal {
        call: RingId,
        signal: MediaSignal,
    },
    /// Store this, in place of the last; none: nothing of this device's is on.
    Mark(Option<Marker>),
    /// Say in the conversation that this call is over.
    Write {
        group: GroupId,
        line: CallLine,
    },
}

/// What is stored of a call that this device made, for the line it leaves after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Marker {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub ring: RingId,
    #[n(2)]
    pub video: bool,
    #[n(3)]
    pub answered: bool,
}

impl Marker {
    /// The line of a call whose end nobody here has seen.
    pub(crate) const fn line(&self) -> CallLine {
        let outcome = if self.answered {
            CallOutcome::Talked { seconds: None }
        } else {
            CallOutcome::Missed
        };
        CallLine {
            ring: self.ring,
            video: self.video,
            outcome,
        }
    }
}

#[derive(Debug)]
pub(super) struct Call {
    pub facts: Facts,
    pub tally: Tally,
    pub stage: Stage,
}

/// All calls of this device.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(super) is_ready: bool,
    pub(super) call: Option<Call>,
    pub(super) past: Pasts,
    pub(super) deeds: Vec<Deed>,
}

impl Calls {
    /// Whether calls of others are heard here.
    pub(crate) fn ring_here(&mut self, is_ready: bool) {
        self.is_ready = is_ready;
    }

    pub(crate) fn start(
        &mut self,
        ring: RingId,
        scene: &Scene,
        video: bool,
    ) -> Result<(), Refusal> {
        let peer = scene.peer.ok_or(Refusal::NoSuchCall)?;
        if self.is_on() {
            return Err(Refusal::CallOn);
        }
        let facts = Facts {
            ring,
            group: scene.group,
            me: scene.me.account,
            peer,
            outgoing: true,
            video,
        };
        let stage = Stage::Calling(Calling {
            began: scene.now,
            ring_at: scene.now,
            ringing: BTreeSet::new(),
            busy: BTreeSet::new(),
            busy_since: None,
        });
        self.begin(facts, Tally::default(), stage);
        self.mark(false);
        self.tick(scene.now);
        Ok(())
    }

    pub(crate) fn accept(&mut self, ring: RingId, video: bool, now: Moment) -> Result<(), Refusal> {
        let call = self.live(ring).ok_or(Refusal::NoSuchCall)?;
        let Stage::Ringing(ringing) = &call.stage else {
            return Err(Refusal::NoSuchCall);
        };
        call.stage = Stage::Answering(Answering {
            caller: ringing.caller.clone(),
            time: ringing.time,
            with_video: video,
            since: now,
            say_at: now,
            tries: 0,
            link: Link::default(),
        });
        self.deeds.push(Deed::Changed);
        self.tick(now);
        Ok(())
    }

    pub(crate) fn decline(&mut self, ring: RingId, now: Moment) -> Result<(), Refusal> {
        let call = self.live(ring).ok_or(Refusal::NoSuchCall)?;
        if !matches!(call.stage, Stage::Ringing(_)) {
            return Err(Refusal::NoSuchCall);
        }
        self.end(CallEnd::Declined, Some(Word::Decline), now);
        Ok(())
    }

    /// Ends the call, whatever its stage; nothing if it is over.
    pub(crate) fn hang_up(&mut self, ring: RingId, now: Moment) {
        let Some(call) = self.live(ring) else {
            return;
        };
        let by = call.facts.me;
        let (reason, word) = match call.stage {
            Stage::Ringing(_) => (CallEnd::Declined, Word::Decline),
            Stage::Calling(_) => (CallEnd::HungUp { by }, Word::Over(Why::Cancelled)),
            Stage::Answering(_) | Stage::Joined(_) => {
                (CallEnd::HungUp { by }, Word::Over(Why::HungUp))
            }
            Stage::Over(_) => return,
        };
        self.end(reason, Some(word), now);
    }

    /// What the own peer connection says; too late, it is dropped.
    pub(crate) fn signal(&mut self, ring: RingId, signal: MediaSignal, now: Moment) {
        let link = match self.live(ring).map(|call| &mut call.stage) {
            Some(Stage::Answering(answering)) => &mut answering.link,
            Some(Stage::Joined(joined)) => &mut joined.link,
            Some(Stage::Calling(_) | Stage::Ringing(_) | Stage::Over(_)) | None => return,
        };
        // A candidate is one way among many: where there is no room for another, the call tries those it has.
        let is_needed = !matches!(signal, MediaSignal::Candidate { .. });
        if link.push(signal).is_err() && is_needed {
            self.fail(TOO_MUCH, now);
        }
        self.tick(now);
    }

    pub(crate) fn connected(&mut self, ring: RingId, now: Moment) {
        if let Some(Stage::Joined(joined)) = self.live(ring).map(|call| &mut call.stage) {
            joined.lost = None;
            if joined.talking.is_none() {
                joined.talking = Some(now);
                self.deeds.push(Deed::Changed);
            }
        }
    }

    pub(crate) fn lost(&mut self, ring: RingId, now: Moment) {
        if let Some(Stage::Joined(joined)) = self.live(ring).map(|call| &mut call.stage) {
            joined.lost.get_or_insert(now);
        }
    }

    /// Whoever answered the connection is not who was named in signals.
    pub(crate) fn forged(&mut self, ring: RingId, now: Moment) {
        if self.live(ring).is_some() {
            let reason = CallEnd::Failed(FORGED.to_owned());
            self.end(reason, Some(Word::Over(Why::Forged)), now);
        }
    }

    /// Forgets a call that has ended.
    pub(crate) fn dismiss(&mut self) {
        if self.call.is_some() && !self.is_on() {
            self.call = None;
            self.deeds.push(Deed::Changed);
        }
    }

    /// The call cannot go on; a sentence for the person.
    pub(crate) fn fail(&mut self, reason: &str, now: Moment) {
        if self.is_on() {
            let reason = CallEnd::Failed(reason.to_owned());
            self.end(reason, Some(Word::Over(Why::Failed)), now);
        }
    }

    /// Letters arrive again: what waits is said at once.
    pub(crate) fn hasten(&mut self, now: Moment) {
        match self.call.as_mut().map(|call| &mut call.stage) {
            Some(Stage::Calling(calling)) => calling.ring_at = now,
            Some(Stage::Answering(answering)) => answering.say_at = now,
            Some(Stage::Joined(joined)) => joined.link.hasten(now),
            Some(Stage::Ringing(_) | Stage::Over(_)) | None => {}
        }
        self.tick(now);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Moment) {
        for post in self.past.tick(now) {
            self.deeds.push(Deed::Post(post));
        }
        if let Some((reason, last)) = self.over_by(now) {
            self.end(reason, last, now);
        }
        while let Some(word) = self.due_word(now) {
            self.post(word);
        }
    }

    /// What is to be done since the last call.
    pub(crate) fn take(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds)
    }

    /// When `tick` has something to do.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let own = self.call.as_ref().and_then(|call| deadline_of(&call.stage));
        own.into_iter().chain(self.past.deadline()).min()
    }

    pub(crate) fn view(&self, trust: impl FnOnce(&AccountId) -> Trust) -> Option<CallView> {
        let Call { facts, stage, .. } = self.call.as_ref()?;
        Some(CallView {
            call: facts.ring,
            group: facts.group,
            peer: facts.peer,
            outgoing: facts.outgoing,
            video: facts.video,
            peer_device: stage.peer_device(),
            answered_with_video: stage.with_video(),
            stage: stage.view(),
            trust: trust(&facts.peer),
        })
    }

    /// The conversation of the call that is on, and the device at its other end.
    pub(crate) fn partner(&self) -> Option<(GroupId, Option<&Party>)> {
        let call = self.call.as_ref()?;
        match &call.stage {
            Stage::Over(_) => None,
            Stage::Calling(_) => Some((call.facts.group, None)),
            Stage::Ringing(ringing) => Some((call.facts.group, Some(&ringing.caller))),
            Stage::Answering(answering) => Some((call.facts.group, Some(&answering.caller))),
            Stage::Joined(joined) => Some((call.facts.group, Some(&joined.peer))),
        }
    }

    /// Whether the call with this name is on.
    pub(crate) fn is_at(&self, ring: &RingId) -> bool {
        let call = self.call.as_ref();
        self.is_on() && call.is_some_and(|call| call.facts.ring == *ring)
    }

    pub(super) fn is_on(&self) -> bool {
        let call = self.call.as_ref();
        call.is_some_and(|call| !matches!(call.stage, Stage::Over(_)))
    }

    pub(super) fn begin(&mut self, facts: Facts, tally: Tally, stage: Stage) {
        self.call = Some(Call {
            facts,
            tally,
            stage,
        });
        self.deeds.push(Deed::Changed);
    }

    /// Says something about the call at hand.
    pub(super) fn post(&mut self, word: Word) {
        if let Some(call) = &mut self.call {
            let counter = call.tally.next();
            self.deeds.push(Deed::Post(Post {
                group: call.facts.group,
                ring: call.facts.ring,
                counter,
                word,
            }));
        }
    }

    /// The caller notes what a crash must not swallow.
    pub(super) fn mark(&mut self, answered: bool) {
        let Some(facts) = self.call.as_ref().map(|call| call.facts) else {
            return;
        };
        if facts.outgoing {
            self.deeds.push(Deed::Mark(Some(Marker {
                group: facts.group,
                ring: facts.ring,
                video: facts.video,
                answered,
            })));
        }
    }

    /// The call is over here. The caller writes it down, unless it goes on under another name.
    pub(super) fn end(&mut self, reason: CallEnd, last: Option<Word>, now: Moment) {
        if !self.is_on() {
            return;
        }
        let Some(call) = self.call.as_mut() else {
            return;
        };
        let facts = call.facts;
        let outcome = outcome_of(&call.stage, &reason, now);
        call.stage = Stage::Over(reason);
        let tally = std::mem::take(&mut call.tally);
        let is_replaced = last == Some(Word::Over(Why::Replaced));
        let post = self.past.add(facts.ring, facts.group, tally, last, now);
        self.deeds.extend(post.map(Deed::Post));
        if facts.outgoing {
            self.deeds.push(Deed::Mark(None));
        }
        if facts.outgoing && !is_replaced {
            let line = CallLine {
                ring: facts.ring,
                video: facts.video,
                outcome,
            };
            let group = facts.group;
            self.deeds.push(Deed::Write { group, line });
        }
        self.deeds.push(Deed::Changed);
    }

    /// The call with this name, unless it is over.
    pub(super) fn live(&mut self, ring: RingId) -> Option<&mut Call> {
        self.call
            .as_mut()
            .filter(|call| call.facts.ring == ring && !matches!(call.stage, Stage::Over(_)))
    }

    /// What time ends the call with.
    fn over_by(&self, now: Moment) -> Option<(CallEnd, Option<Word>)> {
        let stage = &self.call.as_ref()?.stage;
        if end_of(stage)? > now {
            return None;
        }
        let over = |reason, why| Some((reason, Some(Word::Over(why))));
        let failed = |reason: &str| over(CallEnd::Failed(reason.to_owned()), Why::Failed);
        match stage {
            Stage::Calling(calling) if is_after(calling.began, RING_MS, now) => {
                over(CallEnd::NoAnswer, Why::Cancelled)
            }
            Stage::Calling(_) => over(CallEnd::Busy, Why::Cancelled),
            Stage::Ringing(_) => Some((CallEnd::Missed, None)),
            Stage::Answering(_) => failed(NO_ANSWER),
            Stage::Joined(joined) if joined.talking.is_none() => failed(NO_CONNECTION),
            Stage::Joined(_) => over(CallEnd::Lost, Why::Failed),
            Stage::Over(_) => None,
        }
    }

    /// The next word that is due.
    fn due_word(&mut self, now: Moment) -> Option<Word> {
        let call = self.call.as_mut()?;
        match &mut call.stage {
            Stage::Calling(calling) => calling.due_word(call.facts.video, now),
            Stage::Answering(answering) => answering.due_word(now),
            Stage::Joined(joined) => joined.due_word(call.facts.outgoing, now),
            Stage::Ringing(_) | Stage::Over(_) => None,
        }
    }
}

impl Calling {
    fn due_word(&mut self, video: bool, now: Moment) -> Option<Word> {
        if self.ring_at > now {
            return None;
        }
        self.ring_at = now.plus_millis(RING_EVERY_MS);
        let heard = self.ringing.union(&self.busy).copied().collect();
        let heard = List::capped(heard);
        Some(Word::Ring { video, heard })
    }
}

impl Answering {
    fn due_word(&mut self, now: Moment) -> Option<Word> {
        if self.say_at > now {
            return None;
        }
        let pause = ACCEPT_FIRST_MS.saturating_mul(1 << self.tries.min(4));
        self.tries = self.tries.saturating_add(1);
        self.say_at = now.plus_millis(pause.min(ACCEPT_MAX_MS));
        let video = self.with_video;
        Some(Word::Accept { video })
    }
}

impl Joined {
    fn due_word(&mut self, outgoing: bool, now: Moment) -> Option<Word> {
        let device = self.peer.device;
        let waiting = self.taken_at.len();
        self.taken_at.retain(|at| *at > now);
        if outgoing && self.taken_at.len() < waiting {
            self.taken_said = now;
            return Some(Word::Taken { device });
        }
        self.link.next(device, now).map(Word::Parcel)
    }

    /// When a broken connection is given up.
    fn lost_at(&self) -> Option<Moment> {
        let lost = self.lost?;
        let patience = lost.max(self.heard).plus_millis(LOST_MS);
        Some(patience.min(lost.plus_millis(LOST_MAX_MS)))
    }
}

fn is_after(since: Moment, millis: u64, now: Moment) -> bool {
    since.plus_millis(millis) <= now
}

/// When time ends a call in this stage.
fn end_of(stage: &Stage) -> Option<Moment> {
    match stage {
        Stage::Calling(calling) => {
            let busy = calling
                .busy_since
                .filter(|_| calling.ringing.is_empty())
                .map(|since| since.plus_millis(BUSY_MS));
            let until = calling.began.plus_millis(RING_MS);
            Some(busy.map_or(until, |busy| busy.min(until)))
        }
        Stage::Ringing(ringing) => {
            let gone = ringing.heard.plus_millis(SILENCE_MS);
            Some(gone.min(ringing.began.plus_millis(RING_MAX_MS)))
        }
        Stage::Answering(answering) => Some(answering.since.plus_millis(ANSWER_MS)),
        Stage::Joined(joined) if joined.talking.is_none() => {
            Some(joined.since.plus_millis(CONNECT_MS))
        }
        Stage::Joined(joined) => joined.lost_at(),
        Stage::Over(_) => None,
    }
}

fn deadline_of(stage: &Stage) -> Option<Moment> {
    let next = match stage {
        Stage::Calling(calling) => Some(calling.ring_at),
        Stage::Answering(answering) => Some(answering.say_at),
        Stage::Joined(joined) => joined
            .link
            .due()
            .into_iter()
            .chain(joined.taken_at.iter().copied())
            .min(),
        Stage::Ringing(_) | Stage::Over(_) => None,
    };
    next.into_iter().chain(end_of(stage)).min()
}

/// What the conversation will say of a call that ends so.
fn outcome_of(stage: &Stage, reason: &CallEnd, now: Moment) -> CallOutcome {
    if let Stage::Joined(joined) = stage
        && let Some(since) = joined.talking
    {
        let until = joined.lost.unwrap_or(now);
        let seconds = u32::try_from(until.since(since) / 1_000).unwrap_or(u32::MAX);
        let seconds = Some(seconds);
        return CallOutcome::Talked { seconds };
    }
    match reason {
        CallEnd::Declined => CallOutcome::Declined,
        CallEnd::Busy => CallOutcome::Busy,
        CallEnd::HungUp { .. } if matches!(stage, Stage::Joined(_)) => {
            CallOutcome::Talked { seconds: Some(0) }
        }
        CallEnd::HungUp { .. }
        | CallEnd::Missed
        | CallEnd::NoAnswer
        | CallEnd::AnsweredElsewhere => CallOutcome::Missed,
        CallEnd::Failed(_) | CallEnd::Lost => CallOutcome::Failed,
    }
}
