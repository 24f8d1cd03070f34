//! What can be wrong with a call: arguments that lie or are no text, and input of any bytes.

use crate::forge::{Header, STREAM_ID, Segment};
use crate::place::Place;
use crate::run::{Limits, run};

const ID: &str = "6120686f7374696c652073747265616d";

/// Words of a call; `ID` in them is the stream's id. And how it ends.
#[rustfmt::skip]
const CALLS: &[(&str, i32)] = &[
    ("consume s -e --from nonsense", 64),
    ("consume s -e --from ", 64),
    ("consume s -e --from 2", 0),
    ("consume s -e --from 3", 64),
    ("consume s -e --from 18446744073709551615", 64),
    ("consume s -e --from 18446744073709551616", 64),
    ("consume s -e --from -0", 0),
    ("consume s -e --from -18446744073709551615", 0),
    ("consume s -e --from -18446744073709551616", 64),
    ("consume s -e --from --1", 64),
    ("consume s -e --from 1.5", 64),
    ("consume s -e --from 1e3", 64),
    ("consume s -e --from 0x1", 64),
    ("consume s -e --from @0", 0),
    ("consume s -e --from @18446744073709551615", 0),
    ("consume s -e --from @18446744073709551616", 64),
    ("consume s -e --from @-1", 64),
    ("consume s -e --from 9999-12-31T23:59:59Z", 0),
    ("consume s -e --from 10000-01-01", 64),
    ("consume s -e --from 1969-12-31", 64),
    ("consume s -e --from 2026-02-30", 64),
    ("consume s -e --from 2026-01-01T25:00:00Z", 64),
    ("consume s -e --from 2026-01-01T00:00:00+99:99", 64),
    ("consume s -e --from 99999999999999999999d", 64),
    ("consume s -e --from 19998y", 0),
    ("consume s -e --from ID:1:2", 0),
    ("consume s -e --from ID:0:0", 0),
    ("consume s -e --from ID:1:3", 2),
    ("consume s -e --from ID:1:18446744073709551615", 2),
    ("consume s -e --from ID:2:1", 2),
    ("consume s -e --from ID:4294967295:1", 2),
    ("consume s -e --from ID:4294967296:1", 64),
    ("consume s -e --from ID:0:9", 2),
    ("consume s -e --from ID:1:-1", 64),
    ("consume s -e --from ID:1:1:1", 64),
    ("consume s -e --from 00000000000000000000000000000000:1:1", 2),
    ("consume s -e --from stored", 64),
    ("consume s -e -c 0", 64),
    ("consume s -e -c 18446744073709551616", 64),
    ("consume s -e -c -1", 64),
    ("consume s -e -f %", 64),
    ("consume s -e -f %q", 64),
    ("consume s -e -f \\xZZ", 64),
    ("consume s -e -f \\", 64),
    ("consume s -e --name ..", 64),
    ("consume s -e --name ../../outside/file", 64),
    ("consume s -e --name /etc/passwd", 64),
    ("consume s -e --name .hidden", 64),
    ("consume s -e --name ", 64),
    ("consume missing -e", 64),
    ("consume outside/file -e", 74),
    ("consume /dev/null -e", 74),
    ("consume outside -e", 64),
    ("produce s -t ", 64),
    ("produce s -t t -H novalue", 64),
    ("produce s -t t -H =v", 64),
    ("produce s -t t --batch 0", 64),
    ("produce s -t t --batch 4294967296", 64),
    ("produce s -t t -K ", 64),
    ("produce s -t t missing", 64),
    ("produce s -t t outside", 74),
    ("produce outside -t t", 64),
    ("produce missing/deeper -t t", 74),
    ("create s", 0),
    ("create outside", 64),
    ("create new --segment-bytes 0", 64),
    ("create new --segment-bytes 4095", 64),
    ("create new --segment-bytes 2T", 64),
    ("create new --segment-bytes 99999999999999999999", 64),
    ("create new --segment-bytes -1", 64),
    ("config s get nothing", 64),
    ("config s set nothing 1", 64),
    ("config s set segment_bytes 1", 64),
    ("config s set retention_ms -1", 64),
    ("config s set retention_ms 18446744073709551616", 64),
    ("config s set cleanup shred", 64),
    ("positions s set n 3", 64),
    ("positions s set n 18446744073709551615", 64),
    ("positions s set ../n 1", 64),
    ("positions s set n nonsense", 64),
    ("positions s reset ../../outside/file", 64),
    ("positions s delete nobody", 0),
    ("steward s --interval 0s", 64),
    ("steward s --interval nonsense", 64),
    ("steward s --once --interval 1s", 64),
    ("export s --from 9", 64),
    ("export s --from nonsense", 64),
    ("import s missing", 64),
    ("import s outside", 74),
    ("import outside", 64),
    ("inspect outside/file", 0),
    ("inspect outside", 64),
    ("inspect /dev/zero", 74),
    ("inspect missing", 74),
    ("verify missing", 64),
    ("repair outside", 64),
    ("salvage s s", 64),
    ("salvage s s/inside", 64),
    ("salvage s outside", 64),
    ("backup s s", 64),
    ("backup s s/inside", 64),
    ("backup s outside", 64),
    ("backup s missing/deeper", 74),
    ("backup s /", 64),
    ("backup s .", 64),
    ("restore s s", 64),
    ("restore s outside", 64),
    ("who missing", 64),
    ("nonsense", 64),
    ("--nonsense", 64),
];

