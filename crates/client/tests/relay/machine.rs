//! The relay: accounts, invites, logs, inboxes; requests in, answers out, and frames for sockets.

use roost_client::{HttpCall, HttpReply};
use roost_mls::credential::CREDENTIAL_TYPE;
use roost_mls::{LeafCredential, ObservedGroup, Observer};
use roost_wire::api::*;
use roost_wire::frame::{ClientFrame, Outcome, ServerFrame};
use roost_wire::log::{EntryKind, InboxItem, LogEntry};
use roost_wire::*;
use std::collections::{BTreeMap, BTreeSet};

pub const SETUP: [u8; 16] = [9; 16];

#[derive(Clone, Default)]
struct Group {
    observed: Option<ObservedGroup>,
    log: Vec<LogEntry>,
    group_info: Vec<u8>,
    trees: BTreeMap<Epoch, Vec<u8>>,
    cursors: BTreeMap<DeviceId, Seq>,
    joined: BTreeMap<DeviceId, Epoch>,
    /// Before the last commit, for a void.
    before: Option<(Seq, ObservedGroup, Vec<u8>)>,
    refused: BTreeSet<AccountId>,
}

#[derive(Clone)]
struct Device {
    account: AccountId,
    key: SignatureKey,
    credential: Vec<u8>,
}

#[derive(Clone)]
struct Invite {
    create: CreateInvite,
    inviter: Option<AccountId>,
}

/// What becomes of droppable signals, each in percent; the dice are the relay's.
#[derive(Clone, Copy, Default)]
pub struct SignalFaults {
    pub lost: u64,
    pub doubled: u64,
    /// Overtaken by what comes after it.
    pub reordered: u64,
}

/// All of the server's state.
#[derive(Clone)]
pub struct Relay {
    pub key: ServerKey,
    pub now: Seconds,
    pub incarnation: Incarnation,
    /// Requests answered by an error next, whatever they are.
    pub refuse_next: Vec<ErrorCode>,
    /// The next message over HTTP is refused like this.
    pub refuse_message: Option<ErrorCode>,
    /// The next message on a socket is refused like this, and those behind it.
    pub refuse_submit: Option<ErrorCode>,
    /// Whose messages are refused until they follow a group again.
    halted: BTreeSet<DeviceId>,
    /// So many sign-ins are refused next.
    pub refuse_sign_ins: u32,
    /// So many wishes to leave come too late for their epoch, and are answered all the same.
    pub late_leaves: u32,
    /// So often nobody learns how to enter a group.
    pub hides_groups: u32,
    /// The lines of these devices died without a word: frames are lost.
    pub cut: BTreeSet<DeviceId>,
    /// Of these groups these devices see only so many entries.
    pub withholds: BTreeMap<(DeviceId, GroupId), usize>,
    /// The groups of calls, by conversation. The relay lets everybody in, and says so to nobody.
    pub calls: BTreeMap<GroupId, GroupId>,
    /// It relays calls as well; else it forwards messages only.
    pub relays_calls: bool,
    /// How long passes hold, and how many were given out.
    pub pass_seconds: u64,
    pub passes: usize,
    /// Commits of these devices are not taken for now.
    pub holds_back: BTreeSet<DeviceId>,
    /// What the relay says of people; change it to lie.
    pub people: BTreeMap<AccountId, api::Person>,
    /// As they were sent; the relay checks none, and keeps revoked devices.
    pub rotations: BTreeMap<AccountId, Vec<Blob<{ limit::ROTATION_BYTES }>>>,
    sealed_keys: BTreeMap<DeviceId, SealedKeyBytes>,
    /// Everything that was reported, in order.
    pub verdicts: Vec<(AccountId, Seq, Verdict)>,
    devices: BTreeMap<DeviceId, Device>,
    invites: BTreeMap<InviteId, Invite>,
    packages: BTreeMap<DeviceId, Vec<KeyPackageBytes>>,
    last_resort: BTreeMap<DeviceId, KeyPackageBytes>,
    groups: BTreeMap<GroupId, Group>,
    inboxes: BTreeMap<DeviceId, Vec<InboxRow>>,
    states: BTreeMap<DeviceId, StateCounter>,
    /// Frames for devices with a socket.
    pub sockets: BTreeMap<DeviceId, Vec<ServerFrame>>,
    pub signal_faults: SignalFaults,
    /// Held back until the next one to the same device.
    held_signals: BTreeMap<DeviceId, ServerFrame>,
    pub dice: u64,
    /// Every droppable signal that was sent: the server may play it again.
    pub signals: Vec<(DeviceId, ServerFrame)>,
}

type Answer = Result<Vec<u8>, ApiError>;

