//! What crosses the border as plain data.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::time::Duration;

use puro::{IfLost, LockWait, NewRecord, Start, StreamId};
use puro_shared::{Code, Trouble};

use crate::border::{answer, given, is_null, place, text};

/// Bytes, of whatever meaning. `data` NULL means that there are none; that is not the same as bytes
/// of length 0. `puro_text` makes them from a string.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// Where they begin.
    pub data: *const u8,
    /// How many they are.
    pub len: usize,
}

/// The bytes of a text; none where it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_text(text: *const c_char) -> Bytes {
    if text.is_null() {
        return Bytes::of_some(None);
    }
    // SAFETY: as the head of puro.h says.
    Bytes::of(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// One header of a record. Names may repeat.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    /// Its name; at least one byte.
    pub name: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// A record to be appended; what it points to need last for the call only.
#[repr(C)]
pub struct NewRecordC {
    /// 1 to 1,024 bytes.
    pub topic: Bytes,
    /// Up to 1,024 bytes; `data` NULL: no key.
    pub key: Bytes,
    /// Up to 10 MiB; `data` NULL: a delete marker, which needs a key.
    pub value: Bytes,
    /// `header_count` of them; up to 64 KiB together.
    pub headers: *const Header,
    /// How many headers.
    pub header_count: usize,
}

/// A record of the stream. What it points to belongs to the consumer that gave it, and lasts until
/// the next call with that consumer.
#[repr(C)]
pub struct RecordC {
    /// Its offset.
    pub offset: u64,
    /// When it was appended, in ms since 1970.
    pub timestamp_ms: u64,
    /// Its topic.
    pub topic: Bytes,
    /// Its key; `data` NULL: none.
    pub key: Bytes,
    /// Its value; `data` NULL: a delete marker.
    pub value: Bytes,
    /// Its headers.
    pub headers: *const Header,
    /// How many headers.
    pub header_count: usize,
}

/// A position in the history of a stream, to be kept anywhere. Unlike a bare offset it notices when
/// that history was lost.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TokenC {
    /// The stream.
    pub stream_id: [u8; 16],
    /// The epoch of what was read before it.
    pub epoch: u32,
    /// The next offset to read.
    pub offset: u64,
}

/// What an append did.
#[repr(C)]
pub struct AppendedC {
    /// Offset of the first record.
    pub first_offset: u64,
    /// The time they carry, in ms since 1970.
    pub timestamp_ms: u64,
    /// How many records.
    pub record_count: u32,
    /// Whether they stood there already, from an earlier try (`identity`).
    pub duplicate: bool,
    /// The position behind them.
    pub token: TokenC,
}

/// Where a consumer begins.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum StartKind {
    /// At the lowest offset there is.
    Beginning = 0,
    /// Behind all that there is.
    End = 1,
    /// At the offset `value`.
    Offset = 2,
    /// At the last `value` records of its topics.
    Last = 3,
    /// At the first record of the time `value`, in ms since 1970, or later.
    Time = 4,
    /// At `token`.
    Token = 5,
}

/// Where a consumer begins. All zero: at the beginning.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StartC {
    /// A `puro_start_kind`.
    pub kind: u32,
    /// What the kind needs.
    pub value: u64,
    /// For `PURO_START_KIND_TOKEN`.
    pub token: TokenC,
}

/// What is to be or not to be, or left to the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Choice {
    /// As the stream's settings say.
    Default = 0,
    /// Yes.
    Yes = 1,
    /// No.
    No = 2,
}

/// Where a consumer with a name goes on if what it was to read next was deleted.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum IfLostC {
    /// Nowhere: `PURO_LOST`.
    Fail = 0,
    /// At the lowest offset there is.
    Beginning = 1,
    /// At the end.
    End = 2,
}

/// Bytes that are enough for the text of any token, with the zero behind it.
pub const TOKEN_TEXT: usize = 80;

/// Writes the text of a token, `STREAMID:EPOCH:OFFSET`, to `out`, which has room for
/// `PURO_TOKEN_TEXT` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_token_format(token: *const TokenC, out: *mut c_char) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let written = given(token, "token")?.to_token().to_string();
        if out.is_null() {
            return Err(is_null("out"));
        }
        ptr::copy_nonoverlapping(written.as_ptr().cast(), out, written.len());
        out.add(written.len()).write(0);
        Ok(Code::Ok)
    })
}

/// Reads the text of a token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn puro_token_parse(written: *const c_char, out: *mut TokenC) -> Code {
    // SAFETY: as the head of puro.h says.
    answer(|| unsafe {
        let token: puro::Token = text(written, "the text")?.parse()?;
        *place(out, "out")? = token.into();
        Ok(Code::Ok)
    })
}

