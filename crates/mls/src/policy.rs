//! The policy of a group, fixed in its GroupContext: every member holds the same bytes, and the
//! server cannot change them.

use crate::capability::required_capabilities;
use crate::{codec, limit, suite};
use minicbor::{Decode, Encode};
use mls_rs_core::crypto::CipherSuite;
use mls_rs_core::extension::{Extension, ExtensionList, ExtensionType};
use roost_wire::{AccountId, GroupId, List, Malformed, ServerId, ServerKey};
use sha2::{Digest, Sha256};

/// Type of the GroupContext extension.
pub const POLICY_TYPE: ExtensionType = ExtensionType::new(0xF020);
const VERSION: u8 = 1;
const WHAT: &str = "group policy";

/// Why a policy was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the group has no policy")]
    Missing,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the policy has an unknown version")]
    Version,
    #[error("the suite floor names an unknown suite")]
    Floor,
    #[error("the suite revision is not ours")]
    Revision,
    #[error("administrators are not sorted and distinct")]
    Admins,
    #[error("the number of devices is out of range")]
    Devices,
    #[error(
        "a call's group names its conversation and has no administrators, and no other group names one"
    )]
    Conversation,
    #[error("a group's server, kind, floor and revision cannot be changed this way")]
    Change,
}

/// What a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum GroupKind {
    /// Two accounts, all their devices.
    #[n(0)]
    Direct,
    /// Any number of accounts.
    #[n(1)]
    Group,
    /// Those who take part in one call of a conversation, each by one device or more.
    #[n(2)]
    Call,
}

/// The group policy extension, 0xF020.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GroupPolicy {
    #[n(0)]
    version: u8,
    /// Code point of the weakest suite this group, or a group that continues it, may use.
    #[n(1)]
    pub suite_floor: u16,
    /// Revision of the provisional derivations of the hybrid suites.
    #[n(2)]
    pub suite_revision: u16,
    /// Ed25519 key of the server that orders this group.
    #[n(3)]
    pub server_key: ServerKey,
    #[n(4)]
    pub kind: GroupKind,
    /// Accounts of this server that may change the policy and move the group; sorted. If a direct
    /// group names two, nobody else can ever be in it.
    #[n(5)]
    admins: List<AccountId, { limit::ADMINS_MAX }>,
    /// Most devices the group may have.
    #[n(6)]
    pub max_devices: u16,
    /// The conversation whose call this is; for [`GroupKind::Call`] only. Policies without it are
    /// encoded as they were before there were calls.
    #[n(7)]
    conversation: Option<GroupId>,
}

impl GroupPolicy {
    /// The policy of a new group with the default floor and size.
    ///
    /// # Errors
    /// Refuses more than `ADMINS_MAX` administrators.
    pub fn new(
        server_key: ServerKey,
        kind: GroupKind,
        admins: &[AccountId],
    ) -> Result<Self, PolicyError> {
        let max_devices = u16::try_from(limit::GROUP_DEVICES_DEFAULT).unwrap_or(u16::MAX);
        let policy = Self {
            version: VERSION,
            suite_floor: suite::SUITE_DEFAULT.raw_value(),
            suite_revision: suite::SUITE_REVISION,
            server_key,
            kind,
            admins: List::default(),
            max_devices,
            conversation: None,
        };
        policy.with_admins(admins)
    }

    /// The policy of a call's own group. Nobody can change it, and it ends with the call.
    ///
    /// # Errors
    /// None in practice: it has no administrators.
    pub fn for_call(server_key: ServerKey, conversation: GroupId) -> Result<Self, PolicyError> {
        let max_devices = u16::try_from(limit::CALL_DEVICES_MAX).unwrap_or(u16::MAX);
        let policy = Self::new(server_key, GroupKind::Call, &[])?;
        Ok(Self {
            max_devices,
            conversation: Some(conversation),
            ..policy
        })
    }

    /// The same policy with other administrators.
    ///
    /// # Errors
    /// Refuses more than `ADMINS_MAX` administrators.
    pub fn with_admins(self, admins: &[AccountId]) -> Result<Self, PolicyError> {
        let mut admins = admins.to_vec();
        admins.sort_unstable();
        admins.dedup();
        Ok(Self {
            admins: List::new(admins)?,
            ..self
        })
    }

