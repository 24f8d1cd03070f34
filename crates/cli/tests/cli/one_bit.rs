//! Damage within a boot that is known: nothing but damage makes committed blocks invalid then.

use crate::cli::Place;

/// Field report A11. Fifty records were appended, not durably; one bit of the first block went bad
/// in the same boot. The next `produce` took it for what a loss of power had left: it went on at
/// offset 0, exit 0, and the other 49 records were in `lost/` only.
#[test]
fn one_bit_in_the_same_boot_is_damage_and_not_a_loss_of_power() {
    let place = Place::new();
    place.puro(&["create", "s"]);
    let lines: String = (0..50).map(|number| format!("record {number}\n")).collect();
    place.write("lines", lines);
    place.puro(&["produce", "s", "-t", "t", "--batch", "1", "lines"]);

    let segment = place.path("s/0000000000.puro");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|window| window == b"record 0").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();

    place.write("more", "one more\n");
    place.puro(&["produce", "s", "-t", "t", "more"]).fails(2, "damaged");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "something was changed");
    assert!(!place.path("s/lost").exists(), "something was cut off");
    place.puro(&["repair", "s"]).fails(2, "damaged");
    place.puro(&["verify", "s"]).fails(2, "");
    // Nothing was synced, and nobody says so.
    place.puro(&["consume", "s", "-e"]).fails(2, "were committed and are not valid any more");

    place.puro(&["salvage", "s", "saved"]);
    let saved = place.puro(&["consume", "saved", "-e", "-f", "%s\n"]).text();
    assert_eq!(saved.lines().count(), 49, "{saved}");
    assert!(saved.contains("record 1\n") && saved.contains("record 49\n"));
}
