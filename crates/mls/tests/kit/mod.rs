//! People, devices and rooms: real mls-rs members and the server's observer side by side.

use ed25519_dalek::SigningKey;
use mls_rs::client_builder::{
    BaseConfig, MlsConfig, PaddingMode, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::group::{ExportedTree, GroupContext, ReceivedMessage, Roster};
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle,
};
use mls_rs::psk::{ExternalPskId, PreSharedKey};
use mls_rs::time::MlsTime;
use mls_rs::{
    CipherSuite, CipherSuiteProvider, Client, ExtensionList, Group, IdentityProvider, MlsMessage,
    MlsRules,
};
use mls_rs_core::crypto::SignatureSecretKey;
use mls_rs_core::identity::{CredentialType, MemberValidationContext};
use roost_mls::credential::Account;
use roost_mls::join_proof::{GrantClaims, InviteSecret};
use roost_mls::{
    Claims, GroupKind, GroupPolicy, HybridProvider, JoinGrant, JudgedCommit, JudgementTime,
    LeafCredential, ObservedGroup, Observer, RoostIdentity, RoostRules, RuleError,
    account_key_hash, capability, limit, policy, read_handshake,
};
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, GroupId, InviteId, Seconds, ServerId, ServerKey,
    SignatureBytes, SignatureKey,
};

pub const NOW: Seconds = Seconds::new(1_900_000_000);
pub const SERVER: [u8; 32] = [200; 32];
pub const GROUP: [u8; 16] = [42; 16];

pub type HonestConfig = WithMlsRules<
    RoostRules,
    WithCryptoProvider<HybridProvider, WithIdentityProvider<RoostIdentity, BaseConfig>>,
>;
pub type LaxConfig = WithMlsRules<
    LaxRules,
    WithCryptoProvider<HybridProvider, WithIdentityProvider<LaxIdentity, BaseConfig>>,
>;

/// A person: an account with its key and the key after it.
#[derive(Clone)]
pub struct Person {
    pub server: ServerId,
    pub account: AccountId,
    pub key: SigningKey,
    pub next: SigningKey,
}

impl Person {
    pub fn new(number: u8) -> Self {
        Self {
            server: policy::server_id(&ServerKey::new(SERVER)),
            account: AccountId::new([number; 16]),
            key: SigningKey::from_bytes(&[number; 32]),
            next: SigningKey::from_bytes(&[number.wrapping_add(100); 32]),
        }
    }

    /// The same account after its key was rotated.
    pub fn rotated(&self) -> Self {
        let next = SigningKey::from_bytes(&[self.next.to_bytes()[0].wrapping_add(50); 32]);
        Self {
            key: self.next.clone(),
            next,
            ..self.clone()
        }
    }

    pub fn claims(&self, device: u8, now: Seconds) -> Claims {
        let account = Account {
            server: self.server,
            account: self.account,
            name: DisplayName::new("Ada").unwrap(),
            key: AccountKey::new(self.key.verifying_key().to_bytes()),
            next_key_hash: account_key_hash(&AccountKey::new(self.next.verifying_key().to_bytes())),
        };
        Claims::new(account, DeviceId::new([device; 16]), now)
    }

    pub fn device(&self, number: u8) -> Device {
        Device::made(self, number, NOW, CipherSuite::new(0x004E))
    }
}

/// A device with its MLS signature key.
#[derive(Clone)]
pub struct Device {
    pub credential: LeafCredential,
    pub secret: SignatureSecretKey,
    pub suite: CipherSuite,
    pub offered: Vec<CipherSuite>,
    pub time: JudgementTime,
}

impl Device {
    pub fn made(person: &Person, number: u8, now: Seconds, suite: CipherSuite) -> Self {
        let (secret, key) = HybridProvider::suite(suite)
            .unwrap()
            .signature_key_generate()
            .unwrap();
        let key = SignatureKey::try_from(key.as_ref()).unwrap();
        let credential =
            LeafCredential::sign(person.claims(number, now), key, &person.key).unwrap();
        let offered = if suite == roost_mls::SUITE_DEFAULT {
            vec![roost_mls::SUITE_DEFAULT, roost_mls::SUITE_CLASSIC]
        } else {
            vec![suite]
        };
        let time = JudgementTime::new();
        time.set(NOW);
        Self {
            credential,
            secret,
            suite,
            offered,
            time,
        }
    }

    pub fn identity(&self) -> SigningIdentity {
        self.credential.signing_identity()
    }

