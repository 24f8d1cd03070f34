'use strict';
// Puro for Node, as who installs it has it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { Batch, Consumer, Producer, PuroError } = require('puro-streams');

function stream(t) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'puro-'));
  t.after(() => fs.rmSync(scratch, { recursive: true }));
  return path.join(scratch, 'events');
}

async function fill(dir, ...values) {
  const producer = await Producer.open(dir);
  for (const value of values) await producer.append('in', value);
  await producer.close();
}

async function values(dir, options) {
  const consumer = await Consumer.open(dir, options);
  const got = [];
  for await (const record of consumer.available()) got.push(record.value?.toString() ?? null);
  await consumer.close();
  return got;
}

test('a record comes back as it went in', async (t) => {
  const dir = stream(t);
  const producer = await Producer.open(dir, { durable: true });
  const headers = [['by', 'shop'], ['by', Buffer.of(0)]];
  const appended = await producer.append('orders', '3 apples', { key: 'c-7', headers });
  assert.deepEqual([appended.firstOffset, appended.recordCount, appended.duplicate], [0n, 1, false]);
  await producer.append('orders', new Uint8Array(0), { headers: { by: 'shop' } });
  await producer.append('orders', null, { key: 'c-7' });
  const consumer = await Consumer.open(dir);
  const first = await consumer.poll(0);
  assert.deepEqual([first.offset, first.topic, first.time.getTime()], [0n, 'orders', appended.timestampMs]);
  assert.deepEqual([first.key.toString(), first.value.toString()], ['c-7', '3 apples']);
  assert.deepEqual(first.headers, [['by', Buffer.from('shop')], ['by', Buffer.of(0)]]);
  const [empty] = await consumer.read(0);
  assert.deepEqual([empty.key, empty.value.length, empty.headers.length], [null, 0, 1]);
  const marker = await consumer.poll(0);
  assert.deepEqual([marker.value, marker.key.toString()], [null, 'c-7']);
  assert.equal(await consumer.poll(0), null);
});

test('errors say whose matter they are', async (t) => {
  const dir = stream(t);
  await assert.rejects(Consumer.open(dir), (error) => {
    assert.ok(error instanceof PuroError && error.message.includes(dir) && error.wayOut);
    assert.deepEqual([error.code, error.blame, error.wasAppended], ['NotAStream', 'caller', false]);
    return true;
  });
  const producer = await Producer.open(dir);
  await assert.rejects(producer.append('', 'no topic'), { code: 'BadRecord' });
  await assert.rejects(producer.append('in', 7), TypeError);
  const token = await producer.token();
  await producer.append('in', "somebody else's");
  const batch = new Batch().push('in', 'mine');
  await assert.rejects(producer.appendBatch(batch, { ifEnd: token }), { code: 'Conflict', blame: 'environment' });
  const lost = (await producer.token()).replace(/:\d+$/, ':100');
  await assert.rejects(Consumer.open(dir, { start: lost }), { code: 'Diverged', blame: 'data' });
  await producer.close();
  await assert.rejects(producer.append('in', 'late'), { code: 'Misuse', message: /closed/ });
});

test('an append that is tried again happens once', async (t) => {
  const producer = await Producer.open(stream(t));
  const batch = new Batch().push('in', '3 apples');
  const once = { identity: 'shop-1', sequence: 1 };
  assert.equal(await producer.lastSequence('shop-1'), null);
  const first = await producer.appendBatch(batch, { once });
  const again = await producer.appendBatch(batch, { once });
  assert.ok(again.duplicate && again.firstOffset === first.firstOffset);
  assert.equal(await producer.lastSequence('shop-1'), 1n);
});

test('where a consumer begins', async (t) => {
  const dir = stream(t);
  const producer = await Producer.open(dir);
  const batch = new Batch();
  for (const value of ['a', 'b', 'c']) batch.push('in', value);
  await producer.appendBatch(batch);
  assert.deepEqual(await values(dir, { start: 2 }), ['c']);
  assert.deepEqual(await values(dir, { start: -1 }), ['c']);
  assert.deepEqual(await values(dir, { start: 'end' }), []);
  assert.deepEqual(await values(dir, { start: new Date(0), topics: 'in' }), ['a', 'b', 'c']);
  // The iterator reads ahead; its token does not.
  const consumer = await Consumer.open(dir);
  for await (const record of consumer) if (record.value.toString() === 'a') break;
  assert.deepEqual(await values(dir, { start: await consumer.token() }), ['b', 'c']);
  assert.equal((await consumer.poll(0)).value.toString(), 'b');
});

test('a name goes on where the last run was', async (t) => {
  const dir = stream(t);
  await fill(dir, 'a', 'b', 'c');
  const first = await Consumer.open(dir, { name: 'billing' });
  for await (const record of first) if (record.value.toString() === 'a') break;
  await assert.rejects(Consumer.open(dir, { name: 'billing' }), { code: 'NameBusy' });
  await first.close();
  const second = await Consumer.open(dir, { name: 'billing' });
  assert.equal((await second.poll()).value.toString(), 'b');
  await second.close({ abandon: true });
  assert.deepEqual(await values(dir, { name: 'billing' }), ['b', 'c']);
});

test('output and position are one', async (t) => {
  const dir = stream(t);
  await fill(dir, '2', '3');
  const producer = await Producer.open(dir);
  const options = { name: 'square', topics: ['in'], commit: 'by hand' };
  const consumer = await Consumer.open(dir, options);
  for await (const record of consumer.available()) {
    const batch = new Batch().push('out', String(Number(record.value.toString()) ** 2));
    await producer.appendBatch(batch, { position: consumer });
  }
  await consumer.close();
  assert.deepEqual(await values(dir, { topics: ['out'] }), ['4', '9']);
  assert.deepEqual(await values(dir, options), []);
});

test('a wait blocks nothing, and close ends it', async (t) => {
  const dir = stream(t);
  await fill(dir, 'a');
  const consumers = [];
  // More than libuv has threads.
  for (let i = 0; i < 12; i++) consumers.push(await Consumer.open(dir, { start: 'end' }));
  const waits = consumers.map((consumer) => consumer.poll());
  let beats = 0;
  const beating = setInterval(() => (beats += 1), 1);
  await new Promise((resolve) => fs.stat(dir, resolve));
  while (beats < 20) await new Promise(setImmediate);
  await fill(dir, 'b');
  for (const record of await Promise.all(waits)) assert.equal(record.value.toString(), 'b');
  clearInterval(beating);
  const last = consumers[0].poll();
  await consumers[0].close();
  assert.equal(await last, null);
});
