//! What happens, under the names that the actions have in the TLA+ specification.
//!
//! Protocol code hands every action to [`Vfs::trace`](crate::vfs::Vfs::trace); real
//! systems ignore it, and a recorder that stands behind the seam turns a run into a
//! behaviour that the model checker can judge.

/// One protocol action, with what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    /// The operator of the specification.
    pub name: &'static str,
    /// Sequence number of the segment concerned.
    pub segment: u32,
    /// Position in it.
    pub position: u64,
    /// A number that belongs to the action: an offset, a length, a sequence; 0 if none.
    pub value: u64,
    /// A name that belongs to the action, such as that of a consumer; empty if none.
    pub label: &'a str,
}
