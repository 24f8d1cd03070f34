//! What happens, under the names that the actions have in the TLA+ specification.
//!
//! Protocol code hands every action to [`Vfs::trace`](crate::engine::vfs::Vfs::trace). Real systems
//! ignore it. A [hook](crate::engine::interpose::Hook) may listen, and so turn a run into a behaviour
//! that the model checker can judge (`model/src/trace/`).
//!
//! # When an action is handed over
//! Right after its effect, and if it happens under a lock, while that is still held; `Unlock`
//! right before the lock is given back. So events of one lock are in the order in which
//! they happened, whatever clock they are marked with, as long as it is one for all processes
//! and never goes back. Of what happens under no lock (readers, syncs of an append), it is
//! known that the effect lies between the beginning of the actor's last call of the seam and
//! the event.
//!
//! # Where code and model are not equally fine
//! - `WritePart` is the whole of a block but its signal; `Commit` is the signal.
//! - `Reserve` or `RaiseEpoch` tells that the block that follows is begun. With the label `end`
//!   it is a segment end, which as a whole is `Seal`. A segment that is made is `Make` alone.
//! - `StepOver` is the whole look of, told once, when nothing is left to step over.
//!   What stands behind is told by `Classify`, also where that is nothing (`clean`).
//! - `Deliver` says that a block was found committed, whatever it holds, and `ReadAfresh` that
//!   none was, by a look at the file itself. In the model each follows a `ReadStart` and a
//!   `ReadBody`. `SyncRead` follows where a durable consumer needed a sync for it.
//! - `Placed` says where a consumer begins: behind blocks that it passed over unread.
//! - `SyncFails` stands in place of the action whose sync failed, which is its label. Whether it
//!   is this sync that failed, or one before (`SyncTells`), only the system knows.
//! - `TimesOut` is a lock that could not be had in time.
//! - `ListSegments` says which segment was the active one when a steward listed them; the pass that
//!   goes by that list begins with `BeginPass`, after the sync.
//! - `PinTimesOut` stands in place of `Pin` or `HopPin` where the lock could not be had.
//! - The locks that a steward tries are `TryExclusive`, followed by what it does then.

// The operators that code hands over, so that no name of one is misspelled.
macro_rules! operators {
    ($($name:ident)*) => {
        /// An operator of the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // Each is said in `spec/`.
        pub enum Operator {
            $($name,)*
        }

        impl Operator {
            /// The operator's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operators! {
    BeginPass Build CheckName Classify Commit CommitBoth CommitPosition CommitRefused CutZeros
    Delete DeleteForced Deliver Duplicate Expire Finish GiveUp HopCheckName HopOpen HopPin
    LeaveAsItIs ListSegments Lock LockName LockSteward LockToDelete LockToReplace LookBack
    LookBehind Make Name Pin PinTimesOut Placed PutZeros RaiseEpoch ReadAfresh ReadEntry
    Replace Reserve Resume Return Rewrite SaveTail Seal Seek SetPosition StepOver StopDamaged
    Sync SyncAgain SyncBuilt SyncCut SyncDelete SyncEpoch SyncFails SyncMade SyncName
    SyncNamesFirst SyncParent SyncRaise SyncRead SyncReplace SyncSeal TimesOut Truncate
    TryExclusive TrySteward Unlock UnlockSteward Unpin WantCommit WritePart
}

/// One protocol action, with what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    /// The operator of the specification.
    pub name: &'static str,
    /// Sequence number of the segment concerned.
    pub segment: u32,
    /// Position in it: the committed end as the actor knows it after the action; of a block
    /// that is begun or read, where it stands.
    pub position: u64,
    /// A number that belongs to the action: an offset, a length, an epoch; 0 if none.
    pub value: u64,
    /// A word that belongs to the action, such as the name of a consumer; empty if none.
    pub label: &'a str,
}

impl Action<'static> {
    /// An action that concerns no segment.
    #[must_use]
    pub fn new(operator: Operator) -> Self {
        Self::named(operator.name())
    }

    /// The same by its name: for actors of a model that are no part of this code.
    #[must_use]
    pub fn named(name: &'static str) -> Self {
        Self { name, segment: 0, position: 0, value: 0, label: "" }
    }

    /// The same of a segment, at a position.
    #[must_use]
    pub fn at(self, segment: u32, position: u64) -> Self {
        Self { segment, position, ..self }
    }
}

impl<'a> Action<'a> {
    /// The same with a number.
    #[must_use]
    pub fn value(self, value: u64) -> Self {
        Self { value, ..self }
    }

    /// The same with a word.
    #[must_use]
    pub fn label(self, label: &str) -> Action<'_> {
        Action { label, ..self }
    }
}
