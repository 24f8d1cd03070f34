package puro;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static puro.Native.call;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.Function;

/**
 * Reads the records of a stream in their order. As an {@code Iterable} it waits for more; to interrupt
 * the thread ends the loop, and leaves the thread interrupted.
 */
public final class Consumer implements AutoCloseable, Iterable<StreamRecord> {
    /** How long a wait goes on without a look whether the thread was interrupted. */
    private static final long SLICE_MS = 100;

    final Handle handle;

    private Consumer(Handle handle) {
        this.handle = handle;
    }

    /** Opens a consumer of all topics from the beginning. */
    public static Consumer open(Path dir) {
        return new Options(dir).open();
    }

    /** A consumer that is to be opened otherwise. */
    public static Options options(Path dir) {
        return new Options(dir);
    }

    /** Where a consumer with a name goes on if what it was to read next was deleted. */
    public enum IfLost { FAIL, BEGINNING, END }

    /** How a consumer is opened. */
    public static final class Options {
        private final Path dir;
        private Start start = new Start.Beginning();
        private List<String> topics = List.of();
        private boolean durable;
        private boolean waitForStream;
        private boolean commitByHand;
        private IfLost ifLost = IfLost.FAIL;
        private String name;
        private long commitRecords;
        private long commitMs;
        private long ownerWaitMs;

        private Options(Path dir) {
            this.dir = dir;
        }

        /** Where it begins; with a name, where there is no position yet. */
        public Options start(Start start) {
            this.start = start;
            return this;
        }

        /** The topics that are wanted; none: all. */
        public Options topics(String... topics) {
            this.topics = List.of(topics);
            return this;
        }

        /** Reads only what no loss of power can take back. */
        public Options durable() {
            durable = true;
            return this;
        }

        /** Waits for a stream that is not there yet. Not with a name. */
        public Options waitForStream() {
            waitForStream = true;
            return this;
        }

        /** The name under which the stream keeps its position. */
        public Options name(String name) {
            this.name = name;
            return this;
        }

        /** With a name: commits only by {@code commit} and {@code Transaction.position}. */
        public Options commitByHand() {
            commitByHand = true;
            return this;
        }

        /** With a name: commits after so many records. */
        public Options commitEvery(long records) {
            commitRecords = records;
            return this;
        }

        /** With a name: commits when so much time has passed, at the next call. */
        public Options commitEvery(Duration interval) {
            commitMs = Math.max(interval.toMillis(), 1);
            return this;
        }

        /** With a name: where to go on if the place was deleted. */
        public Options ifLost(IfLost ifLost) {
            this.ifLost = ifLost;
            return this;
        }

        /** How long to wait for another process that runs under the name. */
        public Options ownerWait(Duration wait) {
            ownerWaitMs = wait.toMillis();
            return this;
        }

        /** Waits for it without limit. */
        public Options ownerWaitForever() {
            ownerWaitMs = -1;
            return this;
        }

        public Consumer open() {
            return new Consumer(Handle.open("consumer", Native.CONSUMER_FREE, (arena, out) ->
                    call(Native.CONSUMER_OPEN, arena.allocateFrom(dir.toString()), asked(arena), out)));
        }

        private MemorySegment asked(Arena arena) {
            var asked = arena.allocate(112, 8).fill((byte) 0);
            put(start, asked);
            if (!topics.isEmpty()) {
                var array = arena.allocate(Native.BYTES * topics.size(), 8);
                for (int i = 0; i < topics.size(); i++) {
                    Native.putBytes(arena, array, i * Native.BYTES, Native.utf8(topics.get(i)));
                }
                asked.set(ADDRESS, 48, array);
                asked.set(JAVA_LONG, 56, topics.size());
            }
            asked.set(JAVA_BOOLEAN, 64, durable);
            asked.set(JAVA_BOOLEAN, 65, waitForStream);
            asked.set(JAVA_BOOLEAN, 67, commitByHand);
            asked.set(JAVA_INT, 68, ifLost.ordinal());
            if (name != null) asked.set(ADDRESS, 72, arena.allocateFrom(name));
            asked.set(JAVA_LONG, 80, commitRecords);
            asked.set(JAVA_LONG, 88, commitMs);
            asked.set(JAVA_LONG, 96, ownerWaitMs);
            return asked;
        }