    /// Reads the policy out of a group's extensions.
    ///
    /// # Errors
    /// Refuses a group without policy and a policy this code does not understand wholly.
    pub fn from_extensions(extensions: &ExtensionList) -> Result<Self, PolicyError> {
        let extension = extensions.get(POLICY_TYPE).ok_or(PolicyError::Missing)?;
        Self::parse(&extension.extension_data)
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// Refuses long and non-canonical bytes, and values out of range.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let policy: Self = codec::decode(bytes, limit::POLICY_BYTES, WHAT)?;
        policy.check()?;
        Ok(policy)
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The GroupContext extensions of a group with this policy: the policy, and what every leaf
    /// must support.
    #[must_use]
    pub fn to_extensions(&self) -> ExtensionList {
        let policy = Extension::new(POLICY_TYPE, self.to_bytes());
        vec![policy, required_capabilities()].into()
    }

    /// Accounts that may change the policy and move the group, sorted.
    #[must_use]
    pub fn admins(&self) -> &[AccountId] {
        self.admins.as_slice()
    }

    /// The conversation whose call the group is.
    #[must_use]
    pub const fn conversation(&self) -> Option<GroupId> {
        self.conversation
    }

    #[must_use]
    pub fn is_admin(&self, account: &AccountId) -> bool {
        self.admins().binary_search(account).is_ok()
    }

    /// The id of the server that orders this group.
    #[must_use]
    pub fn server_id(&self) -> ServerId {
        server_id(&self.server_key)
    }

    /// Whether a suite is known and not below the floor.
    #[must_use]
    pub fn allows_suite(&self, suite: CipherSuite) -> bool {
        let floor = suite::rank(CipherSuite::new(self.suite_floor));
        suite::rank(suite) >= floor && floor.is_some()
    }

    /// Whether administrators may replace this policy by `next`: the server, the kind and the
    /// revision stay, the floor never sinks, and a group keeps an administrator.
    ///
    /// # Errors
    /// `PolicyError::Change` if not.
    pub fn may_become(&self, next: &Self) -> Result<(), PolicyError> {
        let floor = |policy: &Self| suite::rank(CipherSuite::new(policy.suite_floor));
        let kept = self.server_key == next.server_key
            && self.kind == next.kind
            && self.conversation == next.conversation
            && self.suite_revision == next.suite_revision
            && floor(self) <= floor(next)
            && !next.admins().is_empty();
        let pair_kept = self.kind != GroupKind::Direct || self.admins == next.admins;
        if kept && pair_kept {
            Ok(())
        } else {
            Err(PolicyError::Change)
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.version != VERSION {
            return Err(PolicyError::Version);
        }
        if suite::rank(CipherSuite::new(self.suite_floor)).is_none() {
            return Err(PolicyError::Floor);
        }
        if self.suite_revision != suite::SUITE_REVISION {
            return Err(PolicyError::Revision);
        }
        if !self.admins().is_sorted_by(|a, b| a < b) {
            return Err(PolicyError::Admins);
        }
        self.check_call()?;
        if self.max_devices == 0 || usize::from(self.max_devices) > limit::GROUP_DEVICES_MAX {
            return Err(PolicyError::Devices);
        }
        Ok(())
    }

    fn check_call(&self) -> Result<(), PolicyError> {
        let is_call = self.kind == GroupKind::Call;
        if is_call != self.conversation.is_some() || (is_call && !self.admins().is_empty()) {
            return Err(PolicyError::Conversation);
        }
        if is_call && usize::from(self.max_devices) > limit::CALL_DEVICES_MAX {
            return Err(PolicyError::Devices);
        }
        Ok(())
    }
}

/// A server's id: the first 16 bytes of the SHA-256 of its key.
#[must_use]
pub fn server_id(key: &ServerKey) -> ServerId {
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut id = [0; ServerId::BYTES];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    ServerId::new(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_policy_survives_the_way_through_the_group_context() {
        let policy = policy();

        assert_eq!(
            GroupPolicy::from_extensions(&policy.to_extensions()),
            Ok(policy)
        );
    }

    #[test]
    fn the_format_is_pinned() {
        let hex = roost_wire::text::hex(&policy().to_bytes());

        assert_eq!(
            hex,
            include_str!("../tests/vectors/group_policy.hex").trim()
        );
    }

    #[test]
    fn the_format_of_a_calls_policy_is_pinned() {
        let hex = roost_wire::text::hex(&call().to_bytes());

        assert_eq!(hex, include_str!("../tests/vectors/call_policy.hex").trim());
        assert_eq!(GroupPolicy::parse(&call().to_bytes()), Ok(call()));
    }

    #[test]
    fn policies_from_before_there_were_calls_are_read_and_written_unchanged() {
        let old = include_str!("../tests/vectors/group_policy.hex").trim();
        let digits: Vec<u32> = old
            .chars()
            .map(|digit| digit.to_digit(16).unwrap())
            .collect();
        let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();

        let read = GroupPolicy::parse(&bytes).unwrap();

        assert_eq!(read.conversation(), None);
        assert_eq!(read.to_bytes(), bytes);
    }

    #[test]
    fn a_call_names_its_conversation_and_has_no_administrators() {
        let admins = list(&[1]);
        let homeless = GroupPolicy {
            conversation: None,
            ..call()
        };
        let governed = GroupPolicy { admins, ..call() };
        let bound = GroupPolicy {
            conversation: call().conversation,
            ..policy()
        };
        let large = GroupPolicy {
            max_devices: 51,
            ..call()
        };

        for policy in [homeless, governed, bound] {
            let refused = GroupPolicy::parse(&policy.to_bytes());
            assert_eq!(refused, Err(PolicyError::Conversation));
        }
        let refused = GroupPolicy::parse(&large.to_bytes());
        assert_eq!(refused, Err(PolicyError::Devices));
        assert_eq!(call().may_become(&call()), Err(PolicyError::Change));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        type Change = fn(&mut GroupPolicy);
        let cases: [(Change, PolicyError); 7] = [
            (|policy| policy.version = 2, PolicyError::Version),
            (|policy| policy.suite_floor = 0x1234, PolicyError::Floor),
            (|policy| policy.suite_revision = 9, PolicyError::Revision),
            (|policy| policy.max_devices = 0, PolicyError::Devices),
            (|policy| policy.max_devices = 1_001, PolicyError::Devices),
            (|policy| policy.admins = list(&[2, 1]), PolicyError::Admins),
            (|policy| policy.admins = list(&[1, 1]), PolicyError::Admins),
        ];
        for (change, expected) in cases {
            let mut policy = policy();
            change(&mut policy);
            assert_eq!(GroupPolicy::parse(&policy.to_bytes()), Err(expected));
        }
    }

    #[test]
    fn a_group_without_policy_is_refused() {
        assert_eq!(
            GroupPolicy::from_extensions(&ExtensionList::new()),
            Err(PolicyError::Missing)
        );
    }

    #[test]
    fn the_floor_lets_stronger_suites_through() {
        let mut policy = policy();
        assert!(policy.allows_suite(suite::SUITE_DEFAULT));
        assert!(!policy.allows_suite(suite::SUITE_CLASSIC));
        assert!(!policy.allows_suite(CipherSuite::new(2)), "unknown");

        policy.suite_floor = suite::SUITE_CLASSIC.raw_value();
        assert!(policy.allows_suite(suite::SUITE_DEFAULT));
        assert!(policy.allows_suite(suite::SUITE_CLASSIC));
    }

    #[test]
    fn the_floor_rises_and_never_sinks() {
        let mut classic = policy();
        classic.suite_floor = suite::SUITE_CLASSIC.raw_value();

        assert_eq!(classic.may_become(&policy()), Ok(()));
        assert_eq!(policy().may_become(&classic), Err(PolicyError::Change));
    }

    #[test]
    fn a_group_keeps_an_administrator_and_a_pair_its_two() {
        let orphaned = policy().with_admins(&[]).unwrap();
        let pair = GroupPolicy {
            kind: GroupKind::Direct,
            ..policy()
        };
        let other = pair
            .clone()
            .with_admins(&[AccountId::new([9; 16])])
            .unwrap();

        assert_eq!(policy().may_become(&orphaned), Err(PolicyError::Change));
        assert_eq!(pair.may_become(&other), Err(PolicyError::Change));
    }

    #[test]
    fn administrators_are_bounded_and_the_largest_policy_fits() {
        let admins: Vec<_> = (0..65).map(|number| AccountId::new([number; 16])).collect();

        assert!(policy().with_admins(&admins).is_err());
        let largest = policy().with_admins(&admins[..64]).unwrap();
        assert_eq!(GroupPolicy::parse(&largest.to_bytes()), Ok(largest));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = GroupPolicy::parse(&bytes);
        }

        #[test]
        fn policies_round_trip(key: [u8; 32], direct: bool, admins: Vec<[u8; 16]>, max in 1u16..=1_000) {
            let kind = if direct { GroupKind::Direct } else { GroupKind::Group };
            let admins: Vec<_> = admins.into_iter().take(64).map(AccountId::new).collect();
            let mut policy = GroupPolicy::new(ServerKey::new(key), kind, &admins).unwrap();
            policy.max_devices = max;
            prop_assert_eq!(GroupPolicy::parse(&policy.to_bytes()), Ok(policy));
        }
    }

    fn policy() -> GroupPolicy {
        let admins = [AccountId::new([1; 16]), AccountId::new([2; 16])];
        GroupPolicy::new(ServerKey::new([7; 32]), GroupKind::Group, &admins).unwrap()
    }

    fn call() -> GroupPolicy {
        GroupPolicy::for_call(ServerKey::new([7; 32]), GroupId::new([8; 16])).unwrap()
    }

    fn list(accounts: &[u8]) -> List<AccountId, { limit::ADMINS_MAX }> {
        List::new(
            accounts
                .iter()
                .map(|byte| AccountId::new([*byte; 16]))
                .collect(),
        )
        .unwrap()
    }
}
