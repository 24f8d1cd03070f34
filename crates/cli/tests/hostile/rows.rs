//! What becomes of a stream, command by command: `.` *tolerated* (exit code 0), else *refused* by that
//! exit code: `1`, `2`, `u` for 64, `s` for 74. The commands stand in the order of
//! [`crate::commands::COMMANDS`]:
//!
//! | group | commands |
//! |---|---|
//! | tell | info, inspect, verify, verify --deep, who, config list, positions list, map |
//! | read | consume, consume of a topic, from a time, from the last record, export |
//! | write | consume --name, produce, import, repair, steward --roll, positions reset |
//! | copy | backup, restore, salvage |

//                                           tell     read  write  copy
/// Nothing is wrong, or nothing that matters.
pub const SOUND: &str = "........ ..... ...... ...";
/// Bytes at the end that the next writer cuts off.
pub const TO_REPAIR: &str = "..11.... 11111 ...... ...";
/// The last segment is sealed, and the next writer makes the next one.
pub const ROLLOVER: &str = "..11.... ..... ...... ...";
/// Damage in the active segment: nobody may write behind it.
pub const END_DAMAGED: &str = "..22.... 22222 222222 22.";
/// Damage in a sealed segment: who reads stops there, who writes does not come there.
pub const SEALED_DAMAGED: &str = "2.22.... 222.2 2..... 22.";
/// A malformed record in the active segment.
pub const RECORD_ACTIVE: &str = "2.22.... 22222 2..... 22.";
/// A record in the active segment whose own checksum alone is wrong: told by who checks it.
pub const RECORD_MISSUMMED: &str = "..22.... ...2. ...... 22.";
/// The active segment has no valid header.
pub const NO_HEADER: &str = "2.22.22. 22222 222222 22.";
/// A segment's name on what is no file, perhaps behind the last one, of which it proves nothing.
pub const NO_FILE: &str = "ssss.ss. sssss ssssss sss";
/// From a newer Puro.
pub const NEWER: &str = "ssss.sss sssss ssssss sss";
/// A segment that nobody needs who works at either end is from a newer Puro.
pub const NEWER_BETWEEN: &str = "ssss..ss sss.s s...s. sss";
/// Whoever would write is refused; a repair finds nothing to do.
pub const NO_WRITING: &str = "........ ..... sss.ss ...";
/// A steward that would seal is refused.
pub const NO_STEWARD: &str = "........ ..... ....s. ...";
/// Whoever would run under that name is refused.
pub const NO_NAMED: &str = "........ ..... s....s ...";
/// Nobody is misled by it; a deep verification tells.
pub const LIE_DEEP: &str = "...2.... ..... ...... 22.";
/// Nobody is misled by it; verification tells.
pub const LIE: &str = "..22.... ..... ...... 22.";
/// The consumer whose position it is is told that its place is lost.
pub const LOST_PLACE: &str = "........ ..... 2..... ...";
/// The state cannot be read: who needs it stops.
pub const STATE_DAMAGED: &str = "2.22.22. ..... 222222 22.";
/// The lowest segment decides whose segments they are.
pub const OTHER_STREAM: &str = "2.22.... 22222 222222 ...";
/// Damage in the active segment before any record.
pub const BEGIN_DAMAGED: &str = "..22.... 22222 2222.2 22.";
/// The lowest segment has no valid header.
pub const LOWEST_GONE: &str = "2.22..2. 222.2 2....2 22.";
/// A sealed segment between others has none.
pub const MIDDLE_GONE: &str = "2.22..2. 222.2 2..... 22.";
/// Locks of consumers cannot be had.
pub const NO_OWNERS: &str = "....s.s. ..... s....s ...";
/// The epoch that blocks name is not that of the state: positions have no history.
pub const NO_EPOCH: &str = "..22.... ..... 2..... 22.";
/// The directory of the locks of consumers is a link, which nobody follows.
pub const NO_LINK: &str = "......s. ..... s....s ...";
