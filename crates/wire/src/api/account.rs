//! Accounts, their devices and key packages.

use super::{Done, to_be_signed};
use crate::call::{Call, Method};
use crate::{
    AccountId, AccountKey, Blob, DeviceId, DisplayName, GroupId, InviteId, List, ServerId,
    SignatureBytes, SignatureKey, limit,
};
use minicbor::{Decode, Encode};

/// A leaf credential as CBOR (roost-mls), opaque here.
pub type CredentialBytes = Blob<{ limit::CREDENTIAL_BYTES }>;
/// An account's new key, encrypted for one device (docs/protocol.md), opaque here.
pub type SealedKeyBytes = Blob<{ limit::SEALED_KEY_BYTES }>;
/// A KeyPackage as MLSMessage.
pub type KeyPackageBytes = Blob<{ limit::KEY_PACKAGE_BYTES }>;

/// `POST /v1/accounts`: a first device redeems an invite. Sending it again unchanged is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Register {
    #[n(0)]
    pub invite: InviteId,
    /// By the invite's key over [`Register::to_be_signed`]: the newcomer holds the link's secret.
    #[n(1)]
    pub invite_signature: SignatureBytes,
    /// The device's MLS signature key; the rest is in the credential, signed by the account key.
    #[n(2)]
    pub signature_key: SignatureKey,
    #[n(3)]
    pub credential: CredentialBytes,
}

impl Register {
    #[must_use]
    pub fn to_be_signed(
        server: &ServerId,
        invite: &InviteId,
        key: &SignatureKey,
        credential: &[u8],
    ) -> Vec<u8> {
        to_be_signed(
            "roost register v1",
            &[
                server.as_bytes(),
                invite.as_bytes(),
                key.as_bytes(),
                credential,
            ],
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Registered {
    #[n(0)]
    pub me: Person,
    #[n(1)]
    pub inviter: Option<Person>,
    /// The group the invite leads to: join it by external commit with the invite's grant.
    #[n(2)]
    pub group: Option<GroupId>,
    #[n(3)]
    pub grant: Option<Blob<{ limit::JOIN_GRANT_BYTES }>>,
}

impl Call for Register {
    type Reply = Registered;
    const METHOD: Method = Method::Post;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        "/v1/accounts".into()
    }
}

/// What the server says of an account. The key is a claim until it is pinned or compared.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Person {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub name: DisplayName,
    #[n(2)]
    pub key: AccountKey,
    #[n(3)]
    pub is_admin: bool,
    /// Whole days since 1970 of the last connection; nothing finer is kept.
    #[n(4)]
    pub last_seen_day: Option<u64>,
    /// SHA-256 of the only key that may follow `key`; as much a claim as the key.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub next_key_hash: Option<[u8; 32]>,
}

/// `GET /v1/people`: everyone on the server, by account id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListPeople {
    #[n(0)]
    pub after: Option<AccountId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct People {
    #[n(0)]
    pub people: List<Person, { limit::PEOPLE_PAGE }>,
    /// Whether more follow after the last.
    #[n(1)]
    pub more: bool,
}

impl Call for ListPeople {
    type Reply = People;
    const METHOD: Method = Method::Get;

    fn path(&self) -> String {
        match self.after {
            Some(after) => format!("/v1/people?after={after}"),
            None => "/v1/people".into(),
        }
    }
}

/// `GET /v1/accounts/{account}`: a person with their devices and key rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShowAccount {
    #[n(0)]
    pub account: AccountId,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AccountDetail {
    #[n(0)]
    pub person: Person,
    #[n(1)]
    pub devices: List<DeviceCard, { limit::DEVICES_PER_ACCOUNT }>,
    /// Signed key rotations (roost-mls), oldest first.
    #[n(2)]
    pub rotations: List<Blob<{ limit::ROTATION_BYTES }>, 64>,
    /// For the asking device, if it is one of the account's and the key was replaced: the new key.
    #[n(3)]
    pub sealed_key: Option<SealedKeyBytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceCard {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub signature_key: SignatureKey,
    #[n(2)]
    pub credential: CredentialBytes,
}

impl Call for ShowAccount {
    type Reply = AccountDetail;
    const METHOD: Method = Method::Get;

    fn path(&self) -> String {
        format!("/v1/accounts/{}", self.account)
    }
}

/// `POST /v1/devices`: a further device of an account, or new keys of the same device. The
/// credential, signed by the account key, is the permission; the device key proves possession.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddDevice {
    #[n(0)]
    pub signature_key: SignatureKey,
    #[n(1)]
    pub credential: CredentialBytes,
    /// By the device's signature key over [`AddDevice::to_be_signed`].
    #[n(2)]
    pub signature: SignatureBytes,
}

impl AddDevice {
    #[must_use]
    pub fn to_be_signed(server: &ServerId, credential: &[u8]) -> Vec<u8> {
        to_be_signed("roost add device v1", &[server.as_bytes(), credential])
    }
}

impl Call for AddDevice {
    type Reply = Done;
    const METHOD: Method = Method::Post;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        "/v1/devices".into()
    }
}

/// `POST /v1/rotations`: a new account key, signed as pinned, and the devices that stay; all
/// others are removed at once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RotateAccount {
    #[n(0)]
    pub rotation: Blob<{ limit::ROTATION_BYTES }>,
    /// The new key for the devices that stay; the server hands each its own.
    #[cbor(n(1), default)]
    pub sealed_keys: List<SealedKey, { limit::DEVICES_PER_ACCOUNT }>,
}

/// An account's new key for one of its devices.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SealedKey {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub sealed: SealedKeyBytes,
}

impl Call for RotateAccount {
    type Reply = Done;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/rotations".into()
    }
}

/// `PUT /v1/key-packages`: adds one-time packages and replaces the last resort.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PutKeyPackages {
    #[n(0)]
    pub one_time: List<KeyPackageBytes, { limit::KEY_PACKAGES_KEPT }>,
    #[n(1)]
    pub last_resort: Option<KeyPackageBytes>,
    /// Forget all earlier ones first (their private keys are gone).
    #[n(2)]
    pub replace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeyPackageCount {
    #[n(0)]
    pub one_time: u32,
}

impl Call for PutKeyPackages {
    type Reply = KeyPackageCount;
    const METHOD: Method = Method::Put;

    fn path(&self) -> String {
        "/v1/key-packages".into()
    }
}

/// `POST /v1/key-packages/claim`: one package for each device of an account, each handed out once
/// (but for the last resort). With `except`, devices that are already in the group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimKeyPackages {
    #[n(0)]
    pub account: AccountId,
    /// MLS cipher suite wanted.
    #[n(1)]
    pub suite: u16,
    #[n(2)]
    pub except: List<DeviceId, { limit::DEVICES_PER_ACCOUNT }>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimedKeyPackages {
    #[n(0)]
    pub packages: List<ClaimedKeyPackage, { limit::DEVICES_PER_ACCOUNT }>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimedKeyPackage {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub package: KeyPackageBytes,
}

impl Call for ClaimKeyPackages {
    type Reply = ClaimedKeyPackages;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/key-packages/claim".into()
    }
}

/// `GET /v1/memberships`: the groups in which the account has a leaf, for a new device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ListMemberships {}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Memberships {
    #[n(0)]
    pub groups: List<GroupId, { limit::GROUPS_PER_DEVICE }>,
}

impl Call for ListMemberships {
    type Reply = Memberships;
    const METHOD: Method = Method::Get;

    fn path(&self) -> String {
        "/v1/memberships".into()
    }
}
