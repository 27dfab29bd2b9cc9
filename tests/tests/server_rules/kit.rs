//! People with real MLS members against the server without its sockets: for tests that must build
//! a request by hand, or a wrong one.

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::FutureExt;
use mls_rs::client_builder::{
    BaseConfig, PaddingMode, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::extension::recommended::LastResortKeyPackageExt;
use mls_rs::group::ExportedTree;
use mls_rs::mls_rules::EncryptionOptions;
use mls_rs::time::MlsTime;
use mls_rs::{Client, ExtensionList, Group, MlsMessage};
use mls_rs_core::crypto::{CipherSuiteProvider, SignatureSecretKey};
use roost::{App, Connection, Dice, Moment, PeerAddr, Settings, api};
use roost_mls::credential::Account;
use roost_mls::join_proof::{GrantClaims, InviteSecret};
use roost_mls::{
    Claims, GroupKind, GroupPolicy, HybridProvider, JoinGrant, JoinProof, JudgementTime,
    LeafCredential, RoostIdentity, RoostRules, SUITE_CLASSIC, account_key_hash, capability, limit,
    read_handshake,
};
use roost_store::{Batch, Direction, KeyRange, Limit, MemoryStore, Store};
use roost_wire::api::*;
use roost_wire::frame::{ClientFrame, Cursor, Outcome, ServerFrame};
use roost_wire::link::InviteLink;
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub const START: Seconds = Seconds::new(1_900_000_000);
pub const DAY: u64 = 86_400;

pub type Config = WithMlsRules<
    RoostRules,
    WithCryptoProvider<HybridProvider, WithIdentityProvider<RoostIdentity, BaseConfig>>,
>;

/// The futures of a server over memory never wait.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("nothing waits over a store in memory")
}

/// Different bytes every time, the same in every run.
struct CountingDice(AtomicU64);

impl Dice for CountingDice {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            let mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            chunk.copy_from_slice(&mixed[..chunk.len()]);
        }
    }
}

/// A server.
pub struct Home {
    pub store: Arc<MemoryStore>,
    pub app: App,
    pub time: Seconds,
}

pub fn free_settings() -> Settings {
    Settings {
        origin: "https://roost.test".to_owned(),
        messages_per_second: 0,
        requests_per_second: 0,
        strangers_per_second: 0,
        ..Settings::default()
    }
}

impl Home {
    pub fn new() -> Self {
        Self::with(free_settings())
    }

    pub fn with(settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self {
            app: open(store.clone(), settings, 0),
            store,
            time: START,
        }
    }

    /// On another store, of which it cannot make a new process.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self {
            app: open(store, free_settings(), 0),
            store: Arc::new(MemoryStore::new()),
            time: START,
        }
    }

    /// The process dies; another opens what it left.
    pub fn restart(&mut self) {
        let store = Arc::new(self.store.fork());
        self.app = open(store.clone(), free_settings(), 1 << 32);
        self.store = store;
        self.tick();
    }

    /// Damages all rows of the partitions with this id.
    pub fn spoil(&self, id: &[u8]) {
        for kind in 0..=u8::MAX {
            let parts = now(self.store.parts(kind, None, 1_000)).unwrap();
            for part in parts.iter().filter(|part| part.id() == id) {
                let all = self
                    .store
                    .scan(part, KeyRange::all(), Limit::MAX, Direction::Forward);
                let mut batch = Batch::new();
                for row in now(all).unwrap().rows {
                    batch = batch.put(row.key, "spoiled");
                }
                now(self.store.commit(part, batch)).unwrap();
            }
        }
    }

    /// Keys of all rows in which these bytes occur, in partition, key or value.
    pub fn rows_with(&self, bytes: &[u8]) -> Vec<String> {
        let occurs = |within: &[u8]| within.windows(bytes.len()).any(|window| window == bytes);
        let mut found = Vec::new();
        for kind in 0..=u8::MAX {
            for part in now(self.store.parts(kind, None, 1_000)).unwrap() {
                let all = self
                    .store
                    .scan(&part, KeyRange::all(), Limit::MAX, Direction::Forward);
                for row in now(all).unwrap().rows {
                    let key = row.key.as_bytes();
                    if occurs(part.id()) || occurs(key) || occurs(&row.value) {
                        found.push(format!("{part:?} {key:?}"));
                    }
                }
            }
        }
        found
    }

    pub fn moment(&self) -> Moment {
        Moment::from_seconds(self.time)
    }

    pub fn tick(&self) {
        now(self.app.tick(self.moment()));
    }

    pub fn pass(&mut self, seconds: u64) {
        self.time = self.time.plus(seconds);
        self.tick();
    }

    pub fn setup(&self) -> InviteLink {
        now(self.app.invites.setup(self.time))
            .unwrap()
            .expect("there is no account yet")
    }

    pub fn invite(&self, uses: u32) -> InviteLink {
        now(self.app.invites.by_operator(uses, DAY, self.time)).unwrap()
    }

    /// Somebody registers by an operator's invite, signs in and puts key packages.
    pub fn person(&self, number: u8) -> Guest {
        let mut person = Guest::new(self, number);
        person.register(self, &self.invite(1)).unwrap();
        person.settle_in(self);
        person
    }

    pub fn raw(
        &self,
        method: Method,
        path: &str,
        token: Option<Token>,
        body: Vec<u8>,
    ) -> api::Response {
        let request = api::Request {
            method,
            path_and_query: path.to_owned(),
            token,
            body,
            peer: PeerAddr::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        };
        now(api::dispatch(&self.app, &request, self.moment()))
    }

    pub fn call<C: Call>(&self, token: Option<Token>, call: &C) -> Result<C::Reply, ApiError> {
        let response = self.raw(C::METHOD, &call.path(), token, call.body());
        if response.status == 200 {
            Ok(C::reply(&response.body).unwrap())
        } else {
            let error: ApiError = roost_wire::api::decode(&response.body, "error", 4096).unwrap();
            assert_eq!(error.code.status(), response.status);
            Err(error)
        }
    }
}

