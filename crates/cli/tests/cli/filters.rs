//! `--key`, `--grep` and `--header`; `puro latest`.

use std::io::{BufRead, BufReader};

use crate::cli::Place;

fn shop() -> Place {
    let place = Place::new();
    let produce = |args: &[&str], lines: &str| {
        let args = [&["produce", "s", "-t", "prices", "-K", ":"], args].concat();
        place.puro_with(&args, lines).text();
    };
    produce(&["-H", "by=ann"], "apple:1\npear:2\nno key\n");
    produce(&["-H", "by=bob", "-H", "x=y=z"], "apple:11\nfig:3\n");
    produce(&["-Z"], "fig:\n");
    place.puro_with(&["produce", "s", "-t", "other", "-k", "apple"], "9\n").text();
    place
}

fn consume(place: &Place, args: &[&str]) -> String {
    place.puro(&[&["consume", "s", "-e", "-f", "%s "], args].concat()).text()
}

#[test]
fn records_are_chosen_by_key_value_and_header() {
    let place = shop();
    let chosen = |args: &[&str]| consume(&place, args);
    assert_eq!(chosen(&["-k", "apple"]), "1 11 9 ");
    assert_eq!(chosen(&["-k", "apple", "--key", "pear", "-t", "prices"]), "1 2 11 ");
    assert_eq!(chosen(&["-k", ""]), "", "no key is not the empty key");
    assert_eq!(chosen(&["--grep", "^1+$"]), "1 11 ");
    assert_eq!(chosen(&["--grep", "(?i)NO KEY"]), "no key ");
    assert_eq!(chosen(&["-H", "by=bob"]), "11 3 ");
    assert_eq!(chosen(&["-H", "by"]), "1 2 no key 11 3 ");
    assert_eq!(chosen(&["-H", "x=y=z", "-H", "by=bob", "-k", "fig"]), "3 ");
    assert_eq!(chosen(&["-H", "by=bo"]), "");
    assert_eq!(chosen(&["-k", "apple", "-c", "2"]), "1 11 ", "what is not printed does not count");
    place.puro(&["consume", "s", "--grep", "("]).fails(64, "invalid value");

    let exported = place.puro(&["export", "s", "-t", "prices", "-k", "apple", "--grep", "^1$"]);
    let exported = exported.fails(0, "1 records exported");
    assert!(String::from_utf8(exported.stdout).unwrap().contains(r#""value":"1""#));
    // A named consumer has read what was not printed, too.
    let args = ["consume", "s", "-e", "--name", "w", "-k", "fig", "-f", "%s "];
    assert_eq!(place.puro(&args).stdout, b"3  ");
    assert_eq!(place.puro(&["consume", "s", "-e", "--name", "w"]).text(), "");
}

/// Somebody wants to know what the prices are now.
#[test]
fn the_newest_value_of_each_key_is_a_table() {
    let place = shop();
    let table = place.puro(&["latest", "s", "-t", "prices"]).text();
    let rows: Vec<Vec<_>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    let cells: Vec<_> = rows.iter().map(|row| (row[0], row[2], row[3])).collect();
    let expected = [("offset", "key", "value"), ("3", "apple", "11"), ("1", "pear", "2")];
    assert_eq!(cells, expected);
    assert!(rows[1][1].ends_with('Z'));
    let of_both = place.puro(&["latest", "s", "-t", "*", "-k", "apple"]).text();
    assert!(of_both.contains("other\tapple\t9") && of_both.contains("prices\tapple\t11"));
    let formatted = place.puro(&["latest", "s", "-t", "prices", "-f", "%k=%s,"]).text();
    assert_eq!(formatted, "apple=11,pear=2,");
    let json = place.puro(&["latest", "s", "-t", "prices", "-k", "pear", "--json"]).text();
    assert!(json.starts_with(r#"{"topic":"prices","key":"pear","value":"2","#), "{json}");
    place.puro(&["latest", "s", "-t", "price"]).fails(0, "no record of topic `price`");
    place.puro(&["latest", "s"]).fails(64, "--topic");
}

#[test]
fn a_watch_prints_each_change() {
    let place = shop();
    let mut watch = place.start(&["latest", "s", "-t", "prices", "--watch"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for says in ["key\tvalue", "apple\t11", "pear\t2"] {
        assert!(lines.next().unwrap().unwrap().ends_with(says));
    }
    for (line, says) in
        [("pear:4", "pear\t4"), ("apple:", "apple\t(deleted)"), ("\x1b:5", "\\u001b\t5")]
    {
        place.puro_with(&["produce", "s", "-t", "prices", "-K", ":", "-Z"], line).text();
        let row = lines.next().unwrap().unwrap();
        assert!(row.ends_with(says), "{row}");
    }
    crate::cli::signal(&watch, "INT");
    assert_eq!(watch.wait().unwrap().code(), Some(130));
}
