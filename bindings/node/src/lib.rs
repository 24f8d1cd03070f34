//! Puro for Node: what is native. `index.js` makes of it what is documented, and `index.d.ts` says
//! so.
//!
//! The event loop is never blocked: each handle has a thread of its own, which does one job after the
//! other and resolves a promise for each. What went wrong is an answer too ([`Failed`]), of which
//! `index.js` makes an error.
#![allow(missing_docs, reason = "index.d.ts documents it")]

mod consumer;
mod producer;
mod worker;

use napi_derive::napi;
use puro_shared::{Code, Trouble};

/// What went wrong.
#[napi(object)]
pub struct Failed {
    pub failed: bool,
    pub code: String,
    pub blame: String,
    pub message: String,
    pub way_out: String,
    pub was_appended: Option<bool>,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        let Trouble { code, message, was_appended, .. } = trouble;
        let (code_name, blame) = (format!("{code:?}"), format!("{:?}", code.blame()));
        let way_out = code.way_out().to_owned();
        Self {
            failed: true,
            code: code_name,
            blame: blame.to_lowercase(),
            message,
            way_out,
            was_appended,
        }
    }
}

/// A panic as trouble.
fn fault(caught: Box<dyn std::any::Any + Send>) -> Trouble {
    Trouble::panic(caught.as_ref())
}

fn closed() -> Trouble {
    Trouble::new(Code::Misuse, "it is closed")
}
