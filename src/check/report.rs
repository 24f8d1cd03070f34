//! What a verification found, all together.

use super::finding::{Finding, Severity, Verdict};
use crate::format::token::StreamId;

/// What a verification found.
///
/// ```
/// use puro::check::Verdict;
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// let report = stream.verify(true)?;
/// assert_eq!(report.verdict(), Verdict::Sound);
/// assert_eq!(report.records, 1);
/// for finding in &report.findings {
///     eprintln!("{finding}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// The stream, if any segment's header could be read.
    pub stream_id: Option<StreamId>,
    /// How many segments were looked at.
    pub segments: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many good, committed blocks.
    pub blocks: u64,
    /// How many offsets they span.
    pub records: u64,
    /// Everything that is not as it should be, in the order of the stream.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// What it all amounts to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.severity()).max() {
            Some(Severity::Damage) => Verdict::Damaged,
            Some(Severity::Unreadable) => Verdict::Unreadable,
            Some(Severity::Repairable) => Verdict::Repairable,
            Some(Severity::Note) | None => Verdict::Sound,
        }
    }
}
