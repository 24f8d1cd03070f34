//! The shape of each request, walked before it is decoded: a decoder that believes the lengths of
//! arrays would allocate what a client only claims.

use kafka_protocol::messages::ApiKey;

/// Whether the header has the shape of its form.
#[must_use]
pub fn fits_header(_bytes: &[u8], _form: i16) -> bool {
    true
}

/// Whether a request has the shape of its version.
#[must_use]
pub fn fits(_key: ApiKey, _version: i16, _bytes: &[u8]) -> bool {
    true
}
