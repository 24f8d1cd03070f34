//! Transactions on conditions, from the shell.

use crate::cli::Place;

/// Two shells open the same account, and only one of them does.
#[test]
fn an_append_may_depend_on_topic_key_end_and_identity() {
    let place = Place::new();
    let produce = |args: &[&str], line: &str| {
        let args = [&["produce", "s", "-t", "accounts", "-k", "ann", "--atomic", "--ack"], args];
        place.puro_with(&args.concat(), line)
    };
    let open = ["--if-key-unchanged", "0"];
    assert_eq!(produce(&open, "opened\n").text(), "0 1\n");
    let told = "record 0 of topic `accounts` and key `ann` came since offset 0; read on";
    assert!(produce(&open, "opened again\n").fails(74, told).stdout.is_empty());
    place.puro_with(&["produce", "s", "-t", "accounts", "-k", "bob"], "opened\n").text();
    place.puro_with(&["produce", "s", "-t", "audit"], "bob\n").text();
    assert_eq!(produce(&["--if-key-unchanged", "1"], "10\n").text(), "3 1\n");
    produce(&["--if-topic-unchanged", "1"], "x\n").fails(74, "record 3 of topic `accounts` came");
    produce(&["--if-end", "3"], "x\n").fails(74, "next offset is 4, not 3");
    let token = puro::Stream::open(place.path("s")).unwrap().end().unwrap().to_string();
    assert_eq!(
        produce(&["--if-end", &token, "--if-topic-unchanged", &token], "20\n").text(),
        "4 1\n"
    );

    // Tried again after an answer that got lost.
    let once = ["--once", "shop:7", "--if-topic-unchanged", "5"];
    assert_eq!(produce(&once, "30\n").text(), "5 1\n");
    let again = produce(&once, "30\n").fails(0, "appended before, at offset 5");
    assert_eq!(again.stdout, b"5 1\n");
    produce(&once, "31\n").fails(64, "other records as sequence 7");

    let values = place.puro(&["consume", "s", "-e", "-k", "ann", "-f", "%s "]).text();
    assert_eq!(values, "opened 10 20 30 ");
    produce(&["--if-end", "beginning"], "").fails(64, "an offset or a token");
    produce(&["--once", "shop"], "").fails(64, "a name, a colon and a number");
    let plain = ["produce", "s", "-t", "t", "--if-end", "0"];
    place.puro(&plain).fails(64, "--atomic");
    let no_key = ["produce", "s", "-t", "t", "--atomic", "--if-key-unchanged", "0"];
    place.puro(&no_key).fails(64, "--key");
}
