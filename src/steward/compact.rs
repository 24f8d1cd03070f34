//! Compaction.
use crate::error::Failure;
use crate::steward::Steward;
use crate::steward::report::Report;
use crate::steward::survey::Survey;
use crate::vfs::Vfs;

#[derive(Debug)]
pub(super) struct Memo {}

impl<V: Vfs> Steward<V> {
    pub(super) fn compact(
        &mut self,
        _survey: &Survey,
        _report: &mut Report,
    ) -> Result<(), Failure> {
        Ok(())
    }
}