fn open(store: Arc<dyn Store>, settings: Settings, seed: u64) -> App {
    let dice = CountingDice(AtomicU64::new(seed));
    now(App::open(store, settings, Box::new(dice))).unwrap()
}

/// An account with one device.
pub struct Guest {
    pub account: AccountId,
    pub device: DeviceId,
    pub account_key: SigningKey,
    pub next_key: SigningKey,
    pub signature_key: SignatureKey,
    pub secret: SignatureSecretKey,
    pub credential: LeafCredential,
    pub time: JudgementTime,
    pub token: Option<Token>,
    pub client: Client<Config>,
}

impl Guest {
    pub fn new(home: &Home, number: u8) -> Self {
        Self::at_device(home, number, number)
    }

    /// The same account on another device.
    pub fn at_device(home: &Home, number: u8, device: u8) -> Self {
        let account_key = SigningKey::from_bytes(&[number; 32]);
        let next_key = SigningKey::from_bytes(&[number.wrapping_add(100); 32]);
        let server = home.app.house.identity.id;
        let account = Account {
            server,
            account: AccountId::new([number; 16]),
            name: DisplayName::new(&format!("Person {number}")).unwrap(),
            key: public(&account_key),
            next_key_hash: account_key_hash(&public(&next_key)),
        };
        let device = DeviceId::new([device; 16]);
        let claims = Claims::new(account.clone(), device, home.time);
        Self::from_claims(claims, account_key, next_key, home.time)
    }