impl Relay {
    pub fn new() -> Self {
        let invite = CreateInvite {
            guests_of: None,
            invite: InviteId::new([1; 16]),
            key: roost_mls::InviteSecret::new(SETUP).key(),
            expires: Seconds::new(u64::MAX),
            uses: 1_000,
            group: None,
            grant: None,
        };
        let invites = [(
            invite.invite,
            Invite {
                create: invite,
                inviter: None,
            },
        )];
        Self {
            key: ServerKey::new([7; 32]),
            now: Seconds::new(1_800_000_000),
            incarnation: Incarnation::new(1),
            refuse_next: Vec::new(),
            refuse_message: None,
            refuse_submit: None,
            halted: BTreeSet::new(),
            refuse_sign_ins: 0,
            hides_groups: 0,
            late_leaves: 0,
            cut: BTreeSet::new(),
            withholds: BTreeMap::new(),
            calls: BTreeMap::new(),
            relays_calls: false,
            pass_seconds: limit::RELAY_PASS_SECONDS,
            passes: 0,
            holds_back: BTreeSet::new(),
            people: BTreeMap::new(),
            rotations: BTreeMap::new(),
            sealed_keys: BTreeMap::new(),
            verdicts: Vec::new(),
            devices: BTreeMap::new(),
            invites: invites.into(),
            packages: BTreeMap::new(),
            last_resort: BTreeMap::new(),
            groups: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            states: BTreeMap::new(),
            sockets: BTreeMap::new(),
            signal_faults: SignalFaults::default(),
            held_signals: BTreeMap::new(),
            dice: 1,
            signals: Vec::new(),
        }
    }

    /// Goes on from an earlier state, as after the import of a backup.
    pub fn restore(&mut self, backup: Self) {
        let (now, incarnation) = (self.now, self.incarnation.get() + 1);
        *self = backup;
        self.now = now;
        self.incarnation = Incarnation::new(incarnation);
        self.sockets.clear();
    }

    pub fn answer(&mut self, call: &HttpCall) -> HttpReply {
        let refused = self.refuse_next.pop();
        let outcome = match refused {
            Some(code) => Err(ApiError::new(code, "planted")),
            None => self.route(call),
        };
        match outcome {
            Ok(body) => HttpReply { status: 200, body },
            Err(error) => HttpReply {
                status: error.code.status(),
                body: api::encode(&error),
            },
        }
    }

    fn route(&mut self, call: &HttpCall) -> Answer {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let from = call
            .token
            .as_ref()
            .map(|token| DeviceId::try_from(&token.as_bytes()[..16]).unwrap());
        match (call.method.as_str(), &parts[..]) {
            ("GET", ["server"]) => ok(&self.info()),
            ("GET", ["invites", id]) => self.show_invite(id.parse().unwrap()),
            ("POST", ["accounts"]) => self.register(take(&call.body)),
            ("POST", ["devices"]) => self.add_device(take(&call.body)),
            ("POST", ["challenges"]) => ok(&Challenge {
                nonce: self.nonce(),
                server: self.info().id,
            }),
            ("POST", ["sessions"]) => self.sign_in(take(&call.body)),
            _ => match from.filter(|device| self.devices.contains_key(device)) {
                Some(from) => self.route_signed_in(call, &parts, query, from),
                None => Err(ApiError::new(ErrorCode::NotSignedIn, "sign in")),
            },
        }
    }

