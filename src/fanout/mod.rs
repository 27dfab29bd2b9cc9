//! Which device is connected where, and who follows which group.
//!
//! Hands entries over in their order; whoever misses one is told to read the log. Never decides
//! who may read: connections follow a group only after the service said so.

mod mailbox;

use crate::delivery::{Delivery, Mail};
use bytes::Bytes;
use roost_wire::{DeviceId, GroupId, Seq};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use mailbox::Mailbox;

/// Connections one device may have at the same time; the oldest is closed when there is one more.
const CONNECTIONS_PER_DEVICE_MAX: usize = 4;
/// Entries of one group held back while an earlier one is on its way.
const HELD_BACK_MAX: usize = 128;

/// Names a connection for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// All connections.
#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    devices: BTreeMap<DeviceId, BTreeMap<ConnectionId, Arc<Mailbox>>>,
    lanes: BTreeMap<GroupId, Lane>,
}

/// One group's followers, and the order of its entries.
#[derive(Default)]
struct Lane {
    followers: BTreeMap<ConnectionId, Follower>,
    /// The next entry to hand over, once one was seen.
    next: Option<Seq>,
    held_back: BTreeMap<Seq, Step>,
    /// Whether something was held back at the last look.
    stuck: bool,
}

/// A connection that is told of a group's entries.
#[derive(Clone)]
pub struct Follower {
    pub device: DeviceId,
    pub mailbox: Arc<Mailbox>,
    /// It keeps no call going by itself.
    pub is_guest: bool,
}

/// What one number of a log makes happen: the entry, then who leaves with it. Who leaves is said
/// before the entry, so that no later entry slips in between.
#[derive(Default)]
struct Step {
    frame: Option<Bytes>,
    leaving: Vec<DeviceId>,
}

impl Hub {
    /// A new connection of a device.
    pub fn attach(&self, device: DeviceId) -> (ConnectionId, Arc<Mailbox>) {
        let mut inner = self.inner();
        inner.last_id += 1;
        let id = ConnectionId(inner.last_id);
        let mailbox = Arc::new(Mailbox::default());
        let connections = inner.devices.entry(device).or_default();
        connections.insert(id, mailbox.clone());
        if connections.len() > CONNECTIONS_PER_DEVICE_MAX
            && let Some((_, oldest)) = connections.pop_first()
        {
            oldest.put(Mail::Close(None));
        }
        (id, mailbox)
    }

    /// The connection is over.
    pub fn detach(
        &self,
        device: &DeviceId,
        id: ConnectionId,
        groups: impl Iterator<Item = GroupId>,
    ) {
        let mut inner = self.inner();
        if let Some(connections) = inner.devices.get_mut(device) {
            connections.remove(&id);
            if connections.is_empty() {
                inner.devices.remove(device);
            }
        }
        for group in groups {
            inner.unfollow(&group, id);
        }
    }

    /// From now on the connection is told of the group's entries.
    pub fn follow(&self, group: GroupId, id: ConnectionId, follower: Follower) {
        let mut inner = self.inner();
        inner
            .lanes
            .entry(group)
            .or_default()
            .followers
            .insert(id, follower);
    }

    pub fn unfollow(&self, group: &GroupId, id: ConnectionId) {
        self.inner().unfollow(group, id);
    }

    /// Hands one thing over to whom it concerns.
    pub fn deliver(&self, delivery: Delivery) {
        let mut inner = self.inner();
        match delivery {
            Delivery::Entry { group, seq, frame } => inner.step(group, seq, |step| {
                step.frame = Some(frame);
            }),
            Delivery::Leave {
                group,
                device,
                last,
            } => inner.step(group, last, |step| step.leaving.push(device)),
            Delivery::Passing { group, from, frame } => inner.pass(group, from, &frame),
            Delivery::OutOfCall { call, device } => inner.drop_followers(&call, &device),
            Delivery::Gone { group, frame } => inner.pass(group, None, &frame),
            Delivery::Inbox { device } => inner.to_device(&device, &Mail::Inbox),
            Delivery::Disconnect { device } => inner.to_device(&device, &Mail::Close(None)),
        }
    }

