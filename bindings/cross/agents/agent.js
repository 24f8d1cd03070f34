// The part of Node: see ../README.md. Finds `puro-streams` from the working directory.
const { createRequire } = require('node:module');
const { Batch, Consumer, Producer } = createRequire(`${process.env.PURO_NODE}/`)('puro-streams');

const headers = { by: 'node' };

async function write(stream, identity, count) {
  const producer = await Producer.open(stream, { durable: true });
  const last = (await producer.lastSequence(identity)) ?? 0n;
  for (let sequence = last + 1n; sequence <= count; sequence++) {
    const batch = new Batch();
    for (const half of 'ab') batch.push('in', `${identity}:${sequence}:${half}`, { key: identity, headers });
    await producer.appendBatch(batch, { once: { identity, sequence } });
  }
}

async function relay(stream, name) {
  const options = { topics: ['in', 'stop'], name, commit: 'by hand', ownerWaitMs: Infinity };
  const producer = await Producer.open(stream);
  const consumer = await Consumer.open(stream, options);
  for await (const record of consumer) {
    if (record.topic === 'stop') break;
    await producer.appendBatch(new Batch().push('out', record.value, { headers }), { position: consumer });
  }
  await consumer.close();
}

async function read(stream) {
  const hexed = (field) => (field === null ? '-' : `x${field.toString('hex')}`);
  const lines = [];
  for await (const it of (await Consumer.open(stream)).available()) {
    const all = it.headers.map(([name, value]) => `${name}=${hexed(value)}`).join(',');
    lines.push([it.offset, it.time.getTime(), it.topic, hexed(it.key), hexed(it.value), all].join('\t'), '\n');
  }
  process.stdout.write(lines.join(''));
}

const [verb, stream, ...rest] = process.argv.slice(2);
if (verb === 'write') write(stream, rest[0], BigInt(rest[1]));
else if (verb === 'relay') relay(stream, rest[0]);
else read(stream);
