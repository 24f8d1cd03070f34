//! The shell around groups: who waits, and the clock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, Instant};

use super::{Effect, Group, Join, Joined, Member, Ms, State, Synced, Ticket};
use crate::code::{self, Code};
use crate::limits::MAX_GROUPS;

/// All groups that have, or had, members while the gateway runs. Their positions are in the stream.
pub struct Groups {
    inner: Mutex<Inner>,
    begun: Instant,
    sooner: Notify,
}

#[derive(Default)]
struct Inner {
    groups: HashMap<String, Group>,
    joins: HashMap<Ticket, oneshot::Sender<Joined>>,
    syncs: HashMap<Ticket, oneshot::Sender<Synced>>,
    last_ticket: Ticket,
}

/// A group as it stands.
#[derive(Clone, Debug)]
pub struct Described {
    /// Where it stands.
    pub state: State,
    /// What was chosen.
    pub protocol: String,
    /// What the protocols are for.
    pub protocol_type: String,
    /// Its members.
    pub members: Vec<(String, Member)>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { inner: Mutex::default(), begun: Instant::now(), sooner: Notify::new() }
    }
}

impl Inner {
    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Tells what came of an event. Whoever does not listen any more is not told.
    fn tell(&mut self, group: &str) {
        let Some(group) = self.groups.get_mut(group) else { return };
        for effect in group.take_effects() {
            match effect {
                Effect::Joined(ticket, joined) => {
                    if let Some(to) = self.joins.remove(&ticket) {
                        let _ = to.send(joined);
                    }
                }
                Effect::Synced(ticket, synced) => {
                    if let Some(to) = self.syncs.remove(&ticket) {
                        let _ = to.send(synced);
                    }
                }
            }
        }
    }
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Ms {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(Ms::MAX)
    }

