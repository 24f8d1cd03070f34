use super::*;

const SESSION: i32 = 1_000;
const REBALANCE: i32 = 5_000;

struct World {
    group: Group,
    now: Ms,
    ticket: Ticket,
    told: BTreeMap<Ticket, Effect>,
}

impl World {
    fn new() -> Self {
        Self { group: Group::default(), now: 0, ticket: 0, told: BTreeMap::new() }
    }

    fn listen(&mut self) {
        for effect in self.group.take_effects() {
            let (Effect::Joined(ticket, _) | Effect::Synced(ticket, _)) = &effect;
            assert!(self.told.insert(*ticket, effect).is_none(), "answered twice");
        }
    }

    fn ask(&self, member: &str, protocols: &[&str]) -> Join {
        let protocol = |name: &&str| ((*name).to_owned(), Bytes::from_static(b"topics"));
        Join {
            member: member.into(),
            session_ms: SESSION,
            rebalance_ms: REBALANCE,
            protocol_type: "consumer".into(),
            protocols: protocols.iter().map(protocol).collect(),
            ..Join::default()
        }
    }

    fn send(&mut self, join: Join, fresh: &str) -> Ticket {
        self.ticket += 1;
        self.group.join(self.now, self.ticket, join, fresh.into());
        self.listen();
        self.ticket
    }

    fn join(&mut self, member: &str, fresh: &str) -> Ticket {
        let join = self.ask(member, &["range"]);
        self.send(join, fresh)
    }

    fn run(&mut self, instance: &str, fresh: &str) -> Ticket {
        let join = Join { instance: Some(instance.into()), ..self.ask("", &["range"]) };
        self.send(join, fresh)
    }

    fn sync(&mut self, member: &str, assign: &[&str]) -> Ticket {
        self.ticket += 1;
        let own = |id: &&str| ((*id).to_owned(), Bytes::from((*id).to_owned()));
        let assignments = assign.iter().map(own).collect();
        let generation = self.group.generation;
        self.group.sync(self.now, self.ticket, (member, None, generation), assignments);
        self.listen();
        self.ticket
    }

    fn joined(&self, ticket: Ticket) -> Option<&Joined> {
        match self.told.get(&ticket) {
            Some(Effect::Joined(_, joined)) => Some(joined),
            _ => None,
        }
    }

    fn synced(&self, ticket: Ticket) -> Option<(Code, &[u8])> {
        match self.told.get(&ticket) {
            Some(Effect::Synced(_, synced)) => Some((synced.code, &synced.assignment)),
            _ => None,
        }
    }

    fn beat(&mut self, member: &str) -> Result<(), Code> {
        let generation = self.group.generation;
        let answer = self.group.heartbeat(self.now, (member, None, generation));
        self.listen();
        answer
    }

    fn pass(&mut self, ms: Ms) {
        self.now += ms;
        self.group.tick(self.now);
        self.listen();
    }

    /// `a` leads, `b` follows, both know what to do.
    fn of_two() -> Self {
        let mut world = Self::new();
        world.join("", "a");
        world.sync("a", &["a"]);
        let b = world.join("", "b");
        let a = world.join("a", "");
        assert_eq!(world.joined(a).unwrap().members.len(), 2);
        assert_eq!(world.joined(b).unwrap().leader, "a");
        let (b, a) = (world.sync("b", &[]), world.sync("a", &["a", "b"]));
        assert_eq!(world.synced(b), Some((0, &b"b"[..])));
        assert_eq!(world.synced(a), Some((0, &b"a"[..])));
        assert_eq!(world.group.state(), State::Stable);
        world
    }
}

#[test]
fn a_lone_member_is_answered_at_once() {
    let mut world = World::new();
    let ticket = world.join("", "a");
    let joined = world.joined(ticket).unwrap();
    assert_eq!((joined.code, joined.generation, joined.leader.as_str()), (0, 1, "a"));
    let ticket = world.sync("a", &["a"]);
    assert_eq!(world.synced(ticket), Some((0, &b"a"[..])));
}

