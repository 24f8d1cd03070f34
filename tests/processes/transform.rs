//! The example `transform`: killed at random, it makes one invoice of each order.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)] // Its `main` is for the command line.
#[path = "../../examples/transform.rs"]
mod example;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::real::{Random, Reaped, again, fast_consumer, number, scratch};
use puro::{Batch, NewRecord, ProducerOptions, Start};

/// The example in a process of its own, to be killed.
#[test]
#[ignore = "a process that other tests start"]
fn child() {
    let Ok(stream) = std::env::var("STREAM") else { return };
    println!("MARK begun");
    example::run(Path::new(&stream), Duration::MAX).unwrap();
}

fn wait_until_begun(child: &mut Reaped) {
    let output = BufReader::new(child.0.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("MARK begun")));
}

/// Offset and text of each record of a topic, in order.
fn records(stream: &Path, topic: &str) -> Vec<(u64, String)> {
    let mut consumer = fast_consumer().topic(topic).open(stream).unwrap();
    let records = consumer.try_iter().map(Result::unwrap);
    records.map(|r| (r.offset, String::from_utf8(r.value.unwrap()).unwrap())).collect()
}

/// C-3: whenever it is killed, each order has one invoice, in their order. `PURO_KILLS` kills
/// (100 if not given); segments are small, so that rollovers fall between.
#[test]
fn killed_at_random_it_makes_one_invoice_of_each_order() {
    let scratch = scratch();
    let stream = scratch.path().join("stream");
    let mut random = Random::seeded("killed_at_random_it_makes_one_invoice_of_each_order");
    let mut producer = ProducerOptions::new().segment_bytes(64 * 1024).open(&stream).unwrap();
    let mut killed_at_work = 0;
    for round in 0..number("PURO_KILLS", 100) {
        let before = records(&stream, "invoices").len();
        let variables = [("STREAM", stream.display().to_string())];
        let mut child = Reaped(again("transform::child", &variables).spawn().unwrap());
        wait_until_begun(&mut child);
        let mut invoices =
            fast_consumer().topic("invoices").start(Start::End).open(&stream).unwrap();
        for order in 0..10 {
            let mut batch = Batch::new();
            for item in 0..40 {
                let text = format!("{round}/{order}/{item}");
                batch.push(&NewRecord::new("orders", &text).key("shop")).unwrap();
            }
            producer.append_batch(&mut batch).unwrap();
        }
        // Every other time once it is surely at work.
        if round % 2 == 0 {
            assert!(invoices.wait(Duration::from_secs(60)).unwrap(), "no invoice came");
        }
        std::thread::sleep(Duration::from_micros(random.below(2_000)));
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        let (orders, invoices) = (records(&stream, "orders"), records(&stream, "invoices"));
        killed_at_work += u64::from(invoices.len() > before && invoices.len() < orders.len());
    }
    // How many that were depends on the machine: nothing to be asserted.
    println!("killed in the middle of its work: {killed_at_work}");
    example::run(&stream, Duration::ZERO).unwrap();
    let orders = records(&stream, "orders").into_iter();
    let expected: Vec<String> =
        orders.map(|(offset, item)| format!("invoice for order {offset}: {item}")).collect();
    let invoices: Vec<String> =
        records(&stream, "invoices").into_iter().map(|(_, text)| text).collect();
    assert_eq!(invoices, expected);
}
