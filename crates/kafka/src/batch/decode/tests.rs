use super::*;
use crate::batch::Encoder;

const LIMIT: usize = 1 << 20;

type Plain<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn encoded(records: &[Plain<'_>]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for (offset, (key, value)) in (0..).zip(records) {
        let headers = [(&b"name"[..], &b"1"[..]), (b"name", b"2")];
        encoder.push((offset, 7, 0), *key, *value, headers.into_iter());
    }
    encoder.finish()
}

fn sealed(mut batch: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(batch.len() - LENGTH_FROM).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_FROM..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn with_body(codec: u8, plain: &[u8], body: &[u8]) -> Vec<u8> {
    let mut batch = plain[..HEADER_BYTES].to_vec();
    batch[22] = codec;
    batch.extend_from_slice(body);
    sealed(batch)
}

#[test]
fn records_come_back_with_repeated_headers() {
    let records: [Plain<'_>; 3] = [(Some(b"k"), Some(b"v")), (None, Some(b"")), (Some(b""), None)];
    let batch = encoded(&records);
    let decoded = decode(&batch, LIMIT).unwrap();
    let found: Vec<Plain<'_>> = decoded.records().map(|it| (it.key, it.value)).collect();
    assert_eq!(found, records);
    let first = decoded.records().next().unwrap();
    let headers: Vec<_> = first.headers.into_iter().flatten().collect();
    assert_eq!(headers, [(&b"name"[..], Some(&b"1"[..])), (b"name", Some(b"2"))]);
}

#[test]
fn all_four_codecs_are_expanded() {
    use std::io::Write;
    let plain = encoded(&[(Some(b"key"), Some(&[b'x'; 5000]))]);
    let body = &plain[HEADER_BYTES..];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(body).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest);
    let raw = snap::raw::Encoder::new().compress_vec(body).unwrap();
    let mut xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    xerial.extend_from_slice(&u32::try_from(raw.len()).unwrap().to_be_bytes());
    xerial.extend_from_slice(&raw);
    let bodies =
        [(1, gzip.finish().unwrap()), (2, raw), (2, xerial), (3, lz4.finish().unwrap()), (4, zstd)];
    for (codec, compressed) in bodies {
        let batch = with_body(codec, &plain, &compressed);
        let decoded = decode(&batch, LIMIT).unwrap();
        assert_eq!(decoded.records().next().unwrap().value.unwrap().len(), 5000, "{codec}");
        // Four hundred bytes are too few for it, and nothing more is made.
        assert_eq!(decode(&batch, 400).unwrap_err(), BatchError::TooLarge, "{codec}");
        let cut = with_body(codec, &plain, &compressed[..compressed.len() / 2]);
        assert!(decode(&cut, LIMIT).is_err(), "{codec}");
    }
}

#[test]
fn each_flipped_bit_and_each_cut_is_refused() {
    let batch = encoded(&[(Some(b"key"), Some(b"value"))]);
    for length in 0..batch.len() {
        assert!(decode(&batch[..length], LIMIT).is_err(), "{length}");
    }
    // The base offset and the leader's epoch are not covered: a broker sets them.
    for bit in 16 * 8..batch.len() * 8 {
        let mut flipped = batch.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped, LIMIT).is_err(), "{bit}");
    }
}

#[test]
fn a_batch_that_lies_with_a_right_checksum_is_refused() {
    let good = encoded(&[(None, Some(b"a")), (None, Some(b"b"))]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut batch = good.clone();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        decode(&sealed(batch), LIMIT).map(|decoded| decoded.header)
    };
    assert_eq!(changed(16, &[1]), Err(BatchError::OldFormat));
    assert_eq!(changed(21, &[0, 5]), Err(BatchError::UnknownCodec));
    assert_eq!(changed(21, &[0, 0x20]), Err(BatchError::Control));
    // Two thousand million records in a few bytes.
    let many = changed(57, &i32::MAX.to_be_bytes());
    assert_eq!(many, Err(BatchError::Record(0)));
    assert_eq!(changed(57, &1_i32.to_be_bytes()), Err(BatchError::Record(0)));
    let mut two = good.clone();
    two.extend_from_slice(&good);
    assert_eq!(decode(&two, LIMIT).unwrap_err(), BatchError::NotOne);
}
