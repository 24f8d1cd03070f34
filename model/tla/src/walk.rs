//! Walks the graphs that TLC dumped with the shipped code (`puro_model::walk`).

use std::fs::{self, File};
use std::io::BufReader;
use std::time::Instant;

use puro_model::planted::{Plant, PlantedVfs};
use puro_model::walk::graph::Graph;
use puro_model::walk::{Bounds, Report, walk};

use crate::config::{Config, spec_dir};
use crate::{page, tlc};

/// A configuration with its dumped graph.
pub struct Walked {
    name: String,
    graph: Graph,
    bounds: Bounds,
}

impl Walked {
    /// Reads what TLC dumped for a configuration.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(config: &Config) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", config.name);
        let dump = File::open(tlc::graph_path(config)).map_err(told)?;
        let text = fs::read_to_string(spec_dir().join(format!("{}.cfg", config.name)));
        let bounds = Bounds::read(&text.map_err(told)?);
        let graph = Graph::read(BufReader::new(dump));
        let told = |error: String| format!("{}: {error}", config.name);
        Ok(Self {
            name: config.name.clone(),
            graph: graph.map_err(told)?,
            bounds: bounds.map_err(told)?,
        })
    }

    /// Walks it, prints what was matched, and tells what was not.
    pub fn walk(&self, jobs: usize) -> Vec<String> {
        let start = Instant::now();
        let report = walk(&self.graph, &self.bounds, jobs, |machine| machine);
        self.print(&report, start.elapsed().as_secs_f64());
        let mut complaints: Vec<String> =
            report.complaints.iter().map(|what| format!("walk of {}: {what}", self.name)).collect();
        if complaints.is_empty() && (!is_whole(report.states) || !is_whole(report.edges)) {
            complaints.push(format!("walk of {}: not all of it was walked", self.name));
        }
        complaints
    }

    fn print(&self, report: &Report, seconds: f64) {
        let of = |(all, done): (usize, usize)| {
            format!("{} of {}", page::thousands(done as u64), page::thousands(all as u64))
        };
        println!(
            "walk of {}: {} states and {} steps of the model were the code's; the code offered {} \
             others; {} paths, {} steps, {} appends refused by the lock, {} ends beyond the bounds; {seconds:.1} s",
            self.name,
            of(report.states),
            of(report.edges),
            report.complaints.len(),
            page::thousands(report.paths as u64),
            page::thousands(report.steps as u64),
            page::thousands(report.probes as u64),
            page::thousands(report.beyond as u64),
        );
        let actions = report.actions.iter().map(|(name, counts)| format!("{name} {}", of(*counts)));
        println!("  {}", actions.collect::<Vec<_>>().join(", "));
    }

    /// What the walk says of code with a planted bug; `None` where it does not see it.
    pub fn walk_planted(&self, plant: Plant, jobs: usize) -> Option<String> {
        let seam = |machine| PlantedVfs::new(machine, Some(plant));
        let report = walk(&self.graph, &self.bounds, jobs, seam);
        report.complaints.into_iter().next()
    }
}

fn is_whole((all, done): (usize, usize)) -> bool {
    all > 0 && all == done
}

/// Walks with each planted bug, until some configuration shows it; prints a table.
pub fn planted(walked: &[Walked], jobs: usize) {
    println!("| planted bug | clause | caught by the walk of | as |\n|---|---|---|---|");
    for plant in Plant::ALL {
        let caught = walked.iter().find_map(|w| Some((&w.name, w.walk_planted(*plant, jobs)?)));
        let (name, why) = caught.as_ref().map_or(("-", "-"), |(name, why)| {
            (name.as_str(), why.split("\nafter: ").next().unwrap_or(why))
        });
        let why = why.replace('\n', " / ").chars().take(160).collect::<String>();
        println!("| {} | {} | {name} | {why} |", plant.what(), plant.clause());
    }
}