    /// Signs as the device does when it grants an invitation.
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        let signature = HybridProvider::suite(self.suite)
            .unwrap()
            .sign(&self.secret, message);
        SignatureBytes::try_from(&signature.unwrap()[..]).unwrap()
    }

    pub fn client(&self) -> Client<HonestConfig> {
        self.client_sending(EncryptionOptions::new(false, PaddingMode::None))
    }

    /// A client whose leaf lacks what every leaf must support, but for the policy.
    pub fn bare_client(&self) -> Client<LaxConfig> {
        Client::builder()
            .identity_provider(LaxIdentity)
            .crypto_provider(HybridProvider::offering(&self.offered))
            .mls_rules(LaxRules)
            .extension_type(policy::POLICY_TYPE)
            .key_package_lifetime(std::time::Duration::from_secs(
                limit::KEY_PACKAGE_LIFETIME_SECONDS,
            ))
            .signing_identity(self.identity(), self.secret.clone(), self.suite)
            .build()
    }

    /// A client that encrypts its handshakes.
    pub fn encrypting_client(&self) -> Client<HonestConfig> {
        self.client_sending(EncryptionOptions::new(true, PaddingMode::None))
    }

    fn client_sending(&self, encryption: EncryptionOptions) -> Client<HonestConfig> {
        let rules = RoostRules::new(encryption, self.time.clone());
        Client::builder()
            .identity_provider(RoostIdentity)
            .crypto_provider(HybridProvider::offering(&self.offered))
            .mls_rules(rules)
            .custom_proposal_types(capability::PROPOSAL_TYPES)
            .extension_types(capability::EXTENSION_TYPES)
            .key_package_lifetime(std::time::Duration::from_secs(
                limit::KEY_PACKAGE_LIFETIME_SECONDS,
            ))
            .signing_identity(self.identity(), self.secret.clone(), self.suite)
            .build()
    }

    /// A client that does whatever it is told, for playing the attacker.
    pub fn lax_client(&self) -> Client<LaxConfig> {
        self.lax_client_as(self.identity())
    }

    /// The same under any identity.
    pub fn lax_client_as(&self, identity: SigningIdentity) -> Client<LaxConfig> {
        Client::builder()
            .identity_provider(LaxIdentity)
            .crypto_provider(HybridProvider::offering(&self.offered))
            .mls_rules(LaxRules)
            .psk(ExternalPskId::new(vec![1]), PreSharedKey::new(vec![1; 32]))
            .custom_proposal_types(capability::PROPOSAL_TYPES)
            .extension_types(capability::EXTENSION_TYPES)
            .key_package_lifetime(std::time::Duration::from_secs(
                limit::KEY_PACKAGE_LIFETIME_SECONDS,
            ))
            .signing_identity(identity, self.secret.clone(), self.suite)
            .build()
    }
}

pub fn time(now: Seconds) -> MlsTime {
    MlsTime::from(now.get())
}

pub fn none() -> ExtensionList {
    ExtensionList::default()
}

pub fn key_package<C: MlsConfig>(client: &Client<C>) -> MlsMessage {
    let from = limit::key_package_from(NOW, false);
    client
        .generate_key_package_message(none(), none(), Some(time(from)))
        .unwrap()
}

pub fn tree<C: MlsConfig>(group: &Group<C>) -> ExportedTree<'static> {
    tree_from(&group.export_tree().to_bytes().unwrap())
}

pub fn tree_from(bytes: &[u8]) -> ExportedTree<'static> {
    ExportedTree::from_bytes(bytes).unwrap()
}

pub fn bytes(message: &MlsMessage) -> Vec<u8> {
    message.to_bytes().unwrap()
}

pub fn policy_for(kind: GroupKind, admins: &[&Person], suite: CipherSuite) -> GroupPolicy {
    let admins: Vec<_> = admins.iter().map(|person| person.account).collect();
    let mut policy = GroupPolicy::new(ServerKey::new(SERVER), kind, &admins).unwrap();
    policy.suite_floor = suite.raw_value();
    policy
}

/// One honest member.
pub struct Member {
    pub device: Device,
    pub group: Group<HonestConfig>,
}

impl Member {
    /// What a client does with an entry of the log: look at it, set the time, process it.
    pub fn receive(&mut self, bytes: &[u8], now: Seconds) -> Result<ReceivedMessage, RuleError> {
        let handshake = read_handshake(bytes)?;
        self.device.time.set(now);
        Ok(self
            .group
            .process_incoming_message(handshake.into_message())?)
    }

    pub fn index(&self) -> u32 {
        self.group.current_member_index()
    }
}

/// A group with its honest members and the server's view of it.
pub struct Room {
    pub server: ObservedGroup,
    pub members: Vec<Member>,
    pub now: Seconds,
}

impl Room {
    /// A group founded by a device, which administers it.
    pub fn founded(person: &Person, device: Device) -> Self {
        let policy = policy_for(GroupKind::Group, &[person], device.suite);
        Self::with_policy(device, &policy)
    }

    pub fn with_policy(device: Device, policy: &GroupPolicy) -> Self {
        let group = device.client().create_group_with_id(
            GROUP.to_vec(),
            policy.to_extensions(),
            none(),
            Some(time(NOW)),
        );
        let group = group.unwrap();
        let info = group.group_info_message_allowing_ext_commit(false).unwrap();
        let tree = group.export_tree().to_bytes().unwrap();
        let server = Observer::new().found(&bytes(&info), &tree).unwrap();
        Self {
            server,
            members: vec![Member { device, group }],
            now: NOW,
        }
    }

    /// The first member adds an honest one.
    pub fn add(&mut self, device: Device) {
        let client = device.client();
        let welcome = self.commit_add(key_package(&client));
        let tree = tree(&self.members[0].group);
        let (group, _) = client.join_group(Some(tree), &welcome, None).unwrap();
        roost_mls::check_group(group.context(), &group.roster()).unwrap();
        self.members.push(Member { device, group });
    }