    /// Lets go of what has been held back since the last call: those who follow read the log.
    pub fn unstick(&self) {
        let mut inner = self.inner();
        for (group, lane) in &mut inner.lanes {
            if lane.stuck && !lane.held_back.is_empty() {
                lane.let_go(*group);
            }
            lane.stuck = !lane.held_back.is_empty();
        }
    }

    /// Tells every connection to end, after this frame.
    pub fn close_all(&self, frame: &Bytes) {
        let inner = self.inner();
        for mailbox in inner.devices.values().flat_map(BTreeMap::values) {
            mailbox.put(Mail::Close(Some(frame.clone())));
        }
    }

    /// Whether a connection that is no guest's is told of the group's entries.
    pub fn is_followed_by_hosts(&self, group: &GroupId) -> bool {
        let inner = self.inner();
        let followers = inner.lanes.get(group).map(|lane| lane.followers.values());
        followers
            .into_iter()
            .flatten()
            .any(|follower| !follower.is_guest)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.inner().devices.values().map(BTreeMap::len).sum()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn unfollow(&mut self, group: &GroupId, id: ConnectionId) {
        if let Some(lane) = self.lanes.get_mut(group) {
            lane.followers.remove(&id);
            if lane.followers.is_empty() {
                self.lanes.remove(group);
            }
        }
    }

    fn drop_followers(&mut self, group: &GroupId, device: &DeviceId) {
        if let Some(lane) = self.lanes.get_mut(group) {
            lane.followers.retain(|_, follower| {
                let stays = follower.device != *device;
                if !stays {
                    follower.mailbox.put(Mail::Left(*group));
                }
                stays
            });
            if lane.followers.is_empty() {
                self.lanes.remove(group);
            }
        }
    }

    fn pass(&self, group: GroupId, from: Option<DeviceId>, frame: &Bytes) {
        let lane = self.lanes.get(&group).into_iter();
        let followers = lane.flat_map(|lane| lane.followers.values());
        for follower in followers.filter(|follower| Some(follower.device) != from) {
            let frame = frame.clone();
            follower.mailbox.put(Mail::Passing { group, frame });
        }
    }

    fn to_device(&self, device: &DeviceId, mail: &Mail) {
        let connections = self.devices.get(device).into_iter().flatten();
        connections.for_each(|(_, mailbox)| mailbox.put(mail.clone()));
    }

    fn step(&mut self, group: GroupId, seq: Seq, change: impl FnOnce(&mut Step)) {
        let Some(lane) = self.lanes.get_mut(&group) else {
            return;
        };
        let next = *lane.next.get_or_insert(seq);
        // Numbers before the next one were handed over, or follow a failed write: then at once.
        change(lane.held_back.entry(seq).or_default());
        let at_once = seq < next;
        if at_once && let Some(step) = lane.held_back.remove(&seq) {
            lane.hand_over(group, seq, step);
        }
        while let Some(next) = lane.next
            && let Some(first) = lane.held_back.first_entry()
            && *first.key() == next
            && first.get().frame.is_some()
        {
            let step = first.remove();
            lane.hand_over(group, next, step);
            lane.next = Some(next.next());
        }
        if lane.held_back.len() > HELD_BACK_MAX {
            lane.let_go(group);
        }
    }
}

impl Lane {
    fn hand_over(&mut self, group: GroupId, seq: Seq, step: Step) {
        if let Some(frame) = step.frame {
            for follower in self.followers.values() {
                follower.mailbox.put(Mail::Entry {
                    group,
                    seq,
                    frame: frame.clone(),
                });
            }
        }
        for device in step.leaving {
            self.followers.retain(|_, follower| {
                if follower.device == device {
                    follower.mailbox.put(Mail::Left(group));
                }
                follower.device != device
            });
        }
    }

