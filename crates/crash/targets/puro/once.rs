//! Each record is appended twice under one sequence: first by whoever makes nothing durable, and
//! then by one who waits for the disk, and is told that it was there. A line for each. There are four,
//! or only those from a number on.

use puro::{Batch, NewRecord, Producer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let stream = arguments.next().ok_or("usage: once STREAM [NUMBER]")?;
    let first = arguments.next().map_or(Ok(1), |number| number.parse())?;
    let mut fast = Producer::open(&stream)?;
    let mut careful = Producer::open(&stream)?;
    careful.set_durable(true);
    for number in first..=4 {
        let value = format!("record {number}");
        for producer in [&mut fast, &mut careful] {
            let mut batch = Batch::default();
            batch.push(&NewRecord::new("t", value.as_bytes()))?;
            producer.transaction(&mut batch).once("once", number).commit()?;
        }
        println!("s record {number}");
    }
    Ok(())
}
