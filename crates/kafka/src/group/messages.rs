//! What members say, and what they are told.

use bytes::Bytes;

use crate::code::Code;

/// Milliseconds on a clock that never goes back.
pub type Ms = u64;
/// Whoever waits for an answer.
pub type Ticket = u64;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No members.
    Empty,
    /// Waits until all members have joined, or this time.
    Joining(Ms),
    /// Waits until the leader has told who does what, or this time.
    Syncing(Ms),
    /// All is told.
    Stable,
}

impl State {
    /// Kafka's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Joining(_) => "PreparingRebalance",
            Self::Syncing(_) => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member says when it joins.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Its id; empty if it has none yet.
    pub member: String,
    /// Its own name that lasts, if it has one.
    pub instance: Option<String>,
    /// For those who look.
    pub client: (String, String),
    /// How long it may be silent.
    pub session_ms: i32,
    /// How long it may take to join again.
    pub rebalance_ms: i32,
    /// What its protocols are for.
    pub protocol_type: String,
    /// What it can do, best first.
    pub protocols: Vec<(String, Bytes)>,
    /// Whether it comes again with the id that it is given (79).
    pub comes_again: bool,
}

/// The answer to a join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Why not.
    pub code: Code,
    /// The generation that it is in.
    pub generation: i32,
    /// What was chosen.
    pub protocol: Option<String>,
    /// What the protocols are for.
    pub protocol_type: Option<String>,
    /// Who tells who does what.
    pub leader: String,
    /// Its id.
    pub member: String,
    /// All members, for the leader.
    pub members: Vec<(String, Option<String>, Bytes)>,
}

/// The answer to a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Why not.
    pub code: Code,
    /// What it is to do.
    pub assignment: Bytes,
    /// What was chosen.
    pub protocol: Option<String>,
    /// What the protocols are for.
    pub protocol_type: Option<String>,
}

/// What is to be told to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A join is answered.
    Joined(Ticket, Joined),
    /// A sync is answered.
    Synced(Ticket, Synced),
}
