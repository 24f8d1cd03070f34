//! What the names in a stream's directory mean (format.md, chapter 3).

/// Name of the lock of whoever appends.
pub const WRITER_LOCK: &str = "writer.lock";
/// Name of the lock of whoever maintains.
pub const STEWARD_LOCK: &str = "steward.lock";
/// Name of the directory of the locks of named consumers.
pub const CONSUMERS: &str = "consumers";
/// Name of the directory of saved tails.
pub const LOST: &str = "lost";
/// What the file system itself has at the root of a volume.
pub(crate) const FILE_SYSTEMS_OWN: &str = "lost+found";
const SUFFIX: &str = ".puro";
const NEW_SUFFIX: &str = ".puro.new";
const COMPACT_SUFFIX: &str = ".puro.compact";

/// The sequence number in a segment's name (F-7).
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// A segment's name (F-7).
#[must_use]
pub fn segment_name(sequence: u32) -> String {
    format!("{sequence:010}{SUFFIX}")
}

/// The name of a segment that has none of its own yet (V-4).
#[must_use]
pub fn new_segment_name(sequence: u32) -> String {
    format!("{sequence:010}{NEW_SUFFIX}")
}

/// The name of a compaction that has not taken its place yet (S-6).
#[must_use]
pub fn compaction_name(sequence: u32) -> String {
    format!("{sequence:010}{COMPACT_SUFFIX}")
}

/// Whether a file has such a name, which no rollover or compaction has given its own yet.
pub fn is_temporary(name: &str) -> bool {
    name.strip_suffix(NEW_SUFFIX)
        .or_else(|| name.strip_suffix(COMPACT_SUFFIX))
        .is_some_and(|digits| parse_segment_name(&format!("{digits}{SUFFIX}")).is_some())
}

/// Whether a stream has a place for that name beside its segments (F-10).
pub fn belongs(name: &str) -> bool {
    [WRITER_LOCK, STEWARD_LOCK, CONSUMERS, LOST, FILE_SYSTEMS_OWN].contains(&name)
}

/// Name of the lock of a named consumer, in [`CONSUMERS`].
pub(crate) fn owner_lock_name(name: &str) -> String {
    format!("{name}.lock")
}
