//! Groups of consumers (the classic protocol), as plain code: no clock, no connection, no lock.
//! The shell around it is [`Groups`].
//!
//! What each event does in each state; a dash means that it cannot happen:
//!
//! | event | Empty | Joining | Syncing | Stable |
//! |---|---|---|---|---|
//! | join, new member | → Joining | waits | → Joining | → Joining |
//! | join, known, same protocols | - | waits | answered again | leader: → Joining; others: answered |
//! | join, known, other protocols | - | waits | → Joining | → Joining |
//! | join, static, a new run | → Joining | takes the place, waits | → Joining | takes the place; answered if the protocols are the same |
//! | all members wait | - | generation + 1, → Syncing | - | - |
//! | rebalance time is over | - | who did not join is removed, → Syncing or Empty | who did not sync is removed, → Joining | - |
//! | sync of the leader | unknown | 27 | all who wait are answered, → Stable | answered |
//! | sync of another | unknown | 27 | waits | answered |
//! | heartbeat | unknown | 27 | fine | fine |
//! | leave, or session over | - | removed | removed, → Joining or Empty | removed, → Joining or Empty |
//! | commit of a member | unknown | allowed in its generation | 27 | allowed |
//! | commit of nobody (generation -1) | allowed | refused | refused | refused |
//!
//! A lone member's join is answered at once: there is nobody to wait for.

mod member;
mod messages;
mod rebalance;
mod shell;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use self::member::Member;
pub use self::messages::{Effect, Join, Joined, Ms, State, Synced, Ticket};
pub use self::shell::{Described, Groups};
use crate::code::{self, Code};
use crate::limits::{MAX_MEMBERS, SESSION_MS};

/// A group.
#[derive(Debug)]
pub struct Group {
    state: State,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Ids that were given, until when they may come.
    pending: BTreeMap<String, Ms>,
    effects: Vec<Effect>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            effects: Vec::new(),
        }
    }
}

impl Group {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// What was chosen, and what the protocols are for.
    #[must_use]
    pub fn protocol(&self) -> (Option<&str>, Option<&str>) {
        (self.protocol.as_deref(), self.protocol_type.as_deref())
    }

