//! Names in the stream for what Kafka names otherwise (F-11: letters, digits, `.`, `_`, `-`).

use crate::limits::MAX_TOPIC_BYTES;

/// Whether clients may write to a topic of this name.
#[must_use]
pub fn is_legal_topic(topic: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC_BYTES).contains(&topic.len())
        && topic != "."
        && topic != ".."
        && topic.bytes().all(allowed)
}

/// The longest name (F-11).
const MAX_NAME_BYTES: usize = 200;
/// Stands between the group and the topic.
const BETWEEN: &str = "--";
/// Begins a byte of the group that cannot stand for itself; two hexadecimal digits follow.
const ESCAPE: &str = "-.";

/// The name under which the position of a group in a topic is kept: `GROUP--TOPIC`.
///
/// A byte of the group that is not allowed, or a dash that would be read as something else, is
/// written as `-.` and two digits. `None` where the name is too long.
#[must_use]
pub fn position(group: &str, topic: &str) -> Option<String> {
    let name = format!("{}{topic}", position_prefix(group));
    (!group.is_empty() && name.len() <= MAX_NAME_BYTES).then_some(name)
}

fn position_prefix(group: &str) -> String {
    let mut name = String::new();
    let bytes = group.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let plain = match byte {
            b'-' => bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric()),
            b'.' => at > 0 && bytes.get(at - 1) != Some(&b'-'),
            byte => byte.is_ascii_alphanumeric() || *byte == b'_',
        };
        if plain {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("{ESCAPE}{byte:02x}"));
        }
    }
    name + BETWEEN
}

/// The group and the topic that a position belongs to; `None` for a name that is not of a group.
#[must_use]
pub fn parse_position(name: &str) -> Option<(String, String)> {
    let (mut rest, mut group) = (name, Vec::new());
    loop {
        if let Some(topic) = rest.strip_prefix(BETWEEN) {
            let group = String::from_utf8(group).ok()?;
            return (!group.is_empty() && is_legal_topic(topic)).then(|| (group, topic.to_owned()));
        }
        if let Some(behind) = rest.strip_prefix(ESCAPE) {
            let (digits, behind) = behind.split_at_checked(2)?;
            group.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
            continue;
        }
        let (first, behind) = rest.split_at_checked(1)?;
        group.extend_from_slice(first.as_bytes());
        rest = behind;
    }
}

/// The identity under which an idempotent producer appends to a topic (C-4).
#[must_use]
pub fn identity(producer_id: i64, topic: &str) -> String {
    format!("kafka.{producer_id:016x}.{topic}")
}

/// The identity of a transactional id. Its letters may be any, and as many as one likes: so it is
/// named by two hashes.
#[must_use]
pub fn transaction_identity(transactional_id: &str) -> String {
    let id = transactional_id.as_bytes();
    format!(
        "kafka-txn.{:016x}{:016x}",
        fnv(id, 0xcbf2_9ce4_8422_2325),
        fnv(id, 0x1234_5678_9abc_def1)
    )
}

/// FNV-1a, which is the same in every build.
fn fnv(bytes: &[u8], basis: u64) -> u64 {
    bytes.iter().fold(basis, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_and_topic_has_a_name_of_its_own_and_comes_back() {
        let groups =
            ["a", "my-group", "a--b", "-", "--", ".x", "a.", "a-", "ä b", "a-.2d", "x_y.z", "-.-"];
        let mut seen = std::collections::BTreeMap::new();
        for group in groups {
            for topic in ["t", "t--u", "-t", ".t"] {
                let name = position(group, topic).unwrap();
                let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                assert!(name.chars().all(allowed) && !name.starts_with('.'), "{name}");
                let back = parse_position(&name);
                assert_eq!(back, Some((group.to_owned(), topic.to_owned())), "{name}");
                assert!(seen.insert(name, (group, topic)).is_none());
            }
        }
        assert_eq!(position("my-group", "orders").unwrap(), "my-group--orders");
    }

    #[test]
    fn other_names_are_of_no_group() {
        for name in ["billing", "a-.", "a-.zz--t", "--t", "a--", ""] {
            assert_eq!(parse_position(name), None, "{name}");
        }
        assert_eq!(position(&"g".repeat(200), "t"), None);
    }
}