#[test]
fn a_newer_client_comes_again_with_the_id_that_it_is_given() {
    let mut world = World::new();
    let join = Join { comes_again: true, ..world.ask("", &["range"]) };
    let ticket = world.send(join, "a");
    let joined = world.joined(ticket).unwrap();
    assert_eq!((joined.code, joined.member.as_str()), (code::MEMBER_ID_REQUIRED, "a"));
    assert_eq!(world.group.state(), State::Empty);
    let join = Join { comes_again: true, ..world.ask("a", &["range"]) };
    let ticket = world.send(join, "");
    assert_eq!(world.joined(ticket).unwrap().code, 0);
    // One that never came does not hold up the others for longer than its session.
    let join = Join { comes_again: true, ..world.ask("", &["range"]) };
    world.send(join, "never");
    let again = world.join("b", "");
    assert_eq!(world.joined(again).unwrap().code, code::UNKNOWN_MEMBER_ID);
    let waiting = world.join("", "c");
    assert!(world.joined(waiting).is_none());
    let rejoined = world.join("a", "");
    assert!(world.joined(rejoined).is_none());
    world.pass(1_000);
    assert_eq!(world.joined(rejoined).unwrap().members.len(), 2);
}

#[test]
fn members_come_and_go_and_the_others_are_told_to_join_again() {
    let mut world = World::of_two();
    assert_eq!((world.beat("a"), world.beat("b")), (Ok(()), Ok(())));
    world.group.leave(world.now, "a", None).unwrap();
    assert_eq!(world.beat("b"), Err(code::REBALANCE_IN_PROGRESS));
    let ticket = world.join("b", "");
    let joined = world.joined(ticket).unwrap();
    assert_eq!((joined.leader.as_str(), joined.generation), ("b", 3));
    world.group.leave(world.now, "b", None).unwrap();
    assert_eq!(world.group.state(), State::Empty);
    assert_eq!(world.group.deadline(), None);
}

#[test]
fn a_member_that_dies_loses_its_place_after_its_session() {
    let mut world = World::of_two();
    world.pass(900);
    assert_eq!(world.beat("b"), Ok(()));
    world.pass(100);
    assert_eq!(world.beat("b"), Err(code::REBALANCE_IN_PROGRESS));
    assert!(!world.group.members().contains_key("a"));
}

#[test]
fn a_member_that_dies_while_others_join_does_not_hold_them_up() {
    let mut world = World::of_two();
    let c = world.join("", "c");
    let b = world.join("b", "");
    // `a` says nothing more: after its session, not after the longer time of the rebalance.
    world.pass(1_000);
    assert_eq!(world.joined(c).unwrap().code, 0);
    assert_eq!(world.joined(b).unwrap().members.len(), 2);
}

#[test]
fn one_that_beats_but_does_not_join_is_removed_when_the_time_is_over() {
    let mut world = World::of_two();
    let b = world.group.leave(world.now, "b", None);
    assert_eq!(b, Ok(()));
    let c = world.join("", "c");
    for _ in 0..5 {
        assert!(world.joined(c).is_none());
        assert_eq!(world.beat("a"), Err(code::REBALANCE_IN_PROGRESS));
        world.pass(999);
    }
    world.pass(5);
    assert_eq!(world.joined(c).unwrap().leader, "c");
}

#[test]
fn a_leader_that_never_tells_is_removed() {
    let mut world = World::new();
    world.join("", "a");
    world.sync("a", &["a"]);
    let b = world.join("", "b");
    world.join("a", "");
    assert_eq!(world.joined(b).unwrap().leader, "a");
    let b = world.sync("b", &[]);
    assert_eq!(world.synced(b), None);
    for _ in 0..5 {
        assert_eq!(world.beat("a"), Ok(()));
        world.pass(999);
    }
    world.pass(5);
    assert_eq!(world.synced(b).unwrap().0, code::REBALANCE_IN_PROGRESS);
    let b = world.join("b", "");
    assert_eq!(world.joined(b).unwrap().leader, "b");
}