    fn route_signed_in(
        &mut self,
        call: &HttpCall,
        parts: &[&str],
        query: &str,
        from: DeviceId,
    ) -> Answer {
        let account = self.devices[&from].account;
        let group = parts.get(1).and_then(|id| id.parse::<GroupId>().ok());
        match (call.method.as_str(), parts) {
            ("POST", ["tickets"]) => ok(&SocketTicket {
                ticket: Ticket::new([1; 16]),
            }),
            ("GET", ["people"]) => ok(&People {
                people: List::capped(self.people.values().cloned().collect()),
                more: false,
            }),
            ("GET", ["accounts", id]) => self.show_account(from, id.parse().unwrap()),
            ("POST", ["rotations"]) => self.rotate(account, take(&call.body)),
            ("PUT", ["key-packages"]) => self.put_packages(from, take(&call.body)),
            ("POST", ["key-packages", "claim"]) => self.claim(take(&call.body)),
            ("GET", ["memberships"]) => self.memberships(account),
            ("GET", ["inbox"]) => self.inbox(from, query),
            ("POST", ["acks"]) => {
                let acks: Acknowledge = take(&call.body);
                self.acknowledge(from, acks.cursors.into_vec());
                ok(&Done {})
            }
            ("POST", ["invites"]) => {
                let create: CreateInvite = take(&call.body);
                let inviter = Some(account);
                self.invites
                    .insert(create.invite, Invite { create, inviter });
                ok(&Done {})
            }
            ("POST", ["invites", id, "redeem"]) => self.show_invite(id.parse().unwrap()),
            ("POST", ["groups"]) => self.found(take(&call.body)),
            ("POST", ["groups", _, "commits"]) => self.commit(from, take(&call.body)),
            ("POST", ["groups", _, "proposals"]) => self.propose(take(&call.body)),
            ("POST", ["groups", _, "messages"]) => {
                if let Some(code) = self.refuse_message.take() {
                    return Err(ApiError::new(code, "planted"));
                }
                let submit: SubmitMessage = take(&call.body);
                self.note_state(from, submit.state);
                self.message(from, submit.message.into_bytes())
                    .map(|accepted| api::encode(&accepted))
            }
            ("POST", ["groups", _, "call"]) => self.open_call(take(&call.body)),
            ("POST", ["groups", _, "end"]) => {
                let call = group.unwrap();
                self.calls.retain(|_, other| *other != call);
                self.groups.remove(&call);
                ok(&Done {})
            }
            ("GET", ["groups", _, "log"]) => self.log(from, group.unwrap(), query),
            ("GET", ["groups", _, "info"]) => self.group_info(group.unwrap()),
            ("GET", ["groups", _, "trees", epoch]) => {
                let found = self.groups.get(&group.unwrap()).ok_or_else(not_found)?;
                let tree = found.trees.get(&Epoch::new(epoch.parse().unwrap()));
                ok(&Tree {
                    tree: Blob::new(tree.ok_or_else(not_found)?.clone()).unwrap(),
                })
            }
            ("POST", ["relay-passes"]) if self.relays_calls => {
                self.passes += 1;
                ok(&RelayPass {
                    urls: List::capped(vec!["turn:relay.test".to_owned()]),
                    username: format!("{}:somebody", self.now.get() + self.pass_seconds),
                    password: "secret".into(),
                    expires: self.now.plus(self.pass_seconds),
                })
            }
            ("POST", ["relay-passes"]) => Err(not_found()),
            ("POST", ["groups", _, "verdicts"]) => self.verdict(account, take(&call.body)),
            other => panic!("no such endpoint: {other:?}"),
        }
    }

    fn info(&self) -> ServerInfo {
        ServerInfo {
            id: roost_mls::policy::server_id(&self.key),
            key: self.key,
            host: "relay".into(),
            version: "0".into(),
            incarnation: self.incarnation,
            time: self.now,
        }
    }

    fn show_invite(&self, id: InviteId) -> Answer {
        let invite = self.invites.get(&id).ok_or_else(not_found)?;
        ok(&InviteDetail {
            guests_of: None,
            inviter: invite.inviter.map(|account| self.people[&account].clone()),
            server: self.info().id,
            host: "relay".into(),
            expires: invite.create.expires,
            uses_left: invite.create.uses,
            group: invite.create.group,
            grant: invite.create.grant.clone(),
            is_setup: false,
        })
    }

    fn register(&mut self, request: Register) -> Answer {
        let leaf = leaf_of(request.credential.as_bytes(), &request.signature_key);
        let taken = self
            .people
            .values()
            .any(|person| person.name == leaf.name && person.account != leaf.account);
        if taken {
            return Err(ApiError::new(
                ErrorCode::Taken,
                "Somebody has this name already.",
            ));
        }
        let me = api::Person {
            account: leaf.account,
            name: leaf.name.clone(),
            key: leaf.account_key,
            is_admin: false,
            last_seen_day: None,
            next_key_hash: Some(leaf.next_account_key_hash),
        };
        self.people.insert(me.account, me.clone());
        self.note_device(&leaf, request.credential.as_bytes());
        let invite = &self.invites[&request.invite];
        ok(&Registered {
            me,
            inviter: invite.inviter.map(|account| self.people[&account].clone()),
            group: invite.create.group,
            grant: invite.create.grant.clone(),
        })
    }

    fn add_device(&mut self, request: AddDevice) -> Answer {
        let leaf = leaf_of(request.credential.as_bytes(), &request.signature_key);
        self.note_device(&leaf, request.credential.as_bytes());
        ok(&Done {})
    }

    fn show_account(&self, from: DeviceId, id: AccountId) -> Answer {
        let of_account = self.devices.iter().filter(|(_, row)| row.account == id);
        let cards = of_account.map(|(device, row)| DeviceCard {
            device: *device,
            signature_key: row.key,
            credential: Blob::new(row.credential.clone()).unwrap(),
        });
        ok(&AccountDetail {
            person: self.people.get(&id).ok_or_else(not_found)?.clone(),
            devices: List::capped(cards.collect()),
            rotations: List::capped(self.rotations.get(&id).cloned().unwrap_or_default()),
            sealed_key: self.sealed_keys.get(&from).cloned(),
        })
    }

