//! A state of `spec/Segment.tla`, as a value of Rust. The names are those of the
//! variables there, which say what each is.

use std::collections::{BTreeMap, BTreeSet};

use super::value::{FromValue, Value};

/// What stands in a unit: part `k` of block `b`, with its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// The block, by its place in `made`; 0 if it is nobody's.
    pub b: u8,
    /// Which part of it.
    pub k: u8,
    /// The signal; 2 for what was not read yet.
    pub s: u8,
}

impl Unit {
    /// Zeros.
    pub const ZERO: Self = Self { b: 0, k: 0, s: 0 };
    /// Bytes that are nobody's.
    pub const JUNK: Self = Self { b: 0, k: 1, s: 1 };
    /// What was not read yet.
    pub const NONE: Self = Self { b: 0, k: 0, s: 2 };
}

impl FromValue for Unit {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self { b: value.field("b")?, k: value.field("k")?, s: value.field("s")? })
    }
}

/// A block that somebody began to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Made {
    pub at: u8,
    pub size: u8,
    pub count: u8,
    pub prev: u8,
    pub off: u8,
    pub durable: u8,
    pub epoch: u8,
    pub boot: u8,
    pub req: (u8, u8),
}

impl FromValue for Made {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            at: value.field("at")?,
            size: value.field("size")?,
            count: value.field("count")?,
            prev: value.field("prev")?,
            off: value.field("off")?,
            durable: value.field("durable")?,
            epoch: value.field("epoch")?,
            boot: value.field("boot")?,
            req: value.field("req")?,
        })
    }
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Reading {
    pub last: Vec<u8>,
    pub head: Unit,
    pub rest: Unit,
    pub mark: u8,
    pub epoch: u8,
    pub seen: Vec<u8>,
}

impl FromValue for Reading {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            last: value.field("last")?,
            head: value.field("head")?,
            rest: value.field("rest")?,
            mark: value.field("mark")?,
            epoch: value.field("epoch")?,
            seen: value.field("seen")?,
        })
    }
}

/// Where a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pc(pub &'static str);

const PLACES: [&str; 16] = [
    "idle", "look", "looked", "save", "cut", "cutsync", "stop", "resync", "ready", "write",
    "raised", "done", "sync", "mending", "mendsync", "mended",
];

impl FromValue for Pc {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        PLACES.into_iter().find(|place| *place == text).map(Self)
    }
}

macro_rules! picture {
    ($($field:ident: $type:ty = $name:literal,)*) => {
        /// A state.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub struct Picture { $(pub $field: $type,)* }

        impl Picture {
            /// A state from the values of its variables, all of which must be known here.
            pub fn new(values: &BTreeMap<&str, Value>) -> Result<Self, String> {
                let known = [$($name),*];
                if let Some(name) = values.keys().find(|name| !known.contains(name)) {
                    return Err(format!("the walk does not know the variable {name}"));
                }
                let get = |name: &str| values.get(name).ok_or(format!("no variable {name}"));
                Ok(Self { $($field: FromValue::from_value(get($name)?)
                    .ok_or_else(|| format!("{} is something else: {:?}", $name, values[$name]))?,)* })
            }

            /// In which variables another state is not the same, as text.
            pub fn differences(&self, other: &Self) -> Vec<String> {
                let mut found = Vec::new();
                $(if self.$field != other.$field {
                    found.push(format!("{}: {:?}, not {:?}", $name, other.$field, self.$field));
                })*
                found
            }
        }
    };
}

picture! {
    unit: Vec<Unit> = "unit",
    len: u8 = "len",
    may: Vec<BTreeSet<Unit>> = "may",
    may_len: BTreeSet<u8> = "mayLen",
    forgot: BTreeSet<u8> = "forgot",
    made: Vec<Made> = "made",
    lock: u8 = "lock",
    pc: Vec<Pc> = "pc",
    mem: Vec<Vec<u8>> = "mem",
    known: Vec<u8> = "known",
    expects: Vec<u8> = "expects",
    job: Vec<u8> = "job",
    left: Vec<BTreeSet<u8>> = "left",
    must: BTreeSet<u8> = "must",
    suspect: BTreeSet<u8> = "suspect",
    untold: BTreeSet<u8> = "untold",
    req: Vec<u8> = "req",
    rd: Vec<Reading> = "rd",
    boot: u8 = "boot",
    deaths: u8 = "deaths",
    fails: u8 = "fails",
    giveups: u8 = "giveups",
    harms: u8 = "harms",
    acked: BTreeSet<(u8, u8)> = "acked",
    flipped: BTreeSet<u8> = "flipped",
    gone: BTreeSet<u8> = "gone",
    cut: BTreeSet<u8> = "cut",
    kept: BTreeSet<u8> = "kept",
    hurt: BTreeSet<u8> = "hurt",
    torn: bool = "torn",
    alarm: bool = "alarm",
}

impl Picture {
    /// Whether a writer is another in `next`, in whatever is its own.
    pub fn writer_moves(&self, next: &Self, writer: usize) -> bool {
        let number = writer as u8 + 1;
        let among = |state: &Self| {
            [&state.must, &state.suspect, &state.untold].map(|set| set.contains(&number))
        };
        self.pc[writer] != next.pc[writer]
            || self.mem[writer] != next.mem[writer]
            || self.known[writer] != next.known[writer]
            || self.expects[writer] != next.expects[writer]
            || self.job[writer] != next.job[writer]
            || self.left[writer] != next.left[writer]
            || self.req[writer] != next.req[writer]
            || among(self) != among(next)
    }
}