impl TokenC {
    pub(crate) fn to_token(self) -> puro::Token {
        let Self { stream_id, epoch, offset } = self;
        puro::Token { stream_id: StreamId::from(stream_id), epoch, offset }
    }
}

impl From<puro::Token> for TokenC {
    fn from(token: puro::Token) -> Self {
        let mut stream_id = [0; 16];
        stream_id.copy_from_slice(token.stream_id.as_ref());
        Self { stream_id, epoch: token.epoch, offset: token.offset }
    }
}

impl From<puro::Appended> for AppendedC {
    fn from(appended: puro::Appended) -> Self {
        let puro::Appended { first_offset, record_count, timestamp_ms, duplicate, .. } = appended;
        let token = appended.token.into();
        Self { first_offset, timestamp_ms, record_count, duplicate, token }
    }
}

impl Bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    pub(crate) fn of_some(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self { data: ptr::null(), len: 0 }, Self::of)
    }

    /// # Safety
    /// `data` is null, or leads to `len` bytes that last for `'a`.
    pub(crate) unsafe fn get<'a>(self, what: &str) -> Result<Option<&'a [u8]>, Trouble> {
        if self.data.is_null() {
            let nothing = self.len == 0;
            return if nothing { Ok(None) } else { Err(is_null(&format!("{what}.data"))) };
        }
        if isize::try_from(self.len).is_err() {
            return Err(Trouble::misuse(format!("{what}.len is more than there can be")));
        }
        // SAFETY: as the caller promises.
        Ok(Some(unsafe { std::slice::from_raw_parts(self.data, self.len) }))
    }
}

/// The items of an array of C.
///
/// # Safety
/// `data` is null, or leads to `count` items that last for `'a`.
pub(crate) unsafe fn items<'a, T>(
    data: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Trouble> {
    if count == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(is_null(what));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Trouble::misuse(format!("{what}: more than there can be")));
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

impl NewRecordC {
    /// # Safety
    /// All it points to lasts for `'a`.
    pub(crate) unsafe fn get<'a>(&self) -> Result<NewRecord<'a>, Trouble> {
        // SAFETY: as the caller promises.
        unsafe {
            let topic = self.topic.get("topic")?.ok_or_else(|| is_null("topic.data"))?;
            let key = self.key.get("key")?;
            let mut record = match (self.value.get("value")?, key) {
                (Some(value), _) => NewRecord::new(topic, value),
                (None, Some(key)) => NewRecord::delete_marker(topic, key),
                (None, None) => return Err(puro::RecordError::MarkerWithoutKey.into()),
            };
            if let Some(key) = key {
                record = record.key(key);
            }
            for header in items(self.headers, self.header_count, "headers")? {
                let name = header.name.get("a header's name")?.unwrap_or_default();
                record =
                    record.header(name, header.value.get("a header's value")?.unwrap_or_default());
            }
            Ok(record)
        }
    }
}

impl StartC {
    pub(crate) fn get(&self) -> Result<Start, Trouble> {
        const BEGINNING: u32 = StartKind::Beginning as u32;
        const END: u32 = StartKind::End as u32;
        const OFFSET: u32 = StartKind::Offset as u32;
        const LAST: u32 = StartKind::Last as u32;
        const TIME: u32 = StartKind::Time as u32;
        const TOKEN: u32 = StartKind::Token as u32;
        Ok(match self.kind {
            BEGINNING => Start::Beginning,
            END => Start::End,
            OFFSET => Start::Offset(self.value),
            LAST => Start::Last(self.value),
            TIME => Start::Time(self.value),
            TOKEN => Start::Token(self.token.to_token()),
            other => return Err(Trouble::misuse(format!("start.kind is {other}: there is none"))),
        })
    }
}

/// A `puro_choice`.
pub(crate) fn choice(choice: u32) -> Result<Option<bool>, Trouble> {
    match choice {
        0 => Ok(None),
        1 => Ok(Some(true)),
        2 => Ok(Some(false)),
        other => Err(Trouble::misuse(format!("a choice of {other}: there is none"))),
    }
}

/// A `puro_if_lost`.
pub(crate) fn if_lost(if_lost: u32) -> Result<IfLost, Trouble> {
    match if_lost {
        0 => Ok(IfLost::Fail),
        1 => Ok(IfLost::Beginning),
        2 => Ok(IfLost::End),
        other => Err(Trouble::misuse(format!("if_lost is {other}: there is none"))),
    }
}

/// A timeout in ms; less than 0: without limit.
pub(crate) fn timeout(ms: i64) -> Duration {
    u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis)
}

/// The same for a lock.
pub(crate) fn lock_wait(ms: i64) -> LockWait {
    match u64::try_from(ms) {
        Err(_) => LockWait::Forever,
        Ok(0) => LockWait::Try,
        Ok(ms) => LockWait::AtMost(Duration::from_millis(ms)),
    }
}
