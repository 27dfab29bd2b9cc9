//! The media library, held so that its assertions end one connection and not the thread of all calls.
//!
//! It has some that an offer can reach. Whoever reached one is not served any more.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

/// Something of the library's, until it panics.
pub struct Library<R> {
    inner: R,
    is_broken: bool,
}

impl<R> Library<R> {
    pub const fn new(inner: R) -> Self {
        Self {
            inner,
            is_broken: false,
        }
    }

    /// Has it do something.
    ///
    /// # Errors
    /// If it panics, now or earlier: what is left of it is looked at no more.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut R) -> T) -> Result<T, Over> {
        if self.is_broken {
            return Err(Over);
        }
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut self.inner)));
        self.is_broken = done.is_err();
        done.map_err(|_| Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panicked_is_over_for_good_and_the_thread_goes_on() {
        let mut library = Library::new(1);

        assert_eq!(library.with(|it| *it + 1), Ok(2));
        assert_eq!(library.with(|_| panic!("an assertion")), Err::<(), _>(Over));
        assert_eq!(library.with(|it| *it + 1), Err(Over));
    }
}