    /// The first member adds one that keeps no rules.
    pub fn add_lax(&mut self, device: &Device) -> Group<LaxConfig> {
        self.add_client(&device.lax_client())
    }

    /// The first member adds whoever this client is.
    pub fn add_client<C: MlsConfig>(&mut self, client: &Client<C>) -> Group<C> {
        let welcome = self.commit_add(key_package(client));
        let tree = tree(&self.members[0].group);
        client.join_group(Some(tree), &welcome, None).unwrap().0
    }

    fn commit_add(&mut self, package: MlsMessage) -> MlsMessage {
        self.members[0].device.time.set(self.now);
        let builder = self.members[0]
            .group
            .commit_builder()
            .commit_time(time(self.now));
        let mut output = builder.add_member(package).unwrap().build().unwrap();
        self.accepts(&bytes(&output.commit_message));
        output.welcome_messages.remove(0)
    }

    /// The server's judgement and every member's agree: accepted. All move on.
    #[track_caller]
    pub fn accepts(&mut self, commit: &[u8]) -> JudgedCommit {
        let judged = self.server.judge_commit(commit, self.now).unwrap();
        for member in &mut self.members {
            member.receive(commit, self.now).unwrap();
        }
        self.members
            .retain(|member| member.group.current_epoch() == judged.epoch.get());
        self.server = judged.next.clone();
        let seen: Vec<_> = self
            .server
            .roster()
            .unwrap()
            .iter()
            .map(|leaf| leaf.leaf)
            .collect();
        for member in &self.members {
            let own: Vec<_> = member
                .group
                .roster()
                .members_iter()
                .map(|leaf| leaf.index)
                .collect();
            assert_eq!(own, seen, "the server and a member hold different rosters");
            assert_eq!(tree_hash(member.group.context()), self.server_tree_hash());
        }
        judged
    }

    /// The server's judgement and every member's agree: refused, for the same reason. Nothing
    /// moves.
    #[track_caller]
    pub fn refuses(&self, commit: &[u8]) -> RuleError {
        let Err(refusal) = self.server.judge_commit(commit, self.now) else {
            panic!("the server accepts it")
        };
        for member in &self.members {
            let mut copy = Member {
                device: member.device.clone(),
                group: member.group.clone(),
            };
            let Err(own) = copy.receive(commit, self.now) else {
                panic!("a member accepts it")
            };
            assert_eq!(
                own.to_string(),
                refusal.to_string(),
                "two reasons for one refusal"
            );
        }
        refusal
    }

    pub fn group_info(&self) -> MlsMessage {
        self.members[0]
            .group
            .group_info_message_allowing_ext_commit(false)
            .unwrap()
    }

    pub fn tree(&self) -> ExportedTree<'static> {
        tree(&self.members[0].group)
    }

    /// A grant by this member for the group of this room.
    pub fn grant(&self, member: usize, secret: &InviteSecret) -> JoinGrant {
        grant_by(
            &self.members[member].device,
            GroupId::new(GROUP),
            secret,
            self.now.plus(3_600),
        )
    }

    fn server_tree_hash(&self) -> Vec<u8> {
        self.server.tree_hash().to_vec()
    }
}

pub fn grant_by(
    device: &Device,
    group: GroupId,
    secret: &InviteSecret,
    expires: Seconds,
) -> JoinGrant {
    let invite = InviteId::new([5; 16]);
    let claims = GrantClaims::new(
        invite,
        secret.key(),
        group,
        expires,
        *device.credential.device_key(),
    );
    let signature = device.sign(&claims.to_be_signed());
    JoinGrant::assemble(claims, signature).unwrap()
}

fn tree_hash(context: &GroupContext) -> Vec<u8> {
    context.tree_hash.clone()
}

/// Rules that allow everything and send as Roost does.
#[derive(Clone, Debug)]
pub struct LaxRules;

impl MlsRules for LaxRules {
    type Error = RuleError;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        _: CommitSource,
        _: &Roster<'_>,
        _: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, RuleError> {
        Ok(proposals)
    }

    fn commit_options(
        &self,
        roster: &Roster<'_>,
        context: &GroupContext,
        proposals: &ProposalBundle,
    ) -> Result<CommitOptions, RuleError> {
        RoostRules::default().commit_options(roster, context, proposals)
    }

    fn encryption_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
    ) -> Result<EncryptionOptions, RuleError> {
        Ok(EncryptionOptions::new(false, PaddingMode::None))
    }
}

/// An identity provider that lets anybody replace anybody.
#[derive(Clone, Debug)]
pub struct LaxIdentity;

impl IdentityProvider for LaxIdentity {
    type Error = RuleError;

    fn validate_member(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), RuleError> {
        Ok(())
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), RuleError> {
        Ok(())
    }

    fn identity(
        &self,
        identity: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<Vec<u8>, RuleError> {
        Ok(identity.signature_key.to_vec())
    }

    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, RuleError> {
        Ok(true)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        RoostIdentity.supported_types()
    }
}