    fn rotate(&mut self, account: AccountId, request: RotateAccount) -> Answer {
        let rotation = roost_mls::KeyRotation::parse(request.rotation.as_bytes()).unwrap();
        let person = self.people.get_mut(&account).unwrap();
        person.key = rotation.new_key;
        person.next_key_hash = Some(rotation.next_hash);
        self.rotations
            .entry(account)
            .or_default()
            .push(request.rotation);
        for sealed in request.sealed_keys.into_vec() {
            self.sealed_keys.insert(sealed.device, sealed.sealed);
        }
        ok(&Done {})
    }

    fn note_device(&mut self, leaf: &LeafCredential, credential: &[u8]) {
        let device = Device {
            account: leaf.account,
            key: *leaf.device_key(),
            credential: credential.to_vec(),
        };
        self.devices.insert(leaf.device, device);
    }

    /// Names the time, so that an old one is known.
    fn nonce(&self) -> Nonce {
        let mut nonce = [3; 40];
        nonce[..8].copy_from_slice(&self.now.get().to_be_bytes());
        Nonce::new(nonce)
    }

    fn sign_in(&mut self, request: SignIn) -> Answer {
        let made = u64::from_be_bytes(request.nonce.as_bytes()[..8].try_into().unwrap());
        let is_old = self.now.get() > made + limit::CHALLENGE_SECONDS;
        if is_old || self.refuse_sign_ins > 0 {
            self.refuse_sign_ins = self.refuse_sign_ins.saturating_sub(1);
            return Err(ApiError::new(ErrorCode::NotSignedIn, "no"));
        }
        let mut token = [0; 32];
        token[..16].copy_from_slice(request.device.as_bytes());
        let known = self
            .states
            .get(&request.device)
            .copied()
            .unwrap_or_default();
        self.note_state(request.device, request.state);
        ok(&SignedIn {
            token: Token::new(token),
            expires: self.now.plus(1_000),
            known_state: known.max(request.state),
            time: self.now,
            incarnation: self.incarnation,
        })
    }

    fn note_state(&mut self, device: DeviceId, state: StateCounter) {
        let known = self.states.entry(device).or_default();
        *known = (*known).max(state);
    }

    fn put_packages(&mut self, from: DeviceId, put: PutKeyPackages) -> Answer {
        for package in put.one_time.as_slice().iter().chain(&put.last_resort) {
            Observer::new()
                .validate_key_package(package.as_bytes(), self.now)
                .unwrap();
        }
        let mut kept = self.packages.remove(&from).unwrap_or_default();
        if put.replace {
            kept.clear();
        }
        let room = limit::KEY_PACKAGES_MAX - kept.len();
        if put.one_time.as_slice().len() > room {
            self.packages.insert(from, kept);
            return Err(ApiError::new(ErrorCode::Refused, "too many"));
        }
        kept.extend(put.one_time.into_vec());
        let one_time = u32::try_from(kept.len()).unwrap();
        self.packages.insert(from, kept);
        if let Some(package) = put.last_resort {
            self.last_resort.insert(from, package);
        }
        ok(&KeyPackageCount { one_time })
    }

    fn claim(&mut self, request: ClaimKeyPackages) -> Answer {
        let devices: Vec<DeviceId> = self
            .devices
            .iter()
            .filter(|(_, device)| device.account == request.account)
            .map(|(id, _)| *id)
            .collect();
        let mut packages = Vec::new();
        for device in devices {
            let one_time = self.packages.get_mut(&device).and_then(Vec::pop);
            let package = one_time.or_else(|| self.last_resort.get(&device).cloned());
            packages.extend(package.map(|package| ClaimedKeyPackage { device, package }));
        }
        ok(&ClaimedKeyPackages {
            packages: List::capped(packages),
        })
    }

    fn memberships(&self, account: AccountId) -> Answer {
        let member = |group: &Group| {
            let roster = group.observed.as_ref().unwrap().roster().unwrap();
            roster.iter().any(|leaf| leaf.account == account)
        };
        let groups = self.groups.iter().filter(|(_, group)| member(group));
        let groups = groups.filter(|_| self.hides_groups == 0);
        let is_call = |id: &GroupId| self.calls.values().any(|call| call == id);
        let groups = groups.filter(|(id, _)| !is_call(id));
        ok(&Memberships {
            groups: List::capped(groups.map(|(id, _)| *id).collect()),
        })
    }

    fn inbox(&self, from: DeviceId, query: &str) -> Answer {
        let after = InboxSeq::new(parameter(query, "after"));
        let rows = self.inboxes.get(&from).cloned().unwrap_or_default();
        let items = rows.into_iter().filter(|row| row.seq > after).collect();
        ok(&InboxPage {
            items: List::capped(items),
            more: false,
        })
    }