    fn let_go(&mut self, group: GroupId) {
        self.held_back.clear();
        self.next = None;
        for follower in self.followers.values() {
            follower.mailbox.put(Mail::Behind(group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId::new([7; 16]);

    fn device(n: u8) -> DeviceId {
        DeviceId::new([n; 16])
    }

    fn entry(seq: u64) -> Delivery {
        Delivery::Entry {
            group: GROUP,
            seq: Seq::new(seq),
            frame: Bytes::from(vec![u8::try_from(seq).unwrap()]),
        }
    }

    fn seqs(mailbox: &Mailbox) -> Vec<u64> {
        std::iter::from_fn(|| mailbox.take())
            .map(|mail| match mail {
                Mail::Entry { seq, .. } => seq.get(),
                Mail::Left(_) => 1000,
                Mail::Behind(_) => 2000,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn following(hub: &Hub, n: u8) -> Arc<Mailbox> {
        joined(hub, n, false)
    }

    fn joined(hub: &Hub, n: u8, is_guest: bool) -> Arc<Mailbox> {
        let (id, mailbox) = hub.attach(device(n));
        let follower = Follower {
            device: device(n),
            mailbox: mailbox.clone(),
            is_guest,
        };
        hub.follow(GROUP, id, follower);
        mailbox
    }

    #[test]
    fn guests_alone_keep_no_call_going() {
        let hub = Hub::default();
        let _guest = joined(&hub, 2, true);

        assert!(!hub.is_followed_by_hosts(&GROUP));
        let _host = following(&hub, 1);
        assert!(hub.is_followed_by_hosts(&GROUP));
    }

    #[test]
    fn who_is_out_of_the_conversation_follows_its_call_no_longer() {
        let hub = Hub::default();
        let (stays, goes) = (joined(&hub, 2, true), following(&hub, 1));

        hub.deliver(Delivery::OutOfCall {
            call: GROUP,
            device: device(1),
        });
        hub.deliver(entry(1));

        assert_eq!(seqs(&stays), [1]);
        assert_eq!(seqs(&goes), [1000]);
        assert!(!hub.is_followed_by_hosts(&GROUP));
    }

    #[test]
    fn entries_come_in_order_whatever_order_they_became_durable_in() {
        let hub = Hub::default();
        let mailbox = following(&hub, 1);

        for seq in [1, 3, 4, 2, 5] {
            hub.deliver(entry(seq));
        }

        assert_eq!(seqs(&mailbox), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn who_leaves_gets_the_entry_that_removed_them_and_nothing_after() {
        let hub = Hub::default();
        let (stays, leaves) = (following(&hub, 1), following(&hub, 2));
        hub.deliver(entry(1));

        hub.deliver(entry(3));
        hub.deliver(Delivery::Leave {
            group: GROUP,
            device: device(2),
            last: Seq::new(2),
        });
        hub.deliver(entry(2));
        hub.deliver(entry(4));

        assert_eq!(seqs(&stays), [1, 2, 3, 4]);
        assert_eq!(seqs(&leaves), [1, 2, 1000]);
    }

    #[test]
    fn an_entry_that_never_comes_makes_followers_read_the_log() {
        let hub = Hub::default();
        let mailbox = following(&hub, 1);
        hub.deliver(entry(1));
        hub.deliver(entry(3));

        hub.unstick();
        hub.unstick();

        assert_eq!(seqs(&mailbox), [1, 2000]);
    }

    #[test]
    fn a_device_has_a_bounded_number_of_connections() {
        let hub = Hub::default();
        let boxes: Vec<_> = (0..6).map(|_| hub.attach(device(1)).1).collect();

        assert_eq!(boxes[0].take(), Some(Mail::Close(None)));
        assert_eq!(boxes[1].take(), Some(Mail::Close(None)));
        assert_eq!(hub.connections(), CONNECTIONS_PER_DEVICE_MAX);
    }
}
