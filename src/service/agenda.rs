//! When the server's regular work is due, and how far it has got. Data only; `job` does the work.

use crate::clock::Moment;
use roost_store::Part;
use std::sync::{Mutex, PoisonError};

/// What is due when.
#[derive(Default)]
pub struct Agenda(Mutex<Due>);

#[derive(Clone, Default)]
pub struct Due {
    pub recovery: Recovery,
    pub each_second: Moment,
    pub each_minute: Moment,
    pub each_day: Moment,
    /// Whether the daily sweep is under way, and where it has got to.
    pub sweeping: bool,
    pub groups: Option<Part>,
    pub devices: Option<Part>,
}

/// Looking for what the last run left in groups' outboxes.
#[derive(Clone, Default)]
pub enum Recovery {
    #[default]
    Start,
    After(Part),
    Done,
}

impl Agenda {
    pub fn read(&self) -> Due {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn write(&self, due: Due) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }
}