    fn found(&mut self, request: FoundGroup) -> Answer {
        let observed = Observer::new()
            .found(request.group_info.as_bytes(), request.tree.as_bytes())
            .unwrap();
        let group = Group {
            trees: [(observed.epoch(), observed.export_tree().unwrap())].into(),
            group_info: request.group_info.into_bytes(),
            observed: Some(observed.clone()),
            ..Group::default()
        };
        self.groups.entry(observed.group_id()).or_insert(group);
        ok(&Accepted {
            seq: Seq::NONE,
            epoch: observed.epoch(),
            time: self.now,
        })
    }

    fn open_call(&mut self, request: OpenCall) -> Answer {
        let mut opened = CallOpened {
            call: request.group,
            founded: None,
            info: None,
        };
        if let Some(call) = self.calls.get(&request.group).copied() {
            opened.call = call;
            opened.info = Some(FetchGroupInfo::reply(&self.group_info(call)?).unwrap());
            return ok(&opened);
        }
        let founding = request.founding.ok_or_else(not_found)?;
        let (group_info, tree) = (founding.group_info, founding.tree);
        let observed = Observer::new()
            .found(group_info.as_bytes(), tree.as_bytes())
            .unwrap();
        opened.call = observed.group_id();
        let tree = Blob::new(tree.into_bytes()).unwrap();
        let accepted = self.found(FoundGroup { group_info, tree })?;
        opened.founded = Some(FoundGroup::reply(&accepted).unwrap());
        self.calls.insert(request.group, opened.call);
        ok(&opened)
    }

    fn commit(&mut self, from: DeviceId, request: SubmitCommit) -> Answer {
        self.note_state(from, request.state);
        if self.holds_back.contains(&from) {
            return Err(ApiError::new(ErrorCode::Internal, "planted"));
        }
        let now = self.now;
        let group = self.groups.get_mut(&request.group).ok_or_else(not_found)?;
        let hash = EntryHash::of(request.commit.as_bytes());
        if let Some(entry) = group.log.iter().find(|entry| entry.hash == hash) {
            return ok(&Accepted {
                seq: entry.seq,
                epoch: entry.epoch.next(),
                time: entry.time,
            });
        }
        let observed = group.observed.clone().unwrap();
        let head = Seq::new(group.log.len() as u64);
        let judged = observed
            .judge_commit(request.commit.as_bytes(), now)
            .map_err(|error| match error {
                roost_mls::RuleError::Epoch { .. } => ApiError::stale(observed.epoch(), head),
                other => ApiError::new(ErrorCode::Refused, &other.to_string()),
            })?;
        judged
            .next
            .check_group_info(request.group_info.as_bytes())
            .unwrap();
        let epoch = observed.epoch();
        group.before = Some((head.next(), observed, group.group_info.clone()));
        group.refused.clear();
        group.group_info = request.group_info.into_bytes();
        group
            .trees
            .insert(judged.epoch, judged.next.export_tree().unwrap());
        let fresh = judged.added.iter().map(|leaf| (leaf.device, judged.epoch));
        group.joined.extend(fresh);
        group.observed = Some(judged.next);
        let accepted = self.push(
            &request.group,
            EntryKind::Commit,
            epoch,
            request.commit.into_bytes(),
        );
        for welcome in request.welcomes.into_vec() {
            for device in welcome.devices.into_vec() {
                let item = InboxItem::Welcome {
                    group: request.group,
                    epoch: judged.epoch,
                    seq: accepted.seq,
                    welcome: welcome.welcome.clone(),
                };
                self.put_inbox(device, item);
            }
        }
        ok(&Accepted {
            epoch: judged.epoch,
            ..accepted
        })
    }

    pub fn put_inbox(&mut self, device: DeviceId, item: InboxItem) {
        let inbox = self.inboxes.entry(device).or_default();
        let seq = InboxSeq::new(inbox.len() as u64 + 1);
        inbox.push(InboxRow {
            seq,
            item: item.clone(),
        });
        if let Some(frames) = self.sockets.get_mut(&device) {
            frames.push(ServerFrame::Inbox { seq, item });
        }
    }

    fn propose(&mut self, request: SubmitProposal) -> Answer {
        let now = self.now;
        let group = self.groups.get_mut(&request.group).ok_or_else(not_found)?;
        let observed = group.observed.clone().unwrap();
        if self.late_leaves > 0 {
            self.late_leaves -= 1;
            let epoch = Epoch::new(observed.epoch().get() - 1);
            let (seq, time) = (Seq::new(1), now);
            return ok(&Accepted { seq, epoch, time });
        }
        let judged = observed.judge_proposal(request.proposal.as_bytes(), now);
        let judged = judged.map_err(|_| ApiError::stale(observed.epoch(), Seq::NONE))?;
        group.observed = Some(judged.next);
        let body = request.proposal.into_bytes();
        ok(&self.push(&request.group, EntryKind::Proposal, observed.epoch(), body))
    }