    /// Lets time pass, for ever.
    pub async fn run(&self) {
        loop {
            let next = self.lock().groups.values().filter_map(Group::deadline).min();
            let wait = next.map(|next| Duration::from_millis(next.saturating_sub(self.now())));
            tokio::select! {
                () = self.sooner.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3600))) => {}
            }
            self.tick();
        }
    }

    fn tick(&self) {
        let (now, mut inner) = (self.now(), self.lock());
        let due = |(_, group): &(&String, &Group)| group.deadline().is_some_and(|due| due <= now);
        let due: Vec<String> = inner.groups.iter().filter(due).map(|it| it.0.clone()).collect();
        for name in due {
            if let Some(group) = inner.groups.get_mut(&name) {
                group.tick(now);
                tracing::debug!(group = name, state = group.state().name(), "time passed");
            }
            inner.tell(&name);
        }
    }

    fn after(&self, mut inner: MutexGuard<'_, Inner>, group: &str) {
        inner.tell(group);
        drop(inner);
        self.sooner.notify_one();
    }

    /// A member joins; waits until the others have.
    pub async fn join(&self, group: &str, join: Join) -> Joined {
        let fresh = format!("{}-{:032x}", join.client.0, random());
        let answered = {
            let mut inner = self.lock();
            if group.is_empty() {
                return Joined { code: code::INVALID_GROUP_ID, ..Joined::default() };
            }
            if !inner.groups.contains_key(group) && inner.groups.len() >= MAX_GROUPS {
                inner.groups.retain(|_, group| group.deadline().is_some());
                if inner.groups.len() >= MAX_GROUPS {
                    return Joined { code: code::COORDINATOR_NOT_AVAILABLE, ..Joined::default() };
                }
            }
            let ticket = inner.ticket();
            let (tell, answered) = oneshot::channel();
            inner.joins.insert(ticket, tell);
            let now = self.now();
            let entry = inner.groups.entry(group.to_owned()).or_default();
            entry.join(now, ticket, join, fresh);
            self.after(inner, group);
            answered
        };
        let lost = Joined { code: code::COORDINATOR_NOT_AVAILABLE, ..Joined::default() };
        answered.await.unwrap_or(lost)
    }

    /// A member tells or asks who does what; waits until that is told.
    pub async fn sync(
        &self,
        group: &str,
        who: (&str, Option<&str>, i32),
        assignments: Vec<(String, Bytes)>,
    ) -> Synced {
        let answered = {
            let mut inner = self.lock();
            let ticket = inner.ticket();
            let now = self.now();
            let Some(entry) = inner.groups.get_mut(group) else {
                return Synced { code: code::UNKNOWN_MEMBER_ID, ..Synced::default() };
            };
            entry.sync(now, ticket, who, assignments);
            let (tell, answered) = oneshot::channel();
            inner.syncs.insert(ticket, tell);
            self.after(inner, group);
            answered
        };
        let lost = Synced { code: code::COORDINATOR_NOT_AVAILABLE, ..Synced::default() };
        answered.await.unwrap_or(lost)
    }

    /// Asks something of a group; `unknown` where there is no such group.
    fn ask(
        &self,
        name: &str,
        unknown: Result<(), Code>,
        ask: impl FnOnce(&mut Group, Ms) -> Result<(), Code>,
    ) -> Code {
        let mut inner = self.lock();
        let now = self.now();
        let answer = inner.groups.get_mut(name).map_or(unknown, |group| ask(group, now));
        self.after(inner, name);
        answer.err().unwrap_or(code::NONE)
    }

    /// A member says that it lives.
    pub fn heartbeat(&self, group: &str, who: (&str, Option<&str>, i32)) -> Code {
        self.ask(group, Err(code::UNKNOWN_MEMBER_ID), |group, now| group.heartbeat(now, who))
    }

    /// A member goes.
    pub fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> Code {
        self.ask(group, Err(code::UNKNOWN_MEMBER_ID), |it, now| it.leave(now, member, instance))
    }

    /// Whether a position may be committed. A group that is not known has no members: anybody may
    /// who does not claim to be one.
    pub fn may_commit(&self, group: &str, who: (&str, Option<&str>, i32)) -> Code {
        let claims = who.2 >= 0 || !who.0.is_empty();
        let unknown = if claims { Err(code::UNKNOWN_MEMBER_ID) } else { Ok(()) };
        self.ask(group, unknown, |group, now| group.may_commit(now, who))
    }

    /// The same for a transaction.
    pub fn may_commit_in_transaction(&self, group: &str, who: (&str, Option<&str>, i32)) -> Code {
        let claims = who.2 >= 0 || !who.0.is_empty();
        let unknown = if claims { Err(code::UNKNOWN_MEMBER_ID) } else { Ok(()) };
        self.ask(group, unknown, |group, _| group.may_commit_in_transaction(who))
    }

    /// A group as it stands; `None` where it had no members while the gateway ran.
    #[must_use]
    pub fn describe(&self, name: &str) -> Option<Described> {
        let inner = self.lock();
        let group = inner.groups.get(name)?;
        let (protocol, protocol_type) = group.protocol();
        Some(Described {
            state: group.state(),
            protocol: protocol.unwrap_or_default().to_owned(),
            protocol_type: protocol_type.unwrap_or_default().to_owned(),
            members: group.members().iter().map(|it| (it.0.clone(), it.1.clone())).collect(),
        })
    }

    /// The names of all groups.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().groups.keys().cloned().collect()
    }

    /// Forgets a group without members; tells whether it is without any.
    pub fn forget(&self, name: &str) -> bool {
        let mut inner = self.lock();
        let empty = inner.groups.get(name).is_none_or(|group| group.state() == State::Empty);
        if empty {
            inner.groups.remove(name);
        }
        empty
    }
}

/// Sixteen bytes of chance.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without any, two members could have one id: the clock tells them apart then.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        return now.map_or(0, |now| now.as_nanos());
    }
    u128::from_ne_bytes(bytes)
}
