//! What the fuzz targets of `fuzz/` check, so that it runs as an ordinary test too.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use crate::api::decodes;
use crate::batch::{self, Encoder, HEADER_BYTES};
use crate::net::fits;

/// The most bytes that a batch may expand to here.
const LIMIT: usize = 64 << 10;

/// A batch as it is, and once more with its length and checksum put right: so that what stands behind
/// the checksum is reached. What is decoded has what it says, and comes back from what is encoded.
///
/// # Panics
/// Where that is not so.
pub fn batch(data: &[u8]) {
    decode(data);
    if data.len() < HEADER_BYTES {
        return;
    }
    let mut sealed = data.to_vec();
    let length = i32::try_from(sealed.len() - 12).unwrap_or(i32::MAX).to_be_bytes();
    put(&mut sealed, 8, &length);
    put(&mut sealed, 16, &[2]);
    let crc = crc32c::crc32c(sealed.get(21..).unwrap_or_default()).to_be_bytes();
    put(&mut sealed, 17, &crc);
    decode(&sealed);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(into) = bytes.get_mut(at..at + value.len()) {
        into.copy_from_slice(value);
    }
}

fn decode(data: &[u8]) {
    let Ok(decoded) = batch::decode(data, LIMIT) else { return };
    let mut encoder = Encoder::default();
    let mut count = 0;
    for field in decoded.records() {
        let headers: Vec<_> = field.headers.into_iter().flatten().collect();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.unwrap_or_default())).collect();
        encoder.push((count, 1, 1), field.key, field.value, headers.into_iter());
        count += 1;
    }
    assert!(i64::try_from(count) == Ok(decoded.header.count.into()), "fewer than it says");
    let again = encoder.finish();
    let Ok(again) = batch::decode(&again, usize::MAX) else {
        assert!(count > 0 && decoded.header.codec == batch::Codec::None, "it is not read back");
        return;
    };
    let plain = |it: &batch::Field<'_>| (it.key.map(<[u8]>::to_vec), it.value.map(<[u8]>::to_vec));
    let found: Vec<_> = again.records().map(|it| plain(&it)).collect();
    let given: Vec<_> = decoded.records().map(|it| plain(&it)).collect();
    assert!(found == given, "it comes back as something else");
}

/// A request: its key, its version, its body. What has its shape is decoded without a panic.
pub fn request(data: &[u8]) {
    let [key, version, body @ ..] = data else { return };
    let Ok(key) = ApiKey::try_from(i16::from(*key)) else { return };
    let version = i16::from(version % 16);
    if crate::api::is_served(key, version) && fits(key, version, body) {
        let _ = decodes(key, version, Bytes::copy_from_slice(body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Good batches, of which bytes are changed, cut and doubled at random.
    #[test]
    fn changed_batches_and_requests_do_no_harm() {
        let mut chance = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            usize::try_from(chance % below.max(1) as u64).unwrap()
        };
        let mut encoder = Encoder::default();
        let headers = [(&b"a"[..], &b"b"[..]), (b"a", b"")];
        encoder.push((0, 0, 0), Some(b"key"), Some(b"value"), headers.into_iter());
        encoder.push((1, 0, 0), None, None, headers.into_iter());
        let good = encoder.finish();
        for _ in 0..200_000 {
            let mut bad = good.clone();
            for _ in 0..=next(4) {
                let at = next(bad.len());
                match next(4) {
                    0 => bad[at] = u8::try_from(next(256)).unwrap(),
                    1 => bad[at] ^= 1 << next(8),
                    2 => bad.truncate(at.max(1)),
                    _ => bad.insert(at, u8::try_from(next(256)).unwrap()),
                }
            }
            batch(&bad);
            let mut asked = bad.split_off(bad.len() / 2);
            asked.insert(0, u8::try_from(next(16)).unwrap());
            asked.insert(0, u8::try_from(next(62)).unwrap());
            request(&asked);
        }
    }
}
