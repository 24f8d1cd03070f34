// What the compiler must accept, and infer.
import { Batch, Consumer, Producer, PuroError, type Record } from 'puro-streams';

export async function follow(dir: string): Promise<bigint> {
  const producer = await Producer.open(dir, { durable: true });
  const appended = await producer.append('t', Buffer.of(1), { key: 'k', headers: { a: 'b' } });
  const consumer = await Consumer.open(dir, { name: 'n', start: appended.token, commit: { records: 10 } });
  const batch = new Batch().push('t', null, { key: 'k' }).push('t', 'x', { headers: [['a', 'b']] });
  await producer.appendBatch(batch, { once: { identity: 'x', sequence: 1n }, position: consumer });
  try {
    for await (const record of consumer) {
      const value: Buffer | null = record.value;
      const time: Date = record.time;
      if (value && time) return record.offset;
    }
  } catch (error) {
    if (error instanceof PuroError && error.blame === 'data') throw error;
  }
  const next: Record | null = await consumer.poll(100);
  return next?.offset ?? 0n;
}
