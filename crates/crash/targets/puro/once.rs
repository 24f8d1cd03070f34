//! Each record is appended twice under one sequence: first by whoever makes nothing durable, and
//! then by one who waits for the disk, and is told that it was there. A line for each.

use puro::{Batch, NewRecord, Producer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = std::env::args().nth(1).ok_or("usage: once STREAM")?;
    let mut fast = Producer::open(&stream)?;
    let mut careful = Producer::open(&stream)?;
    careful.set_durable(true);
    for number in 1..=4 {
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
