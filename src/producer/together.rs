//! Batches of several callers, each a block of its own, and one sync for all of them.

use super::Producer;
use super::batch::Batch;
use crate::appended::Appended;
use crate::engine::vfs::Vfs;
use crate::error::AppendError;

impl<V: Vfs> Producer<V> {
    /// Appends each batch; where appends are durable, all are once this returns.
    pub(crate) fn append_together<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a mut Batch>,
    ) -> Vec<Result<Appended, AppendError>> {
        let mut answers: Vec<_> =
            batches.map(|batch| self.transaction(batch).durable(false).commit()).collect();
        if self.is_durable()
            && answers.iter().any(Result::is_ok)
            && let Err(error) = self.make_durable()
        {
            for answer in &mut answers {
                if let Ok(appended) = *answer {
                    let error = error.clone();
                    *answer = Err(AppendError::NotDurable { appended, error });
                }
            }
        }
        answers
    }
}
