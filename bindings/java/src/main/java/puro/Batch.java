package puro;

import static puro.Native.BATCH_CLEAR;
import static puro.Native.BATCH_OPEN;
import static puro.Native.BATCH_PUSH;
import static puro.Native.call;

import java.lang.foreign.Arena;

/** Records that are appended together: all or none, across topics. */
public final class Batch implements AutoCloseable {
    final Handle handle;
    private int count;

    public Batch() {
        handle = Handle.open("batch", Native.BATCH_FREE, (arena, out) -> call(BATCH_OPEN, out));
    }

    /** Adds a record; its bytes are copied. If it cannot be one, the batch is as it was. */
    public Batch push(NewRecord record) {
        handle.use(batch -> {
            try (var arena = Arena.ofConfined()) {
                call(BATCH_PUSH, batch, Native.newRecord(arena, record));
            }
            return count++;
        });
        return this;
    }

    /** Takes all records out; the memory is kept for the next ones. */
    public void clear() {
        handle.use(batch -> call(BATCH_CLEAR, batch));
        count = 0;
    }

    /** How many records it holds. */
    public int size() {
        return count;
    }

    @Override
    public void close() {
        handle.close(null);
    }
}