    /// Puts an application message into the log, as the server would.
    pub fn message(&mut self, from: DeviceId, message: Vec<u8>) -> Result<Accepted, ApiError> {
        let envelope = roost_wire::envelope::Envelope::parse(message)
            .map_err(|_| ApiError::new(ErrorCode::Malformed, "malformed"))?;
        let group = self.groups.get(&envelope.group()).ok_or_else(not_found)?;
        if let Some(entry) = group.log.iter().find(|entry| entry.hash == envelope.hash()) {
            return Ok(Accepted {
                seq: entry.seq,
                epoch: entry.epoch,
                time: entry.time,
            });
        }
        let current = group.observed.as_ref().unwrap().epoch();
        let head = Seq::new(group.log.len() as u64);
        if envelope.epoch() > current
            || group
                .joined
                .get(&from)
                .is_some_and(|joined| envelope.epoch() < *joined)
            || envelope.epoch().get() + limit::EPOCHS_BEHIND < current.get()
        {
            return Err(ApiError::stale(current, head));
        }
        let (id, epoch) = (envelope.group(), envelope.epoch());
        Ok(self.push(&id, EntryKind::Message, epoch, envelope.into_bytes()))
    }

    fn push(&mut self, id: &GroupId, kind: EntryKind, epoch: Epoch, body: Vec<u8>) -> Accepted {
        self.now = self.now.plus(1);
        let time = self.now;
        let entry = LogEntry {
            seq: Seq::new(self.groups[id].log.len() as u64 + 1),
            kind,
            epoch,
            time,
            hash: EntryHash::of(&body),
            size_bytes: u32::try_from(body.len()).unwrap(),
            body: Some(Blob::new(body).unwrap()),
            voids: None,
        };
        let seq = entry.seq;
        self.publish(id, entry);
        Accepted { seq, epoch, time }
    }

    fn publish(&mut self, id: &GroupId, entry: LogEntry) {
        for (device, frames) in &mut self.sockets {
            if self.withholds.contains_key(&(*device, *id)) {
                continue;
            }
            frames.push(ServerFrame::Event {
                group: *id,
                entry: entry.clone(),
            });
        }
        self.groups.get_mut(id).unwrap().log.push(entry);
    }

    /// From now on the device sees no new entry of the group.
    pub fn withhold(&mut self, device: DeviceId, group: GroupId) {
        let seen = self.groups[&group].log.len();
        self.withholds.insert((device, group), seen);
    }

    fn shown_to(&self, device: DeviceId, id: GroupId) -> &[LogEntry] {
        let log = &self.groups[&id].log[..];
        let seen = self.withholds.get(&(device, id)).copied();
        &log[..seen.unwrap_or(log.len())]
    }

    fn log(&self, from: DeviceId, id: GroupId, query: &str) -> Answer {
        let group = self.groups.get(&id).ok_or_else(not_found)?;
        let after = parameter(query, "after") as usize;
        let log = self.shown_to(from, id);
        let entries = log.iter().skip(after).take(100).cloned().collect();
        ok(&LogPage {
            entries: List::capped(entries),
            tail: Seq::new(1),
            head: Seq::new(log.len() as u64),
            incarnation: self.incarnation,
            delivered: delivered(group),
        })
    }

    fn group_info(&mut self, id: GroupId) -> Answer {
        if self.hides_groups > 0 {
            self.hides_groups -= 1;
            return Err(not_found());
        }
        let group = self.groups.get(&id).ok_or_else(not_found)?;
        let observed = group.observed.as_ref().unwrap();
        ok(&GroupInfoBundle {
            group_info: Blob::new(group.group_info.clone()).unwrap(),
            tree: Blob::new(observed.export_tree().unwrap()).unwrap(),
            epoch: observed.epoch(),
            head: Seq::new(group.log.len() as u64),
            time: self.now,
            incarnation: self.incarnation,
        })
    }

    /// Two accounts' refusals void a commit (one, in a group of two).
    fn verdict(&mut self, account: AccountId, report: ReportVerdict) -> Answer {
        let remedy = Remedy::GoOn;
        let now = self.now;
        self.verdicts.push((account, report.seq, report.verdict));
        let group = self.groups.get_mut(&report.group).ok_or_else(not_found)?;
        if report.verdict == Verdict::Merged {
            return ok(&VerdictTaken { remedy });
        }
        group.refused.insert(account);
        let Some((seq, observed, info)) = group.before.clone() else {
            return ok(&VerdictTaken {
                remedy: Remedy::Rejoin,
            });
        };
        let accounts: BTreeSet<_> = observed
            .roster()
            .unwrap()
            .iter()
            .map(|leaf| leaf.account)
            .collect();
        if seq != report.seq {
            return ok(&VerdictTaken {
                remedy: Remedy::Rejoin,
            });
        }
        if group.refused.len() >= 2.min(accounts.len() - 1) {
            let epoch = observed.epoch();
            group.observed = Some(observed);
            group.group_info = info;
            group.before = None;
            let entry = LogEntry {
                seq: Seq::new(group.log.len() as u64 + 1),
                kind: EntryKind::Void,
                epoch,
                time: now,
                hash: EntryHash::of(b"void"),
                size_bytes: 0,
                body: None,
                voids: Some(seq),
            };
            self.publish(&report.group, entry);
        }
        ok(&VerdictTaken { remedy })
    }

