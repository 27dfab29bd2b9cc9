//! What is done now and then: carry out what was left over, forget what is no longer needed.

use crate::clock::Moment;
use crate::delivery::Delivery;
use crate::fanout::Hub;
use crate::service::agenda::{Agenda, Due, Recovery};
use crate::service::error::{DirectoryError, GroupError, StoreError};
use crate::service::{Groups, Guests, Inboxes, Invites, Media, Sessions};
use crate::telemetry::log;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
const SECOND_MS: u64 = 1_000;

/// What jobs work on.
pub struct Workplace<'a> {
    pub agenda: &'a Agenda,
    pub groups: &'a Groups,
    pub guests: &'a Guests,
    pub inboxes: &'a Inboxes,
    pub invites: &'a Invites,
    pub sessions: &'a Sessions,
    pub hub: &'a Hub,
    pub media: &'a Media,
}

/// A job's failure; it is tried again when it is next due.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl log::LogSafe for JobError {}

/// Does what is due at `now`. Call it about once a second; two calls at once are harmless.
pub async fn tick(place: &Workplace<'_>, now: Moment) {
    let mut due = place.agenda.read();
    let result = work(&mut due, place, now).await;
    place.agenda.write(due);
    if let Err(error) = result {
        log::note("a job failed and is tried again", &error);
    }
}

async fn work(due: &mut Due, place: &Workplace<'_>, now: Moment) -> Result<(), JobError> {
    recover(due, place, now).await?;
    if now >= due.each_second {
        due.each_second = now.plus_millis(SECOND_MS);
        place.hub.unstick();
        hand_over(place, place.groups.resend(now.seconds()).await);
        let has_hosts = |call: &_| place.hub.is_followed_by_hosts(call);
        let over = place.groups.end_idle_calls(has_hosts, now.seconds());
        hand_over(place, over.await);
    }
    if now >= due.each_minute {
        due.each_minute = now.plus_millis(MINUTE_MS);
        place.sessions.sweep(now.seconds());
        hand_over(place, place.guests.sweep(now.seconds()).await?);
        place.groups.sweep_moved(now.seconds()).await;
        place.groups.shrink();
    }
    if now >= due.each_day {
        due.each_day = now.plus_millis(DAY_MS);
        due.sweeping = true;
        place.invites.sweep(now.seconds()).await?;
    }
    if due.sweeping {
        sweep_some(due, place, now).await?;
    }
    Ok(())
}

async fn recover(due: &mut Due, place: &Workplace<'_>, now: Moment) -> Result<(), JobError> {
    let after = match due.recovery {
        Recovery::Start => None,
        Recovery::After(part) => Some(part),
        Recovery::Done => return Ok(()),
    };
    let (next, deliveries) = place.groups.recover(after, now.seconds()).await?;
    hand_over(place, deliveries);
    due.recovery = next.map_or(Recovery::Done, Recovery::After);
    Ok(())
}

async fn sweep_some(due: &mut Due, place: &Workplace<'_>, now: Moment) -> Result<(), JobError> {
    let time = now.seconds();
    due.groups = place.groups.sweep_some(due.groups, time).await?;
    if due.groups.is_none() {
        due.devices = place.inboxes.sweep_some(due.devices, time).await?;
        due.sweeping = due.devices.is_some();
    }
    Ok(())
}

fn hand_over(place: &Workplace<'_>, deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        if let Delivery::Disconnect { device } = &delivery {
            place.sessions.end(device);
        }
        place.media.heed(&delivery);
        place.hub.deliver(delivery);
    }
}
