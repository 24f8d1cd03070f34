package puro;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static puro.Native.call;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.OptionalLong;

/** Appends records to a stream. */
public final class Producer implements AutoCloseable {
    private final Handle handle;

    private Producer(Handle handle) {
        this.handle = handle;
    }

    /** Opens a producer; makes the stream if it is missing. */
    public static Producer open(Path dir) {
        return new Options(dir).open();
    }

    /** A producer that is to be opened otherwise. */
    public static Options options(Path dir) {
        return new Options(dir);
    }

    /** How a producer is opened. */
    public static final class Options {
        private final Path dir;
        private boolean mustExist;
        private Boolean durable;
        private long segmentBytes;

        private Options(Path dir) {
            this.dir = dir;
        }

        /** A stream that is missing is refused, not made. */
        public Options mustExist() {
            mustExist = true;
            return this;
        }

        /** Whether an append returns only once its records are on the disk. */
        public Options durable(boolean durable) {
            this.durable = durable;
            return this;
        }

        /** Of a stream that is made: bytes of records in a segment. */
        public Options segmentBytes(long bytes) {
            segmentBytes = bytes;
            return this;
        }

        public Producer open() {
            return new Producer(Handle.open("producer", Native.PRODUCER_FREE, (arena, out) -> {
                var asked = arena.allocate(24, 8).fill((byte) 0);
                asked.set(JAVA_BOOLEAN, 0, mustExist);
                asked.set(JAVA_INT, 4, choice(durable));
                asked.set(JAVA_LONG, 8, segmentBytes);
                call(Native.PRODUCER_OPEN, arena.allocateFrom(dir.toString()), asked, out);
            }));
        }
    }

    private static int choice(Boolean choice) {
        return choice == null ? 0 : choice ? 1 : 2;
    }

    /** Appends one record. It is visible to all when this returns. */
    public Appended append(NewRecord record) {
        return handle.use(producer -> {
            try (var arena = Arena.ofConfined()) {
                var out = arena.allocate(Native.APPENDED, 8);
                call(Native.APPEND, producer, Native.newRecord(arena, record), out);
                return Native.appended(out);
            }
        });
    }

    /** Appends a batch, all of it or nothing; the batch keeps its records. */
    public Appended append(Batch batch) {
        return transaction(batch).commit();
    }

    /** An append that asks for more: nothing happens before {@code commit}. */
    public Transaction transaction(Batch batch) {
        return new Transaction(batch);
    }

    /** What an append asks for beside its records, in any combination. */
    public final class Transaction {
        private final Batch batch;
        private Token ifEnd;
        private String identity;
        private long sequence;
        private Consumer position;
        private Boolean durable;

        private Transaction(Batch batch) {
            this.batch = batch;
        }

        /** Only if the stream still ends there, else {@code CONFLICT}. */
        public Transaction ifEnd(Token token) {
            ifEnd = token;
            return this;
        }

        /** Once, however often it is tried: the stream takes each sequence of an identity once. */
        public Transaction once(String identity, long sequence) {
            this.identity = identity;
            this.sequence = sequence;
            return this;
        }

        /** Commits what this named consumer gave, in the same block. */
        public Transaction position(Consumer consumer) {
            position = consumer;
            return this;
        }

        /** Whether to be on the disk before it returns. */
        public Transaction durable(boolean durable) {
            this.durable = durable;
            return this;
        }

        public Appended commit() {
            if (position == null) return commit(MemorySegment.NULL);
            return position.handle.use(this::commit);
        }

        private Appended commit(MemorySegment consumer) {
            return handle.use(producer -> batch.handle.use(records -> {
                try (var arena = Arena.ofConfined()) {
                    var asked = arena.allocate(48, 8).fill((byte) 0);
                    if (ifEnd != null) {
                        asked.set(ADDRESS, 0, Native.putToken(arena.allocate(Native.TOKEN, 8), ifEnd));
                    }
                    if (identity != null) asked.set(ADDRESS, 8, arena.allocateFrom(identity));
                    asked.set(JAVA_LONG, 16, sequence);
                    asked.set(ADDRESS, 24, consumer);
                    asked.set(JAVA_INT, 40, choice(durable));
                    var out = arena.allocate(Native.APPENDED, 8);
                    call(Native.APPEND_BATCH, producer, records, asked, out);
                    return Native.appended(out);
                }
            }));
        }
    }

    /** Waits until all that was appended by it is on the disk. */
    public void sync() {
        handle.use(producer -> call(Native.SYNC, producer));
    }

    /** The position behind all that it has seen. */
    public Token token() {
        return handle.use(producer -> {
            try (var arena = Arena.ofConfined()) {
                var out = arena.allocate(Native.TOKEN, 8);
                call(Native.PRODUCER_TOKEN, producer, out);
                return Native.token(out);
            }
        });
    }

    /** The last sequence that the stream took of an identity. */
    public OptionalLong lastSequence(String identity) {
        return handle.use(producer -> {
            try (var arena = Arena.ofConfined()) {
                var out = arena.allocate(JAVA_LONG);
                int code = call(Native.LAST_SEQUENCE, producer, arena.allocateFrom(identity), out);
                return code == Native.OK ? OptionalLong.of(out.get(JAVA_LONG, 0)) : OptionalLong.empty();
            }
        });
    }

    /** Sets a setting of the stream; a value of {@code null} takes it back to its default. */
    public void set(String name, String value) {
        handle.use(producer -> {
            try (var arena = Arena.ofConfined()) {
                var to = value == null ? MemorySegment.NULL : arena.allocateFrom(value);
                return call(Native.SET, producer, arena.allocateFrom(name), to);
            }
        });
    }

    /** Lets go of its locks and files. */
    @Override
    public void close() {
        handle.close(Native.PRODUCER_CLOSE);
    }
}
