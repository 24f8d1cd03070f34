//! How a group is put together anew, and what time does to it.

use super::{Effect, Group, Joined, Member, Ms, State, Synced};
use crate::code;

impl Group {
    /// Asks all members to join again.
    pub(super) fn prepare(&mut self, now: Ms) {
        if matches!(self.state, State::Joining(_)) {
            return;
        }
        let longest = self.members.values().map(|member| member.rebalance_ms).max();
        self.state = State::Joining(now + longest.unwrap_or(0));
        let waiting = self.members.values_mut().filter_map(|member| member.syncing.take());
        let code = code::REBALANCE_IN_PROGRESS;
        let told = |ticket| Effect::Synced(ticket, Synced { code, ..Synced::default() });
        self.effects.extend(waiting.map(told));
    }

    /// Goes on to the next generation once nobody is missing.
    pub(super) fn complete_if_all_joined(&mut self, now: Ms) {
        let waits = matches!(self.state, State::Joining(_)) && self.pending.is_empty();
        if waits && self.members.values().all(|member| member.joining.is_some()) {
            self.complete_join(now);
        }
    }

    fn complete_join(&mut self, now: Ms) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.empty();
            return;
        }
        self.protocol = self.vote();
        let leads = self.leader.as_ref().filter(|leader| self.members.contains_key(*leader));
        self.leader = leads.or(self.members.keys().next()).cloned();
        let longest = self.members.values().map(|member| member.rebalance_ms).max();
        self.state = State::Syncing(now + longest.unwrap_or(0));
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.heard(now);
            let ticket = member.joining.take();
            if let Some(ticket) = ticket {
                let joined = self.joined(&id);
                self.effects.push(Effect::Joined(ticket, joined));
            }
        }
    }

    fn empty(&mut self) {
        self.state = State::Empty;
        self.leader = None;
        self.protocol = None;
        self.protocol_type = None;
    }

    /// Each member votes for the first of its protocols that all have.
    fn vote(&self) -> Option<String> {
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        let vote = |member: &Member| {
            member.protocols.iter().map(|(name, _)| name).find(|name| common(name)).cloned()
        };
        let mut votes: Vec<(usize, String)> = Vec::new();
        for name in self.members.values().filter_map(vote) {
            match votes.iter_mut().find(|(_, known)| *known == name) {
                Some((count, _)) => *count += 1,
                None => votes.push((1, name)),
            }
        }
        // The first of those with most votes.
        let most = votes.iter().map(|(count, _)| *count).max()?;
        votes.into_iter().find(|(count, _)| *count == most).map(|(_, name)| name)
    }

    /// The answer to the join of a member of this generation.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.clone().unwrap_or_default();
        let told = |(id, member): (&String, &Member)| {
            (id.clone(), member.instance.clone(), member.metadata(&protocol))
        };
        let members = if leader == id { self.members.iter().map(told).collect() } else { vec![] };
        Joined {
            code: code::NONE,
            generation: self.generation,
            protocol: self.protocol.clone(),
            protocol_type: self.protocol_type.clone(),
            leader,
            member: id.to_owned(),
            members,
        }
    }

    /// The answer to the sync of a member of this generation.
    pub(super) fn synced(&self, id: &str) -> Synced {
        Synced {
            code: code::NONE,
            assignment: self.members.get(id).map(|it| it.assignment.clone()).unwrap_or_default(),
            protocol: self.protocol.clone(),
            protocol_type: self.protocol_type.clone(),
        }
    }

    /// Takes a member out; the others are to join again.
    pub(super) fn remove(&mut self, now: Ms, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        let code = code::UNKNOWN_MEMBER_ID;
        if let Some(ticket) = member.joining {
            self.effects.push(Effect::Joined(ticket, Joined { code, ..Joined::default() }));
        }
        if let Some(ticket) = member.syncing {
            self.effects.push(Effect::Synced(ticket, Synced { code, ..Synced::default() }));
        }
        if self.members.is_empty() && self.pending.is_empty() {
            self.generation = self.generation.checked_add(1).unwrap_or(1);
            self.empty();
            return;
        }
        self.prepare(now);
        self.complete_if_all_joined(now);
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: Ms) {
        self.pending.retain(|_, until| *until > now);
        let silent = |member: &Member| member.deadline().is_some_and(|until| until <= now);
        let dead: Vec<String> = match self.state {
            State::Joining(until) if until <= now => {
                self.without(|member| member.joining.is_some())
            }
            State::Syncing(until) if until <= now => {
                self.without(|member| member.syncing.is_some())
            }
            _ => self.without(|member| !silent(member)),
        };
        for id in dead {
            self.remove(now, &id);
        }
        self.complete_if_all_joined(now);
        if self.members.is_empty() && self.pending.is_empty() {
            self.empty();
        }
    }

    fn without(&self, keep: impl Fn(&Member) -> bool) -> Vec<String> {
        self.members.iter().filter(|(_, member)| !keep(member)).map(|(id, _)| id.clone()).collect()
    }
}
