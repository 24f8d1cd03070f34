//! A member of a group.

use bytes::Bytes;

use super::{Join, Ms, Ticket, session};

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its own name that lasts, if it has one.
    pub instance: Option<String>,
    /// Client id and host, for those who look.
    pub client: (String, String),
    /// What it can do, best first.
    pub protocols: Vec<(String, Bytes)>,
    /// What it is to do.
    pub assignment: Bytes,
    pub(super) session_ms: Ms,
    pub(super) rebalance_ms: Ms,
    /// Its join that waits.
    pub(super) joining: Option<Ticket>,
    /// Its sync that waits.
    pub(super) syncing: Option<Ticket>,
    silent_until: Ms,
}

impl Member {
    pub(super) fn of(join: Join, now: Ms) -> Self {
        let mut member = Self {
            instance: join.instance.clone(),
            client: join.client.clone(),
            protocols: Vec::new(),
            assignment: Bytes::new(),
            session_ms: 0,
            rebalance_ms: 0,
            joining: None,
            syncing: None,
            silent_until: now,
        };
        member.update(join, now);
        member
    }

    pub(super) fn update(&mut self, join: Join, now: Ms) {
        self.session_ms = session(join.session_ms);
        // Older clients have one time-out for both.
        let rebalance = if join.rebalance_ms > 0 { join.rebalance_ms } else { join.session_ms };
        self.rebalance_ms = session(rebalance);
        self.protocols = join.protocols;
        self.client = join.client;
        self.heard(now);
    }

    pub(super) fn heard(&mut self, now: Ms) {
        self.silent_until = now + self.session_ms;
    }

    /// When it counts as dead; never while it waits for an answer.
    pub(super) fn deadline(&self) -> Option<Ms> {
        (self.joining.is_none() && self.syncing.is_none()).then_some(self.silent_until)
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What it says of itself under a protocol.
    #[must_use]
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let own = self.protocols.iter().find(|(name, _)| name == protocol);
        own.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}
