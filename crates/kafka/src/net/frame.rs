//! A request as bytes: its length, and so many. Nothing is allocated because a client says so: what
//! has arrived is kept, and as much again at most.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{MAX_OTHER_REQUEST_BYTES, MAX_REQUEST_BYTES};

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It was closed in the middle of a request, or broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The length is more than a request may have, or it is none.
    #[error("a request of {0} bytes: not Kafka's protocol, or too large")]
    Length(i64),
    /// The gateway ends.
    #[error("the gateway is ending")]
    Ending,
}

/// A request, and the share of the memory that it has.
pub struct Frame<'a> {
    /// What came behind the length.
    pub bytes: Bytes,
    /// Given back once it is answered.
    pub share: Option<SemaphorePermit<'a>>,
}

/// A piece of the memory of all requests.
const PIECE: usize = 64 << 10;
/// The key of Produce, which alone may be large.
const PRODUCE: [u8; 2] = [0, 0];

/// How many pieces so many bytes are.
#[must_use]
pub fn pieces(bytes: usize) -> usize {
    bytes.div_ceil(PIECE)
}

/// The length of the next request; `None` where the client has closed the connection.
///
/// # Errors
/// See [`FrameError`].
pub async fn length(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<usize>, FrameError> {
    let mut bytes = [0; 4];
    if stream.read(&mut bytes[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut bytes[1..]).await?;
    let length = i32::from_be_bytes(bytes);
    // A header has eight bytes at least.
    match usize::try_from(length) {
        Ok(length) if (8..=MAX_REQUEST_BYTES).contains(&length) => Ok(Some(length)),
        _ => Err(FrameError::Length(length.into())),
    }
}

/// The request behind a length.
///
/// # Errors
/// See [`FrameError`].
pub async fn body<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
    memory: &'a Semaphore,
) -> Result<Frame<'a>, FrameError> {
    let mut bytes = BytesMut::with_capacity(length.min(PIECE));
    let mut share: Option<SemaphorePermit<'a>> = None;
    while bytes.len() < length {
        // What fits into the first piece is bounded by the number of connections.
        if bytes.len() >= PIECE && bytes.len() >= share_bytes(share.as_ref()) {
            let more = u32::try_from(pieces(bytes.len().min(length))).unwrap_or(u32::MAX);
            let more = memory.acquire_many(more).await.map_err(|_| FrameError::Ending)?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        let left = length - bytes.len();
        bytes.reserve(left.min(bytes.len().max(PIECE)));
        let mut limited = (&mut *stream).take(left as u64);
        if limited.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        let is_produce = bytes.get(..2).is_some_and(|key| key == PRODUCE);
        if bytes.len() >= 2 && !is_produce && length > MAX_OTHER_REQUEST_BYTES {
            return Err(FrameError::Length(i64::try_from(length).unwrap_or(i64::MAX)));
        }
    }
    Ok(Frame { bytes: bytes.freeze(), share })
}

fn share_bytes(share: Option<&SemaphorePermit<'_>>) -> usize {
    share.map_or(0, |share| share.num_permits() * PIECE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_no_request_is_refused_by_its_first_bytes() {
        for bytes in
            [&b"GET / HTTP/1.1"[..], &[0xff; 8], &[0, 0, 0, 0], &[0, 0, 0, 7], &[2, 0, 0, 0]]
        {
            let refused = block_on(length(&mut &bytes[..]));
            assert!(matches!(refused, Err(FrameError::Length(_))), "{bytes:?}");
        }
        assert!(block_on(length(&mut &b""[..])).unwrap().is_none());
        assert!(matches!(block_on(length(&mut &b"\0\0"[..])), Err(FrameError::Io(_))));
    }

    #[test]
    fn a_long_request_takes_memory_as_it_arrives() {
        let memory = Semaphore::new(pieces(4 << 20));
        let long = vec![0_u8; 3 << 20];
        let frame = block_on(body(&mut &long[..], long.len(), &memory)).unwrap();
        assert_eq!(frame.bytes.len(), 3 << 20);
        assert!(memory.available_permits() < pieces(4 << 20));
        drop(frame);
        assert_eq!(memory.available_permits(), pieces(4 << 20));
        // One that only says that it is long takes next to nothing.
        let claimed = block_on(body(&mut &long[..10], long.len(), &memory));
        assert!(matches!(claimed, Err(FrameError::Io(_))));
        // And none but Produce may be long.
        let other = vec![1_u8; 3 << 20];
        let refused = block_on(body(&mut &other[..], other.len(), &memory));
        assert!(matches!(refused, Err(FrameError::Length(_))));
    }
}