    fn acknowledge(&mut self, from: DeviceId, cursors: Vec<frame::Cursor>) {
        for cursor in cursors {
            if let Some(group) = self.groups.get_mut(&cursor.group) {
                let known = group.cursors.entry(from).or_default();
                *known = (*known).max(cursor.seq);
            }
        }
    }

    /// One frame of a device with a socket.
    pub fn frame(&mut self, from: DeviceId, bytes: &[u8]) {
        if self.cut.contains(&from) {
            return;
        }
        match ClientFrame::parse(bytes).unwrap() {
            ClientFrame::Hello { cursors, inbox, .. } => {
                let mut frames = vec![ServerFrame::Ready {
                    incarnation: self.incarnation,
                    time: self.now,
                }];
                for cursor in cursors.as_slice() {
                    frames.extend(self.backlog(from, *cursor));
                }
                for row in self.inboxes.get(&from).into_iter().flatten() {
                    if row.seq > inbox {
                        let (seq, item) = (row.seq, row.item.clone());
                        frames.push(ServerFrame::Inbox { seq, item });
                    }
                }
                self.sockets.insert(from, frames);
                self.acknowledge(from, cursors.into_vec());
            }
            ClientFrame::Submit {
                request, message, ..
            } => {
                let outcome = match self.submit(from, message.into_bytes()) {
                    Ok(accepted) => Outcome::Accepted(accepted),
                    Err(error) => Outcome::Refused(error),
                };
                let frames = self.sockets.get_mut(&from).unwrap();
                frames.push(ServerFrame::Result { request, outcome });
            }
            ClientFrame::Ack { cursors, .. } => {
                self.acknowledge(from, cursors.into_vec());
                let delivered: Vec<_> = self
                    .groups
                    .iter()
                    .map(|(id, group)| (*id, delivered(group)))
                    .collect();
                for (group, seq) in delivered {
                    for frames in self.sockets.values_mut() {
                        frames.push(ServerFrame::Delivered { group, seq });
                    }
                }
            }
            ClientFrame::Ephemeral { group, sealed } => {
                let frame = ServerFrame::Ephemeral { group, sealed };
                self.signals.push((from, frame.clone()));
                self.pass_on(from, &frame);
            }
            ClientFrame::Credit { .. } | ClientFrame::Watch { .. } => {}
            ClientFrame::Ping => self.sockets.get_mut(&from).unwrap().push(ServerFrame::Pong),
            ClientFrame::Follow { cursor } => {
                self.halted.remove(&from);
                let frames = self.backlog(from, cursor);
                self.sockets.get_mut(&from).unwrap().extend(frames);
            }
        }
    }

    /// Hands a signal to the other devices, with faults.
    fn pass_on(&mut self, from: DeviceId, frame: &ServerFrame) {
        let others = self.sockets.keys().filter(|device| **device != from);
        let others: Vec<DeviceId> = others.copied().collect();
        for device in others {
            let faults = self.signal_faults;
            if self.roll() < faults.lost {
                continue;
            }
            let before = self.held_signals.remove(&device);
            if self.roll() < faults.reordered {
                self.held_signals.insert(device, frame.clone());
            } else {
                self.push_signal(device, frame);
            }
            if self.roll() < faults.doubled {
                self.push_signal(device, frame);
            }
            if let Some(before) = before {
                self.push_signal(device, &before);
            }
        }
    }

    pub fn push_signal(&mut self, to: DeviceId, frame: &ServerFrame) {
        if let Some(frames) = self.sockets.get_mut(&to) {
            frames.push(frame.clone());
        }
    }

