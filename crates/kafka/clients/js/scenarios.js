// kafkajs against a gateway: `node scenarios.js HOST:PORT`.
const assert = require('node:assert');
const { Kafka, CompressionTypes, PartitionAssigners, logLevel } = require('kafkajs');

const bootstrap = process.argv[2];
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
const fresh = (name) => `${name}-${Math.random().toString(16).slice(2, 10)}`;
const PATIENCE = 20_000;

async function until(look, what) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain for ${what}`);
}

async function send(topic, values, { producer = {}, ...more } = {}) {
  const sender = kafka.producer(producer);
  await sender.connect();
  await sender.send({ topic, messages: values.map((value) => ({ value })), ...more });
  await sender.disconnect();
}

async function allOf(topic, count) {
  const reader = kafka.consumer({ groupId: fresh('reader'), maxWaitTimeInMs: 300 });
  const values = [];
  await reader.connect();
  await reader.subscribe({ topic, fromBeginning: true });
  await reader.run({ eachMessage: async ({ message }) => { values.push(String(message.value)); } });
  await until(() => values.length >= count, `${count} records of ${topic}`);
  await reader.disconnect();
  return values;
}

const scenarios = {
  'produce acks and codecs': async () => {
    const topic = fresh('codecs');
    const expected = [];
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      for (const acks of [0, 1, -1]) {
        const values = [...Array(20).keys()].map((n) => `${compression} ${acks} ${n}`);
        await send(topic, values, { acks, compression });
        expected.push(...values);
      }
    }
    assert.deepEqual((await allOf(topic, expected.length)).sort(), expected.sort());
  },
  'produce idempotent': async () => {
    const topic = fresh('idempotent');
    const values = [...Array(200).keys()].map(String);
    await send(topic, values, { producer: { idempotent: true } });
    assert.deepEqual(await allOf(topic, values.length), values);
  },
  'transactions': async () => {
    const topic = fresh('txn');
    const sender = kafka.producer({ transactionalId: fresh('id'), idempotent: true, maxInFlightRequests: 1 });
    await sender.connect();
    const gone = await sender.transaction();
    await gone.send({ topic, messages: [{ value: 'gone' }] });
    await gone.abort();
    const kept = await sender.transaction();
    await kept.send({ topic, messages: [{ value: 'a' }, { value: 'b' }] });
    await kept.commit();
    await sender.disconnect();
    assert.deepEqual(await allOf(topic, 2), ['a', 'b']);
  },
  'group goes on after restart': async () => {
    const [topic, groupId] = [fresh('restart'), fresh('group')];
    for (const value of ['1', '2']) {
      await send(topic, [value]);
      const reader = kafka.consumer({ groupId, maxWaitTimeInMs: 300 });
      const values = [];
      await reader.connect();
      await reader.subscribe({ topic, fromBeginning: true });
      await reader.run({ eachMessage: async ({ message }) => { values.push(String(message.value)); } });
      await until(() => values.length > 0, 'a record');
      await reader.disconnect();
      assert.deepEqual(values, [value]);
    }
  },
  'group of two and rebalance': async () => {
    const [topics, groupId] = [[fresh('two'), fresh('two')], fresh('group')];
    for (const topic of topics) await send(topic, ['x']);
    const members = [];
    const parts = new Map();
    for (let n = 0; n < 2; n += 1) {
      const member = kafka.consumer({
        groupId, heartbeatInterval: 300, maxWaitTimeInMs: 300, partitionAssigners: [PartitionAssigners.roundRobin],
      });
      member.on(member.events.GROUP_JOIN, ({ payload }) => {
        parts.set(n, Object.values(payload.memberAssignment).flat().length);
      });
      await member.connect();
      await member.subscribe({ topics, fromBeginning: true });
      await member.run({ eachMessage: async () => {} });
      members.push(member);
    }
    await until(() => parts.get(0) === 1 && parts.get(1) === 1, 'one topic each');
    await members[1].disconnect();
    await until(() => parts.get(0) === 2, 'both topics for the one that is left');
    await members[0].disconnect();
  },
  'seek by time': async () => {
    const topic = fresh('time');
    await send(topic, ['before']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const moment = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await send(topic, ['after']);
    const admin = kafka.admin();
    await admin.connect();
    const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, moment);
    const [{ high }] = await admin.fetchTopicOffsets(topic);
    assert.equal(Number(high), Number(offset) + 1);
    await admin.disconnect();
  },
  'admin': async () => {
    const [admin, topic] = [kafka.admin(), fresh('made')];
    await admin.connect();
    assert(await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }));
    assert((await admin.listTopics()).includes(topic));
    const { groups } = await admin.listGroups();
    assert(Array.isArray(groups));
    assert.equal((await admin.describeCluster()).brokers.length, 1);
    await admin.disconnect();
  },
};

(async () => {
  let failed = 0;
  for (const [name, scenario] of Object.entries(scenarios)) {
    const begun = Date.now();
    let verdict = 'pass';
    try {
      await scenario();
    } catch (error) {
      console.error(error);
      verdict = 'FAIL';
      failed += 1;
    }
    const took = ((Date.now() - begun) / 1000).toFixed(2).padStart(6);
    console.log(`${'kafkajs'.padEnd(18)} ${name.padEnd(28)} ${verdict} ${took} s`);
  }
  process.exit(failed ? 1 : 0);
})();
