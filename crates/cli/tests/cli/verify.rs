//! `puro verify` and `repair`: what a script learns from them.

use std::path::Path;

use crate::real::{blocks, flip, scratch, segment, set_len, small_segments};
use puro::NewRecord;

/// The exit codes and the places, as scripts see them.
#[test]
fn the_command_tells_by_exit_code_and_json() {
    let puro = |arguments: &[&str], dir: &Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_puro"));
        let output = command.args(arguments).arg(dir).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    while !segment(dir.path(), 1).exists() {
        producer.append(&NewRecord::new("t", "some value")).unwrap();
    }
    assert_eq!(puro(&["verify", "--deep"], dir.path()).0, Some(0));
    let active = segment(dir.path(), 1);
    set_len(&active, std::fs::metadata(&active).unwrap().len() - 1);
    assert_eq!(puro(&["verify"], dir.path()).0, Some(1));
    assert_eq!(puro(&["repair"], dir.path()).0, Some(0));
    assert_eq!(puro(&["verify"], dir.path()).0, Some(0));
    let position = blocks(&segment(dir.path(), 0))[3].0;
    flip(&segment(dir.path(), 0), position + 60, 1);
    let (code, text) = puro(&["verify"], dir.path());
    assert_eq!(code, Some(2));
    let place = format!("0000000000.puro at byte {position} (offset 2): the checksum of the block");
    assert!(text.contains(&place), "{text}");
    let (code, json) = puro(&["verify", "--json"], dir.path());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["verdict"].as_str()), (Some(2), Some("damaged")));
    let finding = &json["findings"][0];
    assert_eq!((finding["segment"].as_u64(), finding["offset"].as_u64()), (Some(0), Some(2)));
    assert_eq!(finding["position"].as_u64(), Some(position));
    assert_eq!(puro(&["verify"], &dir.path().join("nothing")).0, Some(64));
}