    pub fn from_claims(
        claims: Claims,
        account_key: SigningKey,
        next_key: SigningKey,
        time: Seconds,
    ) -> Self {
        let suite = HybridProvider::suite(SUITE_CLASSIC).unwrap();
        let (secret, key) = suite.signature_key_generate().unwrap();
        let signature_key = SignatureKey::try_from(key.as_ref()).unwrap();
        let (account, device) = (claims.account, claims.device);
        let credential = LeafCredential::sign(claims, signature_key, &account_key).unwrap();
        let judged = JudgementTime::new();
        judged.set(time);
        Self {
            account,
            device,
            account_key,
            next_key,
            signature_key,
            client: client(&credential, &secret, &judged),
            secret,
            credential,
            time: judged,
            token: None,
        }
    }

    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        let suite = HybridProvider::suite(SUITE_CLASSIC).unwrap();
        let signature = suite.sign(&self.secret, message).unwrap();
        SignatureBytes::try_from(&signature[..]).unwrap()
    }

    pub fn registration(&self, home: &Home, link: &InviteLink) -> Register {
        let server = home.app.house.identity.id;
        let credential = self.credential.to_bytes();
        let message =
            Register::to_be_signed(&server, &link.invite, &self.signature_key, &credential);
        Register {
            invite: link.invite,
            invite_signature: by_secret(link.secret, &message),
            signature_key: self.signature_key,
            credential: Blob::new(credential).unwrap(),
        }
    }

    pub fn register(&self, home: &Home, link: &InviteLink) -> Result<Registered, ApiError> {
        home.call(None, &self.registration(home, link))
    }

    pub fn add_device(&self, home: &Home) -> Result<Done, ApiError> {
        let credential = self.credential.to_bytes();
        let message = AddDevice::to_be_signed(&home.app.house.identity.id, &credential);
        home.call(
            None,
            &AddDevice {
                signature_key: self.signature_key,
                signature: self.sign(&message),
                credential: Blob::new(credential).unwrap(),
            },
        )
    }

    pub fn sign_in(&mut self, home: &Home) -> Result<SignedIn, ApiError> {
        let device = self.device;
        let challenge = home.call(None, &AskChallenge { device })?;
        let message = SignIn::to_be_signed(&challenge.server, &device, &challenge.nonce);
        let signed_in = home.call(
            None,
            &SignIn {
                device,
                nonce: challenge.nonce,
                signature: self.sign(&message),
                state: StateCounter::new(1),
            },
        )?;
        self.token = Some(signed_in.token.clone());
        Ok(signed_in)
    }

    /// Signs in and puts two one-time key packages and a last resort.
    pub fn settle_in(&mut self, home: &Home) {
        self.sign_in(home).unwrap();
        let one_time = vec![self.key_package(home, false), self.key_package(home, false)];
        self.call(
            home,
            &PutKeyPackages {
                one_time: List::new(one_time).unwrap(),
                last_resort: Some(self.key_package(home, true)),
                replace: false,
            },
        )
        .unwrap();
    }

    pub fn key_package(&self, home: &Home, last_resort: bool) -> KeyPackageBytes {
        let mut extensions = ExtensionList::default();
        if last_resort {
            extensions.set_from(LastResortKeyPackageExt).unwrap();
        }
        let from = limit::key_package_from(home.time, last_resort);
        let package = self
            .client
            .generate_key_package_message(
                extensions,
                ExtensionList::default(),
                Some(MlsTime::from(from.get())),
            )
            .unwrap();
        Blob::new(package.to_bytes().unwrap()).unwrap()
    }

    pub fn call<C: Call>(&self, home: &Home, call: &C) -> Result<C::Reply, ApiError> {
        home.call(self.token.clone(), call)
    }

    pub fn founding(&self, home: &Home, id: u8, kind: GroupKind) -> (Member, FoundGroup) {
        let key = home.app.house.identity.key;
        let mut policy = GroupPolicy::new(key, kind, &[self.account]).unwrap();
        policy.suite_floor = SUITE_CLASSIC.raw_value();
        self.founding_with(home, id, &policy)
    }

    fn founding_with(&self, home: &Home, id: u8, policy: &GroupPolicy) -> (Member, FoundGroup) {
        let group = self
            .client
            .create_group_with_id(
                vec![id; 16],
                policy.to_extensions(),
                ExtensionList::default(),
                Some(MlsTime::from(home.time.get())),
            )
            .unwrap();
        let member = Member::of(self, group);
        let asked = FoundGroup {
            group_info: member.info(),
            tree: Blob::new(member.group.export_tree().to_bytes().unwrap()).unwrap(),
        };
        (member, asked)
    }

    pub fn found(&self, home: &Home, id: u8) -> Member {
        let (member, asked) = self.founding(home, id, GroupKind::Group);
        self.call(home, &asked).unwrap();
        member
    }

    /// Joins by the Welcome that waits in the inbox.
    pub fn join(&self, home: &Home) -> Member {
        let inbox = self.call(
            home,
            &FetchInbox {
                after: InboxSeq::new(0),
            },
        );
        let item = inbox
            .unwrap()
            .items
            .into_vec()
            .into_iter()
            .rev()
            .find_map(|row| match row.item {
                log::InboxItem::Welcome {
                    group,
                    epoch,
                    welcome,
                    ..
                } => Some((group, epoch, welcome)),
                _ => None,
            });
        let (group, epoch, welcome) = item.expect("a Welcome is waiting");
        let tree = self.call(home, &FetchTree { group, epoch }).unwrap().tree;
        let welcome = MlsMessage::from_bytes(welcome.as_bytes()).unwrap();
        let tree = ExportedTree::from_bytes(tree.as_bytes())
            .unwrap()
            .into_owned();
        let (group, _) = self.client.join_group(Some(tree), &welcome, None).unwrap();
        Member::of(self, group)
    }

    /// An external commit from the group's present state, by a grant or as an own device.
    pub fn entering(
        &self,
        home: &Home,
        group: GroupId,
        proof: Option<JoinProof>,
        replaces: Option<u32>,
    ) -> Result<(Member, SubmitCommit), ApiError> {
        let bundle = self.call(home, &FetchGroupInfo { group })?;
        let tree = ExportedTree::from_bytes(bundle.tree.as_bytes())
            .unwrap()
            .into_owned();
        let mut builder = self
            .client
            .external_commit_builder()
            .unwrap()
            .with_tree_data(tree);
        if let Some(index) = replaces {
            builder = builder.with_removal(index);
        }
        if let Some(proof) = proof {
            builder = builder.with_custom_proposal(proof.to_proposal());
        }
        let info = MlsMessage::from_bytes(bundle.group_info.as_bytes()).unwrap();
        self.time.set(home.time);
        let (entered, commit) = builder.build(info).unwrap();
        let member = Member::of(self, entered);
        let asked = SubmitCommit {
            group,
            commit: Blob::new(commit.to_bytes().unwrap()).unwrap(),
            group_info: member.info(),
            welcomes: List::default(),
            state: StateCounter::new(1),
        };
        Ok((member, asked))
    }

    /// A grant for a group and the invite that carries it, as requests.
    pub fn invites_to(
        &self,
        home: &Home,
        group: GroupId,
        number: u8,
        uses: u32,
    ) -> (InviteSecret, JoinGrant, CreateInvite) {
        let secret = InviteSecret::new([number; 16]);
        let invite = InviteId::new([number; 16]);
        let expires = home.time.plus(DAY);
        let claims = GrantClaims::new(invite, secret.key(), group, expires, self.signature_key);
        let signature = self.sign(&claims.to_be_signed());
        let grant = JoinGrant::assemble(claims, signature).unwrap();
        let asked = CreateInvite {
            invite,
            key: secret.key(),
            expires,
            uses,
            group: Some(group),
            grant: Some(Blob::new(grant.to_bytes()).unwrap()),
            guests_of: None,
        };
        (secret, grant, asked)
    }

    /// The beginning of a conversation's call.
    pub fn opening_call(&self, home: &Home, id: u8, conversation: GroupId) -> (Member, OpenCall) {
        let key = home.app.house.identity.key;
        let mut policy = GroupPolicy::for_call(key, conversation).unwrap();
        policy.suite_floor = SUITE_CLASSIC.raw_value();
        let (member, asked) = self.founding_with(home, id, &policy);
        let founding = CallFounding {
            group_info: asked.group_info,
            tree: Blob::new(asked.tree.into_bytes()).unwrap(),
        };
        let opening = OpenCall {
            group: conversation,
            founding: Some(founding),
        };
        (member, opening)
    }

    pub fn redemption(&self, home: &Home, secret: &InviteSecret, invite: InviteId) -> RedeemInvite {
        let server = home.app.house.identity.id;
        let message = RedeemInvite::to_be_signed(&server, &invite, &self.account);
        RedeemInvite {
            invite,
            signature: by_secret(*secret.as_bytes(), &message),
        }
    }

    pub fn connect(&self, home: &Home, cursors: &[(GroupId, u64)]) -> Line {
        let ticket = self.call(home, &AskTicket {}).unwrap().ticket;
        let connection = home.app.connect(&ticket, home.moment()).unwrap();
        let mut line = Line { connection };
        let cursors = cursors.iter().map(|(group, seq)| Cursor {
            group: *group,
            seq: Seq::new(*seq),
        });
        line.send(
            home,
            &ClientFrame::Hello {
                cursors: List::new(cursors.collect()).unwrap(),
                inbox: InboxSeq::new(0),
                credit: 256,
                state: StateCounter::new(1),
            },
        );
        line
    }

    pub fn log(&self, home: &Home, group: GroupId, after: u64) -> Result<LogPage, ApiError> {
        let after = Seq::new(after);
        self.call(
            home,
            &FetchLog {
                group,
                after,
                limit: 256,
            },
        )
    }

    /// Numbers of the entries that can be read after a cursor.
    pub fn seqs(&self, home: &Home, group: GroupId, after: u64) -> Vec<u64> {
        let page = self.log(home, group, after).unwrap();
        page.entries
            .as_slice()
            .iter()
            .map(|e| e.seq.get())
            .collect()
    }
}

