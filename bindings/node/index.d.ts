/** Event streams in a directory, shared by any number of processes, with no daemon. */

/** Text is taken as UTF-8. */
export type Bytes = string | ArrayBufferView;

/** A position in the history of a stream, to be kept anywhere. */
export type Token = string;

/** What went wrong: the message says what, where, and why. */
export class PuroError extends Error {
  /** Such as `Conflict`, `NotAStream`, `NameBusy`, `Diverged`: as puro.h has them. */
  readonly code: string;
  /** Whose matter it is: to ask again changes nothing; it may work later; something was lost. */
  readonly blame: 'caller' | 'environment' | 'data' | 'puro';
  /** What to do about it. */
  readonly wayOut: string;
  /** Whether records were appended; null where nobody knows. */
  readonly wasAppended: boolean | null;
}

export interface Record {
  readonly offset: bigint;
  /** When it was appended. */
  readonly time: Date;
  readonly topic: string;
  readonly key: Buffer | null;
  /** null: a delete marker. */
  readonly value: Buffer | null;
  readonly headers: ReadonlyArray<readonly [name: string, value: Buffer]>;
}

export interface Appended {
  readonly firstOffset: bigint;
  readonly recordCount: number;
  readonly timestampMs: number;
  /** Whether they stood there already, from an earlier try. */
  readonly duplicate: boolean;
  /** The position behind them. */
  readonly token: Token;
}

export interface RecordOptions {
  key?: Bytes | null;
  headers?: { [name: string]: Bytes } | Iterable<readonly [Bytes, Bytes]>;
}

/** Records that are appended together: all or none, across topics. */
export class Batch {
  /** Adds a record; a value of null is a delete marker, which needs a key. */
  push(topic: Bytes, value: Bytes | null, options?: RecordOptions): this;
  clear(): void;
  readonly length: number;
}

export interface ProducerOptions {
  /** Make the stream if it is missing; true if not given. */
  create?: boolean;
  /** An append returns once its records are on the disk; else as the stream's settings say. */
  durable?: boolean;
  segmentBytes?: number | bigint;
  allowNetwork?: boolean;
}

export interface AppendOptions {
  /** Only if the stream still ends there, else `Conflict`. */
  ifEnd?: Token | null;
  /** The stream takes each sequence of an identity once. */
  once?: { identity: string; sequence: number | bigint };
  /** Commits what this named consumer gave, in the same block. */
  position?: Consumer;
  time?: Date;
  durable?: boolean;
}

/** Appends records to a stream. Calls are carried out one after the other, in another thread. */
export class Producer {
  private constructor();
  static open(dir: string | URL, options?: ProducerOptions): Promise<Producer>;
  append(topic: Bytes, value: Bytes | null, options?: RecordOptions): Promise<Appended>;
  appendBatch(batch: Batch, options?: AppendOptions): Promise<Appended>;
  /** Waits until all that was appended by it is on the disk. */
  sync(): Promise<void>;
  token(): Promise<Token>;
  lastSequence(identity: string): Promise<bigint | null>;
  /** Sets a setting of the stream; null takes it back to its default. */
  set(name: string, value: string | null): Promise<void>;
  close(): Promise<void>;
}

export interface ConsumerOptions {
  /** The topics that are wanted; none: all. */
  topics?: string | Iterable<Bytes>;
  /** An offset; a number below 0 for the last so many; a time; a token. */
  start?: 'beginning' | 'end' | number | bigint | Date | Token;
  /** The name under which the stream keeps the position. */
  name?: string;
  /** Read only what no loss of power can take back. */
  durable?: boolean;
  waitForStream?: boolean;
  /** With a name: when to commit; about every second if not given. */
  commit?: 'by hand' | { records?: number | bigint; ms?: number };
  /** With a name: where to go on if the place was deleted. */
  ifLost?: 'fail' | 'beginning' | 'end';
  /** How long to wait for another process that runs under the name; Infinity: without limit. */
  ownerWaitMs?: number;
  allowNetwork?: boolean;
}

/** Reads the records of a stream in their order. `for await` waits for more. */
export class Consumer implements AsyncIterable<Record> {
  private constructor();
  static open(dir: string | URL, options?: ConsumerOptions): Promise<Consumer>;
  /** The next record; null if none came in time. No timeout: without limit. */
  poll(timeoutMs?: number): Promise<Record | null>;
  /** The records that are left of a block: the fastest way to read. All count as read. */
  read(timeoutMs?: number): Promise<Record[]>;
  /** The records that are there, up to the end. */
  available(): AsyncIterableIterator<Record>;
  [Symbol.asyncIterator](): AsyncIterableIterator<Record>;
  /** The position of the next record; null until there is a stream. */
  token(): Promise<Token | null>;
  /** With a name: commits the position behind the last record given; whether there was progress. */
  commit(): Promise<boolean>;
  /**
   * Ends it, and every wait. With a name it commits first that all it gave is done, unless it
   * commits by hand; `abandon` says that the last record is not done.
   */
  close(options?: { abandon?: boolean }): Promise<void>;
}
