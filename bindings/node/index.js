'use strict';
// What index.d.ts documents, of what src/ has natively. Natively a failure is an answer; here it
// becomes an error.

const native = require('./puro.node');

class PuroError extends Error {
  constructor({ code, blame, message, wayOut, wasAppended }) {
    super(message);
    this.name = 'PuroError';
    this.code = code;
    this.blame = blame;
    this.wayOut = wayOut;
    this.wasAppended = wasAppended ?? null;
  }
}

function checked(answer) {
  if (answer?.failed) throw new PuroError(answer);
  return answer;
}

const answer = async (promise) => checked(await promise);

function bytes(value, what) {
  if (typeof value === 'string') return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`${what} must be a string or bytes, not ${typeof value}`);
}

const maybeBytes = (value, what) => (value == null ? undefined : bytes(value, what));

function allHeaders(headers) {
  const pairs = Symbol.iterator in headers ? [...headers] : Object.entries(headers);
  return pairs.flatMap(([name, value]) => [bytes(name, "a header's name"), bytes(value, "a header's value")]);
}

const maybeBigInt = (value) => (value == null ? undefined : BigInt(value));

class Batch {
  #native = new native.NativeBatch();
  #count = 0;

  push(topic, value, { key, headers = {} } = {}) {
    const parts = [maybeBytes(value, 'a value'), maybeBytes(key, 'a key'), allHeaders(headers)];
    checked(this.#native.push(bytes(topic, 'a topic'), ...parts));
    this.#count += 1;
    return this;
  }

  clear() {
    checked(this.#native.clear());
    this.#count = 0;
  }

  get length() {
    return this.#count;
  }

  static native = (batch) => batch.#native;
}

class Producer {
  #native = new native.NativeProducer();

  static async open(dir, { create = true, durable, segmentBytes, allowNetwork = false } = {}) {
    const producer = new Producer();
    const ask = { mustExist: !create, durable, segmentBytes: maybeBigInt(segmentBytes), allowNetwork };
    await answer(producer.#native.open(String(dir), ask));
    return producer;
  }

  async append(topic, value, options) {
    return this.appendBatch(new Batch().push(topic, value, options));
  }

  async appendBatch(batch, { ifEnd, once, position, time, durable } = {}) {
    const conditions = {
      ifEnd: ifEnd ?? undefined,
      identity: once?.identity,
      sequence: maybeBigInt(once?.sequence),
      timestampMs: time?.getTime(),
      durable,
    };
    const consumer = position && Consumer.native(position);
    return answer(this.#native.append(Batch.native(batch), conditions, consumer));
  }

  async sync() {
    await answer(this.#native.sync());
  }

  async token() {
    return answer(this.#native.token());
  }

  async lastSequence(identity) {
    return (await answer(this.#native.lastSequence(identity))) ?? null;
  }

  async set(name, value) {
    await answer(this.#native.set(name, value ?? undefined));
  }

  async close() {
    await answer(this.#native.close());
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }
}

function startOf(start) {
  const ask = (kind, number = 0n, token = '') => ({ start: kind, startNumber: number, startToken: token });
  if (start === 'beginning' || start === 'end') return ask(start);
  if (start instanceof Date) return ask('time', BigInt(start.getTime()));
  if (typeof start === 'string') return ask('token', 0n, start);
  const number = BigInt(start);
  return number < 0n ? ask('last', -number) : ask('offset', number);
}

/** The records of a block, from what is side by side in it. */
function unpack({ bytes, numbers, lengths }) {
  const records = [];
  let [at, next] = [0, 0];
  const take = (length) => bytes.subarray(at, (at += length));
  const maybe = (length) => (length === 0 ? null : take(length - 1));
  for (let i = 0; i < numbers.length; i += 2) {
    const topic = take(lengths[next++]).toString();
    const [key, value] = [maybe(lengths[next++]), maybe(lengths[next++])];
    const headers = [];
    for (let count = lengths[next++]; count > 0; count--) {
      headers.push([take(lengths[next++]).toString(), take(lengths[next++])]);
    }
    records.push({ offset: numbers[i], time: new Date(Number(numbers[i + 1])), topic, key, value, headers });
  }
  return records;
}

class Consumer {
  #native = new native.NativeConsumer();
  #named = false;
  // What the iterator has read ahead, the next record last, and the position behind all of it.
  #ahead = [];
  #behind = null;
  #given = null;

  static async open(dir, options = {}) {
    const { topics = [], start = 'beginning', name, durable = false, waitForStream = false } = options;
    const { commit = {}, ifLost = 'fail', ownerWaitMs = 0, allowNetwork = false } = options;
    const consumer = new Consumer();
    consumer.#named = name != null;
    const list = typeof topics === 'string' ? [topics] : topics;
    await answer(
      consumer.#native.open(String(dir), {
        ...startOf(start),
        topics: list.map((topic) => bytes(topic, 'a topic')),
        name,
        durable,
        waitForStream,
        commitByHand: commit === 'by hand',
        commitRecords: maybeBigInt(commit.records),
        commitMs: commit.ms,
        ifLost,
        ownerWaitMs: Number.isFinite(ownerWaitMs) ? ownerWaitMs : -1,
        allowNetwork,
      }),
    );
    return consumer;
  }

  async poll(timeoutMs = Infinity) {
    if (this.#ahead.length > 0) return this.#fromAhead();
    const block = await this.#read(timeoutMs, true);
    return block ? unpack(block)[0] : null;
  }

  async read(timeoutMs = Infinity) {
    if (this.#ahead.length > 0) return this.#ahead.splice(0).reverse();
    const block = await this.#read(timeoutMs, false);
    return block ? unpack(block) : [];
  }

  async #read(timeoutMs, one) {
    const limit = Number.isFinite(timeoutMs) ? Math.max(timeoutMs, 0) : -1;
    return answer(this.#native.read(limit, one));
  }

  #fromAhead() {
    const record = this.#ahead.pop();
    this.#given = record.offset;
    return record;
  }

  /** By blocks; with a name one by one, for what is read ahead would count as done. */
  async *#records(timeoutMs) {
    for (;;) {
      if (this.#ahead.length === 0 && !this.#named) {
        const block = await this.#read(timeoutMs, false);
        if (!block) return;
        this.#ahead = unpack(block).reverse();
        this.#behind = block.token;
      }
      const record = await this.poll(timeoutMs);
      if (!record) return;
      yield record;
    }
  }

  available() {
    return this.#records(0);
  }

  [Symbol.asyncIterator]() {
    return this.#records(Infinity);
  }

  async token() {
    if (this.#ahead.length === 0) return (await answer(this.#native.token())) ?? null;
    const [stream, epoch] = this.#behind.split(':');
    return `${stream}:${epoch}:${this.#given + 1n}`;
  }

  async commit() {
    return answer(this.#native.commit());
  }

  async close({ abandon = false } = {}) {
    await answer(this.#native.close(abandon));
  }

  [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    return this.close();
  }

  static native = (consumer) => consumer.#native;
}

module.exports = { Batch, Consumer, Producer, PuroError };
