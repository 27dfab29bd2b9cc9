//! Every bound of the protocol, once, with its unit in its name.
//!
//! Measured at 1,000 members with X-Wing: an update commit is 0.6-1.2 MB, an external commit
//! 0.6 MB, a tree 1.6 MB; the figures here leave room above that.

/// Plaintext content of one message.
pub const CONTENT_BYTES: usize = 60 * 1024;
/// One encrypted application message (MLSMessage).
pub const MESSAGE_BYTES: usize = 72 * 1024;
/// One commit (MLSMessage), over HTTP only.
pub const COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// One proposal (MLSMessage).
pub const PROPOSAL_BYTES: usize = 8 * 1024;
pub const GROUP_INFO_BYTES: usize = 8 * 1024;
pub const KEY_PACKAGE_BYTES: usize = 8 * 1024;
/// One Welcome: 8 KiB for each device it addresses, at most `ADDS_PER_COMMIT`.
pub const WELCOME_BYTES: usize = 8 * 1024 * ADDS_PER_COMMIT;
pub const TREE_BYTES: usize = 4 * 1024 * 1024;
/// Devices added by one commit.
pub const ADDS_PER_COMMIT: usize = 64;
/// Log entries above this travel on the WebSocket as a stub and are fetched.
pub const ENTRY_INLINE_BYTES: usize = 128 * 1024;
/// One droppable signal: who is typing, or what devices say about a call (session descriptions).
pub const EPHEMERAL_BYTES: usize = 24 * 1024;
/// One frame from a client on the WebSocket.
pub const CLIENT_FRAME_BYTES: usize = 96 * 1024;
/// One frame from the server on the WebSocket.
pub const SERVER_FRAME_BYTES: usize = 8 * 1024 * ADDS_PER_COMMIT + 4 * 1024;
/// One HTTP request body: a commit with its GroupInfo and Welcomes.
pub const BODY_BYTES: usize = COMMIT_BYTES + GROUP_INFO_BYTES + WELCOME_BYTES + 64 * 1024;
/// A request that carries a tree.
pub const FOUND_BODY_BYTES: usize = TREE_BYTES + GROUP_INFO_BYTES + 1024;
/// One device credential.
pub const CREDENTIAL_BYTES: usize = 1024;
pub const JOIN_GRANT_BYTES: usize = 512;
pub const ROTATION_BYTES: usize = 4 * 1024;
/// An account's new key, encrypted for one of its devices.
pub const SEALED_KEY_BYTES: usize = 256;
/// Bytes of entries in one page of the log, at most (one entry may exceed it and comes alone).
pub const LOG_PAGE_BYTES: usize = 1024 * 1024;
pub const LOG_PAGE_ENTRIES: usize = 256;
pub const INBOX_PAGE_ITEMS: usize = 64;
pub const PEOPLE_PAGE: usize = 500;

/// Devices in a group, by default and at most by the operator's choice.
pub const GROUP_DEVICES_DEFAULT: usize = 250;
pub const GROUP_DEVICES_MAX: usize = 1_000;
/// Groups a device may follow on one connection.
pub const GROUPS_PER_DEVICE: usize = 1_000;
pub const DEVICES_PER_ACCOUNT: usize = 10;
/// Times a day one account may put another one into a group.
pub const ADDS_OF_ACCOUNT_A_DAY: u32 = 50;

/// One-time key packages a device keeps on the server, and the number below which it refills.
pub const KEY_PACKAGES_KEPT: usize = 32;
pub const KEY_PACKAGES_REFILL_BELOW: usize = 8;
/// One-time key packages the server holds for a device.
pub const KEY_PACKAGES_MAX: usize = 64;
pub const LAST_RESORT_DAYS: u64 = 30;
/// Claims of one target's key packages by one claimer a day, then by all a day.
pub const CLAIMS_PER_CLAIMER_A_DAY: u32 = 10;
pub const CLAIMS_PER_TARGET_A_DAY: u32 = 200;

/// Epochs behind the current one whose application messages are still accepted.
pub const EPOCHS_BEHIND: u64 = 2;
/// Days an entry stays when some device never acknowledges it.
pub const RETENTION_DAYS_DEFAULT: u64 = 30;
/// Events a client lets the server send ahead of its credit.
pub const CREDIT_EVENTS: u32 = 256;
/// Events after which acknowledgements are sent at once, else after `ACK_DELAY_MS`.
pub const ACK_EVENTS: usize = 64;
pub const ACK_DELAY_MS: u64 = 5_000;
/// Tries of a commit that lost its race, before the user is told.
pub const COMMIT_TRIES: u32 = 6;

pub const NAME_CHARS: usize = 40;
/// Most uses of an invite, and the longest it lasts.
pub const INVITE_USES_MAX: u32 = 1_000;
pub const INVITE_DAYS_MAX: u64 = 90;
/// Invites one account may have open.
pub const INVITES_PER_ACCOUNT: usize = 100;
/// Lifetime of a session token and of a socket ticket.
pub const SESSION_SECONDS: u64 = 12 * 3_600;
pub const TICKET_SECONDS: u64 = 30;
pub const CHALLENGE_SECONDS: u64 = 120;
/// Text of an error shown to a person.
pub const ERROR_TEXT_BYTES: usize = 300;

/// Addresses of relays in one pass, and its size.
pub const RELAY_URLS: usize = 8;
pub const RELAY_PASS_BYTES: usize = 4 * 1024;
/// How long a pass to relay calls is good for.
pub const RELAY_PASS_SECONDS: u64 = 3_600;

/// People in one call, and their devices: whoever is in its group has a place in its media.
pub const CALL_PEOPLE_MAX: usize = 25;
pub const CALL_DEVICES_MAX: usize = 50;
/// A guest's name and key, sealed for those who may let it in.
pub const KNOCK_BYTES: usize = 512;
/// Guest links of a conversation that its members keep, and all of them sealed.
pub const CALL_LINKS: usize = 8;
pub const CALL_LINKS_BYTES: usize = 2 * 1024;
/// How often a guest asks at most, sustained.
pub const KNOCKS_PER_SECOND: u32 = 1;
/// Offers of a device to the forwarding of calls, on average over ten seconds.
pub const MEDIA_OFFERS_PER_SECOND: u32 = 2;
/// How long the account of a guest lasts.
pub const GUEST_SECONDS: u64 = 24 * 3_600;
/// The tree of a call's new group: one leaf.
pub const CALL_FOUNDING_TREE_BYTES: usize = 8 * 1024;
/// A request that opens a call.
pub const CALL_OPENING_BYTES: usize = CALL_FOUNDING_TREE_BYTES + GROUP_INFO_BYTES + 1024;

/// What one device may send into a call: a voice, a camera, a screen, and one more.
pub const DEVICE_TRACKS: usize = 4;
pub const CALL_TRACKS: usize = CALL_DEVICES_MAX * DEVICE_TRACKS;
/// M-lines on which one device may receive.
pub const CALL_SLOTS: usize = 64;
/// One SDP offer or answer.
pub const SDP_BYTES: usize = 64 * 1024;
/// A request or answer with one.
pub const MEDIA_BODY_BYTES: usize = SDP_BYTES + 16 * 1024;
/// Letters of an m-line's name.
pub const MID_BYTES: usize = 16;
/// Devices named as speaking at the same time.
pub const CALL_SPEAKERS: usize = 8;
pub const SPEAKING_PER_SECOND: u32 = 4;
