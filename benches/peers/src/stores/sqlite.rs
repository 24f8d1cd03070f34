//! SQLite with a write-ahead log: a table by topic, the row id as the offset.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rusqlite::Connection;

use super::{Ack, Appender, Reader, Store};
use crate::load::{Rec, Tally};

/// The setting `synchronous`.
#[derive(Clone, Copy)]
pub enum Sqlite {
    Off,
    Normal,
    Full,
}

impl Sqlite {
    pub fn connect(self, dir: &Path) -> Result<Connection> {
        let connection = Connection::open(dir.join("events.sqlite"))?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        let level = match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
        };
        connection.pragma_update(None, "synchronous", level)?;
        Ok(connection)
    }
}

impl Store for Sqlite {
    fn name(&self) -> &'static str {
        match self {
            Self::Off => "SQLite OFF",
            Self::Normal => "SQLite NORMAL",
            Self::Full => "SQLite FULL",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Off | Self::Normal => Ack::PageCache,
            Self::Full => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let connection = self.connect(dir)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS events \
             (offset INTEGER PRIMARY KEY, key BLOB, value BLOB NOT NULL)",
        )?;
        Ok(Box::new(SqliteAppender { connection }))
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let mut appenders = vec![self.create(dir)?];
        for _ in 1..threads {
            appenders.push(Box::new(SqliteAppender { connection: self.connect(dir)? }));
        }
        Ok(appenders)
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(SqliteReader { connection: self.connect(dir)? }))
    }

    fn reads(&self) -> bool {
        matches!(self, Self::Off)
    }
}

struct SqliteReader {
    connection: Connection,
}

impl Reader for SqliteReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let mut query =
            self.connection.prepare_cached("SELECT key, value FROM events ORDER BY offset")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            tally.record(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}

struct SqliteAppender {
    connection: Connection,
}

impl Appender for SqliteAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        // A single statement is a transaction of its own.
        let many = records.len() > 1;
        if many {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        }
        {
            let mut insert = self
                .connection
                .prepare_cached("INSERT INTO events (key, value) VALUES (?1, ?2)")?;
            for record in records {
                insert.execute((&record.key, record.value))?;
            }
        }
        if many {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.connection.close().map_err(|(_, error)| error)?)
    }
}