#[test]
fn a_restarted_static_member_takes_its_place_and_fences_the_old_run() {
    let mut world = World::new();
    world.run("one", "a1");
    world.sync("a1", &["a1"]);
    let ticket = world.run("one", "a2");
    let joined = world.joined(ticket).unwrap().clone();
    // Nothing changes for the others, and what it is to do is what the old run was to do.
    assert_eq!((joined.code, joined.generation, world.group.state()), (0, 1, State::Stable));
    let ticket = world.sync("a2", &[]);
    assert_eq!(world.synced(ticket), Some((0, &b"a1"[..])));
    let old = world.group.heartbeat(world.now, ("a1", Some("one"), 1));
    assert_eq!(old, Err(code::FENCED_INSTANCE_ID));
    assert_eq!(world.group.leave(world.now, "", Some("one")), Ok(()));
    assert_eq!(world.group.state(), State::Empty);
}

#[test]
fn protocols_are_chosen_by_vote_and_strangers_are_refused() {
    let mut world = World::new();
    let join = world.ask("", &["sticky", "range"]);
    let a = world.send(join, "a");
    assert_eq!(world.joined(a).unwrap().protocol.as_deref(), Some("sticky"));
    let join = world.ask("", &["range", "robin"]);
    let b = world.send(join, "b");
    let join = world.ask("a", &["sticky", "range"]);
    world.send(join, "");
    assert_eq!(world.joined(b).unwrap().protocol.as_deref(), Some("range"));
    let join = world.ask("", &["robin"]);
    let c = world.send(join, "c");
    assert_eq!(world.joined(c).unwrap().code, code::INCONSISTENT_GROUP_PROTOCOL);
    let join = Join { session_ms: 1, ..world.ask("", &["range"]) };
    let d = world.send(join, "d");
    assert_eq!(world.joined(d).unwrap().code, code::INVALID_SESSION_TIMEOUT);
}

#[test]
fn positions_are_committed_by_members_of_the_generation_only() {
    let mut world = World::new();
    assert_eq!(world.group.may_commit(0, ("", None, -1)), Ok(()));
    world.join("", "a");
    assert_eq!(world.group.may_commit(0, ("", None, -1)), Err(code::UNKNOWN_MEMBER_ID));
    assert_eq!(world.group.may_commit(0, ("a", None, 1)), Err(code::REBALANCE_IN_PROGRESS));
    world.sync("a", &["a"]);
    assert_eq!(world.group.may_commit(0, ("a", None, 1)), Ok(()));
    assert_eq!(world.group.may_commit(0, ("a", None, 0)), Err(code::ILLEGAL_GENERATION));
    assert_eq!(world.group.may_commit(0, ("b", None, 1)), Err(code::UNKNOWN_MEMBER_ID));
    // While it is put together anew, who still holds its part says how far it came.
    world.join("", "b");
    assert_eq!(world.group.may_commit(0, ("a", None, 1)), Ok(()));
}

/// Any order of events: every ticket is answered once at most, a stable group has members, and once
/// all are silent everything ends.
#[test]
fn whatever_comes_nobody_waits_for_ever() {
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % below
    };
    for _ in 0..2_000 {
        let mut world = World::new();
        for step in 0..60 {
            let id = ["a", "b", "c", "d"][usize::try_from(next(4)).unwrap()];
            match next(9) {
                0 => drop(world.join("", &format!("{id}{step}"))),
                1 | 2 => {
                    let mut ids = world.group.members.keys().cloned().collect::<Vec<_>>();
                    ids.push(id.into());
                    let id = ids[usize::try_from(next(ids.len() as u64)).unwrap()].clone();
                    world.join(&id, "");
                }
                3 => drop(world.run(id, &format!("{id}{step}"))),
                4 | 5 => {
                    let ids: Vec<String> = world.group.members.keys().cloned().collect();
                    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
                    for id in &all {
                        world.sync(id, &all);
                    }
                }
                6 => {
                    if let Some(id) = world.group.members.keys().next().cloned() {
                        world.group.leave(world.now, &id, None).unwrap();
                        world.listen();
                    }
                }
                _ => world.pass(next(1_500)),
            }
            if world.group.state() == State::Stable {
                assert!(!world.group.members.is_empty());
            }
        }
        for _ in 0..200 {
            world.pass(500);
        }
        assert_eq!(world.group.state(), State::Empty);
        assert_eq!(world.told.len() as u64, world.ticket, "somebody waits for ever");
    }
}