        private static void put(Start start, MemorySegment to) {
            int kind = switch (start) {
                case Start.Beginning it -> 0;
                case Start.End it -> 1;
                case Start.Offset it -> 2;
                case Start.Last it -> 3;
                case Start.Time it -> 4;
                case Start.At it -> 5;
            };
            long value = switch (start) {
                case Start.Offset it -> it.offset();
                case Start.Last it -> it.count();
                case Start.Time it -> it.time().toEpochMilli();
                default -> 0;
            };
            to.set(JAVA_INT, 0, kind);
            to.set(JAVA_LONG, 8, value);
            if (start instanceof Start.At it) Native.putToken(to.asSlice(16, Native.TOKEN), it.token());
        }
    }

    /** The next record, if there is one now. With a name, to ask says that those before are done. */
    public Optional<StreamRecord> poll() {
        return handle.use(consumer -> next(consumer, 0));
    }

    /** The next record, waiting for it. */
    public Optional<StreamRecord> poll(Duration timeout) throws InterruptedException {
        return waiting(timeout, slice -> handle.use(consumer -> next(consumer, slice)));
    }

    /**
     * The records that are left of a block, waiting for one: the fastest way to read. All of them
     * count as read. Empty if none came in time.
     */
    public List<StreamRecord> read(Duration timeout) throws InterruptedException {
        var found = waiting(timeout, slice -> handle.use(consumer -> block(consumer, slice)));
        return found.orElse(List.of());
    }

    private static Optional<StreamRecord> next(MemorySegment consumer, long timeoutMs) {
        try (var arena = Arena.ofConfined()) {
            var out = arena.allocate(Native.RECORD, 8);
            int code = call(Native.NEXT, consumer, timeoutMs, out);
            return code == Native.OK ? Optional.of(Native.record(out)) : Optional.empty();
        }
    }

    private static Optional<List<StreamRecord>> block(MemorySegment consumer, long timeoutMs) {
        try (var arena = Arena.ofConfined()) {
            var out = arena.allocate(16, 8);
            int code = call(Native.NEXT_BLOCK, consumer, timeoutMs, out, out.asSlice(8));
            if (code != Native.OK) return Optional.empty();
            long size = out.get(JAVA_LONG, 8) * Native.RECORD;
            var array = out.get(ADDRESS, 0).reinterpret(size);
            var records = new ArrayList<StreamRecord>();
            for (long at = 0; at < size; at += Native.RECORD) {
                records.add(Native.record(array.asSlice(at, Native.RECORD)));
            }
            return Optional.of(records);
        }
    }

    /** Waits in slices: the thread may be interrupted, and another one may close. */
    private static <R> Optional<R> waiting(Duration timeout, Function<Long, Optional<R>> ask)
            throws InterruptedException {
        long begun = System.nanoTime();
        while (true) {
            if (Thread.interrupted()) throw new InterruptedException();
            long left = timeout.minusNanos(System.nanoTime() - begun).toMillis();
            var found = ask.apply(Math.clamp(left, 0, SLICE_MS));
            if (found.isPresent() || left <= 0) return found;
        }
    }

    /** The records that are there, up to the end. */
    public Iterable<StreamRecord> available() {
        return () -> new Records(false);
    }

    @Override
    public Iterator<StreamRecord> iterator() {
        return new Records(true);
    }

    private final class Records implements Iterator<StreamRecord> {
        private final boolean waits;
        private StreamRecord next;

        private Records(boolean waits) {
            this.waits = waits;
        }

        @Override
        public boolean hasNext() {
            if (next != null) return true;
            try {
                next = (waits ? poll(Duration.ofSeconds(Long.MAX_VALUE / 2_000_000_000)) : poll()).orElse(null);
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
            return next != null;
        }

        @Override
        public StreamRecord next() {
            if (!hasNext()) throw new NoSuchElementException();
            var given = next;
            next = null;
            return given;
        }
    }

    /** The position of the next record; empty until there is a stream. */
    public Optional<Token> token() {
        return handle.use(consumer -> {
            try (var arena = Arena.ofConfined()) {
                var out = arena.allocate(Native.TOKEN, 8);
                int code = call(Native.CONSUMER_TOKEN, consumer, out);
                return code == Native.OK ? Optional.of(Native.token(out)) : Optional.empty();
            }
        });
    }

    /** With a name: commits the position behind the last record given; whether there was progress. */
    public boolean commit() {
        return handle.use(consumer -> call(Native.COMMIT, consumer) == Native.OK);
    }

    /** Ends it; with a name, what it gave last is not done: the next run gets it again. */
    public void abandon() {
        handle.close(null);
    }

    /** Ends it. With a name it commits first that all it gave is done, unless it commits by hand. */
    @Override
    public void close() {
        handle.close(Native.CONSUMER_CLOSE);
    }
}