    /// 0 to 99.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) % 100
    }

    /// A message on a socket: none overtakes a refused one.
    fn submit(&mut self, from: DeviceId, message: Vec<u8>) -> Result<Accepted, ApiError> {
        if let Some(code) = self.refuse_submit.take() {
            self.halted.insert(from);
            return Err(ApiError::new(code, "planted"));
        }
        if self.halted.contains(&from) {
            return Err(ApiError::new(ErrorCode::Unknown, "behind a refused one"));
        }
        self.message(from, message)
    }

    fn backlog(&self, from: DeviceId, cursor: frame::Cursor) -> Vec<ServerFrame> {
        let id = cursor.group;
        if !self.groups.contains_key(&id) {
            return vec![ServerFrame::Gone { group: id }];
        }
        let log = self.shown_to(from, id);
        let entries = log.iter().filter(|entry| entry.seq > cursor.seq);
        let mut frames: Vec<_> = entries
            .map(|entry| ServerFrame::Event {
                group: id,
                entry: entry.clone(),
            })
            .collect();
        frames.push(ServerFrame::Head {
            group: id,
            head: Seq::new(log.len() as u64),
        });
        frames
    }

    /// Puts bytes of a hostile member (or server) into a log.
    pub fn plant(&mut self, group: &GroupId, kind: EntryKind, body: Vec<u8>) {
        let epoch = self.groups[group].observed.as_ref().unwrap().epoch();
        self.push(group, kind, epoch, body);
    }

    /// Replaces the body of the last entry: what reaches some members only.
    pub fn last_body(&mut self, group: &GroupId) -> Vec<u8> {
        let entry = self.groups[group].log.last().unwrap();
        entry.body.clone().unwrap().into_bytes()
    }

    pub fn entries(&self, group: &GroupId) -> &[LogEntry] {
        &self.groups[group].log
    }

    pub fn entries_mut(&mut self, group: &GroupId) -> &mut Vec<LogEntry> {
        &mut self.groups.get_mut(group).unwrap().log
    }

    pub fn roster(&self, group: &GroupId) -> Vec<roost_mls::LeafSummary> {
        self.groups[group]
            .observed
            .as_ref()
            .unwrap()
            .roster()
            .unwrap()
    }

    /// How many one-time key packages are kept for a device.
    pub fn packages_of(&self, device: &DeviceId) -> usize {
        self.packages.get(device).map_or(0, Vec::len)
    }

    /// Whether a device can be added by its last resort.
    pub fn has_last_resort(&self, device: &DeviceId) -> bool {
        self.last_resort.get(device).is_some_and(|package| {
            let package = package.as_bytes();
            Observer::new()
                .validate_key_package(package, self.now)
                .is_ok()
        })
    }

    /// Nobody can be added by a one-time key package of this device any more.
    pub fn use_up_packages(&mut self, device: &DeviceId) {
        self.packages.remove(device);
    }

    /// The credential that the server has of a device.
    pub fn credential_of(&self, device: &DeviceId) -> LeafCredential {
        let row = &self.devices[device];
        leaf_of(&row.credential, &row.key)
    }

    /// The credential in a device's leaf.
    pub fn leaf_credential(&self, group: &GroupId, device: &DeviceId) -> LeafCredential {
        let tree = self.groups[group].observed.as_ref().unwrap().export_tree();
        let tree = mls_rs::group::ExportedTree::from_bytes(&tree.unwrap()).unwrap();
        let mut leaves = tree
            .roster()
            .members_iter()
            .map(|member| LeafCredential::parse(&member.signing_identity).unwrap())
            .collect::<Vec<_>>()
            .into_iter();
        leaves.find(|leaf| leaf.device == *device).unwrap()
    }

    pub fn inbox_of(&self, device: &DeviceId) -> &[InboxRow] {
        self.inboxes.get(device).map_or(&[], Vec::as_slice)
    }

    pub fn has_invite(&self, id: &InviteId) -> bool {
        self.invites.contains_key(id)
    }

    pub fn state_of(&self, device: &DeviceId) -> StateCounter {
        self.states[device]
    }
}

fn delivered(group: &Group) -> Seq {
    let roster = group.observed.as_ref().unwrap().roster().unwrap();
    let mut best: BTreeMap<AccountId, Seq> = BTreeMap::new();
    for leaf in roster {
        let seq = group.cursors.get(&leaf.device).copied().unwrap_or_default();
        let known = best.entry(leaf.account).or_default();
        *known = (*known).max(seq);
    }
    best.into_values().min().unwrap_or_default()
}

fn leaf_of(credential: &[u8], key: &SignatureKey) -> LeafCredential {
    use mls_rs_core::identity::{Credential, CustomCredential, SigningIdentity};
    let custom = CustomCredential::new(CREDENTIAL_TYPE, credential.to_vec());
    let identity = SigningIdentity::new(Credential::Custom(custom), key.as_bytes().to_vec().into());
    LeafCredential::parse(&identity).unwrap()
}

fn parameter(query: &str, name: &str) -> u64 {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.parse().unwrap());
    found.next().unwrap_or(0)
}

fn take<T: for<'b> minicbor::Decode<'b, ()>>(body: &[u8]) -> T {
    api::decode(body, "request", limit::BODY_BYTES).unwrap()
}

fn ok<T: minicbor::Encode<()>>(value: &T) -> Answer {
    Ok(api::encode(value))
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is nothing here for you.")
}
