//! The bounds of group judgement, each with its unit in its name. Sizes of whole messages stand in
//! `roost_wire::limit`, since the server refuses them before they reach this crate.

use roost_wire::Seconds;

pub use roost_wire::limit::{
    ADDS_PER_COMMIT, CALL_DEVICES_MAX, CALL_PEOPLE_MAX, COMMIT_BYTES, CREDENTIAL_BYTES,
    DEVICES_PER_ACCOUNT, EPOCHS_BEHIND, GROUP_DEVICES_DEFAULT, GROUP_DEVICES_MAX, GROUP_INFO_BYTES,
    JOIN_GRANT_BYTES, KEY_PACKAGE_BYTES, PROPOSAL_BYTES, ROTATION_BYTES, TREE_BYTES, WELCOME_BYTES,
};

/// A JoinProof: the grant, the binding and their framing.
pub const JOIN_PROOF_BYTES: usize = JOIN_GRANT_BYTES + 128;
/// A proof to enter a call.
pub const CALL_PROOF_BYTES: usize = 192;
/// A leaf: its keys, credential, capabilities and extensions.
pub const LEAF_BYTES: usize = 4 * 1024;
/// The group policy extension.
pub const POLICY_BYTES: usize = 2 * 1024;
/// Accounts that may be administrators of one group.
pub const ADMINS_MAX: usize = 64;
/// Proposals in one commit, by value and by reference: a full batch of adds, and the removal of
/// silent leaves in bulk.
pub const PROPOSALS_PER_COMMIT: usize = 256;
/// Clear text that a commit or proposal may carry beside its content.
pub const AUTHENTICATED_DATA_BYTES: usize = 256;

/// How far a key package or credential is dated back, so that a clock running ahead elsewhere does
/// not refuse it.
pub const BACKDATE_SECONDS: u64 = 24 * 3_600;
/// How long a one-time key package is good for, from its making.
pub const KEY_PACKAGE_SECONDS: u64 = 90 * 86_400;
/// How long a last-resort key package is good for, from its making.
pub const LAST_RESORT_SECONDS: u64 = roost_wire::limit::LAST_RESORT_DAYS * 86_400;
/// The key package lifetime that a client sets in mls-rs, back-dating included.
pub const KEY_PACKAGE_LIFETIME_SECONDS: u64 = KEY_PACKAGE_SECONDS + BACKDATE_SECONDS;
/// How far beyond its time a key package may reach: the clock of its maker may run ahead.
pub const CLOCK_SKEW_SECONDS: u64 = 24 * 3_600;
/// Lifetime of a device credential; renewed at two thirds.
pub const CREDENTIAL_SECONDS: u64 = 365 * 86_400;
/// Longest validity a credential may claim, back-dating included.
pub const CREDENTIAL_SECONDS_MAX: u64 = 2 * CREDENTIAL_SECONDS;
/// Longest time between a join grant's signing and its expiry.
pub const JOIN_GRANT_SECONDS_MAX: u64 = roost_wire::limit::INVITE_DAYS_MAX * 86_400;

/// Prior epochs whose keys a client keeps: one more than the server accepts messages for.
pub const PRIOR_EPOCHS_KEPT: u64 = EPOCHS_BEHIND + 1;
/// A device commits its first update within this time of joining.
pub const FIRST_UPDATE_SECONDS: u64 = 24 * 3_600;
/// A device commits an update this often, with jitter.
pub const UPDATE_EVERY_SECONDS: u64 = 7 * 86_400;
/// Above this number of devices a group has at most one plain update in `UPDATE_SPACING_SECONDS`.
pub const LARGE_GROUP_DEVICES: usize = 100;
pub const UPDATE_SPACING_SECONDS: u64 = 3_600;
/// A leaf silent for this long is removed by whichever member commits its update next.
pub const SILENT_LEAF_SECONDS: u64 = 90 * 86_400;

/// The time to hand mls-rs as that of a key package's making, so that with a lifetime of
/// `KEY_PACKAGE_LIFETIME_SECONDS` it begins at least a day ago and ends when it should.
#[must_use]
pub fn key_package_from(now: Seconds, last_resort: bool) -> Seconds {
    let good_for = if last_resort {
        LAST_RESORT_SECONDS
    } else {
        KEY_PACKAGE_SECONDS
    };
    now.minus(KEY_PACKAGE_LIFETIME_SECONDS - good_for)
}

/// The last moment at which a key package made at `now` may end.
#[must_use]
pub fn key_package_ends_before(now: Seconds, last_resort: bool) -> Seconds {
    let good_for = if last_resort {
        LAST_RESORT_SECONDS
    } else {
        KEY_PACKAGE_SECONDS
    };
    now.plus(good_for + CLOCK_SKEW_SECONDS)
}
