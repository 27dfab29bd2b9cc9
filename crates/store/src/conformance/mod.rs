//! The suite that every engine must pass: the promise of the [crate], as tests.
//!
//! Owns what is common to all engines. What only a durable engine can show (a reopened folder, a
//! killed process, a failing disk) stands in that engine's own tests.
//!
//! ```text
//! // crates/store/tests/memory.rs; the second part of the pair is kept alive during the test.
//! roost_store::conformance_suite!(|| async { (MemoryStore::new(), ()) });
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is test code that lives in `src` so that every engine can use it"
)]

mod bounds;
mod race;
mod rows;

use crate::key::Part;

pub use bounds::*;
pub use race::*;
pub use rows::*;

/// One `#[tokio::test]` per claim. The argument is a closure whose future makes a pair: an empty
/// store, and whatever has to live as long as it does.
#[macro_export]
macro_rules! conformance_suite {
    ($engine:expr) => {
        $crate::conformance_suite! { @each $engine;
            rows_come_in_the_order_of_their_bytes_from_either_end
            ranges_keep_to_their_bounds
            a_put_row_reads_back_with_the_version_of_its_commit
            a_failed_check_refuses_the_whole_batch
            checks_see_the_part_before_the_batch_and_operations_follow_in_order
            versions_grow_and_no_two_commits_share_one
            a_recreated_row_is_not_the_deleted_one
            parts_do_not_see_each_other
            parts_are_listed_by_kind_in_order
            counters_add_up_and_refuse_what_they_cannot_hold
            many_rows_are_read_in_the_order_asked
            long_values_come_back_whole_and_leave_nothing_behind
            what_is_above_a_limit_is_refused_and_changes_nothing
            a_scan_stops_at_its_limit_and_says_so
            a_scan_goes_on_where_it_stopped
            a_range_delete_stops_at_its_limit_and_says_so
            of_many_who_create_a_row_one_wins
            no_update_is_lost
            commits_are_applied_in_the_order_of_their_places
            a_place_taken_under_a_lock_is_not_lost_to_another
            an_appended_log_has_no_gaps
            counters_lose_no_addition
            readers_never_see_half_a_commit
            a_closed_store_says_so
        }
    };
    (@each $engine:expr; $($claim:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $claim() {
            let (store, _keep) = ($engine)().await;
            $crate::conformance::$claim(::std::sync::Arc::new(store)).await;
        }
    )*};
}

const PART: Part = Part::new(b'c', b"conformance");
