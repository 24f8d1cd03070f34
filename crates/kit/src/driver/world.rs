//! The real system, but for a clock, a boot and random bytes that a request gives.

use std::sync::{Arc, Mutex, PoisonError};

use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;

use super::{Fields, Refusal};

/// The system that requests work on.
pub type System = Interpose<OsVfs>;

/// What was given. Clones are one and the same.
#[derive(Clone, Default)]
pub struct Given(Arc<Mutex<Values>>);

#[derive(Clone, Copy, Default)]
struct Values {
    clock: Option<u64>,
    boot: Option<[u8; 16]>,
    random: Option<[u8; 16]>,
}

impl Given {
    /// A world of its own.
    pub fn system(&self) -> System {
        Interpose::new(OsVfs::new(), self.clone())
    }

    /// From now on it is as a request says.
    pub fn take(&self, fields: &Fields<'_>) -> Result<(), Refusal> {
        let clock = fields.get("clock").and_then(serde_json::Value::as_u64);
        let (boot, random) = (fields.sixteen("boot")?, fields.sixteen("random")?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Values { clock, boot, random };
        Ok(())
    }

    fn values(&self) -> Values {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook for Given {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }

    fn boot_id(&self, real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        let boot = self.values().boot;
        boot.map_or(real, |boot| (boot != [0; 16]).then_some(boot))
    }

    fn now_ms(&self, real: u64) -> u64 {
        self.values().clock.unwrap_or(real)
    }

    fn random(&self, real: [u8; 16]) -> [u8; 16] {
        self.values().random.unwrap_or(real)
    }
}