/// A WebSocket without a network.
pub struct Line {
    pub connection: Connection,
}

impl Line {
    pub fn send(&mut self, home: &Home, frame: &ClientFrame) {
        now(self.connection.on_frame(&frame.to_bytes(), home.moment()));
    }

    pub fn frames(&mut self, home: &Home) -> Vec<ServerFrame> {
        let frames: Vec<Bytes> = now(self.connection.turn(home.moment()));
        let parsed = frames
            .iter()
            .map(|frame| ServerFrame::parse(frame).unwrap());
        parsed.collect()
    }

    /// Numbers of the entries that have come.
    pub fn seqs(&mut self, home: &Home) -> Vec<u64> {
        let frames = self.frames(home);
        frames
            .iter()
            .filter_map(|frame| match frame {
                ServerFrame::Event { entry, .. } => Some(entry.seq.get()),
                _ => None,
            })
            .collect()
    }

    pub fn submit(&mut self, home: &Home, message: Vec<u8>) -> Outcome {
        let frame = ClientFrame::Submit {
            request: 7,
            message: Blob::new(message).unwrap(),
            began: None,
        };
        self.send(home, &frame);
        let answer = self.frames(home).into_iter().find_map(|frame| match frame {
            ServerFrame::Result { outcome, .. } => Some(outcome),
            _ => None,
        });
        answer.expect("a submission is answered")
    }
}