    /// What is to be told since this was asked last.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When something happens though nobody says anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Ms> {
        let own = match self.state {
            State::Joining(until) | State::Syncing(until) => Some(until),
            State::Empty | State::Stable => None,
        };
        let members = self.members.values().filter_map(Member::deadline);
        members.chain(self.pending.values().copied()).chain(own).min()
    }

    /// A member joins. `fresh` is the id that it gets if it has none.
    pub fn join(&mut self, now: Ms, ticket: Ticket, join: Join, fresh: String) {
        if let Err(code) = self.try_join(now, ticket, join, fresh.clone()) {
            // Who is to come again needs the id; nobody else gets one.
            let member = if code == code::MEMBER_ID_REQUIRED { fresh } else { String::new() };
            let joined = Joined { code, generation: -1, member, ..Joined::default() };
            self.effects.push(Effect::Joined(ticket, joined));
        }
    }

    fn try_join(
        &mut self,
        now: Ms,
        ticket: Ticket,
        mut join: Join,
        fresh: String,
    ) -> Result<(), Code> {
        self.check_join(&join)?;
        if let Some(instance) = join.instance.clone() {
            match self.run_of(&instance) {
                Some(known) if join.member.is_empty() => {
                    return self.take_place(now, ticket, join, &known, fresh);
                }
                Some(known) if known != join.member => return Err(code::FENCED_INSTANCE_ID),
                None if !join.member.is_empty() => return Err(code::UNKNOWN_MEMBER_ID),
                _ => {}
            }
        }
        if join.member.is_empty() {
            if self.members.len() + self.pending.len() >= MAX_MEMBERS {
                return Err(code::GROUP_MAX_SIZE_REACHED);
            }
            if join.comes_again && join.instance.is_none() {
                self.pending.insert(fresh, now + session(join.session_ms));
                return Err(code::MEMBER_ID_REQUIRED);
            }
            join.member = fresh;
            self.add(now, ticket, join);
        } else if self.pending.remove(&join.member).is_some() {
            self.add(now, ticket, join);
        } else {
            self.join_again(now, ticket, join)?;
        }
        Ok(())
    }

    fn check_join(&self, join: &Join) -> Result<(), Code> {
        if !SESSION_MS.contains(&join.session_ms) {
            return Err(code::INVALID_SESSION_TIMEOUT);
        }
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return Err(code::INCONSISTENT_GROUP_PROTOCOL);
        }
        let others = self.members.iter().filter(|(id, _)| **id != join.member);
        let others: Vec<&Member> = others
            .map(|(_, member)| member)
            .filter(|member| join.instance.is_none() || member.instance != join.instance)
            .collect();
        let same_type = self.protocol_type.as_ref().is_none_or(|it| *it == join.protocol_type);
        let in_common =
            join.protocols.iter().any(|(name, _)| others.iter().all(|other| other.supports(name)));
        let fits = same_type && in_common;
        if !fits && !others.is_empty() {
            return Err(code::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    /// The id under which an instance runs now.
    fn run_of(&self, instance: &str) -> Option<String> {
        let run = |(_, member): &(&String, &Member)| member.instance.as_deref() == Some(instance);
        self.members.iter().find(run).map(|(id, _)| id.clone())
    }

    fn add(&mut self, now: Ms, ticket: Ticket, join: Join) {
        self.protocol_type = Some(join.protocol_type.clone());
        let id = join.member.clone();
        let mut member = Member::of(join, now);
        member.joining = Some(ticket);
        self.members.insert(id, member);
        self.prepare(now);
        self.complete_if_all_joined(now);
    }

    fn join_again(&mut self, now: Ms, ticket: Ticket, join: Join) -> Result<(), Code> {
        let id = join.member.clone();
        let is_leader = self.leader.as_ref() == Some(&id);
        let member = self.members.get_mut(&id).ok_or(code::UNKNOWN_MEMBER_ID)?;
        let same = member.protocols == join.protocols;
        let stays = match self.state {
            State::Syncing(_) => same,
            State::Stable => same && !is_leader,
            State::Empty | State::Joining(_) => false,
        };
        // One that asks twice is answered once; the first may not listen any more.
        if let Some(old) = member.joining.take() {
            let joined = Joined { code: code::UNKNOWN_MEMBER_ID, ..Joined::default() };
            self.effects.push(Effect::Joined(old, joined));
        }
        member.update(join, now);
        if stays {
            let joined = self.joined(&id);
            self.effects.push(Effect::Joined(ticket, joined));
            return Ok(());
        }
        member.joining = Some(ticket);
        self.prepare(now);
        self.complete_if_all_joined(now);
        Ok(())
    }

    /// A new run of a static member takes the place of the one before, which is fenced.
    fn take_place(
        &mut self,
        now: Ms,
        ticket: Ticket,
        mut join: Join,
        known: &str,
        fresh: String,
    ) -> Result<(), Code> {
        let mut member = self.members.remove(known).ok_or(code::UNKNOWN_MEMBER_ID)?;
        let fenced = code::FENCED_INSTANCE_ID;
        if let Some(old) = member.joining.take() {
            self.effects.push(Effect::Joined(old, Joined { code: fenced, ..Joined::default() }));
        }
        if let Some(old) = member.syncing.take() {
            self.effects.push(Effect::Synced(old, Synced { code: fenced, ..Synced::default() }));
        }
        let was_leader = self.leader.as_deref() == Some(known);
        if was_leader {
            self.leader = Some(fresh.clone());
        }
        join.member = fresh.clone();
        let same = member.protocols == join.protocols;
        member.update(join, now);
        if self.state == State::Stable && same {
            self.members.insert(fresh.clone(), member);
            let mut joined = self.joined(&fresh);
            // It asks for what it is to do, and does not tell others what they are to do.
            joined.members.clear();
            if was_leader {
                joined.leader = known.to_owned();
            }
            self.effects.push(Effect::Joined(ticket, joined));
            return Ok(());
        }
        member.joining = Some(ticket);
        self.members.insert(fresh, member);
        self.prepare(now);
        self.complete_if_all_joined(now);
        Ok(())
    }

    /// A member tells, or asks, who does what.
    pub fn sync(
        &mut self,
        now: Ms,
        ticket: Ticket,
        who: (&str, Option<&str>, i32),
        assignments: Vec<(String, Bytes)>,
    ) {
        if let Err(code) = self.try_sync(now, ticket, who, assignments) {
            self.effects.push(Effect::Synced(ticket, Synced { code, ..Synced::default() }));
        }
    }

    fn try_sync(
        &mut self,
        now: Ms,
        ticket: Ticket,
        (id, instance, generation): (&str, Option<&str>, i32),
        assignments: Vec<(String, Bytes)>,
    ) -> Result<(), Code> {
        self.check_member(id, instance, generation)?;
        match self.state {
            State::Empty => return Err(code::UNKNOWN_MEMBER_ID),
            State::Joining(_) => return Err(code::REBALANCE_IN_PROGRESS),
            State::Stable => {
                let synced = self.synced(id);
                self.effects.push(Effect::Synced(ticket, synced));
            }
            State::Syncing(_) => {
                let member = self.members.get_mut(id).ok_or(code::UNKNOWN_MEMBER_ID)?;
                if let Some(old) = member.syncing.replace(ticket) {
                    let code = code::REBALANCE_IN_PROGRESS;
                    self.effects.push(Effect::Synced(old, Synced { code, ..Synced::default() }));
                }
                member.heard(now);
                if self.leader.as_deref() == Some(id) {
                    self.assign(assignments);
                }
            }
        }
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        Ok(())
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let ticket = self.members.get_mut(&id).and_then(|member| member.syncing.take());
            if let Some(ticket) = ticket {
                let synced = self.synced(&id);
                self.effects.push(Effect::Synced(ticket, synced));
            }
        }
    }

    /// A member says that it lives.
    ///
    /// # Errors
    /// What it is to do.
    pub fn heartbeat(
        &mut self,
        now: Ms,
        (id, instance, generation): (&str, Option<&str>, i32),
    ) -> Result<(), Code> {
        self.check_member(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        match self.state {
            State::Empty => Err(code::UNKNOWN_MEMBER_ID),
            State::Joining(_) => Err(code::REBALANCE_IN_PROGRESS),
            State::Syncing(_) | State::Stable => Ok(()),
        }
    }

    /// A member goes.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn leave(&mut self, now: Ms, id: &str, instance: Option<&str>) -> Result<(), Code> {
        if self.pending.remove(id).is_some() {
            self.complete_if_all_joined(now);
            return Ok(());
        }
        let id = match instance.and_then(|instance| self.run_of(instance)) {
            Some(run) if id.is_empty() || id == run => run,
            Some(_) => return Err(code::FENCED_INSTANCE_ID),
            None => id.to_owned(),
        };
        if !self.members.contains_key(&id) {
            return Err(code::UNKNOWN_MEMBER_ID);
        }
        self.remove(now, &id);
        Ok(())
    }

    /// Whether a position may be committed by this member in this generation.
    ///
    /// # Errors
    /// Why not.
    pub fn may_commit(
        &mut self,
        now: Ms,
        (id, instance, generation): (&str, Option<&str>, i32),
    ) -> Result<(), Code> {
        if generation < 0 && id.is_empty() {
            let nobody = self.members.is_empty();
            return if nobody { Ok(()) } else { Err(code::UNKNOWN_MEMBER_ID) };
        }
        self.check_member(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        match self.state {
            State::Syncing(_) => Err(code::REBALANCE_IN_PROGRESS),
            State::Empty => Err(code::UNKNOWN_MEMBER_ID),
            State::Joining(_) | State::Stable => Ok(()),
        }
    }

    /// Whether a transaction of this member may commit a position. Kafka lets one pass that says
    /// nothing of itself.
    ///
    /// # Errors
    /// Why not.
    pub fn may_commit_in_transaction(
        &self,
        (id, instance, generation): (&str, Option<&str>, i32),
    ) -> Result<(), Code> {
        if generation < 0 && id.is_empty() && instance.is_none() {
            return Ok(());
        }
        self.check_member(id, instance, generation)
    }

    fn check_member(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), Code> {
        if let Some(run) = instance.and_then(|instance| self.run_of(instance))
            && run != id
        {
            return Err(code::FENCED_INSTANCE_ID);
        }
        if !self.members.contains_key(id) {
            return Err(code::UNKNOWN_MEMBER_ID);
        }
        if generation != self.generation {
            return Err(code::ILLEGAL_GENERATION);
        }
        Ok(())
    }
}

/// A time-out that was checked.
fn session(ms: i32) -> Ms {
    Ms::from(ms.max(0).unsigned_abs())
}
