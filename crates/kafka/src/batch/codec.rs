//! The four ways in which the records of a batch may be compressed. All are read; none is written.

use std::borrow::Cow;
use std::io::Read;

use super::BatchError;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy: raw, or in the frames of the Java library.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// What begins the frames of the Java library; a version and the lowest compatible one follow.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

impl Codec {
    /// The codec that the attributes of a batch name.
    #[must_use]
    pub fn of(attributes: i16) -> Option<Self> {
        Some(match attributes & 7 {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The bytes as they were before. No more than `limit` are made, whatever the input says.
    ///
    /// # Errors
    /// Where they are malformed, or would be more.
    pub fn expand(self, body: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, BatchError> {
        match self {
            Self::None if body.len() > limit => Err(BatchError::TooLarge),
            Self::None => Ok(Cow::Borrowed(body)),
            // Several members may follow each other.
            Self::Gzip => read(flate2::read::MultiGzDecoder::new(body), limit).map(Cow::Owned),
            Self::Snappy => snappy(body, limit).map(Cow::Owned),
            Self::Lz4 => read(lz4_flex::frame::FrameDecoder::new(body), limit).map(Cow::Owned),
            Self::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(body)
                    .map_err(|_| BatchError::Compression)?;
                read(decoder, limit).map(Cow::Owned)
            }
        }
    }
}

/// Reads to the end, and refuses what does not end in time.
fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut out).map_err(|_| BatchError::Compression)?;
    if out.len() > limit {
        return Err(BatchError::TooLarge);
    }
    Ok(out)
}

fn snappy(body: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    if !body.starts_with(XERIAL) {
        snappy_block(body, limit, &mut out)?;
        return Ok(out);
    }
    let mut rest = body.get(XERIAL_HEADER_BYTES..).ok_or(BatchError::Compression)?;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, behind) = behind.split_at_checked(length).ok_or(BatchError::Compression)?;
        snappy_block(block, limit, &mut out)?;
        rest = behind;
    }
    if rest.is_empty() { Ok(out) } else { Err(BatchError::Compression) }
}

/// The length is told before the block: it is looked at before anything is allocated.
fn snappy_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), BatchError> {
    let length = snap::raw::decompress_len(block).map_err(|_| BatchError::Compression)?;
    let from = out.len();
    let to = from.checked_add(length).filter(|to| *to <= limit).ok_or(BatchError::TooLarge)?;
    // A block expands 64 times at most; one that claims more lies.
    if length / 64 > block.len() {
        return Err(BatchError::Compression);
    }
    out.resize(to, 0);
    let into = out.get_mut(from..).ok_or(BatchError::Compression)?;
    let made = snap::raw::Decoder::new().decompress(block, into);
    made.map(|_| ()).map_err(|_| BatchError::Compression)
}
