//! Lines of JSON for `import`, and lines of anything for `produce`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::place::Place;
use crate::run::{Limits, Ran, run};

/// What a run is given, and how it must end. What is imported in spite of a refusal is what stands
/// before the line that is refused.
struct Input {
    name: &'static str,
    bytes: Vec<u8>,
    code: i32,
    records: usize,
    limits: Limits,
}

fn input(name: &'static str, code: i32, records: usize, bytes: impl Into<Vec<u8>>) -> Input {
    Input { name, bytes: bytes.into(), code, records, limits: Limits::default() }
}

const GOOD: &str = r#"{"topic":"t","value":"v"}"#;

#[rustfmt::skip]
fn lines() -> Vec<Input> {
    let good = |text: &str| format!("{GOOD}\n{text}\n");
    let nested = |open: &str, close: &str, depth: usize| {
        format!(r#"{{"topic":"t","value":{}1{}}}"#, open.repeat(depth), close.repeat(depth))
    };
    let value = |bytes: usize| format!(r#"{{"topic":"t","value":"{}"}}"#, "x".repeat(bytes));
    vec![
        input("nothing", 0, 0, ""),
        input("a good line", 0, 1, good("").trim_end()),
        input("a byte order mark", 0, 1, format!("\u{FEFF}{GOOD}\n")),
        input("blank lines", 0, 2, format!("\n{GOOD}\n\n \t\r\n{GOOD}\n\n")),
        input("lines that end in CR LF", 0, 2, format!("{GOOD}\r\n{GOOD}\r\n")),
        input("no JSON", 64, 1, good("apple")),
        input("a list", 64, 1, good("[]")),
        input("a number", 64, 1, good("1")),
        input("two objects in a line", 64, 1, good(&format!("{GOOD}{GOOD}"))),
        input("an object over two lines", 64, 1, good("{\"topic\":\"t\",\n\"value\":\"v\"}")),
        input("an unfinished object", 64, 1, good(r#"{"topic":"t""#)),
        input("a member twice", 64, 1, good(r#"{"topic":"t","key":"k","value":"v","value":null}"#)),
        input("a topic twice", 64, 1, good(r#"{"topic":"t","topic":"u","value":"v"}"#)),
        input("a header's member twice", 64, 1, good(r#"{"topic":"t","value":"v","headers":[{"name":"n","name":"m","value":"v"}]}"#)),
        input("value and value_base64", 64, 1, good(r#"{"topic":"t","value":"v","value_base64":"dg=="}"#)),
        input("an unknown member", 64, 1, good(r#"{"topic":"t","value":"v","ttl":1}"#)),
        input("no topic", 64, 1, good(r#"{"value":"v"}"#)),
        input("topic null", 64, 1, good(r#"{"topic":null,"value":"v"}"#)),
        input("topic empty", 64, 1, good(r#"{"topic":"","value":"v"}"#)),
        input("topic of 1025 bytes", 64, 1, good(&format!(r#"{{"topic":"{}","value":"v"}}"#, "t".repeat(1025)))),
        input("key of 1025 bytes", 64, 1, good(&format!(r#"{{"topic":"t","key":"{}","value":"v"}}"#, "k".repeat(1025)))),
        input("delete marker without key", 64, 1, good(r#"{"topic":"t","value":null}"#)),
        input("base64 of bad letters", 64, 1, good(r#"{"topic":"t","value_base64":"????"}"#)),
        input("base64 without padding", 64, 1, good(r#"{"topic":"t","value_base64":"dg"}"#)),
        input("base64 with bits left over", 64, 1, good(r#"{"topic":"t","value_base64":"dh=="}"#)),
        input("base64 with a newline", 64, 1, good(r#"{"topic":"t","value_base64":"dg==\n"}"#)),
        input("a lone surrogate", 64, 1, good(r#"{"topic":"t","value":"\ud800"}"#)),
        input("surrogates the wrong way round", 64, 1, good(r#"{"topic":"t","value":"\udc00\ud800"}"#)),
        input("a null character", 0, 2, good(r#"{"topic":"t\u0000","value":"\u0000"}"#)),
        input("a raw control character", 64, 1, good("{\"topic\":\"t\",\"value\":\"\x1b\"}")),
        input("ESC where JSON should be", 64, 1, good("\x1b]0;title\x07\x1b[2J")),
        input("an unknown member of ESC", 64, 1, good(r#"{"topic":"t","value":"v","\u001b[2J":1}"#)),
        input("no UTF-8", 64, 1, [GOOD.as_bytes(), b"\n{\"topic\":\"\xFF\",\"value\":\"v\"}\n"].concat()),
        input("UTF-16", 64, 0, GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        input("a timestamp of -1", 64, 1, good(r#"{"topic":"t","value":"v","timestamp_ms":-1}"#)),
        input("a timestamp of 1e3", 64, 1, good(r#"{"topic":"t","value":"v","timestamp_ms":1e3}"#)),
        input("a timestamp of 2^64", 64, 1, good(r#"{"topic":"t","value":"v","timestamp_ms":18446744073709551616}"#)),
        input("a timestamp of 2^64-1", 0, 2, good(r#"{"topic":"t","value":"v","timestamp_ms":18446744073709551615}"#)),
        input("an offset of text", 64, 1, good(r#"{"topic":"t","value":"v","offset":"9"}"#)),
        input("headers that are no list", 64, 1, good(r#"{"topic":"t","value":"v","headers":{}}"#)),
        input("a header without name", 64, 1, good(r#"{"topic":"t","value":"v","headers":[{"name":"","value":"v"}]}"#)),
        input("headers of 70 KB", 64, 1, good(&format!(r#"{{"topic":"t","value":"v","headers":[{{"name":"n","value":"{}"}}]}}"#, "v".repeat(70_000)))),
        input("lists in lists, 100 deep", 64, 1, good(&nested("[", "]", 100))),
        input("lists in lists, 1,000,000 deep", 64, 1, good(&nested("[", "]", 1_000_000))),
        input("objects in objects, 100,000 deep", 64, 1, good(&nested("{\"a\":", "}", 100_000))),
        input("a line of brackets", 64, 1, good(&"[".repeat(4 << 20))),
        input("a line of 8 million members", 64, 1, good(&format!("{{{}}}", "\"a\":1,".repeat(1 << 20)))),
        input("a line of an endless list", 64, 1, good(&format!(r#"{{"topic":"t","value":[{}"#, "1,".repeat(4 << 20)))),
        // D8: a line of 56 MB took 5.2 GiB.
        Input { limits: Limits::of_mib(160), ..input("a line of 56 MB", 64, 1, good(&format!(r#"{{"topic":"t","value":[{}1]}}"#, "1,".repeat(28_000_000)))) },
        Input { limits: Limits::of_mib(128), ..input("a value of 10 MiB", 0, 2, good(&value(10 << 20))) },
        Input { limits: Limits::of_mib(128), ..input("a value of 10 MiB and one", 64, 1, good(&value((10 << 20) + 1))) },
    ]
}

fn import(given: &Input) -> Vec<String> {
    let place = Place::new();
    let outside = place.outside();
    let ran = run(&place, &[b"import", b"s"], &given.bytes, given.limits);
    let mut faults = judge(given, &ran);
    if place.outside() != outside {
        faults.push("something outside was changed".to_owned());
    }
    let left = run(&place, &[b"consume", b"s", b"-e", b"-f", b"%o\n"], b"", given.limits);
    let found = left.stdout.iter().filter(|byte| **byte == b'\n').count();
    if found != given.records {
        faults.push(format!("{found} records are there, not {}", given.records));
    }
    faults.iter().map(|fault| format!("{}: {fault}", given.name)).collect()
}

fn judge(given: &Input, ran: &Ran) -> Vec<String> {
    let mut faults = ran.misdeeds.clone();
    if ran.code != given.code {
        faults.push(format!("exit {}, not {}: {}", ran.code, given.code, ran.stderr.trim()));
    }
    faults
}

#[test]
fn lines_for_import() {
    let (lines, next) = (lines(), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = import(line);
                    faults.lock().unwrap().extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