/// A device in a group.
pub struct Member {
    pub id: GroupId,
    pub group: Group<Config>,
    time: JudgementTime,
}

impl Member {
    pub fn of(person: &Guest, group: Group<Config>) -> Self {
        Self {
            id: GroupId::try_from(group.group_id()).unwrap(),
            group,
            time: person.time.clone(),
        }
    }

    pub fn info(&self) -> GroupInfoBytes {
        let info = self.group.group_info_message_allowing_ext_commit(false);
        Blob::new(info.unwrap().to_bytes().unwrap()).unwrap()
    }

    pub fn message(&mut self, text: &str) -> Vec<u8> {
        let message = self
            .group
            .encrypt_application_message(text.as_bytes(), Vec::new());
        message.unwrap().to_bytes().unwrap()
    }

    pub fn submission(&mut self, text: &str) -> SubmitMessage {
        SubmitMessage {
            group: self.id,
            message: Blob::new(self.message(text)).unwrap(),
            state: StateCounter::new(1),
            began: None,
        }
    }

    pub fn leaving(&mut self) -> SubmitProposal {
        let proposal = self.group.propose_self_remove(Vec::new()).unwrap();
        SubmitProposal {
            group: self.id,
            proposal: Blob::new(proposal.to_bytes().unwrap()).unwrap(),
        }
    }

    pub fn leaves(&mut self, home: &Home, from: &Guest) {
        from.call(home, &self.leaving()).unwrap();
    }

    pub fn says(&mut self, home: &Home, from: &Guest, text: &str) -> Accepted {
        from.call(home, &self.submission(text)).unwrap()
    }

    /// A commit that adds one package for each of these people, who are claimed first.
    pub fn adding(&mut self, home: &Home, from: &Guest, people: &[&Guest]) -> SubmitCommit {
        let mut devices = Vec::new();
        let mut packages = Vec::new();
        for person in people {
            let claimed = from.call(
                home,
                &ClaimKeyPackages {
                    account: person.account,
                    suite: SUITE_CLASSIC.raw_value(),
                    except: List::default(),
                },
            );
            for one in claimed.unwrap().packages.into_vec() {
                devices.push(one.device);
                packages.push(MlsMessage::from_bytes(one.package.as_bytes()).unwrap());
            }
        }
        self.time.set(home.time);
        let mut builder = self
            .group
            .commit_builder()
            .commit_time(MlsTime::from(home.time.get()));
        for package in packages {
            builder = builder.add_member(package).unwrap();
        }
        let output = builder.build().unwrap();
        let welcomes = output.welcome_messages.iter().zip(&devices);
        let welcomes = welcomes.map(|(welcome, device)| WelcomeFor {
            devices: List::new(vec![*device]).unwrap(),
            welcome: Blob::new(welcome.to_bytes().unwrap()).unwrap(),
        });
        let welcomes = welcomes.collect();
        self.submitting(output.commit_message, welcomes)
    }

