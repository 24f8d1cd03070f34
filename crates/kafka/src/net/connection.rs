//! One connection: a request, its answer, the next request.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::Decodable;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::frame::{self, Frame, FrameError};
use super::shape;
use crate::api::{Asked, Gateway, Session, Unanswered, answer, is_served, versions_refused};

/// Why a connection was ended by the gateway.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Its bytes.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It took too long, or said nothing for too long.
    #[error("{0} took too long")]
    Slow(&'static str),
    /// A request that is not known.
    #[error("request {0} is not known, and has no code to say so")]
    Unknown(i16),
    /// A version that was not offered.
    #[error("version {1} of {0:?} was not offered")]
    Version(ApiKey, i16),
    /// A request that is not what it says.
    #[error("a malformed {0:?} request of version {1}")]
    Shape(ApiKey, i16),
    /// A header that is none.
    #[error("a malformed header")]
    Header,
    /// There is no answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// Serves a connection until it is closed.
///
/// # Errors
/// Why it was not the client that closed it.
pub async fn run(
    gateway: &Gateway,
    memory: &Semaphore,
    stop: &mut watch::Receiver<bool>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: String,
) -> Result<(), Ended> {
    let limits = &gateway.limits;
    let mut session = Session::of(host);
    let mut idle = limits.first_request;
    loop {
        let next = tokio::select! {
            next = timeout(idle, frame::length(&mut stream)) => next,
            // Between two requests: nothing is cut off.
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let Some(length) = next.map_err(|_| Ended::Slow("the next request"))?? else {
            return Ok(());
        };
        idle = limits.idle;
        let reading = timeout(limits.transfer, frame::body(&mut stream, length, memory)).await;
        let Frame { bytes, share } = reading.map_err(|_| Ended::Slow("a request"))??;
        let response = respond(gateway, &mut session, bytes).await?;
        drop(share);
        gateway.metrics.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(response) = response {
            let writing = timeout(limits.transfer, stream.write_all(&response)).await;
            writing.map_err(|_| Ended::Slow("taking an answer"))?.map_err(FrameError::from)?;
        }
    }
}

async fn respond(
    gateway: &Gateway,
    session: &mut Session,
    mut bytes: Bytes,
) -> Result<Option<bytes::BytesMut>, Ended> {
    let &[a, b, c, d, e, f, g, h, ..] = &bytes[..] else { return Err(Ended::Header) };
    let (key, version) = (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
    let correlation = i32::from_be_bytes([e, f, g, h]);
    let known = ApiKey::try_from(key).map_err(|()| Ended::Unknown(key))?;
    let mut asked = Asked { key: known, version, correlation, client: String::new() };
    if !is_served(known, version) {
        return match known {
            ApiKey::ApiVersions => Ok(Some(versions_refused(&asked)?)),
            _ => Err(Ended::Version(known, version)),
        };
    }
    let form = known.request_header_version(version);
    if !shape::fits_header(&bytes, form) {
        return Err(Ended::Header);
    }
    let header = RequestHeader::decode(&mut bytes, form).map_err(|_| Ended::Header)?;
    asked.client = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    if !shape::fits(known, version, &bytes) {
        return Err(Ended::Shape(known, version));
    }
    tracing::trace!(?known, version, client = asked.client, "asked");
    Ok(answer(gateway, session, &asked, bytes).await?)
}