fn place() -> Place {
    let place = Place::new();
    place.segment(0, Segment::new(&Header::new(0, 0)).record("a").record("b"));
    place
}

#[test]
fn calls_that_ask_for_what_cannot_be() {
    assert_eq!(ID, STREAM_ID.map(|byte| format!("{byte:02x}")).concat());
    let mut faults = Vec::new();
    for (call, code) in CALLS {
        let place = place();
        let (outside, stream) = (place.outside(), place.stream());
        let words = call.replace("ID", ID);
        let args: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        let ran = run(&place, &args, b"a line\n", Limits::default());
        let mut wrong = ran.misdeeds;
        if ran.code != *code {
            wrong.push(format!("exit {}, not {code}: {}", ran.code, ran.stderr.trim()));
        }
        if ran.code != 0 && place.stream().get("/0000000000.puro") != stream.get("/0000000000.puro")
        {
            wrong.push("the stream was changed".to_owned());
        }
        if place.outside() != outside {
            wrong.push(format!("outside was changed: {:?}", place.outside()));
        }
        faults.extend(wrong.into_iter().map(|what| format!("{call}: {what}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Arguments that are no UTF-8, and input of any bytes, for `produce`.
#[test]
fn bytes_of_any_kind_for_produce() {
    let zeros = vec![0; 1 << 20];
    let noise: Vec<u8> =
        (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let long = vec![b'x'; (10 << 20) + 1];
    let newlines = vec![b'\n'; 100_000];
    type Call<'a> = (&'a str, &'a [&'a [u8]], &'a [u8], i32, u64);
    let calls: [Call<'_>; 9] = [
        ("a topic of no UTF-8", &[b"produce", b"s", b"-t", b"\xFF\xFE"], b"a\n", 0, 64),
        ("a key of ESC", &[b"produce", b"s", b"-t", b"t", b"-k", b"\x1b[2J"], b"a\n", 0, 64),
        ("a topic of 1025 bytes", &[b"produce", b"s", b"-t", &[b't'; 1025]], b"a\n", 64, 64),
        (
            "a header of ESC without value",
            &[b"produce", b"s", b"-t", b"t", b"-H", b"\x1b[2J\n"],
            b"a\n",
            64,
            64,
        ),
        ("a file of ESC", &[b"produce", b"s", b"-t", b"t", b"\x1b[2J\n"], b"", 64, 64),
        ("zeros", &[b"produce", b"s", b"-t", b"t"], &zeros, 0, 64),
        ("noise", &[b"produce", b"s", b"-t", b"t", b"-K", b"="], &noise, 0, 64),
        ("a line of 10 MiB and one", &[b"produce", b"s", b"-t", b"t"], &long, 64, 128),
        ("100,000 empty lines", &[b"produce", b"s", b"-t", b"t"], &newlines, 0, 64),
    ];
    let mut faults = Vec::new();
    for (name, args, stdin, code, most_mib) in calls {
        let place = place();
        let outside = place.outside();
        let ran = run(&place, args, stdin, Limits::of_mib(most_mib));
        let mut wrong = ran.misdeeds;
        if ran.code != code {
            wrong.push(format!("exit {}, not {code}: {}", ran.code, ran.stderr.trim()));
        }
        if place.outside() != outside {
            wrong.push("outside was changed".to_owned());
        }
        let sound = run(&place, &[b"verify", b"--deep", b"s"], b"", Limits::default());
        if sound.code != 0 {
            wrong.push(format!("and then verify says {}", sound.code));
        }
        faults.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
