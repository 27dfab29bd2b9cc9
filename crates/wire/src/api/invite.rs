//! Invitations: to the server, and with a member's grant to one of its groups.

use super::{Done, Person, to_be_signed};
use crate::call::{Call, Method};
use crate::{
    AccountId, Blob, GroupId, InviteId, InviteKey, Seconds, ServerId, SignatureBytes, limit,
};
use minicbor::{Decode, Encode};

/// A JoinGrant (roost-mls), opaque here.
pub type GrantBytes = Blob<{ limit::JOIN_GRANT_BYTES }>;

/// `POST /v1/invites`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CreateInvite {
    #[n(0)]
    pub invite: InviteId,
    #[n(1)]
    pub key: InviteKey,
    #[n(2)]
    pub expires: Seconds,
    /// 1 to [`limit::INVITE_USES_MAX`].
    #[n(3)]
    pub uses: u32,
    /// With a group: the grant by which newcomers enter it.
    #[n(4)]
    pub group: Option<GroupId>,
    #[n(5)]
    pub grant: Option<GrantBytes>,
    /// In place of a group: whoever comes by this link is a guest of this conversation's calls, and
    /// in nothing else.
    #[n(6)]
    pub guests_of: Option<GroupId>,
}

impl Call for CreateInvite {
    type Reply = Done;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/invites".into()
    }
}

/// `GET /v1/invites/{invite}`: what anyone with the link may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShowInvite {
    #[n(0)]
    pub invite: InviteId,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InviteDetail {
    /// Absent for the operator's own invites.
    #[n(0)]
    pub inviter: Option<Person>,
    #[n(1)]
    pub server: ServerId,
    #[n(2)]
    pub host: String,
    #[n(3)]
    pub expires: Seconds,
    #[n(4)]
    pub uses_left: u32,
    #[n(5)]
    pub group: Option<GroupId>,
    #[n(6)]
    pub grant: Option<GrantBytes>,
    /// The first account of a server, its administrator.
    #[n(7)]
    pub is_setup: bool,
    /// The conversation whose calls the link is for.
    #[n(8)]
    pub guests_of: Option<GroupId>,
}

impl Call for ShowInvite {
    type Reply = InviteDetail;
    const METHOD: Method = Method::Get;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        format!("/v1/invites/{}", self.invite)
    }
}

/// `POST /v1/invites/{invite}/redeem`: somebody who has an account uses a group's link. Opens the
/// group's GroupInfo and tree to the account; sending it again is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RedeemInvite {
    #[n(0)]
    pub invite: InviteId,
    /// By the invite's key over [`RedeemInvite::to_be_signed`].
    #[n(1)]
    pub signature: SignatureBytes,
}

impl RedeemInvite {
    #[must_use]
    pub fn to_be_signed(server: &ServerId, invite: &InviteId, account: &AccountId) -> Vec<u8> {
        to_be_signed(
            "roost redeem v1",
            &[server.as_bytes(), invite.as_bytes(), account.as_bytes()],
        )
    }
}

impl Call for RedeemInvite {
    type Reply = InviteDetail;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/invites/{}/redeem", self.invite)
    }
}

/// `DELETE /v1/invites/{invite}`: withdraws one's own invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WithdrawInvite {
    #[n(0)]
    pub invite: InviteId,
}

impl Call for WithdrawInvite {
    type Reply = Done;
    const METHOD: Method = Method::Delete;

    fn path(&self) -> String {
        format!("/v1/invites/{}", self.invite)
    }
}