    pub fn removing(&mut self, home: &Home, device: &Guest) -> SubmitCommit {
        let index = self.index_of(device);
        self.time.set(home.time);
        let builder = self.group.commit_builder();
        let output = builder.remove_member(index).unwrap().build().unwrap();
        self.submitting(output.commit_message, Vec::new())
    }

    pub fn updating(&mut self, home: &Home) -> SubmitCommit {
        self.time.set(home.time);
        let output = self.group.commit_builder().build().unwrap();
        self.submitting(output.commit_message, Vec::new())
    }

    pub fn index_of(&self, person: &Guest) -> u32 {
        let roster = self.group.roster();
        let member = roster.members_iter().find(|member| {
            member.signing_identity.signature_key.as_ref() == person.signature_key.as_bytes()
        });
        member.expect("they are in the group").index
    }

    fn submitting(&self, commit: MlsMessage, welcomes: Vec<WelcomeFor>) -> SubmitCommit {
        let mut after = self.group.clone();
        after.apply_pending_commit().unwrap();
        let info = after.group_info_message_allowing_ext_commit(false);
        SubmitCommit {
            group: self.id,
            commit: Blob::new(commit.to_bytes().unwrap()).unwrap(),
            group_info: Blob::new(info.unwrap().to_bytes().unwrap()).unwrap(),
            welcomes: List::new(welcomes).unwrap(),
            state: StateCounter::new(1),
        }
    }

    /// Commits and merges.
    pub fn adds(&mut self, home: &Home, from: &Guest, people: &[&Guest]) -> Accepted {
        let asked = self.adding(home, from, people);
        let accepted = from.call(home, &asked).unwrap();
        self.group.apply_pending_commit().unwrap();
        accepted
    }

    pub fn removes(&mut self, home: &Home, from: &Guest, device: &Guest) -> Accepted {
        let asked = self.removing(home, device);
        let accepted = from.call(home, &asked).unwrap();
        self.group.apply_pending_commit().unwrap();
        accepted
    }

    pub fn updates(&mut self, home: &Home, from: &Guest) -> Accepted {
        let asked = self.updating(home);
        let accepted = from.call(home, &asked).unwrap();
        self.group.apply_pending_commit().unwrap();
        accepted
    }

    /// Processes what others did.
    pub fn receives(&mut self, entries: &[LogEntry]) {
        for entry in entries {
            let body = entry.body.as_ref().expect("read whole");
            self.time.set(entry.time);
            match entry.kind {
                EntryKind::Commit | EntryKind::Proposal => {
                    let handshake = read_handshake(body.as_bytes()).unwrap();
                    self.group
                        .process_incoming_message(handshake.into_message())
                        .unwrap();
                }
                EntryKind::Message => {
                    let message = MlsMessage::from_bytes(body.as_bytes()).unwrap();
                    self.group.process_incoming_message(message).unwrap();
                }
                EntryKind::Void => {}
            }
        }
    }
}

pub fn public(key: &SigningKey) -> AccountKey {
    AccountKey::new(key.verifying_key().to_bytes())
}

pub fn by_secret(secret: [u8; 16], message: &[u8]) -> SignatureBytes {
    let key = InviteSecret::new(secret).signing_key();
    SignatureBytes::new(key.sign(message).to_bytes())
}

fn client(
    credential: &LeafCredential,
    secret: &SignatureSecretKey,
    time: &JudgementTime,
) -> Client<Config> {
    let encryption = EncryptionOptions::new(false, PaddingMode::None);
    Client::builder()
        .identity_provider(RoostIdentity)
        .crypto_provider(HybridProvider::offering(&[SUITE_CLASSIC]))
        .mls_rules(RoostRules::new(encryption, time.clone()))
        .custom_proposal_types(capability::PROPOSAL_TYPES)
        .extension_types(capability::EXTENSION_TYPES)
        .key_package_lifetime(Duration::from_secs(limit::KEY_PACKAGE_LIFETIME_SECONDS))
        .signing_identity(credential.signing_identity(), secret.clone(), SUITE_CLASSIC)
        .build()
}
