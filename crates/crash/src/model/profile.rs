//! Profiles: what a kind of disk and file system may lose, as data.
//!
//! `profiles/*.json` hold the rules, and `profiles/README.md` says where each comes from.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{At, CrashError, Result};

/// The rules of one kind of crash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// What it stands for, in one sentence.
    pub about: String,
    /// What calls did that were completed is there: only processes die.
    pub completed_survives: bool,
    /// Bytes that are lost or kept as one; the call under way may be cut between them.
    pub unit: u64,
    /// A unit is on the disk as it was at some moment: no later write without the earlier ones.
    pub units_in_order: bool,
    /// A file may have its new length without the bytes that made it longer.
    pub length_alone: bool,
    /// Changes of names and of lengths reach the disk in their order.
    pub names_in_order: bool,
    /// Bytes behind a changed length reach the disk behind that change.
    pub bytes_follow_length: bool,
    /// A rename over a file waits for the bytes of what replaces it.
    pub replace_waits_for_bytes: bool,
    /// What else a sync of a file makes durable.
    pub sync_file: SyncFile,
    /// `fdatasync` of a file that has grown does all that `fsync` does.
    pub datasync_after_growth: bool,
    /// What a failed sync could not write is forgotten: no later sync makes it durable.
    pub failed_sync_forgets: bool,
}

/// What a sync of a file makes durable beside its bytes and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncFile {
    /// Nothing.
    Nothing,
    /// The file's own names.
    OwnNames,
    /// All that was changed up to the file's own last change.
    Journal,
}

const BUILT_IN: [(&str, &str); 5] = [
    ("process", include_str!("../../profiles/process.json")),
    ("posix", include_str!("../../profiles/posix.json")),
    ("ext4-ordered", include_str!("../../profiles/ext4-ordered.json")),
    ("xfs", include_str!("../../profiles/xfs.json")),
    ("btrfs", include_str!("../../profiles/btrfs.json")),
];

impl Profile {
    /// A profile by its name, or from a file.
    pub fn find(name: &str) -> Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "json") {
            return Self::parse(name, &fs::read_to_string(path).at("read", path)?);
        }
        let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        Err(CrashError::Usage(format!(
            "there is no profile `{name}`; there are {}, or give a file that ends with .json",
            names.join(", ")
        )))
    }

    /// The names of those that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let profile: Self = serde_json::from_str(text)
            .map_err(|error| CrashError::Usage(format!("profile {name}: {error}")))?;
        if profile.unit == 0 {
            return Err(CrashError::Usage(format!("profile {name}: a unit has at least one byte")));
        }
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_built_in_can_be_read() {
        for name in Profile::names() {
            assert_eq!(Profile::find(name).unwrap().name, name);
        }
    }

    #[test]
    fn the_page_explains_each_rule_of_each_profile() {
        let page = include_str!("../../profiles/README.md");
        for (name, text) in BUILT_IN {
            assert!(page.contains(&format!("`{name}`")), "{name} is not on the page");
            let rules: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(text).unwrap();
            for rule in rules.keys().filter(|rule| !["name", "about"].contains(&rule.as_str())) {
                assert!(page.contains(&format!("### `{rule}`")), "{rule} is not on the page");
            }
        }
    }
}
