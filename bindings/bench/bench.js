'use strict';
// Records a second in Node: `node bench.js CONTESTANT DIR COUNT`, see README.md beside this file.

const fs = require('node:fs');
const path = require('node:path');

const BATCH = 100;
const VALUE = Buffer.alloc(100, 'v');
const KEY = Buffer.from('customer');

class Puro {
  async open(dir) {
    const { Batch, Consumer, Producer } = require('puro-streams');
    Object.assign(this, { dir, Consumer, batch: new Batch(), producer: await Producer.open(dir) });
  }

  async one(count) {
    for (let i = 0; i < count; i++) await this.producer.append('orders', VALUE, { key: KEY });
  }

  async batches(count) {
    for (let i = 0; i < count; i += BATCH) {
      this.batch.clear();
      for (let j = 0; j < BATCH; j++) this.batch.push('orders', VALUE, { key: KEY });
      await this.producer.appendBatch(this.batch);
    }
  }

  async read() {
    const consumer = await this.Consumer.open(this.dir);
    let [records, bytes] = [0, 0];
    for (let block; (block = await consumer.read(0)).length > 0; ) {
      for (const record of block) bytes += record.value.length;
      records += block.length;
    }
    await consumer.close();
    return [records, bytes];
  }

  close() {
    return this.producer.close();
  }
}

class BetterSqlite {
  async open(dir) {
    this.dir = dir;
    this.db = this.connect();
    this.db.exec(
      'create table records (offset integer primary key, time integer, topic text, key blob, value blob)',
    );
    this.insert = this.db.prepare('insert into records (time, topic, key, value) values (?, ?, ?, ?)');
  }

  connect() {
    const db = new (require('better-sqlite3'))(this.dir);
    db.pragma('journal_mode = wal');
    db.pragma('synchronous = off');
    return db;
  }

  put() {
    this.insert.run(Date.now(), 'orders', KEY, VALUE);
  }

  async one(count) {
    for (let i = 0; i < count; i++) this.put();
  }

  async batches(count) {
    const batch = this.db.transaction(() => {
      for (let j = 0; j < BATCH; j++) this.put();
    });
    for (let i = 0; i < count; i += BATCH) batch();
  }

  async read() {
    const db = this.connect();
    let [records, bytes] = [0, 0];
    const rows = db.prepare('select offset, time, topic, key, value from records order by offset');
    for (const row of rows.iterate()) {
      bytes += row.value.length;
      records += 1;
    }
    db.close();
    return [records, bytes];
  }

  async close() {
    this.db.close();
  }
}

const CONTESTANTS = { puro: Puro, 'better-sqlite3': BetterSqlite };

async function measure(kind, dir, count, tell) {
  const store = new kind();
  await store.open(dir);
  const works = [
    ['one', count / 10, () => store.one(count / 10)],
    ['batches', count, () => store.batches(count)],
    ['read', count + count / 10, () => store.read()],
  ];
  for (const [name, records, work] of works) {
    const begun = process.hrtime.bigint();
    const done = await work();
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    if (done && (done[0] !== records || done[1] !== records * VALUE.length)) throw new Error(`read ${done}`);
    if (tell) console.log(`${name} ${records / seconds}`);
  }
  await store.close();
}

async function main([contestant, dir, count]) {
  const kind = CONTESTANTS[contestant];
  fs.mkdirSync(dir);
  // What is compiled while it runs is compiled before it is measured.
  await measure(kind, path.join(dir, 'warm'), Number(count) / 10, false);
  await measure(kind, path.join(dir, 'store'), Number(count), true);
}

main(process.argv.slice(2));
